"""The load balancer's rules in nf_tables: what stands there for one service, and the messages from one state to the next. Pure.

``ip understudy_balance``, and ``ip6`` the same (``nft list table ip understudy_balance`` shows it)::

    set servers          service's number . address . port . weight . forwarding: what the next process reads again
    map nat, nat_any, nat_mark            protocol . address . port, protocol . address, or mark -> goto pick_N
    map direct, direct_any, direct_mark   the same for services by direct routing
    map live, live_any, live_mark         the same, -> goto live_N; the comment of an element is its service, and who wrote it
    map flows, closing   direct routing: protocol . client . port . address . port -> server, with a timeout
    set here             the same of connections that this machine itself serves, beside other servers

    chain pick_N         not local on the device it came by: return; known client: its server; else the next one
    chain live_N         addressed to a server in live_N: return; else drop
    set live_N, began_N  the servers, with counters of packets, and of beginnings
    map stay_N           persistence: client (masked) -> server, with a timeout

NAT: ``choosing`` (nat, prerouting) is asked for the first packet of a connection only; the rest is connection tracking's work.
Direct routing: ``arriving`` (prerouting, behind the leases, before connection tracking) sends a copy of each packet to the
server's MAC and drops the packet; ``sending`` (output) sees the copies, and remembers by their next hop what was chosen.

Two chains a service and none a server: each transaction of nf_tables, the leases' renewals too, looks at every chain. What is
remembered is loaded from the packet and never from a map: ``nft`` of Debian 12 ends with a failed assertion when it lists that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..balance import TableServer
from . import nft_balance_chains as chains
from . import nft_expressions as nft
from .nft_balance_words import KINDS, TABLE, Standing, comment, live_key, server_key, service_key, suffix, turns
from .nft_expressions import DYNAMIC, MAP, TIMEOUT, Set
from .nftables import DELCHAIN, DELSET, Family, flush_set, new_table

MOST_FLOWS = 1 << 20
"""Connections by direct routing, and clients of one persistent service: what comes beyond that is not remembered."""

_PREROUTING, _OUTPUT = 0, 3


def key_fields(family: Family, kind: str) -> tuple[nft.Field, ...]:
    address = nft.address_field(family)
    return {"": (nft.PROTOCOL, address, nft.SERVICE), "_any": (nft.PROTOCOL, address), "_mark": (nft.MARK,)}[kind]


def table(family: Family) -> list[bytes]:
    """What is there before any service."""
    address = nft.address_field(family)
    flow = (nft.PROTOCOL, address, nft.SERVICE, address, nft.SERVICE)
    remembering = MAP | TIMEOUT | DYNAMIC
    sets = [Set("servers", (nft.MARK, address, nft.SERVICE, nft.MARK, nft.MARK))]
    sets += [Set(name, flow, remembering, (address,), MOST_FLOWS) for name in ("flows", "closing")]
    sets += [Set("here", flow, TIMEOUT | DYNAMIC, size=MOST_FLOWS)]
    sets += [Set(name + kind, key_fields(family, kind), MAP) for name in ("nat", "direct", "live") for kind in KINDS]
    made = [new_table(family, TABLE)]
    made += [nft.new_set(family, TABLE, replace(item, number=number)) for number, item in enumerate(sets, 1)]
    hooks = (
        ("arriving", _PREROUTING, -298, "filter", chains.arriving(family)),
        ("marked", _PREROUTING, -140, "filter", [chains.by(family, "direct", "_mark")]),
        ("choosing", _PREROUTING, -101, "nat", [chains.by(family, "nat", kind) for kind in KINDS]),
        ("counting", _PREROUTING, -99, "filter", chains.counting(family)),
        ("sending", _OUTPUT, -298, "filter", chains.sending(family)),
    )
    for name, hook, priority, kind, rules in hooks:
        made.append(nft.new_chain(family, TABLE, name, hook=hook, priority=priority, kind=kind))
        made.append(nft.flush_chain(family, TABLE, name))
        made += [nft.new_rule(family, TABLE, name, rule) for rule in rules]
    return made


def _sets(standing: Standing) -> list[Set]:
    number, address = standing.number, nft.address_field(standing.family)
    place = (address, nft.SERVICE) if standing.with_port else (address,)
    made = [Set(f"{name}_{number}", place, counted=True) for name in ("live", "began")]
    if standing.service.persistence:
        made.append(Set(f"stay_{number}", (address,), MAP | TIMEOUT | DYNAMIC, place, MOST_FLOWS))
    return made


def _names(standing: Standing) -> tuple[tuple[str, str], tuple[str, str]]:
    """(map, chain): who is chosen, and who is counted."""
    kind = suffix(standing.service.key)
    chooses = "direct" if standing.direct else "nat"
    return (chooses + kind, f"pick_{standing.number}"), ("live" + kind, f"live_{standing.number}")


def _known(standing: Standing) -> list[bytes]:
    """Put the service into the maps."""
    key = service_key(standing.service.key)
    (chooses, pick), (counts, live) = _names(standing)
    first = nft.elements(standing.family, TABLE, chooses, [nft.element(key, goto=pick)])
    return first + nft.elements(
        standing.family, TABLE, counts, [nft.element(key, goto=live, comment=comment(standing))]
    )


def _unknown(standing: Standing) -> list[bytes]:
    key = nft.element(service_key(standing.service.key))
    return [
        message
        for name, _ in _names(standing)
        for message in nft.elements(standing.family, TABLE, name, [key], gone=True)
    ]


def _live(standing: Standing) -> dict[bytes, None]:
    """The elements of ``live_N``. Without ports two places of one address share one."""
    return dict.fromkeys(live_key(standing, place) for place in standing.servers)


def _counted(standing: Standing, keys: Iterable[bytes], *, gone: bool) -> list[bytes]:
    parts = [nft.element(key) for key in keys]
    names = (f"{name}_{standing.number}" for name in ("live", "began"))
    return [item for name in names for item in nft.elements(standing.family, TABLE, name, parts, gone=gone)]


def _noted(standing: Standing, servers: Sequence[TableServer], *, gone: bool) -> list[bytes]:
    parts = [nft.element(server_key(standing, server)) for server in servers]
    return nft.elements(standing.family, TABLE, "servers", parts, gone=gone)


def made(standing: Standing, number: int, start: int) -> list[bytes]:
    """A service that is not there yet. ``number``: the first that tells its new sets apart in the transaction."""
    family = standing.family
    sets = _sets(standing)
    parts = [nft.new_set(family, TABLE, replace(item, number=number + at)) for at, item in enumerate(sets)]
    parts += [nft.new_chain(family, TABLE, name) for _, name in _names(standing)]
    parts += _counted(standing, _live(standing), gone=False)
    parts += _noted(standing, list(standing.servers.values()), gone=False)
    return parts + _living(standing) + _picking(standing, number + len(sets), start) + _known(standing)


def unmade(standing: Standing) -> list[bytes]:
    """The service goes, with all that is its own."""
    family = standing.family
    names = [name for _, name in _names(standing)]
    parts = _unknown(standing) + _noted(standing, list(standing.servers.values()), gone=True)
    parts += [nft.flush_chain(family, TABLE, name) for name in names]
    parts += [nft.message(DELCHAIN, 0, family, nft.named(1, TABLE), nft.named(3, name)) for name in names]
    sets = [item.name for item in _sets(standing)]
    return parts + [nft.message(DELSET, 0, family, nft.named(1, TABLE), nft.named(2, name)) for name in sets]


def changed(old: Standing, new: Standing, number: int, start: int) -> list[bytes]:
    """From one state of a service to another of the same number and shape."""
    gone, come = _differing(old, new), _differing(new, old)
    parts = _counted(old, _left(old, new), gone=True) + _noted(old, gone, gone=True)
    parts += _noted(new, come, gone=False) + _counted(new, _left(new, old), gone=False)
    if (old.service, old.owner) != (new.service, new.owner):
        parts += _unknown(old) + _known(new)
    # Servers alone change nothing of the rules of live_N.
    if old.service != new.service and chains.live(old) != chains.live(new):
        parts += [nft.flush_chain(new.family, TABLE, f"live_{new.number}"), *_living(new)]
        if new.service.persistence and chains.client(old) != chains.client(new):
            parts.append(flush_set(new.family, TABLE, f"stay_{new.number}"))  # networks of another length
    if old.service != new.service or any(server.weight for server in (*gone, *come)) or old.here != new.here:
        parts.append(nft.flush_chain(new.family, TABLE, f"pick_{new.number}"))
        parts += _picking(new, number, start)
    return parts


def _differing(one: Standing, other: Standing) -> list[TableServer]:
    """The servers of ``one`` that ``other`` has otherwise, or not at all. Most are the same objects."""
    return [
        server
        for place, server in one.servers.items()
        if (found := other.servers.get(place)) is not server and found != server
    ]


def _left(one: Standing, other: Standing) -> list[bytes]:
    """The elements of ``live_N`` that ``one`` has and ``other`` has not; both are of one shape."""
    keys = dict.fromkeys(live_key(one, place) for place in one.servers if place not in other.servers)
    shared = _live(other) if keys and not one.with_port else {}
    return [key for key in keys if key not in shared]


def _living(standing: Standing) -> list[bytes]:
    """The rules of ``live_N``."""
    name = f"live_{standing.number}"
    return [nft.new_rule(standing.family, TABLE, name, rule) for rule in chains.live(standing)]


def _picking(standing: Standing, number: int, start: int) -> list[bytes]:
    """The rules of ``pick_N``, with the map of who is next."""
    here, away = standing.parted()
    order = turns(away, standing.service.scheduler, start)
    rules = chains.picking(standing, here, away, sum(count for count, _ in order), number)
    slots = _slots(standing, order, number) if order else []
    return slots + [nft.new_rule(standing.family, TABLE, f"pick_{standing.number}", rule) for rule in rules]


def _slots(standing: Standing, order: Sequence[tuple[int, TableServer]], number: int) -> list[bytes]:
    """The anonymous map from a number to a server, as intervals."""
    family, address = standing.family, nft.address_field(standing.family)
    data = (address, nft.SERVICE) if standing.with_port else (address,)
    flags = nft.ANONYMOUS | nft.CONSTANT | nft.INTERVAL | MAP
    parts, at = [], 0
    for count, server in order:
        parts.append(nft.element(struct.pack("!I", at), live_key(standing, server.place)))
        at += count
    parts.append(nft.element(struct.pack("!I", at), end=True))
    return [
        nft.new_set(family, TABLE, Set(chains.SLOTS, (nft.INTEGER,), flags, data, number=number)),
        *nft.elements(family, TABLE, chains.SLOTS, parts, number=number),
    ]
