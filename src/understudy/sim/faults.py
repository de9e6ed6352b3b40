"""A seed decides on a cluster and on a schedule of trouble.

First trouble, in which nothing bad may happen; then everything is mended, and something good must happen
(checks.Liveness). Each seed has its own mixture of troubles, because rare combinations are found sooner by runs that
do few things often than by runs that do all things seldom. Some kinds are aimed on purpose, because what they find
shows in no other way: restarts within the dead time, also of voters (a forgotten promise); blows between two effects of
one turn (a wrong order); two quick restarts with the last words of both daemons played again (an old incarnation that
looks like the newer one); machines that are always late (a deadline that never comes).
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


SIZES = ((2, 0), (2, 0), (2, 1), (2, 1), (2, 1), (2, 1), (3, 0), (3, 0), (3, 0), (3, 2), (5, 0))
"""Nodes and witnesses: mostly the small clusters that people have. Two nodes alone have the quorum policy ``pair``."""

HARD_FOR_A_FILTERED_PAIR = frozenset({"address", "blow", "cable", "netlink", "one-way", "partition", "weather"})
"""Not together with ``filter`` for two machines alone. A machine that holds its lease but could not answer when it was asked
(nothing passed, or its address was not there yet) is taken for dead; as long as heartbeats are filtered after that, nobody
tells the two of each other. They see each other's announcements, and neither gives way to those."""

