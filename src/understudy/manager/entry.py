"""One entry of the history: what happened, when, and whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..effects import Level
from ..logline import wall_text


@dataclass(frozen=True, slots=True)
class Entry:
    """``at`` is wall-clock time in nanoseconds since 1970."""

    at: int
    level: Level
    text: str
    group: str = ""
    node: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "at": wall_text(self.at),
            "level": self.level.value,
            "text": self.text,
            "group": self.group,
            "node": self.node,
        }
