"""The nf_tables messages and expressions of the load balancer, as bytes; what the kernel lease needs too stands in ``nftables``.

Registers are counted in words of four bytes from 0 to 15 (``NFT_REG32_00`` on). Each field of a concatenated key begins at a
word. Layouts are those of ``linux/netfilter/nf_tables.h``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from . import netlink, nftables
from .netlink import APPEND, CREATE, EXCLUSIVE, NESTED, REQUEST, attribute, nested
from .nftables import Family

ANONYMOUS, CONSTANT, INTERVAL, MAP, TIMEOUT, DYNAMIC = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
PROTOCOL, SERVICE, INTEGER, MARK = (12, 4), (13, 4), (4, 4), (19, 4)
"""(number of the type as ``nft`` lists it, bytes that it takes in a key)."""

EQUAL, UNEQUAL, LESS, AT_MOST = 0, 1, 2, 3
ADD, UPDATE, DELETE = 0, 1, 2
STATUS, STATE, DIRECTION, ORIGINAL_PROTOCOL, ORIGINAL_PORT = 2, 0, 1, 10, 12
ORIGINAL_ADDRESS = {Family.IP: 20, Family.IP6: 22}
RETURN, GOTO, DROP = -5, -4, 0
_VERDICT_TYPE = 0xFFFFFF00
_FIRST_REGISTER = 8
_TYPE_BITS = 6
_PORTION = 200
_KEYED, _PLAIN = struct.Struct("=HHHHHH"), struct.Struct("=HHHH")

Field = tuple[int, int]


def address_field(family: Family) -> Field:
    """The field of an address in a key."""
    return (7, 4) if family is Family.IP else (8, 16)


@lru_cache(4096)
def named(kind: int, text: str) -> bytes:
    """An attribute of text. Names and numbers come again and again: a thousand servers that go touch each service's rules."""
    return attribute(kind, text.encode("ascii") + b"\0")


@lru_cache(4096)
def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value & 0xFFFFFFFF))


def _register(kind: int, register: int) -> bytes:
    return _number(kind, _FIRST_REGISTER + register)


def _data(kind: int, value: bytes) -> bytes:
    return nested(kind, attribute(1, value))


@lru_cache(4096)
def _expression(name: str, *parts: bytes) -> bytes:
    return named(1, name) + nested(2, *parts)


# -- messages


def message(which: int, flags: int, family: Family, *parts: bytes) -> bytes:
    """One message of a transaction."""
    return netlink.message(nftables.kind(which), REQUEST | flags, 1, nftables.head(family) + b"".join(parts))


@dataclass(frozen=True, slots=True)
class Set:
    """A set, or with ``data`` a map; ``data`` None and MAP in ``flags``: a map to verdicts. ``size`` 0: as many as there are.

    ``number`` tells the new sets of one transaction apart; an anonymous one is known by it alone. ``counted``: per element.
    """

    name: str
    key: tuple[Field, ...]
    flags: int = 0
    data: tuple[Field, ...] | None = None
    size: int = 0
    number: int = 0
    counted: bool = False


def _kind_of(fields: Sequence[Field]) -> int:
    kind = 0
    for number, _ in fields:
        kind = kind << _TYPE_BITS | number
    return kind


def _length_of(fields: Sequence[Field]) -> int:
    return sum(length for _, length in fields)


def new_set(family: Family, table: str, made: Set) -> bytes:
    """There already, and alike, is success."""
    parts = [named(1, table), named(2, made.name), _number(3, made.flags)]
    parts += [_number(4, _kind_of(made.key)), _number(5, _length_of(made.key)), _number(10, made.number)]
    if made.data is not None:
        parts += [_number(6, _kind_of(made.data)), _number(7, _length_of(made.data))]
    elif made.flags & MAP:
        parts += [_number(6, _VERDICT_TYPE), _number(7, 16)]
    if made.size:
        parts.append(nested(9, _number(1, made.size)))
    if made.flags & INTERVAL:
        # In which order nft shows the keys' bytes (NFTNL_UDATA_SET_KEYBYTEORDER: big-endian).
        parts.append(attribute(13, struct.pack("=BBI", 0, 4, 2)))
    if made.counted:
        parts.append(nested(17, counter()))
    return message(nftables.NEWSET, CREATE, family, *parts)


