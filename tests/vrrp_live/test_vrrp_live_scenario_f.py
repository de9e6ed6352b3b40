"""Administrators' own set-ups with keepalived, their files unchanged: what they tried by hand, with both programs.

UNDERSTUDY_LONG=1: with both programs; else with ours.
"""

from __future__ import annotations

from typing import Any

import pytest
from live_worlds import WORLDS, World
from scenario_f_world import ADDRESS, INNER, INNER_ADDRESS, OUTER

from understudy.lab.old_pair import APACHE
from understudy.lab.vrrp_pair import OLD, PROGRAMS, UNDERSTUDY

pytestmark = pytest.mark.kernel


def httpd(program: str) -> World:
    return World("scenario_f_world.py", "httpd", (program,), (APACHE,), long=program == OLD)


def two_nics(program: str, together: bool) -> World:
    return World(
        "scenario_f_world.py",
        "two_nics",
        (program, "yes" if together else "no"),
        (APACHE,),
        long=program == OLD or not together,
    )


MOVES = (
    ("httpd stopped", "ha01", "ha01"), ("power off", "ha01", "ha02"), ("power on", "ha02", "ha01"), ("stopped", "ha01", "ha02"),
    ("started", "ha02", "ha01"), ("address deleted", "ha01", "ha01"),
)  # fmt: skip


@pytest.mark.parametrize("world", [httpd(program) for program in PROGRAMS], ids=str)
def test_httpd_and_its_check_script(told: dict[str, Any]) -> None:
    assert [(step, told[step]["before"], told[step]["after"]) for step, *_ in MOVES] == list(MOVES)
    assert told["httpd stopped"]["outage_ms"] < told["httpd stopped"]["page_ms"], "only the page was gone"
    for step in ("both", "both again", "both for the third time"):
        assert told[step]["masters"] == {str(OUTER): ["ha01"]}
    assert told["announced"] > 0


@pytest.mark.parametrize(("theirs", "ours"), [(httpd(OLD), httpd(UNDERSTUDY))], ids=["httpd"])
def test_what_costs_keepalived_an_election_costs_ours_none(theirs: World, ours: World) -> None:
    old, new = WORLDS.told(theirs), WORLDS.told(ours)
    for step in ("stopped", "address deleted"):
        print(f"{step}: {old[step]['outage_ms']:.1f} ms with keepalived, {new[step]['outage_ms']:.1f} ms with ours")
        assert new[step]["outage_ms"] < old[step]["outage_ms"] / 2
    assert all(new[step]["two"] == 0 for step in ("power off", "stopped", "address deleted"))


@pytest.mark.parametrize(
    "world", [two_nics(program, together) for program in PROGRAMS for together in (False, True)], ids=str
)
def test_the_inner_network_moves_separately_or_with_its_sync_group(world: World, told: dict[str, Any]) -> None:
    outer = "ha02" if world.words[1] == "yes" else "ha01"
    assert told["both"]["masters"] == {str(OUTER): ["ha01"], str(INNER): ["ha01"]}
    ended = told["the inner cable is out"]
    assert ended["masters"] == {str(OUTER): [outer], str(INNER): ["ha02"]}
    holders = {
        address: [name for name, found in ended["addresses"].items() if address in found]
        for address in (ADDRESS, INNER_ADDRESS)
    }
    assert holders == {ADDRESS: [outer], INNER_ADDRESS: ["ha02"]}
