"""Programs that are told: ``notify_up``, ``fallbackcommand``, ``quorum_up`` and the like.

Those with the same key run in order, one after the other; different keys run beside each other, at most ``MOST`` at once. A
program that is not done after ``LIMIT`` is ended, since the next one of its key waits for it. Nothing else waits for any of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..adapters.agent_log import ResourceLog
from ..adapters.track_run import PATIENCE, RunEnd, environment_of, run, start
from ..adapters.track_users import Program, program_of
from ..balance import Tell
from ..units import SECOND, Duration

LIMIT: Duration = 60 * SECOND
MOST = 20
LONGEST_QUEUE = 100
"""Of one key so many may wait; of more the oldest are left out, and that is said."""

Say: TypeAlias = Callable[[str, str], None]
"""A sentence and its level."""


@dataclass(slots=True)
class _Line:
    waiting: deque[Tell] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Teller:
    """All programs of one balancer. ``folder``: for their output."""

    def __init__(self, folder: str, say: Say, limit: Duration = LIMIT, patience: Duration = PATIENCE) -> None:
        self._folder = folder
        self._say = say
        self._limit = limit
        self._patience = patience
        self._lines: dict[str, _Line] = {}
        self._room = asyncio.Semaphore(MOST)
        self._leaving = False

    def tell(self, told: Tell) -> None:
        """Have it run when those before it are done. Use it inside the running event loop."""
        if not told.notice.argv:
            return
        line = self._lines.setdefault(told.key, _Line())
        line.waiting.append(told)
        if len(line.waiting) > LONGEST_QUEUE:
            lost = line.waiting.popleft()
            self._say(f"{_words(lost)} is left out: {LONGEST_QUEUE} later ones wait", "error")
        if line.task is None:
            line.task = asyncio.get_running_loop().create_task(self._work(told.key, line))

    async def drain(self, limit: Duration) -> None:
        """We end: wait for what is queued, at most for ``limit``; what has not begun then is begun and not waited for."""
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=limit / SECOND)
        self._leaving = True
        for line in list(self._lines.values()):
            if line.task is not None:
                line.task.cancel()
            for told in line.waiting:
                program = _judge(told)
                if isinstance(program, Program):
                    start(program, environment_of(program), self._log(told))

    async def _work(self, key: str, line: _Line) -> None:
        while line.waiting:
            async with self._room:
                if line.waiting:
                    await self._try(line.waiting.popleft())
        del self._lines[key]

    async def _try(self, told: Tell) -> None:
        """One that fails ends no other, of its key neither: no thread can be started, or no file opened, just then."""
        try:
            await self._one(told)
        except Exception as error:
            self._say(f"{_words(told)} is not run: {type(error).__name__}: {error}", "error")

    async def _one(self, told: Tell) -> None:
        program = await asyncio.get_running_loop().run_in_executor(None, _judge, told)
        if isinstance(program, str):
            self._say(f"{_words(told)} is not run: {program}", "error")
            return

        def answered(end: RunEnd) -> None:
            if not end.good:
                self._say(f"{_words(told)} {'is ended' if end.late else 'failed'}: {end.text}", "warning")

        environment, log = environment_of(program), self._log(told)
        await run(program, environment, self._limit, log, answered, self._patience, lambda: self._leaving)

    def _log(self, told: Tell) -> ResourceLog:
        return ResourceLog(self._folder, f"balancer-{told.key}")


def _words(told: Tell) -> str:
    return f"{' '.join((*told.notice.argv, *told.more))} ({told.why})"


def _judge(told: Tell) -> Program | str:
    """The program as it can be run now, or why it can't."""
    return program_of((*told.notice.argv, *told.more), told.notice.user)
