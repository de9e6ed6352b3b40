"""What virtual routers say on the wire, as the switch hears it: advertisements, gratuitous ARP, neighbour advertisements.

A decoder of its own, in the few lines that a judge needs: what is tested must not be judged by its own codec. The sockets filter
in the kernel and take its receive times, so nobody has to read at once. Use in the director.
"""

from __future__ import annotations

import contextlib
import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from ctypes import addressof, create_string_buffer
from dataclasses import dataclass

from ..units import MILLISECOND, SECOND, Duration, Instant
from . import kernel
from .netns import LabError, Room

ADVERT, ARP, NEIGHBOUR = "advert", "arp", "na"

_ALL = 0x0003
"""ETH_P_ALL, packet(7): frames of one kind would be handed to a socket only after the bridge has taken them."""
_SO_ATTACH_FILTER, _SO_TIMESTAMPNS, _SO_RCVBUFFORCE = 26, 35, 33
_BUFFER = 8 << 20
_CENTISECOND = 10 * MILLISECOND
_TIME = struct.Struct("@qq")

_ABSOLUTE_HALF, _ABSOLUTE_BYTE, _ABSOLUTE_WORD = 0x28, 0x30, 0x20
_EQUAL, _EQUAL_X, _TO_X, _RETURN = 0x15, 0x1D, 0x07, 0x06
_PACKET_TYPE = 0xFFFFF004
"""SKF_AD_OFF + SKF_AD_PKTTYPE: whether the frame came from the machine or goes to it."""

_SENT = (_EQUAL, 17, 0, 4)
_ARRIVING = (_EQUAL, 0, 17, 4)
"""What comes from the machine, or what the switch lets through to it."""