PING_TARGET = "192.168.58.1"


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
        quorum=Quorum.MAJORITY if node_count + witness_count > 2 else Quorum.PAIR,
        members=make_members(nodes, witnesses, random.choice((1, 2, 2))),
        groups=_draw_groups(random, nodes, dead_time),
        ping=(PING_TARGET,) if node_count + witness_count == 2 and random.random() < 0.5 else (),
        digest="sim",
    )
    habits = Habits(
        jitter=random.choice((0, MILLISECOND, heartbeat // 10)),
        wake=random.choice((0, 200_000, 5 * MILLISECOND)),
        connect=random.choice((MILLISECOND, 20 * MILLISECOND)),
        rate_error=1000,
        wrong_clocks=random.choice((0.0, 0.0, 0.5)),
        stalled_last=random.random() < 0.2,
    )
    kinds = tuple(random.sample(sorted(KINDS), random.randint(2, 7)))
    if cluster.quorum is Quorum.PAIR and "filter" in kinds:
        kinds = tuple(kind for kind in kinds if kind not in HARD_FOR_A_FILTERED_PAIR)
    if random.random() < 0.5 and "restart" not in kinds:
        kinds += ("restart",)
    interval = int(dead_time * random.choice((0.6, 1.5, 3.0)))
    return Shape(cluster, habits, kinds, interval, 34 * dead_time)


def _draw_groups(random: Random, nodes: tuple[str, ...], dead_time: Duration) -> tuple[Group, ...]:
    limits = Limits(start=2 * dead_time, stop=2 * dead_time, monitor=dead_time, interval=3 * dead_time)
    restarts = Restarts(most=2, within=4 * dead_time)
    groups = []
    for number in range(random.choice((1, 1, 2))):
        name = ("site", "mail")[number]
        resources: list[Resource] = [
            AddressResource(
                f"address-{name}", f"192.168.58.{100 - number}", 24, SERVICE_DEVICE, limits=limits, restarts=restarts
            )
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

    world.network.recording = not {"replay", "resurrect"}.isdisjoint(shape.kinds)
    world.after(3 * shape.cluster.dead_time, strike)
    world.at(shape.trouble, lambda: mend_everything(world))


def mend_everything(world: World) -> None:
    """The end of all trouble: everything on, awake, connected and well behaved."""
    world.tell(None, "trouble ends")
    world.network.heal()
    world.network.recording = False
    for host in world.hosts.values():
        host.strike = None
        host.relieve()
        host.kernel.refusals = host.kernel.silences = 0
        host.neighbours.pings = dict.fromkeys(host.neighbours.pings, True)
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
    weather = Weather(
        loss=random.choice((0.0, 0.05, 0.2, 0.4)),
        delay=int(dead_time * random.choice((0.0, 0.05, 0.3, 0.7))),
        duplicates=random.choice((0.0, 0.1, 0.3)),
    )
    world.network.blow(weather)
    world.tell(None, f"weather {weather}")
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


def _resurrect(world: World, dead_time: Duration) -> None:
    """Two quick restarts, so quick that others may not have believed the first; then the last words of both come again."""
    random, host = world.random, _some(world)
    if host.core is None:
        return
    world.tell(host, "kill, twice in a moment, and its last words are played again")
    host.kill_pulse()
    gap = _span(world, 0.001, random.choice((0.01, 0.3)), dead_time)
    life = int(random.choice((150_000, 400_000, MILLISECOND, 5 * MILLISECOND)) * random.uniform(0.5, 1.5))
    world.after(gap, host.start_pulse)
    world.after(gap + life, host.kill_pulse)
    world.after(gap + life + _span(world, 0.001, 0.1, dead_time), host.start_pulse)
    for _ in range(random.randint(2, 6)):
        when = gap + life + _span(world, 0.0, random.choice((0.2, 3.0)), dead_time)
        world.after(when, lambda: world.network.replay_ended(host.name, random.randint(1, 24)))


def _starve(world: World, dead_time: Duration) -> None:
    """A machine that has too much to do, or is sent too much, for a while: every wake-up late by a third of the dead time."""
    host = _some(world)
    span = _span(world, 1.0, 5.0, dead_time)
    if world.random.random() < 0.3:
        world.tell(host, f"flooded for {span // MILLISECOND} ms")
        host.flood(span)
    else:
        lag = _span(world, 0.34, world.random.choice((0.45, 0.8)), dead_time)
        world.tell(host, f"starved for {span // MILLISECOND} ms, late by {lag // MILLISECOND} ms")
        host.starve(span, lag)
    world.after(span, lambda: world.tell(host, "starving ends"))


def _clock(world: World, dead_time: Duration) -> None:
    """A time server sets a wall clock, right or wrong; mostly the daemon starts soon after that and looks at it."""
    host = _some(world)
    host.set_wall_clock()
    if host.core is not None and world.random.random() < 0.6:
        delay = _span(world, 0.02, 2.0, dead_time)
        world.tell(host, f"kill, started again after {delay // MILLISECOND} ms")
        host.kill_pulse()
        world.after(delay, host.start_pulse)


def _netlink(world: World, dead_time: Duration) -> None:
    """The next changes of addresses on a machine fail, or nothing is heard of them."""
    host = _some(world, nodes_only=True)
    count = world.random.randint(1, 4)
    if world.random.random() < 0.5:
        host.kernel.refusals = count
    else:
        host.kernel.silences = count


def _filter(world: World, dead_time: Duration) -> None:
    """A packet filter drops all heartbeats between two machines; what is asked on the service network is answered."""
    one, other = world.random.sample(world.cluster.names, 2)
    world.tell(None, f"heartbeats between {one} and {other} are filtered")
    world.network.block(one, other)
    world.after(_span(world, 0.2, 5.0, dead_time), lambda: world.network.unblock(one, other))


def _ping(world: World, dead_time: Duration) -> None:
    """Only the pair policy looks at ping targets."""
    if not world.cluster.ping:
        return
    host = _some(world)
    world.tell(host, "ping targets are silent")
    host.neighbours.pings = dict.fromkeys(host.neighbours.pings, False)
    host.neighbours.tell_pings()

    def answer() -> None:
        host.neighbours.pings = dict.fromkeys(host.neighbours.pings, True)

    world.after(_span(world, 0.5, 4.0, dead_time), answer)


KINDS: dict[str, Callable[[World, Duration], None]] = {
    "address": _address,
    "blow": _blow,
    "cable": _cable,
    "clock": _clock,
    "crash": _crash,
    "filter": _filter,
    "freeze": _freeze,
    "manager": _manager,
    "netlink": _netlink,
    "one-way": _one_way,
    "operator": _operator,
    "partition": _partition,
    "ping": _ping,
    "power": _power,
    "program": _program,
    "replay": _replay,
    "restart": _restart,
    "resurrect": _resurrect,
    "shutdown": _shutdown,
    "starve": _starve,
    "weather": _weather,
}
