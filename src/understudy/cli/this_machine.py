"""What a new configuration can know of this machine: its name, its interfaces with their addresses, its router.

Looks and changes nothing. What is left out on purpose: interfaces that containers and virtual machines brought along, and
addresses that cannot be a machine's own (loopback, link-local, single-host prefixes, which are virtual addresses mostly).
"""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

from ..adapters.addresses import SeenAddress, links_and_addresses
from ..config.addresses import is_name

_FOREIGN = re.compile(r"lo$|docker|br-|virbr|veth|cni|flannel|cali|vnet|lxc|lxd|podman|tailscale|understudy")
_MEANINGLESS = frozenset({"localhost", "debian", "ubuntu", "none"})
_ROUTE_UP, _ROUTE_GATEWAY = 0x1, 0x2


@dataclass(frozen=True, slots=True)
class Interface:
    """A device and one address of it, with the prefix length of its network."""

    device: str
    address: str
    prefix: int


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """``name`` is "" when the host name cannot name a member. ``interfaces``: at most one for a device, in the kernel's order."""

    host: str
    name: str
    interfaces: tuple[Interface, ...]
    routers: tuple[str, ...]

    def interface_for(self, virtual: str) -> Interface | None:
        """The interface in whose network a virtual address (with or without prefix length) lies."""
        try:
            wanted = ip_address(virtual.partition("/")[0])
        except ValueError:
            return None
        for interface in self.interfaces:
            if wanted in ip_interface(f"{interface.address}/{interface.prefix}").network:
                return interface
        return None


def look() -> ThisMachine:
    """This machine as its kernel knows it now; without interfaces when the kernel does not say."""
    host = socket.gethostname()
    short = host.partition(".")[0]
    good = is_name(short) and short.lower() not in _MEANINGLESS
    return ThisMachine(host, short if good else "", _interfaces(), _routers())


def _interfaces() -> tuple[Interface, ...]:
    links, addresses = links_and_addresses()
    found = []
    for link in links:
        own = [item for item in addresses if item.index == link.index and _is_own(item)]
        if own and link.carrier and not _FOREIGN.match(link.name):
            best = min(own, key=lambda item: len(item.packed))  # IPv4 before IPv6; then the kernel's order
            found.append(Interface(link.name, str(ip_address(best.packed)), best.prefix))
    return tuple(found)


def _is_own(seen: SeenAddress) -> bool:
    address: IPv4Address | IPv6Address = ip_address(seen.packed)
    if address.is_loopback or address.is_link_local or seen.prefix == address.max_prefixlen:
        return False
    # IPv6 addresses with an end are autoconfigured, and change with the network card or the day.
    return isinstance(address, IPv4Address) or seen.valid is None


def _routers() -> tuple[str, ...]:
    """The default routers for IPv4 (proc(5), /proc/net/route: addresses as little-endian hexadecimal words)."""
    found: dict[str, None] = {}
    try:
        with open("/proc/net/route", encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
    except OSError:
        return ()
    for row in rows:
        if len(row) > 7 and row[1] == row[7] == "00000000" and int(row[3], 16) & (_ROUTE_UP | _ROUTE_GATEWAY) == 3:
            found[socket.inet_ntoa(struct.pack("=L", int(row[2], 16)))] = None
    return tuple(found)
