"""Stand-ins for watchdog devices: a FIFO for each machine, and a thread that resets a machine when nothing came for its time-out.

As a real device it counts once it is opened, goes on when the daemon has died, and stops only after the magic V. And as with
the kernel, an opening feeds it, and so does its last close without the V before it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence

from .inside import BASE
from .netns import LabError
from .stage import Stage


def path(name: str) -> str:
    """Where the device of a machine lies; all machines see it."""
    return f"{BASE}/watchdog.{name}"


class StandIns:
    """``resets``: (moment by time.monotonic, machine) of each reset."""

    def __init__(self, stage: Stage, machines: Sequence[str], timeout: float) -> None:
        """``timeout`` in seconds. Call before the daemons start."""
        self._stage = stage
        self._timeout = timeout
        self._ends: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._open: set[str] = set()
        self._stopping: set[str] = set()
        self.resets: list[tuple[float, str]] = []
        self._stop = threading.Event()
        for name in machines:
            os.mkfifo(path(name))
            self._ends[name] = os.open(path(name), os.O_RDONLY | os.O_NONBLOCK)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def counting(self, name: str) -> bool:
        """Whether the device was opened and not stopped since."""
        return name in self._due

    def _run(self) -> None:
        while not self._stop.wait(0.01):
            now = time.monotonic()
            for name, end in self._ends.items():
                self._look(name, end, now)
                if now > self._due.get(name, now):
                    del self._due[name]
                    self.resets.append((now, name))
                    with contextlib.suppress(LabError):
                        self._stage.do(f"power {name} off")
                        self._stage.do(f"power {name} on")

    def _look(self, name: str, end: int, now: float) -> None:
        try:
            data = os.read(end, 4096)
        except BlockingIOError:  # somebody has it open, and wrote nothing
            if name not in self._open:
                self._due[name] = now + self._timeout
            self._open.add(name)
            return
        if data:
            self._open.add(name)
            (self._stopping.add if data.endswith(b"V") else self._stopping.discard)(name)
            self._due[name] = now + self._timeout
        elif name in self._open:  # the last close
            self._open.discard(name)
            if name in self._stopping:
                self._due.pop(name, None)
            elif name in self._due:
                self._due[name] = now + self._timeout
            self._stopping.discard(name)

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)
        for end in self._ends.values():
            os.close(end)
