"""The nf_tables messages that the kernel lease needs, as bytes.

Spoken over netlink directly rather than by the ``nft`` program: the real-time process must not start programs, the set-up works
with every version of the tools (or none), and it can be repeated within a millisecond when somebody flushed the rule set.
Layouts are those of ``linux/netfilter/nf_tables.h``; numbers inside attributes are in network byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum

from . import netlink
from .netlink import APPEND, CREATE, REQUEST, attribute, nested

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NFGENMSG = struct.Struct("!BBH")
_LIST_ELEMENT = 1
_DATA_VALUE, _DATA_VERDICT = 1, 2
_VERDICT_DATA_TYPE = 0xFFFFFF00
_REGISTER_VERDICT, _REGISTER = 0, 1

(
    NEWTABLE,
    GETTABLE,
    DELTABLE,
    NEWCHAIN,
    GETCHAIN,
    DELCHAIN,
    NEWRULE,
    GETRULE,
    DELRULE,
    NEWSET,
    GETSET,
    DELSET,
    NEWSETELEM,
    GETSETELEM,
    DELSETELEM,
) = range(15)


class Family(IntEnum):
    """Address families of tables (``NFPROTO_...``)."""

    IP = 2
    ARP = 3
    IP6 = 10


class Verdict(IntEnum):
    """What becomes of a packet; GOTO needs a chain."""

    DROP = 0
    ACCEPT = 1
    GOTO = -4


class KeyType(IntEnum):
    """Types of set keys as the ``nft`` program numbers them; they only matter for its listing."""

    IPV4_ADDRESS = 7
    IPV6_ADDRESS = 8
    ETHER_TYPE = 10


SET_IS_MAP = 0x08
SET_HAS_TIMEOUT = 0x10


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode("ascii") + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value & 0xFFFFFFFF))


def kind(message: int) -> int:
    """The netlink message type of an nf_tables message."""
    return _SUBSYSTEM << 8 | message


def head(family: Family | None) -> bytes:
    """The header inside each message; None is "all families", for dumps."""
    return _NFGENMSG.pack(0 if family is None else family, 0, 0)


def batch(*messages: bytes, commit: bool = True) -> bytes:
    """One transaction: all or nothing. With ``commit`` False the kernel checks everything, then undoes it."""
    edge = _NFGENMSG.pack(0, 0, _SUBSYSTEM)
    begin = netlink.message(_BATCH_BEGIN, REQUEST, 0, edge)
    end = netlink.message(_BATCH_END, REQUEST, 0, edge) if commit else b""
    return begin + b"".join(messages) + end


def _message(which: int, flags: int, family: Family, *parts: bytes) -> bytes:
    return netlink.message(kind(which), REQUEST | flags, 1, head(family) + b"".join(parts))


def new_table(family: Family, table: str) -> bytes:
    """There already is success."""
    return _message(NEWTABLE, CREATE, family, _text(1, table))


def delete_table(family: Family, table: str) -> bytes:
    return _message(DELTABLE, 0, family, _text(1, table))


def new_chain(family: Family, table: str, chain: str) -> bytes:
    """A chain that only a GOTO reaches. There already is success."""
    return _message(NEWCHAIN, CREATE, family, _text(1, table), _text(3, chain))


def new_base_chain(family: Family, table: str, chain: str, hook: int, priority: int) -> bytes:
    """A filter chain at ``hook``; what no rule decides is accepted. There already, at the same hook, is success."""
    place = nested(4, _number(1, hook), _number(2, priority))
    policy = _number(5, Verdict.ACCEPT)
    return _message(NEWCHAIN, CREATE, family, _text(1, table), _text(3, chain), place, policy, _text(7, "filter"))


def delete_chain(family: Family, table: str, chain: str) -> bytes:
    return _message(DELCHAIN, 0, family, _text(1, table), _text(3, chain))


def flush_rules(family: Family, table: str) -> bytes:
    """Delete the rules of all chains of one table."""
    return _message(DELRULE, 0, family, _text(1, table))


def new_rule(family: Family, table: str, chain: str, *expressions: bytes) -> bytes:
    """Append a rule."""
    body = nested(4, *(attribute(_LIST_ELEMENT | netlink.NESTED, item) for item in expressions))
    return _message(NEWRULE, CREATE | APPEND, family, _text(1, table), _text(2, chain), body)


def new_set(family: Family, table: str, name: str, key: KeyType, key_length: int, flags: int, number: int) -> bytes:
    """A set, or with SET_IS_MAP a map to verdicts. ``number`` tells the new sets of one transaction apart."""
    parts = [_text(1, table), _text(2, name), _number(3, flags), _number(4, key), _number(5, key_length)]
    if flags & SET_IS_MAP:
        parts += [_number(6, _VERDICT_DATA_TYPE), _number(7, 16)]
    return _message(NEWSET, CREATE, family, *parts, _number(10, number))


def new_elements(family: Family, table: str, name: str, keys: Sequence[bytes]) -> bytes:
    """Put keys into a set; some hundreds at most, for a list of attributes ends at 64 KiB."""
    elements = (nested(_LIST_ELEMENT, nested(1, attribute(_DATA_VALUE, key))) for key in keys)
    return _message(NEWSETELEM, CREATE, family, _text(1, table), _text(2, name), nested(3, *elements))


def delete_set(family: Family, table: str, name: str) -> bytes:
    return _message(DELSET, 0, family, _text(1, table), _text(2, name))


def flush_set(family: Family, table: str, name: str) -> bytes:
    return _message(DELSETELEM, 0, family, _text(1, table), _text(2, name))


def new_element(family: Family, table: str, name: str, key: bytes, timeout: int | None = None, goto: str = "") -> bytes:
    """Put ``key`` into a set, for ``timeout`` milliseconds; into a map with the chain to go to. There already is success."""
    parts = [nested(1, attribute(_DATA_VALUE, key))]
    if goto:
        parts.append(nested(2, _verdict(Verdict.GOTO, goto)))
    if timeout is not None:
        parts.append(attribute(4, struct.pack("!Q", timeout)))
    element = nested(3, nested(_LIST_ELEMENT, *parts))
    return _message(NEWSETELEM, CREATE, family, _text(1, table), _text(2, name), element)


def delete_element(family: Family, table: str, name: str, key: bytes) -> bytes:
    """Not there is ENOENT, and undoes the whole transaction."""
    element = nested(3, nested(_LIST_ELEMENT, nested(1, attribute(_DATA_VALUE, key))))
    return _message(DELSETELEM, 0, family, _text(1, table), _text(2, name), element)


def set_request(family: Family, table: str, name: str) -> bytes:
    """The payload that asks for the elements of a set."""
    return head(family) + _text(1, table) + _text(2, name)


def expirations(payload: bytes) -> Iterator[tuple[bytes, int]]:
    """(key, milliseconds left) of those in one message of a set's dump that have an end."""
    for kind_, value in netlink.attributes(payload[_NFGENMSG.size :]):
        if kind_ != 3:
            continue
        for _, element in netlink.attributes(value):
            parts = dict(netlink.attributes(element))
            data = dict(netlink.attributes(parts.get(1, b"")))
            if _DATA_VALUE in data and len(parts.get(5, b"")) == 8:
                yield data[_DATA_VALUE], int.from_bytes(parts[5], "big")


