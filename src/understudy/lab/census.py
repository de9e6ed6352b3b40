"""Which of many addresses a machine answers for, asked once.

``python -m understudy.lab.census DEVICE OWN_ADDRESS MAC ADDRESS...`` asks as the observer does: echo requests with the machine's
MAC, so that no neighbour cache has a say (the kernel's has room for a thousand neighbours in all network namespaces together).
Prints how many answered within a second.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence

from .observer import echo_frame

_IPV4 = 0x0800
_PATIENCE = 1.0
_AT_ONCE = 50
"""Questions between two looks at the answers, so that neither side's queue overflows."""


def answering(device: str, own: str, mac: str, addresses: Sequence[str]) -> set[str]:
    """Of ``addresses`` those whose answer came from ``mac``."""
    with contextlib.closing(
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_IPV4))
    ) as ear:
        ear.bind((device, _IPV4))
        machine, found = bytes.fromhex(mac.replace(":", "")), set()
        for start in range(0, len(addresses), _AT_ONCE):
            for address in addresses[start : start + _AT_ONCE]:
                target = socket.inet_aton(address)
                ear.send(echo_frame(machine, ear.getsockname()[4], socket.inet_aton(own), target, 0))
            last = start + _AT_ONCE >= len(addresses)
            end = time.monotonic() + (_PATIENCE if last else 0.005)
            while (left := end - time.monotonic()) > 0:
                if not select.select([ear], (), (), left)[0]:
                    break
                frame = ear.recv(512)
                if frame[6:12] == machine and frame[23] == 1 and frame[34] == 0:
                    found.add(socket.inet_ntoa(struct.unpack_from("4s", frame, 26)[0]))
    return found & set(addresses)


if __name__ == "__main__":
    print(len(answering(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])))
