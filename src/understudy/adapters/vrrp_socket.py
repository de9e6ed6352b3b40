"""The sockets of virtual routers: adverts out of and into devices, by multicast and unicast, IPv4 and IPv6. Parses nothing.

However many virtual routers there are, each device has one receiving socket for each family (IP protocol 112), one more where
any router of the device signs with AH (protocol 51), and one for sending over IPv4. Over IPv4 the whole packet is ours
(IP_HDRINCL), so that identification and AH are; over IPv6 the kernel writes the header, and source and hop limit go along with
each packet.

All are bound to their device: an advert never leaves, or is taken, by another way than the configuration says. What this machine
multicasts does not come back to it. As in ``udp.py`` nothing waits and nothing raises once it is open, a device that is not there
yet is no error (``mend`` finishes what could not be done, and finds one that was deleted and made again), and arrival is the
kernel's receive time.

Not handled: IPv6 extension headers before VRRP, which nobody sends; jumbo adverts, of which VRRP has none.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..units import Instant
from .udp import (
    IP_MULTICAST_ALL,
    IPV6_MULTICAST_ALL,
    RECEIVE_BUFFER,
    SO_RCVBUFFORCE,
    SO_TIMESTAMPNS,
    TIMESPEC,
    ClockOffset,
    Datagram,
    LinkCounters,
    boot_clock,
    interface_index,
)

PROTOCOL = 112
AH = 51

LARGEST = 9000
"""No advert is larger, in bytes: 255 addresses of IPv6 and a header."""

_SO_PRIORITY = 12
_PRIORITY = 6
_TRAFFIC_CLASS = 0xC0
_HOPS = 255
_IPV6_FREEBIND = 78
_CHECKSUM_AT = 6
_PACKET_INFO = struct.Struct("@16sI")
_NUMBER = struct.Struct("@i")
_ANYWHERE = "0.0.0.0"
_CONTROL = sum(socket.CMSG_SPACE(size) for size in (TIMESPEC.size, _PACKET_INFO.size, _NUMBER.size))


@dataclass(frozen=True, slots=True)
class Way:
    """How the adverts of a virtual router come and go. ``group``: to which they are multicast, "" where they are not.

    ``signed``: with an Authentication Header (AH), over IPv4 only.
    """

    device: str
    family: int
    group: str = ""
    signed: bool = False


@dataclass(frozen=True, slots=True)
class RouterPacket(Datagram):
    """``network``: the device. IPv4: with its header; IPv6: what follows it, and ``destination`` and ``hops`` are of it."""

    destination: str = ""
    hops: int = 0


@dataclass(slots=True)
class _Socket:
    """``index``: of the device that it is bound to, 0 for none. ``joined``: groups that it is a member of there."""

    handle: socket.socket
    device: str
    family: int
    receives: bool
    groups: frozenset[str] = frozenset()
    index: int = 0
    joined: frozenset[str] = frozenset()
    emptied: Instant = 0
    trouble: str = ""


@dataclass(slots=True)
class _Sending:
    socket: _Socket
    counters: LinkCounters


@dataclass(slots=True)
class RouterSockets:
    """All sockets of ``ways``. Raises OSError when raw sockets are not permitted; nothing later does."""

    ways: tuple[Way, ...]
    clock: Callable[[], Instant] = boot_clock
    wall: Callable[[], int] = time.time_ns
    counters: dict[str, LinkCounters] = field(default_factory=dict)
    """By device."""
    _receivers: dict[tuple[str, int, int], _Socket] = field(default_factory=dict)
    _senders: dict[tuple[str, int], _Sending] = field(default_factory=dict)
    _offset: ClockOffset = field(init=False)
    _reading: tuple[int, bool] | None = None
    _buffer: bytearray = field(default_factory=lambda: bytearray(LARGEST))

    def __post_init__(self) -> None:
        self._offset = ClockOffset(self.clock, self.wall)
        self._offset.read()
        try:
            self.follow(self.ways)
        except OSError:
            self.close()
            raise

    # -- opening -------------------------------------------------------------------------------------------------

    def follow(self, ways: Iterable[Way]) -> None:
        """These are the ways from now on; what is open and still wanted stays open. Raises OSError."""
        self.ways = tuple(ways)
        wanted = {(way.device, way.family, protocol) for way in self.ways for protocol in _protocols(way)}
        for key in set(self._receivers) - wanted:
            self._receivers.pop(key).handle.close()
        places = {(way.device, way.family) for way in self.ways}
        for place in set(self._senders) - places:
            self._senders.pop(place).socket.handle.close()
        for device in set(self.counters) - {way.device for way in self.ways}:
            del self.counters[device]
        for device, family, protocol in sorted(wanted):
            key = (device, family, protocol)
            if key not in self._receivers:
                self._receivers[key] = self._made(device, family, protocol)
            groups = frozenset(way.group for way in self.ways if way.group and (way.device, way.family) == key[:2])
            self._receivers[key].groups = groups
        for device, family in sorted(places):
            if (device, family) not in self._senders:
                counters = self.counters.setdefault(device, LinkCounters())
                made = self._receivers[device, 6, PROTOCOL] if family == 6 else self._made(device, family, 0)
                self._senders[device, family] = _Sending(made, counters)
        self.mend()

    def _made(self, device: str, family: int, protocol: int) -> _Socket:
        """``protocol`` 0: only for sending."""
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        handle = socket.socket(_domain(family), kind, protocol or socket.IPPROTO_RAW)
        try:
            for level, option, value in _options(family, protocol):
                handle.setsockopt(level, option, value)
            if protocol:
                _enlarge(handle)
        except OSError:
            handle.close()
            raise
        return _Socket(handle, device, family, protocol != 0, emptied=self.clock())

    def mend(self, changed: Iterable[str] = ()) -> None:
        """Bind to devices that have come (back), and join their groups. Never raises; cheap; call about every second.

        ``changed``: devices of which the kernel has told something: one that was deleted and made again may have its old index.
        """
        anew = frozenset(changed)
        sockets = (*self._receivers.values(), *(sending.socket for sending in self._senders.values()))
        indices = {device: interface_index(device) for device in {item.device for item in sockets}}
        for item in sockets:
            if item.device in anew:
                item.index = 0
            try:
                _attach(item, indices[item.device])
                item.trouble = ""
            except OSError as error:
                item.index = 0
                item.trouble = f"adverts on {item.device}: {error.strerror or error}"

    def close(self) -> None:
        for item in self._receivers.values():
            item.handle.close()
        for sending in self._senders.values():
            sending.socket.handle.close()

    # -- what the loop asks ----------------------------------------------------------------------------------------

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the loop watches for readability."""
        return tuple(item.handle.fileno() for item in self._receivers.values())

    @property
    def troubles(self) -> tuple[str, ...]:
        """Sentences about devices on which nothing can be sent or heard, each once."""
        return tuple(dict.fromkeys(item.trouble for item in self._receivers.values() if item.trouble))

    # -- moving bytes --------------------------------------------------------------------------------------------

    def send(self, device: str, data: bytes | bytearray, destination: str, source: str = "", hops: int = _HOPS) -> bool:
        """One packet now. IPv4 (``source`` ""): ``data`` begins with its header. IPv6: from ``source``, with this hop limit.

        False, and counted, when the kernel does not take it.
        """
        sending = self._senders.get((device, 6 if source else 4))
        if sending is None or not sending.socket.index:
            if sending is not None:
                sending.counters.send_errors += 1
                sending.counters.last_error = sending.socket.trouble
            return False
        handle, counters = sending.socket.handle, sending.counters
        try:
            if source:
                index = sending.socket.index
                handle.sendmsg((data,), _ancillary(source, index, hops), 0, (destination, 0, 0, index))
            else:
                handle.sendto(data, (destination, 0))
        except OSError as error:
            counters.send_errors += 1
            counters.last_error = f"{error.strerror or error} (to {destination} on {device})"
            return False
        counters.sent += 1
        counters.last_error = ""
        return True

    def why(self, device: str) -> str:
        """The newest reason that something was not sent on ``device``, a clause."""
        return self.counters[device].last_error or "the kernel did not take it"

    def drain(self, now: Instant, bound: int = 64) -> tuple[list[Datagram], bool]:
        """Read what waits, at most ``bound`` packets from each socket.

        Returns them in order of arrival, and whether every socket was seen empty. Only then may a timer be believed.
        """
        found: list[Datagram] = []
        empty = True
        self._reading = None
        for item in self._receivers.values():
            empty &= self._drain_socket(item, now, bound, found)
        if len(found) > 1:
            found.sort(key=lambda datagram: datagram.arrival)
        return found, empty

    def _drain_socket(self, item: _Socket, now: Instant, bound: int, found: list[Datagram]) -> bool:
        view = memoryview(self._buffer)
        for _ in range(bound):
            try:
                size, control, _flags, source = item.handle.recvmsg_into([view], _CONTROL)
            except BlockingIOError:
                item.emptied = now
                return True
            except OSError as error:  # a pending error of the socket; reading it clears it
                self.counters[item.device].last_error = f"{error.strerror or error} (on {item.device})"
                continue
            self.counters[item.device].received += 1
            found.append(self._packet(item, bytes(view[:size]), control, source[0], now))
        return False

    def _packet(
        self, item: _Socket, data: bytes, control: list[tuple[int, int, bytes]], source: str, now: Instant
    ) -> RouterPacket:
        offset = self._reading = self._reading or self._offset.read()
        arrival, destination, hops = now, "", 0
        for level, kind, value in control:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                if offset[1]:
                    seconds, nanoseconds = TIMESPEC.unpack_from(value)
                    arrival = min(max(seconds * 1_000_000_000 + nanoseconds - offset[0], item.emptied), now)
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                destination = socket.inet_ntop(socket.AF_INET6, value[:16])
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_HOPLIMIT:
                (hops,) = _NUMBER.unpack_from(value)
        return RouterPacket(item.device, data, arrival, source.partition("%")[0], destination, hops)


