"""Asks many addresses: ``python -m understudy.lab.sweep DIRECTORY INTERVAL_NS NAMES ADDRESS...``, NAMES joined by commas.

Every address is asked by UDP once an interval, as ``client`` asks one. A ``Samples`` file for each: ``DIRECTORY/sweep.ADDRESS``.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from collections.abc import Sequence

from ..units import SECOND, Duration
from . import kernel, responder
from .pace import steadily
from .samples import Samples

_KEPT = 180 * SECOND
_SEQUENCE = struct.Struct("<q")


def sweep(directory: str, interval: Duration, names: Sequence[str], addresses: Sequence[str]) -> None:
    """Never returns."""
    index = {name.encode(): number for number, name in enumerate(names)}
    samples = {
        address: Samples.create(f"{directory}/sweep.{address}", _KEPT // interval, interval) for address in addresses
    }
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    asker.setblocking(False)
    asker.bind(("", 0))

    def ask(sequence: int) -> None:
        for address in addresses:
            samples[address].asked(sequence, kernel.now())
            with contextlib.suppress(OSError):  # no neighbour: unanswered
                asker.sendto(_SEQUENCE.pack(sequence), (address, responder.PORT))

    def take() -> None:
        while True:
            try:
                data, (address, _) = asker.recvfrom(256)
            except BlockingIOError:
                return
            except OSError:
                continue
            if address in samples and len(data) >= _SEQUENCE.size:
                sequence = _SEQUENCE.unpack_from(data)[0]
                samples[address].answered(sequence, kernel.now(), index.get(data[_SEQUENCE.size :], -1))

    steadily(interval, [asker], ask, take)


if __name__ == "__main__":
    sweep(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(","), sys.argv[4:])
