"""Run the programs of groups: commands, scripts and OCF agents. Used by the manager, inside its event loop.

Rules kept here: never two actions of one resource at once, over restarts of the manager too; a monitor is cut short by a
start, and both by a stop, because a node that has lost its lease must not wait for a slow start; every action has a hard
limit. What an action's end means is decided in ``agent_ocf`` (exit codes), ``agent_program`` (our own children) and the runners
of the other kinds (``agent_kinds``).

Cancelling a call of ``run`` abandons the action and does not end it: the next manager finds it by its record.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from ..changes import same_run
from ..effects import Action
from ..events import Outcome
from ..model import AddressResource, Cluster, CommandResource, OcfResource, Program, ScriptResource
from ..units import SECOND, Duration
from .agent_action import outlive_leftover, run_action
from .agent_kinds import make_runner
from .agent_log import ResourceLog
from .agent_ocf import (
    STANDARD_TEMPORARY,
    Verdict,
    agent_path,
    base_environment,
    ocf_environment,
    ocf_verdict,
    script_verdict,
    script_words,
)
from .agent_proc import file_stem
from .agent_program import Program as RunningProgram
from .agent_workbench import Runner, Workbench

STANDARD_RUNTIME = "/run/understudy"

Failed = Callable[[str, str, str], None]
"""Called with group, resource and a sentence when a program dies outside any action."""


@dataclass(slots=True)
class _Slot:
    group: str
    resource: Program
    log: ResourceLog
    record: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    under_way: tuple[Action, asyncio.Task[Verdict]] | None = None
    cut_short: bool = False
    believed_started: bool = False
    stop_failed: bool = False
    """Since its last stop nobody has said clearly whether it runs."""
    died_meanwhile: str = ""
    program: RunningProgram | None = None
    runner: Runner | None = None

    def is_cut_short(self) -> bool:
        return self.cut_short

    def has_failed_to_stop(self) -> bool:
        return self.stop_failed

    def note(self, action: Action, outcome: Outcome) -> None:
        """What an action's end says about what runs. A stop without success is the only one that says nothing."""
        if outcome is Outcome.OK:
            self.believed_started = action is not Action.STOP
            self.stop_failed = False
        elif action is Action.MONITOR and outcome is Outcome.NOT_RUNNING:
            self.believed_started = self.stop_failed = False
        elif action is Action.STOP:
            self.stop_failed = True

    def follow(self, resource: Program) -> None:
        """Other limits, or the like; it runs as it ran."""
        self.resource = resource
        if self.program is not None and isinstance(resource, CommandResource):
            self.program.resource = resource


