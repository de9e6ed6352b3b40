"""What virtual routers must not do: accept packets that are not theirs to accept, and speak of multicast by a virtual MAC.

A router that does not own its addresses, and whose accept mode is off, forwards what its clients send it and takes nothing that
is sent to the addresses themselves (Accept_Mode of RFC 9568 sections 6.1 and 6.4.3); neighbour solicitations and
advertisements it must still take. ARP is not touched. And the device of a virtual MAC sends no IGMP or MLD reports and no router
solicitations: each switch would learn the virtual MAC at the port of a backup. Its reports leave by the device beneath instead,
with the machine's own MAC, for without them a switch that snoops forwards neither advertisements nor neighbour solicitations.

For a configuration "ha"::

    table ip vrrp_understudy_ha                         table ip6 vrrp_understudy_ha: as ip, and before the addresses
      set closed     the addresses                        neighbour solicitations and advertisements are accepted
      chain in       input: destination in closed: drop
      chain out      output: IGMP or MLD: goto reports; VRRP accept; source in closed: drop
      chain reports  for each device of a virtual MAC: a copy to the device beneath, drop

The rules stand there whether this machine is master or not: a backup has none of the addresses. Each call makes the tables anew,
in one transaction. A kernel that cannot send copies goes without the chain of reports.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..model import Cluster
from ..vrrp_files import RouterFiles
from . import netlink, nftables
from .addresses import pack
from .kernel_lease import identifier
from .kernel_lease_setup import ADVERTISEMENT, ICMPV6, INPUT, KEYS, OUTPUT, PLACES, existing, no_netfilter, transact
from .netlink import NetlinkSocket
from .nftables import Family, Verdict
from .udp import interface_index

PRIORITY = -290
"""Behind the leases, before everybody's filters."""

OWNER = 255
_CLOSED, _REPORTS = "closed", "reports"
_NAME_LENGTH = 16
_SOLICITATION = b"\x87"
_IGMP = b"\x02"
_VRRP = b"\x70"
_GROUP_REPORTS = (b"\x83", b"\x84", b"\x8f")
"""MLD: report, done, report of version 2."""
_ROUTER_SOLICITATION = b"\x85"
_PORTION = 500

Pairs = tuple[tuple[str, str], ...]


def closed(files: RouterFiles) -> tuple[str, ...]:
    """The addresses that do not answer: of every router that neither accepts nor owns them."""
    routers = (router for router in files.routers if not router.accept and router.priority != OWNER)
    return tuple(dict.fromkeys(item.address for router in routers for item in router.addresses))


def virtual(files: RouterFiles) -> Pairs:
    """(device of a virtual MAC, device beneath); an ipvlan has no MAC of its own."""
    made = ((router.virtual_mac, router.device) for router in files.routers)
    return tuple(dict.fromkeys((mac.name, parent) for mac, parent in made if mac is not None and not mac.ipvlan))


def setup(cluster: Cluster) -> str | None:
    """Make the tables for the virtual routers of ``cluster``, or take them away where none is needed. Returns what went wrong.

    Copies go to the devices beneath as they are now: call it again when one was deleted and made anew.
    """
    files = cluster.routers or RouterFiles()
    return _replace(cluster, closed(files), virtual(files))


def beneath(files: RouterFiles) -> tuple[int, ...]:
    """By which ``setup`` has to be called again: the indices of the devices beneath virtual MACs."""
    return tuple(interface_index(name) for _, name in virtual(files))


def teardown(cluster: Cluster) -> str | None:
    """Take the tables away. Not there is success. Returns what went wrong, or None."""
    return _replace(cluster, (), ())


def _replace(cluster: Cluster, addresses: tuple[str, ...], devices: Pairs) -> str | None:
    try:
        socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
    except OSError as error:
        return no_netfilter(error) if addresses or devices else None
    try:
        table = identifier("vrrp_understudy", cluster.name)
        before = [nftables.delete_table(family, table) for family in existing(socket, table)]
        text: str | None = None
        for reporting in dict.fromkeys((devices, ())):
            families = (Family.IP, Family.IP6) if addresses or reporting else ()
            made = [part for family in families for part in _table(family, table, addresses, reporting)]
            text = transact(socket, [*before, *made]) if before or made else None
            if text is None:
                break
        return text
    finally:
        socket.close()


def _table(family: Family, table: str, addresses: Iterable[str], devices: Pairs) -> list[bytes]:
    key, length = KEYS[family]
    packed = [data for item in addresses if len(data := pack(item)) == length]
    parts = [
        nftables.new_table(family, table),
        nftables.new_set(family, table, _CLOSED, key, length, 0, 1),
        nftables.new_base_chain(family, table, "in", INPUT, PRIORITY),
        nftables.new_base_chain(family, table, "out", OUTPUT, PRIORITY),
        nftables.new_chain(family, table, _REPORTS),
    ]
    portions = (packed[at : at + _PORTION] for at in range(0, len(packed), _PORTION))
    parts += [nftables.new_elements(family, table, _CLOSED, portion) for portion in portions]

    def rule(chain: str, *expressions: bytes) -> None:
        parts.append(nftables.new_rule(family, table, chain, *expressions))

    drop, accept = (nftables.counter(), nftables.decide(Verdict.DROP)), nftables.decide(Verdict.ACCEPT)
    source, destination = (nftables.load_network(place, length) for place in PLACES[family])
    for name, parent in devices:
        leaves = nftables.load_output_name(), nftables.equals(name.encode().ljust(_NAME_LENGTH, b"\0"))
        if family is Family.IP6:
            rule(_REPORTS, *leaves, *_icmpv6(_ROUTER_SOLICITATION), *drop)
        if index := interface_index(parent):
            rule(_REPORTS, *leaves, destination, *nftables.duplicate_to(index), *drop)
    for reports in _reports(family) if devices else ():
        rule("out", *reports, nftables.decide(Verdict.GOTO, _REPORTS))
    for chain in ("in", "out") if packed and family is Family.IP6 else ():
        for kind in (_SOLICITATION, ADVERTISEMENT):
            rule(chain, *_icmpv6(kind), accept)
    if packed:
        rule("out", nftables.load_transport_protocol(), nftables.equals(_VRRP), accept)
        rule("in", destination, nftables.is_in(_CLOSED), *drop)
        rule("out", source, nftables.is_in(_CLOSED), *drop)
    return parts


def _icmpv6(kind: bytes) -> tuple[bytes, ...]:
    message = nftables.load_transport(0, 1), nftables.equals(kind)
    return nftables.load_transport_protocol(), nftables.equals(ICMPV6), *message


def _reports(family: Family) -> list[tuple[bytes, ...]]:
    if family is Family.IP6:
        return [_icmpv6(kind) for kind in (*_GROUP_REPORTS, _ROUTER_SOLICITATION)]
    return [(nftables.load_transport_protocol(), nftables.equals(_IGMP))]
