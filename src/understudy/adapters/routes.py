"""Routes of the kernel by netlink (rtnetlink(7), ``linux/rtnetlink.h``): list, add, replace, remove.

A route is kept with all its attributes as the kernel gave them, so that one that was changed for a while can be put back as it
was, whatever it has (several next hops, an MTU, a window) that this program does not know.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from . import netlink

MAIN_TABLE = 254
_NEW, _DELETE, _GET = 24, 25, 26
_EXCLUSIVE = 0x200
_HEAD = struct.Struct("=BBBBBBBBI")
_NUMBER = struct.Struct("=I")
_DESTINATION, _DEVICE, _GATEWAY, _METRIC, _PREFERRED, _CACHE, _TABLE = 1, 4, 5, 6, 7, 12, 15
_STATIC, _LINK, _EVERYWHERE, _UNICAST, _CLONED = 4, 253, 0, 1, 0x200
FROM_ROUTER = 9
"""Protocol of routes that IPv6 router advertisements made."""
_DEAD, _ON_LINK, _NO_CARRIER = 0x1, 0x4, 0x10
_COMPATIBLE = 252
"""Stands in the header for tables whose number has more than eight bits; the attribute says which."""
_METRIC6 = 1024
"""What the kernel makes of metric 0 for IPv6 (IP6_RT_PRIO_USER)."""


@dataclass(frozen=True, slots=True)
class Route:
    """``attributes`` are (type, payload) in the kernel's order."""

    family: int
    length: int
    table: int
    protocol: int
    scope: int
    kind: int
    flags: int
    attributes: tuple[tuple[int, bytes], ...]

    def _get(self, kind: int) -> bytes | None:
        return next((payload for number, payload in self.attributes if number == kind), None)

    def _address(self, kind: int) -> str:
        payload = self._get(kind)
        return "" if payload is None else str(_from_bytes(payload))

    @property
    def destination(self) -> str:
        """As a network, such as 0.0.0.0/0."""
        payload = self._get(_DESTINATION) or bytes(4 if self.family == socket.AF_INET else 16)
        return f"{_from_bytes(payload)}/{self.length}"

    @property
    def gateway(self) -> str:
        return self._address(_GATEWAY)

    @property
    def source(self) -> str:
        """The preferred source address, "" for none."""
        return self._address(_PREFERRED)

    @property
    def metric(self) -> int:
        payload = self._get(_METRIC)
        return 0 if payload is None else int(_NUMBER.unpack(payload)[0])

    @property
    def device(self) -> str:
        """The name of its device, "" for none or several."""
        payload = self._get(_DEVICE)
        if payload is None:
            return ""
        try:
            return socket.if_indextoname(_NUMBER.unpack(payload)[0])
        except OSError:
            return ""

    @property
    def is_dead(self) -> bool:
        """Its device is down or has no carrier."""
        return bool(self.flags & (_DEAD | _NO_CARRIER))

    def __str__(self) -> str:
        name = "default" if self.length == 0 else self.destination
        words = [name, *(f"{word} {text}" for word, text in (("via", self.gateway), ("dev", self.device)) if text)]
        words += [f"src {self.source}"] if self.source else []
        return " ".join([*words, f"metric {self.metric}"] if self.metric else words)

    def with_source(self, address: str) -> Route:
        """The same route with this preferred source; "" for none."""
        kept = [(kind, payload) for kind, payload in self.attributes if kind != _PREFERRED]
        added = [(_PREFERRED, ip_address(address).packed)] if address else []
        return replace(self, attributes=(*kept, *added))

    def pack(self) -> bytes:
        """The kernel's message, without what only it may say; ``unpack`` reads it again."""
        table = self.table if self.table < 256 else _COMPATIBLE
        flags = self.flags & _ON_LINK
        head = _HEAD.pack(self.family, self.length, 0, 0, table, self.protocol, self.scope, self.kind, flags)
        return head + b"".join(netlink.attribute(kind, data) for kind, data in self.attributes if kind != _CACHE)


