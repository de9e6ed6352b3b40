"""Heartbeat links over UDP: unicast, multicast and broadcast, IPv4 and IPv6. Moves bytes, parses nothing.

Three properties matter here.

*Nothing waits and nothing raises.* A network that is down, an address that does not exist yet (``IP_FREEBIND``), a full
queue: each is a count of its link, and the next heartbeat tries again.

*Arrival is the kernel's receive time*, so that our own late wake-up is not taken for the sender's silence. The kernel dates
datagrams by the wall clock (``SO_TIMESTAMPNS``); it is converted to the boot-time clock with the offset read in the same
drain. When that offset has jumped since the last drain (somebody set the clock) the dates of this drain mean nothing, and its
datagrams count as arrived now. An arrival is never later than now, nor earlier than the last time the socket was seen empty.

*A drain is bounded*, so a flood cannot keep the loop from speaking.

Not handled: a peer behind address translation, and paths whose return way takes another interface (the kernel's
``rp_filter`` decides about these).
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..model import LinkKind
from ..units import MILLISECOND, Instant

LARGEST = 65_535
"""No UDP datagram is larger, in bytes."""

RECEIVE_BUFFER = 1 << 20
"""Bytes asked for each socket: a second of frozen process must not lose the newest heartbeats behind old ones."""

CLOCK_JUMP = 2 * MILLISECOND
"""A change of wall clock minus boot time between two drains that is more than slewing (500 ppm) can do in some seconds."""

# Linux values that Python 3.11 does not name.
SO_TIMESTAMPNS = 35
_SO_PRIORITY = 12
SO_RCVBUFFORCE = 33
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78
IP_MULTICAST_ALL = 49
IPV6_MULTICAST_ALL = 29

# CS6, "network control" (RFC 4594 section 3.2), is what routing protocols and VRRP use; 6 is its priority in the queues.
_TRAFFIC_CLASS = 0xC0
_PRIORITY = 6

TIMESPEC = struct.Struct("@ll")
CONTROL_SPACE = socket.CMSG_SPACE(TIMESPEC.size)


class Path(Protocol):
    """One way to one peer, as ``config.paths`` lists them."""

    @property
    def peer(self) -> str: ...
    @property
    def network(self) -> str: ...
    @property
    def kind(self) -> LinkKind: ...
    @property
    def local(self) -> str: ...
    @property
    def remote(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def device(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Datagram:
    """Bytes that came over ``network``; ``arrival`` by the boot-time clock; ``source``: the address that it claims to be from."""

    network: str
    data: bytes
    arrival: Instant
    source: str = ""


@dataclass(slots=True)
class LinkCounters:
    """What happened on one network since the start; ``last_error`` is the newest reason a send failed, or empty."""

    sent: int = 0
    received: int = 0
    send_errors: int = 0
    last_error: str = ""


@dataclass(slots=True)
class _Socket:
    """One kernel socket. ``group`` is set on sockets that only listen to a multicast group or a broadcast address."""

    handle: socket.socket
    network: str
    counters: LinkCounters
    family: socket.AddressFamily
    kind: LinkKind
    local: str
    device: str | None
    group: str | None = None
    emptied: Instant = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Target:
    handle: socket.socket
    destination: tuple[str, int] | tuple[str, int, int, int]
    counters: LinkCounters
    way: str
    """From where to where, for messages."""


@dataclass(slots=True)
class ClockOffset:
    """Wall clock minus boot time, in nanoseconds, and whether it held still since the last drain."""

    boot: Callable[[], int]
    wall: Callable[[], int]
    value: int = 0
    known: bool = False

    def read(self) -> tuple[int, bool]:
        """The offset now, and whether dates taken since the last reading can be trusted."""
        width, offset = self._measure()
        for _ in range(2):
            if width < MILLISECOND // 10:  # not interrupted between the two clocks
                break
            width, offset = min((width, offset), self._measure())
        steady = not self.known or abs(offset - self.value) <= CLOCK_JUMP
        self.value, self.known = offset, True
        return offset, steady

    def _measure(self) -> tuple[int, int]:
        """How long measuring took, and the offset; wrong by at most half of that."""
        before = self.boot()
        wall = self.wall()
        after = self.boot()
        return after - before, wall - (before + after) // 2


def boot_clock() -> Instant:
    """``CLOCK_BOOTTIME`` in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def interface_index(device: str | None) -> int:
    """The interface's index, or 0 while there is none of that name."""
    if not device:
        return 0
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