class Agents:
    """All programs of one node. ``runtime_dir`` gets ``log``, ``programs``, ``actions`` and ``notes``, nothing else."""

    def __init__(
        self, cluster: Cluster, me: str, runtime_dir: str, failed: Failed, former: Cluster | None = None
    ) -> None:
        self._me = me
        self._runtime_dir = runtime_dir
        self._failed = failed
        self._temporary = STANDARD_TEMPORARY
        if os.path.realpath(runtime_dir) != STANDARD_RUNTIME:
            # Several nodes on one machine must not share the agents' state files.
            self._temporary = os.path.join(runtime_dir, "resource-agents")
        self.environment: dict[str, str] = {}
        """For every program besides its own; what we give each of them counts before this."""
        self.troubles: list[str] = []
        for directory in (
            self._temporary,
            *(os.path.join(runtime_dir, name) for name in ("log", "programs", "actions", "notes")),
        ):
            self._make(directory)
        self._slots: dict[tuple[str, str], _Slot] = {}
        self._former: dict[tuple[str, str], _Slot] = {}
        self.follow(cluster if former is None else former, None)
        if former is not None:
            self.follow(cluster, former)

    def follow(self, cluster: Cluster, former: Cluster | None) -> None:
        """The programs of ``cluster`` from now on. Those that run otherwise than before stay known as they were until
        ``forget_former``; with ``former`` None at once no longer: then nothing of ours runs as it was.
        """
        before, self._slots = {**self._slots, **self._former}, {}
        for group in cluster.groups:
            for resource in group.resources:
                if isinstance(resource, AddressResource):
                    continue
                key = (group.name, resource.id)
                slot = before.get(key)
                if slot is not None and same_run(slot.resource, resource):
                    before.pop(key)
                    slot.follow(resource)
                else:
                    slot = self._slot(self._runtime_dir, group.name, resource, self._failed)
                self._slots[key] = slot
        self._former = before if former is not None else {}

    def forget_former(self) -> None:
        """Nothing runs any more as it was before the last change."""
        self._former = {}

    def _make(self, directory: str) -> None:
        try:
            os.makedirs(directory, mode=0o755, exist_ok=True)
        except OSError as error:
            self.troubles.append(f"cannot make {directory}: {error.strerror}")

    @staticmethod
    def _slot(runtime_dir: str, group: str, resource: Program, failed: Failed) -> _Slot:
        log = ResourceLog(os.path.join(runtime_dir, "log"), resource.id)
        stem = file_stem(resource.id)
        slot = _Slot(group, resource, log, os.path.join(runtime_dir, "actions", f"{stem}.json"))

        def died(text: str) -> None:
            slot.believed_started = False
            if slot.lock.locked():
                # The action under way must tell it, or its "ok" would come after this and hide it.
                slot.died_meanwhile = text
            else:
                failed(group, resource.id, text)

        if isinstance(resource, CommandResource):
            path = os.path.join(runtime_dir, "programs", f"{stem}.json")
            slot.program = RunningProgram(resource, log, path, died)
        note = os.path.join(runtime_dir, "notes", f"{stem}.json")
        slot.runner = make_runner(
            resource, Workbench(log, slot.record, note, slot.is_cut_short, slot.has_failed_to_stop), died
        )
        return slot

    def adopt(self) -> tuple[str, ...]:
        """Take over the programs of an earlier manager; returns the ids of those that run. Call it once, in the loop."""
        found = []
        for slot in ({**self._slots, **self._former}).values():
            if slot.program is not None and slot.program.adopt():
                slot.believed_started = True
                found.append(slot.resource.id)
        return tuple(found)

    async def run(
        self,
        group: str,
        resource: str,
        action: Action,
        limit: Duration,
        ballot: int,
        reason: str = "",
        former: bool = False,
    ) -> Verdict:
        """Run one action and say how it ended. Waits for an action of the same resource that must not be interrupted.

        ``former``: of the program as it was before the last ``follow``.
        """
        key = (group, resource)
        # What was ordered just before the change may have no name in the new configuration any more.
        slot = self._former.get(key) if former else self._slots.get(key, self._former.get(key))
        if slot is None:
            return Outcome.UNKNOWN, f"this node's configuration has no program {resource!r} in group {group!r}"
        if slot.under_way is not None and _cuts_short(action, slot.under_way[0]):
            slot.cut_short = True
            slot.under_way[1].cancel()
        async with slot.lock:
            task = asyncio.get_running_loop().create_task(self._perform(slot, action, limit, ballot, reason))
            slot.under_way = (action, task)
            try:
                await asyncio.wait({task})
            finally:
                slot.under_way = None
                slot.cut_short = False
            died, slot.died_meanwhile = slot.died_meanwhile, ""
            if task.cancelled():
                return Outcome.UNKNOWN, "cut short by the next action of this resource"
            verdict = task.result()
            if died and action is not Action.STOP and verdict[0] is Outcome.OK:
                outcome, text = (Outcome.FAILED, died) if slot.program is None else slot.program.monitor()
                return (Outcome.FAILED if action is Action.START else outcome), text
            return verdict

    async def _perform(self, slot: _Slot, action: Action, limit: Duration, ballot: int, reason: str) -> Verdict:
        base = self.environment | base_environment(self._me, slot.group, slot.resource.id, ballot, reason)
        if slot.program is not None:
            verdict = await self._perform_program(slot.program, action, limit, base)
        else:
            # An action that an earlier manager began gets half of the time; a stop gives it none.
            spent = await outlive_leftover(slot.record, 0 if action is Action.STOP else limit // 2)
            verdict = await self._perform_agent(slot, action, limit - spent, base)
        slot.note(action, verdict[0])
        return verdict

    @staticmethod
    async def _perform_program(
        program: RunningProgram, action: Action, limit: Duration, base: dict[str, str]
    ) -> Verdict:
        if action is Action.START:
            return await program.start(base)
        if action is Action.STOP:
            return await program.stop(limit)
        return program.monitor()

    async def _perform_agent(self, slot: _Slot, action: Action, limit: Duration, base: dict[str, str]) -> Verdict:
        resource = slot.resource
        # After a stop that failed "it is not installed" is no answer: what runs may run without its agent.
        probe = not (slot.believed_started or slot.stop_failed)
        if slot.runner is not None:
            return await slot.runner.perform(action, limit, base, probe)
        if isinstance(resource, ScriptResource):
            ended = await run_action(
                script_words(resource, action), base, limit, slot.log, slot.record, slot.is_cut_short
            )
            return script_verdict(action, ended, probe, slot.stop_failed)
        if not isinstance(resource, OcfResource):
            return Outcome.UNKNOWN, "not a kind that has actions"
        # With 0 agents take a monitor for a probe, which may say "not running" of what it cannot look at.
        interval = 0 if probe or action is not Action.MONITOR else resource.limits.interval or SECOND
        environment = ocf_environment(resource, base, action, limit, interval, self._temporary)
        ended = await run_action(
            (agent_path(resource), action.value), environment, limit, slot.log, slot.record, slot.is_cut_short
        )
        return ocf_verdict(action, ended, probe)

    async def tend_logs(self, every: Duration = SECOND) -> None:
        """Keep the logs of long-running programs bounded; runs until cancelled.

        A log is looked at every ``every`` ns (one stat), and ten times as often for as long as one outgrows its bound each
        time: /run is memory, and a program that complains in a loop fills it in seconds.
        """
        pause = every
        while True:
            await asyncio.sleep(pause / SECOND)
            shortened = [slot.log.shorten() for slot in (*self._slots.values(), *self._former.values())]
            pause = every // 10 if any(shortened) else every


def _cuts_short(new: Action, old: Action) -> bool:
    if new is Action.STOP:
        return old is not Action.STOP
    return new is Action.START and old is Action.MONITOR
