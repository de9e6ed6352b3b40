"""How the benchmark judges virtual routers beside keepalived."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from understudy.lab.vrrp_bench import (
    CONTENDERS,
    DEATHS,
    MANY,
    PARTS,
    ROWS,
    STARVED,
    Row,
    judge_deaths,
    judge_many,
    judge_row,
    judge_starved,
    measure,
    run,
)
from understudy.lab.vrrp_trial import VrrpSpec, all_addresses, longest
from understudy.units import MILLISECOND

OURS, THEIRS = CONTENDERS


def row(name: str) -> Row:
    return next(row for row in ROWS if row.name.startswith(name))


def one(**more: Any) -> dict[str, Any]:
    return {
        "outage_ms": 10.0,
        "whole_ms": 10.0,
        "late_ms": 1.0,
        "answer_ms": 1.0,
        "two_ms": 0,
        "double_ms": 100.0,
    } | more


def test_contenders_take_turns_and_share_the_phase_of_a_turn() -> None:
    asked: list[VrrpSpec] = []

    def trial(name: str, spec: VrrpSpec) -> list[dict[str, Any]]:
        asked.append(spec)
        return [one()]

    runs = measure("x", VrrpSpec("stop"), 2, 1, trial)
    assert [(spec.contender, spec.seed) for spec in asked] == [
        (OURS, 1000), (THEIRS, 1000), (OURS, 1001), (THEIRS, 1001),
    ]  # fmt: skip
    assert {name: len(found) for name, found in runs.items()} == {OURS: 2, THEIRS: 2}


def test_the_ratio_of_medians_is_judged() -> None:
    stop = row("clean stop, advert_int 0.1")
    good = judge_row(
        stop, {OURS: [one(outage_ms=10), one(outage_ms=900), one(outage_ms=12)], THEIRS: [one(outage_ms=60)]}
    )
    assert (good.broken, good.figures["ratio"]) == ([], 0.2)
    bad = judge_row(stop, {OURS: [one(outage_ms=16, two_ms=3)], THEIRS: [one(outage_ms=60)]})
    assert bad.broken == [
        "clean stop, advert_int 0.1: 0.27 of keepalived's, at most 0.25 promised",
        "clean stop, advert_int 0.1: two machines answered in 3 sampled milliseconds",
    ]


def test_a_figure_that_is_missing_is_not_passed() -> None:
    power = row("power off, advert_int 1")
    said = judge_row(power, {OURS: [one(whole_ms=None)], THEIRS: [one()]})
    assert said.broken == ["power off, advert_int 1: nan of keepalived's, at most 1.0 promised"]


def test_a_double_mastership_that_cost_keepalived_nothing_says_nothing() -> None:
    double = row("after 0.1 s")
    said = judge_row(double, {OURS: [one(outage_ms=1)], THEIRS: [one(outage_ms=40)]})
    assert said.broken == ["after 0.1 s of two masters: keepalived lost only 40 ms: nothing to compare with"]
    assert judge_row(double, {OURS: [one(outage_ms=100)], THEIRS: [one(outage_ms=4000)]}).broken == []


def test_every_one_of_a_thousand_addresses_counts_and_no_advert_waits_for_them() -> None:
    thousand = row("1000 addresses")
    whole = {"last_ms": 20.0, "all_ms": 10.0, "answering": 1000, "announced": 1000, "addresses": 1000, "gap_ms": 1001.0}
    theirs = [one(**whole | {"last_ms": 60.0})]
    assert judge_row(thousand, {OURS: [one(**whole)], THEIRS: theirs}).broken == []
    said = judge_row(thousand, {OURS: [one(**whole | {"answering": 999, "gap_ms": 1600.0})], THEIRS: theirs})
    assert said.broken == [
        "1000 addresses, all answer: 999 of 1000 answering",
        "1000 addresses, all answer: 1600 ms between two adverts",
    ]


def test_starvation_is_judged_with_and_without_real_time_priority() -> None:
    spec = replace(STARVED[0], advert="0.1", real_time=True)
    calm = {"transitions": 0, "two_ms": 0, "doubles_ms": [], "outage_ms": 3.0}
    shaken = {"transitions": 2, "two_ms": 130, "doubles_ms": [30.0, 100.0], "outage_ms": 90.0}
    assert judge_starved(spec, {OURS: [calm], THEIRS: [shaken]}).broken == []
    assert judge_starved(replace(spec, real_time=False), {OURS: [shaken], THEIRS: [shaken]}).broken == []
    worse = shaken | {"doubles_ms": [101.0]}
    assert [text.partition(": ")[2] for text in judge_starved(spec, {OURS: [worse], THEIRS: [calm]}).broken] == [
        "2 spurious transitions, none promised",
        "2 spurious transitions, keepalived had 0",
        "two machines answered for 101 ms",
    ]


def test_dead_daemons_and_many_routers_are_judged() -> None:
    frozen = DEATHS[0]
    theirs = [{"two_after_ms": 3000, "outage_ms": 2.0}]
    assert judge_deaths(frozen, {OURS: [{"two_after_ms": 0, "outage_ms": 300.0}], THEIRS: theirs}).broken == []
    said = judge_deaths(frozen, {OURS: [{"two_after_ms": 2, "outage_ms": 300.0}], THEIRS: theirs})
    assert said.broken == ["daemon frozen: two machines answered for 2 ms after the lease was over"]
    many = {"cpu_percent": 1.0, "pss_mb": 5.0, "rss_mb": 9.0, "missed": 0, "longest_step_ms": 1001.0, "rivals": 0}
    assert judge_many({OURS: [many], THEIRS: [many | {"missed": 4}]}).broken == []
    assert judge_many({OURS: [many | {"missed": 4}], THEIRS: [many]}).broken == [
        f"{MANY.count} virtual routers: 4 adverts missed, none promised"
    ]


def test_a_run_without_results_gives_no_line_and_all_parts_are_known() -> None:
    assert {row.part for row in ROWS} | {"starved", "frozen", "many"} == set(PARTS)
    names: list[str] = []

    def trial(name: str, spec: VrrpSpec) -> list[dict[str, Any]]:
        names.append(name)
        return []

    report = run(["stop", "many"], 3, 1, trial)
    assert report.said.figures == {}
    assert set(names) == {
        f"{name}, {contender}"
        for name in ("clean stop, advert_int 1", "clean stop, advert_int 0.1", "many")
        for contender in CONTENDERS
    }
    assert len(names) == 2 * (2 * 3 + 1)


def test_a_thousand_addresses_differ() -> None:
    assert len(set(all_addresses(1000))) == 1000
    assert longest([0, MILLISECOND, 100 * MILLISECOND]) == 2
    assert longest([]) == 0
