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
