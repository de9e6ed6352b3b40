"""What happened, one sentence for each event: in memory, on disk as JSON lines, and on standard error for the journal.

All writing is done by one thread that nobody waits for: a disk that hangs or is full is one of the faults that a cluster
program exists for. What cannot be written is counted, and status says so.

The order is that in which this node was told, not that of the wall clock: after a clock was set back, what just happened is
still the newest. Where the clock was set the history says so.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ..effects import Level
from ..units import SECOND
from .entry import Entry, public
from .log import Log

LARGEST = 4 << 20
"""Bytes after which the file is set aside as ``history.jsonl.1``; so the history takes at most twice this."""

KEPT = 2000
"""Entries kept in memory, from which the API answers."""

CLOCK_STEP: int = SECOND
"""Nanoseconds by which wall clock and boot clock must part between two looks to count as a clock that was set. Slewing by NTP
(at most some hundreds of ppm; chrony up to ten percent) stays below that if somebody looks every few seconds."""

_RECALLED = 1 << 20
_LONGEST_QUEUE = 5000
_SLOW: int = 5 * SECOND


def _clocks() -> tuple[int, int]:
    """Wall clock and boot clock, nanoseconds."""
    return time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _difference(clocks: tuple[int, int]) -> int:
    return clocks[0] - clocks[1]


def _end_of(path: str) -> list[bytes]:
    """The last whole lines of a file; none when it cannot be read."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = file.seek(max(size - _RECALLED, 0))
            lines = file.read(_RECALLED).splitlines()
    except OSError:
        return []
    return lines[1:] if start else lines


class History:
    """``path`` is the JSON lines file; ``stream`` gets one line for each entry (None: nothing is printed).

    ``clocks`` reads wall clock and boot clock. Any thread may ``add``.
    """

    def __init__(self, path: str, stream: Any = sys.stderr, clocks: Callable[[], tuple[int, int]] = _clocks) -> None:
        self._clocks = clocks
        self._offset = _difference(clocks())
        self._looking = threading.Lock()
        self._path = path
        self._log = Log(stream)
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._newest = 0
        self._number = 0
        self._adding = threading.Lock()
        self._watchers: dict[object, Callable[[], None]] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._busy_since = 0
        self._lost = 0
        self._trouble = ""
        self._recall()
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Remember, write and print an entry. Never waits, never raises."""
        self.look_at_clock(entry.node)
        self._append(entry)

    def look_at_clock(self, node: str = "") -> None:
        """Note it when somebody has set the wall clock; call it every few seconds, too."""
        with self._looking:
            wall, boot = self._clocks()
            step = wall - boot - self._offset
            self._offset = wall - boot
        if abs(step) >= CLOCK_STEP:
            way = "forward" if step > 0 else "back"
            size = f"{abs(step) / SECOND:.1f} s"
            text = f"the clock of this machine was set {way} by {size}; times before this line are by the old one"
            self._append(Entry(wall, Level.WARNING, text, "", node))

    def _append(self, entry: Entry) -> None:
        with self._adding:
            self._number += 1
            form = entry.whole(self._number)
            self._entries.append(form)
            self._newest += 1
        self.later(lambda: self._write(entry, form))
        for watcher in tuple(self._watchers.values()):
            watcher()

    def later(self, job: Callable[[], None]) -> None:
        """Have the writing thread do ``job`` after everything before it; for other small files that must not block anybody."""
        if self._jobs.qsize() >= _LONGEST_QUEUE:
            self._lost += 1
            return
        self._jobs.put(job)

    def last(self, lines: int) -> list[dict[str, Any]]:
        """The newest entries, oldest of them first, in the order in which they were added."""
        return [public(form) for form in list(self._entries)[-lines:]] if lines > 0 else []

    def kept(self) -> list[dict[str, Any]]:
        """All entries in memory as they are kept, numbered; the number goes on over restarts."""
        with self._adding:
            return list(self._entries)

    @property
    def newest(self) -> int:
        """The number of the newest entry; they are counted from the start of this process."""
        return self._newest

    @property
    def lost(self) -> int:
        """Entries that are not on disk."""
        return self._lost

    def after(self, number: int) -> tuple[list[dict[str, Any]], int, int]:
        """What was added after entry ``number``: the entries, the number of the newest, and how many are not kept any more."""
        with self._adding:
            missing = self._newest - max(number, self._newest - KEPT)
            entries = [public(form) for form in list(self._entries)[-missing:]] if missing > 0 else []
            return entries, self._newest, max(self._newest - number, 0) - len(entries)

    def watch(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have ``told`` called after each entry, in whatever thread added it; it must neither wait nor raise.

        Returns what ends it.
        """
        key = object()
        self._watchers[key] = told
        return lambda: self._watchers.pop(key, None) and None

    def warnings(self) -> tuple[str, ...]:
        """What is wrong with writing, in sentences for the administrator."""
        found = []
        busy = self._busy_since
        if busy and time.monotonic_ns() - busy > _SLOW:
            found.append(
                f"the disk of {os.path.dirname(self._path)} has not answered for {(time.monotonic_ns() - busy) // SECOND} s"
            )
        if self._trouble:
            found.append(f"the history is not on disk ({self._trouble}); {self._lost} entries are missing there")
        elif self._lost:
            found.append(f"{self._lost} history entries are not on disk: it was too slow or full")
        return tuple(found)

    def close(self, patience: float = 1.0) -> None:
        """Let the thread finish what is queued, at most ``patience`` seconds."""
        self._jobs.put(None)
        self._thread.join(patience)

    def _recall(self) -> None:
        lines = _end_of(self._path)
        if len(lines) < KEPT:  # it may have been set aside a moment ago
            lines = [*_end_of(f"{self._path}.1"), *lines]
        for line in lines[-KEPT:]:
            try:
                form = json.loads(line)
            except ValueError:
                continue
            if isinstance(form, dict) and isinstance(form.get("at"), str) and isinstance(form.get("text"), str):
                number = form.get("number")
                # Lines of a version that did not number them, and a number that a full disk has lost, are counted on from here.
                later = isinstance(number, int) and number > self._number
                self._number = number if later and isinstance(number, int) else self._number + 1
                self._entries.append({"level": "info", "group": "", "node": "", **form, "number": self._number})

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._busy_since = time.monotonic_ns()
            try:
                job()
            except OSError as error:
                self._trouble = error.strerror or str(error)
            self._busy_since = 0

    def _write(self, entry: Entry, form: dict[str, Any]) -> None:
        self._log.write(entry)
        data = (json.dumps(form, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            try:
                written = os.write(descriptor, data)
                size = os.fstat(descriptor).st_size
                if written < len(data):
                    # Half a line would spoil the next one as well.
                    os.ftruncate(descriptor, size - written)
                    raise OSError(28, "No space left on device")
            finally:
                os.close(descriptor)
            if size > LARGEST:
                os.replace(self._path, f"{self._path}.1")
            self._trouble = ""
        except OSError as error:
            self._lost += 1
            self._trouble = error.strerror or str(error)
