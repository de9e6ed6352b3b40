"""The connected routes of IPv4 subnets in which only virtual addresses live.

A virtual IPv4 address stands on its device with prefix length 32 (``addresses`` says why), so it brings no route to its
neighbours. This makes the route that its configured length asks for: the subnet, on the device, without a preferred source
and with ``METRIC``. Wherever the machine has an address of its own in that subnet, that one's route wins, and with it the source.

The kernel flushes these routes when a device is set down, and with the last address of a device; so they are made with every
addition, and again when a device comes up. What fails here (a device that is down) leaves the address as good as it is.

The other kind here is a local route for one address: with it the kernel answers as if the address were on a device, and making
it takes 2 µs where adding the address takes up to 30. ``addresses`` has many addresses serve by them until it has added all.

What this does not handle: the route stands in the main table, which a device inside a VRF does not use.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from . import netlink

if TYPE_CHECKING:
    from ..model import AddressResource

RTM_NEWROUTE, RTM_DELROUTE = 24, 25

HOST_PREFIX = 32
"""The prefix length of virtual IPv4 addresses on their devices."""

METRIC = 65_000
"""Behind the connected routes of the kernel (0) and of network managers (some hundreds, or 20 000 more without connectivity)."""

SEQUENCE = 0x8000_0000
"""The sequence number of route messages, beyond those of addresses: their refusals are nobody's failure."""

_ROUTE = struct.Struct("=BBBBBBBBI")
_DESTINATION, _DEVICE, _METRIC = 1, 4, 6
_MAIN_TABLE, _STATIC, _LINK, _NOWHERE, _ANY, _UNICAST = 254, 4, 253, 255, 0, 1
_LOCAL_TABLE, _HOST, _LOCAL, _KERNEL = 255, 254, 2, 2

Subnet = tuple[str, bytes, int]
"""Device, first address, prefix length."""


def subnet(resource: AddressResource) -> Subnet | None:
    """The subnet that needs a route for this address; None for a host route, and where the address brings it (IPv6, a form)."""
    if ":" in resource.address or resource.prefix >= HOST_PREFIX or resource.form is not None:
        return None
    number = int.from_bytes(socket.inet_pton(socket.AF_INET, resource.address), "big")
    host_bits = HOST_PREFIX - resource.prefix
    return resource.device, (number >> host_bits << host_bits).to_bytes(4, "big"), resource.prefix


def route(which: Subnet, index: int, adding: bool) -> bytes:
    """RTM_NEWROUTE that makes or replaces our route, or RTM_DELROUTE for it."""
    _, first, prefix = which
    kind = RTM_NEWROUTE if adding else RTM_DELROUTE
    flags = netlink.REQUEST | (netlink.CREATE | netlink.REPLACE if adding else 0)
    scope, form = (_LINK, _UNICAST) if adding else (_NOWHERE, _ANY)
    head = _ROUTE.pack(socket.AF_INET, prefix, 0, 0, _MAIN_TABLE, _STATIC, scope, form, 0)
    body = netlink.attribute(_DESTINATION, first) + netlink.attribute(_DEVICE, struct.pack("=I", index))
    body += netlink.attribute(_METRIC, struct.pack("=I", METRIC))
    return netlink.message(kind, flags, SEQUENCE, head + body)


def local_route(packed: bytes, index: int, adding: bool, metric: int = METRIC) -> bytes:
    """RTM_NEWROUTE that has this machine answer for the IPv4 address ``packed`` on a device, or RTM_DELROUTE for it.

    Behind the kernel's own one, which comes with the address: nobody's packets change their way when this one goes. To remove
    with ``metric`` 0: the kernel's own.
    """
    kind = RTM_NEWROUTE if adding else RTM_DELROUTE
    flags = netlink.REQUEST | (netlink.CREATE | netlink.REPLACE if adding else 0)
    protocol = _STATIC if metric else _KERNEL
    head = _ROUTE.pack(socket.AF_INET, HOST_PREFIX, 0, 0, _LOCAL_TABLE, protocol, _HOST, _LOCAL, 0)
    body = netlink.attribute(_DESTINATION, packed) + netlink.attribute(_DEVICE, struct.pack("=I", index))
    body += netlink.attribute(_METRIC, struct.pack("=I", metric))
    return netlink.message(kind, flags, SEQUENCE, head + body)
