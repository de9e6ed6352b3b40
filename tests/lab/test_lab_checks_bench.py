"""How the benchmark of checks judges what was measured."""

from __future__ import annotations

from typing import Any

from understudy.config.keepalived import read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.lab.checks_bench import FLOOR, JUDGES, NONE, OLD, OURS, PARTS, SPECS, run
from understudy.lab.checks_trial import KINDS, ChecksSpec
from understudy.lab.farm_trial import FarmSpec, keepalived_conf, places

GOOD: dict[str, dict[str, dict[str, float]]] = {
    "saturated": {
        OURS: {"checks_per_cpu_second": 20_000.0, "cpu_us": 50.0, "checks_per_second": 18_000.0, "failures": 0},
        FLOOR: {"cpu_us": 40.0},
    },
    "paced": {
        OURS: {
            "cpu_us": 80.0, "checks_per_second": 1000.0, "late_worst_ms": 3.0, "late_over": 0, "checks": 10_000,
            "starved_ms": 1.0, "failures": 0,
        },
        OLD: {"cpu_us": 700.0, "checks_per_second": 20.0},
    },
    "pulse": {
        NONE: {"median_late_ms": 0.06, "p99_late_ms": 0.1, "worst_late_ms": 0.3},
        OURS: {"median_late_ms": 0.07, "p99_late_ms": 0.2, "worst_late_ms": 9.0},
    },
    "farm": {
        OURS: {
            "loaded_s": 2.5, "loaded_cpu_s": 2.4, "out_s": 10.5, "back_s": 9.0, "interval_s": 10.0, "starved_s": 0.1,
            "pss_mib": 67.0,
        },
    },
}  # fmt: skip


def measured(part: str = "", contender: str = "", **other: float) -> list[str]:
    """The broken limits when one figure of one contender is another."""

    def trial(name: str, spec: ChecksSpec) -> list[dict[str, Any]]:
        figures = dict(GOOD[spec.kind][spec.contender])
        return [figures | other if (spec.kind, spec.contender) == (part, contender) else figures]

    return run(PARTS, 3, trial).said.broken


def test_good_figures_break_nothing() -> None:
    assert measured() == []


def test_each_limit_is_judged() -> None:
    assert measured("saturated", OURS, checks_per_cpu_second=14_000.0) == [
        "14000 checks for each second of CPU time, at least 15000 promised"
    ]
    assert measured("saturated", OURS, failures=1) == ["saturated: 3 checks of a good server failed"]
    assert measured("paced", OLD, cpu_us=399.0) == [
        "a check costs 0.201 of ldirectord's CPU time, at most 0.2 promised"
    ]
    assert measured("paced", OURS, late_over=1) == [
        "3 of 30000 checks began later than a tenth of their interval, none promised"
    ]
    assert measured("paced", OURS, failures=2) == ["paced: 6 checks of a good server failed"]
    assert measured("pulse", OURS, median_late_ms=1.5) == ["beside checks the pulse wakes 1.44 ms later in the median"]


def test_each_limit_of_the_farm_is_judged() -> None:
    assert measured("farm", OURS, loaded_s=3.1) == ["the whole table stands after 3.1 s, 3 promised"]
    assert measured("farm", OURS, out_s=11.2) == ["the tenth is out after 11.2 s, one interval (10 s) promised"]
    assert measured("farm", OURS, back_s=11.2) == ["the tenth is in again after 11.2 s, one interval (10 s) promised"]


def test_the_farm_is_a_file_that_is_read() -> None:
    spec = FarmSpec("farm", servers=1000, interval=10.0)
    reading = read_keepalived(Source("keepalived.conf", keepalived_conf(spec)))
    assert reading.files is not None
    assert reading.files.services is not None
    servers = [(real.address, real.port) for each in reading.files.services.services for real in each.reals]
    assert servers == [place for each in places(spec) for place in each]
    assert {check.fall for each in reading.files.services.services for real in each.reals for check in real.checks} == {
        1
    }


def test_a_part_without_results_is_not_judged() -> None:
    report = run(("paced",), 2, lambda name, spec: [])
    assert report.said.figures == {}
    assert report.runs == {"paced, understudy": [], "paced, ldirectord": []}


def test_every_part_can_be_run_and_judged() -> None:
    assert set(PARTS) == set(SPECS) == set(JUDGES)
    assert {spec.kind for specs in SPECS.values() for spec in specs} <= {*KINDS, "farm"}