def element(key: bytes, data: bytes | None = None, *, goto: str = "", comment: str = "", end: bool = False) -> bytes:
    """One element; ``end``: an interval's, behind its last key. There are tens of thousands of the plain ones."""
    if not (goto or comment or end or len(key) & 3 or len(data or b"") & 3):
        more = _PLAIN.pack(8 + len(data), 2 | NESTED, 4 + len(data), 1) + data if data is not None else b""
        length = len(key)
        return _KEYED.pack(12 + length + len(more), 1 | NESTED, 8 + length, 1 | NESTED, 4 + length, 1) + key + more
    parts = [_data(1, key)]
    if goto:
        parts.append(nested(2, nested(2, _number(1, GOTO), named(2, goto))))
    elif data is not None:
        parts.append(_data(2, data))
    if end:
        parts.append(_number(3, 1))
    if comment:
        said = comment.encode("ascii") + b"\0"
        parts.append(attribute(6, bytes([0, len(said)]) + said))
    return nested(1, *parts)


def elements(
    family: Family, table: str, name: str, parts: Sequence[bytes], *, number: int = 0, gone: bool = False
) -> list[bytes]:
    """Messages that put elements into a set, or take them away; several, for a list of attributes ends at 64 KiB."""
    which, flags = (nftables.DELSETELEM, 0) if gone else (nftables.NEWSETELEM, CREATE)
    head = named(1, table) + named(2, name) + (_number(4, number) if number else b"")
    portions = (parts[at : at + _PORTION] for at in range(0, len(parts), _PORTION))
    return [message(which, flags, family, head, nested(3, *portion)) for portion in portions]


def new_chain(
    family: Family, table: str, chain: str, *, hook: int = -1, priority: int = 0, kind: str = "filter"
) -> bytes:
    """With ``hook`` a base chain, and there already is success. Another chain must be new (EEXIST)."""
    parts = [named(1, table), named(3, chain)]
    if hook >= 0:
        parts += [nested(4, _number(1, hook), _number(2, priority)), _number(5, 1), named(7, kind)]
    return message(nftables.NEWCHAIN, CREATE if hook >= 0 else CREATE | EXCLUSIVE, family, *parts)


def flush_chain(family: Family, table: str, chain: str) -> bytes:
    return message(nftables.DELRULE, 0, family, named(1, table), named(2, chain))


def new_rule(family: Family, table: str, chain: str, expressions: Sequence[bytes]) -> bytes:
    body = nested(4, *(nested(1, item) for item in expressions))
    return message(nftables.NEWRULE, CREATE | APPEND, family, named(1, table), named(2, chain), body)


# -- expressions


def load(base: int, offset: int, length: int, register: int = 0) -> bytes:
    """Load bytes of the network header (``base`` 1) or of the transport header (2)."""
    place = _number(2, base), _number(3, offset), _number(4, length)
    return _expression("payload", _register(1, register), *place)


def load_protocol(register: int = 0) -> bytes:
    """The transport protocol's number, 1 byte."""
    return _expression("meta", _number(2, 16), _register(1, register))


def load_mark(register: int = 0) -> bytes:
    return _expression("meta", _number(2, 3), _register(1, register))


def load_local(register: int = 0) -> bytes:
    """What the destination is to the device by which the packet came: RTN_LOCAL, ... (``fib daddr . iif type``)."""
    address_type, destination_and_device = 3, 2 | 8
    return _expression("fib", _register(1, register), _number(2, address_type), _number(3, destination_and_device))


def load_kind(register: int = 0) -> bytes:
    """What the destination is to this machine, whatever the device (``fib daddr type``); in every hook."""
    return _expression("fib", _register(1, register), _number(2, 3), _number(3, 2))


def load_next_hop(family: Family, register: int = 0) -> bytes:
    """To whom the packet goes next."""
    return _expression("rt", _register(1, register), _number(2, 1 if family is Family.IP else 2))


def load_connection(key: int, register: int = 0, *, original: bool = False) -> bytes:
    """What the connection tracking says; ``original``: of the packets of who began the connection."""
    parts = [_number(2, key), _register(1, register)]
    return _expression("ct", *parts, *([attribute(3, b"\0")] if original else []))


def mask(value: bytes, register: int = 0) -> bytes:
    parts = _register(1, register), _register(2, register), _number(3, len(value))
    return _expression("bitwise", *parts, _data(4, value), _data(5, bytes(len(value))))


