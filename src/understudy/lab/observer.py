"""The observer: asks each machine separately, by its MAC address, whether it serves the address.

``python -m understudy.lab.observer DIRECTORY DEVICE OWN_ADDRESS ADDRESS INTERVAL_NS NAME=MAC...`` sends every machine an ICMP
echo request (RFC 792) for ADDRESS in a frame with that machine's MAC as destination, and, at every fifth tick, a unicast
ARP request (RFC 826) for it. So no neighbour cache and no switch decides who is asked: a machine that holds the address and may
serve it answers, whatever the others do. One ``Samples`` file for each machine and kind: ``DIRECTORY/echo.NAME``,
``DIRECTORY/arp.NAME``. All machines are asked at the same tick, a few microseconds apart, in one process.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections.abc import Mapping

from ..units import SECOND, Duration
from . import kernel
from .pace import steadily
from .samples import Samples

ARP_EVERY = 5
_KEPT = 10 * 60 * SECOND
_IPV4, _ARP = 0x0800, 0x0806
_IDENTIFIER = 0x5553
_ECHO = struct.Struct("!BBHHH")
_PAYLOAD = struct.Struct("<q")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_frame(to: bytes, own: bytes, source: bytes, target: bytes, sequence: int) -> bytes:
    """An Ethernet frame with an ICMP echo request whose payload is ``sequence`` (64 bits)."""
    payload = _PAYLOAD.pack(sequence)
    body = _ECHO.pack(8, 0, 0, _IDENTIFIER, sequence & 0xFFFF) + payload
    body = _ECHO.pack(8, 0, checksum(body), _IDENTIFIER, sequence & 0xFFFF) + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, 1, 0, source, target)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return to + own + struct.pack("!H", _IPV4) + header + body


def arp_frame(to: bytes, own: bytes, source: bytes, target: bytes) -> bytes:
    """An Ethernet frame with an ARP request for ``target``, sent to one machine only."""
    return to + own + struct.pack("!HHHBBH", _ARP, 1, _IPV4, 6, 4, 1) + own + source + bytes(6) + target


class Observer:
    """Two packet sockets and a ring for each machine and kind."""

    def __init__(self, directory: str, device: str, own: str, address: str, interval: Duration) -> None:
        self._directory, self._interval = directory, interval
        self._source, self._target = socket.inet_aton(own), socket.inet_aton(address)
        self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_IPV4))
        self._frames.bind((device, _IPV4))
        self._arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(_ARP))
        self._arp.bind((device, _ARP))
        self._own: bytes = self._frames.getsockname()[4]
        self._machines: dict[bytes, tuple[Samples, Samples]] = {}
        self._last_arp = 0

    def watch(self, machines: Mapping[str, str]) -> None:
        """Ask ``machines`` (name to MAC) from now on. Never returns."""
        slow = self._interval * ARP_EVERY
        for name, mac in machines.items():
            echo = Samples.create(
                os.path.join(self._directory, f"echo.{name}"), _KEPT // self._interval, self._interval
            )
            arp = Samples.create(os.path.join(self._directory, f"arp.{name}"), _KEPT // slow, slow)
            self._machines[bytes.fromhex(mac.replace(":", ""))] = (echo, arp)
        steadily(self._interval, [self._frames, self._arp], self._ask, self._take)

    def _ask(self, sequence: int) -> None:
        now = kernel.now()
        for mac, (echo, _) in self._machines.items():
            echo.asked(sequence, now)
            with contextlib.suppress(OSError):
                self._frames.send(echo_frame(mac, self._own, self._source, self._target, sequence))
        if sequence % ARP_EVERY:
            return
        self._last_arp = sequence // ARP_EVERY
        for mac, (_, arp) in self._machines.items():
            arp.asked(self._last_arp, now)
            with contextlib.suppress(OSError):
                self._arp.send(arp_frame(mac, self._own, self._source, self._target))

    def _take(self) -> None:
        for frames, read in ((self._frames, self._read_echo), (self._arp, self._read_arp)):
            with contextlib.suppress(OSError):  # drained, or the device is down
                while True:
                    read(frames.recv(512))

    def _read_echo(self, frame: bytes) -> None:
        """An echo reply from the address: 14 bytes of Ethernet, 20 of IPv4 (an echo of ours has no options), then ICMP."""
        machine = self._machines.get(frame[6:12])
        if machine is None or len(frame) < 50 or frame[23] != 1 or frame[26:30] != self._target or frame[34] != 0:
            return
        if frame[38:40] == struct.pack("!H", _IDENTIFIER):
            machine[0].answered(_PAYLOAD.unpack_from(frame, 42)[0], kernel.now(), 0)

    def _read_arp(self, frame: bytes) -> None:
        """An ARP reply that claims the address; it carries no number, so it answers the newest question."""
        machine = self._machines.get(frame[6:12])
        if machine is None or len(frame) < 42 or frame[20:22] != b"\0\2" or frame[28:32] != self._target:
            return
        machine[1].answered(self._last_arp, kernel.now(), 0)


def main() -> None:
    directory, device, own, address, interval, *machines = sys.argv[1:]
    observer = Observer(directory, device, own, address, int(interval))
    observer.watch(dict(machine.split("=", 1) for machine in machines))


if __name__ == "__main__":
    main()
