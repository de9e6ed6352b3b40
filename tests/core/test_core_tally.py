"""Every move of a group is counted once in the cluster, with its cause."""

from __future__ import annotations

import pytest

from understudy.core.charge import Charge, Reservation
from understudy.core.execution import Execution
from understudy.core.node import Node
from understudy.core.placement import Cause, Decision
from understudy.core.tally import Tally
from understudy.model import Group
from understudy.sim.script import Script

START = """\
cluster 2 nodes witness arbiter heartbeat 200ms dead 1s
group site address 192.168.58.100 program httpd prefer ha01 ha02
start all
advance 6s
"""


def counted(script: Script) -> dict[tuple[str, str], int]:
    """(machine, cause) -> moves, as the machines that run now say it."""
    found = {}
    for name, host in script.world.hosts.items():
        if host.core is not None:
            counters = host.core.snapshot(host.reading).counters
            for word, count in counters.items():
                if word.startswith("moves."):
                    _, cause, group = word.split(".", 2)
                    assert group == "site"
                    found[name, cause] = count
    return found


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("", {}),
        ("move site ha02 at ha01\nadvance 3s\n", {("ha01", "operator"): 1}),
        (
            "move site ha02 at ha01\nadvance 3s\nmove site ha01 at ha01\nadvance 9s\n",
            {("ha01", "operator"): 1, ("ha02", "operator"): 1},
        ),
        ("standby ha01 at ha01\nadvance 3s\n", {("ha01", "standby"): 1}),
        (
            "standby ha01 at ha01\nadvance 3s\nonline ha01 at ha01\nadvance 9s\n",
            {("ha01", "standby"): 1, ("ha02", "failback"): 1},
        ),
        ("power off ha01\nadvance 5s\n", {("ha02", "holder-lost"): 1}),
        (
            "power off ha01\nadvance 5s\npower on ha01\nadvance 9s\n",
            {("ha02", "holder-lost"): 1, ("ha02", "failback"): 1},
        ),
        ("crash ha01 for 50ms\nadvance 5s\n", {}),
        ("cable ha01 service out\nadvance 5s\n", {("ha01", "unfit"): 1}),
        ("power off ha01\npower off ha02\nadvance 5s\npower on ha01\npower on ha02\nadvance 9s\n", {}),
    ],
    ids=[
        "none",
        "operator",
        "there-and-back",
        "standby",
        "online-again",
        "power-off",
        "fail-back",
        "restart-in-place",
        "no-carrier",
        "all-off",
    ],
)
def test_moves_are_counted_by_cause(story: str, expected: dict[tuple[str, str], int]) -> None:
    script = Script(Node)
    script.render(START + story)
    assert counted(script) == expected


def test_a_clean_stop_counts_where_it_leaves() -> None:
    """The machine that stops is gone with its counter, so it is read before."""
    script = Script(Node)
    script.render(START)
    core = script.world.hosts["ha01"].core
    assert isinstance(core, Node)
    script.render("stop ha01\nadvance 5s\n")
    assert core.steward.tally.moves == {("site", Cause.STOPPED): 1}
    assert counted(script) == {}


def test_what_was_handed_over_is_not_counted_again_where_it_arrives() -> None:
    """A holder whose parts did not stop says so when it hands over: it knew the cause, and has counted."""
    group = Group("site", ())
    charge = Charge(group, Execution(group, lambda: 1, frozenset()))
    tally = Tally()
    charge.reserved = Reservation("ha02", 7, 100)
    tally.taken(charge, "ha02", unfinished=True)
    assert not tally.moves
    charge.reserved, charge.adopting_until = None, 50
    tally.taken(charge, "ha02", unfinished=True)
    assert not tally.moves, "it was here all the time"
    charge.adopting_until = 0
    tally.taken(charge, "ha02", unfinished=False)
    assert not tally.moves, "nobody had it"
    tally.taken(charge, "ha02", unfinished=True)
    assert tally.counters() == {"moves.holder-lost.site": 1}


@pytest.mark.parametrize(
    ("moving_to", "cause", "counted_as"),
    [
        (None, Cause.FAILBACK, "failback"),
        (None, Cause.UNFIT, "unfit"),
        (None, Cause.STANDBY, "standby"),
        (None, Cause.STOPPED, "daemon-stopped"),
        ("ha02", None, "operator"),
        ("ha02", Cause.STANDBY, "operator"),
    ],
)
def test_what_is_said_for_people_does_not_matter(moving_to: str | None, cause: Cause | None, counted_as: str) -> None:
    """Neither the reason nor where the group could run: sentences are written anew, and may quote each other."""
    group = Group("site", ())
    charge = Charge(group, Execution(group, lambda: 1, frozenset()))
    charge.moving_to = moving_to
    for why in (
        "more of its ping targets answer on ha02",
        "it is in standby",
        "it is being stopped",
        "",
        "ha02 is nicer",
    ):
        for order in (("ha02", "ha01"), ("ha02",)):
            tally = Tally()
            tally.leaves(charge, Decision("site", "ha02", why, {"ha01": why}, order, cause=cause))
            assert tally.counters() == {f"moves.{counted_as}.site": 1}


def test_a_group_that_goes_where_more_ping_targets_answer_has_left_an_unfit_node() -> None:
    script = Script(Node)
    reach = "cluster 2 nodes witness arbiter ping 192.0.2.9 heartbeat 200ms dead 1s\n"
    line = "group site address 192.168.58.100 prefer ha01 ha02 reach 192.0.2.9 damping 2s\n"
    script.render(reach + line + "start all\nadvance 6s\nping ha01 fails\nadvance 6s\n")
    assert counted(script) == {("ha01", "unfit"): 1}
