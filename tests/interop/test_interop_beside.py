"""What runs beside our daemon, while the other machine has Debian's heartbeat: programs of ``respawn``, the watchdog."""

from __future__ import annotations

import signal

import pytest
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined
from test_interop_life import moved_here

from understudy.lab import heartbeat, kernel, stand_in
from understudy.lab.stand_in import StandIns

PROGRAM = """\
#!/bin/sh
echo "$$ $(id -un) $HA_CURHOST $HA_COLOUR $1" >> /run/of-all/beside
exec sleep 1000
"""


def lives(pair: Pair, name: str) -> list[list[str]]:
    text = pair.machine(name).run(["sh", "-c", "cat /run/of-all/beside 2>/dev/null || true"])
    return [line.split() for line in text.splitlines()]


def running(pair: Pair, name: str) -> bool:
    said = pair.machine(name).run(["sh", "-c", "pgrep -f '^sleep 1000$' || true"])
    return bool(said.split())


@beside_heartbeat(more="respawn nobody /usr/local/bin/beside word\nenv COLOUR=green")
def test_a_program_runs_beside_the_daemon_and_ends_with_it(pair: Pair) -> None:
    for name in ("ha01", "ha02"):
        machine = pair.machine(name)
        machine.run(
            ["sh", "-c", "mkdir -m 1777 /run/of-all && chmod 1777 /run/of-all && mount -t tmpfs none /usr/local/bin"]
        )
        heartbeat.write(machine, "/usr/local/bin/beside", PROGRAM, "755")
        machine.run(["chmod", "755", "/usr/local/bin"])
    joined(pair)
    until("it runs", lambda: len(lives(pair, "ha02")) == 1)
    assert lives(pair, "ha02")[0][1:] == ["nobody", "ha02", "green", "word"]
    until("of the old program, too", lambda: len(lives(pair, "ha01")) == 1)
    assert lives(pair, "ha01")[0][1:] == ["nobody", "ha01", "green", "word"], "what it gets is what it always got"
    before = {process.pid for process in pair.ours["ha02"].processes("manager")}
    pair.ours["ha02"].signal("manager", signal.SIGKILL)
    until("another manager", lambda: bool({p.pid for p in pair.ours["ha02"].processes("manager")} - before))
    until("which finds it", lambda: any("runs still" in text for text in pair.texts_told("ha02")))
    assert len(lives(pair, "ha02")) == 1
    pid = lives(pair, "ha02")[0][0]
    pair.machine("ha02").run(["kill", "-9", pid])
    until("it is started again", lambda: len(lives(pair, "ha02")) == 2)
    pair.ours["ha02"].signal("supervisor", signal.SIGTERM)
    until("the daemon has ended", lambda: not pair.ours["ha02"].processes("supervisor"))
    assert not running(pair, "ha02")


@beside_heartbeat(more=f"watchdog {stand_in.path('ha02')}", deadtime="1")
def test_a_machine_whose_daemon_hangs_is_reset(pair: Pair) -> None:
    """The device counts to two dead times, as for a native pair. A restart of the pulse feeds nothing and resets nothing."""
    heartbeat.write(pair.machine("ha01"), "/etc/ha.d/ha.cf", pair.texts["ha01"].replace("watchdog", "#"))
    dogs = StandIns(pair.stage, ("ha02",), 2.0)
    try:
        moved_here(pair)
        assert dogs.counting("ha02")
        pair.ours["ha02"].signal("pulse", signal.SIGKILL)
        until("it is back", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
        rest(3)
        assert dogs.resets == []
        start = kernel.now()
        for part in ("supervisor", "pulse", "manager"):
            pair.ours["ha02"].signal(part, signal.SIGSTOP)
        until("the machine is reset", lambda: bool(dogs.resets))
        until("the old one serves", lambda: pair.serves() == "ha01")
        rest(0.5)
        never_two(pair, start)
    finally:
        dogs.close()


@pytest.mark.long
@beside_heartbeat(more=f"watchdog {stand_in.path('ha02')}")
def test_a_clean_stop_closes_the_watchdog(pair: Pair) -> None:
    heartbeat.write(pair.machine("ha01"), "/etc/ha.d/ha.cf", pair.texts["ha01"].replace("watchdog", "#"))
    dogs = StandIns(pair.stage, ("ha02",), 2.0)
    try:
        joined(pair)
        until("it counts", lambda: dogs.counting("ha02"))
        pair.ours["ha02"].signal("supervisor", signal.SIGTERM)
        until("the daemon has ended", lambda: not pair.ours["ha02"].processes("supervisor"))
        until("it does not count", lambda: not dogs.counting("ha02"))
        rest(3)
        assert dogs.resets == []
    finally:
        dogs.close()
