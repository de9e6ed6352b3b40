"""Virtual addresses on their devices, added and removed in batches over netlink.

The messages are built when the configuration is loaded. A change of many addresses goes out in slices of 64 (of 16 for IPv6), so
that the caller can send a heartbeat in between. Measured, nearly all of it the kernel's own time: one IPv4 address with its route
some 20 µs, 1000 some 14 ms; an IPv6 address 25 µs for the first ones of a device and 150 µs when it has 200.

- IPv4 addresses are added with prefix length 32, whatever the configuration says. With the subnet's own length the address that
  comes first becomes the subnet's primary one: at boot, or when the network is restarted under us, that would be the virtual
  address, and the machine would speak to its neighbours with it as the source. ``subnet_routes`` makes the route that the
  configured length asks for.
- Addresses under other lengths, put there by hand or by other programs, are removed too. Deleting the first one of such a subnet
  deletes the others, unless ``promote_secondaries`` is set: ``prepare_devices`` does that (systemd does it everywhere).
- IPv6: no duplicate address detection (``IFA_F_NODAD``): it would keep the address tentative for a second or more; the core
  probes first where it must. The preferred lifetime is 0: the address answers for ever but is never chosen as the source of
  our own connections, which would break when it moves (RFC 6724 rule 3). IPv6 has no primary address.
- All of this is for groups. An address with a ``form`` (of a virtual router) stands there exactly as its file has it: who comes
  from keepalived has routes and rules that count on its prefix length (``address_form``). It needs no route of ours.
- Many IPv4 addresses serve by local routes until they are on their device (``subnet_routes.local_route``): a thousand after 2 ms
  and not after 16. What a process that was killed meanwhile left of these routes the next one takes away when it starts.
- A removal looks afterwards, and removes what is left of the address under another prefix length too: "removed" means gone.
- The same address on another device of this machine (a real server's loopback, say) is not ours.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from . import address_form, netlink, subnet_routes
from .netlink import Failure, Incoming, NetlinkSocket

if TYPE_CHECKING:  # the balancer only lists addresses, and starts without the words of clusters and virtual routers
    from ..model import AddressResource
    from ..vrrp_files import AddressForm

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22

_IFADDRMSG = struct.Struct("=BBBBI")
_IFINFOMSG = struct.Struct("=BxHiII")
_CACHE_INFO = struct.Struct("=IIII")
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO = address_form.ADDRESS, address_form.LOCAL, address_form.CACHE_INFO
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU = 1, 3, 4
_UP, _RUNNING, _LOWER_UP = 0x1, 0x40, 0x10000
_FOREVER = address_form.FOREVER
_SLICE, _EARLY_SLICE = 64, 256
_IPV6_WEIGHT = 4
_REMOVAL_ATTEMPTS = 4
_ALREADY_GONE = (errno.EADDRNOTAVAIL, errno.ENODEV, errno.ENXIO)

Outcomes: TypeAlias = "tuple[tuple[AddressResource, str | None], ...]"
"""Each address with what went wrong, or None."""


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """One address on one device, as a dump or a notification tells it. ``valid`` is in seconds, None for ever."""

    index: int
    packed: bytes
    prefix: int
    valid: int | None = None


@dataclass(frozen=True, slots=True)
class SeenLink:
    """One device. ``carrier``: up, cable in, and ready to carry packets (RFC 2863 operational state up or unknown).

    ``up``: as its administrator wants it. ``mac`` "" and ``mtu`` 0 where it has none.
    """

    index: int
    name: str
    carrier: bool
    up: bool = True
    mac: str = ""
    mtu: int = 0


def pack(address: str) -> bytes:
    """4 or 16 bytes. Raises OSError when ``address`` is neither IPv4 nor IPv6."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def read_address(item: Incoming) -> SeenAddress | None:
    """The content of an RTM_NEWADDR or RTM_DELADDR message; None when it is none."""
    if len(item.payload) < _IFADDRMSG.size:
        return None
    _, prefix, _, _, index = _IFADDRMSG.unpack_from(item.payload)
    packed = b""
    valid: int | None = None
    for kind, value in netlink.attributes(item.payload[_IFADDRMSG.size :]):
        # On point-to-point devices ADDRESS is the other end's; LOCAL, where present, is ours.
        if kind == _IFA_LOCAL or (kind == _IFA_ADDRESS and not packed):
            packed = value
        elif kind == _IFA_CACHEINFO and len(value) >= _CACHE_INFO.size:
            seconds = _CACHE_INFO.unpack_from(value)[1]
            valid = None if seconds == _FOREVER else seconds
    return SeenAddress(index, packed, prefix, valid) if len(packed) in (4, 16) else None


