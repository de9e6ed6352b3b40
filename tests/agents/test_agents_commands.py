"""Programs that we run ourselves: start, death, stop of the whole group, adoption by the next manager."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import time
from pathlib import Path

import pytest
from agent_helpers import Stage, alive, numbers, play, script, until

from understudy.events import Outcome
from understudy.model import CommandResource
from understudy.units import MILLISECOND, SECOND

SLEEPER = CommandResource("sleeper", ("sleep", "1000"))


async def pid_of(stage: Stage) -> int:
    outcome, text = await stage.run("monitor")
    assert outcome is Outcome.OK
    return int(text.split()[-1])


def test_life_of_a_program(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SLEEPER)
        assert await stage.outcome("monitor") == "not running"
        assert await stage.outcome("stop") == "ok"
        assert await stage.outcome("start") == "ok"
        pid = await pid_of(stage)
        assert os.getsid(pid) == pid
        assert await stage.run("start") == (Outcome.OK, "was running already")
        assert await pid_of(stage) == pid
        assert await stage.outcome("stop") == "ok"
        assert not alive(pid)
        assert await stage.outcome("monitor") == "not running"
        assert stage.deaths == []

    play(scene())


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "signal SIGKILL"), (signal.SIGTERM, "signal SIGTERM")])
def test_a_death_by_signal_is_told(tmp_path: Path, number: signal.Signals, words: str) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SLEEPER)
        await stage.run("start")
        os.kill(await pid_of(stage), number)
        await until(lambda: stage.deaths, "the death is told")
        assert stage.deaths == [("sleeper", f"the program ended, {words}")]
        assert await stage.outcome("monitor") == "not running"

    play(scene())


def test_an_exit_is_told_with_its_code(tmp_path: Path) -> None:
    go = tmp_path / "go"
    path = script(tmp_path / "program", f"while ! [ -e {go} ]; do sleep 0.01; done; exit 7")

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", (path,)))
        assert await stage.outcome("start") == "ok"
        go.touch()
        await until(lambda: stage.deaths, "the death is told")
        assert stage.deaths == [("program", "the program ended, exit code 7")]

    play(scene())


def test_a_program_that_ends_before_it_has_settled_has_failed(tmp_path: Path) -> None:
    path = script(tmp_path / "program", "echo starting; echo cannot bind >&2; exit 3")

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", (path,), settle=20 * SECOND))
        outcome, text = await stage.run("start")
        assert outcome is Outcome.FAILED
        assert text == "ended at once, exit code 3: cannot bind"
        assert stage.deaths == []

    play(scene())


def test_a_death_during_the_start_is_not_hidden_by_its_ok(tmp_path: Path) -> None:
    """The loop is made slow, so that the program is dead before the start's answer is out: "failed" must be the last word."""

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", ("true",)))
        loop = asyncio.get_running_loop()
        turns = iter(range(20))

        def hold_up() -> None:
            if next(turns, None) is not None:
                time.sleep(0.01)
                loop.call_soon(hold_up)

        loop.call_soon(hold_up)
        outcome, text = await stage.run("start")
        told_before = list(stage.deaths)
        if outcome is Outcome.OK:
            assert told_before == []
            await until(lambda: stage.deaths, "the death is told after the answer")
        else:
            assert text == "ended, exit code 0"

    play(scene())


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        (CommandResource("x", ("/nowhere/at/all",)), "cannot run /nowhere/at/all: No such file or directory"),
        (CommandResource("x", ("/etc/passwd",)), "cannot run /etc/passwd: Permission denied"),
        (CommandResource("x", ("sleep", "9"), directory="/nowhere"), "No such file or directory (/nowhere)"),
        (CommandResource("x", ("sleep", "9"), user="nobody-of-that-name"), "cannot run sleep: no such user"),
    ],
)
def test_what_cannot_be_run_has_failed_with_the_reason(tmp_path: Path, resource: CommandResource, words: str) -> None:
    async def scene() -> None:
        outcome, text = await Stage(tmp_path, resource).run("start")
        assert outcome is Outcome.FAILED
        assert words in text

    play(scene())


