"""``vrrp_script``: each is run at its interval, once however many virtual routers track it, and its results are counted.

As keepalived does it: a run is skipped while the one before still runs, what takes longer than the limit has failed (and counts
so at the limit, where keepalived waits for its end), and the first result alone decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ..adapters.agent_log import ResourceLog
from ..adapters.track_run import PATIENCE, RunEnd, environment_of, run
from ..adapters.track_users import Program
from ..units import SECOND, Duration
from ..vrrp_files import TrackedScript
from .probes import next_due

Said = Callable[[bool, str], None]
"""Called with whether the script is well, and why not."""


@dataclass(slots=True)
class Counter:
    """One number from 0 to ``rise + fall - 1``, good from ``rise`` on; ``good`` None: nothing is known yet.

    A success adds one, and reaching ``rise`` goes to the top; a failure takes one away, and falling below ``rise`` goes to 0. It
    begins at ``rise - 1``, and a failure is final at once: so the first result alone decides. ``init_fail`` begins at 0, failed.
    """

    rise: int
    fall: int
    begins_failed: bool = False
    value: int = field(init=False)
    good: bool | None = field(init=False)

    def __post_init__(self) -> None:
        self.rise, self.fall = max(self.rise, 1), max(self.fall, 1)
        self.value = 0 if self.begins_failed else self.rise - 1
        self.good = False if self.begins_failed else None

    def add(self, success: bool) -> bool:
        """Count a result; whether the verdict is another one now."""
        before = self.good
        if success:
            self.value += 1
            if self.value == self.rise:
                self.value = self.rise + self.fall - 1
            self.value = min(self.value, self.rise + self.fall - 1)
        else:
            self.value = max(self.value - 1, 0)
            if self.value < self.rise:
                self.value = 0
        self.good = self.value >= self.rise
        return self.good != before


class ScriptWatch:
    """One script. ``delay``: seconds before its first run, so that many scripts do not begin in one instant."""

    def __init__(
        self,
        script: TrackedScript,
        program: Program,
        log: ResourceLog,
        said: Said,
        delay: float = 0.0,
        patience: Duration = PATIENCE,
    ) -> None:
        self.script = script
        self.counter = Counter(script.rise, script.fall, script.begins_failed)
        self.running = False
        self.skipped = 0
        self._program = program
        self._log = log
        self._said = said
        self._delay = delay
        self._patience = patience
        self._environment = environment_of(program, {"UNDERSTUDY_SCRIPT": script.name})

    async def work(self) -> None:
        """Run it again and again, until cancelled; then what runs of it is ended."""
        loop = asyncio.get_running_loop()
        interval = self.script.interval / SECOND
        due = loop.time() + self._delay
        if self.script.begins_failed:
            self._said(False, "it begins as failed (init_fail)")
        while True:
            await asyncio.sleep(due - loop.time())
            self.running = True
            try:
                limit = self.script.timeout or self.script.interval
                await run(self._program, self._environment, limit, self._log, self._answered, self._patience)
            finally:
                self.running = False
            following = next_due(due, loop.time(), interval)
            self.skipped += round((following - due) / interval) - 1
            due = following

    def _answered(self, end: RunEnd) -> None:
        if self.counter.add(end.good):
            self._said(end.good, end.text)
