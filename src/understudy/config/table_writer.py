"""Tables of a native file, written by lists of their words (``Setting``); ``table_reader`` reads them back the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, TypeAlias

from ..services import Notice
from .render import inline, quoted, written_span, written_texts
from .table_words import Setting, defaults

Words: TypeAlias = list[tuple[str, str]]
"""Each word with its value as it is written."""


def lines_of(words: Words) -> list[str]:
    return [f"{word} = {value}" for word, value in words]


def words_of(item: Any, settings: Iterable[Setting], given: Mapping[str, object] | None = None) -> Words:
    """The settings that differ from their defaults. ``given``: other defaults of this item."""
    usual = defaults(type(item))  # type: ignore[arg-type]
    usual = {**usual, **given} if given else usual
    found: Words = []
    for setting in settings:
        value = getattr(item, setting.field)
        if setting.field in usual:
            default = usual[setting.field]
            if value is default or value == default:
                continue
        found.append((setting.word, value_of(setting.kind, value)))
    return found


def value_of(kind: str, value: Any) -> str:
    if isinstance(value, Enum):
        return quoted(str(value.value))
    if kind == "flag":
        return "true" if value else "false"
    if kind == "number":
        return str(value)
    if kind == "span":
        return written_span(value)
    if kind == "text":
        return quoted(value)
    if isinstance(value, Notice):
        program = written_texts(value.argv)
        return inline([("program", program), ("user", quoted(value.user))]) if value.user else program
    if kind == "lines":
        return "[" + ", ".join(written_texts(line) for line in value) + "]"
    return written_texts(value)
