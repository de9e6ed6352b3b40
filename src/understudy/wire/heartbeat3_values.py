"""What both framings of the old protocol share: limits, refusals, and fields to and from the bytes of their values.

Facts about Linux-HA Heartbeat 3.0.6 here and in the other ``heartbeat3_*.py``: observed on a real pair, or read in its source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ..errors import check
from ..heartbeat3 import Field, FieldKind, FieldValue, OldMessage
from .reject import Reject

LONGEST = 256 * 1024
"""Bytes of an encoded message: 3.0.6 sends and takes only fewer than this. One UDP datagram has room for 65 507."""

LONGEST_UNPACKED = 2 * 1024 * 1024
"""Bytes that all compressed parts of one message may have together when unpacked."""

DEEPEST = 16
"""How deep messages may be nested in messages."""

AUTH = "auth"
"""The name of the field with the inner signature."""

NESTED_KINDS = (FieldKind.NESTED, FieldKind.COMPRESSIBLE)
BINARY_KINDS = (FieldKind.BINARY, FieldKind.COMPRESSED)


class OldReason(StrEnum):
    """Why a packet of the old protocol was refused, in the order of the checks (string framing is read before it is verified)."""

    TOO_LARGE = "too-large"
    NOT_OURS = "not-ours"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown-key"
    BAD_SIGNATURE = "bad-signature"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Refusal(Reject):
    """A packet that is forgotten: ``reason`` is a word of ``OldReason``, ``detail`` says it to people. Neither shows a key."""

    detail: str = ""


class Bad(Exception):
    """Inside this package only: what ends the reading of a packet. The functions that others call return the ``Refusal``."""

    def __init__(self, detail: str, reason: OldReason = OldReason.MALFORMED) -> None:
        super().__init__(detail)
        self.refusal = Refusal(reason, detail)


def text_of(data: bytes) -> str:
    """Text as C programs have it: any bytes but NUL, where they would stop reading and sign something shorter."""
    if 0 in data:
        raise Bad("a NUL byte in a text")
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The way back. Raises InternalError for what could not be read again; that is our bug."""
    data = text.encode("utf-8", "surrogateescape")
    check(0 not in data, "a text of the old protocol has no NUL bytes")
    return data


def kind_of(digit: int) -> FieldKind:
    """The kind by its ASCII digit."""
    if not 0x30 <= digit <= 0x30 + FieldKind.COMPRESSIBLE:
        raise Bad(f"there is no type {chr(digit) if 0x20 < digit < 0x7F else f'0x{digit:02x}'}")
    return FieldKind(digit - 0x30)


def split_item(item: bytes, start: int) -> tuple[str, bytes]:
    """``name=value`` from ``start`` on."""
    equals = item.find(b"=", start)
    if equals < 0:
        raise Bad("a field without '='")
    if equals == start:
        raise Bad("a field without a name")
    return text_of(item[start:equals]), item[equals + 1 :]


def read_length(data: bytes, at: int) -> tuple[int, int]:
    """The number before a colon, and where its content begins."""
    colon = data.find(b":", at, at + 8)
    digits = data[at:colon]
    # isdigit of bytes knows ASCII digits only; a zero in front is written by nobody and would not come back from encoding.
    if colon < 0 or not digits.isdigit() or (digits[0] == 0x30 and len(digits) > 1):
        raise Bad(f"no length at byte {at}")
    return int(digits), colon + 1


def read_list(data: bytes) -> tuple[str, ...]:
    """``<length>:<text>,`` over and over."""
    found = []
    at = 0
    while at < len(data):
        length, start = read_length(data, at)
        at = start + length + 1
        if not length or data[at - 1 : at] != b",":
            raise Bad("a list that is cut off")
        found.append(text_of(data[start : at - 1]))
    return tuple(found)


def list_bytes(texts: tuple[str, ...]) -> bytes:
    parts = [bytes_of(text) for text in texts]
    check(all(parts), "a list of the old protocol has no empty texts")
    return b"".join(b"%d:%b," % (len(part), part) for part in parts)


def value_bytes(field: Field, nested: Callable[[OldMessage], bytes]) -> bytes:
    """The bytes of a value, before any escaping. Raises InternalError when value and kind do not go together; that is our bug."""
    value: FieldValue = field.value
    if field.kind is FieldKind.TEXT and isinstance(value, str):
        return bytes_of(value)
    if field.kind in BINARY_KINDS and isinstance(value, bytes):
        return value
    if field.kind is FieldKind.LIST and isinstance(value, tuple):
        return list_bytes(value)
    check(
        field.kind in NESTED_KINDS and isinstance(value, OldMessage), f"{field.name}: {field.kind.name} of another kind"
    )
    return nested(value) if isinstance(value, OldMessage) else b""


def name_bytes(field: Field) -> bytes:
    """Raises InternalError for a name that would be read as another one; that is our bug."""
    name = bytes_of(field.name)
    check(bool(name) and b"=" not in name, f"{field.name!r} is no name of a field")
    return name
