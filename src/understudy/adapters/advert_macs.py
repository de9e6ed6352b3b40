"""Which MAC address an advert came from: raw sockets do not say it, and multicast leaves nothing in the neighbour table.

A packet socket on each device takes the first frame of VRRP from each source, cut off behind its addresses; the filter lets no
frame of a known source through, and the kernel none that we send ourselves (Linux 4.20). So with hundreds of virtual routers
nothing is copied, and a stranger's first advert is there when somebody asks who it was. What is known is forgotten every ten
minutes: a machine may get another network card.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from . import packet_filter
from .neighbours import mac_of
from .packet_filter import Program
from .udp import interface_index

_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_ETH_IPV4, _ETH_IPV6 = 0x0800, 0x86DD
_HEAD = 64
_LOAD_HALF, _LOAD_BYTE, _LOAD_WORD, _EQUAL, _RETURN = 0x28, 0x30, 0x20, 0x15, 0x06
_MOST = 32
"""Sources that are remembered for each device; those of an attacker may push out others, which costs a copy."""

_FORGET = 600
"""Calls of ``refresh``, one a second."""


@dataclass(slots=True)
class _Watch:
    socket: socket.socket
    index: int
    known: dict[str, str] = field(default_factory=dict)
    """MAC addresses by source."""


@dataclass(slots=True)
class AdvertMacs:
    """Without the right to open packet sockets only the neighbour table is asked."""

    devices: tuple[str, ...] = ()
    _watches: dict[str, _Watch] = field(default_factory=dict)
    _ticks: int = 0

    def follow(self, devices: Iterable[str]) -> None:
        """These are watched from now on."""
        self.devices = tuple(dict.fromkeys(devices))
        for device in set(self._watches) - set(self.devices):
            self._watches.pop(device).socket.close()
        self.refresh()

    def refresh(self) -> None:
        """Find devices that came or came back; call about every second. Also takes what has come, so that nothing is lost."""
        self._ticks += 1
        for device in self.devices:
            watch, index = self._watches.get(device), interface_index(device)
            if watch is not None and (watch.index != index or self._ticks % _FORGET == 0):
                self._watches.pop(device).socket.close()
                watch = None
            if watch is None and index:
                watch = _open(device, index)
                if watch is not None:
                    self._watches[device] = watch
            elif watch is not None:
                _take(watch)

    def mac_of(self, device: str, source: str) -> str:
        """``52:54:00:12:34:56``, or "" when nobody knows it."""
        watch = self._watches.get(device)
        if watch is None:
            return mac_of(source)
        if source not in watch.known:
            _take(watch)
        return watch.known.get(source, "") or mac_of(source)

    def close(self) -> None:
        for watch in self._watches.values():
            watch.socket.close()
        self._watches.clear()


def _open(device: str, index: int) -> _Watch | None:
    try:
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    except OSError:
        return None
    try:
        packet_filter.attach(opened, adverts_but(()))
        # Our own adverts come by, too, hundreds a second, and each one costs a copy and a look-up of the device's name.
        opened.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        opened.bind((device, 0x0003))
    except OSError:
        opened.close()
        return None
    return _Watch(opened, index)


def _take(watch: _Watch) -> None:
    """Learn from what has come; then let nothing more of these sources through."""
    before = len(watch.known)
    while True:
        try:
            frame = watch.socket.recv(_HEAD)
        except OSError:
            break
        if len(frame) < _HEAD - 20:
            continue
        source = _source(frame)
        if source and source not in watch.known:
            if len(watch.known) >= _MOST:
                del watch.known[next(iter(watch.known))]
            watch.known[source] = frame[6:12].hex(":")
            before = -1
    if before < 0:
        try:
            packet_filter.attach(watch.socket, adverts_but(watch.known))
        except OSError:
            return


def _source(frame: bytes) -> str:
    (protocol,) = struct.unpack_from("!H", frame, 12)
    if protocol == _ETH_IPV4:
        return socket.inet_ntop(socket.AF_INET, frame[26:30])
    return socket.inet_ntop(socket.AF_INET6, frame[22:38]) if protocol == _ETH_IPV6 else ""


def adverts_but(sources: Iterable[str]) -> Program:
    """Frames of VRRP, or of AH over IPv4, from none of ``sources``; those of IPv6 are told apart by their last 4 bytes."""
    ipv4 = [socket.inet_pton(socket.AF_INET, item) for item in sources if ":" not in item]
    ipv6 = [socket.inet_pton(socket.AF_INET6, item)[12:] for item in sources if ":" in item]
    over4 = [
        (_LOAD_BYTE, 0, 0, 23),
        (_EQUAL, 2, 0, 112),
        (_EQUAL, 1, 0, 51),
        (_RETURN, 0, 0, 0),
        *_none_of(26, ipv4),
    ]
    over6 = [(_LOAD_BYTE, 0, 0, 20), (_EQUAL, 1, 0, 112), (_RETURN, 0, 0, 0), *_none_of(34, ipv6)]
    return [
        (_LOAD_HALF, 0, 0, 12),
        (_EQUAL, 0, len(over4), _ETH_IPV4),
        *over4,
        (_EQUAL, 1, 0, _ETH_IPV6),
        (_RETURN, 0, 0, 0),
        *over6,
    ]


def _none_of(offset: int, words: list[bytes]) -> Program:
    program: Program = [(_LOAD_WORD, 0, 0, offset)]
    for word in words:
        program += [(_EQUAL, 0, 1, int.from_bytes(word, "big")), (_RETURN, 0, 0, 0)]
    return [*program, (_RETURN, 0, 0, _HEAD)]
