"""Many groups on machines that take time to think: work that grows with the square of their number would show as lateness."""

from __future__ import annotations

import pytest

from understudy.core.node import Node
from understudy.model import AddressResource, Cluster, Group, Quorum
from understudy.sim.checks import Safety
from understudy.sim.outages import Outages
from understudy.sim.run import make_world
from understudy.sim.shapes import SERVICE_DEVICE, make_members
from understudy.sim.world import Habits, World
from understudy.units import MICROSECOND, MILLISECOND, SECOND

pytestmark = pytest.mark.slow

GROUPS = 128
DEAD_TIME = SECOND
BUSY = Habits(event_cost=20 * MICROSECOND, group_cost=10 * MICROSECOND)


def started(habits: Habits) -> tuple[World, Safety, Outages]:
    groups = tuple(
        Group(
            f"group{number:03}",
            (AddressResource(f"address{number}", f"10.0.{number // 250}.{number % 250 + 1}", 24, SERVICE_DEVICE),),
            ("ha01", "ha02"),
        )
        for number in range(GROUPS)
    )
    members = make_members(("ha01", "ha02"), ("arbiter",))
    cluster = Cluster("site", "key", SECOND // 5, DEAD_TIME, Quorum.MAJORITY, members, groups, digest="same")
    safety, outages = Safety(), Outages()
    world = make_world(cluster, 1, Node, habits, (safety, outages))
    for host in world.hosts.values():
        host.power_on()
    world.run(6 * SECOND)
    assert {group.name for group in groups if world.hosts["ha01"].serves(group.name)} == {g.name for g in groups}
    for group in groups:
        outages.take(group.name, world.now)
    return world, safety, outages


@pytest.mark.parametrize("habits", [Habits(), BUSY])
def test_a_hundred_groups_fail_over_within_the_dead_time_and_a_little(habits: Habits) -> None:
    world, safety, outages = started(habits)
    world.hosts["ha01"].power_off()
    world.run(world.now + 2 * DEAD_TIME)
    longest = max(outages.take(group.name, world.now) for group in world.cluster.groups)
    assert longest < DEAD_TIME + 300 * MILLISECOND
    assert not safety.findings


def test_nothing_moves_while_machines_have_a_lot_to_think_about() -> None:
    world, safety, outages = started(BUSY)
    world.run(world.now + 5 * SECOND)
    assert max(outages.take(group.name, world.now) for group in world.cluster.groups) == 0
    assert all(world.hosts["ha01"].serves(group.name) for group in world.cluster.groups)
    assert not safety.findings
