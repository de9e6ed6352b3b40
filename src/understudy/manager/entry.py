"""One entry of the history: what happened, when, whom it concerns, and what its node knew then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.chronicle import Line
from ..effects import Level, Mark
from ..logline import wall_text

PRIVATE = ("number", "stamp", "at_ns")
"""Fields that are on disk and between managers, but in no answer to people."""


@dataclass(frozen=True, slots=True)
class Entry:
    """``at`` is wall-clock time in nanoseconds since 1970. ``stamp`` as ``core.stamps`` makes it, this node's mark first."""

    at: int
    level: Level
    text: str
    group: str = ""
    node: str = ""
    stamp: tuple[Mark, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "at": wall_text(self.at),
            "level": self.level.value,
            "text": self.text,
            "group": self.group,
            "node": self.node,
        }

    def whole(self, number: int) -> dict[str, Any]:
        """As it is kept: with its number in this node's history and what is needed to put it beside those of others."""
        form = {**self.to_json(), "number": number, "at_ns": self.at}
        return {**form, "stamp": write_stamp(self.stamp)} if self.stamp else form


def public(form: Mapping[str, Any]) -> dict[str, Any]:
    """What people get of an entry as it is kept."""
    return {key: value for key, value in form.items() if key not in PRIVATE}


def write_stamp(stamp: tuple[Mark, ...]) -> list[list[Any]]:
    return [[mark.member, f"{mark.incarnation:016x}", mark.number, mark.counter] for mark in stamp]


def read_stamp(value: object) -> tuple[Mark, ...]:
    """Whatever of ``value`` is a mark; it may come from a damaged file or another version."""
    found = []
    for item in value if isinstance(value, list) else ():
        match item:
            case [str(member), str(incarnation), int(number), int(counter)]:
                try:
                    found.append(Mark(member, int(incarnation, 16), number, counter))
                except ValueError:
                    continue
    return tuple(found)


def line_of(form: Mapping[str, Any], ahead: int) -> Line:
    """The place of a kept entry; ``ahead``: how many nanoseconds its node's clock is ahead of ours."""
    stamp = read_stamp(form.get("stamp"))
    at = form.get("at_ns")
    hint = (at if isinstance(at, int) else 0) - ahead
    return Line(hint, stamp[0], stamp[1:]) if stamp else Line(hint)
