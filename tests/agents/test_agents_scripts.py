"""The kinds ``lsb`` and ``resource_d``: real scripts, honest ones and liars."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from agent_helpers import Stage, alive, numbers, play, script, until

from understudy.adapters.agent_action import Ended
from understudy.adapters.agent_script import lsb_verdict, says_running
from understudy.effects import Action
from understudy.events import Outcome
from understudy.model import LsbResource, ResourceDResource
from understudy.units import MILLISECOND

OK, NOT_RUNNING, FAILED, UNKNOWN = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED, Outcome.UNKNOWN
START, STOP, MONITOR = Action.START, Action.STOP, Action.MONITOR

SITED = """
run={run}
alive() {{ [ -e $run/sited.pid ] && grep -q '^State:.[^ZX]' "/proc/$(cat $run/sited.pid)/status" 2>/dev/null; }}
case "$1" in
start) alive && exit 0
    cp /bin/sleep $run/{name}
    (while ! [ -e $run/go ]; do sleep 0.01; done; $run/{name} 1000 & echo $! > $run/sited.pid) &
    exit 0 ;;
stop) alive || exit 0
    kill "$(cat $run/sited.pid)"
    while alive; do sleep 0.01; done
    rm -f $run/sited.pid; exit 0 ;;
status) {status} ;;
esac
"""


def name_of(directory: Path) -> str:
    """Of the daemon, unlike that of every other test that runs at the same time; the kernel knows 15 letters of it."""
    return f"sited{abs(hash(directory)) % 10**9}"


HONEST = "alive && exit 0; [ -e $run/sited.pid ] && exit 1; exit 3"


@pytest.mark.parametrize(
    ("action", "status", "probe", "expected"),
    [
        (START, 0, True, OK),
        (START, 1, True, FAILED),
        (START, 7, True, FAILED),
        (START, -9, True, UNKNOWN),
        (STOP, 0, False, OK),
        (STOP, 7, False, OK),
        (STOP, 1, False, FAILED),
        (STOP, 5, False, FAILED),
        (MONITOR, 0, False, OK),
        (MONITOR, 1, False, NOT_RUNNING),
        (MONITOR, 2, False, NOT_RUNNING),
        (MONITOR, 3, False, NOT_RUNNING),
        (MONITOR, 4, False, UNKNOWN),
        (MONITOR, 7, False, UNKNOWN),
        (MONITOR, 150, True, NOT_RUNNING),
        (MONITOR, 150, False, UNKNOWN),
        (MONITOR, -9, True, UNKNOWN),
    ],
)
def test_lsb_exit_codes(action: Action, status: int, probe: bool, expected: Outcome) -> None:
    assert lsb_verdict(action, Ended(status), probe)[0] is expected


def test_after_a_stop_that_failed_only_a_clear_word_says_that_it_does_not_run() -> None:
    found = [lsb_verdict(MONITOR, Ended(status), False, stop_failed=True)[0] for status in (0, 1, 2, 3, 150)]
    assert found == [OK, UNKNOWN, UNKNOWN, NOT_RUNNING, UNKNOWN]


def test_what_could_not_run_is_never_ok() -> None:
    for action in Action:
        assert lsb_verdict(action, Ended(None, trouble="killed"), True)[0] is UNKNOWN
        missing = Ended(None, trouble="no such file", missing=True)
        assert lsb_verdict(action, missing, False)[0] is FAILED
    assert lsb_verdict(MONITOR, missing, True)[0] is NOT_RUNNING


def test_codes_are_told_in_words() -> None:
    assert lsb_verdict(MONITOR, Ended(1, "sited is dead\n"), False)[1] == (
        "status 1 (dead, but its pid file is there): sited is dead"
    )
    assert lsb_verdict(START, Ended(5), False)[1] == "exit code 5 (not installed)"


def test_an_honest_script(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    path = script(tmp_path / "site", SITED.format(run=tmp_path, name=name_of(tmp_path), status=HONEST))

    async def scene() -> None:
        stage = Stage(tmp_path, LsbResource("s", path))
        seen = Stage(tmp_path, LsbResource("s", path, str(tmp_path / "sited.pid")))
        assert (await stage.run("monitor"))[0] is NOT_RUNNING
        assert await stage.run("stop") == (OK, "")
        assert await seen.run("start") == (OK, "")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("monitor") == (OK, "")
        assert (await stage.again().run("monitor"))[0] is OK
        os.kill(int((tmp_path / "sited.pid").read_text()), signal.SIGKILL)
        while (await stage.run("monitor"))[0] is OK:
            pass
        assert (await seen.run("monitor"))[0] is NOT_RUNNING
        assert await stage.run("monitor") == (NOT_RUNNING, "status 1 (dead, but its pid file is there)")
        assert await stage.run("stop") == (OK, "")

    play(scene())


@pytest.mark.parametrize(
    "words", [{"pid_file": "sited.pid"}, {"process": "sited"}, {"pid_file": "sited.pid", "process": "sited"}]
)
def test_a_script_whose_status_lies(tmp_path: Path, words: dict[str, str]) -> None:
    """Status 0 whatever runs, and start ends long before the daemon is there."""
    path = script(tmp_path / "init", SITED.format(run=tmp_path, name=name_of(tmp_path), status="exit 0"))
    if "process" in words:
        words = {**words, "process": name_of(tmp_path)}
    if "pid_file" in words:
        words = {**words, "pid_file": str(tmp_path / words["pid_file"])}

    async def scene() -> None:
        assert (await Stage(tmp_path, LsbResource("s", path)).run("monitor"))[0] is OK, "it must lie"
        stage = Stage(tmp_path, LsbResource("s", path, **words))
        assert (await stage.run("monitor"))[0] is NOT_RUNNING
        start = asyncio.ensure_future(stage.run("start"))
        await until((tmp_path / name_of(tmp_path)).exists, "start is under way")
        (tmp_path / "go").touch()
        assert (await start)[0] is OK
        outcome, text = await stage.run("monitor")
        assert outcome is OK
        (pid,) = await until(lambda: numbers(tmp_path / "sited.pid", 1), "it tells its number")
        assert str(pid) in text
        assert await stage.run("start") == (OK, "was running already")
        assert (await stage.again().run("monitor"))[0] is OK
        assert (await stage.run("stop"))[0] is OK
        assert not alive(pid)
        assert (await stage.run("monitor"))[0] is NOT_RUNNING

    play(scene())


def test_a_start_that_starts_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, LsbResource("s", script(tmp_path / "init", "exit 0"), process="no-such"))
        text = "the script's start ended with 0, but no process no-such runs"
        assert await stage.run("start", limit=200 * MILLISECOND) == (FAILED, text)

    play(scene())


def test_a_stop_that_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")

    async def scene() -> None:
        for code, told in (
            ("exit 0", "the script's stop ended with 0, but"),
            ("exit 1", "exit code 1 (generic error);"),
        ):
            path = script(tmp_path / "init", code)
            stage = Stage(tmp_path, LsbResource("s", path, str(tmp_path / "pid")))
            outcome, text = await stage.run("stop", limit=200 * MILLISECOND)
            assert outcome is FAILED
            assert text.startswith(told)
            assert f"process {os.getpid()} runs" in text
        (tmp_path / "pid").unlink()
        outcome, text = await stage.run("stop")
        assert outcome is OK
        assert text == f"exit code 1 (generic error); but there is no {tmp_path}/pid"

    play(scene())


def test_a_pid_file_that_names_somebody_else(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    async def scene() -> None:
        stage = Stage(tmp_path, LsbResource("s", "/bin/false", str(pid_file), "sited"))
        pid_file.write_text(f"{os.getpid()}\n")
        assert await stage.run("monitor") == (NOT_RUNNING, f"process {os.getpid()} of {pid_file} is not sited")
        for text in ("", "nonsense\n", "0\n", "-1\n"):
            pid_file.write_text(text)
            assert await stage.run("monitor") == (NOT_RUNNING, f"{pid_file} names no process")

    play(scene())


# -- Heartbeat's scripts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "runs"),
    [
        ("running", True),
        ("INFO:  Running OK", True),
        ("OK", True),
        ("sited (pid 42) is running...", True),
        ("ok", False),
        ("RUNNING", False),
        ("not running", False),
        ("Not  Running, OK", False),
        ("notrunning", False),
        ("Resource is stopped", False),
        ("stopped", False),
        ("", False),
    ],
)
def test_status_by_words(output: str, runs: bool) -> None:
    assert says_running(output) is runs


def test_life_of_a_resource_script(tmp_path: Path) -> None:
    """The action is the last word; the exit code of status says nothing; what it prints on standard error does neither."""
    body = f"""
