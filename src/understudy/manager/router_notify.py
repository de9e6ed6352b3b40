"""Notify scripts of virtual routers: in order, one after the other, and waited for.

keepalived forks all of them at once, so that the script of an earlier state may end after that of a later one. Here those of one
router keep the order of its states, each waited for; those of different routers run beside each other. keepalived has no time
limit; here a script that is not done after ``LIMIT`` is ended, since the next state's script waits for it; also one that an
earlier manager has left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ..adapters.agent_log import ResourceLog
from ..adapters.agent_proc import Identity, is_alive, kill_group, process_end
from ..adapters.track_run import PATIENCE, RunEnd, environment_of, run, start
from ..adapters.track_users import Program, examine, user_of
from ..effects import Level
from ..units import SECOND, Duration, format_duration
from ..vrrp_files import RouterFiles, RouterGlobals
from .router_memory import Memory
from .router_told import Call, Told, calls, every_call, notified_of

LIMIT: Duration = 60 * SECOND
"""A notify script may start a database; but who waits for its router's next state waits for this as well."""

LONGEST_QUEUE = 100
"""States of one router that wait for their scripts; of more the oldest are dropped, and that is said."""

SLOW: Duration = 10 * SECOND
"""A script that runs for longer is a warning of the status, whoever waits for it."""

Say: TypeAlias = Callable[[Level, str, str], None]
"""Level, sentence, router."""


@dataclass(slots=True)
class _Line:
    """What one router or sync group has before it."""

    what: str
    name: str
    waiting: deque[tuple[Told, Call]] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None
    now: str = ""
    begun: float = 0.0


