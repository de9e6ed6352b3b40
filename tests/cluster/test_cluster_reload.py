"""Reload with real daemons: whoever only watches the group that stayed the same loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster_world import in_cluster, until

from understudy.lab import kernel
from understudy.lab.cluster import CONFIGURATION
from understudy.lab.trial import ADDRESS, Trial
from understudy.units import MILLISECOND

OTHER = "192.168.58.150"
MORE = "192.168.58.151"
GROUP = """
[groups.other]
prefer = ["ha01"]
resources = [{{ address = "{first}/24", device = "eth0" }}, {{ command = ["/bin/sleep", "{span}"], name = "sleeper" }}{more}]
"""


def understudy(trial: Trial, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    daemon = trial.stage.daemons[name]
    command = [sys.executable, "-m", "understudy.cli.main", *words, "--runtime-dir", daemon.runtime]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def reload(trial: Trial, name: str) -> str:
    done = understudy(trial, name, "reload", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def group(trial: Trial, name: str) -> dict[str, Any]:
    status = json.loads(understudy(trial, "ha01", "status", "--json").stdout)
    return next((item for item in status["groups"] if item["name"] == name), {})


def addresses(trial: Trial, name: str) -> str:
    return trial.stage.room.machine(name).run(["ip", "-4", "-o", "address"])


def pids(span: str) -> list[str]:
    return subprocess.run(["pgrep", "-f", f"^/bin/sleep {span}$"], capture_output=True, text=True).stdout.split()


@in_cluster()
def test_a_reload_of_another_group_loses_no_request(trial: Trial) -> None:
    file = Path(CONFIGURATION)
    site = file.read_text()
    pulse = trial.stage.daemons["ha01"].processes("pulse")
    start = kernel.now()

    # A new group, then a program more and an address more in it, then the group is gone again.
    file.write_text(site + GROUP.format(first=OTHER, span="72001", more=""))
    done = understudy(trial, "ha01", "diff")
    assert done.returncode == 1, done.stdout + done.stderr
    said = reload(trial, "ha01")
    assert "group other is new: address 192.168.58.150, sleeper" in said
    assert understudy(trial, "ha01", "diff").returncode == 0
    differs = understudy(trial, "ha01", "diff", "--peer", "ha02")
    until("the other has been heard", lambda: understudy(trial, "ha01", "diff", "--peer", "ha02").returncode == 1)
    assert differs.returncode in (0, 1)
    for name in ("ha02", "arbiter"):
        reload(trial, name)
    until("the new group runs", lambda: group(trial, "other").get("state") == "started")
    assert OTHER in addresses(trial, "ha01")
    sleeper = pids("72001")
    assert len(sleeper) == 1

    more = f', {{ address = "{MORE}/24", device = "eth0" }}'
    file.write_text(site + GROUP.format(first=OTHER, span="72001", more=more))
    for name in ("ha01", "ha02", "arbiter"):
        reload(trial, name)
    until("the new address is there", lambda: MORE in addresses(trial, "ha01"))
    assert pids("72001") == sleeper, "a program before the new address was restarted"

    file.write_text(site + GROUP.format(first=OTHER, span="72002", more=more))
    assert "sleeper, address 192.168.58.151 are stopped and started again" in reload(trial, "ha01")
    until("the program runs as it is now", lambda: len(pids("72002")) == 1 and not pids("72001"))
    until("nothing of the former is left", lambda: group(trial, "other").get("state") == "started")

    file.write_text(site)
    for name in ("ha02", "arbiter"):
        reload(trial, name)
    supervisor = trial.stage.daemons["ha01"].processes("supervisor")[0]
    os.kill(supervisor.pid, signal.SIGHUP)
    until("the group is gone", lambda: OTHER not in addresses(trial, "ha01") and not pids("72002"))
    until("it is said", lambda: "SIGHUP" in understudy(trial, "ha01", "history").stdout)
    until("the former copy is gone", lambda: not Path(trial.stage.daemons["ha01"].runtime, "former.toml").exists())

    questions = trial.stage.watchers.questions(start, kernel.now() - 50 * MILLISECOND)
    tenths = [sample for sample in questions if sample.sequence % 10 == 0]
    assert len(tenths) > 50
    assert all(sample.answered for sample in tenths), "a request to the group that stayed the same was lost"
    assert ADDRESS in addresses(trial, "ha01")
    assert trial.stage.daemons["ha01"].processes("pulse") == pulse, "the pulse was restarted"


@in_cluster()
def test_a_bad_file_changes_nothing(trial: Trial) -> None:
    file = Path(CONFIGURATION)
    site, copy = file.read_text(), Path(trial.stage.daemons["ha01"].runtime, "running.toml")
    before = copy.read_text()
    file.write_text(site + "\n[groups.other]\nresuorces = []\n")
    done = understudy(trial, "ha01", "reload", "--yes")
    assert done.returncode == 4
    assert "resuorces" in done.stdout
    slower = site.replace('dead_time = "1s"', 'dead_time = "2s"')
    assert slower != site
    file.write_text(slower)
    done = understudy(trial, "ha01", "reload", "--yes")
    assert done.returncode == 4, done.stdout
    assert "restart the daemons with the new file, one machine after the other" in done.stdout
    assert copy.read_text() == before
    assert not Path(trial.stage.daemons["ha01"].runtime, "former.toml").exists()
