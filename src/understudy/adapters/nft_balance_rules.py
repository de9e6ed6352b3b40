"""The load balancer's rules in nf_tables: what stands there for one service, and the messages from one state to the next. Pure.

``ip understudy_balance``, and ``ip6`` the same (``nft list table ip understudy_balance`` shows it)::

    set servers          service's number . address . port . weight . forwarding: what the next process reads again
    map nat, nat_any, nat_mark            protocol . address . port, protocol . address, or mark -> goto pick_N
    map direct, direct_any, direct_mark   the same for services by direct routing
    map live, live_any, live_mark         the same, -> goto live_N; the comment of an element is its service
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

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge
from socket import AF_INET, AF_INET6, inet_pton

from ..balance import Place, TableServer, TableService
from ..services import Forward, ServiceKey
from ..units import SECOND
from . import nft_expressions as nft
from .nft_expressions import ADD, DYNAMIC, EQUAL, LESS, MAP, TIMEOUT, UNEQUAL, UPDATE, Set
from .nftables import DELCHAIN, DELSET, Family, new_table

TABLE = "understudy_balance"
KINDS = ("", "_any", "_mark")
MOST_FLOWS = 1 << 20
"""Connections by direct routing, and clients of one persistent service: what comes beyond that is not remembered."""

OPENING_SECONDS, FLOW_SECONDS, DATAGRAM_SECONDS, CLOSING_SECONDS = 60, 900, 300, 120
"""IPVS's: a connection that has only begun, an open one, UDP, one that was closed."""

_MOST_INTERLEAVED = 4096
_TCP = 6
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
_FIN_OR_RESET, _HANDSHAKE, _SYN = b"\x05", b"\x17", b"\x02"
_FLAGS = 13
_ROUTE_LOCAL = struct.pack("=I", 2)
_PREROUTING, _OUTPUT = 0, 3
PLACES = {Family.IP: (12, 16), Family.IP6: (8, 24)}
_NUMBER, _DATA = 10, 11
"""Registers: the number that was drawn, and behind the longest key what a map said."""

_SLOTS = "__map%d"
"""The kernel makes a name of it."""

_SEED, _SECOND_SEED = 0x5EED, 0x5EED2


@dataclass(frozen=True, slots=True)
class Standing:
    """One service of the table. ``number``: in the names of its chains and sets. ``here``: addresses of this machine.

    ``direct``: its servers are reached by direct routing. ``with_port``: they are told apart by their port, too.
    """

    number: int
    service: TableService
    servers: Mapping[Place, TableServer]
    here: frozenset[str] = frozenset()
    direct: bool = field(init=False)
    with_port: bool = field(init=False)

    def __post_init__(self) -> None:
        key = self.service.key
        direct = any(item.forward is Forward.DIRECT and not self.is_here(item) for item in self.servers.values())
        ports = key.port != 0 or (key.mark != 0 and any(place.port for place in self.servers))
        object.__setattr__(self, "direct", direct)
        object.__setattr__(self, "with_port", ports and not direct)

    @property
    def family(self) -> Family:
        return Family.IP6 if self.service.key.family == 6 else Family.IP

    @property
    def shape(self) -> tuple[bool, bool, bool]:
        """While it is the same the sets of the service need not be made again."""
        return self.direct, self.with_port, self.service.persistence > 0

    def is_here(self, server: TableServer) -> bool:
        """Whether this machine serves: a loopback address, or one of its own by direct routing."""
        address = server.place.address
        own = server.forward is Forward.DIRECT and address in self.here
        return own or address.startswith("127.") or address == "::1"

    def chosen(self) -> list[TableServer]:
        """Who gets new connections."""
        return sorted(
            (server for server in self.servers.values() if server.weight > 0), key=lambda server: server.place
        )