for action; do :; done
echo "$@" >> {tmp_path}/calls
case $action in
start) touch {tmp_path}/runs ;;
stop) [ -e {tmp_path}/runs ] || exit 1; rm {tmp_path}/runs ;;
status) echo 'it is running, OK' >&2
    if [ -e {tmp_path}/runs ]; then echo running; exit 3; else echo stopped; exit 0; fi ;;
esac"""
    path = script(tmp_path / "drbddisk", body)

    async def scene() -> None:
        stage = Stage(tmp_path, ResourceDResource("r", path, ("r0", "two words")))
        assert await stage.run("monitor") == (NOT_RUNNING, "stopped")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("start") == (OK, "was running already")
        assert await stage.run("monitor") == (OK, "running")
        assert (await stage.again().run("monitor"))[0] is OK
        assert await stage.run("stop") == (OK, "")
        outcome, text = await stage.run("stop")
        assert outcome is OK
        assert text == "exit code 1; but status says stopped"

    play(scene())
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "r0 two words status"
    assert calls.count("r0 two words start") == 1, "a script that runs is not started again"


def test_a_stop_that_fails_in_silence_has_failed(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, ResourceDResource("r", script(tmp_path / "quiet", "exit 1")))
        assert await stage.run("monitor") == (NOT_RUNNING, "status says nothing")
        assert await stage.run("stop") == (FAILED, "exit code 1")
        assert await stage.run("monitor") == (UNKNOWN, "status says nothing"), "nor does its status count then"
        assert await stage.run("start") == (FAILED, "exit code 1")

    play(scene())


def test_a_resource_script_that_is_not_there(tmp_path: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, ResourceDResource("r", "no-such-script-at-all"))
        text = "there is no no-such-script-at-all in /etc/ha.d/resource.d or /etc/init.d"
        assert await stage.run("monitor") == (NOT_RUNNING, text)
        assert await stage.run("start") == (FAILED, text)

    play(scene())
