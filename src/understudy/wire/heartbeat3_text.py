"""String framing: on serial lines and the control FIFO, accepted over UDP, and under every inner signature.

    >>>\\n
    name=value\\n            text; a newline in it is written as byte 19
    (1)name=<base64>\\n      any other type, its number in front
    <<<\\n

A nested message is written in the same form, with its newlines as another byte for each depth.
The escapes are the old program's: a text that has such a byte of its own comes back with a newline in its place.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

from ..errors import check
from ..heartbeat3 import Field, FieldKind, OldMessage
from .heartbeat3_values import (
    AUTH,
    BINARY_KINDS,
    DEEPEST,
    NESTED_KINDS,
    Bad,
    Refusal,
    bytes_of,
    kind_of,
    name_bytes,
    read_list,
    split_item,
    text_of,
    value_bytes,
)

START = b">>>\n"
END = b"<<<\n"

_NEWLINE = b"\x13"
_NESTED_NEWLINES = tuple(bytes((number,)) for number in (*range(20, 32), *range(15, 19)))


def render(message: OldMessage) -> bytes:
    """The message with its first and last line. Raises InternalError for what could not be read again; that is our bug."""
    _check_lines(message)
    return _whole(message, 0)


def _check_lines(message: OldMessage) -> None:
    for field in message.fields:
        check(not field.name.startswith("(") and "\n" not in field.name, f"{field.name!r} cannot be the name in a line")
        if isinstance(field.value, OldMessage):
            _check_lines(field.value)
        elif isinstance(field.value, tuple):
            check("\n" not in "".join(field.value), "a list of the old protocol has no newlines in string framing")


def signed_text(message: OldMessage) -> bytes:
    """The bytes under the inner signature: all lines but those of fields named ``auth``. For every message that was read."""
    return b"".join(_line(field, 0) for field in message.fields if field.name != AUTH)


def _whole(message: OldMessage, depth: int) -> bytes:
    check(depth <= DEEPEST, "messages nested too deep")
    return b"".join((START, *(_line(field, depth) for field in message.fields), END))


def _line(field: Field, depth: int) -> bytes:
    name = name_bytes(field)
    value = value_bytes(field, lambda message: _whole(message, depth + 1))
    if field.kind is FieldKind.TEXT:
        return b"%b=%b\n" % (name, value.replace(b"\n", _NEWLINE))
    if field.kind in BINARY_KINDS:
        value = b2a_base64(value, newline=False)
    elif field.kind in NESTED_KINDS:
        value = value.replace(b"\n", _NESTED_NEWLINES[depth])
    return b"(%d)%b=%b\n" % (field.kind, name, value)


def read(data: bytes) -> OldMessage | Refusal:
    """One message in string framing that nobody signed, as scripts write it to the control FIFO. Never raises, for any bytes."""
    try:
        return parse(data)
    except Bad as bad:
        return bad.refusal


def parse(data: bytes, depth: int = 0) -> OldMessage:
    """The message between its first and last line. Raises Bad; ``depth`` is for messages in messages."""
    if not data.startswith(START):
        raise Bad("no >>> at the start")
    if len(data) < len(START + END) or data[-len(END) - 1 :] != b"\n" + END:
        raise Bad("no <<< at the end")
    lines = data[len(START) : -len(END)].split(b"\n")
    return OldMessage(tuple(_field(line, depth) for line in lines[:-1]))


def _field(line: bytes, depth: int) -> Field:
    if line[:1] != b"(":
        name, value = split_item(line, 0)
        return Field(FieldKind.TEXT, name, text_of(value.replace(_NEWLINE, b"\n")))
    if line[2:3] != b")":
        raise Bad("a line with '(' that is no type in brackets")
    kind = kind_of(line[1])
    name, value = split_item(line, 3)
    if kind in BINARY_KINDS:
        return Field(kind, name, _binary(value))
    if kind in NESTED_KINDS:
        if depth >= DEEPEST:
            raise Bad(f"messages nested deeper than {DEEPEST}")
        return Field(kind, name, parse(value.replace(_NESTED_NEWLINES[depth], b"\n"), depth + 1))
    if kind is FieldKind.LIST:
        return Field(kind, name, read_list(value))
    raise Bad("a text that has its type in front")


def _binary(value: bytes) -> bytes:
    """Only the one spelling that encoding gives back: what is signed is the value written anew."""
    try:
        data = a2b_base64(value, strict_mode=True)
    except Error:
        raise Bad("base64 that is none") from None
    if b2a_base64(data, newline=False) != value:
        raise Bad("base64 with spare bits")
    return data


def auth_text(message: OldMessage) -> bytes | None:
    """The text of the first ``auth`` field, or None."""
    for field in message.fields:
        if field.name == AUTH and isinstance(field.value, str):
            return bytes_of(field.value)
    return None