def mixed(standing: Standing) -> bool:
    """Whether some servers are reached by NAT and some by direct routing, which one service cannot have here."""
    away = {server.forward for server in standing.servers.values() if not standing.is_here(server)}
    return len(away) > 1


def suffix(key: ServiceKey) -> str:
    """In which of the maps the service is known."""
    return "_mark" if key.mark else "" if key.port else "_any"


def service_key(key: ServiceKey) -> bytes:
    """The service as a key of these maps."""
    if key.mark:
        return struct.pack("=I", key.mark)
    port = _port(key.port) if key.port else b""
    return bytes([_NUMBERS[key.protocol], 0, 0, 0]) + packed(key.address) + port


def packed(address: str) -> bytes:
    """An address that is known to be one, as the kernel has it."""
    return inet_pton(AF_INET6 if ":" in address else AF_INET, address)


def _port(port: int) -> bytes:
    return struct.pack("!Hxx", port)


def comment(standing: Standing) -> str:
    """The service in a comment of nf_tables; ``nft_balance_read`` has the way back. 128 bytes are possible."""
    service = standing.service
    flags = ",".join(service.flags) or "-"
    words = (
        service.scheduler,
        service.persistence,
        service.granularity,
        int(service.one_packet),
        int(service.hashed),
        flags,
    )
    return " ".join(str(word) for word in (standing.number, *words))


def server_key(standing: Standing, server: TableServer) -> bytes:
    """The server as an element of ``servers``."""
    forward = 1 if server.forward is Forward.DIRECT else 0
    address = packed(server.place.address)
    return (
        struct.pack("=I", standing.number)
        + address
        + _port(server.place.port)
        + struct.pack("=II", server.weight, forward)
    )


def live_key(standing: Standing, place: Place) -> bytes:
    """The server as an element of ``live_N`` and ``began_N``, and as the value of maps."""
    return packed(place.address) + (_port(place.port) if standing.with_port else b"")


# -- who is next


