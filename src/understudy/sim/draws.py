"""What every trouble draws: a machine, and how long."""

from __future__ import annotations

from ..units import Duration
from .host import Host
from .world import World


def some(world: World, nodes_only: bool = False) -> Host:
    members = world.cluster.nodes if nodes_only else world.cluster.members
    return world.hosts[world.random.choice(members).name]


def stretch(world: World, shortest: float, longest: float, dead_time: Duration) -> Duration:
    return int(world.random.uniform(shortest, longest) * dead_time)
