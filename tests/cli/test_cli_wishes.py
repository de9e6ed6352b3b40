"""What an operator asks of all nodes from the command line: what is sent, what is waited for, how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from manager_helpers import FakePulse, RunningManager, a_snapshot
from test_cli_commands import understudy

from understudy.snapshot import Snapshot, WishStatus

STOPPED = WishStatus("site", "stopped", "anna at a", 1_700_000_000_000, "new disks", None, ())


def stopped(unknown_to: tuple[str, ...] = ()) -> Snapshot:
    return replace(a_snapshot(holder=None, state="stopped"), wishes=(replace(STOPPED, unknown_to=unknown_to),))


def test_stop_waits_until_it_runs_nowhere_and_start_until_it_has_started(
    pulse: FakePulse, manager: RunningManager
) -> None:
    def obeys(packet: dict[str, Any]) -> None:
        pulse.snapshot = stopped() if packet["verb"] == "stop" else a_snapshot()

    pulse.on_admin = obeys
    done = understudy(manager, "stop", "site", "--reason", "new disks", "--json")
    assert (done.returncode, json.loads(done.stdout)["text"]) == (0, "as you wish")
    assert pulse.wait_for("admin")["reason"] == "new disks"
    done = understudy(manager, "start", "site")
    assert (done.returncode, done.stdout.split(" (")[0]) == (0, "as you wish")


def test_a_stop_is_not_done_while_it_runs_or_somebody_does_not_know(pulse: FakePulse, manager: RunningManager) -> None:
    done = understudy(manager, "stop", "site", "--timeout", "200ms")
    assert (done.returncode, "site is started on a" in done.stderr) == (5, True)
    pulse.snapshot = stopped(("b", "w"))
    done = understudy(manager, "stop", "site", "--timeout", "200ms")
    assert (done.returncode, "b, w has not heard of it yet" in done.stderr) == (5, True)
    assert understudy(manager, "stop", "site", "--no-wait").returncode == 0


def test_a_start_is_not_done_while_it_runs_nowhere(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.snapshot = stopped()
    done = understudy(manager, "start", "site", "--timeout", "200ms")
    assert (done.returncode, "site is stopped: " in done.stderr) == (5, True)


def test_refusals_have_their_exit_codes(pulse: FakePulse, manager: RunningManager) -> None:
    assert understudy(manager, "stop", "sit").returncode == 2
    pulse.reply = {"ok": False, "text": "a has just started"}
    done = understudy(manager, "stop", "site")
    assert (done.returncode, done.stderr) == (4, "understudy: a has just started\n")


def maintained(group: str = "site") -> Snapshot:
    wish = WishStatus(group, "maintenance", "anna at a", 1_700_000_000_000, "", 3_600_000.0, ())
    return replace(a_snapshot(), wishes=(wish,))


def test_maintenance_on_and_off(pulse: FakePulse, manager: RunningManager) -> None:
    def obeys(packet: dict[str, Any]) -> None:
        pulse.snapshot = maintained(packet["group"]) if packet["verb"] == "maintenance-on" else a_snapshot()

    pulse.on_admin = obeys
    assert understudy(manager, "maintenance", "on", "site", "--for", "90m", "--reason", "switches").returncode == 0
    packet = pulse.wait_for("admin", verb="maintenance-on", group="site")
    assert (packet["span_ns"], packet["reason"]) == (5400 * 10**9, "switches")
    assert understudy(manager, "maintenance", "off", "site").returncode == 0
    assert understudy(manager, "maintenance", "on").returncode == 0
    assert pulse.wait_for("admin", verb="maintenance-on", group="")["span_ns"] == 0


def test_maintenance_is_not_done_before_it_is_seen(pulse: FakePulse, manager: RunningManager) -> None:
    done = understudy(manager, "maintenance", "on", "--timeout", "200ms")
    assert (done.returncode, "the cluster is not yet in maintenance" in done.stderr) == (5, True)
    pulse.snapshot = maintained("site")
    done = understudy(manager, "maintenance", "off", "site", "--timeout", "200ms")
    assert (done.returncode, "site is still in maintenance" in done.stderr) == (5, True)


def test_maintenance_that_makes_no_sense(pulse: FakePulse, manager: RunningManager) -> None:
    for words in (("off", "--for", "1h"), ("on", "--for", "10ms"), ("on", "sit"), ("maybe",), ("on", "--for", "soon")):
        assert understudy(manager, "maintenance", *words).returncode == 2, words
    assert not [packet for packet in pulse.received if packet["t"] == "admin"]


def test_a_restart_waits_until_it_has_started_again(pulse: FakePulse, manager: RunningManager) -> None:
    def obeys(packet: dict[str, Any]) -> None:
        pulse.snapshot = a_snapshot(state="starting")

    pulse.on_admin = obeys
    done = understudy(manager, "restart", "site", "--timeout", "200ms")
    assert (done.returncode, "site is starting on a" in done.stderr) == (5, True)
    pulse.on_admin = lambda packet: None
    pulse.snapshot = a_snapshot()
    done = understudy(manager, "restart", "site", "--timeout", "200ms")
    assert done.returncode == 5, "started, but nobody has seen it stop yet"
    assert understudy(manager, "restart", "site").returncode == 0, "it may have been quicker than our looks"


def test_a_cleanup_waits_until_nobody_leaves_it_out(pulse: FakePulse, manager: RunningManager) -> None:
    snapshot = a_snapshot()
    (group,) = snapshot.groups
    pulse.snapshot = replace(
        snapshot, groups=(replace(group, unfit={"b": "failed there: sleeper", "a": "no carrier"}),)
    )
    done = understudy(manager, "cleanup", "site", "--timeout", "200ms")
    assert (done.returncode, "b still leaves site out" in done.stderr) == (5, True)
    pulse.snapshot = snapshot
    assert understudy(manager, "cleanup", "site").returncode == 0


def test_a_drain_is_done_when_only_that_is_left_which_nobody_else_takes(
    pulse: FakePulse, manager: RunningManager
) -> None:
    snapshot = a_snapshot(standby=True)
    nodes = (replace(snapshot.nodes[0], draining=True), *snapshot.nodes[1:])
    pulse.snapshot = replace(snapshot, nodes=nodes)
    done = understudy(manager, "drain", "a", "--timeout", "200ms")
    assert (done.returncode, "a still runs site" in done.stderr) == (5, True)
    why = "stays on a, although it is in standby: no other node can take it"
    pulse.snapshot = replace(snapshot, nodes=nodes, groups=(replace(snapshot.groups[0], why=why),))
    assert understudy(manager, "drain", "a").returncode == 0
    assert "draining" in understudy(manager, "status").stdout
