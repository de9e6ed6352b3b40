"""What ``understudy whatif`` says and what the cluster then does: the same, for generated clusters and failures."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from understudy.core.node import Node
from understudy.manager.whatif import answer
from understudy.model import AddressResource, Cluster, Group, Quorum, Reach
from understudy.sim.checks import Movements
from understudy.sim.faults import KINDS
from understudy.sim.run import make_world
from understudy.sim.shapes import PING_TARGET, SERVICE_DEVICE, draw_shape, relate
from understudy.sim.world import Habits, World

CLUSTERS = 500 if os.environ.get("UNDERSTUDY_LONG") == "1" else 100
A_TIME = 50


def drawn(seed: int) -> Cluster:
    """A cluster of the search, with up to six groups that have something to say of each other, and ping targets."""
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
    found = relate(random, found) if random.random() < 0.8 else found
    if random.random() < 0.5:
        return found
    targets = (PING_TARGET, "192.168.58.2")[: random.choice((1, 1, 2))]
    reach = Reach(targets, random.choice((1, 2)) * found.dead_time)
    return replace(
        found, groups=tuple(replace(it, stays_where=reach) if random.random() < 0.7 else it for it in found.groups)
    )


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


@dataclass(frozen=True)
class Failure:
    """What was said and what happened. ``cut``: ping targets that were silent somewhere, before it was asked or from then on."""

    cluster: Cluster
    down: list[str]
    cut: list[tuple[str, str]]
    said: dict[str, Any]
    found: dict[str, str]
    before: dict[str, str]


def silence(random: Random, targets: tuple[str, ...], cluster: Cluster, likely: float) -> list[tuple[str, str]]:
    """Some targets on some nodes."""
    return [(target, node.name) for target in targets for node in cluster.nodes if random.random() < likely]


def cut_off(world: World, cut: list[tuple[str, str]]) -> None:
    for target, name in cut:
        neighbours = world.hosts[name].neighbours
        neighbours.pings[target] = False
        neighbours.tell_pings()


def failure(seed: int) -> Failure:
    """A cluster at rest, what would happen by its own status, and what did happen."""
    cluster = drawn(seed)
    movements = Movements()
    world = make_world(cluster, seed, Node, Habits(), (movements,))
    for host in world.hosts.values():
        world.at(0, host.power_on)
    at_rest(world, movements)
    random = Random(seed + 1)
    down = random.sample(cluster.names, random.randint(1, max(1, (len(cluster.names) - 1) // 2)))
    first = silence(random, cluster.reach_targets, cluster, 0.3)
    if first:
        cut_off(world, first)
        at_rest(world, movements)
    asked = next(world.hosts[node.name] for node in cluster.nodes if node.name not in down or len(down) > 1)
    if asked.core is None:
        raise AssertionError(f"{asked.name} has no core")
    then = silence(random, tuple(dict.fromkeys((*cluster.reach_targets, *cluster.ping))), cluster, 0.3)
    if cluster.quorum is not Quorum.PAIR and then and random.random() < 0.5:
        down = []
    elif cluster.quorum is not Quorum.PAIR:
        then = []  # one trouble at a time: what is lost at once and what is silent only after its damping time may end elsewhere
    words = ",".join(f"{target}@{node}" for target, node in then)
    said = answer(cluster, asked.core.snapshot(asked.reading).to_json(), ",".join(down), "", words)
    before = holders(world)
    assert {item["name"]: item["before"] for item in said["groups"] if item["before"]} == before
    for name in down:
        world.hosts[name].power_off()
    cut_off(world, then)
    at_rest(world, movements)
    return Failure(cluster, down, [*first, *then], said, holders(world), before)


@pytest.mark.parametrize("start", range(0, CLUSTERS, A_TIME))
def test_what_is_said_is_what_happens(start: int) -> None:
    moved = by_targets = 0
    for seed in range(start, start + A_TIME):
        one = failure(seed)
        said = {item["name"]: item["node"] for item in one.said["groups"] if item["node"] is not None}
        where = (
            f"seed {seed}, {one.down} of {one.cluster.names} are down, {one.cut} silent: {one.said['votes']['text']}"
        )
        assert said == one.found, where
        moved += any(one.before[name] != said.get(name) for name in one.before)
        asking = {group.name for group in one.cluster.groups if group.stays_where is not None}
        by_targets += any(one.before[name] not in (*one.down, said.get(name)) for name in asking & one.before.keys())
    assert moved > A_TIME // 3, "failures that move nothing would prove nothing"
    assert by_targets, "and no more would ping targets that move nothing"
