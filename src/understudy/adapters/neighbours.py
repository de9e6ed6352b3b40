"""Which MAC address stands behind an IP address, as the kernel's neighbour table knows it (rtnetlink(7), ``linux/neighbour.h``).

For people who look for a machine: what a datagram says of its sender can be forged, and so can an answer to ARP. Nothing is asked
on the network. The kernel answers within the system call, some tens of microseconds for a hundred neighbours.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

from .netlink import NETLINK_ROUTE, Failure, NetlinkSocket, attributes

_GET_NEIGHBOURS = 30
_HEAD = struct.Struct("=BxxxiHBB")
"""``ndmsg``: family, device, state, flags, type."""

_DESTINATION, _LINK_ADDRESS = 1, 2


def mac_of(address: str) -> str:
    """``52:54:00:12:34:56``, or "" when the kernel does not know it or is not asked (a network behind a router)."""
    try:
        wanted = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    family = socket.AF_INET if wanted.version == 4 else socket.AF_INET6
    try:
        asking = NetlinkSocket(NETLINK_ROUTE)
    except OSError:
        return ""
    try:
        found = asking.dump(_GET_NEIGHBOURS, _HEAD.pack(family, 0, 0, 0, 0))
    finally:
        asking.close()
    if isinstance(found, Failure):
        return ""
    for item in found:
        said = dict(attributes(item.payload[_HEAD.size :]))
        if said.get(_DESTINATION) == wanted.packed and len(said.get(_LINK_ADDRESS, b"")) == 6:
            return said[_LINK_ADDRESS].hex(":")
    return ""
