"""What machines that run Linux-HA Heartbeat 3 say to each other: a list of fields, looked up by name. No bytes, no signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias


class FieldKind(IntEnum):
    """The type of a field, by its number on the wire."""

    TEXT = 0
    BINARY = 1
    NESTED = 2
    LIST = 3
    COMPRESSED = 4
    COMPRESSIBLE = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``value`` is text for TEXT, bytes for BINARY and COMPRESSED, a message for NESTED and COMPRESSIBLE,
    a tuple of texts for LIST. Text that is no UTF-8 is kept with surrogate escapes.
    """

    kind: FieldKind
    name: str
    value: FieldValue


@dataclass(frozen=True, slots=True)
class OldMessage:
    """One message of the old protocol. The order of its fields matters for signatures only; a name may appear twice."""

    fields: tuple[Field, ...] = field(default=())

    def get(self, name: str, otherwise: str = "") -> str:
        """The text of the first TEXT field of this name, or ``otherwise``."""
        for item in self.fields:
            if item.name == name and isinstance(item.value, str):
                return item.value
        return otherwise

    def raw(self, name: str) -> bytes:
        """The bytes of the first BINARY field of this name, or b""."""
        for item in self.fields:
            if item.name == name and isinstance(item.value, bytes):
                return item.value
        return b""

    def has(self, name: str) -> bool:
        """Whether a field of this name is there."""
        return any(item.name == name for item in self.fields)


FieldValue: TypeAlias = str | bytes | OldMessage | tuple[str, ...]


def text_fields(**values: str) -> tuple[Field, ...]:
    """TEXT fields, in the order given."""
    return tuple(Field(FieldKind.TEXT, name, value) for name, value in values.items())
