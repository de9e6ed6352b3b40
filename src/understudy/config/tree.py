"""A configuration as it was written: plain values that remember file, line and column.

Every reader (native TOML now, other formats later) produces this tree; ``validate`` is the only one to judge it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeAlias


class Place(NamedTuple):
    """Where something was written; ``line`` and ``column`` count from 1 in characters, 0 means the whole file.

    ``file``: "" for the file that is being read; its name where a configuration stands in several. A tuple, as words are: a
    file of ten thousand servers has a hundred thousand of each.
    """

    line: int = 0
    column: int = 0
    file: str = ""


WHOLE_FILE = Place()


class Origin(Enum):
    """How a table came to be, which decides what may still be added to it (TOML 1.0, section Table)."""

    IMPLIED = "implied"
    """Named only as the way to another table, by ``[a.b]`` for ``a``; a later ``[a]`` may still define it."""
    HEADER = "header"
    DOTTED = "dotted"
    """Made by a dotted key, ``a.b = 1``; may grow by further dotted keys of the same section only."""
    INLINE = "inline"


@dataclass(slots=True)
class Entry:
    """A word of a table: where the word itself stands, and its value."""

    place: Place
    value: Value


@dataclass(slots=True)
class Table:
    """Words in the order in which they were written."""

    origin: Origin = Origin.HEADER
    entries: dict[str, Entry] = field(default_factory=dict)


@dataclass(slots=True)
class Array:
    """``of_tables``: made by ``[[name]]`` headers, and only those may add to it."""

    items: list[Value] = field(default_factory=list)
    of_tables: bool = False


Data: TypeAlias = "str | int | float | bool | Moment | Table | Array"


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or time. No setting takes one; it is read so that the message can say so. ``value`` is as tomllib gives it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Value:
    """Any value, with the place where it begins."""

    place: Place
    data: Data

    @property
    def kind(self) -> str:
        """What this is, in the words of an error message: "a string", "a list" and so on."""
        if isinstance(self.data, bool):  # before int: a bool is an int to Python
            return "true" if self.data else "false"
        names: dict[type, str] = {
            str: "a string",
            int: "a whole number",
            float: "a number",
            Moment: "a date or time",
            Table: "a table",
            Array: "a list",
        }
        return names[type(self.data)]


def flat(array: Array) -> list[Value]:
    """The items of a list; of a list in it, its items."""
    return [one for item in array.items for one in (item.data.items if isinstance(item.data, Array) else (item,))]


def plain(value: Value) -> Any:
    """The value as ``tomllib`` would give it: dict, list, str, int, float, bool, datetime."""
    data = value.data
    if isinstance(data, Table):
        return {word: plain(entry.value) for word, entry in data.entries.items()}
    if isinstance(data, Array):
        return [plain(item) for item in data.items]
    if isinstance(data, Moment):
        return data.value
    return data
