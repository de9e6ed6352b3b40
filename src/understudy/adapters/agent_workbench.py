"""What the runner of one kind of resource works with, and what it must offer.

A kind that is more than one program with an exit code has a runner of its own (``agent_mount``, ``agent_script`` and so on).
``Agents`` calls it for one action at a time, bounded by the action's limit. A runner may be cancelled at any await, as an
action is that a stop cuts short; what it starts through ``Workbench.run`` is then ended or left to the next manager.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..effects import Action
from ..units import SECOND, Duration
from .agent_action import Ended, run_action
from .agent_log import ResourceLog
from .agent_ocf import Verdict


class Clock:
    """Counts what is left of an action's limit."""

    def __init__(self, limit: Duration) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + limit / SECOND

    @property
    def left(self) -> Duration:
        """At least 1 ns, so that it can always be handed on as a limit."""
        return max(int((self._end - self._loop.time()) * SECOND), 1)

    @property
    def is_over(self) -> bool:
        return self._loop.time() >= self._end

    async def pause(self, span: Duration) -> bool:
        """Wait for ``span``, or for what is left; False when the limit has come."""
        await asyncio.sleep(min(span, self.left) / SECOND)
        return not self.is_over


@dataclass(frozen=True, slots=True)
class Workbench:
    """``record``: where the process of the action under way is noted for the next manager. ``note``: a file of the runner's own,
    for what the next manager must know. ``stop_failed``: whether "not running" would now count as stopped, so that only a clear
    word may say so.
    """

    log: ResourceLog
    record: str
    note: str
    cut_short: Callable[[], bool]
    stop_failed: Callable[[], bool] = lambda: False

    async def run(
        self, argv: Sequence[str], environment: Mapping[str, str], limit: Duration, answer: ResourceLog | None = None
    ) -> Ended:
        """One program to its end. With ``answer`` its standard output goes there and into ``Ended.answer``."""
        return await run_action(argv, environment, limit, self.log, self.record, self.cut_short, answer)

    async def run_quietly(self, argv: Sequence[str], environment: Mapping[str, str], limit: Duration) -> Ended:
        """As ``run``, with the standard output in ``Ended.answer`` and out of the log."""
        return await self.run(argv, environment, limit, ResourceLog.beside(self.log))


class Runner(Protocol):
    """One resource of its kind."""

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """One action. ``base``: the environment of every program of ours. ``probe``: it is not thought to run here."""
        ...