def test_stop_leaves_nobody_of_the_group(tmp_path: Path) -> None:
    """The leader goes at once; one child ignores SIGTERM: it could still serve, so "stopped" must wait for its end."""
    pids = tmp_path / "pids"
    child = script(tmp_path / "child", f"trap '' TERM; echo $$ >> {pids}; while :; do sleep 0.1; done")
    path = script(tmp_path / "program", f"{child} & {child} & echo $$ >> {pids}; trap 'exit 0' TERM; wait; wait")

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", (path,)))
        await stage.run("start")
        family = await until(lambda: numbers(pids, 3), "all three run")
        outcome, text = await stage.run("stop", limit=2 * SECOND)
        assert [pid for pid in family if alive(pid)] == []
        assert outcome is Outcome.OK
        assert "outlived" in text

    play(scene())


def test_a_program_that_ignores_its_signal_is_killed_within_the_limit(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    path = script(tmp_path / "program", f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done")

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", (path,)))
        await stage.run("start")
        pid = await pid_of(stage)
        await until(ready.exists, "it ignores SIGTERM now")
        outcome, text = await stage.run("stop", limit=300 * MILLISECOND)
        assert not alive(pid)
        assert outcome is Outcome.OK
        assert text.startswith("killed: SIGTERM did not end it")

    play(scene())


def test_the_configured_stop_signal_is_used(tmp_path: Path) -> None:
    ready, told = tmp_path / "ready", tmp_path / "told"
    body = f"trap 'touch {told}; exit 0' USR1; touch {ready}; while :; do sleep 0.02; done"
    path = script(tmp_path / "program", body)

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", (path,), stop_signal="SIGUSR1"))
        await stage.run("start")
        await until(ready.exists, "it is ready")
        assert await stage.outcome("stop") == "ok"
        assert told.exists()

    play(scene())


def test_a_stop_does_not_wait_for_a_start_to_settle(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("slow", ("sleep", "1000"), settle=1000 * SECOND))
        start = asyncio.ensure_future(stage.run("start"))
        record = await until(lambda: list((tmp_path / "programs").glob("*.json")), "it is started")
        pid = json.loads(record[0].read_text())["pid"]
        assert await stage.outcome("stop") == "ok"
        assert not alive(pid)
        assert (await start)[0] is Outcome.UNKNOWN

    play(scene())


def test_children_of_a_dead_leader_are_a_failure_and_gone_before_the_next_start(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    path = script(tmp_path / "program", f"sleep 1000 & echo $! $$ > {pids}; wait")

    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", (path,)))
        await stage.run("start")
        child, leader = await until(lambda: numbers(pids, 2), "both run")
        os.kill(leader, signal.SIGKILL)
        await until(lambda: stage.deaths, "the death is told")
        outcome, text = await stage.run("monitor")
        assert outcome is Outcome.FAILED
        assert str(child) in text
        pids.unlink()
        assert await stage.outcome("start") == "ok"
        assert not alive(child)
        assert await stage.outcome("stop") == "ok"

    play(scene())


def test_the_next_manager_adopts_and_sees_the_death(tmp_path: Path) -> None:
    async def scene() -> None:
        first = Stage(tmp_path, SLEEPER)
        await first.run("start")
        pid = await pid_of(first)
        second = first.again()
        assert second.agents.adopt() == ("sleeper",)
        assert await pid_of(second) == pid
        assert await second.run("start") == (Outcome.OK, "was running already")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: second.deaths, "the adopting manager tells the death")
        assert await second.outcome("monitor") == "not running"

    play(scene())


def test_the_next_manager_stops_what_it_adopted(tmp_path: Path) -> None:
    async def scene() -> None:
        first = Stage(tmp_path, SLEEPER)
        await first.run("start")
        pid = await pid_of(first)
        second = first.again()
        second.agents.adopt()
        assert await second.outcome("stop") == "ok"
        assert not alive(pid)

    play(scene())


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}, {"pid": 1}, {"pid": "x"}])
def test_a_record_that_names_somebody_else_is_not_believed(tmp_path: Path, change: dict[str, object]) -> None:
    """The number went to another process, or the machine was restarted: nothing of ours runs, and nobody is killed."""

    async def scene() -> None:
        first = Stage(tmp_path, SLEEPER)
        await first.run("start")
        pid = await pid_of(first)
        record = next((tmp_path / "programs").glob("*.json"))
        original = record.read_text()
        record.write_text(json.dumps({**json.loads(original), **change}))
        second = first.again()
        assert second.agents.adopt() == ()
        assert await second.outcome("monitor") == "not running"
        assert await second.outcome("stop") == "ok"
        assert alive(pid)
        record.write_text(original)
        assert await first.outcome("stop") == "ok"

    play(scene())


