"""How the benchmark judges take-overs with Heartbeat's files."""

from __future__ import annotations

from typing import Any

from understudy.lab.old_bench import CONTENDERS, judge_apache, judge_many, measure
from understudy.lab.old_trial import OldSpec


def apache(address: float, script: float, page: float, two: int = 0) -> dict[str, Any]:
    return {
        "address_ms": address,
        "script_ms": script,
        "apache_ms": page - script,
        "page_ms": page,
        "page_outage_ms": 5000 + page,
        "two": two,
    }


def many(last: float) -> dict[str, Any]:
    return {"last_ms": last, "addresses": 50, "two": 0}


def test_contenders_take_turns() -> None:
    asked: list[tuple[str, OldSpec]] = []

    def trial(name: str, spec: OldSpec) -> list[dict[str, Any]]:
        asked.append((name, spec))
        return [many(1)]

    runs = measure("many", 2, trial)
    assert [spec.contender for _, spec in asked] == [*CONTENDERS, *CONTENDERS]
    assert {name: len(results) for name, results in runs.items()} == {"understudy": 2, "heartbeat": 2}


def test_what_costs_more_than_dead_time_and_apache_is_named() -> None:
    old = [apache(400, 500, 520)]
    assert judge_apache({"understudy": [apache(2, 15, 30)], "heartbeat": old}).broken == []
    late = judge_apache({"understudy": [apache(2, 15, 30), apache(25, 40, 60, two=3)], "heartbeat": old}).broken
    assert [text.partition(": ")[2] for text in late] == [
        "the address was back 25.0 ms late, 20 promised",
        "httpd was called 27.5 ms late (median), 20 promised",
        "two machines answered in 3 sampled milliseconds",
    ]


def test_the_ratio_of_many_addresses_is_judged() -> None:
    good = judge_many({"understudy": [many(5)], "heartbeat": [many(11_000)]})
    assert good.broken == []
    assert good.figures["ratio"] == 2200
    bad = judge_many({"understudy": [many(500)], "heartbeat": [many(11_000)]})
    assert bad.broken == ["50 addresses: 22 times faster than heartbeat, 100 promised"]
