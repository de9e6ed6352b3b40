"""The manager between a pulse and the programs."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from manager_helpers import (
    FakePulse,
    RunningManager,
    ScriptResource,
    a_cluster,
    a_manager,
    a_snapshot,
    alive,
    ask,
    until,
)

from understudy.model import NotifyResource


def test_runs_agents_and_answers(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.run_agent(1, "sleeper", "monitor")
    assert pulse.wait_for("finished", op=1)["outcome"] == "not running"
    pulse.run_agent(2, "sleeper", "start")
    assert pulse.wait_for("finished", op=2)["outcome"] == "ok"
    pulse.run_agent(3, "sleeper", "monitor")
    assert pulse.wait_for("finished", op=3)["outcome"] == "ok"
    pulse.run_agent(4, "sleeper", "stop")
    assert pulse.wait_for("finished", op=4)["outcome"] == "ok"


def test_unknown_names_are_unknown_and_not_a_crash(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.run_agent(1, "nothing", "start")
    assert pulse.wait_for("finished", op=1)["outcome"] == "unknown"
    pulse.run_agent(2, "sleeper", "dance")
    assert pulse.wait_for("finished", op=2)["outcome"] == "unknown"
    pulse.send({"t": "run_agent"})
    pulse.send({"t": "whatever"})
    pulse.run_agent(3, "sleeper", "monitor")
    assert pulse.wait_for("finished", op=3)["outcome"] == "not running"


def test_a_death_is_told_at_once_with_the_signal(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.run_agent(1, "sleeper", "start")
    pulse.wait_for("finished", op=1)
    pulse.run_agent(2, "sleeper", "monitor")
    pid = int(pulse.wait_for("finished", op=2)["text"].split()[-1])
    os.kill(pid, signal.SIGKILL)
    failed = pulse.wait_for("resource_failed", group="site", resource="sleeper")
    assert "SIGKILL" in failed["text"]


def test_a_stop_is_not_told_as_a_death(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.run_agent(1, "sleeper", "start")
    pulse.run_agent(2, "sleeper", "stop")
    pulse.wait_for("finished", op=2)
    pulse.run_agent(3, "sleeper", "monitor")
    pulse.wait_for("finished", op=3)
    assert not [packet for packet in pulse.received if packet["t"] == "resource_failed"]


def test_comes_back_to_a_pulse_that_restarted(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.run_agent(1, "sleeper", "start")
    pulse.wait_for("finished", op=1)
    pulse.die()
    pulse.come_back()
    pulse.run_agent(1, "sleeper", "monitor")
    assert pulse.wait_for("finished", op=1)["outcome"] == "ok"
    assert pulse.connections == 2


def test_the_answer_to_a_dead_pulse_never_reaches_the_next_one(tmp_path: Path) -> None:
    script, go = tmp_path / "slow", tmp_path / "go"
    script.write_text(f"#!/bin/sh\nwhile ! [ -e {go} ]; do sleep 0.02; done\n")
    script.chmod(0o755)
    (tmp_path / "run").mkdir()
    pulse = FakePulse(tmp_path / "run")
    with a_manager(a_cluster(ScriptResource("slow", str(script)), ScriptResource("true", "/bin/true")), tmp_path):
        pulse.run_agent(1, "slow", "start")
        until(lambda: list((tmp_path / "run" / "actions").glob("*.json")), "the action is under way")
        pulse.die()
        pulse.come_back()
        pulse.run_agent(9, "true", "monitor")
        pulse.wait_for("finished", op=9)
        go.touch()
        pulse.run_agent(10, "slow", "monitor")
        pulse.wait_for("finished", op=10)
        assert not [packet for packet in pulse.received if packet["t"] == "finished" and packet["op"] == 1]
    pulse.die()


def test_programs_survive_the_manager_and_the_next_one_adopts_them(pulse: FakePulse, tmp_path: Path) -> None:
    with a_manager(a_cluster(), tmp_path):
        pulse.run_agent(1, "sleeper", "start")
        pulse.wait_for("finished", op=1)
        pulse.run_agent(2, "sleeper", "monitor")
        pid = int(pulse.wait_for("finished", op=2)["text"].split()[-1])
        records = {path: path.read_text() for path in (tmp_path / "run" / "programs").glob("*.json")}
        assert records
    # The fixture's tidying killed the program; with its record back it must be seen as what it is: dead.
    until(lambda: not alive(pid), "the program is gone")
    for path, text in records.items():
        path.write_text(text)
    pulse.received.clear()
    with a_manager(a_cluster(), tmp_path):
        pulse.run_agent(3, "sleeper", "monitor")
        assert pulse.wait_for("finished", op=3)["outcome"] == "not running"


def test_notes_become_history_with_wall_clock_time(pulse: FakePulse, manager: RunningManager, tmp_path: Path) -> None:
    before = time.time()
    at = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 3_000_000_000
    pulse.send({"t": "note", "level": "warning", "why": "b is silent: 1.0 s", "group": "", "node": "b", "at_ns": at})

    def noted() -> object:
        entries = ask(manager.runtime_dir, "GET", "/v1/history?lines=5")[1]["entries"]
        return next((entry for entry in entries if entry["text"].startswith("b is silent")), None)

    entry = until(noted, "the note is in the history")
    assert entry["level"] == "warning"
    assert entry["node"] == "b"
    assert entry["at"] < time.strftime("%Y-%m-%dT%H:%M:%S.999Z", time.gmtime(before - 1.9))
    until(lambda: "b is silent" in (tmp_path / "state" / "history.jsonl").read_text(), "it is on disk")


def test_standby_is_saved(pulse: FakePulse, manager: RunningManager, tmp_path: Path) -> None:
    path = tmp_path / "state" / "standby"
    pulse.snapshot = a_snapshot(standby=True)
    pulse.send({"t": "save_standby", "standby": True})
    until(path.exists, "the file is there")
    pulse.snapshot = a_snapshot()
    pulse.send({"t": "save_standby", "standby": False})
    until(lambda: not path.exists(), "the file is gone")


def test_the_answer_to_standby_comes_when_it_is_saved_or_says_that_it_is_not(
    pulse: FakePulse, manager: RunningManager, tmp_path: Path
) -> None:
    path = tmp_path / "state" / "standby"
    pulse.snapshot = a_snapshot(standby=True)
    pulse.on_admin = lambda packet: pulse.tell({"t": "save_standby", "standby": packet["verb"] == "standby"})
    code, answer = ask(manager.runtime_dir, "POST", "/v1/standby", b'{"node": "a"}')
    assert (code, answer["text"]) == (200, "as you wish")
    assert path.exists()
    path.unlink()
    path.mkdir()
    pulse.snapshot = a_snapshot()
    code, answer = ask(manager.runtime_dir, "POST", "/v1/online", b'{"node": "a"}')
    told = f"standby is not saved (Is a directory: {path}): after a restart of its daemon a would be in standby"
    assert (code, answer["text"]) == (200, f"as you wish; but {told}")
    assert told in ask(manager.runtime_dir, "GET", "/v1/status")[1]["warnings"]
    until(lambda: told in (tmp_path / "state" / "history.jsonl").read_text(), "the history says so")


def test_a_manager_saves_the_standby_of_which_an_earlier_one_did_not_hear(
    pulse: FakePulse, manager: RunningManager, tmp_path: Path
) -> None:
    pulse.snapshot = a_snapshot(standby=True)
    until(lambda: pulse.connections, "the manager is there")
    ask(manager.runtime_dir, "GET", "/v1/status")
    until((tmp_path / "state" / "standby").exists, "the file is there")


def test_an_answer_from_before_a_wish_does_not_undo_it(
    pulse: FakePulse, manager: RunningManager, tmp_path: Path
) -> None:
    """Both packets can be read in one turn; the wish is then handled before whoever waits for the answer."""
    until(lambda: pulse.connections, "the manager is there")
    path = tmp_path / "state" / "standby"
    for number in range(20):
        pulse.after_snapshot = [{"t": "save_standby", "standby": True}]
        ask(manager.runtime_dir, "GET", "/v1/status")
        pulse.run_agent(number, "sleeper", "monitor")
        pulse.wait_for("finished", op=number)
        manager.manager.standby.tried().result(10)
        assert path.exists()
        manager.manager.standby.want(False)
        manager.manager.standby.tried().result(10)


def test_refused_datagrams_are_a_warning_in_status(pulse: FakePulse, manager: RunningManager) -> None:
    until(lambda: pulse.connections, "the manager is there")
    before = ask(manager.runtime_dir, "GET", "/v1/status")[1]["warnings"]
    assert not [text for text in before if "refused" in text], "three of long ago are no news"
    pulse.snapshot = replace(a_snapshot(), rejected={"bad-seal": 3, "unknown-key": 17})
    after = ask(manager.runtime_dir, "GET", "/v1/status")[1]["warnings"]
    assert [text.partition(":")[0] for text in after if "refused" in text] == [
        "17 datagrams were refused in the last minute (unknown-key)"
    ]


def test_a_program_is_told_the_reason_and_its_failure_is_in_the_history(tmp_path: Path) -> None:
    tell = tmp_path / "tell"
    tell.write_text(f'#!/bin/sh\necho "$1 $UNDERSTUDY_BALLOT $UNDERSTUDY_REASON" >> {tmp_path}/told\nexit 3\n')
    tell.chmod(0o755)
    (tmp_path / "run").mkdir()
    pulse = FakePulse(tmp_path / "run")
    with a_manager(a_cluster(NotifyResource("tell", (str(tell),))), tmp_path):
        pulse.run_agent(1, "tell", "start")
        assert pulse.wait_for("finished", op=1)["outcome"] == "ok"
        pulse.send({"t": "note", "why": "b is lost", "level": "warning"})
        pulse.send({"t": "note", "why": "an operator moves it", "level": "info", "group": "site"})
        pulse.run_agent(2, "tell", "stop")
        assert pulse.wait_for("finished", op=2)["outcome"] == "ok"
        history = tmp_path / "state" / "history.jsonl"
        until(lambda: "tell, stop: exit code 3" in history.read_text(), "the failure is in the history")
    pulse.die()
    assert (tmp_path / "told").read_text().splitlines() == [
        "up 7 the test wants it",
        "down 7 b is lost; an operator moves it",
    ]
