"""What the pool says: to the manager, which keeps the history, or on standard error while no manager listens."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

from ..adapters import system_log
from ..balance import Monitored, PoolNote
from ..logline import Form, form, json_line, text_line, wall_text
from .lines import Lines

MOST_KEPT = 1000
"""Notes that wait for a manager; of more the oldest are lost to the history (the log has them)."""


LAST = 0.5
"""Seconds that a clean stop waits for files: their disks may hang."""


def add_to(path: str, text: str) -> None:
    """Add a line to a file; what cannot be written is lost, as a full disk must change nothing else."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    except OSError:
        return
    try:
        os.write(descriptor, text.encode("utf-8", "replace"))
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _append_all(append: Callable[[str, str], object], path: str, lines: list[str]) -> None:
    for line in lines:  # each by itself: what a pipe or a full disk cannot take is whole lines
        append(path, line)


class Notes:
    """``stream``: standard error. ``log_socket``: syslog's socket. ``append``: adds a text to a file, in a thread.

    ``log_file``, ``log_facility``: where all of it goes besides, "" for nowhere.
    """

    def __init__(
        self,
        stream: TextIO | None,
        log_socket: str = system_log.PATH,
        append: Callable[[str, str], object] = add_to,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._append = append
        self._files: dict[str, Lines[str]] = {}
        """By path: one that hangs holds up no other."""
        self._syslog = Lines[tuple[str, str, str]]("syslog", self._to_syslog, self.say)
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        self.listener: Callable[[dict[str, Any]], None] | None = None
        self.log_file = ""
        self.log_facility = ""
        self._log_socket = log_socket

    def say(self, text: str, level: str = "info") -> None:
        self.add(PoolNote(text, level))

    def add(self, note: PoolNote) -> None:
        """One note, of now."""
        at = time.time_ns()
        made = {"at_ns": at, "level": note.level, "text": note.text, "service": note.service, "server": note.server}
        if self.listener is not None:
            self.listener(made)
        else:
            self._waiting.append(made)
            self._print(at, note)
        if self.log_file:
            self._write(self.log_file, f"[{wall_text(at)}] {note.text}\n")
        if self.log_facility:
            self._syslog.put((self.log_facility, note.level, note.text))

    def listen(self, listener: Callable[[dict[str, Any]], None] | None) -> None:
        """A manager is there (or not any more): it gets what waits, and what comes."""
        self.listener = listener
        while listener is not None and self._waiting:
            listener(self._waiting.popleft())

    def monitor(self, line: Monitored) -> None:
        """A line of a ``monitorfile``, in ldirectord's form."""
        now = time.strftime("%a %b %e %H:%M:%S %Y")
        state = "up" if line.up else "down"
        self._write(line.path, f"[{now}] [{os.getpid()}] {line.server} [{state}] {line.text}\n")

    def _write(self, path: str, text: str) -> None:
        found = self._files.get(path)
        if found is None:
            write = partial(_append_all, self._append, path)
            found = self._files[path] = Lines(f"the file {path}", write, self.say)
        found.put(text)

    def _to_syslog(self, lines: list[tuple[str, str, str]]) -> None:
        for facility, level, text in lines:
            system_log.write(facility, level, text, self._log_socket)

    def close(self) -> None:
        """We end: what is queued for files has a little time left, all together ``LAST``."""
        end = time.monotonic() + LAST
        queues = [self._syslog.finish, *(each.finish for each in self._files.values())]
        lost = sum(finish(max(end - time.monotonic(), 0)) for finish in queues)
        if lost:
            self.say(f"{lost} lines for files are lost: they were not written in time (does a disk hang?)", "warning")

    def _print(self, at: int, note: PoolNote) -> None:
        if form(os.environ) is Form.JSON:
            line = json_line(at, note.level, "balancer", note.text)
        else:
            line = text_line(note.level, note.text, "balancer: ", not self._stream.isatty())
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):
            pass
