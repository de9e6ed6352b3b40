"""One seed, from the first start to the verdict."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .. import effects as wish
from ..effects import Effect
from ..events import Event, Outcome, Stalled, Started
from ..events import Finished as FinishedEvent
from ..messages import Bid, BidAnswer, Release
from ..model import Cluster
from ..units import Duration
from .checks import Finding, Liveness, Movements, Safety, allowed_time
from .faults import DEVICES, Shape, draw_shape, schedule
from .host import Host
from .network import Network
from .world import Clock, Habits, MakeCore, Observer, World

CALM = 6
"""A run has come to a good end when everything has run, and nothing has moved, for so many dead times."""


FAULTS = (
    "kill",
    "power",
    "freeze",
    "manager",
    "cable",
    "operator",
    "clean",
    "the pulse",
    "starved",
    "flooded",
    "wall clock",
    "addresses were not",
    "ping",
)
"""How those facts about a machine begin that are faults; all about no machine are."""


class Coverage(Observer):
    """Counts what a run went through, so that a search that never gets anywhere does not look like success."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def happened(self, host: Host | None, text: str) -> None:
        if host is None or text.startswith(FAULTS):
            words = text.split()
            name = " ".join(words[:4] if words[0] == "the" else words[:1])
            self.counts[f"fault: {name.rstrip(',:')}"] += 1

    def told(self, host: Host, event: Event) -> None:
        if isinstance(event, Started) and event.kernel_leases:
            self.counts["started with a kernel lease"] += 1
        elif isinstance(event, Stalled):
            self.counts["stalled"] += 1
        elif isinstance(event, FinishedEvent) and event.outcome is not Outcome.OK:
            self.counts[f"operation {event.outcome.value}"] += 1

    def wished(self, host: Host, effect: Effect) -> None:
        match effect:
            case wish.Send(Bid()):
                self.counts["bid"] += 1
            case wish.Send(BidAnswer(granted=granted)):
                self.counts["grant" if granted else "refusal"] += 1
            case wish.Send(Release(successor=successor)):
                self.counts["release to a successor" if successor else "release"] += 1
            case wish.KernelLease(group, until, _):
                runs = host.kernel.serves(group, host.reading)
                if until is not None and not runs:
                    self.counts["lease begins"] += 1
                elif until is None and runs:
                    self.counts["lease ended"] += 1
            case wish.ProbeAddresses():
                self.counts["address probe"] += 1
            case wish.RunAgent(action=action):
                self.counts[f"agent {action.value}"] += 1
            case _:
                pass


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


def make_world(
    cluster: Cluster, seed: int, make_core: MakeCore, habits: Habits, observers: Sequence[Observer] = ()
) -> World:
    """A world with its network and all its machines, still without power."""
    world = World(cluster, seed, make_core, habits=habits, observers=observers)
    world.network = Network(world, DEVICES)
    for member in cluster.members:
        error = world.random.randint(-habits.rate_error, habits.rate_error)
        world.hosts[member.name] = Host(world, member, Clock(0, 0, error))
    return world


def run_seed(seed: int, make_core: MakeCore, observers: Sequence[Observer] = ()) -> Verdict:
    """Run one seed to its end, or to the first exception of a core, which is a finding too."""
    shape = draw_shape(seed)
    safety, coverage, movements = Safety(), Coverage(), Movements()
    world = make_world(shape.cluster, seed, make_core, shape.habits, (safety, coverage, movements, *observers))
    try:
        _live_through(world, shape, safety, Liveness(safety, movements))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} (at {frame.filename.rsplit('/', 1)[-1]}:{frame.lineno})"
        safety.findings.append(Finding(world.now, "exception", text))
    _count_datagrams(world, coverage)
    cluster = shape.cluster
    text = f"{len(cluster.nodes)} nodes, {len(cluster.members) - len(cluster.nodes)} witnesses; {' '.join(shape.kinds)}"
    return Verdict(seed, world.trace, tuple(safety.findings), dict(coverage.counts), world.steps, world.now, text)


def _live_through(world: World, shape: Shape, safety: Safety, liveness: Liveness) -> None:
    dead_time = shape.cluster.dead_time

    def compare() -> None:
        safety.compare_claims(world)
        world.after(dead_time, compare)

    for host in world.hosts.values():
        world.at(int(world.random.random() * 2 * dead_time), host.power_on)
    schedule(world, shape)
    world.after(dead_time // 3, compare)
    world.run(shape.trouble)
    calm_since, moved = world.now, liveness.movements.count
    while world.now < shape.trouble + allowed_time(world, safety.stop_failed) + CALM * dead_time:
        world.run(world.now + dead_time)
        if liveness.movements.count != moved or liveness.complaints(world):
            calm_since, moved = world.now, liveness.movements.count
        elif world.now - calm_since >= CALM * dead_time:
            return
    liveness.judge(world, (world.now - calm_since) // dead_time)


def _count_datagrams(world: World, coverage: Coverage) -> None:
    for host in world.hosts.values():
        for reason, count in host.rejected.items():
            coverage.counts[f"rejected {reason}"] += count
    for name in ("sent", "lost", "cut", "duplicated", "replayed"):
        coverage.counts[f"datagrams {name}"] += getattr(world.network.counts, name)
