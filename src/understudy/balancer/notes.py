"""What the pool says: to the manager, which keeps the history, or on standard error while no manager listens."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TextIO

from ..adapters import system_log
from ..balance import Monitored, PoolNote
from ..logline import Form, form, json_line, text_line, wall_text

MOST_KEPT = 1000
"""Notes that wait for a manager; of more the oldest are lost to the history (the log has them)."""


class Notes:
    """``stream``: standard error. ``writer``: runs what writes files, in order, in a thread. ``log_socket``: syslog's socket.

    ``log_file``, ``log_facility``: where all of it goes besides, "" for nowhere.
    """

    def __init__(self, stream: TextIO | None, writer: Executor, log_socket: str = system_log.PATH) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._writer = writer
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
            self._append(self.log_file, f"[{wall_text(at)}] {note.text}\n")
        if self.log_facility:
            self._write(system_log.write, self.log_facility, note.level, note.text, self._log_socket)

    def listen(self, listener: Callable[[dict[str, Any]], None] | None) -> None:
        """A manager is there (or not any more): it gets what waits, and what comes."""
        self.listener = listener
        while listener is not None and self._waiting:
            listener(self._waiting.popleft())

    def monitor(self, line: Monitored) -> None:
        """A line of a ``monitorfile``, in ldirectord's form."""
        now = time.strftime("%a %b %e %H:%M:%S %Y")
        state = "up" if line.up else "down"
        self._append(line.path, f"[{now}] [{os.getpid()}] {line.server} [{state}] {line.text}\n")

    def _append(self, path: str, text: str) -> None:
        self._write(append, path, text)

    def _write(self, how: Callable[..., object], *given: str) -> None:
        try:
            self._writer.submit(how, *given)
        except RuntimeError:  # it is shut down: we end
            how(*given)

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


def append(path: str, text: str) -> None:
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


async def flushed(writer: Executor) -> None:
    """What was to be written before is written."""
    await asyncio.get_running_loop().run_in_executor(writer, int)
