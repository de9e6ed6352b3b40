"""The schedule of trouble that a seed decides on, and every kind of trouble.

First trouble, in which nothing bad may happen; then everything is mended, and something good must happen
(checks.Liveness). Each seed has its own mixture of troubles, because rare combinations are found sooner by runs that
do few things often than by runs that do all things seldom. Some kinds are aimed on purpose, because what they find
shows in no other way: restarts within the dead time, also of voters (a forgotten promise); blows between two effects of
one turn (a wrong order); two quick restarts with the last words of both daemons played again (an old incarnation that
looks like the newer one); machines that are always late (a deadline that never comes).

Every strike draws from a source of its own, so that leaving some out (``shrink``) does not change what the others do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from ..effects import Action
from ..model import AddressResource, Cluster, Quorum
from ..units import MILLISECOND, Duration
from .draws import some, stretch
from .edits import edited
from .files import set_times, take_up
from .host import Host
from .network import Weather
from .operating import maintain, operate, stop_and_start
from .shapes import DEVICES, HEARTBEAT_NETWORK, SERVICE_DEVICE, SERVICE_NETWORK, Shape
from .strike import Strike
from .versions import VERSIONS
from .voters import change_voters
from .watchdog import kill_daemon
from .world import CLEAN_STOP, World

FIRST_STRIKES = (0.5, 1.5, 2.5)
"""When trouble begins, in dead times: while machines are still being switched on, while they first take groups, or after it."""


def schedule(world: World, shape: Shape) -> None:
    """Plan one trouble after another until ``shape.trouble``, and the mending of all of it at that time."""
    plan = Random(shape.seed * 3 + 7)
    when, number = int(plan.choice(FIRST_STRIKES) * shape.cluster.dead_time), 0
    while when < shape.trouble:
        kind = plan.choice(shape.kinds)
        if shape.only is None or number in shape.only:
            world.at(when, partial(_strike, world, shape, number, kind))
        when += int(plan.expovariate(1.0) * shape.interval) + MILLISECOND
        number += 1
    shape.strikes = number
    world.network.recording = not {"replay", "resurrect"}.isdisjoint(shape.kinds)
    world.trouble_until = shape.trouble
    world.at(shape.trouble, lambda: mend_everything(world))


def _strike(world: World, shape: Shape, number: int, kind: str) -> None:
    """One trouble, drawn from its own source of randomness."""
    ordinary, world.random = world.random, Random(shape.seed * 1_000_003 + number)
    world.kinds[kind] += 1
    KINDS[kind](world, shape.cluster.dead_time)
    world.random = ordinary


def mend_everything(world: World) -> None:
    """The end of all trouble: everything on, awake, connected and well behaved."""
    world.tell(None, "trouble ends")
    world.network.heal()
    world.network.recording = False
    world.devices.fails = world.devices.hangs = world.devices.slow = 0
    for host in world.hosts.values():
        if host.member not in world.cluster.members:
            continue  # it is switched on when a file names it
        host.strike = None
        host.kernel.lease_refusals = 0
        if host.core is None:
            set_times(host, world.cluster.dead_time, world.cluster.heartbeat)
        host.relieve()
        host.kernel.refusals = host.kernel.silences = 0
        host.neighbours.pings = dict.fromkeys(host.neighbours.pings, True)
        for probe in sorted(host.manager.sick):
            host.manager.sicken(*probe, False)
        for temper in host.manager.tempers.values():
            for counts in (temper.fails, temper.loses, temper.hangs, temper.denies):
                counts.clear()
        host.power_on()
        if not host.manager.up:
            host.manager.start()
        host.thaw()
        host.start_pulse()
        for device in DEVICES.values():
            host.set_carrier(device, True)
        take_up(host, world.cluster)
    if world.voters is not None:
        world.voters.ended()


def _restart(world: World, dead_time: Duration) -> None:
    """The pulse is killed and started again within the dead time; now and then a second one at nearly the same time."""
    for _ in range(world.random.choice((1, 1, 2, 3))):
        host = some(world)
        if host.core is None:
            continue
        delay = stretch(world, 0.02, 0.9, dead_time)
        world.tell(host, f"kill, started again after {delay // MILLISECOND} ms")
        host.kill_pulse()
        world.after(delay, host.start_pulse)


def _crash(world: World, dead_time: Duration) -> None:
    """The pulse is killed for longer than the dead time; on machines with a watchdog sometimes the supervisor with it."""
    host = some(world)
    delay = stretch(world, 1.0, 4.0, dead_time)
    whole = bool(host.watchdog.timeout) and world.random.random() < 0.5
    what = "kill, supervisor and pulse" if whole else "kill"
    world.tell(host, f"{what}, started again after {delay // MILLISECOND} ms")
    if whole:
        kill_daemon(host)
    else:
        host.kill_pulse()
    world.after(delay, host.start_pulse)


def _power(world: World, dead_time: Duration) -> None:
    host = some(world)
    fast = world.random.random() < 0.4
    delay = stretch(world, 0.05, 0.9, dead_time) if fast else stretch(world, 1.0, 5.0, dead_time)
    world.tell(host, f"power off for {delay // MILLISECOND} ms")
    host.power_off()
    world.after(delay, host.power_on)


def _freeze(world: World, dead_time: Duration) -> None:
    host = some(world)
    delay = stretch(world, 0.02, world.random.choice((0.4, 1.2, 3.0)), dead_time)
    world.tell(host, f"freeze for {delay // MILLISECOND} ms")
    host.freeze()
    world.after(delay, host.thaw)


def _blow(world: World, dead_time: Duration) -> None:
    """The pulse will be killed or frozen between two effects."""
    host = some(world, nodes_only=True)
    freeze = stretch(world, 0.1, 2.0, dead_time) if world.random.random() < 0.5 else None
    host.strike = Strike(world.random.randint(1, 12), freeze)
    if freeze is None:
        world.after(stretch(world, 0.5, 4.0, dead_time), host.start_pulse)


def _partition(world: World, dead_time: Duration) -> None:
    names = list(world.cluster.names)
    world.random.shuffle(names)
    cut = world.random.randint(1, len(names) - 1)
    left, right = names[:cut], names[cut:]
    networks = world.random.choice(((), (), (HEARTBEAT_NETWORK,), (SERVICE_NETWORK,)))
    world.tell(None, f"partition {' '.join(left)} | {' '.join(right)} on {' '.join(networks) or 'all networks'}")
    world.network.part(left, right, networks)
    world.after(stretch(world, 0.2, 5.0, dead_time), lambda: world.network.heal_part(left, right, networks))


def _one_way(world: World, dead_time: Duration) -> None:
    one, other = world.random.sample(world.cluster.names, 2)
    networks = world.random.choice(((), (), (SERVICE_NETWORK,)))
    world.tell(None, f"nothing passes from {one} to {other} on {' '.join(networks) or 'all networks'}")
    world.network.cut((one,), (other,), networks)
    world.after(stretch(world, 0.2, 5.0, dead_time), lambda: world.network.mend((one,), (other,), networks))


def _link(world: World, dead_time: Duration) -> None:
    """One link between two machines: cut both ways, one way, or flapping."""
    random = world.random
    one, other = random.sample(world.cluster.names, 2)
    networks = random.choice(((HEARTBEAT_NETWORK,), (SERVICE_NETWORK,), ()))
    words = f"{one} and {other} on {' '.join(networks) or 'all networks'}"
    if random.random() < 0.5:
        world.tell(None, f"link cut between {words}")
        world.network.part((one,), (other,), networks)
        world.after(stretch(world, 0.2, 5.0, dead_time), lambda: world.network.heal_part((one,), (other,), networks))
        return
    world.tell(None, f"link flaps between {words}")
    period, times = stretch(world, 0.1, 2.0, dead_time), random.randint(2, 8)
    one_way = random.random() < 0.3

    def down() -> None:
        if world.now >= world.trouble_until:
            return
        if one_way:
            world.network.cut((one,), (other,), networks)
        else:
            world.network.part((one,), (other,), networks)

    for turn in range(times):
        world.after(2 * turn * period, down)
        world.after((2 * turn + 1) * period, lambda: world.network.heal_part((one,), (other,), networks))


def _weather(world: World, dead_time: Duration) -> None:
    random = world.random
    weather = Weather(
        loss=random.choice((0.0, 0.05, 0.2, 0.4)),
        delay=int(dead_time * random.choice((0.0, 0.05, 0.3, 0.7))),
        duplicates=random.choice((0.0, 0.1, 0.3)),
    )
    world.network.blow(weather)
    world.tell(None, f"weather {weather}")
    world.after(stretch(world, 1.0, 6.0, dead_time), world.network.calm)


def _cable(world: World, dead_time: Duration) -> None:
    host = some(world)
    device = world.random.choice((SERVICE_DEVICE, SERVICE_DEVICE, DEVICES[HEARTBEAT_NETWORK]))
    world.tell(host, f"cable of {device} pulled")
    host.set_carrier(device, False)
    world.after(stretch(world, 0.1, 4.0, dead_time), lambda: host.set_carrier(device, True))


def _manager(world: World, dead_time: Duration) -> None:
    host = some(world, nodes_only=True)
    if host.power and host.manager.up:
        world.tell(host, "manager killed")
        host.manager.crash()
        world.after(stretch(world, 0.02, 2.0, dead_time), host.manager.start)


def _program(world: World, dead_time: Duration) -> None:
    """A program dies, or its agent misbehaves for the next one to three times."""
    random = world.random
    host = some(world, nodes_only=True)
    programs = [(g.name, r.id) for g in world.cluster.groups for r in g.resources if not isinstance(r, AddressResource)]
    if not programs or not host.power:
        return
    group, resource = random.choice(programs)
    temper = host.manager.temper(group, resource)
    temper.durations[random.choice((Action.START, Action.STOP))] = stretch(world, 0.01, 0.8, dead_time)
    misdeed = random.choice(("dies", "fails", "loses", "hangs"))
    if misdeed == "dies":
        host.manager.kill(group, resource)
    else:
        action, times = random.choice(tuple(Action)), random.randint(1, 3)
        if misdeed == "fails" and action is Action.STOP and times > 1:
            misdeed = "denies"
        counts: dict[Action, int] = getattr(temper, misdeed)
        counts[action] = times
    world.tell(host, f"program {resource} {misdeed}")


def _probe(world: World, dead_time: Duration) -> None:
    """A probe finds something wrong on one machine for a while, whatever is started anew meanwhile."""
    host = some(world, nodes_only=True)
    probes = [(g.name, p.name) for g in world.cluster.groups for p in g.probes]
    if not probes:
        return
    group, name = world.random.choice(probes)
    span = stretch(world, 0.05, 4.0, dead_time)
    world.tell(host, f"probe {name} of {group} fails for {span // MILLISECOND} ms")
    host.manager.sicken(group, name, True)
    world.after(span, partial(host.manager.sicken, group, name, False))


def _address(world: World, dead_time: Duration) -> None:
    for host in world.hosts.values():
        for address in sorted(host.kernel.addresses):
            world.tell(host, f"{address} deleted by hand")
            host.lose_address(address)


def _shutdown(world: World, dead_time: Duration) -> None:
    host = some(world)
    world.tell(host, CLEAN_STOP)
    host.shut_down()
    life = host.pulse_number

    def start_again() -> None:
        if host.core is not None and host.pulse_number == life:
            world.after(dead_time, start_again)  # it is not done with its stops yet
        else:
            host.start_pulse()

    world.after(stretch(world, 0.5, 5.0, dead_time), start_again)


def _replay(world: World, dead_time: Duration) -> None:
    world.tell(None, "old datagrams are played again")
    world.network.replay(world.random.randint(1, 40))


def _resurrect(world: World, dead_time: Duration) -> None:
    """Two quick restarts, so quick that others may not have believed the first; then the last words of both come again."""
    random, host = world.random, some(world)
    if host.core is None:
        return
    world.tell(host, "kill, twice in a moment, and its last words are played again")
    host.kill_pulse()
    gap = stretch(world, 0.001, random.choice((0.01, 0.3)), dead_time)
    life = int(random.choice((150_000, 400_000, MILLISECOND, 5 * MILLISECOND)) * random.uniform(0.5, 1.5))
    world.after(gap, host.start_pulse)
    world.after(gap + life, host.kill_pulse)
    world.after(gap + life + stretch(world, 0.001, 0.1, dead_time), host.start_pulse)
    for _ in range(random.randint(2, 6)):
        when = gap + life + stretch(world, 0.0, random.choice((0.2, 3.0)), dead_time)
        world.after(when, lambda: world.network.replay_ended(host.name, random.randint(1, 24)))


def _starve(world: World, dead_time: Duration) -> None:
    """A machine that has too much to do, or is sent too much, for a while: every wake-up late by a third of the dead time."""
    host = some(world)
    span = stretch(world, 1.0, 5.0, dead_time)
    if world.random.random() < 0.3:
        world.tell(host, f"flooded for {span // MILLISECOND} ms")
        host.flood(span)
    else:
        lag = stretch(world, 0.34, world.random.choice((0.45, 0.8)), dead_time)
        world.tell(host, f"starved for {span // MILLISECOND} ms, late by {lag // MILLISECOND} ms")
        host.starve(span, lag)
    world.after(span, lambda: world.tell(host, "starving ends"))


def _clock(world: World, dead_time: Duration) -> None:
    """A time server sets a wall clock, right or wrong; mostly the daemon starts soon after that and looks at it."""
    host = some(world)
    host.set_wall_clock()
    if host.core is not None and world.random.random() < 0.6:
        delay = stretch(world, 0.02, 2.0, dead_time)
        world.tell(host, f"kill, started again after {delay // MILLISECOND} ms")
        host.kill_pulse()
        world.after(delay, host.start_pulse)


def _netlink(world: World, dead_time: Duration) -> None:
    """The next changes of addresses on a machine fail, or nothing is heard of them."""
    host = some(world, nodes_only=True)
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
    world.after(stretch(world, 0.2, 5.0, dead_time), lambda: world.network.unblock(one, other))


def _ping(world: World, dead_time: Duration) -> None:
    """Only the pair policy and groups with targets of their own look at them."""
    host = some(world)
    if not host.neighbours.pings:
        return
    world.tell(host, "ping targets are silent")
    host.neighbours.pings = dict.fromkeys(host.neighbours.pings, False)
    host.neighbours.tell_pings()

    def answer() -> None:
        host.neighbours.pings = dict.fromkeys(host.neighbours.pings, True)

    world.after(stretch(world, 0.5, 4.0, dead_time), answer)


def _disk(world: World, dead_time: Duration) -> None:
    """The manager waits for a disk that hangs: whatever it is asked for meanwhile begins, or is answered, only then."""
    host = some(world, nodes_only=True)
    if host.power and host.manager.up:
        span = stretch(world, 0.3, 3.0, dead_time)
        world.tell(host, f"manager hangs for {span // MILLISECOND} ms")
        host.manager.hang(span)


def _stuck(world: World, dead_time: Duration) -> None:
    """An exclusive program that does not stop, however often it is asked, for a long time or until the machine is reset."""
    random = world.random
    host = some(world, nodes_only=True)
    programs = [(g.name, r.id) for g in world.cluster.groups for r in g.resources if r.exclusive]
    if not programs or not host.power:
        return
    group, resource = random.choice(programs)
    misdeed = random.choice(("fails", "hangs"))
    times = random.choice((1, 3, 1000))
    if misdeed == "fails" and times == 3:
        misdeed = "denies"  # no draw of its own, so that the other worlds stay as they were
    counts: dict[Action, int] = getattr(host.manager.temper(group, resource), misdeed)
    counts[Action.STOP] = times
    world.tell(host, f"program {resource} does not stop ({misdeed})")
    if random.random() < 0.6:
        host.ask(random.getrandbits(31), "standby", "", host.name)
        world.after(stretch(world, 1.0, 8.0, dead_time), lambda: host.ask(1, "online", "", host.name))


def _device(world: World, dead_time: Duration) -> None:
    """The next orders to fence devices fail, hang, or are answered too late; mostly when they will be needed."""
    random = world.random
    misdeed = random.choice(("fails", "hangs", "slow"))
    setattr(world.devices, misdeed, random.randint(1, 3))
    world.tell(None, f"device {misdeed}")
    if random.random() < 0.7:
        _power(world, dead_time)


def _lease(world: World, dead_time: Duration) -> None:
    """The kernel refuses the next changes of leases: what runs goes on to its end, and no longer."""
    host = some(world, nodes_only=True)
    world.tell(host, "kernel lease refused")
    host.kernel.lease_refusals = world.random.randint(1, 6)


def _reload(world: World, dead_time: Duration) -> None:
    """A changed file, taken up while everything runs by one daemon after the other, or by some of them and then another file;
    or other times, by restarting them. Never the voters.
    """
    random, cluster = world.random, world.cluster
    if cluster.quorum is Quorum.MAJORITY and random.random() < 0.2:
        factor = random.choice((2, 3))
        times = (factor * dead_time, factor * cluster.heartbeat)
        take = partial(_take_up_times, dead_time=times[0], heartbeat=times[1])
    else:
        changed = edited(random, cluster, random.choice((1, 1, 2, 4)))
        take = partial(_take_up, changed=changed)
    at = 0
    slow = random.random() < 0.3
    for name in random.sample(cluster.names, random.randint(1, len(cluster.names))):
        at += stretch(world, 0.1, 2.0, dead_time) if slow else stretch(world, 0.0, 0.2, dead_time)
        world.after(at, partial(take, world, world.hosts[name]))
    world.tell(None, "a changed file is taken up, one machine after the other")


def _take_up(world: World, host: Host, changed: Cluster) -> None:
    if world.now < world.trouble_until:
        take_up(host, changed)


def _take_up_times(world: World, host: Host, dead_time: Duration, heartbeat: Duration) -> None:
    if host.core is None or world.now >= world.trouble_until:
        return
    world.tell(host, "kill, started again with other times")
    host.kill_pulse()
    set_times(host, dead_time, heartbeat)
    world.after(MILLISECOND, host.start_pulse)


def _upgrade(world: World, dead_time: Duration) -> None:
    """One machine's program is replaced by an older or a newer version, or by this one again."""
    host = some(world)
    if host.core is None:
        return
    host.version = world.random.choice([name for name in VERSIONS if name != host.version])
    delay = stretch(world, 0.02, 0.9, dead_time)
    world.tell(host, f"kill, {host.version} version started after {delay // MILLISECOND} ms")
    host.kill_pulse()
    world.after(delay, host.start_pulse)


KINDS: dict[str, Callable[[World, Duration], None]] = {
    "address": _address,
    "blow": _blow,
    "cable": _cable,
    "clock": _clock,
    "crash": _crash,
    "device": _device,
    "disk": _disk,
    "filter": _filter,
    "freeze": _freeze,
    "lease": _lease,
    "link": _link,
    "maintenance": maintain,
    "manager": _manager,
    "netlink": _netlink,
    "one-way": _one_way,
    "operator": operate,
    "partition": _partition,
    "ping": _ping,
    "power": _power,
    "probe": _probe,
    "program": _program,
    "reload": _reload,
    "replay": _replay,
    "restart": _restart,
    "resurrect": _resurrect,
    "shutdown": _shutdown,
    "starve": _starve,
    "stop-group": stop_and_start,
    "stuck": _stuck,
    "upgrade": _upgrade,
    "voters": change_voters,
    "weather": _weather,
}
