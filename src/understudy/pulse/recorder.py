"""The last events and effects, kept in memory: what the core was told and what it wished, for whoever must explain a night.

Adding an entry stores two references and formats nothing. Formatting happens when somebody asks, a few entries at a time, so
that it never delays a heartbeat; or after a crash, when there is nothing left to delay.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any

from ..effects import Effect
from ..events import Event
from ..units import Instant

ENTRIES = 4096
"""About a minute of a three-node cluster at five heartbeats a second, in some megabytes at most."""

CRASH_PREFIX, CRASH_SUFFIX = "pulse-crash-", ".jsonl"
CRASHES_KEPT = 3


@dataclass(slots=True)
class Recorder:
    """A ring of (now, event, effects)."""

    _ring: deque[tuple[Instant, Event, list[Effect]]] = field(default_factory=lambda: deque(maxlen=ENTRIES))

    def add(self, now: Instant, event: Event, effects: list[Effect]) -> None:
        self._ring.append((now, event, effects))

    def lines(self) -> Iterator[str]:
        """One JSON object for each entry, oldest first, of the ring as it is now; formatted as it is consumed."""
        return (line(*entry) for entry in tuple(self._ring))

    def write(self, path: str, ending: str) -> None:
        """After a crash: everything, and ``ending`` (the traceback) as the last line, into a file of mode 0600.

        Of the files of earlier crashes beside it only the newest stay, ``CRASHES_KEPT`` with this one: the directory lies in
        memory. Raises OSError when it cannot be written; then nothing half-written stays.
        """
        for old in earlier_crashes(path)[CRASHES_KEPT - 1 :]:
            os.unlink(old)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                for entry in self.lines():
                    file.write(entry + "\n")
                file.write(json.dumps({"crash": ending}) + "\n")
        except OSError:
            os.unlink(path)
            raise


def earlier_crashes(path: str) -> list[str]:
    """The files of crashes in the directory of ``path``, newest first, without ``path`` itself."""
    directory = os.path.dirname(path)
    found = [
        os.path.join(directory, name)
        for name in os.listdir(directory or ".")
        if name.startswith(CRASH_PREFIX) and name.endswith(CRASH_SUFFIX)
    ]
    return sorted((item for item in found if item != path), key=os.path.getmtime, reverse=True)


def line(now: Instant, event: Event, effects: list[Effect]) -> str:
    return json.dumps({"at": now, "event": plain(event), "effects": [plain(effect) for effect in effects]})


def plain(value: Any) -> Any:
    """Dataclasses as objects that name their type, enums as their values; anything unknown by its ``repr``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__} | {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return repr(value)
