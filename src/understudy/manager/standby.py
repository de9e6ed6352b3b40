"""Whether this node is in standby, kept on disk for its next start.

The wanted state is kept in memory until the disk has it, and tried again for as long as it does not: a full queue, a read-only
file system or a hung disk delays the file and loses nothing. A thread of its own writes, so nobody waits for the disk who does
not want to. What is not saved is a warning in status: the node is in standby or online all the same, only its next start would
not know.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from ..effects import Level
from ..units import SECOND

RETRY: float = 5.0
"""Seconds between two attempts."""

_SLOW: int = 2 * SECOND


class StandbyFile:
    """The state is a file at ``path`` that is there or not: without content, so that a full disk does not matter.

    ``say`` gets a sentence when saving begins to fail and when it works again; it is called in the writing thread.
    """

    def __init__(self, path: str, me: str, say: Callable[[Level, str], None], retry: float = RETRY) -> None:
        self._path = path
        self._me = me
        self._say = say
        self._retry = retry
        self._changed = threading.Condition()
        self._wanted: bool | None = None
        self._saved: bool | None = None
        self._tried: bool | None = None
        self._wanted_since = 0
        self._trouble = ""
        self._waiting: list[Future[None]] = []
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="standby", daemon=True)
        self._thread.start()

    def want(self, standby: bool) -> None:
        """Have it on disk, some time soon. Never waits, never raises."""
        with self._changed:
            if standby is not self._wanted:
                self._wanted, self._wanted_since = standby, time.monotonic_ns()
                self._changed.notify()

    def tried(self) -> Future[None]:
        """Done when what is wanted now is on disk, or was tried and failed; ``warning`` then says which. May be cancelled."""
        future: Future[None] = Future()
        with self._changed:
            if self._wanted is self._saved or (self._trouble and self._tried is self._wanted):
                future.set_result(None)
            else:
                self._waiting.append(future)
        return future

    def warning(self) -> str | None:
        """What an administrator should know; None when the disk has what is wanted, or gets it right now."""
        with self._changed:
            if self._wanted is self._saved:
                return None
            trouble = self._trouble
            if not trouble and time.monotonic_ns() - self._wanted_since > _SLOW:
                trouble = "the disk does not answer"
            return f"standby is not saved ({trouble}): {self._consequence()}" if trouble else None

    def close(self, patience: float = 1.0) -> None:
        """Let the thread make its attempt, at most ``patience`` seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(patience)

    def _consequence(self) -> str:
        return f"after a restart of its daemon {self._me} would be {'online' if self._wanted else 'in standby'}"

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._wanted is self._saved and not self._closed:
                    self._changed.wait()
                wanted, closed = self._wanted, self._closed
            if wanted is not None and wanted is not self._saved:
                self._attempt(wanted)
            with self._changed:
                if closed:
                    return
                if self._trouble and self._wanted is wanted:
                    self._changed.wait(self._retry)

    def _attempt(self, wanted: bool) -> None:
        trouble = ""
        try:
            self._save(wanted)
        except OSError as error:
            trouble = f"{error.strerror or error}: {self._path}"
        with self._changed:
            before, self._trouble, self._tried = self._trouble, trouble, wanted
            if not trouble:
                self._saved = wanted
            consequence = self._consequence()
            waiting, self._waiting = self._waiting, []
        if trouble and not before:
            self._say(Level.ERROR, f"standby is not saved ({trouble}): {consequence}; trying again")
        elif before and not trouble:
            self._say(Level.INFO, "standby is saved now")
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(None)

    def _save(self, standby: bool) -> None:
        if standby:
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
        else:
            try:
                os.unlink(self._path)
            except FileNotFoundError:
                return
        # The name, too, must outlive a power cut.
        directory = os.open(os.path.dirname(self._path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
