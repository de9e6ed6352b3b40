"""A seed decides on a cluster and on a schedule of trouble.

First trouble, in which nothing bad may happen; then everything is mended, and something good must happen
(checks.Liveness). Each seed has its own mixture of troubles, because rare combinations are found sooner by runs that
do few things often than by runs that do all things seldom. Two kinds are aimed on purpose: restarts within the dead
time, also of voters (a voter that forgot a promise shows in no other way), and blows between two effects of one turn
(an order that is wrong shows in no other way).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ..effects import Action
from ..model import (
    AddressResource,
    Cluster,
    CommandResource,
    Failback,
    FailbackKind,
    Group,
    Limits,
    Link,
    Member,
    Quorum,
    Resource,
    Restarts,
    Role,
    ScriptResource,
)
from ..units import MILLISECOND, SECOND, Duration
from .host import Host, Strike
from .network import Weather
from .world import Habits, World

HEARTBEAT_NETWORK = "heartbeat"
SERVICE_NETWORK = "service"
DEVICES = {HEARTBEAT_NETWORK: "eth1", SERVICE_NETWORK: "eth0"}
SERVICE_DEVICE = DEVICES[SERVICE_NETWORK]


SIZES = ((2, 1), (2, 1), (2, 1), (2, 1), (3, 0), (3, 0), (3, 0), (3, 0), (3, 2), (5, 0))
"""Nodes and witnesses: mostly the small clusters that people have."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a seed chose: ``trouble`` and ``calm`` are how long each part lasts."""

    cluster: Cluster
    habits: Habits
    kinds: tuple[str, ...]
    interval: Duration
    trouble: Duration


def make_members(nodes: tuple[str, ...], witnesses: tuple[str, ...], networks: int = 2) -> tuple[Member, ...]:
    """Nodes on both networks (or on the service network only), witnesses on the service network only."""
    members = []
    for number, name in enumerate(nodes, 101):
        links = (Link(HEARTBEAT_NETWORK, f"192.168.107.{number}"), Link(SERVICE_NETWORK, f"192.168.58.{number}"))
        members.append(Member(name, Role.NODE, links[-networks:]))
    for number, name in enumerate(witnesses, 9):
        members.append(Member(name, Role.WITNESS, (Link(SERVICE_NETWORK, f"192.168.58.{number}"),)))
    return tuple(members)


