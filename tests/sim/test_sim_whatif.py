"""What ``understudy whatif`` says and what the cluster then does: the same, for generated clusters and failures."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from understudy.core.node import Node
from understudy.core.whatif import Outcome, ask
from understudy.manager.whatif import view_of
from understudy.model import AddressResource, Cluster, Group
from understudy.sim.checks import Movements
from understudy.sim.faults import KINDS
from understudy.sim.run import make_world
from understudy.sim.shapes import SERVICE_DEVICE, draw_shape, relate
from understudy.sim.world import Habits, World

CLUSTERS = 500
A_TIME = 50


def drawn(seed: int) -> Cluster:
    """A cluster of the search, with up to six groups that have something to say of each other."""
    random = Random(seed)
    found = draw_shape(seed, tuple(KINDS)).cluster
    nodes = [node.name for node in found.nodes]
    more = tuple(
        Group(
            f"more{number}",
            (AddressResource(f"a{number}", f"192.168.58.{150 + number}", 24, SERVICE_DEVICE),),
            tuple(random.sample(nodes, random.randint(0, len(nodes)))),
            found.groups[0].failback,
        )
        for number in range(random.randint(0, 3))
    )
    found = replace(
        found, groups=(*found.groups, *more), fences=tuple(replace(it, reboot=False) for it in found.fences)
    )
    return relate(random, found) if random.random() < 0.8 else found


def at_rest(world: World, movements: Movements) -> None:
    """Let it run until nothing has moved for longer than any failback waits, and longer than a lost bid backs off."""
    calm, longest = 8, 200
    quiet, before = 0, (0, holders(world))
    for _ in range(longest):
        world.run(world.now + world.cluster.dead_time)
        now = (movements.count, holders(world))
        quiet, before = (quiet + 1, before) if now == before else (0, now)
        if quiet == calm:
            return
    raise AssertionError(f"after {longest} dead times something moves still: {holders(world)}")


def holders(world: World) -> dict[str, str]:
    return {
        group.name: host.name
        for group in world.cluster.groups
        for host in world.hosts.values()
        if host.serves(group.name)
    }


def failure(seed: int) -> tuple[Cluster, Outcome, dict[str, str], list[str]]:
    """A cluster at rest, what would happen by its own status, and what did happen."""
    cluster = drawn(seed)
    movements = Movements()
    world = make_world(cluster, seed, Node, Habits(), (movements,))
    for host in world.hosts.values():
        world.at(0, host.power_on)
    at_rest(world, movements)
    random = Random(seed + 1)
    down = random.sample(cluster.names, random.randint(1, max(1, (len(cluster.names) - 1) // 2)))
    asked = next(world.hosts[node.name] for node in cluster.nodes if node.name not in down or len(down) > 1)
    if asked.core is None:
        raise AssertionError(f"{asked.name} has no core")
    outcome = ask(cluster, view_of(cluster, asked.core.snapshot(asked.reading).to_json()), down)
    assert dict(outcome.before) == holders(world)
    for name in down:
        world.hosts[name].power_off()
    at_rest(world, movements)
    return cluster, outcome, holders(world), down


@pytest.mark.parametrize("start", range(0, CLUSTERS, A_TIME))
def test_what_is_said_is_what_happens(start: int) -> None:
    moved = 0
    for seed in range(start, start + A_TIME):
        cluster, outcome, found, down = failure(seed)
        said = {name: item.node for name, item in outcome.decisions.items() if item.node is not None}
        assert said == found, f"seed {seed}, {down} of {cluster.names} are down: {outcome.verdict.text}"
        moved += len(outcome.moved())
    assert moved > A_TIME // 3, "failures that move nothing would prove nothing"
