"""The fault matrix: its verdicts and its page, and a few of its rows for real."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from understudy.config.advice import advice
from understudy.lab.fault_row import make_scene
from understudy.lab.faults import FAULTS, POLICIES, fault
from understudy.lab.matrix import run_row, table, verdict, write_page
from understudy.model import AddressResource, Cluster, Group, Link, Member, Quorum, Role
from understudy.units import MILLISECOND

GOOD: dict[str, Any] = {
    "fault": "power-off",
    "policy": "majority",
    "outage_ms": 281.5,
    "mended": True,
    "two_ms": 0,
    "asked": 2000,
    "moves": 1,
    "after": "ha02",
    "expected": "moves",
    "as_expected": True,
}


def test_verdicts() -> None:
    item = fault("power-off")
    assert verdict(item, GOOD) == (True, "as promised")
    assert verdict(item, {**GOOD, "two_ms": 3}) == (False, "BROKEN: 3 ms with two")
    broken = {**GOOD, "as_expected": False, "after": ""}
    assert verdict(item, broken) == (False, "BROKEN: nobody serves at the end, expected: moves")
    assert verdict(item, {**GOOD, "error": "no nft"}) == (False, "NO RESULT: no nft")
    assert verdict(item, {**GOOD, "asked": 3})[0] is False, "a row in which nothing was asked shows nothing"
    stays = {**GOOD, "fault": "pulse-killed", "expected": "stays", "after": "ha01"}
    assert verdict(fault("pulse-killed"), stays) == (False, "BROKEN: moved 1 times, and should not have")
    assert verdict(fault("pulse-killed"), {**stays, "moves": 0}) == (True, "as promised")


def test_what_a_policy_cannot_promise_is_marked_so() -> None:
    item = fault("cut-between-two")
    row = {**GOOD, "fault": item.name, "policy": "pair", "two_ms": 2966, "expected": "any"}
    assert verdict(item, row) == (True, "not promised (see below)")
    assert verdict(item, {**row, "policy": "witness", "expected": "stays", "moves": 0})[0] is False


def test_a_blind_observer_is_found() -> None:
    item = fault("lease-tables-flushed")
    assert verdict(item, {**GOOD, "two_ms": 0}) == (False, "THE OBSERVER IS BLIND")
    assert verdict(item, {**GOOD, "two_ms": 900})[0] is True


def test_every_fault_says_what_must_come_of_it() -> None:
    assert len({item.name for item in FAULTS}) == len(FAULTS)
    for item in FAULTS:
        for policy in item.only:
            assert item.expected(policy) in ("stays", "moves", "any", "nobody", "either"), item.name
    assert {policy for item in FAULTS for policy in item.not_promised} == {"pair"}


def test_the_page_gets_the_table_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "faults.md"
    page.write_text("before\n<!-- table -->\nold\n<!-- end of table -->\nafter\n")
    write_page(
        page,
        table(
            [GOOD],
            [
                {
                    "tool": "x",
                    "version": "1",
                    "settings": "fast",
                    "fault": "f",
                    "outage_ms": 3,
                    "two_ms": 4,
                    "endless": True,
                }
            ],
        ),
    )
    text = page.read_text()
    assert text.startswith("before\n<!-- table -->\n| fault |")
    assert text.endswith("<!-- end of table -->\nafter\n")
    assert "| power-off: the serving machine loses power | majority | 282 | 0 | 1 | as promised |" in text
    assert "| x 1 (fast) | f | 3 | 4 | without end |" in text
    assert "old" not in text


def test_the_page_quotes_what_check_says_of_a_pair() -> None:
    members = tuple(
        Member(name, Role.NODE, (Link("net", f"10.0.0.{number}"),)) for number, name in enumerate(("ha01", "ha02"), 1)
    )
    group = Group("site", (AddressResource("a", "10.0.0.9", 24, "eth0"),))
    cluster = Cluster("c", "k", 60 * MILLISECOND, 300 * MILLISECOND, Quorum.PAIR, members, (group,))
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    quoted = " ".join(line[2:] for line in page.splitlines() if line.startswith("> "))
    assert quoted == advice(cluster)[0]


def test_scenes_fit_their_policies() -> None:
    for policy in POLICIES:
        text = make_scene(policy, programs=True).configuration("key")
        quorum = {"witness": "majority"}.get(policy, policy)
        assert f'quorum = "{quorum}"' in text
        assert ("[fence.strip]" in text) == (policy == "fence")


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("daemon-frozen", "majority"),
        pytest.param("daemon-frozen", "fence", marks=pytest.mark.long),
        ("heartbeats-filtered", "pair"),
        pytest.param("state-read-only", "witness", marks=pytest.mark.long),
        pytest.param("rival", "witness", marks=pytest.mark.long),
        pytest.param("lease-tables-flushed", "witness", marks=pytest.mark.long),
    ],
)
def test_a_row(name: str, policy: str) -> None:
    if shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip("not installed: nft")
    item = replace(fault(name))
    row = run_row(item, policy)
    good, words = verdict(item, row)
    assert good, f"{words}: {row}"
