"""Scripts and OCF agents: limits on whole groups, exit codes, never two actions at once."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import pytest
from agent_helpers import Stage, alive, numbers, play, script, until

from understudy.adapters.agent_action import Ended
from understudy.adapters.agent_ocf import base_environment, ocf_environment, ocf_verdict, script_verdict
from understudy.effects import Action
from understudy.events import Outcome
from understudy.model import Limits, OcfResource, ScriptResource
from understudy.units import MILLISECOND, SECOND

OK, NOT_RUNNING, FAILED, UNKNOWN = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED, Outcome.UNKNOWN
START, STOP, MONITOR = Action.START, Action.STOP, Action.MONITOR


@pytest.mark.parametrize(
    ("action", "status", "probe", "expected"),
    [
        (START, 0, True, OK),
        (START, 7, True, FAILED),
        (START, 190, True, FAILED),
        (START, -9, True, UNKNOWN),
        (STOP, 0, False, OK),
        (STOP, 7, False, FAILED),
        (STOP, 5, False, FAILED),
        (STOP, -15, False, UNKNOWN),
        (MONITOR, 0, False, OK),
        (MONITOR, 7, False, NOT_RUNNING),
        (MONITOR, 5, True, NOT_RUNNING),
        (MONITOR, 5, False, FAILED),
        (MONITOR, 1, False, FAILED),
        (MONITOR, 190, False, OK),
        (MONITOR, 8, False, FAILED),
        (MONITOR, -9, True, UNKNOWN),
    ],
)
def test_ocf_exit_codes(action: Action, status: int, probe: bool, expected: Outcome) -> None:
    assert ocf_verdict(action, Ended(status), probe)[0] is expected


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        (START, 0, OK),
        (START, 1, FAILED),
        (START, -9, UNKNOWN),
        (STOP, 0, OK),
        (STOP, 1, FAILED),
        (MONITOR, 0, OK),
        (MONITOR, 1, NOT_RUNNING),
        (MONITOR, 2, NOT_RUNNING),
        (MONITOR, 3, NOT_RUNNING),
        (MONITOR, 4, UNKNOWN),
        (MONITOR, 150, UNKNOWN),
        (MONITOR, -9, UNKNOWN),
    ],
)
def test_script_exit_codes(action: Action, status: int, expected: Outcome) -> None:
    assert script_verdict(action, Ended(status), True)[0] is expected


def test_after_a_stop_that_failed_only_a_clear_word_says_that_a_script_does_not_run() -> None:
    found = [script_verdict(MONITOR, Ended(status), False, stop_failed=True)[0] for status in (0, 1, 2, 3, 4)]
    assert found == [OK, UNKNOWN, UNKNOWN, NOT_RUNNING, UNKNOWN]


@pytest.mark.parametrize("status", [1, 3])
def test_a_look_after_a_stop_that_failed(tmp_path: Path, status: int) -> None:
    """Also by the next manager's agents: they see their own stop fail before they are asked."""
    path = script(tmp_path / "svc", f"[ $1 = status ] && exit {status}; [ $1 = start ]")
    stage = Stage(tmp_path, ScriptResource("svc", path))

    async def scene() -> None:
        assert await stage.outcome("monitor") == "not running", "before any stop every code counts"
        assert await stage.outcome("start") == "ok"
        assert await stage.outcome("stop") == "failed"
        assert await stage.outcome("monitor") == ("not running" if status == 3 else "unknown")
        again = stage.again()
        assert await again.outcome("stop") == "failed"
        os.unlink(path)
        assert await again.outcome("monitor") == "failed", (
            "a script that is gone says nothing about what it has started"
        )

    play(scene())


