"""A thousand random valid edits, taken up by a cluster at rest: nothing moves that the new file does not ask to move."""

from __future__ import annotations

from random import Random

import pytest

from understudy.changes import restarted, untouched
from understudy.core.node import Node
from understudy.effects import Action, Effect, RemoveAddresses, RunAgent
from understudy.model import AddressResource, Cluster, CommandResource, Group, Limits, Quorum, Resource
from understudy.sim.checks import Liveness, Movements, Safety
from understudy.sim.edits import edited
from understudy.sim.files import take_up
from understudy.sim.host import Host
from understudy.sim.run import make_world
from understudy.sim.shapes import SERVICE_DEVICE, make_members
from understudy.sim.world import Habits, Observer
from understudy.units import SECOND

LIMITS = Limits(start=2 * SECOND, stop=2 * SECOND, monitor=SECOND, interval=0)


class Touched(Observer):
    """Every resource that is taken off or stopped somewhere."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()

    def wished(self, host: Host, effect: Effect) -> None:
        if isinstance(effect, RemoveAddresses):
            self.found |= {(effect.group, item.id) for item in effect.addresses}
        elif isinstance(effect, RunAgent) and effect.action is Action.STOP:
            self.found.add((effect.group, effect.resource))


def resources(name: str, number: int) -> tuple[Resource, ...]:
    return (
        AddressResource(f"address-{name}", f"192.168.58.{number}", 24, SERVICE_DEVICE, limits=LIMITS),
        CommandResource(f"httpd-{name}", ("httpd",), limits=LIMITS),
        CommandResource(f"cache-{name}", ("cache",), limits=LIMITS),
    )


def may_be_stopped(before: Cluster, after: Cluster) -> set[tuple[str, str]]:
    """What the new file asks to be stopped somewhere: of changed groups what does not go on; all of one that may move."""
    found = set()
    new = {group.name: group for group in after.groups}
    changed = restarted(before, after)
    for group in before.groups:
        now = new.get(group.name)
        stays: frozenset[str] = frozenset()
        if now is not None and (now.prefer, now.failback) == (group.prefer, group.failback):
            again = [resource for name, resource in changed if name == group.name]
            stays = untouched(group.resources, now.resources, again)
        found |= {(group.name, item.id) for item in group.resources if item.id not in stays}
    return found


@pytest.mark.parametrize("seed", range(5))
def test_two_hundred_valid_edits_move_only_what_they_ask_for(seed: int) -> None:
    random = Random(seed)
    groups = tuple(
        Group(name, resources(name, 100 + n), ("n1", "n2")[n % 2 :]) for n, name in enumerate(("site", "mail"))
    )
    members = make_members(("n1", "n2"), ("w1",))
    cluster = Cluster("sim", "k", SECOND // 5, SECOND, Quorum.MAJORITY, members, groups, digest="simulate0")
    safety, movements, touched = Safety(), Movements(), Touched()
    world = make_world(cluster, seed, Node, Habits(), (safety, movements, touched))
    for host in world.hosts.values():
        host.power_on()
    world.run(8 * SECOND)
    for _ in range(200):
        after = edited(random, cluster, random.choice((1, 1, 2)))
        touched.found.clear()
        for host in world.hosts.values():
            take_up(host, after)
            world.run(world.now + random.randint(0, SECOND // 2))
        world.run(world.now + 3 * SECOND)
        allowed = may_be_stopped(cluster, after)
        # A group that is new here and not there yet begins where it is known, and may go where it belongs.
        new = {group.name for group in after.groups} - {group.name for group in cluster.groups}
        assert {item for item in touched.found if item[0] not in new} <= allowed
        assert all(host.former is None and host.cluster == after for host in world.hosts.values())
        assert not safety.findings
        world.cluster = cluster = after
        assert not Liveness(safety, movements).complaints(world)
