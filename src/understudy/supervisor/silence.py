"""A child that runs but does not move: its event loop stands still. Known by its lock file, which it touches (``adapters.beat``).

Looks are counted, not seconds: a machine that was suspended as a whole, with us, is no reason.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .child import Child

LOOK_INTERVAL = 4.0
"""Seconds between two looks; a child moves every 2 s."""

SILENT_LOOKS = 5
"""So many looks in a row, 20 s: longer than any disk or name service that still answers, shorter than operators wait."""

SILENT_LOOKS_AT_START = 15
"""Until it has moved for the first time: imports on a busy machine with a slow disk."""


@dataclass(slots=True)
class Silence:
    """Of one child, whoever it is just now."""

    _beat: tuple[int, int] = (0, 0)
    _beaten: bool = False
    _looks: int = 0

    def look(self, child: Child) -> int:
        """One more look. Returns in how many it has not moved, once they are too many; else 0."""
        try:
            beat = (child.pid, os.stat(child.lock).st_mtime_ns)
        except OSError:
            beat = (child.pid, 0)
        if beat[0] != self._beat[0]:
            self._beat, self._looks, self._beaten = beat, 0, False
            return 0
        self._beaten = self._beaten or beat != self._beat
        self._looks = 0 if beat != self._beat else self._looks + 1
        self._beat = beat
        if self._looks < (SILENT_LOOKS if self._beaten else SILENT_LOOKS_AT_START):
            return 0
        silent, self._looks = self._looks, 0
        return silent
