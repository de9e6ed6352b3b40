"""A thousand random valid edits, taken up by a cluster at rest: nothing moves that the new file does not ask to move."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest

from understudy.changes import restarted, untouched
from understudy.core.node import Node
from understudy.core.whatif import all_up, come_to_rest
from understudy.effects import Action, Effect, RemoveAddresses, RunAgent
from understudy.model import AddressResource, Cluster, CommandResource, Group, Limits, Quorum, Resource
from understudy.sim.checks import Liveness, Movements, Safety
from understudy.sim.edits import EDITS, RELATIONS, Edit, edited
from understudy.sim.files import take_up
from understudy.sim.host import Host
from understudy.sim.run import make_world
from understudy.sim.shapes import SERVICE_DEVICE, make_members
from understudy.sim.world import Habits, Observer, World
from understudy.units import MILLISECOND, SECOND

LIMITS = Limits(start=2 * SECOND, stop=2 * SECOND, monitor=SECOND, interval=0)


ROUNDS = 200
LONG = os.environ.get("UNDERSTUDY_LONG") == "1"
"""Twice as many: a thousand of each kind."""


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


def holders(world: World) -> dict[str, str]:
    return {
        group.name: host.name
        for group in world.cluster.groups
        for host in world.hosts.values()
        if host.serves(group.name)
    }


def asked_to_move(after: Cluster, now: Mapping[str, str]) -> set[str]:
    """The groups that the new file wants elsewhere than they are, by the plan that every node follows."""
    there = {name: node for name, node in now.items() if any(group.name == name for group in after.groups)}
    rest = come_to_rest(after, replace(all_up(after), holders=there))
    return {name for name, decision in rest.items() if decision.node != there.get(name)}


def may_be_stopped(before: Cluster, after: Cluster, moving: set[str]) -> set[tuple[str, str]]:
    """What the new file asks to be stopped somewhere: of changed groups what does not go on; all of one that is to move."""
    found = set()
    new = {group.name: group for group in after.groups}
    changed = restarted(before, after)
    for group in before.groups:
        now = new.get(group.name)
        stays: frozenset[str] = frozenset()
        if now is not None and group.name not in moving:
            again = [resource for name, resource in changed if name == group.name]
            stays = untouched(group, now, again)
        found |= {(group.name, item.id) for item in group.resources if item.id not in stays}
    return found


@pytest.mark.parametrize("seed", range(5 if LONG else 1))
def test_valid_edits_move_only_what_they_ask_for(seed: int) -> None:
    edit_and_look(seed, ("n1", "n2"), EDITS, SECOND // 2)


@pytest.mark.parametrize("seed", range(5 if LONG else 8, 10))
def test_valid_edits_of_what_groups_say_of_each_other(seed: int) -> None:
    """``with``, ``apart``, ``after``, ``weight`` and ``capacity``, among all other edits."""
    edit_and_look(seed, ("n1", "n2", "n3"), (*EDITS, *RELATIONS, *RELATIONS), MILLISECOND)


def edit_and_look(seed: int, nodes: tuple[str, ...], kinds: tuple[Edit, ...], apart: int) -> None:
    """``ROUNDS`` edits, each taken up by one machine after the other, at most ``apart`` nanoseconds from each other."""
    random = Random(seed)
    groups = tuple(
        Group(name, resources(name, 100 + n), ("n1", "n2")[n % 2 :]) for n, name in enumerate(("site", "mail"))
    )
    members = make_members(nodes, ("w1",))
    cluster = Cluster("sim", "k", SECOND // 5, SECOND, Quorum.MAJORITY, members, groups, digest="simulate0")
    safety, movements, touched = Safety(), Movements(), Touched()
    world = make_world(cluster, seed, Node, Habits(), (safety, movements, touched))
    for host in world.hosts.values():
        host.power_on()
    world.run(8 * SECOND)
    moved = other_wishes = 0
    for _ in range(ROUNDS):
        there = holders(world)
        after = edited(random, cluster, random.choice((1, 1, 2)), kinds)
        touched.found.clear()
        for host in world.hosts.values():
            take_up(host, after)
            world.run(world.now + random.randint(0, apart))
        world.run(world.now + 3 * SECOND)
        moving = asked_to_move(after, there)
        allowed = may_be_stopped(cluster, after, moving)
        stayed = {name for name in there if name not in moving and any(group.name == name for group in after.groups)}
        assert {name: holders(world).get(name) for name in stayed} == {name: there[name] for name in stayed}
        moved += len(moving & set(there))
        wishes = {group.name: (group.prefer, group.failback) for group in cluster.groups}
        other_wishes += sum(
            group.name in stayed and wishes[group.name] != (group.prefer, group.failback) for group in after.groups
        )
        # A group that is new here and not there yet begins where it is known, and may go where it belongs.
        new = {group.name for group in after.groups} - {group.name for group in cluster.groups}
        assert {item for item in touched.found if item[0] not in new} <= allowed
        assert all(host.former is None and host.cluster == after for host in world.hosts.values())
        assert not safety.findings
        world.cluster = cluster = after
        assert not Liveness(safety, movements).complaints(world)
    assert moved >= ROUNDS // 60, "edits that move nothing would prove nothing"
    assert other_wishes >= ROUNDS // 40, "neither would those that change no wish of a group that stays"