def expiration(payload: bytes, key: bytes) -> int:
    """Milliseconds left of ``key`` in one message of a set's dump; 0 when it is not there or has no end."""
    return next((left for found, left in expirations(payload) if found == key), 0)


def _verdict(verdict: Verdict, chain: str = "") -> bytes:
    parts = [_number(1, verdict)] + ([_text(2, chain)] if chain else [])
    return nested(_DATA_VERDICT, *parts)


def _expression(name: str, *parts: bytes) -> bytes:
    return _text(1, name) + nested(2, *parts)


def load_protocol() -> bytes:
    """Load the packet's EtherType (2 bytes)."""
    return _expression("meta", _number(2, 1), _number(1, _REGISTER))


def load_transport_protocol() -> bytes:
    """Load the transport protocol's number (1 byte)."""
    return _expression("meta", _number(2, 16), _number(1, _REGISTER))


def load_output_name() -> bytes:
    """Load the name of the device by which the packet leaves (16 bytes, zeros behind it)."""
    return _expression("meta", _number(2, 7), _number(1, _REGISTER))


def load_network(offset: int, length: int) -> bytes:
    """Load bytes of the network header (of the ARP message, in that family)."""
    return _expression("payload", _number(1, _REGISTER), _number(2, 1), _number(3, offset), _number(4, length))


def load_transport(offset: int, length: int) -> bytes:
    """Load bytes of the transport header (of the ICMPv6 message)."""
    return _expression("payload", _number(1, _REGISTER), _number(2, 2), _number(3, offset), _number(4, length))


def load_destination_type(register: int = _REGISTER, arriving_device: bool = False) -> bytes:
    """Load what the destination address is to this machine: RTN_LOCAL, ... (4 bytes, host byte order).

    ``arriving_device``: what it is to the device by which the packet came.
    """
    return _address_type(register, 2 | (8 if arriving_device else 0))


def load_source_type(register: int = _REGISTER) -> bytes:
    """Load what the source address is to the device by which the packet leaves; at output."""
    return _address_type(register, 1 | 16)


def _address_type(register: int, flags: int) -> bytes:
    result_address_type = 3
    return _expression("fib", _number(1, register), _number(2, result_address_type), _number(3, flags))


def equals(value: bytes, register: int = _REGISTER) -> bytes:
    """Go on only when what was loaded is ``value``."""
    return _expression("cmp", _number(1, register), _number(2, 0), nested(3, attribute(_DATA_VALUE, value)))


def is_not_in(name: str) -> bytes:
    """Go on only when what was loaded is not in the set."""
    return _expression("lookup", _text(1, name), _number(2, _REGISTER), _number(5, 1))


def is_in(name: str) -> bytes:
    """Go on only when what was loaded is in the set."""
    return _expression("lookup", _text(1, name), _number(2, _REGISTER))


def decide_by(name: str) -> bytes:
    """Take the verdict that the map has for what was loaded; go on with the next rule when it has none."""
    return _expression("lookup", _text(1, name), _number(2, _REGISTER), _number(3, _REGISTER_VERDICT))


def decide(verdict: Verdict, chain: str = "") -> bytes:
    return _expression("immediate", _number(1, _REGISTER_VERDICT), nested(2, _verdict(verdict, chain)))


def duplicate_to(index: int) -> tuple[bytes, bytes]:
    """Send a copy of the packet by the device of this index to the address that was loaded (modules nft_dup_ipv4, _ipv6)."""
    second = 2
    device = nested(2, attribute(_DATA_VALUE, struct.pack("=I", index)))
    load = _expression("immediate", _number(1, second), device)
    return load, _expression("dup", _number(1, _REGISTER), _number(2, second))


def counter() -> bytes:
    """Count packets and bytes from here on; ``nft list`` shows them."""
    return _expression("counter", attribute(1, bytes(8)), attribute(2, bytes(8)))
