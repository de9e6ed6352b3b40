"""Scenario G: what made two owners of Heartbeat's pairs. Files of which it must come are refused; a gap makes none of us."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from old_world import never_two, rest, until
from scenario_world import FILES, Scenario, scenario
from test_scenario_apache import DEAD_TIME, PLAY, both_started

from understudy.lab import kernel
from understudy.lab.old_pair import CALLS, just_after_a_heartbeat
from understudy.units import SECOND


def test_dead_before_the_second_heartbeat_is_refused_with_the_reason(tmp_path: Path) -> None:
    """ "Heartbeat every 2 s, dead after 1 s": as it was tried, in files that are good otherwise."""
    folder = tmp_path / "ha.d"
    shutil.copytree(FILES / "apache-pair", folder)
    text = (folder / "ha.cf").read_text("utf-8")
    (folder / "ha.cf").write_text(text.replace("deadtime 5", "deadtime 1"), "utf-8")
    (folder / "authkeys").chmod(0o600)
    places = ["--runtime-dir", str(tmp_path / "run"), "--state-dir", str(tmp_path / "state")]
    command = [sys.executable, "-m", "understudy", "run", "--config", str(folder), "--node", "ha01", *places]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "ha.cf:4:10: error: deadtime 1 is not above two heartbeats of 2 (keepalive)" in done.stderr
    assert "makes both machines take everything" in done.stderr


@scenario(PLAY)
def test_an_unlucky_gap_of_four_seconds_moves_and_restarts_nothing(pair: Scenario) -> None:
    """Begun just after a heartbeat it swallows two: six seconds of silence, one more than the dead time."""
    start = both_started(pair)
    just_after_a_heartbeat(pair.stage.room.cable("ha01", "eth1"), DEAD_TIME)
    pair.stage.do("silence ha01 eth1 both")
    begin = kernel.now()
    rest(4.3)
    pair.stage.do("silence ha01 eth1 no")
    until("ha02 says why it takes nothing", lambda: "although ha01 is silent" in " ".join(pair.texts_told("ha02")), 5)
    until("both hear each other", lambda: all(pair.status(name)["nodes"][1]["state"] == "up" for name in pair.ours), 40)
    until("and agree", lambda: pair.both_serve_as_one("ha01"), 40)
    rest(1)
    never_two(pair, start)
    seen = never_two(pair, begin)
    assert (seen.before, seen.after) == ("ha01", "ha01")
    assert seen.address is not None
    assert seen.address.length < SECOND
    assert pair.calls("ha01", CALLS) == ["start"]
    assert pair.calls("ha02", CALLS) == []
