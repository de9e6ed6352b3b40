"""Netstring framing, in which every UDP and ICMP packet of the old protocol is sent, whatever its ``msgfmt`` says.

    ###\\n                          start
    <length>:(<type>)<name>=<value>,    for each field; the length counts from "(" to the last byte of the value
    %%%\\n                          end; the signature stands behind it (``heartbeat3.py``)

Values stand as they are, with any bytes. A nested message is such a block without a signature; a list, netstrings in a row.
"""

from __future__ import annotations

from ..heartbeat3 import Field, FieldKind, OldMessage
from .heartbeat3_values import (
    BINARY_KINDS,
    DEEPEST,
    NESTED_KINDS,
    Bad,
    kind_of,
    name_bytes,
    read_length,
    read_list,
    split_item,
    text_of,
    value_bytes,
)

START = b"###\n"
END = b"%%%\n"


def render(message: OldMessage) -> bytes:
    """The block, without a signature. Raises InternalError for fields that cannot be read again; that is our bug."""
    items = []
    for field in message.fields:
        item = b"(%d)%b=%b" % (field.kind, name_bytes(field), value_bytes(field, render))
        items.append(b"%d:%b," % (len(item), item))
    return b"".join((START, *items, END))


def parse(data: bytes, depth: int = 0) -> OldMessage:
    """The message of exactly one block. Raises Bad; ``depth`` is for messages in messages."""
    if not data.startswith(START):
        raise Bad("no ### at the start")
    at, end = len(START), len(data) - len(END)
    if end < at or data[end:] != END:
        raise Bad("no %%% at the end")
    fields = []
    while at < end:
        length, start = read_length(data, at)
        at = start + length + 1
        if at > end or data[at - 1] != 0x2C:
            raise Bad(f"the field at byte {start} is cut off, or longer than it says")
        fields.append(_field(data[start : at - 1], depth))
    return OldMessage(tuple(fields))


def _field(item: bytes, depth: int) -> Field:
    if item[:1] != b"(" or item[2:3] != b")":
        raise Bad("a field without a type in brackets")
    kind = kind_of(item[1])
    name, value = split_item(item, 3)
    if kind is FieldKind.TEXT:
        return Field(kind, name, text_of(value))
    if kind in BINARY_KINDS:
        return Field(kind, name, value)
    if kind in NESTED_KINDS:
        if depth >= DEEPEST:
            raise Bad(f"messages nested deeper than {DEEPEST}")
        return Field(kind, name, parse(value, depth + 1))
    return Field(kind, name, read_list(value))