def test_an_ocf_agent_is_not_asked_leniently_after_a_stop_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interval of 0 would make it a probe, to which agents answer "not running" when they cannot look."""
    directory = tmp_path / "resource.d" / "testing"
    directory.mkdir(parents=True)
    monkeypatch.setenv("OCF_ROOT", str(tmp_path))
    body = '[ $1 = stop ] && exit 1; [ "$OCF_RESKEY_CRM_meta_interval" = 0 ] && exit 7; exit 1'
    script(directory / "Strict", body)
    stage = Stage(tmp_path, OcfResource("svc", "testing", "Strict", limits=Limits(interval=0)))

    async def scene() -> None:
        assert await stage.outcome("monitor") == "not running"
        assert await stage.outcome("stop") == "failed"
        assert await stage.outcome("monitor") == "failed"

    play(scene())


@pytest.mark.parametrize("verdict", [ocf_verdict, script_verdict])
def test_what_could_not_run_is_never_ok(verdict: object) -> None:
    for action, probe in itertools.product(Action, (True, False)):
        assert callable(verdict)
        assert verdict(action, Ended(None, trouble="killed"), probe)[0] is UNKNOWN
        missing = verdict(action, Ended(None, trouble="no such file", missing=True), probe)[0]
        assert missing is (NOT_RUNNING if action is MONITOR and probe else FAILED)


def test_the_exit_reason_is_the_text() -> None:
    output = "INFO: a\nocf-exit-reason:b\nERROR: c\nocf-exit-reason:IP address (the ip parameter) is mandatory\nd\n"
    outcome, text = ocf_verdict(START, Ended(6, output), False)
    assert outcome is FAILED
    assert text == "exit code 6 (not configured): IP address (the ip parameter) is mandatory"


def test_without_a_reason_the_last_line_is_told_without_its_date() -> None:
    ended = Ended(7, "\nNov 20 23:16:13 INFO: apache not running\n\n")
    assert ocf_verdict(MONITOR, ended, True)[1] == "exit code 7 (not running): apache not running"


def test_ocf_environment() -> None:
    resource = OcfResource("web server", "heartbeat", "apache", (("configfile", "/etc/a b.conf"),))
    base = base_environment("node1", "site", resource.id, 99)
    found = ocf_environment(resource, base, MONITOR, 20 * SECOND, 10 * SECOND, "/tmp/x")
    expected = {
        "OCF_RESOURCE_INSTANCE": "web_server",
        "OCF_RESOURCE_TYPE": "apache",
        "OCF_RESOURCE_PROVIDER": "heartbeat",
        "OCF_RESKEY_configfile": "/etc/a b.conf",
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "OCF_RESKEY_CRM_meta_interval": "10000",
        "OCF_RESKEY_CRM_meta_name": "monitor",
        "OCF_RESKEY_CRM_meta_on_node": "node1",
        "OCF_EXIT_REASON_PREFIX": "ocf-exit-reason:",
        "HA_RSCTMP": "/tmp/x",
        "LC_ALL": "C",
        "UNDERSTUDY_BALLOT": "99",
    }
    assert expected.items() <= found.items()
    assert "/usr/sbin" in found["PATH"].split(":")


def test_a_script_gets_its_arguments_and_the_action_last(tmp_path: Path) -> None:
    path = script(tmp_path / "script", f'echo "$@" >> {tmp_path}/calls')

    async def scene() -> None:
        stage = Stage(tmp_path, ScriptResource("s", path, ("one", "two words")))
        for action in ("start", "monitor", "stop"):
            assert await stage.outcome(action) == "ok"

    play(scene())
    assert (tmp_path / "calls").read_text().splitlines() == [
        "one two words start",
        "one two words status",
        "one two words stop",
    ]


def test_the_limit_kills_the_whole_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    path = script(tmp_path / "script", f"trap '' TERM; sleep 1000 & echo $! $$ > {pids}; wait")

    async def scene() -> None:
        stage = Stage(tmp_path, ScriptResource("s", path))
        outcome, text = await stage.run("start", limit=400 * MILLISECOND)
        family = await until(lambda: numbers(pids, 2), "both ran")
        assert outcome is UNKNOWN
        assert text.startswith("killed: not done after 400ms")
        assert [pid for pid in family if alive(pid)] == []

    play(scene())


def test_a_background_child_with_our_output_does_not_delay_and_lives_on(tmp_path: Path) -> None:
    """The child keeps standard output open and goes on writing: it must neither be waited for nor be hurt by the action's end."""
    pid_file, go, wrote = tmp_path / "pid", tmp_path / "go", tmp_path / "wrote"
    background = f"(while ! [ -e {go} ]; do sleep 0.01; done; echo late words && touch {wrote}; exec sleep 1000) &"
    path = script(tmp_path / "script", f"{background}\necho $! > {pid_file}; echo done")

    async def scene() -> None:
        stage = Stage(tmp_path, ScriptResource("s", path))
        assert await stage.outcome("start") == "ok"
        (pid,) = await until(lambda: numbers(pid_file, 1), "it tells its number")
        assert alive(pid)
        go.touch()
        await until(wrote.exists, "it could write")
        assert alive(pid)
        assert "late words" in stage.log_text()
        import os

        os.kill(pid, 9)

    play(scene())