class Notifier:
    """All of one node. ``folder``: for the output of the scripts. ``memory``: gets what has begun."""

    def __init__(
        self,
        files: RouterFiles,
        folder: str,
        say: Say,
        limit: Duration = LIMIT,
        patience: Duration = PATIENCE,
        memory: Memory | None = None,
        slow: Duration = SLOW,
    ) -> None:
        self.files = files
        self._folder = folder
        self._say = say
        self._limit = limit
        self._patience = patience
        self._memory = memory
        self._slow = slow
        self._bad: dict[tuple[str, str, str], str] = {}
        """By kind, name and field: why its script cannot be run, or failed when it was run last."""
        self._lines: dict[tuple[str, str], _Line] = {}
        self._remarked: set[str] = set()
        self._leaving = False

    def tell(self, told: Told, former: RouterFiles | None = None) -> None:
        """Queue what is to be run for it. ``former``: where the scripts of a router stand that was just deleted."""
        notified = notified_of(self.files, told.what, told.name)
        if notified is None and former is not None:
            notified = notified_of(former, told.what, told.name)
        found = () if notified is None else calls(notified, told)
        if not found:
            return
        line = self._lines.setdefault((told.what, told.name), _Line(told.what, told.name))
        line.waiting.extend((told, call) for call in found)
        while len(line.waiting) > LONGEST_QUEUE:
            lost, _ = line.waiting.popleft()
            self._say(
                Level.ERROR,
                f"{told.name}: its script for {lost.state} is left out: {LONGEST_QUEUE} later ones wait"
                + (f" for {line.now}" if line.now else ""),
                told.name,
            )
        if line.task is None:
            line.task = asyncio.get_running_loop().create_task(self._work(line))

    async def examine(self) -> None:
        """Judge every script of the configuration: at the start and after a reload, not only when it is needed."""
        files, loop = self.files, asyncio.get_running_loop()
        found: dict[tuple[str, str, str], str] = {}
        owners = [("INSTANCE", each.name, each.notified) for each in files.routers]
        owners += [("GROUP", each.name, each.notified) for each in files.sync_groups]
        for what, name, told in owners:
            for call in every_call(told):
                program = await loop.run_in_executor(None, judge, call, files.settings)
                if isinstance(program, str):
                    found[what, name, call.field] = f"{name}: its notify script {call.argv[0]} cannot be run: {program}"
        for text in dict.fromkeys(found.values()):
            if text not in self._bad.values():
                self._say(Level.WARNING, text, "")
        self._bad = found

    def warnings(self) -> list[str]:
        """What cannot be run or failed, and what others wait for, or will."""
        found = list(dict.fromkeys(self._bad.values()))
        for (_, name), line in self._lines.items():
            spent = int((time.monotonic() - line.begun) * SECOND)
            if line.now and (spent > self._slow or len(line.waiting) > 2):
                text = f"{name}: the notify script {line.now} has run for {format_duration(spent // SECOND * SECOND)}"
                found.append(f"{text}, and {len(line.waiting)} wait for it" if line.waiting else text)
        return found

    async def drain(self, limit: Duration) -> None:
        """The daemon ends: wait for what is queued, at most for ``limit``. What has not begun then is begun, all of it in order,
        and nothing is waited for any more; what runs goes on.
        """
        tasks = [line.task for line in self._lines.values() if line.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=limit / SECOND)
        self._leaving = True
        for line in self._lines.values():
            if line.task is None:
                continue
            line.task.cancel()
            text = f"{line.now or 'a notify script'} is not waited for any more: the daemon ends"
            self._say(Level.WARNING, text, "")
            for told, call in line.waiting:
                program = judge(call, self.files.settings)
                if isinstance(program, Program):
                    start(program, environment_of(program, told.environment), self._log(told))

    async def _work(self, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        await self._former_ends(line)
        while line.waiting:
            first = line.waiting[0]
            told, call = first
            line.now, line.begun = call.argv[0], time.monotonic()
            program = await loop.run_in_executor(None, judge, call, self.files.settings)
            if line.waiting[0] is not first:  # so many came that this one was left out
                continue
            line.waiting.popleft()
            await self._one(told, call, program, not line.waiting or line.waiting[0][0] is not told)
        line.task, line.now = None, ""

    async def _former_ends(self, line: _Line) -> None:
        """Wait for the script of an earlier manager, as long as one of our own may take; then it is ended."""
        former = None if self._memory is None else self._memory.former_script(line.what, line.name)
        if former is None or not is_alive(former):
            return
        line.now, line.begun = f"process {former.pid}, which an earlier manager has started,", time.monotonic()
        if not await process_end(former.pid, self._limit):
            self._say(Level.ERROR, f"{line.name}: {line.now} is not done, and is ended", line.name)
            await kill_group(former)

    async def _one(self, told: Told, call: Call, program: Program | str, last: bool) -> None:
        what = f"{told.name}: the script for {told.state}, {call.argv[0]},"
        place = (told.what, told.name, call.field)

        def begun(who: Identity | None) -> None:
            if self._memory is not None:
                self._memory.begun(told, who, last)

        if isinstance(program, str):
            begun(None)
            self._bad[place] = f"{what} is not run: {program}"
            self._say(Level.ERROR, self._bad[place], told.name)
            return
        if program.remark and program.remark not in self._remarked:
            self._remarked.add(program.remark)
            self._say(Level.WARNING, program.remark, told.name)

        def answered(end: RunEnd) -> None:
            self._bad.pop(place, None)
            if not end.good:
                self._bad[place] = f"{what} {'was ended' if end.late else 'failed'}: {end.text}"
            if end.late:
                text = f"{what} is ended: {end.text} (keepalived would let it run on, and later ones beside it)"
                self._say(Level.ERROR, text, told.name)
            elif not end.good:
                self._say(Level.WARNING, f"{what} failed: {end.text}", told.name)

        given = environment_of(program, told.environment)
        log = self._log(told)
        await run(program, given, self._limit, log, answered, self._patience, lambda: self._leaving, begun)

    def _log(self, told: Told) -> ResourceLog:
        return ResourceLog(self._folder, f"notify-{told.name}")


def judge(call: Call, settings: RouterGlobals) -> Program | str:
    """The script as it can be run now, or why it can't. Asks the name service and the disk."""
    security = settings.script_security
    return examine(call.argv, user_of(call.user, settings.script_user, security), security)