def turns(servers: Sequence[TableServer], scheduler: str, start: int = 0) -> list[tuple[int, TableServer]]:
    """(how many connections in a row, to whom), over and over.

    Weights count but for ``rr``, and are exact. Up to 4096 turns they are spread evenly, beyond that each server has its turns
    in a row. ``start``: with whom to begin, for a rule that is made anew begins again.
    """
    if not servers:
        return []
    weights = [1 if scheduler == "rr" else server.weight for server in servers]
    divisor = math.gcd(*weights)
    weights = [weight // divisor for weight in weights]
    runs = list(zip(weights, servers, strict=True))
    if scheduler == "wrr" and sum(weights) <= _MOST_INTERLEAVED:
        rows = ([((2 * turn + 1) / (2 * weight), who) for turn in range(weight)] for who, weight in enumerate(weights))
        runs = [(1, servers[who]) for _, who in merge(*rows)]
    if scheduler in ("rr", "wrr"):
        first = start % len(runs)
        runs = runs[first:] + runs[:first]
    return runs


# -- the table


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
    made += [nft.new_set(family, TABLE, _numbered(item, number)) for number, item in enumerate(sets, 1)]
    chains = (
        ("arriving", _PREROUTING, -298, "filter", _arriving(family)),
        ("marked", _PREROUTING, -140, "filter", [_by(family, "direct", "_mark")]),
        ("choosing", _PREROUTING, -101, "nat", [_by(family, "nat", kind) for kind in KINDS]),
        ("counting", _PREROUTING, -99, "filter", _counting(family)),
        ("sending", _OUTPUT, -298, "filter", _sending(family)),
    )
    for name, hook, priority, kind, rules in chains:
        made.append(nft.new_chain(family, TABLE, name, hook=hook, priority=priority, kind=kind))
        made.append(nft.flush_chain(family, TABLE, name))
        made += [nft.new_rule(family, TABLE, name, rule) for rule in rules]
    return made


def _numbered(made: Set, number: int) -> Set:
    return Set(made.name, made.key, made.flags, made.data, made.size, number, made.counted)


def _words(family: Family) -> int:
    """Registers that an address takes."""
    return 1 if family is Family.IP else 4


def _key(family: Family, kind: str) -> list[bytes]:
    """Load the service that a packet is for."""
    if kind == "_mark":
        return [nft.load_mark()]
    length = nft.address_field(family)[1]
    found = [nft.load_protocol(), nft.load(1, PLACES[family][1], length, 1)]
    return found if kind else [*found, nft.load(2, 2, 2, 1 + _words(family))]


def _by(family: Family, name: str, kind: str) -> list[bytes]:
    return [*_key(family, kind), nft.decide_by(name + kind)]


def _arriving(family: Family) -> list[list[bytes]]:
    """Packets of services; and ICMP's complaints about what a server has sent, which must reach it (path MTU)."""
    words = _words(family)
    if family is Family.IP:
        is_error = [nft.load_protocol(), nft.compare(EQUAL, b"\1"), nft.load(2, 0, 1), nft.compare(EQUAL, b"\3")]
        protocol, source, ports = 17, 20, 28
    else:
        is_error = [
            nft.load_protocol(),
            nft.compare(EQUAL, b"\x3a"),
            nft.load(2, 0, 1),
            nft.compare(nft.AT_MOST, b"\4"),
        ]
        protocol, source, ports = 14, 16, 48
    length = 4 * words
    inner = [
        nft.load(2, protocol, 1),
        nft.load(2, source + length, length, 1),
        nft.load(2, ports + 2, 2, 1 + words),
        nft.load(2, source, length, 2 + words),
        nft.load(2, ports, 2, 2 + 2 * words),
    ]
    complaint = [*is_error, *inner, nft.look_up("flows", 0, _DATA), nft.send_copy(_DATA), nft.decide(nft.DROP)]
    return [_by(family, "direct", ""), _by(family, "direct", "_any"), complaint]


def _counting(family: Family) -> list[list[bytes]]:
    """After translation, on the way to the server: what the packet was addressed to says connection tracking."""
    translated = struct.pack("=I", 0x20)
    ours = [nft.load_connection(nft.STATUS), nft.mask(translated), nft.compare(UNEQUAL, bytes(4))]
    ours += [nft.load_connection(nft.DIRECTION), nft.compare(EQUAL, b"\0")]
    named = [
        nft.load_connection(nft.ORIGINAL_PROTOCOL, 0, original=True),
        nft.load_connection(nft.ORIGINAL_ADDRESS[family], 1, original=True),
    ]
    port = nft.load_connection(nft.ORIGINAL_PORT, 1 + _words(family), original=True)
    return [
        [*ours, *named, port, nft.decide_by("live")],
        [*ours, *named, nft.decide_by("live_any")],
        [*ours, nft.load_mark(), nft.decide_by("live_mark")],
    ]


def _sending(family: Family) -> list[list[bytes]]:
    """Only the copies, which connection tracking is not to see: what this machine itself sends is none of our business."""
    untracked = struct.pack("=I", 64)
    others = [nft.load_connection(nft.STATE), nft.mask(untracked), nft.compare(EQUAL, bytes(4)), nft.decide(nft.RETURN)]
    return [others, *(_by(family, "live", kind) for kind in KINDS)]


# -- one service


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


def _servers(standing: Standing, servers: Sequence[TableServer], *, gone: bool) -> list[bytes]:
    keys = list(dict.fromkeys(live_key(standing, server.place) for server in servers))
    made: list[bytes] = []
    for name in ("live", "began"):
        parts = [nft.element(key) for key in keys]
        made += nft.elements(standing.family, TABLE, f"{name}_{standing.number}", parts, gone=gone)
    return made + _noted(standing, servers, gone=gone)


def _noted(standing: Standing, servers: Sequence[TableServer], *, gone: bool) -> list[bytes]:
    parts = [nft.element(server_key(standing, server)) for server in servers]
    return nft.elements(standing.family, TABLE, "servers", parts, gone=gone)


def made(standing: Standing, number: int, start: int) -> list[bytes]:
    """A service that is not there yet. ``number``: the first that tells its new sets apart in the transaction."""
    family = standing.family
    sets = _sets(standing)
    parts = [nft.new_set(family, TABLE, _numbered(item, number + at)) for at, item in enumerate(sets)]
    parts += [nft.new_chain(family, TABLE, name) for _, name in _names(standing)]
    parts += _servers(standing, list(standing.servers.values()), gone=False)
    parts += [nft.new_rule(family, TABLE, f"live_{standing.number}", rule) for rule in _live(standing)]
    return parts + _picking(standing, number + len(sets), start) + _known(standing)


def unmade(standing: Standing) -> list[bytes]:
    """The service goes, with all that is its own."""
    family = standing.family
    chains = [name for _, name in _names(standing)]
    parts = _unknown(standing) + _noted(standing, list(standing.servers.values()), gone=True)
    parts += [nft.flush_chain(family, TABLE, name) for name in chains]
    parts += [nft.message(DELCHAIN, 0, family, nft.named(1, TABLE), nft.named(3, name)) for name in chains]
    sets = [item.name for item in _sets(standing)]
    return parts + [nft.message(DELSET, 0, family, nft.named(1, TABLE), nft.named(2, name)) for name in sets]


def changed(old: Standing, new: Standing, number: int, start: int) -> list[bytes]:
    """From one state of a service to another of the same number and shape."""
    gone = [server for place, server in old.servers.items() if place not in new.servers]
    come = [server for place, server in new.servers.items() if place not in old.servers]
    others = [(old.servers[place], new.servers[place]) for place in new.servers if place in old.servers]
    others = [(before, after) for before, after in others if before != after]
    parts = _servers(old, gone, gone=True) + _noted(old, [before for before, _ in others], gone=True)
    parts += _noted(new, [after for _, after in others], gone=False) + _servers(new, come, gone=False)
    if old.service != new.service:
        parts += _unknown(old) + _known(new)
    if old.service != new.service or old.chosen() != new.chosen() or old.here != new.here:
        parts.append(nft.flush_chain(new.family, TABLE, f"pick_{new.number}"))
        parts += _picking(new, number, start)
    return parts


def _live(standing: Standing) -> list[list[bytes]]:
    """What goes to servers that are in the table is counted and remembered; what goes to others is lost, as in IPVS."""
    family, number = standing.family, standing.number
    begins = _begins(standing)
    ways = [_client(standing), _server(standing, _DATA)]
    stays = nft.remember(UPDATE, f"stay_{number}", 0, _DATA, -(-standing.service.persistence // SECOND))
    leaves = nft.remember(nft.DELETE, f"stay_{number}", 0, _DATA)
    there = [*_server(standing), nft.look_up(f"live_{number}")]
    rules = [[*begins, *_server(standing), nft.look_up(f"began_{number}")]]
    if standing.service.persistence:
        rules.append([*begins, *there, *ways[0], *ways[1], stays])
    if standing.direct and not standing.service.one_packet:
        rules += _remembered(standing, there)
        away = [*_flow(family), *_server(standing, _DATA), nft.remember(nft.DELETE, "flows", 0, _DATA)]
    else:
        rules.append([*there, nft.decide(nft.RETURN)])
        away = []
    # A client that begins anew is not to be sent there once more.
    rules += [[*begins, *away]] if away else []
    rules += [[*begins, *ways[0], *ways[1], leaves]] if standing.service.persistence else []
    return [*rules, [nft.decide(nft.DROP)]]


def _begins(standing: Standing) -> list[bytes]:
    """Go on only for the first packet of a connection; by direct routing for each UDP datagram."""
    if not standing.direct:
        return [nft.load_connection(nft.STATE), nft.mask(struct.pack("=I", 8)), nft.compare(UNEQUAL, bytes(4))]
    return [] if standing.service.key.protocol == "udp" else [*_flags(_HANDSHAKE), nft.compare(EQUAL, _SYN)]


def _server(standing: Standing, register: int = 0) -> list[bytes]:
    """Load to which server a packet goes, after it was decided."""
    family, words = standing.family, _words(standing.family)
    if standing.direct:
        return [nft.load_next_hop(family, register)]
    found = [nft.load(1, PLACES[family][1], 4 * words, register)]
    return [*found, nft.load(2, 2, 2, register + words)] if standing.with_port else found


def _remembered(standing: Standing, there: Sequence[bytes]) -> list[list[bytes]]:
    """Direct routing: which connection is whose. Only what a client sends is seen, so what it closed is remembered apart."""
    to_live = [*there, *_flow(standing.family), *_server(standing, _DATA)]

    def kept(seconds: int, *also: bytes) -> list[bytes]:
        return [*to_live, nft.remember(UPDATE, "flows", 0, _DATA, seconds), *also, nft.decide(nft.RETURN)]

    if standing.service.key.protocol == "udp":
        return [kept(DATAGRAM_SECONDS)]
    closed = [
        nft.remember(UPDATE, "closing", 0, _DATA, CLOSING_SECONDS),
        nft.remember(nft.DELETE, "flows", 0, _DATA),
        nft.remember(nft.DELETE, "closing", 0, _DATA),
    ]
    flow = [*_flow(standing.family), nft.look_up("closing")]
    return [
        [*_flags(_HANDSHAKE), nft.compare(EQUAL, _SYN), *kept(OPENING_SECONDS, closed[2])],
        [*_flags(_FIN_OR_RESET), nft.compare(UNEQUAL, b"\0"), *to_live, *closed[:2], nft.decide(nft.RETURN)],
        [*there, *flow, nft.decide(nft.RETURN)],
        kept(FLOW_SECONDS),
    ]


def _flags(bits: bytes) -> list[bytes]:
    """Load these TCP flags; go on only for TCP."""
    return [nft.load_protocol(), nft.compare(EQUAL, bytes([_TCP])), nft.load(2, _FLAGS, 1), nft.mask(bits)]


def _picking(standing: Standing, number: int, start: int) -> list[bytes]:
    """The rules of ``pick_N``."""
    family, chain = standing.family, f"pick_{standing.number}"
    away = [server for server in standing.chosen() if not standing.is_here(server)]
    here = [server for server in standing.chosen() if standing.is_here(server)]
    rules = [[nft.load_local(), nft.compare(UNEQUAL, _ROUTE_LOCAL), nft.decide(nft.RETURN)]]
    rules += _flows(standing) if standing.direct and not standing.service.one_packet else []
    # What belongs to no connection is not balanced: this machine's own stack answers it (TCP: with a reset).
    rules.append([*_flags(_HANDSHAKE), nft.compare(UNEQUAL, _SYN), nft.decide(nft.RETURN)])
    rules += _stayed(standing)
    if here:
        rules += _served_here(standing, here, away)
    messages: list[bytes] = []
    if away:
        order = turns(away, standing.service.scheduler, start)
        messages += _slots(standing, order, number)
        found = _drawn(standing, sum(count for count, _ in order))
        found.append(nft.look_up(_SLOTS, _NUMBER, _DATA, number))
        rules.append(_sent(standing, found))
    elif not here:
        rules.append([nft.refuse(family)])
    return messages + [nft.new_rule(family, TABLE, chain, rule) for rule in rules]


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
        nft.new_set(family, TABLE, Set(_SLOTS, (nft.INTEGER,), flags, data, number=number)),
        *nft.elements(family, TABLE, _SLOTS, parts, number=number),
    ]


def _drawn(standing: Standing, modulus: int, seed: int = _SEED) -> list[bytes]:
    """A number below ``modulus`` as the scheduler draws it."""
    service, family = standing.service, standing.family
    if service.scheduler != "sh":
        return [nft.count_up(modulus, _NUMBER, random=service.scheduler == "random"), nft.to_network(_NUMBER)]
    length = nft.address_field(family)[1]
    found = [nft.load(1, PLACES[family][0], length)]
    if "sh-port" in service.flags:
        found.append(nft.load(2, 0, 2, _words(family)))
        length += 4
    return [*found, nft.hashed(0, length, modulus, seed, _NUMBER), nft.to_network(_NUMBER)]


def _flow(family: Family) -> list[bytes]:
    """Load the connection that a packet belongs to."""
    words, (source, destination) = _words(family), PLACES[family]
    return [
        nft.load_protocol(),
        nft.load(1, source, 4 * words, 1),
        nft.load(2, 0, 2, 1 + words),
        nft.load(1, destination, 4 * words, 2 + words),
        nft.load(2, 2, 2, 2 + 2 * words),
    ]


def _away() -> list[bytes]:
    return [nft.send_copy(_DATA), nft.decide(nft.DROP)]


def _flows(standing: Standing) -> list[list[bytes]]:
    """Direct routing: packets of connections that are known."""
    key = _flow(standing.family)
    begins = [*_flags(_HANDSHAKE), nft.compare(UNEQUAL, _SYN)]
    return [
        [*key, nft.look_up("flows", 0, _DATA), *_away()],
        [*begins, *key, nft.look_up("closing", 0, _DATA), *_away()],
    ]


def _client(standing: Standing) -> list[bytes]:
    """Load the client, or the network of clients that belong together."""
    family, granularity = standing.family, standing.service.granularity
    length = nft.address_field(family)[1]
    found = [nft.load(1, PLACES[family][0], length)]
    bits = 8 * length
    if 0 < granularity < bits:
        found.append(nft.mask(((1 << granularity) - 1 << bits - granularity).to_bytes(length, "big")))
    return found


def _stayed(standing: Standing) -> list[list[bytes]]:
    """Clients that have a server already."""
    if not standing.service.persistence:
        return []
    return [_sent(standing, [*_client(standing), nft.look_up(f"stay_{standing.number}", 0, _DATA)])]


def _sent(standing: Standing, found: list[bytes]) -> list[bytes]:
    """A new connection to the server in the register of data."""
    if standing.direct:
        return [*found, *_away()]
    return [
        *found,
        nft.translate(standing.family, _DATA, _DATA + _words(standing.family) if standing.with_port else None),
    ]


def _served_here(standing: Standing, here: Sequence[TableServer], away: Sequence[TableServer]) -> list[list[bytes]]:
    """This machine's share of the new connections. Which of several here is the same: there is one local stack."""
    served = [nft.decide(nft.RETURN)]
    if not standing.direct and here[0].forward is Forward.NAT:
        served = (
            [nft.constant(_port(here[0].place.port)[:2], 0), nft.redirect(0)]
            if standing.with_port
            else [nft.redirect(None)]
        )
    if not away:
        return [served]
    by_weight = standing.service.scheduler != "rr"
    share, rest = (sum(server.weight if by_weight else 1 for server in part) for part in (here, away))
    drawn = [*_drawn(standing, share + rest, _SECOND_SEED), nft.compare(LESS, struct.pack("!I", share), _NUMBER)]
    if not standing.direct or standing.service.one_packet:
        return [[*drawn, *served]]
    key = _flow(standing.family)
    again = [*key, nft.look_up("here", 0), nft.remember(UPDATE, "here", 0, seconds=DATAGRAM_SECONDS), *served]
    return [again, [*drawn, *key, nft.remember(ADD, "here", 0, seconds=DATAGRAM_SECONDS), *served]]