def draw_shape(seed: int) -> Shape:
    """The cluster and the mixture of troubles of this seed."""
    random = Random(seed * 2 + 1)
    node_count, witness_count = random.choice(SIZES)
    nodes = tuple(f"n{number}" for number in range(1, node_count + 1))
    witnesses = tuple(f"w{number}" for number in range(1, witness_count + 1))
    dead_time = random.choice((SECOND, SECOND, SECOND, 300 * MILLISECOND, 2 * SECOND))
    heartbeat = dead_time // random.choice((3, 4, 5))
    cluster = Cluster(
        name="sim",
        key_file="cluster.key",
        heartbeat=heartbeat,
        dead_time=dead_time,
        quorum=Quorum.MAJORITY,
        members=make_members(nodes, witnesses, random.choice((1, 2, 2))),
        groups=_draw_groups(random, nodes, dead_time),
        digest="sim",
    )
    habits = Habits(
        jitter=random.choice((0, MILLISECOND, heartbeat // 10)),
        wake=random.choice((0, 200_000, 5 * MILLISECOND)),
        connect=random.choice((MILLISECOND, 20 * MILLISECOND)),
        rate_error=1000,
    )
    kinds = tuple(random.sample(sorted(KINDS), random.randint(2, 7)))
    if random.random() < 0.5 and "restart" not in kinds:
        kinds += ("restart",)
    interval = int(dead_time * random.choice((0.6, 1.5, 3.0)))
    return Shape(cluster, habits, kinds, interval, 40 * dead_time)


def _draw_groups(random: Random, nodes: tuple[str, ...], dead_time: Duration) -> tuple[Group, ...]:
    limits = Limits(start=2 * dead_time, stop=2 * dead_time, monitor=dead_time, interval=3 * dead_time)
    restarts = Restarts(most=2, within=4 * dead_time)
    groups = []
    for number in range(random.choice((1, 1, 2))):
        name = ("site", "mail")[number]
        resources: list[Resource] = [
            AddressResource(f"address-{name}", f"192.168.58.{100 - number}", 24, SERVICE_DEVICE)
        ]
        if random.random() < 0.5:
            resources.append(CommandResource(f"httpd-{name}", ("httpd",), limits=limits, restarts=restarts))
        if random.random() < 0.4:
            exclusive = random.random() < 0.7
            resources.append(ScriptResource(f"disk-{name}", "/disk", (), exclusive, limits=limits, restarts=restarts))
        prefer = tuple(random.sample(nodes, random.randint(0, len(nodes))))
        kind = random.choice((FailbackKind.WHEN_HEALTHY, FailbackKind.NEVER, FailbackKind.AFTER))
        failback = Failback(kind, 2 * dead_time if kind is FailbackKind.AFTER else 0)
        groups.append(Group(name, tuple(resources), prefer, failback, stop_timeout=3 * dead_time))
    return tuple(groups)


def schedule(world: World, shape: Shape) -> None:
    """Plan one trouble after another until ``shape.trouble``, and the mending of all of it at that time."""

    def strike() -> None:
        if world.now >= shape.trouble:
            return
        KINDS[world.random.choice(shape.kinds)](world, shape.cluster.dead_time)
        world.after(int(world.random.expovariate(1.0) * shape.interval) + MILLISECOND, strike)

    world.network.recording = "replay" in shape.kinds
    world.after(3 * shape.cluster.dead_time, strike)
    world.at(shape.trouble, lambda: mend_everything(world))


def mend_everything(world: World) -> None:
    """The end of all trouble: everything on, awake, connected and well behaved."""
    world.tell(None, "trouble ends")
    world.network.heal()
    world.network.recording = False
    for host in world.hosts.values():
        host.strike = None
        for temper in host.manager.tempers.values():
            for counts in (temper.fails, temper.loses, temper.hangs):
                counts.clear()
        host.power_on()
        if not host.manager.up:
            host.manager.start()
        host.thaw()
        host.start_pulse()
        for device in DEVICES.values():
            host.set_carrier(device, True)


def _some(world: World, nodes_only: bool = False) -> Host:
    members = world.cluster.nodes if nodes_only else world.cluster.members
    return world.hosts[world.random.choice(members).name]


def _span(world: World, shortest: float, longest: float, dead_time: Duration) -> Duration:
    return int(world.random.uniform(shortest, longest) * dead_time)


def _restart(world: World, dead_time: Duration) -> None:
    """The pulse is killed and started again within the dead time; now and then a second one at nearly the same time."""
    for _ in range(world.random.choice((1, 1, 2, 3))):
        host = _some(world)
        if host.core is None:
            continue
        delay = _span(world, 0.02, 0.9, dead_time)
        world.tell(host, f"kill, started again after {delay // MILLISECOND} ms")
        host.kill_pulse()
        world.after(delay, host.start_pulse)


def _crash(world: World, dead_time: Duration) -> None:
    host = _some(world)
    delay = _span(world, 1.0, 4.0, dead_time)
    world.tell(host, f"kill, started again after {delay // MILLISECOND} ms")
    host.kill_pulse()
    world.after(delay, host.start_pulse)


def _power(world: World, dead_time: Duration) -> None:
    host = _some(world)
    fast = world.random.random() < 0.4
    delay = _span(world, 0.05, 0.9, dead_time) if fast else _span(world, 1.0, 5.0, dead_time)
    world.tell(host, f"power off for {delay // MILLISECOND} ms")
    host.power_off()
    world.after(delay, host.power_on)


def _freeze(world: World, dead_time: Duration) -> None:
    host = _some(world)
    delay = _span(world, 0.02, world.random.choice((0.4, 1.2, 3.0)), dead_time)
    world.tell(host, f"freeze for {delay // MILLISECOND} ms")
    host.freeze()
    world.after(delay, host.thaw)


def _blow(world: World, dead_time: Duration) -> None:
    """The pulse will be killed or frozen between two effects."""
    host = _some(world, nodes_only=True)
    freeze = _span(world, 0.1, 2.0, dead_time) if world.random.random() < 0.5 else None
    host.strike = Strike(world.random.randint(1, 12), freeze)
    if freeze is None:
        world.after(_span(world, 0.5, 4.0, dead_time), host.start_pulse)


def _partition(world: World, dead_time: Duration) -> None:
    names = list(world.cluster.names)
    world.random.shuffle(names)
    cut = world.random.randint(1, len(names) - 1)
    left, right = names[:cut], names[cut:]
    networks = world.random.choice(((), (), (HEARTBEAT_NETWORK,), (SERVICE_NETWORK,)))
    world.tell(None, f"partition {' '.join(left)} | {' '.join(right)} on {' '.join(networks) or 'all networks'}")
    world.network.part(left, right, networks)
    world.after(_span(world, 0.2, 5.0, dead_time), lambda: world.network.heal_part(left, right, networks))


def _one_way(world: World, dead_time: Duration) -> None:
    one, other = world.random.sample(world.cluster.names, 2)
    networks = world.random.choice(((), (), (SERVICE_NETWORK,)))
    world.tell(None, f"nothing passes from {one} to {other} on {' '.join(networks) or 'all networks'}")
    world.network.cut((one,), (other,), networks)
    world.after(_span(world, 0.2, 5.0, dead_time), lambda: world.network.mend((one,), (other,), networks))


def _weather(world: World, dead_time: Duration) -> None:
    random = world.random
    world.network.weather = Weather(
        loss=random.choice((0.0, 0.05, 0.2, 0.4)),
        delay=int(dead_time * random.choice((0.0, 0.05, 0.3, 0.7))),
        duplicates=random.choice((0.0, 0.1, 0.3)),
    )
    world.tell(None, f"weather {world.network.weather}")
    world.after(_span(world, 1.0, 6.0, dead_time), world.network.calm)


def _cable(world: World, dead_time: Duration) -> None:
    host = _some(world)
    device = world.random.choice((SERVICE_DEVICE, SERVICE_DEVICE, DEVICES[HEARTBEAT_NETWORK]))
    world.tell(host, f"cable of {device} pulled")
    host.set_carrier(device, False)
    world.after(_span(world, 0.1, 4.0, dead_time), lambda: host.set_carrier(device, True))


def _manager(world: World, dead_time: Duration) -> None:
    host = _some(world, nodes_only=True)
    if host.power and host.manager.up:
        world.tell(host, "manager killed")
        host.manager.crash()
        world.after(_span(world, 0.02, 2.0, dead_time), host.manager.start)


def _program(world: World, dead_time: Duration) -> None:
    """A program dies, or its agent misbehaves for the next one to three times."""
    random = world.random
    host = _some(world, nodes_only=True)
    programs = [(g.name, r.id) for g in world.cluster.groups for r in g.resources if not isinstance(r, AddressResource)]
    if not programs or not host.power:
        return
    group, resource = random.choice(programs)
    temper = host.manager.temper(group, resource)
    temper.durations[random.choice((Action.START, Action.STOP))] = _span(world, 0.01, 0.8, dead_time)
    misdeed = random.choice(("dies", "fails", "loses", "hangs"))
    if misdeed == "dies":
        host.manager.kill(group, resource)
    else:
        counts: dict[Action, int] = getattr(temper, misdeed)
        counts[random.choice(tuple(Action))] = random.randint(1, 3)
    world.tell(host, f"program {resource} {misdeed}")


def _address(world: World, dead_time: Duration) -> None:
    for host in world.hosts.values():
        for address in sorted(host.kernel.addresses):
            world.tell(host, f"{address} deleted by hand")
            host.lose_address(address)


def _operator(world: World, dead_time: Duration) -> None:
    random = world.random
    asked, target = _some(world), _some(world, nodes_only=True)
    group = random.choice(world.cluster.groups).name
    verb = random.choice(("move", "move", "standby", "online"))
    number = random.getrandbits(31)
    world.tell(asked, f"operator: {verb} {group if verb == 'move' else ''} {target.name}")
    asked.ask(number, verb, group if verb == "move" else "", target.name)
    if verb == "standby":
        world.after(_span(world, 1.0, 4.0, dead_time), lambda: target.ask(number + 1, "online", "", target.name))


def _shutdown(world: World, dead_time: Duration) -> None:
    host = _some(world)
    world.tell(host, "clean stop of the daemon")
    host.shut_down()
    world.after(_span(world, 0.5, 5.0, dead_time), host.start_pulse)


def _replay(world: World, dead_time: Duration) -> None:
    world.tell(None, "old datagrams are played again")
    world.network.replay(world.random.randint(1, 40))


KINDS: dict[str, Callable[[World, Duration], None]] = {
    "address": _address,
    "blow": _blow,
    "cable": _cable,
    "crash": _crash,
    "freeze": _freeze,
    "manager": _manager,
    "one-way": _one_way,
    "operator": _operator,
    "partition": _partition,
    "power": _power,
    "program": _program,
    "replay": _replay,
    "restart": _restart,
    "shutdown": _shutdown,
    "weather": _weather,
}