def test_never_two_actions_of_one_resource(tmp_path: Path) -> None:
    """The script fails when it finds itself running already."""
    path = script(tmp_path / "script", f"mkdir {tmp_path}/busy || exit 9; sleep 0.05; rmdir {tmp_path}/busy")

    async def scene() -> None:
        stage = Stage(tmp_path, ScriptResource("s", path))
        results = await asyncio.gather(*(stage.run("start") for _ in range(5)))
        assert [outcome for outcome, _ in results] == [OK] * 5

    play(scene())


@pytest.mark.parametrize(
    ("first", "then", "cut"), [("monitor", "stop", True), ("monitor", "start", True), ("start", "stop", True)]
)
def test_the_urgent_cuts_the_patient_short(tmp_path: Path, first: str, then: str, cut: bool) -> None:
    called = "status" if first == "monitor" else first
    path = script(tmp_path / "script", f'if [ "$1" = {called} ]; then echo $$ > {tmp_path}/pid; sleep 1000; fi')

    async def scene() -> None:
        stage = Stage(tmp_path, ScriptResource("s", path))
        patient = asyncio.ensure_future(stage.run(first, limit=1000 * SECOND))
        (pid,) = await until(lambda: numbers(tmp_path / "pid", 1), "the first action is under way")
        assert await stage.outcome(then) == "ok"
        assert not alive(pid)
        assert (await patient)[0] is UNKNOWN

    play(scene())


def test_a_stop_is_never_cut_short(tmp_path: Path) -> None:
    go = tmp_path / "go"
    body = f'if [ "$1" = stop ]; then touch {tmp_path}/stopping; while ! [ -e {go} ]; do sleep 0.01; done; fi'
    path = script(tmp_path / "script", body)

    async def scene() -> None:
        stage = Stage(tmp_path, ScriptResource("s", path))
        stop = asyncio.ensure_future(stage.run("stop"))
        await until((tmp_path / "stopping").exists, "the stop is under way")
        others = [asyncio.ensure_future(stage.run(action)) for action in ("start", "stop")]
        await asyncio.sleep(0)
        go.touch()
        assert (await stop)[0] is OK
        assert [(await other)[0] for other in others] == [OK, OK]

    play(scene())


def test_the_next_manager_waits_for_an_action_under_way(tmp_path: Path) -> None:
    """A start that an earlier manager began is given its time; a monitor beside it would see a half-started service."""
    go, log = tmp_path / "go", tmp_path / "order"
    body = f'if [ "$1" = start ]; then while ! [ -e {go} ]; do sleep 0.01; done; fi; echo $1 >> {log}'
    path = script(tmp_path / "script", body)

    async def scene() -> None:
        first = Stage(tmp_path, ScriptResource("s", path))
        start = asyncio.ensure_future(first.run("start"))
        await until(lambda: list((tmp_path / "actions").glob("*.json")), "the start is under way")
        start.cancel()
        second = first.again()
        monitor = asyncio.ensure_future(second.run("monitor"))
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not log.exists()
        go.touch()
        assert (await monitor)[0] is OK
        assert log.read_text().split() == ["start", "status"]

    play(scene())


def test_a_stop_does_not_wait_for_an_earlier_managers_action(tmp_path: Path) -> None:
    path = script(tmp_path / "script", f'if [ "$1" = start ]; then echo $$ > {tmp_path}/pid; sleep 1000; fi')

    async def scene() -> None:
        first = Stage(tmp_path, ScriptResource("s", path))
        start = asyncio.ensure_future(first.run("start", limit=1000 * SECOND))
        (pid,) = await until(lambda: numbers(tmp_path / "pid", 1), "the start is under way")
        start.cancel()
        assert await first.again().outcome("stop") == "ok"
        assert not alive(pid)

    play(scene())


def test_names_that_are_not_configured(tmp_path: Path) -> None:
    async def scene() -> None:
        assert await Stage(tmp_path).outcome("start", "nothing") == "unknown"

    play(scene())
