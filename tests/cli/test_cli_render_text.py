"""Words for spans, and states that the commands' tests do not reach."""

from __future__ import annotations

import pytest

from understudy.cli.render_text import Paint, span, status_text, why_text


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
