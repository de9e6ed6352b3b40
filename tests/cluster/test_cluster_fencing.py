"""Fencing with real daemons and a power strip that really switches the lab's machines off."""

from __future__ import annotations

from typing import cast

import pytest
from cluster_world import holder, in_world, never_two, until, watch
from fence_world import FenceTrial, MajorityTrial, MutualTrial, runs

from understudy.lab import kernel
from understudy.lab.trial import Trial


def fence(trial: Trial) -> FenceTrial:
    return cast(FenceTrial, trial)


def group(trial: Trial, at: str, name: str = "site") -> dict[str, object]:
    status = trial.stage.daemons[at].status()
    return next((item for item in status["groups"] if item["name"] == name), {}) if status else {}


def taken_over(trial: Trial) -> None:
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    until("ha02 runs the program", lambda: runs(trial, "ha02"))


@in_world(FenceTrial)
def test_power_off_of_the_holder(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("power ha01 off")
    taken_over(trial)
    assert [(name, what) for _, name, what in fence(trial).strip.switched] == [("ha01", "off")]
    never_two(watch(trial, start, 1.0))
    status = trial.stage.daemons["ha02"].status()
    assert status is not None
    assert next(node for node in status["nodes"] if node["name"] == "ha01")["fencing"].startswith("off, confirmed by")


@pytest.mark.long
@in_world(FenceTrial)
def test_the_loss_of_the_other_moves_nothing(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("power ha02 off")
    seen = watch(trial, start, 2.0)
    never_two(seen)
    assert (seen.before, seen.after) == ("ha01", "ha01")
    assert fence(trial).strip.switched == []


@pytest.mark.long
@in_world(FenceTrial)
def test_heartbeats_cut_with_the_service_network_up(trial: Trial) -> None:
    """ha01 still answers for the address: nobody is switched off, nothing moves."""
    start = kernel.now()
    trial.stage.do("cut ha01 ha02 heartbeat on")
    trial.stage.do("on ha01 nft add table inet cut")
    trial.stage.do("on ha01 nft add chain inet cut out { type filter hook output priority 0 ; }")
    trial.stage.do("on ha01 nft add rule inet cut out udp dport 5694 drop")
    trial.stage.do("on ha01 nft add chain inet cut in { type filter hook input priority 0 ; }")
    trial.stage.do("on ha01 nft add rule inet cut in udp dport 5694 drop")
    until("ha02 misses ha01", lambda: "was not taken" in str(group(trial, "ha02")) or _lost(trial, "ha02", "ha01"))
    seen = watch(trial, start, 3.0)
    never_two(seen)
    assert (seen.before, seen.after) == ("ha01", "ha01")
    assert fence(trial).strip.switched == []


def _lost(trial: Trial, at: str, other: str) -> bool:
    status = trial.stage.daemons[at].status()
    return status is not None and any(node["name"] == other and node["state"] == "lost" for node in status["nodes"])


@in_world(FenceTrial)
def test_frozen_holder_is_switched_off_first(trial: Trial) -> None:
    start = kernel.now()
    trial.stage.do("freeze ha01")
    assert runs(trial, "ha01")
    taken_over(trial)
    assert not trial.stage.room.machine("ha01").powered
    never_two(watch(trial, start, 0.5))


@in_world(MutualTrial)
def test_both_want_to_fence_at_once(trial: Trial) -> None:
    """Cut on every network, each holding a group: the first of the file goes first, and exactly one is left."""
    until("mail runs somewhere", lambda: group(trial, "ha02", "mail").get("state") == "started")
    if (
        group(trial, "ha02", "mail").get("holder") != "ha02"
    ):  # on a slow machine ha02 came later, and nothing fails back
        trial.stage.do("move mail ha02")
    until("mail is on ha02", lambda: group(trial, "ha02", "mail").get("holder") == "ha02")
    start = kernel.now()
    for network in ("service", "heartbeat"):
        trial.stage.do(f"cut ha01 ha02 {network} on")
    until("one is switched off", lambda: fence(trial).strip.switched != [])
    until("ha01 has both", lambda: group(trial, "ha01", "mail").get("holder") == "ha01")
    assert [name for _, name, _ in fence(trial).strip.switched] == ["ha02"]
    assert trial.stage.room.machine("ha01").powered
    seen = watch(trial, start, 4.0)
    never_two(seen)
    assert [name for _, name, _ in fence(trial).strip.switched] == ["ha02"]


@in_world(FenceTrial)
def test_who_comes_back_behind_a_cut_does_not_shoot(trial: Trial) -> None:
    """The machine that was fenced is switched on while the two are still cut from each other."""
    for network in ("service", "heartbeat"):
        trial.stage.do(f"cut ha01 ha02 {network} on")
    until("ha01 is off", lambda: not trial.stage.room.machine("ha01").powered)
    taken_over(trial)
    trial.stage.do("power ha01 on")
    start = kernel.now()
    until("ha01 says why it waits", lambda: "has not met" in "\n".join(trial.stage.daemons["ha01"].log_tail(60)))
    seen = watch(trial, start, 1.5)
    never_two(seen)
    assert seen.after == "ha02"
    assert [name for _, name, _ in fence(trial).strip.switched] == ["ha01"]
    for network in ("service", "heartbeat"):
        trial.stage.do(f"cut ha01 ha02 {network} off")
    until("they hear each other", lambda: not _lost(trial, "ha02", "ha01"))
    assert not runs(trial, "ha01")


@in_world(MajorityTrial)
def test_a_group_waits_and_says_why_and_a_human_ends_it(trial: Trial) -> None:
    fence(trial).strip.broken(True)
    trial.stage.do("power ha01 off")
    until("ha02 holds", lambda: holder(trial, "ha02") == "ha02")
    until("it says why it waits", lambda: "waits for proof of stop: ha01" in str(group(trial, "ha02").get("why")))
    until("it says what is wrong", lambda: "no route to the power strip" in str(group(trial, "ha02").get("why")))
    assert not runs(trial, "ha02")
    answer = trial.stage.daemons["ha02"].ask("/v1/confirm-off", {"node": "ha01"}, timeout=5.0)
    assert answer is not None
    assert answer["ok"], answer
    until("the program runs", lambda: runs(trial, "ha02"))
    told = [item.text for item in trial.stage.told()]
    assert any("confirmed by root" in text for text in told), told


@pytest.mark.long
@in_world(MajorityTrial)
def test_a_human_is_refused_while_the_node_is_heard_and_may_have_it_fenced(trial: Trial) -> None:
    answer = trial.stage.daemons["ha02"].ask("/v1/confirm-off", {"node": "ha01"}, timeout=5.0)
    assert answer is not None
    assert "is not off: ha02 hears it" in answer["text"]
    tested = trial.stage.daemons["ha02"].ask("/v1/fence/test", {"node": "ha01"}, timeout=20.0)
    assert tested is not None
    assert [(row["ok"], row["text"]) for row in tested["devices"]] == [(True, "on")]
    start = kernel.now()
    answer = trial.stage.daemons["ha02"].ask("/v1/fence", {"node": "ha01"}, timeout=30.0)
    assert answer is not None
    assert answer["ok"], answer
    assert not trial.stage.room.machine("ha01").powered
    taken_over(trial)
    never_two(watch(trial, start, 0.5))
