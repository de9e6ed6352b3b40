"""The last events and effects, kept in memory: what the core was told and what it wished, for whoever must explain a night.

Adding an entry stores two references and formats nothing. Formatting happens when somebody asks, a few entries at a time, so
that it never delays a heartbeat; or after a crash, when there is nothing left to delay.

So that ``understudy replay`` can feed the entries to the same core once more, each half of the ring begins with a copy of the
core as it was before: pickled, which takes 0.2 ms for three nodes and a few groups, once in 2048 entries (docs/decisions/0011).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .. import __version__
from ..old_pair import OldEffect, OldEvent
from ..plain import plain
from ..units import Instant
from ..vrrp import RouterEffect, RouterEvent

Told: TypeAlias = OldEvent | RouterEvent
Wished: TypeAlias = OldEffect | RouterEffect

ENTRIES = 4096
"""About two minutes of a three-node cluster at five heartbeats a second, in some megabytes; at least half of them are there."""

FORMAT = 1
"""Of the file; the first line says which."""

_LINE = 8192
"""A copy of the core is written in lines of so many characters: they go to the manager in packets."""

CRASH_PREFIX, CRASH_SUFFIX = "pulse-crash-", ".jsonl"
CRASHES_KEPT = 3


@dataclass(slots=True)
class _Part:
    """Half of the ring, and the core before its first entry."""

    core: bytes = b""
    entries: list[tuple[Instant, Told, Sequence[Wished] | None]] = field(default_factory=list)


@dataclass(slots=True)
class Recorder:
    """A ring of (now, event, effects), at most ``entries``. ``save`` copies the core as it is now; ``node`` is whose it is.

    Nothing may happen to the core between ``told`` and ``wished``, and nothing between ``wished`` and the next ``told``.
    """

    node: str = ""
    save: Callable[[], bytes] = bytes
    entries: int = ENTRIES
    _older: _Part | None = None
    _newer: _Part = field(default_factory=lambda: _Part())

    def told(self, now: Instant, event: Told) -> None:
        """The core is about to be told ``event``."""
        part = self._newer
        if len(part.entries) >= self.entries // 2:
            self._older, part = part, _Part()
            self._newer = part
        if not part.entries:
            with contextlib.suppress(Exception):  # to lose a heartbeat for the sake of the recorder would be absurd
                part.core = self.save()
        part.entries.append((now, event, None))

    def wished(self, effects: Sequence[Wished]) -> None:
        """What the core answered. Not called when it failed inside: then its last entry stays without."""
        now, event, _ = self._newer.entries[-1]
        self._newer.entries[-1] = (now, event, effects)

    def lines(self) -> Iterator[str]:
        """A heading, the core, then one JSON object for each entry, oldest first, as it is now; formatted as it is consumed."""
        parts = (self._newer,) if self._older is None else (self._older, self._newer)
        return self._format(parts[0].core, [entry for part in parts for entry in part.entries])

    def _format(self, core: bytes, entries: list[tuple[Instant, Told, Sequence[Wished] | None]]) -> Iterator[str]:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        yield json.dumps({"recording": FORMAT, "version": __version__, "python": python, "node": self.node})
        text = base64.b64encode(core).decode("ascii")
        for at in range(0, len(text), _LINE):
            yield json.dumps({"core": text[at : at + _LINE]})
        for entry in entries:
            yield line(*entry)

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


def line(now: Instant, event: Told, effects: Sequence[Wished] | None) -> str:
    wished = None if effects is None else [plain(effect) for effect in effects]
    return json.dumps({"at": now, "event": plain(event), "effects": wished})
