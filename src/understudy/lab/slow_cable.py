"""A cable on which every frame takes its time: what netem would do, for kernels without it.

``python -m understudy.lab.slow_cable MILLISECONDS PORT MAC OTHER_PORT=OTHER_MAC...`` runs beside the bridges. The switch drops
what it would forward to and from PORT; this process takes each frame off the wire there, and hands it on so many
milliseconds later.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
from collections import deque

from ..units import MILLISECOND, Duration, Instant
from . import kernel

_EVERY_PROTOCOL = 3
_OUTGOING = 4
_LONGEST_FRAME = 65535
_SOL_PACKET, _PACKET_VNET_HDR, _HEAD = 263, 15, 10
"""With this head (virtio_net_hdr) in front, a checksum that the sender left to the hardware is still filled in (packet(7))."""


class SlowCable:
    """``others``: by MAC address, the port behind which each other machine is."""

    def __init__(self, delay: Duration, port: str, mac: bytes, others: dict[bytes, str]) -> None:
        self._delay, self._mac = delay, mac
        self._near = _tap(port)
        self._far = {other: _tap(name) for other, name in others.items()}
        self._waiting: deque[tuple[Instant, bytes, list[socket.socket]]] = deque()

    def run(self) -> None:
        """Until killed. Says "ready" when nothing is lost any more."""
        print("ready", flush=True)
        poll = select.poll()
        taps = {tap.fileno(): tap for tap in (self._near, *self._far.values())}
        for number in taps:
            poll.register(number, select.POLLIN)
        while True:
            now = kernel.now()
            while self._waiting and self._waiting[0][0] <= now:
                _, frame, towards = self._waiting.popleft()
                for tap in towards:
                    with contextlib.suppress(OSError):  # no carrier over there
                        tap.send(frame)
            wait = None if not self._waiting else max(1, (self._waiting[0][0] - now) // MILLISECOND)
            for number, _ in poll.poll(wait):
                self._take(taps[number])

    def _take(self, tap: socket.socket) -> None:
        with contextlib.suppress(OSError):  # drained, or the other end has lost its power
            while True:
                frame, address = tap.recvfrom(_LONGEST_FRAME)
                to = frame[_HEAD : _HEAD + 6]
                if address[2] == _OUTGOING:
                    continue
                if tap is not self._near:
                    towards = [self._near] if to == self._mac or to[0] & 1 else []
                else:
                    towards = list(self._far.values()) if to[0] & 1 else [self._far[to]] if to in self._far else []
                if towards:
                    self._waiting.append((kernel.now() + self._delay, frame, towards))


def _tap(port: str) -> socket.socket:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_EVERY_PROTOCOL))
    tap.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
    tap.bind((port, _EVERY_PROTOCOL))
    return tap


def main() -> None:
    milliseconds, port, mac, *others = sys.argv[1:]
    pairs = (other.split("=", 1) for other in others)
    behind = {bytes.fromhex(address.replace(":", "")): name for name, address in pairs}
    SlowCable(int(milliseconds) * MILLISECOND, port, bytes.fromhex(mac.replace(":", "")), behind).run()


if __name__ == "__main__":
    main()
