"""Worlds of virtual routers, a few at once: they wait most of the time. Each is asked by several tests, and runs once.

A test names its world by its parameter ``world``: the file, the function in it, and its words. All worlds of the tests that were
chosen are begun, in their order, when the first one's result is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from private_world import NEEDED, NO_WORLD, RUNNING, absent, start_inside
from understudy.lab.vrrp_pair import KEEPALIVED

AT_ONCE = 3
LONGEST = 400.0
LONG = os.environ.get("UNDERSTUDY_LONG") == "1"
"""Whether ``World.long`` ones are wanted too."""
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class World:
    """``function(*words)`` of a file of this folder, which prints a JSON object.

    ``long``: it shows with another pair of programs what another world shows already, and its tests run only when ``LONG``.
    """

    file: str
    function: str
    words: tuple[str, ...]
    needed: tuple[str, ...] = ()
    long: bool = False

    def __str__(self) -> str:
        return "-".join((self.function, *self.words))


class Worlds:
    """``plan`` those that will be asked for first."""

    def __init__(self) -> None:
        self.planned: dict[World, None] = {}
        self.begun: dict[World, Future[CompletedProcess[str]]] = {}
        self.pool: ThreadPoolExecutor | None = None

    def plan(self, worlds: Sequence[World]) -> None:
        self.planned |= dict.fromkeys(worlds)

    def told(self, world: World) -> dict[str, Any]:
        """What it printed. Skips the test where no world can be made, and fails it when the function raised."""
        if lacking := absent((*NEEDED, KEEPALIVED, *world.needed)):
            pytest.skip(lacking)
        if self.pool is None:
            self.pool = ThreadPoolExecutor(AT_ONCE)
        for each in (*self.planned, world):
            if each not in self.begun:
                self.begun[each] = self.pool.submit(
                    start_inside, str(HERE / each.file), each.function, *each.words, longest=LONGEST
                )
        done = self.begun[world].result()
        if done.returncode == NO_WORLD:
            pytest.skip(done.stderr.strip())
        if done.returncode != 0:
            pytest.fail(f"{world} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
        print(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def forget(self, world: World) -> None:
        """Whoever asks for it next has it run again."""
        if (ran := self.begun.get(world)) is not None and ran.done():
            del self.begun[world]

    def close(self) -> None:
        """Nobody asks for results any more: worlds that have not begun never will, and those that run end now."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(RUNNING):
                process.kill()
            self.pool.shutdown()


WORLDS = Worlds()
