"""The kind ``systemd`` over a real D-Bus of its own, against a pretended systemd (python-dbusmock)."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_helpers import Stage, play, until
from systemd_room import Room, needs_mock

from understudy.adapters.agent_systemd import SystemdRunner
from understudy.adapters.systemd_bus import Refused, SystemdUnit, UnitState
from understudy.effects import Action
from understudy.events import Outcome
from understudy.model import SystemdResource
from understudy.units import MILLISECOND, SECOND

pytestmark = pytest.mark.slow

OK, NOT_RUNNING, FAILED, UNKNOWN = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED, Outcome.UNKNOWN
UNIT = "site.service"
SITE = SystemdResource("site", UNIT)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    needs_mock()
    room = Room(tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", room.address)
    room.start_bus()
    try:
        room.start_systemd()
        room.say("SetState", UNIT, "loaded", "inactive", "success")
        yield room
    finally:
        room.end()


def test_life_of_a_unit(tmp_path: Path, room: Room) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        assert await stage.run("monitor") == (NOT_RUNNING, "the unit is inactive")
        assert await stage.run("stop") == (OK, "was not running")
        assert await stage.run("start") == (OK, "")
        assert "true" in room.say("IsSubscribed")
        assert await stage.run("start") == (OK, "was running already")
        assert await stage.run("monitor") == (OK, "")
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert await stage.run("monitor") == (NOT_RUNNING, "the unit is inactive")
        assert stage.deaths == []

    play(scene())


def test_a_job_that_takes_its_time(tmp_path: Path, room: Room) -> None:
    """Started and stopped is what JobRemoved says, not that the request was taken."""

    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        room.say("Behave", UNIT, "hold")
        for action in ("start", "stop"):
            task = asyncio.ensure_future(stage.run(action))
            await until(lambda: "activating" in room.state(UNIT), "the job is under way")
            assert not task.done()
            room.say("Release", "done")
            assert (await task)[0] is OK

    play(scene())


def test_a_start_that_fails(tmp_path: Path, room: Room) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        room.say("Behave", UNIT, "failed")
        text = "systemd says failed (exit-code); see: journalctl -u site.service"
        assert await stage.run("start") == (FAILED, text)
        assert await stage.run("monitor") == (NOT_RUNNING, "the unit is failed (exit-code)")
        assert await stage.run("stop") == (OK, "was not running")

    play(scene())


def test_units_that_cannot_be_started(tmp_path: Path, room: Room) -> None:
    room.say("SetState", "masked.service", "masked", "inactive", "success")

    async def scene() -> None:
        stage = Stage(tmp_path, SystemdResource("no", "no.service"), SystemdResource("masked", "masked.service"))
        assert await stage.run("monitor", "no") == (NOT_RUNNING, "there is no unit no.service")
        assert await stage.run("start", "no") == (FAILED, "there is no unit no.service")
        text = "masked.service is masked; see: systemctl unmask masked.service"
        assert await stage.run("start", "masked") == (FAILED, text)

    play(scene())


def test_a_start_that_does_not_end_is_unknown(tmp_path: Path, room: Room) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        room.say("Behave", UNIT, "hold")
        outcome, text = await stage.run("start", limit=200 * MILLISECOND)
        assert outcome is UNKNOWN
        assert text == "site.service: systemd was not done after 200ms"

    play(scene())


def test_a_stop_that_does_not_end_is_killed(tmp_path: Path, room: Room) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        await stage.run("start")
        room.say("Behave", UNIT, "hold")
        verdict = await stage.run("stop", limit=2 * SECOND)
        assert verdict == (OK, "killed: systemd had not stopped it in time")

    play(scene())


def test_an_unexpected_end_is_told_at_once(tmp_path: Path, room: Room) -> None:
    """No monitor is asked for here: only the signal can have told it."""

    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        await stage.run("start")
        room.say("SetState", UNIT, "loaded", "reloading", "success")
        room.say("SetState", UNIT, "loaded", "active", "success")
        assert stage.deaths == []
        room.say("SetState", UNIT, "loaded", "failed", "signal")
        await until(lambda: stage.deaths, "the death is told")
        assert stage.deaths == [("site", "the unit is failed (signal)")]
        room.say("SetState", UNIT, "loaded", "inactive", "success")
        assert await stage.run("monitor") == (NOT_RUNNING, "the unit is inactive")
        assert len(stage.deaths) == 1, "told twice"

    play(scene())


class ComesToRest(SystemdUnit):
    """Is being stopped, and comes to rest between the two answers of which its state is made."""

    made: ComesToRest

    def __init__(self, name: str, changed: Callable[[], None], lost: Callable[[], None]) -> None:
        super().__init__(name, changed, lost)
        self.states = ["active"]
        ComesToRest.made = self

    async def state(self) -> UnitState:
        active = self.states.pop(0)
        if active == "deactivating":
            self._changed()
        return UnitState("loaded", active, "")

    def stop_by_hand(self) -> None:
        self.states = ["deactivating", "inactive"]
        self._changed()


def test_what_changes_while_it_is_looked_at_is_not_lost() -> None:
    """Seen in a virtual machine: `systemctl stop` was never noticed."""

    async def scene() -> None:
        deaths: list[str] = []
        runner = SystemdRunner(SITE, deaths.append, ComesToRest)
        assert (await runner.perform(Action.MONITOR, SECOND, {}, False))[0] is OK
        ComesToRest.made.stop_by_hand()
        await until(lambda: deaths, "the end is told")
        assert deaths == ["the unit is inactive"]

    play(scene())


class Restless(SystemdUnit):
    """Changes during each look but the last. ``answers``: its states, in order, and "refused" for a refusal."""

    made: Restless

    def __init__(self, name: str, changed: Callable[[], None], lost: Callable[[], None]) -> None:
        super().__init__(name, changed, lost)
        self.answers = ["active"]
        self.looked: list[float] = []
        Restless.made = self

    async def state(self) -> UnitState:
        self.looked.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0)
        if self.answers:
            self._changed()
        if answer == "refused":
            raise Refused("No such unit")
        return UnitState("loaded", answer, "")

    def change(self, *answers: str) -> None:
        self.answers, self.looked = list(answers), []
        self._changed()


def test_what_changes_during_a_look_that_systemd_refuses_is_not_lost() -> None:
    async def scene() -> None:
        deaths: list[str] = []
        runner = SystemdRunner(SITE, deaths.append, Restless)
        assert (await runner.perform(Action.MONITOR, SECOND, {}, False))[0] is OK
        Restless.made.change("refused", "failed")
        await until(lambda: deaths, "the end is told")
        assert deaths == ["the unit is failed"]

    play(scene())


def test_a_refused_look_during_which_nothing_is_heard_is_the_last_one() -> None:
    async def scene() -> None:
        runner = SystemdRunner(SITE, lambda _: None, Restless)
        await runner.perform(Action.MONITOR, SECOND, {}, False)
        Restless.made.change("refused")
        await until(lambda: not runner._looks(), "no look is under way")
        assert len(Restless.made.looked) == 1

    play(scene())


def test_a_unit_that_never_rests_is_looked_at_with_pauses() -> None:
    async def scene() -> None:
        deaths: list[str] = []
        runner = SystemdRunner(SITE, deaths.append, Restless)
        await runner.perform(Action.MONITOR, SECOND, {}, False)
        Restless.made.change("active", "active", "active", "active", "failed")
        await until(lambda: deaths, "the end is told")
        looked = Restless.made.looked
        assert [after - before >= 0.09 for before, after in itertools.pairwise(looked)][1:] == [True, True, True]

    play(scene())


def test_the_next_manager_hears_it_too(tmp_path: Path, room: Room) -> None:
    async def scene() -> None:
        await Stage(tmp_path, SITE).run("start")
        stage = Stage(tmp_path, SITE)
        assert (await stage.run("monitor"))[0] is OK
        room.say("SetState", UNIT, "loaded", "inactive", "success")
        await until(lambda: stage.deaths, "the death is told")

    play(scene())


def test_a_stop_of_ours_is_no_death(tmp_path: Path, room: Room) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        await stage.run("start")
        room.say("Behave", UNIT, "hold")
        stop = asyncio.ensure_future(stage.run("stop"))
        await until(lambda: "deactivating" in room.state(UNIT), "the stop is under way")
        room.say("Release", "done")
        assert (await stop)[0] is OK
        assert (await stage.run("monitor"))[0] is NOT_RUNNING
        assert stage.deaths == []

    play(scene())


def test_without_systemd_on_the_bus(tmp_path: Path, room: Room) -> None:
    assert room.systemd is not None
    room.systemd.kill()
    room.systemd.wait()

    async def scene() -> None:
        outcome, text = await Stage(tmp_path, SITE).run("monitor")
        assert outcome is UNKNOWN
        assert text.startswith("systemd is not on D-Bus (")

    play(scene())


def test_d_bus_goes_and_comes_back(tmp_path: Path, room: Room) -> None:
    """The service goes on, and it is said what is known; when the bus is back, signals are heard again."""
    server = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
    room.say("SetMain", UNIT, f"uint32:{server.pid}")

    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        assert await stage.run("start") == (OK, "")
        assert (await stage.run("monitor"))[0] is OK
        room.end()
        outcome, text = await stage.run("monitor")
        assert outcome is OK
        assert text.startswith("D-Bus ")
        assert text.endswith(f"; its main process {server.pid} lives, more is not known")
        outcome, text = await stage.run("stop", limit=SECOND)
        assert outcome is UNKNOWN
        assert text.startswith(f"D-Bus cannot be reached ({room.address}: ")
        assert (await stage.run("monitor"))[0] is OK
        room.start_bus()
        room.start_systemd()
        room.say("SetState", UNIT, "loaded", "failed", "signal")
        await until(lambda: stage.deaths, "what happened meanwhile is told")

    try:
        play(scene())
    finally:
        server.kill()
        server.wait()


def test_the_main_process_ends_without_d_bus(tmp_path: Path, room: Room) -> None:
    server = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
    room.say("SetMain", UNIT, f"uint32:{server.pid}")

    async def scene() -> None:
        stage = Stage(tmp_path, SITE)
        await stage.run("start")
        room.end()
        server.kill()
        server.wait()
        outcome, text = await stage.run("monitor")
        assert outcome is NOT_RUNNING
        assert text.startswith(f"its main process {server.pid} has ended; D-Bus ")
        assert (await stage.run("stop"))[0] is UNKNOWN
        outcome, text = await stage.run("monitor")
        assert outcome is UNKNOWN, "after a stop that failed that would count as the end of the whole unit"
        assert text.startswith(f"its main process {server.pid} has ended, others of the unit may not; ")

    play(scene())


def test_no_bus_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no")

    async def scene() -> None:
        outcome, text = await Stage(tmp_path, SITE).run("monitor")
        assert outcome is UNKNOWN
        assert text == f"D-Bus cannot be reached (unix:path={tmp_path}/no: No such file or directory)"

    assert not os.path.exists(tmp_path / "no")
    play(scene())
