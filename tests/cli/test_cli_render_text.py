"""Words for spans, and states that the commands' tests do not reach."""

from __future__ import annotations

import pytest

from understudy.cli.render_text import Paint, group_lines, node_lines, span, status_text, why_text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (999.4, "999 ms"),
        (1000, "1.0 s"),
        (59_940, "59.9 s"),
        (60_000, "1 min"),
        (125_000, "2 min 5 s"),
        (3_600_000, "1 h"),
        (7_800_000, "2 h 10 min"),
        (90_000_000, "1 d 1 h"),
    ],
)
def test_spans(milliseconds: float | None, text: str) -> None:
    assert span(milliseconds) == text


def test_a_group_that_runs_nowhere() -> None:
    group = {
        "name": "site",
        "holder": None,
        "state": "stopped",
        "why": "no quorum",
        "not_on": {"a": "lost", "b": "lost"},
    }
    text = why_text({**group, "prospects": ["a: when it is heard again"]}, Paint(False))
    assert text.endswith("  not on b: lost\n  what would end the wait:\n    a: when it is heard again")
    assert why_text(group, Paint(False)) == "site runs nowhere (stopped): no quorum\n  not on a: lost\n  not on b: lost"


def test_a_cluster_without_groups() -> None:
    quorum = {"policy": "pair", "votes": 1, "of": 2, "have": 1, "quorate": True, "text": ""}
    status = {"cluster": "c", "node": "a", "at": "now", "quorum": quorum, "nodes": [], "groups": [], "warnings": []}
    assert status_text(status, Paint(False)) == (
        "Cluster c, seen from a at now\npartition with quorum (pair: hears 1 of 2 votes, needs 1)\n\nNodes"
    )


def test_a_link_that_loses_says_how_much() -> None:
    def shown(up: bool, loss: float | None) -> str:
        link = {"network": "net1", "up": up, "age_ms": 12.0, "loss": loss}
        node = {"name": "b", "role": "node", "state": "up", "via": "direct", "standby": False, "config_differs": False}
        return node_lines({"node": "a", "nodes": [{**node, "links": [link]}]}, Paint(False)).splitlines()[1]

    assert shown(True, 0.254).endswith("heard directly: net1 12 ms, loses 25 %")
    for loss in (None, 0.0, 0.001):
        assert shown(True, loss).endswith("heard directly: net1 12 ms")
    assert shown(False, 1.0).endswith("net1 down 12 ms"), "that it is down says enough"


def test_what_operators_have_asked_stands_under_its_group() -> None:
    group = {"name": "site", "holder": "a", "state": "started", "lease_left_ms": None, "why": "", "resources": []}
    wish = {"group": "site", "kind": "stopped", "by": "anna at a", "said_ms": 0, "reason": "", "left_ms": None}
    other = {**wish, "group": "", "kind": "maintenance", "said_ms": 10**20, "unknown_to": ["b", "w"]}
    status = {"groups": [group, {**group, "name": "mail"}], "wishes": [{**wish, "unknown_to": []}, other]}
    both = "    asked: in maintenance for anna at a since ?, until it is ended (b, w did not hear of it yet)"
    assert group_lines(status, Paint(False)).splitlines() == [
        "Groups",
        "  site  started on a",
        "    asked: stopped by anna at a since 1970-01-01 00:00 UTC, until it is ended",
        both,
        "  mail  started on a",
        both,
    ]


def probe(
    state: str, for_ms: float | None = 3000, failure: str = "", failed_ms: float | None = None
) -> dict[str, object]:
    return {
        "name": f"p-{state}",
        "resource": None,
        "check": "ping 192.0.2.1",
        "state": state,
        "for_ms": for_ms,
        "failure": failure,
        "failed_ms": failed_ms,
    }