@pytest.mark.parametrize("garbage", ["", "{", "[]", "null", '{"pid": 4}'])
def test_a_garbled_record_is_no_record(tmp_path: Path, garbage: str) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SLEEPER)
        (tmp_path / "programs" / "sleeper.json").write_text(garbage)
        assert stage.agents.adopt() == ()
        assert await stage.outcome("monitor") == "not running"

    play(scene())


def test_environment_directory_and_log(tmp_path: Path) -> None:
    path = script(tmp_path / "program", "env; pwd; exec sleep 1000")
    resource = CommandResource("program", (path,), directory="/usr", environment=(("COLOUR", "blue"),))

    async def scene() -> None:
        stage = Stage(tmp_path, resource)
        await stage.run("start", ballot=4711)
        await until(lambda: "\n/usr\n" in stage.log_text(), "the program has spoken")
        lines = stage.log_text().splitlines()
        for line in (
            "COLOUR=blue",
            "UNDERSTUDY_GROUP=site",
            "UNDERSTUDY_RESOURCE=program",
            "UNDERSTUDY_NODE=a",
            "UNDERSTUDY_BALLOT=4711",
        ):
            assert line in lines
        assert await stage.outcome("stop") == "ok"

    play(scene())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, CommandResource("program", ("sleep", "1000"), user="nobody"))
        assert await stage.outcome("start") == "ok"
        pid = await pid_of(stage)
        assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid
        assert await stage.outcome("stop") == "ok"

    play(scene())


def test_a_log_that_has_grown_too_long_is_emptied_and_its_end_kept(tmp_path: Path) -> None:
    from understudy.adapters.agent_log import LARGEST, ResourceLog

    log = ResourceLog(str(tmp_path), "program")
    Path(log.path).write_bytes(b"x" * LARGEST + b"the end")
    descriptor = log.open()
    os.write(descriptor, b"new\n")
    os.close(descriptor)
    assert Path(log.path).read_bytes() == b"new\n"
    old = Path(f"{log.path}.old").read_bytes()
    assert old.endswith(b"the end")
    assert len(old) <= LARGEST


def test_a_program_that_complains_in_a_loop_does_not_fill_the_runtime_directory(tmp_path: Path) -> None:
    from understudy.adapters.agent_log import LARGEST

    flood = CommandResource("flood", ("sh", "-c", "while :; do head -c 2000000 /dev/zero; sleep 0.02; done"))

    async def scene() -> None:
        stage = Stage(tmp_path, flood)
        tending = asyncio.ensure_future(stage.agents.tend_logs(every=50 * MILLISECOND))
        log = tmp_path / "log" / "flood.log"
        await stage.outcome("start")
        for _ in range(3):
            await until(lambda: log.stat().st_size > LARGEST, "it is over its bound")
            await until(lambda: log.stat().st_size <= LARGEST, "it is emptied")
        tending.cancel()
        assert await stage.outcome("stop") == "ok"

    play(scene())


def test_logs_are_looked_at_every_second_and_more_often_when_one_floods(tmp_path: Path) -> None:
    """The pauses themselves, by a clock of the test's own: nothing here takes real time."""
    from understudy.adapters.agent_log import LARGEST

    class Clock(asyncio.SelectorEventLoop):
        """Sleeps at once; ``slept`` has what was asked for."""

        def __init__(self) -> None:
            super().__init__()
            self.slept: list[float] = []

        def call_later(self, delay: float, callback: object, *arguments: object, **more: object) -> asyncio.TimerHandle:
            self.slept.append(delay)
            return super().call_later(0, callback, *arguments, **more)  # type: ignore[arg-type]

    async def scene(slept: list[float]) -> None:
        stage = Stage(tmp_path, SLEEPER)
        log = tmp_path / "log" / "sleeper.log"
        tending = asyncio.ensure_future(stage.agents.tend_logs())
        while len(slept) < 2:
            await asyncio.sleep(0)
        log.write_bytes(b"x" * (LARGEST + 1))
        while log.stat().st_size:
            await asyncio.sleep(0)
        while len(slept) < 6:
            await asyncio.sleep(0)
        tending.cancel()

    loop = Clock()
    try:
        loop.run_until_complete(scene(loop.slept))
    finally:
        loop.close()
    assert sorted(set(loop.slept)) == [0.1, 1.0]
    assert loop.slept[0] == loop.slept[-1] == 1.0


def test_no_directory_for_logs_does_not_keep_a_service_down(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, SLEEPER)
        (tmp_path / "log").rmdir()
        assert await stage.outcome("start") == "ok"
        assert await stage.outcome("stop") == "ok"

    play(scene())
