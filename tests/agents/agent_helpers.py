"""One group of programs, run by the agents of one node; and small scripts to run."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from understudy.adapters.agents import Agents
from understudy.effects import Action
from understudy.events import Outcome
from understudy.model import Cluster, Group, Program, Quorum
from understudy.units import SECOND, Duration

LONG = 20 * SECOND
PATIENCE = 10.0
LONGEST_SCENE = 60.0
InNetwork = Callable[[Callable[[], None]], None]
"""Runs a function in a network of its own; the fixture ``in_network`` is one."""


class Stage:
    """Agents on a directory. ``again`` is the next manager's: same directory, same configuration."""

    def __init__(self, directory: Path, *resources: Program) -> None:
        self.directory = directory
        self.resources = resources
        self.deaths: list[tuple[str, str]] = []
        group = Group("site", resources)
        cluster = Cluster("testing", "key", SECOND // 10, SECOND, Quorum.MAJORITY, (), (group,))
        self.agents = Agents(cluster, "a", str(directory), lambda _group, name, text: self.deaths.append((name, text)))

    def again(self) -> Stage:
        return Stage(self.directory, *self.resources)

    async def run(
        self, action: str, resource: str = "", limit: Duration = LONG, ballot: int = 7
    ) -> tuple[Outcome, str]:
        return await self.agents.run("site", resource or self.resources[0].id, Action(action), limit, ballot)

    async def outcome(self, action: str, resource: str = "", limit: Duration = LONG) -> str:
        return (await self.run(action, resource, limit))[0].value

    def log_text(self) -> str:
        return "".join(path.read_text() for path in sorted((self.directory / "log").glob("*.log")))


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene in the event loop that the manager uses; bounded, so that a broken rule fails instead of hanging."""
    uvloop.run(asyncio.wait_for(scene, LONGEST_SCENE))


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Look until it is so; the bound only keeps a broken test from hanging."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"did not happen within {PATIENCE} s: {what}"
        await asyncio.sleep(0.005)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def numbers(path: Path, count: int) -> list[int]:
    """The process numbers that a script has written, when all are there."""
    words = path.read_text().split() if path.exists() else []
    return [int(word) for word in words] if len(words) == count else []


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
