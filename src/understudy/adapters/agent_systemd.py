"""Run and watch one unit of systemd. Its unexpected end is told at once, by systemd's own signal.

Started means that systemd's job is done and the unit is active; stopped that it is neither active nor on the way. A unit
that takes longer to stop than the limit allows gets SIGKILL to its whole control group near the end, as programs of ours do.

What this does not do: change the unit. With ``Restart=`` in it systemd may start it again by itself, and we hear of it
only when systemd gives up; a unit that is enabled is started at boot, on every machine.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

from ..effects import Action
from ..events import Outcome
from ..model import SystemdResource
from ..units import MILLISECOND, SECOND, Duration, format_duration
from .agent_ocf import Verdict
from .agent_proc import Identity, identify, is_alive
from .agent_workbench import Clock
from .systemd_bus import BusGone, Refused, SystemdUnit, UnitState

_RUNS = ("active", "reloading", "refreshing")
_ENDED = ("inactive", "failed")
_RETURN: Duration = SECOND
"""How often to look whether D-Bus is back, or whether systemd answers at last."""
_UNSETTLED: Duration = 100 * MILLISECOND
"""Between two looks at a unit that changes at each of them."""


class SystemdRunner:
    """One ``systemd`` resource. ``died`` is called with a sentence when the unit ends outside any action."""

    def __init__(
        self, resource: SystemdResource, died: Callable[[str], None], unit: type[SystemdUnit] = SystemdUnit
    ) -> None:
        self.resource = resource
        self._died = died
        self._unit = unit(resource.unit, self._changed, self._lost)
        self._believed_running = False
        self._busy = False
        self._stop_failed = False
        self._missed = False
        """Something was heard while an action or a look was under way, after it had asked for the state."""
        self._main: Identity | None = None
        self._look: asyncio.Task[None] | None = None

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        clock = Clock(limit)
        self._busy = True
        try:
            async with asyncio.timeout(limit / SECOND):
                if action is Action.START:
                    verdict = await self._start()
                elif action is Action.STOP:
                    verdict = await self._stop(clock)
                else:
                    verdict = await self._monitor()
        except TimeoutError:
            verdict = Outcome.UNKNOWN, f"{self.resource.unit}: systemd was not done after {format_duration(limit)}"
        except BusGone as gone:
            verdict = self._without_bus(action, gone)
        except Refused as refused:
            verdict = Outcome.FAILED, f"systemd: {refused}"
        finally:
            self._busy = False
        if action is Action.STOP:
            self._stop_failed = verdict[0] is not Outcome.OK
        self._believed_running = action is not Action.STOP and verdict[0] is Outcome.OK
        if self._missed:
            self._changed()
        return verdict

    async def _start(self) -> Verdict:
        state = await self._state()
        if state.loaded in ("not-found", "masked", "bad-setting", "error"):
            return Outcome.FAILED, _cannot(self.resource.unit, state.loaded)
        if state.active in _RUNS:
            return Outcome.OK, "was running already"
        result = await self._unit.job("StartUnit")
        state = await self._state()
        if result == "done" and state.active in _RUNS:
            return Outcome.OK, ""
        if result == "done" and state.active == "inactive":
            return Outcome.FAILED, "it ended at once; a unit of Type=oneshot needs RemainAfterExit=yes"
        why = f" ({state.result})" if state.result not in ("", "success") else ""
        return Outcome.FAILED, f"systemd says {result}{why}; see: journalctl -u {self.resource.unit}"

    async def _stop(self, clock: Clock) -> Verdict:
        state = await self._state()
        if state.active in _ENDED:
            return Outcome.OK, "was not running"
        reserve = min(max(clock.left // 4, 50 * MILLISECOND), 2 * SECOND)
        job = asyncio.ensure_future(self._unit.job("StopUnit"))
        text = ""
        try:
            done, _ = await asyncio.wait({job}, timeout=(clock.left - reserve) / SECOND)
            if not done:
                text = "killed: systemd had not stopped it in time"
                await self._unit.kill(signal.SIGKILL)
            result = await job
        finally:
            job.cancel()
        state = await self._state()
        if state.active in _ENDED:
            return Outcome.OK, text
        return Outcome.FAILED, f"systemd says {result}, but the unit is {state.active}"

    async def _monitor(self) -> Verdict:
        while True:
            state = await self._state()
            if state.active in _RUNS:
                return Outcome.OK, ""
            if state.active not in ("activating", "deactivating"):
                break
            await self._unit.next_change()
        if state.loaded == "not-found":
            return Outcome.NOT_RUNNING, _cannot(self.resource.unit, state.loaded)
        if state.active in _ENDED:
            return Outcome.NOT_RUNNING, _ended(state)
        return Outcome.FAILED, f"the unit is {state.active}"

    async def _state(self) -> UnitState:
        self._missed = False
        state = await self._unit.state()
        if state.main and (self._main is None or self._main.pid != state.main):
            self._main = identify(state.main)
        elif not state.main:
            self._main = None
        return state

    def _without_bus(self, action: Action, gone: BusGone) -> Verdict:
        """A broken D-Bus is no failure of the service: its main process still says whether it lives."""
        if action is Action.MONITOR and self._main is not None:
            if is_alive(self._main):
                return Outcome.OK, f"{gone}; its main process {self._main.pid} lives, more is not known"
            if self._stop_failed:
                return (
                    Outcome.UNKNOWN,
                    f"its main process {self._main.pid} has ended, others of the unit may not; {gone}",
                )
            return Outcome.NOT_RUNNING, f"its main process {self._main.pid} has ended; {gone}"
        return Outcome.UNKNOWN, str(gone)

    # What is not asked for -----------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Signals come in bursts and pass through states of a moment, so systemd is asked where it has come to rest."""
        self._missed = self._busy or self._looks()
        if self._believed_running and not self._missed:
            self._look = asyncio.get_running_loop().create_task(self._look_again(0))

    def _looks(self) -> bool:
        return self._look is not None and not self._look.done()

    def _lost(self) -> None:
        if not self._looks():
            self._look = asyncio.get_running_loop().create_task(self._look_again(_RETURN))

    async def _look_again(self, pause: Duration) -> None:
        unsettled = 0
        while True:
            await asyncio.sleep(pause / SECOND)
            if self._busy or not self._believed_running:
                return
            try:
                state = await self._state()
            except BusGone:
                pause = _RETURN
                continue
            except Refused:
                if not self._missed:
                    return
                pause = _RETURN  # what was heard meanwhile may have been the end, and nothing says it again
                continue
            if not self._missed:
                break
            # The state comes in two answers, and a change between them is in neither.
            unsettled += 1
            pause = 0 if unsettled < 2 else _UNSETTLED
        if state.active in _ENDED and self._believed_running and not self._busy:
            self._believed_running = False
            self._died(_ended(state))


def _ended(state: UnitState) -> str:
    why = f" ({state.result})" if state.result not in ("", "success") else ""
    return f"the unit is {state.active}{why}"


def _cannot(unit: str, loaded: str) -> str:
    if loaded == "not-found":
        return f"there is no unit {unit}"
    if loaded == "masked":
        return f"{unit} is masked; see: systemctl unmask {unit}"
    return f"systemd cannot read {unit} ({loaded}); see: systemctl status {unit}"