def _protocols(way: Way) -> tuple[int, ...]:
    return (PROTOCOL, AH) if way.signed and way.family == 4 else (PROTOCOL,)


def _domain(family: int) -> socket.AddressFamily:
    return socket.AF_INET6 if family == 6 else socket.AF_INET


def _options(family: int, protocol: int) -> Iterator[tuple[int, int, int]]:
    yield socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY
    if protocol:
        yield socket.SOL_SOCKET, SO_TIMESTAMPNS, 1
    if family == 4:
        yield socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0
        if protocol:
            yield socket.IPPROTO_IP, IP_MULTICAST_ALL, 0
        else:
            yield socket.IPPROTO_IP, socket.IP_HDRINCL, 1
            yield socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS  # for the queue; the header says it as well
        return
    yield socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0
    yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0
    yield socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS
    yield socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1  # a virtual MAC's device sends from its parent's address
    yield socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1
    yield socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1
    yield socket.IPPROTO_IPV6, socket.IPV6_CHECKSUM, _CHECKSUM_AT


def _enlarge(handle: socket.socket) -> None:
    try:
        handle.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def _attach(item: _Socket, index: int) -> None:
    """Bind to the device as it is now: one that was made again under its old name has another index. Raises OSError."""
    if not index:
        raise OSError(errno.ENODEV, "there is no such network interface")
    if index != item.index:
        item.handle.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, item.device.encode() + b"\0")
        if item.family == 4:
            request = struct.pack("@4s4si", bytes(4), socket.inet_aton(_ANYWHERE), index)
            item.handle.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
        else:
            item.handle.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        item.index, item.joined = index, frozenset()
        for group in item.groups if item.receives else ():
            # The kernel keeps what a socket has joined under the index, also when its device is gone, and then joins nothing.
            with contextlib.suppress(OSError):
                _member(item, group, index, joining=False)
    if not item.receives or item.joined == item.groups:
        return
    for group in item.joined - item.groups:
        _member(item, group, index, joining=False)
    for group in item.groups - item.joined:
        _member(item, group, index, joining=True)
    item.joined = item.groups


def _member(item: _Socket, group: str, index: int, joining: bool) -> None:
    if item.family == 4:
        request = struct.pack("@4s4si", socket.inet_aton(group), socket.inet_aton(_ANYWHERE), index)
        option = socket.IP_ADD_MEMBERSHIP if joining else socket.IP_DROP_MEMBERSHIP
        level = socket.IPPROTO_IP
    else:
        request = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, group), index)
        option = socket.IPV6_JOIN_GROUP if joining else socket.IPV6_LEAVE_GROUP
        level = socket.IPPROTO_IPV6
    try:
        item.handle.setsockopt(level, option, request)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):  # joined already, or left with its device
            raise


def _ancillary(source: str, index: int, hops: int) -> list[tuple[int, int, bytes]]:
    return [
        (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _PACKET_INFO.pack(socket.inet_pton(socket.AF_INET6, source), index)),
        (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, _NUMBER.pack(hops)),
    ]
