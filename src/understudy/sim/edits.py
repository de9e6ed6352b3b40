"""Random valid edits of a configuration, as an administrator makes them; what a reload takes up while everything runs.

Never who votes, never the times, and nothing goes from one group to another: for that a restart is needed, or two reloads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from ..config.digest import digest
from ..model import (
    AddressResource,
    Cluster,
    CommandResource,
    Failback,
    FailbackKind,
    Group,
    Limits,
    Restarts,
    stages_of,
)
from .shapes import SERVICE_DEVICE

Edit = Callable[[Random, Cluster], Cluster]


_GROUPS = ("site", "mail", "data", "group1", "group2", "group3")
"""What a group may get is its own, in whatever order machines take up files that differ."""


def edited(random: Random, cluster: Cluster, edits: int = 1, kinds: Sequence[Edit] = ()) -> Cluster:
    """``cluster`` after some edits, of all ``kinds`` but those of ``RELATIONS`` where none are named."""
    changed = cluster
    for _ in range(edits):
        changed = random.choice(kinds or EDITS)(random, changed)
    # Drawn from what came out, so that other draws stay as they are.
    changed = _stages(Random(digest(changed)), changed)
    return replace(changed, digest=cluster.digest[:8] + digest(changed)[8:])


def _changed(cluster: Cluster, group: Group) -> Cluster:
    groups = tuple(group if item.name == group.name else item for item in cluster.groups)
    return replace(cluster, groups=groups)


def _prefer(random: Random, cluster: Cluster) -> Cluster:
    nodes = [node.name for node in cluster.nodes]
    group = random.choice(cluster.groups)
    return _changed(cluster, replace(group, prefer=tuple(random.sample(nodes, random.randint(0, len(nodes))))))


def _failback(random: Random, cluster: Cluster) -> Cluster:
    kind = random.choice((FailbackKind.WHEN_HEALTHY, FailbackKind.NEVER))
    return _changed(cluster, replace(random.choice(cluster.groups), failback=Failback(kind)))


def _limits(random: Random, cluster: Cluster) -> Cluster:
    """Only what counts from the next operation on."""
    group = random.choice(cluster.groups)
    if not group.resources:
        return cluster
    one = random.choice(group.resources)
    interval = random.choice((0, 2, 3)) * cluster.dead_time
    limits = replace(one.limits, interval=interval)
    other = replace(one, limits=limits, restarts=Restarts(random.randint(1, 4), 4 * cluster.dead_time))
    return _changed(
        cluster, replace(group, resources=tuple(other if item is one else item for item in group.resources))
    )


def _more(random: Random, cluster: Cluster) -> Cluster:
    """One resource more, somewhere in the order."""
    group, number = random.choice(cluster.groups), random.randint(1, 40)
    name, network = f"extra-{group.name}-{number}", 61 + _GROUPS.index(group.name)
    limits = Limits(start=2 * cluster.dead_time, stop=2 * cluster.dead_time, monitor=cluster.dead_time, interval=0)
    new = (
        AddressResource(name, f"192.168.{network}.{number}", 24, SERVICE_DEVICE, limits=limits)
        if random.random() < 0.5
        else CommandResource(name, (name,), limits=limits, exclusive=random.random() < 0.3)
    )
    if any(item.id == new.id for other in cluster.groups for item in other.resources):
        return cluster
    at = random.randint(0, len(group.resources))
    stages = group.stages[:at] + group.stages[max(0, at - 1) : max(1, at)] + group.stages[at:]
    return _changed(
        cluster, replace(group, resources=(*group.resources[:at], new, *group.resources[at:]), stages=stages_of(stages))
    )


def _fewer(random: Random, cluster: Cluster) -> Cluster:
    group = random.choice(cluster.groups)
    if len(group.resources) < 2:
        return cluster
    gone = random.choice(group.resources)
    left = tuple(item for item in group.resources if item is not gone)
    at = group.resources.index(gone)
    return _changed(
        cluster, replace(group, resources=left, stages=stages_of(group.stages[:at] + group.stages[at + 1 :]))
    )


def _order(random: Random, cluster: Cluster) -> Cluster:
    group = random.choice(cluster.groups)
    return _changed(cluster, replace(group, resources=tuple(random.sample(group.resources, len(group.resources)))))


def _stages(random: Random, cluster: Cluster) -> Cluster:
    """Now and then other parts of a group start together, or none."""
    group = random.choice(cluster.groups)
    if random.random() > 0.15 or len(group.resources) < 2:
        return cluster
    numbers = sorted(random.randrange(len(group.resources)) for _ in group.resources)
    return _changed(cluster, replace(group, stages=stages_of(numbers)))


def _another(random: Random, cluster: Cluster) -> Cluster:
    """A program or an address is changed and keeps its name."""
    group = random.choice(cluster.groups)
    if not group.resources:
        return cluster
    one = random.choice(group.resources)
    if isinstance(one, AddressResource):
        other: object = replace(one, prefix=random.choice((24, 25, 26)))
    elif isinstance(one, CommandResource):
        other = replace(one, argv=(*one.argv[:1], str(random.randint(1, 9))))
    else:
        return cluster
    resources = tuple(other if item is one else item for item in group.resources)
    return _changed(cluster, replace(group, resources=resources))  # type: ignore[arg-type]


def _new_group(random: Random, cluster: Cluster) -> Cluster:
    name = f"group{random.randint(1, 3)}"
    if any(group.name == name for group in cluster.groups):
        return cluster
    limits = Limits(start=2 * cluster.dead_time, stop=2 * cluster.dead_time, monitor=cluster.dead_time, interval=0)
    address = AddressResource(f"address-{name}", f"192.168.60.{name[-1]}", 24, SERVICE_DEVICE, limits=limits)
    program = CommandResource(f"httpd-{name}", ("httpd",), limits=limits)
    return replace(
        cluster, groups=(*cluster.groups, Group(name, (address, program), stop_timeout=3 * cluster.dead_time))
    )


def _no_group(random: Random, cluster: Cluster) -> Cluster:
    """A group less, and nobody speaks of it any more."""
    if len(cluster.groups) < 2:
        return cluster
    gone = random.choice(cluster.groups).name
    groups = tuple(
        replace(
            group,
            together=None if group.together == gone else group.together,
            apart=tuple(name for name in group.apart if name != gone),
            after=tuple(name for name in group.after if name != gone),
        )
        for group in cluster.groups
        if group.name != gone
    )
    return replace(cluster, groups=groups)


def _reached(cluster: Cluster, start: str, word: Callable[[Group], tuple[str, ...]]) -> set[str]:
    """``start``, what it names in ``word``, what that names, and so on: whoever is there must not be led back to."""
    groups = {group.name: group for group in cluster.groups}
    found, new = set[str](), [start]
    while new:
        name = new.pop()
        found.add(name)
        new += [other for other in word(groups[name]) if other not in found]
    return found


def _led_by(cluster: Cluster, group: Group, word: Callable[[Group], tuple[str, ...]]) -> list[str]:
    """The groups that ``group`` may name in ``word`` without a circle."""
    return [other.name for other in cluster.groups if group.name not in _reached(cluster, other.name, word)]


def _goes_with(group: Group) -> tuple[str, ...]:
    return () if group.together is None else (group.together,)


def _comes_after(group: Group) -> tuple[str, ...]:
    return group.after


def _together(random: Random, cluster: Cluster) -> Cluster:
    """A group goes with another, or with none any more; the two do not stay apart then."""
    group = random.choice(cluster.groups)
    name = random.choice((None, *_led_by(cluster, group, _goes_with)))
    other = next((item for item in cluster.groups if item.name == name), None)
    if other is not None:
        cluster = _changed(cluster, replace(other, apart=tuple(item for item in other.apart if item != group.name)))
    return _changed(cluster, replace(group, together=name, apart=tuple(item for item in group.apart if item != name)))


def _apart(random: Random, cluster: Cluster) -> Cluster:
    group = random.choice(cluster.groups)
    others = [
        item.name
        for item in cluster.groups
        if item is not group and item.name != group.together and item.together != group.name
    ]
    return _changed(cluster, replace(group, apart=tuple(random.sample(others, random.randint(0, min(1, len(others)))))))


def _after(random: Random, cluster: Cluster) -> Cluster:
    """A group waits for others, or for none any more."""
    group = random.choice(cluster.groups)
    others = _led_by(cluster, replace(group, after=()), _comes_after)
    return _changed(cluster, replace(group, after=tuple(random.sample(others, random.randint(0, min(2, len(others)))))))


def _weight(random: Random, cluster: Cluster) -> Cluster:
    """What a group takes, or what a node bears, is another; never more than any node could bear."""
    if random.random() < 0.6:
        return _changed(cluster, replace(random.choice(cluster.groups), weight=random.randint(0, 2)))
    node = random.choice(cluster.nodes)
    other = replace(node, capacity=random.choice((None, 2, 3, 4)))
    return replace(cluster, members=tuple(other if item is node else item for item in cluster.members))


RELATIONS: tuple[Edit, ...] = (_together, _apart, _after, _weight)
"""What groups say of each other, and how much a node takes."""

EDITS: tuple[Edit, ...] = (_prefer, _failback, _limits, _more, _fewer, _order, _another, _new_group, _no_group)