def _sockaddr(address: str, port: int, device: str | None) -> tuple[str, int] | tuple[str, int, int, int]:
    """A numeric socket address; nothing here may ever ask a name server."""
    if ":" not in address:
        return (address, port)
    bare, _, scope = address.partition("%")
    return (bare, port, 0, interface_index(scope or device))


@dataclass(slots=True)
class UdpLinks:
    """All heartbeat sockets of this member, and where each peer is reached.

    ``paths`` come from ``config.paths``; ``ports`` are our own ports by local address, where they differ from the peers'.
    Opening never fails for an address or a device that is not there yet: ``mend`` is to be called now and then and finishes
    what could not be done. OSError is raised only for what no waiting mends (a port that another program has bound, no
    permission); its text names link, address and port.
    """

    paths: tuple[Path, ...]
    clock: Callable[[], Instant] = boot_clock
    wall: Callable[[], int] = time.time_ns
    ports: Mapping[str, int] = field(default_factory=dict)
    counters: dict[str, LinkCounters] = field(default_factory=dict)
    _sockets: list[_Socket] = field(default_factory=list)
    _targets: dict[tuple[str | None, str | None], tuple[_Target, ...]] = field(default_factory=dict)
    _offset: ClockOffset = field(init=False)
    _buffer: bytearray = field(default_factory=lambda: bytearray(LARGEST))
    _senders: dict[str, _Socket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._offset = ClockOffset(self.clock, self.wall)
        self._offset.read()
        try:
            self.follow(self.paths)
        except OSError:
            self.close()
            raise

    def follow(self, paths: tuple[Path, ...]) -> None:
        """These are the paths from now on. Sockets that are open stay open. Raises OSError as the class says."""
        now = self.clock()
        for path in paths:
            self._open(path, now)
        self.paths = paths
        self.mend()

    # -- opening -------------------------------------------------------------------------------------------------

    def _open(self, path: Path, now: Instant) -> None:
        port = self.ports.get(path.local, path.port)
        if path.local not in self._senders:
            sender = self._socket(path, None, now)
            self._senders[path.local] = sender
            self._bind(sender, path.local, port)
        if path.kind is LinkKind.UNICAST:
            return
        if any(item.group == path.remote and item.local == path.local for item in self._sockets):
            return
        self._bind(self._socket(path, path.remote, now), path.remote, port)

    def _socket(self, path: Path, group: str | None, now: Instant) -> _Socket:
        family = _family(path.local)
        handle = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        counters = self.counters.setdefault(path.network, LinkCounters())
        made = _Socket(handle, path.network, counters, family, path.kind, path.local, path.device, group, now)
        self._sockets.append(made)
        handle.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        try:
            handle.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        for level, option, value in self._options(made):
            try:
                handle.setsockopt(level, option, value)
            except OSError as error:  # a nicety that this kernel or our rights do not give
                made.trouble = error.strerror or str(error)
        return made

    @staticmethod
    def _options(made: _Socket) -> Iterable[tuple[int, int, int]]:
        yield socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY
        if made.family == socket.AF_INET:
            yield socket.IPPROTO_IP, _IP_FREEBIND, 1
            yield socket.IPPROTO_IP, socket.IP_TOS, _TRAFFIC_CLASS
            yield socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0
            yield socket.IPPROTO_IP, IP_MULTICAST_ALL, 0
        else:
            yield socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1
            yield socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1
            yield socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _TRAFFIC_CLASS
            yield socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0
            yield socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0
        if made.kind is LinkKind.BROADCAST:
            yield socket.SOL_SOCKET, socket.SO_BROADCAST, 1
        if made.group is not None:  # several members may listen to one group on one machine
            yield socket.SOL_SOCKET, socket.SO_REUSEADDR, 1

    @staticmethod
    def _bind(made: _Socket, address: str, port: int) -> None:
        try:
            made.handle.bind(_sockaddr(address, port, made.device))
        except OSError as error:
            hint = f'; who has it: ss -lunp "sport = :{port}"' if error.errno == errno.EADDRINUSE else ""
            text = f"link {made.network} cannot use {address} port {port} (UDP): {error.strerror}{hint}"
            raise OSError(error.errno, text) from error

    def mend(self) -> None:
        """Join multicast groups whose device was missing, or came back with another index. Cheap; call about every second."""
        self._targets.clear()  # interface indexes of IPv6 scopes are in there
        for made in self._sockets:
            if made.kind is not LinkKind.MULTICAST:
                continue
            try:
                self._multicast(made)
                made.trouble = ""
            except OSError as error:
                made.trouble = error.strerror or str(error)

    @staticmethod
    def _multicast(made: _Socket) -> None:
        index = interface_index(made.device)
        if made.family == socket.AF_INET:
            request = struct.pack(
                "@4s4si",
                socket.inet_aton(made.group or "0.0.0.0"),
                socket.inet_aton(made.local),
                index,
            )
            level, choose, join = socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.IP_ADD_MEMBERSHIP
            choice: bytes | int = request
        else:
            group = socket.inet_pton(socket.AF_INET6, (made.group or "::").partition("%")[0])
            request = struct.pack("@16sI", group, index)
            level, choose, join = socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.IPV6_JOIN_GROUP
            choice = index
        if made.group is None:
            made.handle.setsockopt(level, choose, choice)
            return
        try:
            made.handle.setsockopt(level, join, request)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:  # joined already
                raise

    def close(self) -> None:
        for made in self._sockets:
            made.handle.close()

    # -- moving bytes --------------------------------------------------------------------------------------------

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the loop watches for readability."""
        return tuple(made.handle.fileno() for made in self._sockets)

    @property
    def troubles(self) -> tuple[str, ...]:
        """Sentences about links that do not work as configured."""
        return tuple(
            f"link {made.network}: cannot join {made.group or 'its network'} from {made.local}: {made.trouble}"
            for made in self._sockets
            if made.trouble and made.kind is LinkKind.MULTICAST
        )

    def _resolve(self, to: str | None, network: str | None) -> tuple[_Target, ...]:
        found: dict[tuple[int, object], _Target] = {}
        for path in self.paths:
            if (to is not None and path.peer != to) or (network is not None and path.network != network):
                continue
            sender = self._senders[path.local]
            destination = _sockaddr(path.remote, path.port, path.device)
            way = f"from {path.local} to {path.remote} port {path.port}"
            found.setdefault(
                (sender.handle.fileno(), destination),
                _Target(sender.handle, destination, self.counters[path.network], way),
            )
        return tuple(found.values())

    def send(self, data: bytes, to: str | None = None, network: str | None = None) -> int:
        """Send to member ``to`` (None: all) over ``network`` (None: all). Returns how many datagrams the kernel took."""
        key = (to, network)
        targets = self._targets.get(key)
        if targets is None:
            targets = self._targets[key] = self._resolve(to, network)
        taken = 0
        for target in targets:
            try:
                target.handle.sendto(data, target.destination)
            except OSError as error:
                target.counters.send_errors += 1
                target.counters.last_error = f"{error.strerror or error} ({target.way})"
            else:
                target.counters.sent += 1
                target.counters.last_error = ""
                taken += 1
        return taken

    def drain(self, now: Instant, bound: int = 64) -> tuple[list[Datagram], bool]:
        """Read what waits, at most ``bound`` datagrams from each socket.

        Returns the datagrams in order of arrival, and whether every socket was seen empty. Only then may a timer be believed.
        """
        found: list[Datagram] = []
        empty = True
        offset: tuple[int, bool] | None = None
        view = memoryview(self._buffer)
        for made in self._sockets:
            for _ in range(bound):
                try:
                    size, control, _flags, source = made.handle.recvmsg_into([view], CONTROL_SPACE)
                except BlockingIOError:
                    made.emptied = now
                    break
                except OSError as error:  # a pending error of the socket; reading it clears it
                    made.counters.last_error = f"{error.strerror or error} (at {made.local})"
                    continue
                if made.group is not None and source[0] == made.local:
                    continue  # the kernel gives a broadcast to its sender, too
                if offset is None:
                    offset = self._offset.read()
                made.counters.received += 1
                arrival = now
                if offset[1] and control:
                    seconds, nanoseconds = TIMESPEC.unpack_from(control[0][2])
                    stamped = seconds * 1_000_000_000 + nanoseconds - offset[0]
                    arrival = min(max(stamped, made.emptied), now)
                found.append(Datagram(made.network, bytes(view[:size]), arrival, source[0]))
            else:
                empty = False
        if len(found) > 1:
            found.sort(key=lambda datagram: datagram.arrival)
        return found, empty