def unpack(data: bytes) -> Route | None:
    """A route from a message's payload; None for what is no route of a table (a cached one, or nonsense)."""
    if len(data) < _HEAD.size:
        return None
    family, length, _, _, table, protocol, scope, kind, flags = _HEAD.unpack_from(data)
    if flags & _CLONED or family not in (socket.AF_INET, socket.AF_INET6):
        return None
    attributes = tuple(netlink.attributes(data[_HEAD.size :]))
    for number, payload in attributes:
        if number == _TABLE:
            (table,) = _NUMBER.unpack(payload)
    return Route(family, length, table, protocol, scope, kind, flags, attributes)


def make(
    destination: str, gateway: str | None, device: str | None, table: int, metric: int | None, source: str | None
) -> Route:
    """A route as an administrator writes it. Raises OSError when there is no such device."""
    network = ip_network(destination)
    attributes = [(_DESTINATION, network.network_address.packed)] if network.prefixlen else []
    attributes.append((_TABLE, _NUMBER.pack(table)))
    if gateway is not None:
        attributes.append((_GATEWAY, ip_address(gateway).packed))
    if device is not None:
        attributes.append((_DEVICE, _NUMBER.pack(socket.if_nametoindex(device))))
    if source is not None:
        attributes.append((_PREFERRED, ip_address(source).packed))
    six = network.version == 6
    priority = metric or (_METRIC6 if six else 0)
    if priority:
        attributes.append((_METRIC, _NUMBER.pack(priority)))
    scope = _EVERYWHERE if six or gateway is not None else _LINK
    family = socket.AF_INET6 if six else socket.AF_INET
    return Route(family, network.prefixlen, table, _STATIC, scope, _UNICAST, 0, tuple(attributes))


class Routes:
    """The kernel's routes, through one netlink socket."""

    def __init__(self, link: netlink.NetlinkSocket) -> None:
        self._link = link

    def to(self, destination: str, table: int = MAIN_TABLE) -> tuple[Route, ...]:
        """All routes to exactly this network in a table, the preferred one first. Raises OSError."""
        network = ip_network(destination)
        family = socket.AF_INET if network.version == 4 else socket.AF_INET6
        found = self._link.dump(_GET, _HEAD.pack(family, 0, 0, 0, 0, 0, 0, 0, 0))
        if isinstance(found, netlink.Failure):
            raise OSError(found.number, os.strerror(found.number))
        listed = [route for item in found if item.kind == _NEW and (route := unpack(item.payload)) is not None]
        fits = [r for r in listed if r.destination == str(network) and r.table == table and r.kind == _UNICAST]
        return tuple(sorted(fits, key=lambda route: route.metric))

    def add(self, route: Route) -> str:
        """ "" or the kernel's refusal. Refused, too, when there is one to the same network with the same metric."""
        return self._ask(_NEW, netlink.CREATE | _EXCLUSIVE, route)

    def replace(self, route: Route) -> str:
        """Put it in the place of the one to the same network with the same metric. "" or the kernel's refusal."""
        return self._ask(_NEW, netlink.CREATE | netlink.REPLACE, route)

    def remove(self, route: Route) -> str:
        """ "" or the kernel's refusal; one that is not there is removed."""
        return self._ask(_DELETE, 0, route, errno.ESRCH)

    def _ask(self, kind: int, flags: int, route: Route, fine: int = 0) -> str:
        data = netlink.message(kind, netlink.REQUEST | netlink.ACK | flags, 1, route.pack())
        failures = [item for item in self._link.request(data) if item.number != fine]
        return str(failures[0]) if failures else ""


@contextmanager
def open_routes() -> Iterator[Routes]:
    """Raises OSError when the kernel offers no netlink."""
    link = netlink.NetlinkSocket(netlink.NETLINK_ROUTE)
    try:
        yield Routes(link)
    finally:
        link.close()


def _from_bytes(payload: bytes) -> IPv4Address | IPv6Address:
    return IPv4Address(payload) if len(payload) == 4 else IPv6Address(payload)
