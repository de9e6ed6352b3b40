"""Groups that have something to say of each other: what must hold for any cluster and any state of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_text import Status

from understudy.core.company import in_order
from understudy.core.placement import Decision, NodeView
from understudy.model import Failback, FailbackKind, Group
from understudy.units import MINUTE

NODES = ("ha01", "ha02", "ha03")
NAMES = ("a", "b", "c", "d")


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    found = Status()
    for name in NODES:
        bar = draw(st.sampled_from(("", "", "", "it is lost")))
        found.nodes[name] = NodeView(name, bar, 10 * MINUTE)
        if draw(st.booleans()):
            found.capacities[name] = draw(st.integers(0, 10))
    names = draw(st.permutations(NAMES))[: draw(st.integers(2, 4))]
    for number, name in enumerate(names):
        together = draw(st.sampled_from((None, None, *names[:number])))
        others = [other for other in names if other not in (name, together)]
        apart = tuple(draw(st.sets(st.sampled_from(others), max_size=1))) if others else ()
        prefer = tuple(draw(st.permutations(NODES))[: draw(st.integers(0, 3))])
        kind = draw(st.sampled_from((FailbackKind.WHEN_HEALTHY, FailbackKind.NEVER)))
        weight = draw(st.sampled_from((0, 0, 2, 5)))
        found.groups[name] = Group(name, (), prefer, Failback(kind), together=together, apart=apart, weight=weight)
    order = draw(st.permutations(list(found.groups)))  # a leader may stand after the one that goes with it
    found.groups = {name: found.groups[name] for name in order}
    for name in found.groups:
        holder = draw(st.sampled_from((None, *NODES)))
        if holder is not None:
            found.holders[name] = holder
    return found


def are_apart(one: Group, other: Group) -> bool:
    return other.name in one.apart or one.name in other.apart


@given(statuses())
@settings(max_examples=400)
def test_all_are_planned_and_none_before_the_one_it_goes_with(status: Status) -> None:
    order = [group.name for group in in_order(status.groups.values())]
    assert sorted(order) == sorted(status.groups)
    for group in status.groups.values():
        assert group.together is None or order.index(group.together) < order.index(group.name)


@given(statuses())
@settings(max_examples=400)
def test_what_stays_apart_is_never_planned_for_one_node(status: Status) -> None:
    plan = status.plan()
    for one in status.groups.values():
        for other in status.groups.values():
            if are_apart(one, other):
                node = plan[one.name].node
                assert node is None or plan[other.name].node != node


def stays(status: Status, name: str) -> str | None:
    """The node on which a group is and can stay."""
    holder = status.holders.get(name)
    return holder if holder is not None and not status.nodes[holder].bar else None


@given(statuses())
@settings(max_examples=400)
def test_what_goes_with_another_is_where_that_one_is_or_nowhere(status: Status) -> None:
    plan = status.plan()
    for group in status.groups.values():
        if group.together is not None and plan[group.name].node is not None:
            assert plan[group.name].node == (stays(status, group.together) or plan[group.together].node)


@given(statuses())
@settings(max_examples=400)
def test_nothing_is_put_where_there_is_no_room(status: Status) -> None:
    plan = status.plan()
    for node, capacity in status.capacities.items():
        there = [group for group in status.groups.values() if plan[group.name].node == node]
        new = [group for group in there if group.weight and stays(status, group.name) != node]
        assert not new or sum(group.weight for group in there) <= capacity


def settled(status: Status) -> dict[str, Decision]:
    """The plan once everything is where it was planned to be, over and over."""
    for _ in range(2 * len(status.groups) + 2):
        plan = status.plan()
        holders = {name: item.node for name, item in plan.items() if item.node is not None}
        if holders == status.holders:
            return plan
        status.holders = holders
    raise AssertionError(f"it goes on for ever: {status.groups}, {status.holders}")


@given(statuses())
@settings(max_examples=600)
def test_groups_come_to_rest(status: Status) -> None:
    settled(status)
