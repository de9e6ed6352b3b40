"""Kernel leases of hundreds of virtual routers: one set for all of them, where ``kernel_lease_setup`` makes one for each group.

Each transaction of nf_tables looks at every chain of all tables. With two chains for each of 500 routers a renewal took 60 µs,
and the tables 600 ms to make; here it takes 20 µs, and they 30 ms (measured). The price is an element for each address, so this
is for ``MANY`` routers only. For a configuration "ha"::

    table ip understudy_ha                                  table arp, table ip6: as it; ip6 also judges advertisements
      set ours          the addresses of all routers          by their target
      set real          those that this machine may serve on ``lo`` as a real server
      set held          the leases: address, timeout
      chain leaving     output: VRRP accept; source in ours and not in held: drop
      chain delivered   input: destination in ours and not in held: drop
      chain arriving    prerouting: the same for what the routing table calls local

What is in "real" is not in "ours", but in arp: it is judged at prerouting, and at output by its source, where the device by which
the packet comes or goes has the address.

(A map from address to router, and one element for each router, is possible in the kernel; but the ``nft`` program of Debian 12
ends with a failed assertion when it lists such a rule.) The decisions of ``kernel_lease_setup`` hold here, too.
"""

from __future__ import annotations

import struct
import zlib

from ..model import Cluster
from . import netlink, nftables
from .addresses import pack
from .kernel_lease import KernelLeases, table_name
from .kernel_lease_setup import (
    ADVERTISEMENT,
    ARP_OUTPUT,
    ARP_SENDER,
    ICMPV6,
    INPUT,
    KEYS,
    OUTPUT,
    PLACES,
    PREROUTING,
    PRIORITY,
    ROUTE_LOCAL,
    adverts_pass,
    existing,
    no_netfilter,
    real_servers,
    transact,
)
from .netlink import NetlinkSocket
from .nftables import Family, Verdict

HELD, OURS, REAL = "held", "ours", "real"

MANY = 32
"""With more virtual routers than these they share their tables."""


_SECOND_REGISTER = 2
_PORTION = 500


def flat_leases(cluster: Cluster) -> KernelLeases:
    """The leases of ``cluster``'s groups in one set. Raises OSError when the kernel offers no NETLINK_NETFILTER."""
    keys = {
        group.name: tuple(dict.fromkeys(pack(item.address) for item in group.addresses)) for group in cluster.groups
    }

    def place(group: str, family: Family) -> tuple[str, tuple[bytes, ...]]:
        length = KEYS[family][1]
        ours = tuple(key for key in keys[group] if len(key) == length)
        # One without addresses (it has routes) is known by a key that is nobody's address: class E of IPv4.
        return HELD, ours or (struct.pack("!I", 0xF0000000 | zlib.crc32(group.encode()) >> 4),)

    return KernelLeases(cluster, setup, place)


def setup(cluster: Cluster) -> str | None:
    """Make the tables, or bring them up to date. Leases that run go on. Returns what went wrong, or None."""
    try:
        socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
    except OSError as error:
        return no_netfilter(error)
    try:
        table = table_name(cluster)
        there = existing(socket, table)
        update = [
            part
            for family in there
            for part in (
                nftables.flush_rules(family, table),
                nftables.new_set(family, table, REAL, *KEYS[family], 0, 3),  # another version's table has none
                nftables.flush_set(family, table, OURS),
                nftables.flush_set(family, table, REAL),
            )
        ]
        replace = [nftables.delete_table(family, table) for family in there]
        text: str | None = None
        for before in (update, replace) if there else ([],):
            for with_routes in (True, False):
                text = transact(socket, [*before, *_everything(cluster, table, with_routes)])
                if text is None:
                    return None
        return text
    finally:
        socket.close()


def _everything(cluster: Cluster, table: str, with_routes: bool) -> list[bytes]:
    packed = dict.fromkeys(pack(item.address) for group in cluster.groups for item in group.addresses)
    exempt = real_servers(cluster) if with_routes else frozenset()
    parts: list[bytes] = []
    for family in Family:
        key, length = KEYS[family]
        real = [item for item in packed if len(item) == length and item in exempt and family is not Family.ARP]
        ours = [item for item in packed if len(item) == length and item not in real]
        parts += [
            nftables.new_table(family, table),
            nftables.new_set(family, table, OURS, key, length, 0, 1),
            nftables.new_set(family, table, HELD, key, length, nftables.SET_HAS_TIMEOUT, 2),
            nftables.new_set(family, table, REAL, key, length, 0, 3),
        ]
        for name, keys in ((OURS, ours), (REAL, real)):
            portions = (keys[at : at + _PORTION] for at in range(0, len(keys), _PORTION))
            parts += [nftables.new_elements(family, table, name, portion) for portion in portions]
        parts += _arp_hooks(table) if family is Family.ARP else _ip_hooks(family, table, with_routes)
        parts += _as_real_server(family, table) if real else []
    return parts


def _judged() -> tuple[bytes, ...]:
    """Of what was found to be the address of a router: dropped unless its lease runs."""
    return nftables.is_not_in(HELD), nftables.counter(), nftables.decide(Verdict.DROP)


def _as_real_server(family: Family, table: str) -> list[bytes]:
    """Of these addresses only what comes and goes by a device that has them waits for the lease (``kernel_lease_setup``)."""
    length = KEYS[family][1]
    source, destination = (nftables.load_network(place, length) for place in PLACES[family])
    real, local = nftables.is_in(REAL), nftables.equals(ROUTE_LOCAL, _SECOND_REGISTER)
    coming = nftables.load_destination_type(_SECOND_REGISTER, arriving_device=True)
    going = nftables.load_source_type(_SECOND_REGISTER)
    return [
        nftables.new_rule(family, table, "arriving", destination, real, coming, local, *_judged()),
        nftables.new_rule(family, table, "leaving", source, real, going, local, *_judged()),
    ]


def _arp_hooks(table: str) -> list[bytes]:
    family, sender = Family.ARP, nftables.load_network(ARP_SENDER, 4)
    return [
        nftables.new_base_chain(family, table, "leaving", ARP_OUTPUT, PRIORITY),
        nftables.new_rule(family, table, "leaving", sender, nftables.is_in(OURS), *_judged()),
    ]


def _ip_hooks(family: Family, table: str, with_routes: bool) -> list[bytes]:
    length = KEYS[family][1]
    source, destination = (nftables.load_network(place, length) for place in PLACES[family])
    ours = nftables.is_in(OURS)
    parts = [
        nftables.new_base_chain(family, table, "delivered", INPUT, PRIORITY),
        nftables.new_rule(family, table, "delivered", destination, ours, *_judged()),
        nftables.new_base_chain(family, table, "leaving", OUTPUT, PRIORITY),
    ]
    parts += adverts_pass(family, table)
    parts.append(nftables.new_rule(family, table, "leaving", source, ours, *_judged()))
    if family is Family.IP6:
        advertises = (
            nftables.load_transport_protocol(),
            nftables.equals(ICMPV6),
            nftables.load_transport(0, 1),
            nftables.equals(ADVERTISEMENT),
            nftables.load_transport(8, 16),
        )
        parts.append(nftables.new_rule(family, table, "leaving", *advertises, ours, *_judged()))
    if with_routes:
        local = (
            nftables.load_destination_type(_SECOND_REGISTER),
            nftables.equals(ROUTE_LOCAL, _SECOND_REGISTER),
        )
        parts += [
            nftables.new_base_chain(family, table, "arriving", PREROUTING, PRIORITY),
            nftables.new_rule(family, table, "arriving", destination, ours, *local, *_judged()),
        ]
    return parts
