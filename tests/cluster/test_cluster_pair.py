"""Two machines without a witness, real daemons: what a pair can promise, and that it says what it cannot."""

from __future__ import annotations

import pytest
from cluster_world import holder, in_world, never_two, until, watch
from other_worlds import ROUTER, PairTrial, really_well

from understudy.lab import kernel
from understudy.lab.trial import ADDRESS, Trial
from understudy.lab.watch import Seen
from understudy.units import MILLISECOND

DEAD_TIME = 300 * MILLISECOND


def served_by(trial: Trial, who: str) -> None:
    until(f"{who} serves", lambda: trial.stage.watchers.who() == who)


def stays(seen: Seen, who: str) -> None:
    """The same machine answered all the time; a busy test machine may have been late by less than a dead time."""
    never_two(seen)
    assert (seen.before, seen.after) == (who, who)
    assert seen.address is not None
    assert seen.address.mended
    assert seen.address.length - seen.address.own_lateness < 150 * MILLISECOND, seen.address


def taken_over(seen: Seen) -> None:
    """From one to the other once the first was surely over: not after a second dead time of doubt."""
    never_two(seen)
    assert {seen.before, seen.after} == {"ha01", "ha02"}
    assert seen.address is not None
    assert seen.address.mended
    assert seen.address.length - seen.address.own_lateness < 2 * DEAD_TIME, seen.address


def has_address(trial: Trial, name: str) -> bool:
    return ADDRESS in trial.stage.room.machine(name).run(["ip", "-br", "address", "show", "eth0"])


def hear_each_other(trial: Trial) -> None:
    until("all is well", lambda: really_well(trial))


def why_not(trial: Trial, at: str) -> str:
    """Everything that one machine's history and status have to say."""
    status = trial.stage.daemons[at].status() or {}
    words = [status.get("quorum", {}).get("text", ""), *status.get("warnings", [])]
    for group in status.get("groups", []):
        words += [group["why"], *group["not_on"].values()]
    return "\n".join(words)


@in_world(PairTrial)
def test_power_off_and_on(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("power ha01 off")
    served_by(trial, "ha02")
    taken_over(watch(trial, start, 1.5))
    assert "not safe" in why_not(trial, "ha02")
    start = kernel.now()
    trial.stage.do("power ha01 on")
    hear_each_other(trial)
    stays(watch(trial, start, 2.0), "ha02")
    # And the one that runs nothing: the service does not notice.
    start = kernel.now()
    trial.stage.do("power ha01 off")
    stays(watch(trial, start, 1.5), "ha02")


@in_world(PairTrial)
def test_heartbeats_cut_with_the_service_network_up(trial: Trial) -> None:
    list(trial.stage.told())
    start = kernel.now()
    trial.stage.do("silence ha01 eth1 both")
    until("ha02 counts ha01 as lost", lambda: "silent" in why_not(trial, "ha02"))
    stays(watch(trial, start, 3.0), "ha01")
    assert not has_address(trial, "ha02")
    mac = trial.stage.room.cable("ha01", "eth0").mac
    told = [item.text for item in trial.stage.told()]
    assert any("not taken over" in text and f"{ADDRESS} is in use by {mac}" in text for text in told), told
    start = kernel.now()
    trial.stage.do("silence ha01 eth1 no")
    hear_each_other(trial)
    stays(watch(trial, start, 1.5), "ha01")
    assert holder(trial, "ha02") == "ha01"


@in_world(PairTrial)
def test_frozen_holder(trial: Trial) -> None:
    """Its kernel ends the lease and with that the answers for the address; then the other may have it."""
    start = kernel.now()
    trial.stage.do("freeze ha01")
    served_by(trial, "ha02")
    assert has_address(trial, "ha01"), "the address is gone from the frozen machine: this test shows nothing"
    taken_over(watch(trial, start, 1.5))
    start = kernel.now()
    trial.stage.do("thaw ha01")
    until("the thawed machine removed the address", lambda: not has_address(trial, "ha01"))
    hear_each_other(trial)
    stays(watch(trial, start, 1.5), "ha02")


@pytest.mark.long
@in_world(PairTrial)
def test_frozen_and_cut_at_once(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("freeze ha01")
    trial.stage.do("silence ha01 eth1 both")
    served_by(trial, "ha02")
    taken_over(watch(trial, start, 1.5))
    # Thawed while the cut lasts: it must find that its right is over, and that the address has an owner.
    start = kernel.now()
    trial.stage.do("thaw ha01")
    until("the thawed machine removed the address", lambda: not has_address(trial, "ha01"))
    stays(watch(trial, start, 2.5), "ha02")
    start = kernel.now()
    trial.stage.do("silence ha01 eth1 no")
    hear_each_other(trial)
    stays(watch(trial, start, 1.5), "ha02")


@in_world(PairTrial)
def test_both_start_at_once_with_heartbeats_cut(trial: Trial) -> None:
    """Neither ever hears the other. Whoever asks the service network first takes it; the other hears of it there."""
    for name in ("ha01", "ha02"):
        trial.stage.do(f"kill {name} all")
    until("nobody serves", lambda: trial.stage.watchers.who() == "")
    trial.stage.do("silence ha01 eth1 both")
    start = kernel.now()
    for name in ("ha01", "ha02"):
        trial.stage.do(f"start {name}")
    until("somebody serves", lambda: trial.stage.watchers.who() != "")
    winner = trial.stage.watchers.who()
    loser = "ha02" if winner == "ha01" else "ha01"
    never_two(watch(trial, start, 4.0))
    until("one machine has the address", lambda: not has_address(trial, loser))
    start = kernel.now()
    trial.stage.do("silence ha01 eth1 no")
    hear_each_other(trial)
    stays(watch(trial, start, 2.0), winner)


@in_world(PairTrial)
def test_holder_that_reaches_nobody_lets_go(trial: Trial) -> None:
    """The peer is silent and the router, too: it is probably this machine that is cut off."""
    start = kernel.now()
    trial.stage.do("silence ha01 eth1 both")
    trial.stage.do(f"cut ha01 {ROUTER} service on")
    until("ha01 let go", lambda: not has_address(trial, "ha01"))
    served_by(trial, "ha02")
    never_two(watch(trial, start, 2.0))
    # With the router gone for both, nobody knows who is cut off: nobody takes it from nobody.
    start = kernel.now()
    trial.stage.do(f"cut ha02 {ROUTER} service on")
    until("ha02 let go", lambda: not has_address(trial, "ha02"))
    never_two(watch(trial, start, 1.5))
    assert trial.stage.watchers.who() == ""
    start = kernel.now()
    for name in ("ha01", "ha02"):
        trial.stage.do(f"cut {name} {ROUTER} service off")
    trial.stage.do("silence ha01 eth1 no")
    hear_each_other(trial)
    never_two(watch(trial, start, 1.5))
    assert trial.stage.watchers.who() != ""
