"""Asks the core again what it was asked in a recording, and compares its answers with those of that night."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..effects import Note
from ..plain import plain
from ..units import Instant
from .recording import Entry, Recording


@dataclass(frozen=True, slots=True)
class Difference:
    """The first entry whose answer is another one now. ``there``, ``here``: what differs, as JSON has it; "" for nothing."""

    line: int
    now: Instant
    event: str
    there: str
    here: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """``failure``: the core failed inside at the last entry, as it did then."""

    entries: int
    effects: int
    span: Instant
    difference: Difference | None = None
    failure: str = ""


def replay(recording: Recording, told: Callable[[Instant, Note], None] | None = None) -> Replayed:
    """Until the end, or the first difference. ``told`` gets each note, with the time since the first entry."""
    effects, first = 0, recording.entries[0].now if recording.entries else 0
    for number, entry in enumerate(recording.entries, 1):
        span = entry.now - first
        try:
            wished = recording.core.handle(entry.event, entry.now)
        except Exception as error:
            here = f"{type(error).__name__}: {error}"
            if entry.effects is None:
                return Replayed(number, effects, span, failure=here)
            where = traceback.extract_tb(error.__traceback__)[-1]
            return Replayed(number, effects, span, _difference(entry, _text(entry.effects), f"{here} ({where.name})"))
        if told is not None:
            for effect in wished:
                if isinstance(effect, Note):
                    told(span, effect)
        here_plain = [plain(effect) for effect in wished]
        if entry.effects is None:
            return Replayed(number, effects, span, _difference(entry, "it failed inside", _text(here_plain)))
        if here_plain != entry.effects:
            return Replayed(number, effects, span, _compare(entry, entry.effects, here_plain))
        effects += len(wished)
    last = recording.entries[-1].now if recording.entries else 0
    return Replayed(len(recording.entries), effects, last - first)


def _compare(entry: Entry, there: list[Any], here: list[Any]) -> Difference:
    """Only what one has and the other has not, unless it is the order."""
    more = [item for item in there if item not in here]
    other = [item for item in here if item not in there]
    if not more and not other:
        more, other = there, here
    return _difference(entry, _text(more), _text(other))


def _difference(entry: Entry, there: str, here: str) -> Difference:
    return Difference(entry.line, entry.now, json.dumps(plain(entry.event)), there, here)


def _text(items: list[Any]) -> str:
    return "\n".join(json.dumps(item) for item in items)
