"""Lines for one file (or for syslog), written in order by a thread for which nobody waits for long: a disk may hang for good."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

MOST = 20_000
"""Lines that wait for a disk, some megabytes; more are lost, until half of them are written."""

Line = TypeVar("Line")


class Lines(Generic[Line]):
    """``name``: of what is written, for people. ``write``: writes all that waits, in a thread. ``say``: a sentence, its level."""

    def __init__(self, name: str, write: Callable[[list[Line]], object], say: Callable[[str, str], None]) -> None:
        self._name, self._write, self._say = name, write, say
        self._changed = threading.Condition()
        self._waiting: list[Line] = []
        self._written: list[Line] = []
        """What the thread writes just now."""
        self._working = False
        self._lost = 0

    def put(self, line: Line) -> None:
        """Queue it. Only in one thread, in which ``say`` is called, too."""
        with self._changed:
            full = len(self._waiting) >= (MOST // 2 if self._lost else MOST)
            lost = self._lost + full
            self._lost = lost if full else 0
            if not full:
                self._waiting.append(line)
                self._begin()
        if full and lost == 1:
            self._say(f"{self._name} takes no lines (does its disk hang?): {MOST} wait, and more are lost", "warning")
        elif lost and not full:
            self._say(f"{self._name} takes lines again; {lost} were lost", "warning")

    def _begin(self) -> None:
        """A thread, as long as there is something to write. Where none can be started, the next line tries again."""
        if not self._working:
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._work, name="lines", daemon=True).start()
                self._working = True

    def _work(self) -> None:
        while True:
            with self._changed:
                self._written, self._waiting = self._waiting, []
                if not self._written:
                    self._working = False
                    self._changed.notify_all()
                    return
            with contextlib.suppress(Exception):  # what cannot be written is lost, as on a full disk
                self._write(self._written)

    def finish(self, limit: float) -> int:
        """Wait until all is written, at most that many seconds. How many lines are not."""
        with self._changed:
            if self._waiting:
                self._begin()  # there may have been no thread for the last of them
            self._changed.wait_for(lambda: not self._working, limit)
            return len(self._waiting) + len(self._written) + self._lost
