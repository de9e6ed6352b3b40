"""The tables and rules around the kernel leases: made, brought up to date and removed, each in one transaction.

For a cluster "site" with a group "web" (``nft list table ip understudy_site`` shows the same)::

    table ip understudy_site                                table arp understudy_site
      set held_web      the lease: EtherType, timeout         set held_web
      map owners        address -> goto group_web             map owners
      map arrivals      address -> goto local_web             chain group_web
      chain group_web   lease there: accept; else drop        chain leaving   output: sender address
      chain local_web   for this machine: goto group_web
      chain arriving    prerouting: by arrivals             table ip6 understudy_site: as ip; "leaving" also
      chain delivered   input: destination by owners          drops neighbour advertisements by their target
      chain leaving     output: source by owners

Decisions:

- Dropped is only what this machine would answer itself. ``delivered`` sits at input; ``arriving`` at prerouting, before any
  address translation, asks the routing table whether the destination is local. So a machine that forwards to the present
  holder is not disturbed, and one that translates the address to a container stops as well. A kernel without the ``fib``
  expression goes without ``arriving``.
- A balancer that is a real server too has the address on ``lo``, where it may serve without a lease: what other balancers send
  it. For such an address (a ``realserver`` resource of the cluster has it) "local" means to the device by which a packet comes
  or goes: ``arrivals`` leads to ``here_web``, ``senders`` at output to ``from_web``. ARP is as ever. One that somebody put on
  ``lo`` waits for the lease everywhere: its route hides that of the device, and a frozen holder would go on (decision 0013).
- Own tables only, by their names; others' rule sets are neither read nor flushed. "Accept" here is no permission: the other
  tables judge the packet after us.
- A second run keeps the elements of the ``held`` sets: a restarted daemon finds its leases. Only when the kernel refuses to bring
  old tables up to date (another version's) they are replaced as a whole; leases then begin anew with the next renewal.

What this does not handle: a machine that answers ARP for an address in proxy for another; ARP on other hardware than Ethernet.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import netlink, nftables
from .addresses import pack
from .kernel_lease import families, held_set, identifier, table_name
from .netlink import Failure, NetlinkSocket
from .nftables import Family, KeyType, Verdict

if TYPE_CHECKING:
    from ..model import Cluster

PRIORITY = -300
PREROUTING, INPUT, OUTPUT = 0, 1, 3
ARP_OUTPUT = 1
ROUTE_LOCAL = struct.pack("=I", 2)
ICMPV6 = b"\x3a"
ADVERTISEMENT = b"\x88"
_OWNERS, _ARRIVALS, _SENDERS = "owners", "arrivals", "senders"
KEYS = {
    Family.IP: (KeyType.IPV4_ADDRESS, 4),
    Family.ARP: (KeyType.IPV4_ADDRESS, 4),
    Family.IP6: (KeyType.IPV6_ADDRESS, 16),
}
PLACES = {Family.IP: (12, 16), Family.IP6: (8, 24)}
ARP_SENDER = 14


def setup(cluster: Cluster) -> str | None:
    """Make the tables for ``cluster``, or bring them up to date. Leases that run go on. Returns what went wrong, or None."""
    try:
        socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
    except OSError as error:
        return no_netfilter(error)
    try:
        return _setup(socket, cluster)
    finally:
        socket.close()


def teardown(cluster: Cluster) -> str | None:
    """Remove our tables, and with them every restriction. Not there is success. Returns what went wrong, or None."""
    try:
        socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
    except OSError:
        return None
    try:
        table = table_name(cluster)
        parts = [nftables.delete_table(family, table) for family in existing(socket, table)]
        return transact(socket, parts) if parts else None
    finally:
        socket.close()


def available(cluster: Cluster) -> str | None:
    """Why the kernel cannot keep the leases of ``cluster``, for people; None when it can. Changes nothing."""
    try:
        socket = NetlinkSocket(netlink.NETLINK_NETFILTER)
    except OSError as error:
        return no_netfilter(error)
    try:
        return transact(socket, _everything(cluster, with_routes=False), commit=False)
    finally:
        socket.close()


def no_netfilter(error: OSError) -> str:
    """Why nothing can be set up."""
    return f"this kernel has no nf_tables ({error.strerror})"


def _setup(socket: NetlinkSocket, cluster: Cluster) -> str | None:
    table = table_name(cluster)
    there = existing(socket, table)
    wanted = _families(cluster)
    update = [part for family in there if family in wanted for part in _clear(socket, family, table, cluster)]
    update += [nftables.delete_table(family, table) for family in there if family not in wanted]
    replace = [nftables.delete_table(family, table) for family in there]
    text: str | None = None
    real = real_servers(cluster)
    for before in (update, replace) if there else ([],):
        for with_routes in (True, False):
            text = transact(socket, [*before, *_everything(cluster, with_routes, real)])
            if text is None:
                return None
    return text


def transact(socket: NetlinkSocket, parts: list[bytes], commit: bool = True) -> str | None:
    """All of it, or nothing. Returns what went wrong, or None."""
    parts[-1] = netlink.with_acknowledgement(parts[-1])
    failures = socket.request(nftables.batch(*parts, commit=commit))
    if not failures:
        return None
    if any(failure.number == 1 for failure in failures):
        return "not permitted to change nf_tables: run as root or give the process CAP_NET_ADMIN"
    return "the kernel refused our tables: " + "; ".join(dict.fromkeys(str(failure) for failure in failures))


def existing(socket: NetlinkSocket, table: str) -> list[Family]:
    """In which families our table is there."""
    found = []
    for family in Family:
        if table in _names(socket, nftables.GETTABLE, family, 1):
            found.append(family)
    return found


def _names(socket: NetlinkSocket, which: int, family: Family, name_kind: int, table: str = "") -> list[str]:
    """Names of what a dump lists (in ``table`` only, if given)."""
    found = socket.dump(nftables.kind(which), nftables.head(family))
    if isinstance(found, Failure):
        return []
    names = []
    for item in found:
        texts = {kind: value.rstrip(b"\0") for kind, value in netlink.attributes(item.payload[4:])}
        if not table or texts.get(1) == table.encode():
            names.append(texts.get(name_kind, b"").decode("ascii", "replace"))
    return names


def _clear(socket: NetlinkSocket, family: Family, table: str, cluster: Cluster) -> list[bytes]:
    """Messages that remove from our table what is made again behind them, or belongs to groups that are gone.

    Leases stay, and so do chains that are still wanted, so that no hook is taken out and put in again for nothing.
    Elements go before their set and references before what they refer to: kernels before 6.4 count a map's references to
    chains until the map is gone for good.
    """
    names = [group.name for group in cluster.groups if family in families(group)]
    held = {held_set(name) for name in names}
    chains = {identifier(prefix, name) for name in names for prefix in ("group", "local", "here", "from")}
    chains |= {"arriving", "delivered", "leaving"}
    old_sets = [name for name in _names(socket, nftables.GETSET, family, 2, table) if name not in held]
    old_chains = [name for name in _names(socket, nftables.GETCHAIN, family, 3, table) if name not in chains]
    return [
        nftables.flush_rules(family, table),
        *(nftables.flush_set(family, table, name) for name in old_sets),
        *(nftables.delete_set(family, table, name) for name in old_sets),
        *(nftables.delete_chain(family, table, name) for name in old_chains),
    ]


def real_servers(cluster: Cluster) -> frozenset[bytes]:
    """The addresses that this machine may serve without a lease, as a real server."""
    from ..model import RealServerResource

    resources = [item for group in cluster.groups for item in group.resources]
    return frozenset(pack(item.realserver) for item in resources if isinstance(item, RealServerResource))


def _everything(cluster: Cluster, with_routes: bool, real: frozenset[bytes] = frozenset()) -> list[bytes]:
    table = table_name(cluster)
    return [part for family in _families(cluster) for part in _table(cluster, family, table, with_routes, real)]


def _families(cluster: Cluster) -> list[Family]:
    return sorted({family for group in cluster.groups for family in families(group)} | {Family.IP})


def _table(cluster: Cluster, family: Family, table: str, with_routes: bool, real: frozenset[bytes]) -> list[bytes]:
    """One family's table from the beginning; what is there already stays."""
    key, length = KEYS[family]
    groups = [group for group in cluster.groups if family in families(group)]
    parts = [nftables.new_table(family, table)]
    parts.append(nftables.new_set(family, table, _OWNERS, key, length, nftables.SET_IS_MAP, 1))
    by_routes = with_routes and family is not Family.ARP
    if by_routes:
        parts.append(nftables.new_set(family, table, _ARRIVALS, key, length, nftables.SET_IS_MAP, 2))
        parts.append(nftables.new_set(family, table, _SENDERS, key, length, nftables.SET_IS_MAP, 3))
    for number, group in enumerate(groups, 4):
        held = held_set(group.name)
        chain = identifier("group", group.name)
        parts += [
            nftables.new_set(family, table, held, KeyType.ETHER_TYPE, 2, nftables.SET_HAS_TIMEOUT, number),
            nftables.new_chain(family, table, chain),
            nftables.new_rule(
                family,
                table,
                chain,
                nftables.load_protocol(),
                nftables.is_in(held),
                nftables.decide(Verdict.ACCEPT),
            ),
            nftables.new_rule(family, table, chain, nftables.counter(), nftables.decide(Verdict.DROP)),
        ]
        packed = list(dict.fromkeys(pack(item.address) for item in group.addresses))
        here = [item for item in packed if len(item) == length and by_routes and item in real]
        ours = [item for item in packed if len(item) == length and item not in here]
        parts += [nftables.new_element(family, table, _OWNERS, item, goto=chain) for item in ours]
        if here:
            parts += _as_real_server(family, table, group.name, here)
        if by_routes:
            local = identifier("local", group.name)
            parts += [nftables.new_chain(family, table, local), _if_local(family, table, local, chain)]
            parts += [nftables.new_element(family, table, _ARRIVALS, item, goto=local) for item in ours]
    if family is Family.ARP:
        return parts + _arp_hooks(table)
    return parts + _ip_hooks(family, table, with_routes, adverts=cluster.routers is not None)


