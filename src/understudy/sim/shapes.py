"""The cluster that a seed decides on: how many machines, which policy, which groups, devices, clocks and habits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from ..fence_devices import FenceDevice, FenceKind
from ..hours import Hours
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
    stages_of,
)
from ..probes import PingCheck, Probe, Reach
from ..units import MILLISECOND, SECOND, Duration
from .world import Habits

HEARTBEAT_NETWORK = "heartbeat"
SERVICE_NETWORK = "service"
DEVICES = {HEARTBEAT_NETWORK: "eth1", SERVICE_NETWORK: "eth0"}
SERVICE_DEVICE = DEVICES[SERVICE_NETWORK]

SIZES = (*((2, 0),) * 30, *((2, 1),) * 17, *((3, 0),) * 17, (3, 2), (4, 1), (5, 0), (6, 1), (7, 0))
"""Nodes and witnesses: mostly the small clusters that people have. Two nodes alone have the policy ``pair`` or ``fence``. A seed
of seven nodes costs as much as eight of two."""

HARD_FOR_A_FILTERED_PAIR = frozenset(
    {"blow", "cable", "lease", "link", "netlink", "one-way", "partition", "reload", "weather"}
)
"""Not together with ``filter`` for two machines alone. A machine that holds its lease but could not answer when it was asked
(nothing passed, or the other's file has other addresses for the group) is taken for dead; as long as heartbeats are filtered
after that, nobody tells the two of each other. They see each other's announcements, and neither gives way to those."""

ONLY_WITH_DEVICES = frozenset({"device"})
VOTERS = "voters"
"""Only where a majority decides, and no file comes between that names other members."""

ONLY_WITH_EXCLUSIVE = frozenset({"stuck"})

PING_TARGET = "192.168.58.1"


@dataclass(slots=True)
class Shape:
    """What a seed chose: ``trouble`` is how long the first part lasts. ``only``: which strikes are dealt, None for all."""

    seed: int
    cluster: Cluster
    habits: Habits
    kinds: tuple[str, ...]
    interval: Duration
    trouble: Duration
    slow_node: str = ""
    only: frozenset[int] | None = None
    strikes: int = 0
    spares: tuple[Member, ...] = ()
    """Machines that are switched off, and may become members."""


def make_members(nodes: tuple[str, ...], witnesses: tuple[str, ...], networks: int = 2) -> tuple[Member, ...]:
    """Nodes on both networks (or on the service network only), witnesses on the service network only."""
    members = []
    for number, name in enumerate(nodes, 101):
        links = (Link(HEARTBEAT_NETWORK, f"192.168.107.{number}"), Link(SERVICE_NETWORK, f"192.168.58.{number}"))
        members.append(Member(name, Role.NODE, links[-networks:]))
    for number, name in enumerate(witnesses, 9):
        members.append(Member(name, Role.WITNESS, (Link(SERVICE_NETWORK, f"192.168.58.{number}"),)))
    return tuple(members)


def script_devices(nodes: list[str], reboot: bool) -> tuple[FenceDevice, ...]:
    """Two devices for each node, on two levels, each tried once."""
    return tuple(
        FenceDevice(f"{kind}-{name}", FenceKind.AGENT, "fence", (), (), ((name, ""),), level, 2 * SECOND, 0, reboot)
        for name in nodes
        for level, kind in ((1, "ipmi"), (2, "pdu"))
    )


def draw_shape(seed: int, kinds: tuple[str, ...]) -> Shape:
    """The cluster and the mixture of troubles, out of ``kinds``, of this seed."""
    random = Random(seed * 2 + 1)
    node_count, witness_count = random.choice(SIZES)
    nodes = tuple(f"n{number}" for number in range(1, node_count + 1))
    witnesses = tuple(f"w{number}" for number in range(1, witness_count + 1))
    dead_time = random.choice((SECOND, SECOND, SECOND, 300 * MILLISECOND, 2 * SECOND))
    heartbeat = dead_time // random.choice((3, 3, 4))
    policy = Quorum.MAJORITY
    if node_count + witness_count == 2:
        policy = random.choice((Quorum.PAIR, Quorum.FENCE))
    cluster = Cluster(
        name="sim",
        key_file="cluster.key",
        heartbeat=heartbeat,
        dead_time=dead_time,
        quorum=policy,
        members=make_members(nodes, witnesses, random.choice((1, 2))),
        groups=_draw_groups(random, nodes, dead_time, policy),
        ping=(PING_TARGET,) if policy is Quorum.PAIR and random.random() < 0.5 else (),
        digest="simulate0",
        fence_delay=2 * dead_time,
    )
    cluster = draw_reach(Random(seed * 11 + 5), draw_relations(Random(seed * 7 + 3), _draw_devices(random, cluster)))
    cluster = draw_stages(Random(seed * 13 + 9), cluster)
    habits = Habits(
        jitter=random.choice((0, MILLISECOND, heartbeat // 10)),
        wake=random.choice((0, 200_000, 5 * MILLISECOND)),
        connect=random.choice((MILLISECOND, 20 * MILLISECOND)),
        rate_error=1000,
        wrong_clocks=random.choice((0.0, 0.0, 0.5)),
        stalled_last=random.random() < 0.2,
        boot=Random(seed * 17 + 11).choice((2, 8)),  # sooner or later than others wait for its word
    )
    chosen = _draw_kinds(random, kinds, cluster)
    interval = int(dead_time * random.choice((0.4, 1.0, 2.5)))
    slow = random.choice(cluster.names) if policy is Quorum.MAJORITY and random.random() < 0.15 else ""
    # A machine must be lost and a device asked in vain before the next level or a human is thought of; and nobody counts on a
    # watchdog before it must have fired twice.
    watched = any(item.watchdog for item in cluster.members) and any(group.exclusive for group in cluster.groups)
    trouble = (12 if cluster.fences or watched else random.choice((6, 8, 12))) * dead_time
    shape = Shape(seed, cluster, habits, chosen, interval, trouble, slow)
    return with_spares(shape) if VOTERS in chosen else shape


def with_spares(shape: Shape) -> Shape:
    """With a node and a witness more, and neither fence devices nor watchdogs: these are written for certain members."""
    names = tuple(node.name for node in shape.cluster.nodes)
    witnesses = tuple(item.name for item in shape.cluster.members if item.role is Role.WITNESS)
    networks = len(shape.cluster.nodes[0].links)
    more = make_members((*names, "x1"), (*witnesses, "x2"), networks)
    shape.spares = tuple(item for item in more if item.name in ("x1", "x2"))
    members = tuple(replace(item, watchdog="") for item in shape.cluster.members)
    shape.cluster = replace(shape.cluster, members=members, fences=(), watchdog_timeout=0)
    return shape


def draw_reach(random: Random, cluster: Cluster) -> Cluster:
    """In a third of the clusters groups ask for a ping target. Their damping is short, so that trouble moves them."""
    if random.random() > 0.33:
        return cluster
    reach = Reach((PING_TARGET,), random.choice((1, 2)) * cluster.dead_time)
    groups = (replace(item, stays_where=reach if random.random() < 0.7 else None) for item in cluster.groups)
    return replace(cluster, groups=tuple(groups))


def draw_stages(random: Random, cluster: Cluster) -> Cluster:
    """In a third of the clusters some groups run a program more, and parts of a group start at the same time."""
    if random.random() > 0.33:
        return cluster
    groups = []
    for group in cluster.groups:
        resources = list(group.resources)
        if random.random() < 0.6:
            one = resources[0]
            resources.append(
                CommandResource(f"cache-{group.name}", ("cache",), limits=one.limits, restarts=one.restarts)
            )
        stages = stages_of(sorted(random.randrange(len(resources)) for _ in resources))
        groups.append(replace(group, resources=tuple(resources), stages=stages, probes=_probes(resources)))
    return replace(cluster, groups=tuple(groups))


def draw_relations(random: Random, cluster: Cluster) -> Cluster:
    """In a quarter of the clusters with several groups they have something to say of each other, or nodes have limits."""
    return cluster if len(cluster.groups) < 2 or random.random() > 0.25 else relate(random, cluster)


def relate(random: Random, cluster: Cluster) -> Cluster:
    """``cluster``, with groups that go with others, stay apart from them or come after them, and nodes that take only so much."""
    groups: list[Group] = []
    for group in cluster.groups:
        before = [item.name for item in groups]
        together = random.choice(before) if before and random.random() < 0.3 else None
        others = [name for name in before if name != together]
        apart = (random.choice(others),) if others and random.random() < 0.4 else ()
        after = (random.choice(before),) if before and random.random() < 0.5 else ()
        weight = random.choice((0, 1, 2))
        groups.append(replace(group, together=together, apart=apart, after=after, weight=weight))
    random.shuffle(groups)
    limited = random.random() < 0.5
    members = tuple(
        replace(item, capacity=random.choice((2, 3, 4))) if limited and item.role is Role.NODE else item
        for item in cluster.members
    )
    return replace(cluster, groups=tuple(groups), members=members)


def _draw_kinds(random: Random, kinds: tuple[str, ...], cluster: Cluster) -> tuple[str, ...]:
    able = set(kinds)
    if cluster.quorum is not Quorum.MAJORITY:
        able.discard(VOTERS)
    if not cluster.fences:
        able -= ONLY_WITH_DEVICES
    if not any(group.exclusive for group in cluster.groups):
        able -= ONLY_WITH_EXCLUSIVE
    chosen = tuple(random.sample(sorted(able), random.randint(2, 7)))
    if cluster.quorum is Quorum.PAIR and "filter" in chosen:
        chosen = tuple(kind for kind in chosen if kind not in HARD_FOR_A_FILTERED_PAIR)
    if random.random() < 0.5 and "restart" not in chosen:
        chosen += ("restart",)
    if cluster.fences and random.random() < 0.4 and "device" not in chosen:
        chosen += ("device",)
    return chosen


def _draw_devices(random: Random, cluster: Cluster) -> Cluster:
    """Fence devices, one or two levels, for all nodes or for some; watchdogs likewise."""
    needed = cluster.quorum is Quorum.FENCE
    fences: list[FenceDevice] = []
    if needed or random.random() < 0.3:
        for node in cluster.nodes:
            if not needed and random.random() < 0.2:
                continue
            for level in range(1, random.choice((1, 2)) + 1):
                limit = random.choice((1, 3)) * cluster.dead_time
                retries, reboot = random.choice((0, 1)), random.random() < 0.5
                name = f"device{level}-{node.name}"
                targets = ((node.name, ""),)
                fences.append(
                    FenceDevice(name, FenceKind.AGENT, "fence", (), (), targets, level, limit, retries, reboot)
                )
    members = cluster.members
    if random.random() < 0.3:
        all_of_them = random.random() < 0.7
        members = tuple(
            replace(item, watchdog="/dev/watchdog" if all_of_them or random.random() < 0.6 else "")
            if item.role is Role.NODE
            else item
            for item in members
        )
    timeout = max(2 * SECOND, 2 * cluster.dead_time)
    return replace(cluster, fences=tuple(fences), members=members, watchdog_timeout=timeout)


def _probes(resources: list[Resource]) -> tuple[Probe, ...]:
    """One of the group, and one of each program."""
    programs = [item.id for item in resources if not isinstance(item, AddressResource)]
    return tuple(
        Probe(name, PingCheck(PING_TARGET), resource)
        for name, resource in (("all", ""), *zip(programs, programs, strict=True))
    )


def _draw_groups(random: Random, nodes: tuple[str, ...], dead_time: Duration, policy: Quorum) -> tuple[Group, ...]:
    limits = Limits(start=2 * dead_time, stop=2 * dead_time, monitor=dead_time, interval=3 * dead_time)
    restarts = Restarts(most=2, within=4 * dead_time)
    groups = []
    for number in range(random.choice((1, 1, 1, 2, 2, 3))):
        name = ("site", "mail", "data")[number]
        resources: list[Resource] = []
        # Under pair a group without an address has nothing that the service network could be asked about.
        if random.random() < 0.92 or policy is Quorum.PAIR:
            address = f"192.168.58.{100 - number}"
            resources.append(
                AddressResource(f"address-{name}", address, 24, SERVICE_DEVICE, limits=limits, restarts=restarts)
            )
        if random.random() < 0.5:
            resources.append(CommandResource(f"httpd-{name}", ("httpd",), limits=limits, restarts=restarts))
        if random.random() < 0.4 or not resources:
            exclusive = random.random() < 0.8
            resources.append(ScriptResource(f"disk-{name}", "/disk", (), exclusive, limits=limits, restarts=restarts))
        prefer = tuple(random.sample(nodes, random.randint(0, len(nodes))))
        kind = random.choice((FailbackKind.WHEN_HEALTHY, FailbackKind.NEVER, FailbackKind.AFTER))
        failback = Failback(kind, 2 * dead_time if kind is FailbackKind.AFTER else 0)
        if kind is FailbackKind.NEVER and number == 1:  # right now, and soon no more: a run begins at 22:13:20
            failback = Failback(FailbackKind.WITHIN, hours=Hours(0, 22 * 60 + 14))
        groups.append(Group(name, tuple(resources), prefer, failback, 3 * dead_time, probes=_probes(resources)))
    return tuple(groups)
