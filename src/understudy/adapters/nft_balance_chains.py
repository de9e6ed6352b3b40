"""The rules of the load balancer's chains in nf_tables, as lists of expressions; ``nft_balance_rules`` says what for. Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..balance import TableServer
from ..services import Forward
from ..units import SECOND
from . import nft_expressions as nft
from .nft_balance_words import KINDS, LOOPBACK, Standing, port_bytes
from .nft_expressions import ADD, EQUAL, LESS, UNEQUAL, UPDATE
from .nftables import Family

OPENING_SECONDS, FLOW_SECONDS, DATAGRAM_SECONDS, CLOSING_SECONDS = 60, 900, 300, 120
"""IPVS's: a connection that has only begun, an open one, UDP, one that was closed."""

SLOTS = "__map%d"
"""An anonymous map: the kernel makes a name of it."""

_TCP = 6
_FIN_OR_RESET, _HANDSHAKE, _SYN = b"\x05", b"\x17", b"\x02"
_FLAGS = 13
_ROUTE_LOCAL = struct.pack("=I", 2)
_PLACES = {Family.IP: (12, 16), Family.IP6: (8, 24)}
_NUMBER, _DATA = 10, 11
"""Registers: the number that was drawn, and behind the longest key what a map said."""

_SEED, _SECOND_SEED = 0x5EED, 0x5EED2

Rules = list[list[bytes]]


def _words(family: Family) -> int:
    """Registers that an address takes."""
    return 1 if family is Family.IP else 4


def _key(family: Family, kind: str) -> list[bytes]:
    """Load the service that a packet is for."""
    if kind == "_mark":
        return [nft.load_mark()]
    length = nft.address_field(family)[1]
    found = [nft.load_protocol(), nft.load(1, _PLACES[family][1], length, 1)]
    return found if kind else [*found, nft.load(2, 2, 2, 1 + _words(family))]


def by(family: Family, name: str, kind: str) -> list[bytes]:
    return [*_key(family, kind), nft.decide_by(name + kind)]


def arriving(family: Family) -> Rules:
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
    return [by(family, "direct", ""), by(family, "direct", "_any"), complaint]


def counting(family: Family) -> Rules:
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


def sending(family: Family) -> Rules:
    """Only the copies, which connection tracking is not to see: what this machine itself sends is none of our business."""
    untracked = struct.pack("=I", 64)
    others = [nft.load_connection(nft.STATE), nft.mask(untracked), nft.compare(EQUAL, bytes(4)), nft.decide(nft.RETURN)]
    return [others, *(by(family, "live", kind) for kind in KINDS)]


def live(standing: Standing) -> Rules:
    """What goes to servers that are in the table is counted and remembered; what goes to others is lost, as in IPVS."""
    family, number = standing.family, standing.number
    begins = _begins(standing)
    ways = [client(standing), _server(standing, _DATA)]
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
        rules += [[*begins, *_local(standing), nft.look_up(f"began_{number}")]]
        rules += [[*_local(standing), nft.look_up(f"live_{number}"), nft.decide(nft.RETURN)]]
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
    found = [nft.load(1, _PLACES[family][1], 4 * words, register)]
    return [*found, nft.load(2, 2, 2, register + words)] if standing.with_port else found


def _local(standing: Standing) -> list[bytes]:
    """Load the loopback address (and port) for what goes to this machine: its address was put in by ``_served_here``."""
    family = standing.family
    found = [nft.load_kind(), nft.compare(EQUAL, _ROUTE_LOCAL), nft.constant(LOOPBACK[family], 0)]
    return [*found, nft.load(2, 2, 2, _words(family))] if standing.with_port else found


def _remembered(standing: Standing, there: Sequence[bytes]) -> Rules:
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


