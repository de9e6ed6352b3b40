"""Partitions of three machines (scenario C), with real daemons and a packet filter between chosen pairs.

Never two that serve; a majority serves; what need not move does not; and every node says which partition it is in.
"""

from __future__ import annotations

import os
import time
from itertools import permutations

from cluster_world import holder, in_world, never_two, undisturbed, until, watch
from three_world import NODES, ThreeTrial, cut, one_way, partition, settled, via

from understudy.lab import kernel
from understudy.lab.trial import Trial

WITH, WITHOUT = "partition with quorum", "partition WITHOUT quorum"


def says(trial: Trial, name: str, words: str, members: tuple[str, ...]) -> None:
    until(
        f"{name} says {words!r} and {members}, not {partition(trial, name)}",
        lambda: partition(trial, name) == (words, members),
    )


def serves(trial: Trial, who: str) -> None:
    until(f"{who or 'nobody'} serves", lambda: trial.stage.watchers.who() == who)


@in_world(ThreeTrial)
def test_none_cut_and_one_pair_cut(trial: Trial) -> None:
    for name in NODES:
        says(trial, name, WITH, NODES)
    start = kernel.now()
    cut(trial, "n1", "n3")
    until("n2 carries the news", lambda: via(trial, "n1", "n3") == "n2" and via(trial, "n3", "n1") == "n2")
    for name in NODES:
        says(trial, name, WITH, NODES)
    undisturbed(watch(trial, start, 1.5), "n1")
    start = kernel.now()
    cut(trial, "n1", "n3", on=False)
    until("heard directly again", lambda: via(trial, "n1", "n3") == "direct")
    undisturbed(watch(trial, start, 1.0), "n1")


@in_world(ThreeTrial)
def test_one_cut_at_a_request_every_ten_milliseconds_loses_none(trial: Trial) -> None:
    """Cutting 1-3 of three moves nothing. Of the client's questions (one a millisecond) each tenth is looked at."""
    start = kernel.now()
    cut(trial, "n1", "n3")
    watch(trial, start, 3.0)
    asked = trial.stage.watchers.questions(start, kernel.now() - 50_000_000)[::10]
    assert len(asked) > 200
    lost = [sample for sample in asked if sample.answered <= 0]
    assert not lost, f"{len(lost)} of {len(asked)} requests lost"
    assert {trial.stage.watchers.name(sample) for sample in asked} == {"n1"}


@in_world(ThreeTrial)
def test_every_pair_of_cuts_and_all_three_and_healing(trial: Trial) -> None:
    """One machine alone at a time: the two others have quorum, and serve; then nobody hears anybody, and nobody serves."""
    for alone in NODES:
        others = tuple(name for name in NODES if name != alone)
        start = kernel.now()
        for other in others:
            cut(trial, alone, other)
        says(trial, alone, WITHOUT, (alone,))
        for name in others:
            says(trial, name, WITH, others)
        until("one of the two serves", lambda others=others: trial.stage.watchers.who() in others)  # type: ignore[misc]
        never_two(watch(trial, start, 1.5))
        start = kernel.now()
        before = trial.stage.watchers.who()
        for other in others:
            cut(trial, alone, other, on=False)
        settled(trial)
        never_two(watch(trial, start, 1.0))
        assert trial.stage.watchers.who() == before, "healing moves nothing"
    start = kernel.now()
    for one, other in (("n1", "n2"), ("n2", "n3"), ("n1", "n3")):
        cut(trial, one, other)
    serves(trial, "")
    for name in NODES:
        says(trial, name, WITHOUT, (name,))
    never_two(watch(trial, start, 1.5))


@in_world(ThreeTrial)
def test_healing_in_every_order(trial: Trial) -> None:
    pairs = (("n1", "n2"), ("n2", "n3"), ("n1", "n3"))
    for order in permutations(pairs):
        start = kernel.now()
        for one, other in pairs:
            cut(trial, one, other)
        serves(trial, "")
        for one, other in order:
            cut(trial, one, other, on=False)
            until("somebody serves", lambda: trial.stage.watchers.who() != "")
        settled(trial)
        never_two(trial.stage.watchers.seen(start, kernel.now()))


@in_world(ThreeTrial)
def test_one_way_cuts(trial: Trial) -> None:
    """n3 no longer hears n1, which still hears n3: nothing moves. Then nobody hears n1, which hears all: it lets go first."""
    start = kernel.now()
    one_way(trial, "n1", "n3")
    until("n3 hears n1 through n2", lambda: via(trial, "n3", "n1") == "n2")
    undisturbed(watch(trial, start, 1.5), "n1")
    start = kernel.now()
    one_way(trial, "n1", "n2")
    until("another one holds", lambda: holder(trial, "n2") in ("n2", "n3"))
    says(trial, "n1", WITHOUT, ("n1",))
    never_two(watch(trial, start, 1.5))
    start = kernel.now()
    one_way(trial, "n1", "n2", on=False)
    one_way(trial, "n1", "n3", on=False)
    settled(trial)
    never_two(watch(trial, start, 1.0))


@in_world(ThreeTrial)
def test_a_path_that_flaps(trial: Trial) -> None:
    """1-3 is cut and healed every dead time, 20 times; UNDERSTUDY_LONG=1: every second for two minutes."""
    period, times = (1.0, 120) if os.environ.get("UNDERSTUDY_LONG") == "1" else (0.3, 20)
    start = kernel.now()
    for number in range(times):
        cut(trial, "n1", "n3", on=number % 2 == 0)
        end = time.monotonic() + period
        until("a while", lambda end=end: time.monotonic() >= end)  # type: ignore[misc]
    undisturbed(trial.stage.watchers.seen(start, kernel.now()), "n1")


@in_world(ThreeTrial)
def test_two_ends_of_a_path_where_the_middle_dies(trial: Trial) -> None:
    """n1 and n3 reach each other only through n2, which loses power: neither has quorum, nobody serves."""
    cut(trial, "n1", "n3")
    until("n2 carries the news", lambda: via(trial, "n1", "n3") == "n2")
    start = kernel.now()
    trial.stage.do("power n2 off")
    serves(trial, "")
    says(trial, "n1", WITHOUT, ("n1",))
    says(trial, "n3", WITHOUT, ("n3",))
    never_two(watch(trial, start, 1.0))
    start = kernel.now()
    cut(trial, "n1", "n3", on=False)
    until("somebody serves", lambda: trial.stage.watchers.who() in ("n1", "n3"))
    never_two(watch(trial, start, 1.0))
