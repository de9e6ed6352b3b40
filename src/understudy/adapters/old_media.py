"""The media of the old protocol (Linux-HA Heartbeat 3): broadcast, unicast, multicast, serial lines. Moves bytes, parses nothing.

Every message leaves on every medium, and whoever hears it twice drops it by its number. A network is named by its device, as
the links of Heartbeat are: ``bcast eth0`` and ``ucast eth0 HOST`` are one network "eth0" with one receiver.

Sending is from a port of the kernel's choice, receiving at the configured one and any address of the device; both are bound to
the device, so that a message never leaves, or is taken, by another way than ha.cf says. What strangers send to that port comes
in as well: the signature decides, the source address means nothing in this protocol.

*Own messages come back* where they do for 3.0.6: broadcasts always (the kernel gives them to its own receivers), multicasts
where the medium has ``loop``, unicasts to an own address. They are delivered like any other; it is the state machine that drops
what it sent itself.

As in ``udp.py`` nothing waits, and no device or address that is not there yet is an error: ``mend`` finishes what could not be
done, and finds a device that was deleted and made again. The kernel's receive times are used.

Differences from 3.0.6: a device that is missing at the start does not end the daemon; a broadcast address that nobody set
is reckoned from the netmask; a name that cannot be looked up costs that medium alone. A second program that listens at the same
port and device is refused (3.0.6 on the same machine, above all), where sharing the port would lose packets to it.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..heartbeat_files import Medium, MediumKind
from ..units import Instant
from .host_names import addresses, is_address
from .serial_line import SerialLine
from .udp import (
    CONTROL_SPACE,
    IP_MULTICAST_ALL,
    IPV6_MULTICAST_ALL,
    LARGEST,
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

LOW_DELAY = 0x10
"""The IP type of service of 3.0.6's unicasts (RFC 1349)."""

_SIOCGIFADDR = 0x8915
_SIOCGIFBRDADDR = 0x8919
_SIOCGIFNETMASK = 0x891B
_INTERFACE_REQUEST = struct.Struct("@16sH2x4s16x")

_MULTICAST = (MediumKind.MULTICAST, MediumKind.MULTICAST6)
_NAMED = (MediumKind.UNICAST, MediumKind.UNICAST6)

# What another try does not mend: somebody else has the port, or we may not.
_LASTING = (errno.EADDRINUSE, errno.EACCES, errno.EPERM)

Destination = tuple[str, int] | tuple[str, int, int, int]


def host_names(media: Iterable[Medium]) -> tuple[Medium, ...]:
    """The media whose host is a name and no address: somebody who may wait must look it up."""
    return tuple(medium for medium in media if medium.kind in _NAMED and not is_address(medium.peer))


def look_up(media: Iterable[Medium]) -> dict[str, str]:
    """The addresses of the hosts of ``media`` that are names, by name; those that are not known are left out.

    Waits for the name server, seconds perhaps: never to be called where heartbeats are sent.
    """
    found = {}
    for medium in host_names(media):
        if answers := addresses(medium.peer, _family(medium)):
            found[medium.peer] = answers[0]
    return found


def _family(medium: Medium) -> socket.AddressFamily:
    six = medium.kind in (MediumKind.UNICAST6, MediumKind.MULTICAST6)
    return socket.AF_INET6 if six else socket.AF_INET


@dataclass(slots=True)
class _Socket:
    """A kernel socket that is bound to a device whenever there is one.

    ``index``: of that device, 0 for none. ``joined``: of the device on which the group was joined last.
    """

    handle: socket.socket
    device: str
    family: socket.AddressFamily
    port: int
    group: str = ""
    receives: bool = False
    bound: bool = False
    index: int = 0
    joined: int = 0
    emptied: Instant = 0
    trouble: str = ""


@dataclass(slots=True)
class _Sender:
    """A network medium, and where its messages go; None while that is not known."""

    medium: Medium
    socket: _Socket
    counters: LinkCounters
    destination: Destination | None = None
    trouble: str = ""