def compare(how: int, value: bytes, register: int = 0) -> bytes:
    """Go on only when it is so."""
    return _expression("cmp", _register(1, register), _number(2, how), _data(3, value))


def constant(value: bytes, register: int = 0) -> bytes:
    return _expression("immediate", _register(1, register), _data(2, value))


def look_up(name: str, register: int = 0, found: int | None = None, number: int = 0) -> bytes:
    """Go on only when it is in the set; with ``found`` the map's value goes there."""
    parts = [named(1, name), _register(2, register)]
    parts += [_register(3, found)] if found is not None else []
    return _expression("lookup", *parts, *([_number(4, number)] if number else []))


def decide_by(name: str, register: int = 0) -> bytes:
    """Take the verdict that the map has; go on with the next rule when it has none."""
    return _expression("lookup", named(1, name), _register(2, register), _number(3, 0))


def remember(how: int, name: str, key: int, data: int | None = None, seconds: int = 0) -> bytes:
    """Add to a set or map, renew there or delete from it, by registers."""
    parts = [named(1, name), _number(3, how), _register(4, key)]
    parts += [_register(5, data)] if data is not None else []
    parts += [attribute(6, struct.pack("!Q", seconds * 1000))] if seconds else []
    return _expression("dynset", *parts)


def count_up(modulus: int, register: int = 0, *, random: bool = False) -> bytes:
    """The next number below ``modulus``, or a random one, in the host's order of bytes."""
    return _expression("numgen", _register(1, register), _number(2, modulus), _number(3, int(random)))


def hashed(source: int, length: int, modulus: int, seed: int, register: int) -> bytes:
    """A number below ``modulus``, the same for the same bytes from ``source`` on, on every machine."""
    parts = _register(1, source), _register(2, register), _number(3, length), _number(4, modulus), _number(5, seed)
    return _expression("hash", *parts)


def to_network(register: int = 0) -> bytes:
    """A number into the order of bytes that intervals are kept in."""
    places = _register(1, register), _register(2, register)
    return _expression("byteorder", *places, _number(3, 1), _number(4, 4), _number(5, 4))


def decide(verdict: int) -> bytes:
    return _expression("immediate", _number(1, 0), nested(2, nested(2, _number(1, verdict))))


def translate(family: Family, address: int, port: int | None) -> bytes:
    """The destination becomes what is in the registers."""
    parts = [_number(1, 1), _number(2, family), _register(3, address)]
    return _expression("nat", *parts, *([_register(5, port)] if port is not None else []))


def redirect(port: int | None) -> bytes:
    """The destination becomes this machine, at the port in the register."""
    return _expression("redir", *([_register(1, port), _number(3, 2)] if port is not None else []))


def send_copy(address: int) -> bytes:
    """A copy goes to the machine whose address is in the register; the kernel finds its device and its MAC."""
    return _expression("dup", _register(1, address))


def refuse(family: Family) -> bytes:
    """ICMP: port unreachable."""
    return _expression("reject", _number(1, 0), attribute(2, b"\3" if family is Family.IP else b"\4"))


def counter() -> bytes:
    return named(1, "counter") + nested(2)


# -- what the kernel tells


@dataclass(frozen=True, slots=True)
class Listed:
    """One element of a dump."""

    key: bytes
    comment: str = ""
    packets: int = 0
    octets: int = 0


def listed(payload: bytes) -> Iterator[Listed]:
    """The elements in one message of a set's dump."""
    for kind, value in netlink.attributes(payload[4:]):
        if kind != 3:
            continue
        for _, said in netlink.attributes(value):
            length, first, inner, _ = _PLAIN.unpack_from(said) if len(said) >= 8 else (0, 0, 0, 0)
            if first | NESTED == 1 | NESTED and length == len(said) == inner + 4:
                yield Listed(said[8:])  # a key and nothing else, as ten thousand servers are
                continue
            parts = dict(netlink.attributes(said))
            key = dict(netlink.attributes(parts.get(1, b""))).get(1, b"")
            note = parts.get(6, b"")
            comment = note[2 : 2 + note[1]].rstrip(b"\0").decode("ascii", "replace") if len(note) > 2 else ""
            counted = dict(netlink.attributes(dict(netlink.attributes(parts.get(7, b""))).get(2, b"")))
            octets, packets = (int.from_bytes(counted.get(which, b""), "big") for which in (1, 2))
            yield Listed(key, comment, packets, octets)