def _as_real_server(family: Family, table: str, group: str, addresses: list[bytes]) -> list[bytes]:
    """Of these addresses only what comes and goes by a device that has them waits for the lease."""
    chain, here, sent = (identifier(prefix, group) for prefix in ("group", "here", "from"))
    goto = nftables.equals(ROUTE_LOCAL), nftables.decide(Verdict.GOTO, chain)
    return [
        nftables.new_chain(family, table, here),
        nftables.new_rule(family, table, here, nftables.load_destination_type(arriving_device=True), *goto),
        nftables.new_chain(family, table, sent),
        nftables.new_rule(family, table, sent, nftables.load_source_type(), *goto),
        *(nftables.new_element(family, table, _ARRIVALS, item, goto=here) for item in addresses),
        *(nftables.new_element(family, table, _SENDERS, item, goto=sent) for item in addresses),
    ]


def adverts_pass(family: Family, table: str) -> list[bytes]:
    """VRRP, and the Authentication Header that version 2 may have around it, leave in any case: from the device's own address,
    which for the owner of an address (priority 255) is the virtual one. A router whose lease has ended must be able to say so.
    """
    return [
        nftables.new_rule(
            family,
            table,
            "leaving",
            nftables.load_transport_protocol(),
            nftables.equals(protocol),
            nftables.decide(Verdict.ACCEPT),
        )
        for protocol in (b"\x70", b"\x33")
    ]