def picking(
    standing: Standing, here: Sequence[TableServer], away: Sequence[TableServer], modulus: int, number: int
) -> Rules:
    """Who gets a packet: ``here`` and ``away`` as ``Standing.parted`` has them.

    ``number``: of the anonymous map of the ``modulus`` turns of those that are away, in the same transaction.
    """
    rules = [[nft.load_local(), nft.compare(UNEQUAL, _ROUTE_LOCAL), nft.decide(nft.RETURN)]]
    rules += _flows(standing) if standing.direct and not standing.service.one_packet else []
    # What belongs to no connection is not balanced: this machine's own stack answers it (TCP: with a reset).
    rules.append([*_flags(_HANDSHAKE), nft.compare(UNEQUAL, _SYN), nft.decide(nft.RETURN)])
    rules += _stayed(standing)
    if here:
        rules += _served_here(standing, here, away)
    if modulus:
        rules.append(_sent(standing, [*_drawn(standing, modulus), nft.look_up(SLOTS, _NUMBER, _DATA, number)]))
    elif not here:
        rules.append([nft.refuse(standing.family)])
    return rules


def _drawn(standing: Standing, modulus: int, seed: int = _SEED) -> list[bytes]:
    """A number below ``modulus`` as the scheduler draws it."""
    service, family = standing.service, standing.family
    if service.scheduler != "sh":
        return [nft.count_up(modulus, _NUMBER, random=service.scheduler == "random"), nft.to_network(_NUMBER)]
    length = nft.address_field(family)[1]
    found = [nft.load(1, _PLACES[family][0], length)]
    if "sh-port" in service.flags:
        found.append(nft.load(2, 0, 2, _words(family)))
        length += 4
    return [*found, nft.hashed(0, length, modulus, seed, _NUMBER), nft.to_network(_NUMBER)]


def _flow(family: Family) -> list[bytes]:
    """Load the connection that a packet belongs to."""
    words, (source, destination) = _words(family), _PLACES[family]
    return [
        nft.load_protocol(),
        nft.load(1, source, 4 * words, 1),
        nft.load(2, 0, 2, 1 + words),
        nft.load(1, destination, 4 * words, 2 + words),
        nft.load(2, 2, 2, 2 + 2 * words),
    ]


def _away() -> list[bytes]:
    return [nft.send_copy(_DATA), nft.decide(nft.DROP)]


def _flows(standing: Standing) -> Rules:
    """Direct routing: packets of connections that are known."""
    key = _flow(standing.family)
    begins = [*_flags(_HANDSHAKE), nft.compare(UNEQUAL, _SYN)]
    return [
        [*key, nft.look_up("flows", 0, _DATA), *_away()],
        [*begins, *key, nft.look_up("closing", 0, _DATA), *_away()],
    ]


def client(standing: Standing) -> list[bytes]:
    """Load the client, or the network of clients that belong together."""
    family, granularity = standing.family, standing.service.granularity
    length = nft.address_field(family)[1]
    found = [nft.load(1, _PLACES[family][0], length)]
    bits = 8 * length
    if 0 < granularity < bits:
        found.append(nft.mask(((1 << granularity) - 1 << bits - granularity).to_bytes(length, "big")))
    return found


def _stayed(standing: Standing) -> Rules:
    """Clients that have a server already."""
    if not standing.service.persistence:
        return []
    return [_sent(standing, [*client(standing), nft.look_up(f"stay_{standing.number}", 0, _DATA)])]


def _sent(standing: Standing, found: list[bytes]) -> list[bytes]:
    """A new connection to the server in the register of data."""
    if standing.direct:
        return [*found, *_away()]
    return [
        *found,
        nft.translate(standing.family, _DATA, _DATA + _words(standing.family) if standing.with_port else None),
    ]


def _served_here(standing: Standing, here: Sequence[TableServer], away: Sequence[TableServer]) -> Rules:
    """This machine's share of the new connections. Which of several here is the same: there is one local stack."""
    served = [nft.decide(nft.RETURN)]
    if not standing.direct and here[0].forward is Forward.NAT:
        served = (
            [nft.constant(port_bytes(here[0].place.port)[:2], 0), nft.redirect(0)]
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