@dataclass(slots=True)
class OldMedia:
    """All media of this node.

    ``addresses``: of the hosts that ``ucast`` names by a word, as ``look_up`` finds them; ``know`` adds some later. OSError is
    raised only when made, for what no waiting mends (another program has the port, no permission, a path that is no tty).
    """

    media: tuple[Medium, ...]
    addresses: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], Instant] = boot_clock
    wall: Callable[[], int] = time.time_ns
    flow_control: bool = True
    """RTS/CTS on serial lines; pseudo terminals, and cables without those wires, do without."""
    lock_folder: str = "/var/lock"
    counters: dict[str, LinkCounters] = field(default_factory=dict)
    """By network: the device of a network medium, the path of a tty."""
    _senders: list[_Sender] = field(default_factory=list)
    _receivers: list[_Socket] = field(default_factory=list)
    _lines: list[SerialLine] = field(default_factory=list)
    _offset: ClockOffset = field(init=False)
    _reading: tuple[int, bool] | None = None
    """What ``_offset`` said in this drain: a second reading would call a clock steady that has just jumped."""
    _buffer: bytearray = field(default_factory=lambda: bytearray(LARGEST))

    def __post_init__(self) -> None:
        self._offset = ClockOffset(self.clock, self.wall)
        self._offset.read()
        try:
            for medium in dict.fromkeys(self.media):
                self._open(medium)
            self._share_ports()
            self._attach_all(first=True)
        except OSError:
            self.close()
            raise

    # -- opening -------------------------------------------------------------------------------------------------

    def _open(self, medium: Medium) -> None:
        counters = self.counters.setdefault(medium.device, LinkCounters())
        if medium.kind is MediumKind.SERIAL:
            self._lines.append(SerialLine(medium.device, medium.baud, self.flow_control, self.lock_folder))
            return
        group = medium.peer if medium.kind in _MULTICAST else ""
        family = _family(medium)
        sender = _Socket(self._made(family), medium.device, family, 0, group)
        self._senders.append(_Sender(medium, sender, counters))
        for level, option, value in _sending_options(medium):
            sender.handle.setsockopt(level, option, value)
        wanted = (medium.device, family, medium.port, group)
        if any((have.device, have.family, have.port, have.group) == wanted for have in self._receivers):
            return
        receiver = _Socket(self._made(family), medium.device, family, medium.port, group, receives=True)
        self._receivers.append(receiver)
        receiver.emptied = self.clock()
        for level, option, value in _receiving_options(family):
            receiver.handle.setsockopt(level, option, value)
        try:
            receiver.handle.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            receiver.handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    @staticmethod
    def _made(family: socket.AddressFamily) -> socket.socket:
        return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)

    def _share_ports(self) -> None:
        """Only our own receivers share a port, where a multicast group has that of the broadcasts."""
        places = [(item.device, item.family, item.port) for item in self._receivers]
        for item, place in zip(self._receivers, places, strict=True):
            if places.count(place) > 1:
                item.handle.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def know(self, addresses: Mapping[str, str]) -> None:
        """More, or other, addresses of hosts that are named by a word."""
        self.addresses = {**self.addresses, **addresses}
        self.mend()

    def mend(self) -> None:
        """Bind to devices that have come (back), open lines that were hung up. Never raises; cheap; call about every second.

        ``descriptors`` may be others afterwards.
        """
        self._attach_all(first=False)

    def _attach_all(self, first: bool) -> None:
        for item in (*self._receivers, *(sender.socket for sender in self._senders)):
            try:
                _attach(item)
                item.trouble = ""
            except OSError as error:
                item.index = 0
                item.trouble = f"network {item.device}: {error.strerror or error}"
                if first and error.errno in _LASTING:
                    raise OSError(error.errno, item.trouble) from error
        for sender in self._senders:
            self._aim(sender)
        for line in self._lines:
            try:
                line.open()
            except OSError as error:
                if first and error.errno in (errno.EACCES, errno.EPERM, errno.ENOTTY, errno.EINVAL):
                    raise

    def _aim(self, sender: _Sender) -> None:
        """Where the messages of a medium go now: broadcast addresses and scopes may be others than a second ago."""
        medium = sender.medium
        sender.trouble = ""
        host: str | None = medium.peer
        if medium.kind is MediumKind.BROADCAST:
            host = _broadcast_address(sender.socket.handle, medium.device)
            if host is None and sender.socket.index:
                sender.trouble = (
                    f"network {medium.device}: the interface has no IPv4 address to reckon a broadcast address from"
                )
        elif medium.kind in _NAMED and not is_address(medium.peer):
            host = self.addresses.get(medium.peer)
            if host is None:
                sender.trouble = f'network {medium.device}: nobody knows an address of the host "{medium.peer}"'
        sender.destination = None if host is None else _destination(host, medium.port, medium.device)

    def close(self) -> None:
        for item in (*self._receivers, *(sender.socket for sender in self._senders)):
            item.handle.close()
        for line in self._lines:
            line.close()

    # -- what the loop asks ----------------------------------------------------------------------------------------

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the loop watches for readability; read them again after ``mend``. A line that hung up closes its own."""
        lines = (line.descriptor for line in self._lines if line.descriptor >= 0)
        return (*(item.handle.fileno() for item in self._receivers), *lines)

    @property
    def serial(self) -> frozenset[str]:
        """The networks that are streams: their data come in pieces, cut anywhere."""
        return frozenset(line.path for line in self._lines)

    @property
    def troubles(self) -> tuple[str, ...]:
        """Sentences about media that do not work as configured, each once."""
        return tuple(dict.fromkeys(text for text in self._troubles() if text))

    def _troubles(self) -> Iterator[str]:
        for sender in self._senders:
            yield sender.socket.trouble
            yield sender.trouble
        for item in self._receivers:
            yield item.trouble
        for line in self._lines:
            yield line.trouble

    def next_deadline(self) -> Instant | None:
        """When a serial line can take more: ``drain`` is to be called by then. None while none waits."""
        return min((due for line in self._lines if (due := line.next_deadline()) is not None), default=None)

    # -- moving bytes --------------------------------------------------------------------------------------------

    def send(self, data: bytes, text: bytes, subject: str = "", network: str | None = None) -> int:
        """One message on all media (or on ``network`` alone): ``data``, in netstring framing, in datagrams; ``text``, the same
        in string framing, on serial lines. Returns how many media took it; a serial line takes what it queues.

        ``subject`` names messages of which on a slow line only the newest matters, such as "status"; "" is none of them.
        """
        taken = 0
        for sender in self._senders:
            if network is not None and sender.medium.device != network:
                continue
            if sender.destination is None or not sender.socket.index:
                sender.counters.send_errors += 1
                sender.counters.last_error = sender.socket.trouble or sender.trouble
                continue
            try:
                sender.socket.handle.sendto(data, sender.destination)
            except OSError as error:
                sender.counters.send_errors += 1
                where = f"{sender.destination[0]} port {sender.destination[1]}"
                sender.counters.last_error = f"{error.strerror or error} (to {where})"
            else:
                sender.counters.sent += 1
                sender.counters.last_error = ""
                taken += 1
        for line in self._lines:
            if network is None or line.path == network:
                taken += self._send_line(line, text, subject)
        return taken

    def _send_line(self, line: SerialLine, text: bytes, subject: str) -> bool:
        queued = line.write(text, self.clock(), subject)
        counters = self.counters[line.path]
        counters.sent += queued
        counters.send_errors, counters.last_error = line.lost, line.trouble
        return queued

    def drain(self, now: Instant, bound: int = 64) -> tuple[list[Datagram], bool]:
        """Read what waits, at most ``bound`` datagrams from each socket, and let serial lines write on.

        Returns what came in order of arrival, and whether everything was seen empty. Only then may a timer be believed.
        """
        found: list[Datagram] = []
        empty = True
        self._reading = None
        for item in self._receivers:
            empty &= self._drain_socket(item, now, bound, found)
        for line in self._lines:
            line.pump(now)
            chunks, seen_empty = line.read(bound)
            empty &= seen_empty
            counters = self.counters[line.path]
            counters.received += len(chunks)
            counters.send_errors, counters.last_error = line.lost, line.trouble
            found += [Datagram(line.path, chunk, now) for chunk in chunks]
        if len(found) > 1:
            found.sort(key=lambda datagram: datagram.arrival)
        return found, empty

    def _drain_socket(self, item: _Socket, now: Instant, bound: int, found: list[Datagram]) -> bool:
        view = memoryview(self._buffer)
        counters = self.counters[item.device]
        for _ in range(bound):
            try:
                size, control, _flags, source = item.handle.recvmsg_into([view], CONTROL_SPACE)
            except BlockingIOError:
                item.emptied = now
                return True
            except OSError as error:  # a pending error of the socket; reading it clears it
                counters.last_error = f"{error.strerror or error} (on {item.device})"
                continue
            offset = self._reading = self._reading or self._offset.read()
            arrival = now
            if offset[1] and control:
                seconds, nanoseconds = TIMESPEC.unpack_from(control[0][2])
                arrival = min(max(seconds * 1_000_000_000 + nanoseconds - offset[0], item.emptied), now)
            counters.received += 1
            found.append(Datagram(item.device, bytes(view[:size]), arrival, source[0]))
        return False


def _sending_options(medium: Medium) -> Iterator[tuple[int, int, int]]:
    match medium.kind:
        case MediumKind.BROADCAST:
            yield socket.SOL_SOCKET, socket.SO_BROADCAST, 1
            yield socket.SOL_SOCKET, socket.SO_DONTROUTE, 1
        case MediumKind.UNICAST:
            yield socket.IPPROTO_IP, socket.IP_TOS, LOW_DELAY
        case MediumKind.UNICAST6:
            yield socket.IPPROTO_IPV6, socket.IPV6_TCLASS, LOW_DELAY
        case MediumKind.MULTICAST:
            yield socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, medium.hops
            yield socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(medium.loop)
        case MediumKind.MULTICAST6:
            yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, medium.hops
            yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, int(medium.loop)


def _receiving_options(family: socket.AddressFamily) -> Iterator[tuple[int, int, int]]:
    yield socket.SOL_SOCKET, SO_TIMESTAMPNS, 1
    if family == socket.AF_INET:  # only groups that this socket joined
        yield socket.SOL_SOCKET, socket.SO_BROADCAST, 1
        yield socket.IPPROTO_IP, IP_MULTICAST_ALL, 0
    else:
        yield socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1
        yield socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0


def _attach(item: _Socket) -> None:
    """Bind to the device as it is now: one that was made again under its old name has another index. Raises OSError."""
    index = interface_index(item.device)
    if not index:
        raise OSError(errno.ENODEV, "there is no such network interface")
    if index == item.index:
        return
    item.handle.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, item.device.encode() + b"\0")
    if item.receives and not item.bound:
        anywhere = "::" if item.family == socket.AF_INET6 else "0.0.0.0"
        place = item.group or anywhere
        try:
            item.handle.bind(_destination(place, item.port, item.device))
        except OSError as error:
            hint = f'; who has it: ss -lunp "sport = :{item.port}"' if error.errno == errno.EADDRINUSE else ""
            text = f"cannot listen to {place} port {item.port} (UDP): {error.strerror}{hint}"
            raise OSError(error.errno, text) from error
        item.bound = True
    if item.group:
        _choose_group(item, index)
    item.index = index


def _choose_group(item: _Socket, index: int) -> None:
    """Join the group of a receiver, or send to it by the device. The membership on a former device is given back: a socket may
    have only so many."""
    if item.family == socket.AF_INET:
        group, nobody = socket.inet_aton(item.group), socket.inet_aton("0.0.0.0")
        request, former = (struct.pack("@4s4si", group, nobody, number) for number in (index, item.joined))
        level, choose, choice = socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request
        join, leave = socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP
    else:
        group = socket.inet_pton(socket.AF_INET6, item.group.partition("%")[0])
        request, former = (struct.pack("@16sI", group, number) for number in (index, item.joined))
        level, choose, choice = socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, struct.pack("@i", index)
        join, leave = socket.IPV6_JOIN_GROUP, socket.IPV6_LEAVE_GROUP
    if not item.receives:
        item.handle.setsockopt(level, choose, choice)
        return
    if item.joined:
        try:
            item.handle.setsockopt(level, leave, former)
        except OSError:
            pass  # it went with its device
    item.handle.setsockopt(level, join, request)
    item.joined = index


def _destination(host: str, port: int, device: str) -> Destination:
    """A numeric socket address; nothing here may ever ask a name server."""
    if ":" not in host:
        return (host, port)
    bare, _, scope = host.partition("%")
    return (bare, port, 0, interface_index(scope or device))


def _broadcast_address(handle: socket.socket, device: str) -> str | None:
    """The device's broadcast address; where none was set, as after ``ip addr add`` without ``brd``, the one of its netmask."""
    try:
        given = _ask(handle, _SIOCGIFBRDADDR, device)
        if given != 0:
            return socket.inet_ntoa(given.to_bytes(4, "big"))
        own, mask = _ask(handle, _SIOCGIFADDR, device), _ask(handle, _SIOCGIFNETMASK, device)
    except OSError:
        return None
    return socket.inet_ntoa((own | ~mask & 0xFFFFFFFF).to_bytes(4, "big"))


def _ask(handle: socket.socket, request: int, device: str) -> int:
    """One of the kernel's questions about interfaces (man 7 netdevice) that an IPv4 address answers."""
    answer = fcntl.ioctl(handle, request, _INTERFACE_REQUEST.pack(device.encode(), socket.AF_INET, b""))
    return int.from_bytes(_INTERFACE_REQUEST.unpack(answer)[2], "big")