@pytest.mark.parametrize(
    ("up", "state", "word"), [(True, "started", ", up"), (False, "started", ", not up"), (None, "started", "")]
)
def test_a_group_is_up_or_not_and_each_probe_says_why(up: bool | None, state: str, word: str) -> None:
    probes = [
        probe("up", 65000, "refused", 70000),
        probe("down", 500, "status 503", 12),
        probe("waiting", 3000, "refused", 9000),
        probe("unknown", None),
    ]
    group = {
        "name": "site",
        "holder": "a",
        "state": state,
        "lease_left_ms": None,
        "why": "first",
        "not_on": {},
        "resources": [],
        "up": up,
        "probes": probes,
    }
    assert group_lines({"groups": [group]}, Paint(False)) == (
        f"Groups\n  site  {state} on a{word}\n    why: first\n"
        "    probe p-up       up for 1 min 5 s; failed 1 min 10 s ago: refused  (ping 192.0.2.1)\n"
        "    probe p-down     down for 500 ms; failed 12 ms ago: status 503  (ping 192.0.2.1)\n"
        "    probe p-waiting  waiting for 3.0 s; failed 9.0 s ago: refused  (ping 192.0.2.1)\n"
        "    probe p-unknown  not asked now  (ping 192.0.2.1)"
    )
    assert why_text(group, Paint(False)) == (
        "site is started on a: first\n  not up: probe p-down: status 503\n  not up: probe p-waiting has not answered yet"
    )


def test_parts_are_those_of_the_node_that_is_asked() -> None:
    parts = [
        {"id": "address", "state": "stopped", "text": ""},
        {"id": "redis", "state": "failed", "text": "start: cannot bind"},
    ]
    group = {"name": "shop", "state": "started", "lease_left_ms": None, "why": "", "resources": parts}

    def shown(holder: str | None, role: str) -> list[str]:
        status = {"node": "n1", "role": role, "groups": [{**group, "holder": holder}]}
        return group_lines(status, Paint(False)).splitlines()[2:]

    assert shown("n1", "node") == ["    address  stopped", "    redis    failed  start: cannot bind"]
    assert shown("n2", "node") == ["    redis  failed (on n1)  start: cannot bind"]
    assert shown(None, "node")[0] == "    address  stopped (on n1)"
    assert shown("n2", "witness") == []


def test_a_daemon_that_was_stopped_is_not_told_as_standby() -> None:
    node = {"name": "b", "role": "node", "via": None, "standby": False, "config_differs": False, "links": []}

    def shown(state: str, **words: object) -> str:
        status = {"node": "a", "nodes": [{**node, "state": state, "age_ms": 19000.0, "leaving": True, **words}]}
        return node_lines(status, Paint(False)).splitlines()[1]

    assert shown("lost") == "  b  stopped  cleanly 19.0 s ago"
    assert shown("lost", standby=True) == "  b  stopped  standby, cleanly 19.0 s ago"
    assert shown("up", via="direct") == "  b  up       being stopped, heard directly"


def test_a_majority_of_two_sets_of_voters() -> None:
    quorum = {"policy": "majority", "votes": 3, "of": 4, "have": 3, "quorate": True, "text": "partition with quorum"}
    status = {"cluster": "c", "node": "a", "at": "now", "nodes": [], "groups": [], "warnings": []}
    both = {**quorum, "members": ["a", "b"], "needs": "2 of 3 and 3 of 4"}
    said = status_text({**status, "quorum": both}, Paint(False)).splitlines()[1]
    assert said == "partition with quorum: a b (majority: hears 3 of 4 votes, needs 2 of 3 and 3 of 4)"


def test_why_says_a_long_reason_once() -> None:
    reason = "failed there: memc failed (start: cannot bind): this node gives up (failure 1 within 10m)"
    group = {
        "name": "shop",
        "holder": "a",
        "state": "starting",
        "why": f"stays on a, although {reason}: no other node can take it",
        "not_on": {"b": reason, "c": "it is in standby"},
        "unfit": {"a": reason, "b": reason},
        "prospects": [f"it goes to b when that has been ready for 1s; now {reason} (soon)"],
    }
    text = why_text(group, Paint(False))
    assert text.count("cannot bind") == 1
    assert "  not on b: as above\n  not on c: it is in standby\n" in text
    assert "now as above (soon)" in text
