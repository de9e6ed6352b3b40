"""How the words of native tables are listed: one list from which they are read, written and told in the manual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """A word of a table and the field that it fills.

    ``kind``: text, number, flag, span, argv (a program and its arguments), texts, lines (lists of words). ``low`` and ``high``:
    limits of numbers and spans. ``choices``: of a text. ``values``: the Enum of an ``enum``. A ``notice`` is a program with its
    arguments, or a table that also has its user.
    """

    word: str
    field: str
    kind: str
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    values: type[Enum] | None = None

    def called(self, word: str) -> Setting:
        """The same under another word."""
        return replace(self, word=word)


def text(word: str, field: str = "", choices: tuple[str, ...] = ()) -> Setting:
    return Setting(word, field or word, "text", choices=choices)


def number(word: str, low: int, high: int, field: str = "") -> Setting:
    return Setting(word, field or word, "number", low, high)


def flag(word: str, field: str = "") -> Setting:
    return Setting(word, field or word, "flag")


def span(word: str, low: int, high: int, field: str = "") -> Setting:
    return Setting(word, field or word, "span", low, high)


def argv(word: str, field: str = "") -> Setting:
    return Setting(word, field or word, "argv")


def enum(word: str, values: type[Enum]) -> Setting:
    return Setting(word, word, "enum", values=values)


def notice(word: str) -> Setting:
    return Setting(word, word, "notice")


@cache
def defaults(kind: type) -> Mapping[str, Any]:
    """The default of every field that has one."""
    found: dict[str, Any] = {}
    for each in fields(kind):
        if each.default is not MISSING:
            found[each.name] = each.default
        elif each.default_factory is not MISSING:
            found[each.name] = each.default_factory()
    return MappingProxyType(found)
