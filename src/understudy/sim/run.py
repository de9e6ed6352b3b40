"""One seed, from the first start to the verdict."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..model import Cluster, Member
from ..units import Duration
from .causes import Causes
from .checks import Finding, Liveness, Movements, Safety, allowed_time
from .coverage import Coverage
from .faults import KINDS, schedule
from .host import Host
from .network import Network
from .pings import Pings
from .shapes import DEVICES, Shape, draw_shape
from .stages import Stages
from .voters import Voters
from .world import Clock, Habits, MakeCore, Observer, World

CALM = 5
"""A run has come to a good end when everything has run, and nothing has moved, for so many dead times."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a seed. ``virtual`` is how long it lasted in the pretend world."""

    seed: int
    trace: str
    findings: tuple[Finding, ...]
    coverage: dict[str, int]
    steps: int
    virtual: Duration
    shape: str
    strikes: int


def make_world(
    cluster: Cluster,
    seed: int,
    make_core: MakeCore,
    habits: Habits,
    observers: Sequence[Observer] = (),
    spares: tuple[Member, ...] = (),
) -> World:
    """A world with its network and all its machines, still without power. ``spares`` may become members."""
    world = World(cluster, seed, make_core, habits=habits, observers=observers, spares=spares)
    world.network = Network(world, DEVICES)
    world.voters = Voters(world, spares) if spares else None
    for member in world.everybody.members:
        error = world.random.randint(-habits.rate_error, habits.rate_error)
        world.hosts[member.name] = Host(world, member, Clock(0, 0, error))
    return world


def run_seed(
    seed: int, make_core: MakeCore, observers: Sequence[Observer] = (), only: frozenset[int] | None = None
) -> Verdict:
    """Run one seed to its end, or to the first exception of a core, which is a finding too. ``only``: deal these strikes."""
    shape = draw_shape(seed, tuple(KINDS))
    shape.only = only
    safety, coverage, movements = Safety(), Coverage(), Movements()
    stages = Stages(safety.add, coverage.count)
    watching = (safety, coverage, movements, Causes(safety.add), stages, Pings(safety.add), *observers)
    world = make_world(shape.cluster, seed, make_core, shape.habits, watching, shape.spares)
    try:
        _live_through(world, shape, safety, Liveness(safety, movements))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} (at {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})"
        safety.findings.append(Finding(world.now, "exception", text))
    coverage.finish(world)
    cluster = shape.cluster
    witnesses = len(cluster.members) - len(cluster.nodes)
    text = f"{cluster.quorum.value}, {len(cluster.nodes)} nodes, {witnesses} witnesses; {' '.join(shape.kinds)}"
    return Verdict(
        seed, world.trace, tuple(safety.findings), dict(coverage.counts), world.steps, world.now, text, shape.strikes
    )


def _live_through(world: World, shape: Shape, safety: Safety, liveness: Liveness) -> None:
    dead_time = shape.cluster.dead_time

    def compare() -> None:
        safety.compare_claims(world)
        world.after(dead_time, compare)

    for host in world.hosts.values():
        if host.name == shape.slow_node:
            host.change_file(
                replace(
                    shape.cluster, dead_time=3 * dead_time, heartbeat=3 * shape.cluster.heartbeat, digest="simulate3"
                )
            )
        if host.member in shape.cluster.members:
            world.at(int(world.random.random() * 2 * dead_time), host.power_on)
    schedule(world, shape)
    world.after(dead_time // 3, compare)
    world.run(shape.trouble)
    calm_since, moved = world.now, liveness.movements.count
    while world.now < shape.trouble + allowed_time(world, safety) + CALM * dead_time:
        world.run(world.now + dead_time)
        if liveness.movements.count != moved or liveness.complaints(world):
            calm_since, moved = world.now, liveness.movements.count
        elif world.now - calm_since >= CALM * dead_time:
            return
    liveness.judge(world, (world.now - calm_since) // dead_time)