def _if_local(family: Family, table: str, chain: str, then: str) -> bytes:
    """A rule of ``chain`` that goes to ``then`` when the routing table says that the destination is this machine."""
    destination = (nftables.load_destination_type(), nftables.equals(ROUTE_LOCAL))
    return nftables.new_rule(family, table, chain, *destination, nftables.decide(Verdict.GOTO, then))


def _arp_hooks(table: str) -> list[bytes]:
    family = Family.ARP
    return [
        nftables.new_base_chain(family, table, "leaving", ARP_OUTPUT, PRIORITY),
        nftables.new_rule(family, table, "leaving", nftables.load_network(ARP_SENDER, 4), nftables.decide_by(_OWNERS)),
    ]


def _ip_hooks(family: Family, table: str, with_routes: bool, adverts: bool) -> list[bytes]:
    length = KEYS[family][1]
    source, destination = (nftables.load_network(place, length) for place in PLACES[family])
    by_owner = nftables.decide_by(_OWNERS)
    parts = [
        nftables.new_base_chain(family, table, "delivered", INPUT, PRIORITY),
        nftables.new_rule(family, table, "delivered", destination, by_owner),
        nftables.new_base_chain(family, table, "leaving", OUTPUT, PRIORITY),
        *(adverts_pass(family, table) if adverts else ()),
        nftables.new_rule(family, table, "leaving", source, by_owner),
    ]
    if family is Family.IP6:
        target = nftables.load_transport(8, 16)
        parts.append(
            nftables.new_rule(
                family,
                table,
                "leaving",
                nftables.load_transport_protocol(),
                nftables.equals(ICMPV6),
                nftables.load_transport(0, 1),
                nftables.equals(ADVERTISEMENT),
                target,
                by_owner,
            )
        )
    if with_routes:
        parts += [
            nftables.new_base_chain(family, table, "arriving", PREROUTING, PRIORITY),
            nftables.new_rule(family, table, "arriving", destination, nftables.decide_by(_ARRIVALS)),
            nftables.new_rule(family, table, "leaving", source, nftables.decide_by(_SENDERS)),
        ]
    return parts
