"""What operators ask of a whole cluster of real daemons, typed as they type it; and it outlives a restart of everything."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from cluster_world import holder, in_cluster, never_two, undisturbed, until, watch

from understudy.lab import kernel
from understudy.lab.trial import Trial

MEMBERS = ("ha01", "ha02", "arbiter")


def understudy(trial: Trial, at: str, *words: str) -> dict[str, Any]:
    """Run the command on a machine; what it printed."""
    daemon = trial.stage.daemons[at]
    places = ["--runtime-dir", daemon.runtime, "--json"]
    done = daemon.machine.run([sys.executable, "-m", "understudy.cli.main", *words, *places])
    found: dict[str, Any] = json.loads(done)
    return found


def why(trial: Trial, at: str) -> str:
    status = trial.stage.daemons[at].status()
    return str(status["groups"][0]["why"]) if status else ""


def served_by(trial: Trial, who: str | None) -> None:
    until(f"{who} serves", lambda: trial.stage.watchers.who() == who)


@in_cluster()
def test_a_stopped_group_stays_stopped_when_everything_is_restarted(trial: Trial) -> None:
    stage = trial.stage
    said = understudy(trial, "ha02", "stop", "site", "--reason", "new disks")
    assert said["ok"]
    assert said["waited_ms"] is not None
    for name in MEMBERS:
        stage.do(f"stop {name}")
    until("all are gone", lambda: not any(stage.daemons[name].processes() for name in MEMBERS))
    start = kernel.now()
    for name in MEMBERS:
        stage.do(f"start {name}")
    until("they know it all", lambda: all("stopped by root at ha02" in why(trial, name) for name in MEMBERS))
    seen = watch(trial, start, 4.0)
    assert seen.two == 0
    assert holder(trial, "ha01") == ""
    assert "new disks" in why(trial, "ha01")
    understudy(trial, "ha01", "start", "site")
    served_by(trial, "ha01")


@in_cluster()
def test_in_maintenance_the_holder_serves_on_and_nobody_takes_over(trial: Trial) -> None:
    stage, start = trial.stage, kernel.now()
    assert understudy(trial, "ha02", "maintenance", "on", "--reason", "switches")["ok"]
    stage.do("kill ha01 pulse")
    undisturbed(watch(trial, start, 2.0))
    start = kernel.now()
    stage.do("power ha01 off")
    until("ha02 has lost it", lambda: holder(trial, "ha02") == "")
    never_two(watch(trial, start, 4.0))
    assert why(trial, "ha02").startswith("nobody takes it over, in maintenance for root at ha02")
    understudy(trial, "ha02", "maintenance", "off")
    served_by(trial, "ha02")


@pytest.mark.long
@in_cluster()
def test_a_restart_in_place(trial: Trial) -> None:
    start = kernel.now()
    assert understudy(trial, "arbiter", "restart", "site")["ok"]
    served_by(trial, "ha01")
    never_two(watch(trial, start, 1.5))
    assert holder(trial, "ha02") == "ha01"