# (code, jump if true, jump if false, value): linux/filter.h. Accepts protocols 112 and 51 over either IP, ARP whose sender and
# target are the same, neighbour advertisements.
_FILTER = (
    (_ABSOLUTE_HALF, 0, 0, 12),
    (_EQUAL, 0, 4, 0x0806),
    (_ABSOLUTE_WORD, 0, 0, 28),
    (_TO_X, 0, 0, 0),
    (_ABSOLUTE_WORD, 0, 0, 38),
    (_EQUAL_X, 12, 11, 0),
    (_EQUAL, 0, 3, 0x0800),
    (_ABSOLUTE_BYTE, 0, 0, 23),
    (_EQUAL, 9, 0, 112),
    (_EQUAL, 8, 7, 51),
    (_EQUAL, 0, 6, 0x86DD),
    (_ABSOLUTE_BYTE, 0, 0, 20),
    (_EQUAL, 5, 0, 112),
    (_EQUAL, 4, 0, 51),
    (_EQUAL, 0, 2, 58),
    (_ABSOLUTE_BYTE, 0, 0, 54),
    (_EQUAL, 1, 0, 136),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFF),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that a machine sent. ``kind``: ``ADVERT``, ``ARP`` or ``NEIGHBOUR``; the latter two have one address.

    ``auth``: the number in a version 2 advert, 0 elsewhere. ``sequence``: of AH. ``ttl``: 0 for ARP.
    """

    at: Instant
    machine: str
    device: str
    kind: str
    mac: str
    source: str
    target: str
    addresses: tuple[str, ...]
    vrid: int = 0
    version: int = 0
    priority: int = 0
    interval: Duration = 0
    auth: int = 0
    sequence: int = 0
    ttl: int = 0


def decode(frame: bytes, at: Instant, machine: str, device: str) -> Frame | None:
    """None for what is none of the three kinds."""
    kind = frame[12:14]
    mac = frame[6:12].hex(":")
    try:
        if kind == b"\x08\x06":
            address = str(ipaddress.IPv4Address(frame[28:32]))
            return Frame(at, machine, device, ARP, mac, address, frame[:6].hex(":"), (address,))
        if kind == b"\x08\x00":
            header = (frame[14] & 15) * 4
            source, target = (str(ipaddress.IPv4Address(frame[start : start + 4])) for start in (26, 30))
            end = 14 + int.from_bytes(frame[16:18], "big")
            return _advert(
                frame[14 + header : end], frame[23], (at, machine, device, mac, source, target), frame[22], 4
            )
        source, target = (str(ipaddress.IPv6Address(frame[start : start + 16])) for start in (22, 38))
        if frame[20] == 58:
            address = str(ipaddress.IPv6Address(frame[62:78]))
            return Frame(at, machine, device, NEIGHBOUR, mac, source, target, (address,), ttl=frame[21])
        end = 54 + int.from_bytes(frame[18:20], "big")
        return _advert(frame[54:end], frame[20], (at, machine, device, mac, source, target), frame[21], 16)
    except (IndexError, ValueError):
        return None


def _advert(
    body: bytes, protocol: int, place: tuple[Instant, str, str, str, str, str], ttl: int, width: int
) -> Frame | None:
    at, machine, device, mac, source, target = place
    sequence = 0
    if protocol == 51:
        sequence = int.from_bytes(body[8:12], "big")
        body = body[(body[1] + 2) * 4 :]
    version, count = body[0] >> 4, body[3]
    if body[0] & 15 != 1 or version not in (2, 3):
        return None
    interval = body[5] * SECOND if version == 2 else (int.from_bytes(body[4:6], "big") & 0xFFF) * _CENTISECOND
    parts = [body[8 + width * index : 8 + width * (index + 1)] for index in range(count)]
    addresses = tuple(str(ipaddress.ip_address(part)) for part in parts)
    return Frame(
        at, machine, device, ADVERT, mac, source, target, addresses, body[1], version, body[2], interval,
        body[4] if version == 2 else 0, sequence, ttl,
    )  # fmt: skip


@dataclass(slots=True)
class _Ear:
    machine: str
    device: str
    port: str
    socket: socket.socket


class Wire:
    """Listens at the switch's ports, from when each machine got its power until it lost it.

    ``arriving``: to what is let through to the machines, ``Frame.machine`` being who gets it; else to what they send.
    """

    def __init__(self, room: Room, machines: Sequence[str], arriving: bool = False) -> None:
        self._room, self._machines, self._arriving = room, tuple(machines), arriving
        self._ears: list[_Ear] = []
        self.frames: list[Frame] = []
        """All that was read so far, each machine's in order."""

    def listen(self) -> None:
        """Also to the machines that got power since the last call."""
        self.read()
        wanted = {
            cable.port: (name, device)
            for name in self._machines
            for device, cable in self._room.machine(name).cables.items()
            if cable.port
        }
        for ear in [ear for ear in self._ears if ear.port not in wanted]:
            ear.socket.close()
            self._ears.remove(ear)
        known = {ear.port for ear in self._ears}
        self._ears += [
            _Ear(*place, port, _open(port, self._arriving)) for port, place in wanted.items() if port not in known
        ]

    def read(self) -> None:
        """Take what has come since the last time."""
        new = []
        for ear in self._ears:
            with contextlib.suppress(OSError):  # drained, or the port is gone
                while True:
                    data, ancillary, _, _ = ear.socket.recvmsg(2048, 128)
                    found = decode(data, _received(ancillary), ear.machine, ear.device)
                    if found is not None:
                        new.append(found)
        self.frames += sorted(new, key=lambda frame: frame.at)

    def since(self, start: Instant, kind: str = ADVERT, machine: str = "", vrid: int = 0) -> list[Frame]:
        """What was sent at ``start`` or later; of everybody and every virtual router unless said otherwise."""
        self.read()
        found = []
        for frame in reversed(self.frames):
            if frame.at < start - SECOND:  # read in portions, each in order
                break
            if frame.at >= start and frame.kind == kind and machine in ("", frame.machine) and vrid in (0, frame.vrid):
                found.append(frame)
        return found[::-1]

    def next(self, machine: str, start: Instant, limit: float = 30.0, vrid: int = 0, kind: str = ADVERT) -> Frame:
        """The first such frame of that machine since ``start``; waits for it. Raises LabError after ``limit`` seconds."""
        end = time.monotonic() + limit
        while not (found := self.since(start, kind, machine, vrid)):
            if time.monotonic() > end:
                raise LabError(f"{machine} sent no {kind} within {limit:.0f} s")
            select.select([ear.socket for ear in self._ears], (), (), 0.1)
        return found[0]

    def masters(self, start: Instant) -> dict[int, list[str]]:
        """Who sent adverts (but for goodbyes) since then, by VRID: in the order in which they began."""
        found: dict[int, list[str]] = {}
        for frame in self.since(start):
            names = found.setdefault(frame.vrid, [])
            if frame.priority and frame.machine not in names:
                names.append(frame.machine)
        return found

    def speaking(self) -> dict[int, tuple[str, ...]]:
        """Who says at the moment that it is master, by VRID: its last advert is no goodbye and younger than 1.6 intervals."""
        now = kernel.now()
        last: dict[tuple[int, str], Frame] = {}
        for frame in self.since(now - 10 * SECOND):
            last[frame.vrid, frame.machine] = frame
        found: dict[int, tuple[str, ...]] = {}
        for (vrid, machine), frame in sorted(last.items()):
            if frame.priority and now - frame.at < frame.interval * 8 // 5:
                found[vrid] = (*found.get(vrid, ()), machine)
        return found

    def close(self) -> None:
        for ear in self._ears:
            ear.socket.close()
        self._ears.clear()


def _open(port: str, arriving: bool) -> socket.socket:
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    lines = ((_ABSOLUTE_WORD, 0, 0, _PACKET_TYPE), _ARRIVING if arriving else _SENT, *_FILTER)
    program = create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    ear.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(lines), addressof(program)))
    ear.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    ear.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    ear.bind((port, _ALL))
    return ear


def _received(ancillary: Sequence[tuple[int, int, bytes]]) -> Instant:
    """The kernel's receive time, on the boot-time clock."""
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS:
            seconds, rest = map(int, _TIME.unpack(value))
            return kernel.now() - (time.time_ns() - seconds * SECOND - rest)
    return kernel.now()


def runs_of(times: Sequence[Instant], step: Duration) -> Iterator[tuple[Instant, Instant]]:
    """The stretches, first to last, in which each of the sorted ``times`` follows the one before by at most ``step``."""
    first = last = None
    for at in times:
        if first is None or last is None:
            first = last = at
        elif at - last <= step:
            last = at
        else:
            yield first, last
            first = last = at
    if first is not None and last is not None:
        yield first, last