def read_link(item: Incoming) -> SeenLink | None:
    """The content of an RTM_NEWLINK or RTM_DELLINK message; None when it is none, or tells about a bridge's port only."""
    if len(item.payload) < _IFINFOMSG.size:
        return None
    family, _, index, flags, _ = _IFINFOMSG.unpack_from(item.payload)
    if family != socket.AF_UNSPEC:
        return None
    found = dict(netlink.attributes(item.payload[_IFINFOMSG.size :]))
    if _IFLA_IFNAME not in found:
        return None
    name = found[_IFLA_IFNAME].rstrip(b"\0").decode("utf-8", "replace")
    wanted = _UP | _RUNNING | _LOWER_UP
    mac, mtu = found.get(_IFLA_ADDRESS, b"").hex(":"), int.from_bytes(found.get(_IFLA_MTU, b""), sys.byteorder)
    return SeenLink(index, name, flags & wanted == wanted, flags & _UP != 0, mac, mtu)


def list_addresses(route: NetlinkSocket) -> tuple[SeenAddress, ...] | Failure:
    """Every address of this machine (of its network namespace)."""
    found = route.dump(RTM_GETADDR, _IFADDRMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    if isinstance(found, Failure):
        return found
    seen = (read_address(item) for item in found if item.kind == RTM_NEWADDR)
    return tuple(item for item in seen if item is not None)


def list_links(route: NetlinkSocket) -> tuple[SeenLink, ...] | Failure:
    """Every device of this machine (of its network namespace)."""
    found = route.dump(RTM_GETLINK, _IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    if isinstance(found, Failure):
        return found
    seen = (read_link(item) for item in found if item.kind == RTM_NEWLINK)
    return tuple(item for item in seen if item is not None)


def links_and_addresses() -> tuple[tuple[SeenLink, ...], tuple[SeenAddress, ...]]:
    """All devices and all addresses, asked over a socket of its own; nothing of either when the kernel does not say."""
    try:
        route = NetlinkSocket(netlink.NETLINK_ROUTE)
    except OSError:
        return (), ()
    try:
        links, addresses = list_links(route), list_addresses(route)
    finally:
        route.close()
    return ((), ()) if isinstance(links, Failure) or isinstance(addresses, Failure) else (links, addresses)


def prepare_devices(addresses: Iterable[AddressResource]) -> tuple[str, ...]:
    """Set ``promote_secondaries`` on the devices of IPv4 addresses (see the top of the file). Returns what could not be done.

    Writes to /proc/sys; call it before the loop starts.
    """
    problems = []
    for device in sorted({item.device for item in addresses if ":" not in item.address}):
        path = f"/proc/sys/net/ipv4/conf/{device.replace('.', '/')}/promote_secondaries"
        try:
            with open(path, "r+", encoding="ascii") as setting:
                if setting.read().strip() != "1":
                    setting.seek(0)
                    setting.write("1")
        except FileNotFoundError:
            continue  # no such device yet: adding the address will say so
        except OSError as error:
            problems.append(
                f"cannot set promote_secondaries on {device} ({error.strerror}): "
                f"set net.ipv4.conf.{device}.promote_secondaries=1, or removing one address may remove others"
            )
    return tuple(problems)


def given_prefix(resource: AddressResource) -> int:
    """The prefix length with which we put the address on its device."""
    as_written = ":" in resource.address or resource.form is not None
    return resource.prefix if as_written else subnet_routes.HOST_PREFIX


def _head(resource: AddressResource, prefix: int, index: int, scope: int = 0) -> bytes:
    family = socket.AF_INET6 if ":" in resource.address else socket.AF_INET
    return _IFADDRMSG.pack(family, prefix, 0, scope, index)


def addition(resource: AddressResource, index: int, sequence: int, lifetime: int | None = None) -> bytes:
    """RTM_NEWADDR that adds the address or renews it; it ends after ``lifetime`` whole seconds (None: never)."""
    prefix = given_prefix(resource)
    made = address_form.parts(resource.address, prefix, resource.form or address_form.plain(), lifetime)
    flags = netlink.REQUEST | netlink.CREATE | netlink.REPLACE
    return netlink.message(RTM_NEWADDR, flags, sequence, _head(resource, prefix, index, made.scope) + made.body)


def removal(resource: AddressResource, index: int, sequence: int, prefix: int | None = None) -> bytes:
    """RTM_DELADDR for the address with this prefix length (None: ours). Of IPv4 the address alone finds it, with any peer."""
    packed = pack(resource.address)
    body = netlink.attribute(_IFA_LOCAL, packed)
    body += netlink.attribute(_IFA_ADDRESS, packed) if len(packed) == 16 else b""
    head = _head(resource, given_prefix(resource) if prefix is None else prefix, index)
    return netlink.message(RTM_DELADDR, netlink.REQUEST, sequence, head + body)


@dataclass(frozen=True, slots=True)
class _Prepared:
    index: int
    sequence: int
    add: bytes
    remove: bytes
    route: bytes


_Key: TypeAlias = "tuple[str, int, str, AddressForm | None]"


def _key(resource: AddressResource) -> _Key:
    """What makes one message unlike another; much cheaper to look up than the whole resource."""
    return resource.address, resource.prefix, resource.device, resource.form


class AddressChange:
    """A running addition or removal. Call ``step`` until it says that it is done; ``results`` then has every address.

    ``serving``: those of an addition that this machine answers for by now, in the order in which it began to.
    """

    def __init__(self, book: AddressBook, addresses: Sequence[AddressResource], adding: bool) -> None:
        self._book = book
        self._all = tuple(addresses)
        # The first one of a subnet last: its removal makes the kernel promote another and judge all the rest anew. With 1000
        # alone in their subnet that took 4 s, up to 0.6 s of it in one slice; in this order 7 ms (measured).
        self._slices = _slices(self._all if adding else self._all[::-1])
        self._adding = adding
        self._results: list[tuple[AddressResource, str | None]] = []
        self._early = _early(self._all) if adding else []
        self._routed: set[_Key] = set()
        self.serving: list[AddressResource] = []

    def step(self) -> bool:
        """Do one slice, some two milliseconds at most. Returns True when nothing is left to do."""
        if self._early:
            portion = self._early.pop(0)
            if self._book.serve_by_routes(portion):
                self._routed.update(map(_key, portion))
                self.serving += portion
            return False
        if self._slices:
            done = self._book.change(self._slices.pop(0), self._adding)
            self._results.extend(done)
            if self._adding:
                self.serving += [item for item, text in done if text is None and _key(item) not in self._routed]
            elif not self._slices:
                left = self._book.remove_leftovers(self._all)
                self._book.remove_routes(self._all)
                self._results = [(item, left.get(_key(item), text)) for item, text in reversed(self._results)]
        if not self._slices and self._routed:
            self._book.remove_local_routes([item for item in self._all if _key(item) in self._routed])
            self._routed.clear()
        return not self._slices

    @property
    def results(self) -> Outcomes:
        return tuple(self._results)


def _slices(addresses: Sequence[AddressResource]) -> list[tuple[AddressResource, ...]]:
    """``addresses`` in pieces of equal weight."""
    pieces: list[list[AddressResource]] = []
    room = 0
    for item in addresses:
        weight = _IPV6_WEIGHT if ":" in item.address else 1
        if room < weight:
            pieces.append([])
            room = _SLICE
        pieces[-1].append(item)
        room -= weight
    return [tuple(piece) for piece in pieces]


def _early(addresses: Sequence[AddressResource]) -> list[tuple[AddressResource, ...]]:
    """Those of many that serve by routes first, in portions: they take a tenth of the time."""
    found = [item for item in addresses if ":" not in item.address]
    if len(found) <= _SLICE:
        return []
    return [tuple(found[at : at + _EARLY_SLICE]) for at in range(0, len(found), _EARLY_SLICE)]


class AddressBook:
    """The virtual addresses of the configuration, ready to be put on their devices.

    ``placed`` are those that we put there (or found there) and have not removed since. ``lifetimes`` gives addresses an end in
    whole seconds; only the fallback lease uses it. Raises OSError when the kernel offers no NETLINK_ROUTE.
    """

    def __init__(self, addresses: Iterable[AddressResource]) -> None:
        self._route = NetlinkSocket(netlink.NETLINK_ROUTE)
        self._addresses = tuple(addresses)
        self._sequences = {_key(item): number for number, item in enumerate(self._addresses, 1)}
        self._prepared: dict[_Key, _Prepared] = {}
        self.lifetimes: dict[str, int] = {}
        for device in {item.device for item in self._addresses}:
            self._prepare(device, _device_index(device))
        self.placed: set[str] = set(self.present())
        if _early(self._addresses):
            self.remove_local_routes(self._addresses)

    @property
    def addresses(self) -> tuple[AddressResource, ...]:
        return self._addresses

    def close(self) -> None:
        self._route.close()

    def begin_add(self, addresses: Sequence[AddressResource]) -> AddressChange:
        """Start to add addresses in slices. Already there is success."""
        return AddressChange(self, addresses, adding=True)

    def begin_remove(self, addresses: Sequence[AddressResource]) -> AddressChange:
        """Start to remove addresses in slices. Already gone is success."""
        return AddressChange(self, addresses, adding=False)

    def add(self, addresses: Sequence[AddressResource]) -> Outcomes:
        """Add all of them now. The text says what is wrong, for people."""
        return _to_the_end(self.begin_add(addresses))

    def remove(self, addresses: Sequence[AddressResource]) -> Outcomes:
        """Remove all of them now. The text says what is wrong, for people."""
        return _to_the_end(self.begin_remove(addresses))

    def present(self) -> tuple[str, ...]:
        """Which of our addresses are on their devices now, in the order of the configuration."""
        found = self._found(self._addresses)
        there = set() if isinstance(found, Failure) else {_key(resource) for resource, _ in found}
        return tuple(item.address for item in self._addresses if _key(item) in there)

    def carriers(self, devices: Iterable[str] = ()) -> tuple[tuple[str, bool], ...]:
        """(device, has carrier) of the devices of our addresses and of ``devices``; those that do not exist are left out."""
        wanted = sorted({item.device for item in self._addresses} | set(devices))
        links = list_links(self._route)
        known = {} if isinstance(links, Failure) else {link.name: link.carrier for link in links}
        return tuple((device, known[device]) for device in wanted if device in known)

    def lifetimes_left(self) -> dict[str, int]:
        """Whole seconds left of those of our addresses that are there and have an end."""
        found = self._found(self._addresses)
        if isinstance(found, Failure):
            return {}
        return {resource.address: seen.valid for resource, seen in found if seen.valid is not None}

    def change(self, addresses: Sequence[AddressResource], adding: bool) -> Outcomes:
        """Add or remove one slice with one system call; callers use ``begin_add`` and ``begin_remove``."""
        texts: list[str | None] = [None] * len(addresses)
        batch: list[bytes] = []
        routes: set[bytes] = set()
        asked: dict[int, int] = {}
        indices = {device: _device_index(device) for device in {item.device for item in addresses}}
        for place, resource in enumerate(addresses):
            if not adding:
                self.placed.discard(resource.address)
            index = indices[resource.device]
            if index:
                prepared = self._ready(resource, index)
                asked[prepared.sequence] = place
                batch.append(self._message(resource, prepared, adding))
                if adding and prepared.route:
                    routes.add(prepared.route)
            elif adding:
                texts[place] = f"there is no device {resource.device} on this machine"
        if batch:
            batch[-1] = netlink.with_acknowledgement(batch[-1])
            for failure in self._route.request(b"".join((*sorted(routes), *batch))):
                if failure.sequence == subnet_routes.SEQUENCE:
                    continue
                if failure.number == errno.EEXIST if adding else failure.number in _ALREADY_GONE:
                    continue
                concerned = [asked[failure.sequence]] if failure.sequence in asked else list(asked.values())
                for place in concerned:
                    texts[place] = _explain(failure, addresses[place], adding)
        results = tuple(zip(addresses, texts, strict=True))
        if adding:
            self.placed.update(item.address for item, text in results if text is None)
        return results

    def _message(self, resource: AddressResource, prepared: _Prepared, adding: bool) -> bytes:
        if not adding:
            return prepared.remove
        lifetime = self.lifetimes.get(resource.address)
        return prepared.add if lifetime is None else addition(resource, prepared.index, prepared.sequence, lifetime)

    def restore_routes(self, device: str) -> None:
        """Make the routes of the placed addresses of ``device`` again: setting a device down has taken them away."""
        index = _device_index(device)
        ours = [item for item in self._addresses if item.device == device and item.address in self.placed]
        routes = {self._ready(item, index).route for item in ours} if index else set()
        for data in sorted(routes - {b""}):
            self._route.request(netlink.with_acknowledgement(data))

    def serve_by_routes(self, addresses: Sequence[AddressResource]) -> bool:
        """Have this machine answer for these IPv4 addresses at once; whether it does, for all of them."""
        return not self._request_local_routes(addresses, adding=True)

    def remove_local_routes(self, addresses: Sequence[AddressResource]) -> None:
        """Take away what ``serve_by_routes`` made, if it is there."""
        self._request_local_routes([item for item in addresses if ":" not in item.address], adding=False)

    def _request_local_routes(self, addresses: Sequence[AddressResource], adding: bool) -> bool:
        """Whether anything was refused."""
        indices = {device: _device_index(device) for device in {item.device for item in addresses}}
        parts = [
            subnet_routes.local_route(pack(item.address), indices[item.device], adding)
            for item in addresses
            if indices[item.device]
        ]
        if not parts or (adding and len(parts) < len(addresses)):
            return True
        parts[-1] = netlink.with_acknowledgement(parts[-1])
        return bool(self._route.request(b"".join(parts)))

    def remove_routes(self, addresses: Iterable[AddressResource]) -> None:
        """Take the routes away that only ``addresses`` needed."""
        needed = {subnet_routes.subnet(item) for item in self._addresses if item.address in self.placed}
        for which in sorted({found for item in addresses if (found := subnet_routes.subnet(item))} - needed):
            index = _device_index(which[0])
            if index:
                self._route.request(netlink.with_acknowledgement(subnet_routes.route(which, index, adding=False)))

    def remove_leftovers(self, addresses: Sequence[AddressResource]) -> dict[_Key, str]:
        """Look whether any of ``addresses`` is still there, under whatever prefix length, and remove it.

        Returns those that could not be removed, and all of them when we could not look.
        """
        left: tuple[tuple[AddressResource, SeenAddress], ...] = ()
        for _ in range(_REMOVAL_ATTEMPTS):
            found_now = self._found(addresses)
            if isinstance(found_now, Failure):
                return {_key(item): f"cannot see whether it is gone: {found_now}" for item in addresses}
            left = found_now
            for resource, seen in left:
                self._route.request(netlink.with_acknowledgement(removal(resource, seen.index, 1, seen.prefix)))
            if not left:
                return {}
        return {_key(item): f"{item.address} on {item.device} comes back as often as it is removed" for item, _ in left}

    def _found(self, addresses: Iterable[AddressResource]) -> tuple[tuple[AddressResource, SeenAddress], ...] | Failure:
        """Those of ``addresses`` that are on their devices now; one with two prefix lengths appears twice."""
        seen = list_addresses(self._route)
        if isinstance(seen, Failure):
            return seen
        wanted = list(addresses)
        indices = {device: _device_index(device) for device in {item.device for item in wanted}}
        ours = {(indices[item.device], pack(item.address)): item for item in wanted}
        pairs = ((ours.get((item.index, item.packed)), item) for item in seen)
        return tuple((resource, item) for resource, item in pairs if resource is not None)

    def _ready(self, resource: AddressResource, index: int) -> _Prepared:
        """The messages for ``resource``; built again when its device came back under another index."""
        prepared = self._prepared.get(_key(resource))
        if prepared is None or prepared.index != index:
            if _key(resource) not in self._sequences:
                self._sequences[_key(resource)] = len(self._sequences) + 1
                self._addresses = (*self._addresses, resource)
            # A device that came later than us; the first one of its subnet must not take the others along.
            prepare_devices([resource] if resource.form is not None else ())
            self._prepare(resource.device, index)
            prepared = self._prepared[_key(resource)]
        return prepared

    def _prepare(self, device: str, index: int) -> None:
        for resource in self._addresses:
            if resource.device == device:
                sequence = self._sequences[_key(resource)]
                add, remove = addition(resource, index, sequence), removal(resource, index, sequence)
                which = subnet_routes.subnet(resource)
                route = subnet_routes.route(which, index, adding=True) if which else b""
                self._prepared[_key(resource)] = _Prepared(index, sequence, add, remove, route)


def _to_the_end(change: AddressChange) -> Outcomes:
    while not change.step():
        pass
    return change.results


def _device_index(device: str) -> int:
    """0 when there is no such device."""
    try:
        return socket.if_nametoindex(device)
    except OSError:
        return 0


def _explain(failure: Failure, resource: AddressResource, adding: bool) -> str:
    verb = "add" if adding else "remove"
    text = f"cannot {verb} {resource.address}/{resource.prefix} on {resource.device}: {failure}"
    if failure.number == errno.EPERM:
        return f"{text}; run as root or give the process CAP_NET_ADMIN"
    if failure.number == errno.EACCES and ":" in resource.address:
        return f"{text}; IPv6 is switched off there: set net.ipv6.conf.{resource.device}.disable_ipv6=0"
    return text
