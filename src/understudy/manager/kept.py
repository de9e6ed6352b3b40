"""Something small that this node's next start must know, kept on disk.

What is wanted is kept in memory until the disk has it, and tried again for as long as it does not: a full queue, a read-only
file system or a hung disk delays the file and loses nothing. A thread of its own writes, so nobody waits for the disk who does
not want to. What is not saved is a warning in status: everything goes on as it should, only the next start would not know.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from ..effects import Level
from ..units import SECOND

RETRY: float = 5.0
"""Seconds between two attempts."""

_SLOW: int = 2 * SECOND

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """``save`` writes a value to ``path`` and raises OSError; ``consequence`` says what the next start would make of an old one.

    ``what`` is its name in sentences. ``say`` gets one when saving begins to fail and when it works again; it is called in the
    writing thread.
    """

    def __init__(
        self,
        path: str,
        what: str,
        save: Callable[[str, Value], None],
        consequence: Callable[[Value | None], str],
        say: Callable[[Level, str], None],
        retry: float = RETRY,
    ) -> None:
        self._path = path
        self._what = what
        self._save = save
        self._consequence = consequence
        self._say = say
        self._retry = retry
        self._changed = threading.Condition()
        self._wanted: Value | None = None
        self._saved: Value | None = None
        self._tried: Value | None = None
        self._wanted_since = 0
        self._trouble = ""
        self._waiting: list[Future[None]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=what, daemon=True)
        self._thread.start()

    def want(self, value: Value) -> None:
        """Have it on disk, some time soon. Never waits, never raises."""
        with self._changed:
            if value != self._wanted:
                self._wanted, self._wanted_since = value, time.monotonic_ns()
                self._changed.notify()

    def tried(self) -> Future[None]:
        """Done when what is wanted now is on disk, or was tried and failed; ``warning`` then says which. May be cancelled."""
        future: Future[None] = Future()
        with self._changed:
            if self._wanted == self._saved or (self._trouble and self._tried == self._wanted):
                future.set_result(None)
            else:
                self._waiting.append(future)
        return future

    def warning(self) -> str | None:
        """What an administrator should know; None when the disk has what is wanted, or gets it right now."""
        with self._changed:
            if self._wanted == self._saved:
                return None
            trouble = self._trouble
            if not trouble and time.monotonic_ns() - self._wanted_since > _SLOW:
                trouble = "the disk does not answer"
            return f"{self._what} is not saved ({trouble}): {self._consequence(self._wanted)}" if trouble else None

    def close(self, patience: float = 1.0) -> None:
        """Let the thread make its attempt, at most ``patience`` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(patience)

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._wanted == self._saved and not self._closed:
                    self._changed.wait()
                wanted, closed = self._wanted, self._closed
            if wanted is not None and wanted != self._saved:
                self._attempt(wanted)
            with self._changed:
                if closed:
                    return
                if self._trouble and self._wanted == wanted:
                    self._changed.wait(self._retry)

    def _attempt(self, wanted: Value) -> None:
        trouble = ""
        try:
            self._save(self._path, wanted)
        except OSError as error:
            trouble = f"{error.strerror or error}: {self._path}"
        with self._changed:
            before, self._trouble, self._tried = self._trouble, trouble, wanted
            if not trouble:
                self._saved = wanted
            consequence = self._consequence(self._wanted)
            waiting, self._waiting = self._waiting, []
        if trouble and not before:
            self._say(Level.ERROR, f"{self._what} is not saved ({trouble}): {consequence}; trying again")
        elif before and not trouble:
            self._say(Level.INFO, f"{self._what} is saved now")
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(None)


def sync_directory_of(path: str) -> None:
    """The name of a file, too, must outlive a power cut. Raises OSError."""
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
