"""Worlds that wait for the old program most of the time run side by side, a few at once: else they would take a quarter hour.

Only tests that follow each other directly are begun ahead of their turn; so one of another kind, which may measure, runs alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from private_world import RUNNING, run_inside

AT_ONCE = 3
"""They were tried on two busy cores: with more of them the old program's own dead time of a second gets short."""

Key = tuple[str, str]


class Worlds:
    """``plan`` the order of the tests first; each result is given out once."""

    def __init__(self) -> None:
        self.rows: dict[Key, Sequence[Key]] = {}
        self.begun: dict[Key, Future[str]] = {}
        self.pool: ThreadPoolExecutor | None = None

    def plan(self, row: Sequence[Key]) -> None:
        """Tests that follow each other."""
        self.rows |= dict.fromkeys(row, row)

    def run(self, file: str, name: str, longest: float) -> str:
        """As ``private_world.run_inside``; begins the tests behind this one, too."""
        key = (file, name)
        if self.pool is None:
            self.pool = ThreadPoolExecutor(AT_ONCE)
        row = self.rows.get(key, [key])
        for each in row[row.index(key) :]:
            if each not in self.begun:
                self.begun[each] = self.pool.submit(run_inside, *each, longest=longest)
        return self.begun.pop(key).result()

    def close(self) -> None:
        """Nobody asks for results any more: worlds that have not begun never will, and those that run end now."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(RUNNING):
                process.kill()
            self.pool.shutdown()


WORLDS = Worlds()


def run(file: str, name: str, longest: float) -> str:
    """See ``Worlds.run``. What was printed, such as measured times, shows with ``pytest -rP``."""
    assert threading.current_thread() is threading.main_thread(), "only pytest asks for results"
    output = WORLDS.run(file, name, longest)
    print(output)
    return output
