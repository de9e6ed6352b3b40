"""What a changed group asks of the machine that runs it: which resources go on running, and which have to be stopped.

One judge for both who tells a person before a reload and who does it (``config.difference``, ``core.reload``). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from .model import AddressResource, Cluster, Group, Quorum, Resource

LATER_WORDS = ("limits", "restarts", "exclusive")
"""Words of a resource that count from its next operation on: changing them stops nothing."""


def same_run(before: Resource, after: Resource) -> bool:
    """Whether what runs as ``before`` is what would run as ``after``."""
    if type(before) is not type(after):
        return False
    return replace(before, **{word: getattr(after, word) for word in LATER_WORDS}) == after


def stages(group: Group) -> list[tuple[Resource, ...]]:
    """The resources of each stage, in the order of starts."""
    numbered = zip(group.stage_numbers, group.resources, strict=True)
    return [tuple(item for _, item in stage) for _, stage in groupby(numbered, key=lambda pair: pair[0])]


def blocks(group: Group) -> list[tuple[Resource, ...]]:
    """Resources without an order among each other: each stage, and addresses that follow each other."""
    found: list[tuple[Resource, ...]] = []
    for stage in stages(group):
        if found and all(isinstance(item, AddressResource) for item in (*found[-1], *stage)):
            found[-1] = (*found[-1], *stage)
        else:
            found.append(stage)
    return found


def untouched(before: Group, after: Group, restart: Iterable[str] = ()) -> frozenset[str]:
    """The ids of the resources that go on running: all that are the same and stand on nothing that changes.

    What comes after a change was started on top of it, so it stops before and starts after; so does what shall stand on
    something that need not have run when it was started. ``restart``: ids of resources that are not the same although ``before``
    and ``after`` do not show it (their secrets were left out).
    """
    stood, stands = _below(before), _below(after)
    old, new = ({item.id: item for item in group.resources} for group in (before, after))
    found = frozenset(name for name in old if name in new and same_run(old[name], new[name])) - frozenset(restart)
    while True:
        # What is below anything stands on less itself, so this ends with the lowest change.
        kept = frozenset(name for name in found if stands[name] <= stood[name] <= found)
        if kept == found:
            return found
        found = kept


def _below(group: Group) -> dict[str, frozenset[str]]:
    """Of each resource, the ids of those that it stands on."""
    found: dict[str, frozenset[str]] = {}
    for block in blocks(group):
        below = frozenset(found)
        found.update((item.id, below) for item in block)
    return found


def restarted(before: Cluster, after: Cluster) -> tuple[tuple[str, str], ...]:
    """(group, resource) of all that keep their names and run differently."""
    found = []
    groups = {group.name: group for group in before.groups}
    for group in after.groups:
        old = {item.id: item for item in groups[group.name].resources} if group.name in groups else {}
        found += [
            (group.name, item.id) for item in group.resources if item.id in old and not same_run(old[item.id], item)
        ]
    return tuple(found)


def frame(cluster: Cluster, other: Cluster) -> object:
    """What only a restart of the daemons may change, with which times and watchdogs, and over which links those vote who are in
    both. To be compared with ``frame(other, cluster)``.
    """
    members = {
        item.name: (item.role, item.links, item.watchdog) for item in cluster.members if item.name in other.names
    }
    times = (cluster.heartbeat, cluster.dead_time, cluster.watchdog_timeout)
    return cluster.name, cluster.quorum, members, times


def voters(cluster: Cluster) -> str:
    """What stands for who votes and how (``config.digest``)."""
    return cluster.digest[:8]


def rest(digest: str) -> str:
    """What stands for all else in a digest. In the middle of a change of the voters a member has the former voters before it."""
    return digest[8:]


def one_step(before: Cluster, after: Cluster) -> bool:
    """Whether a reload can bring ``after``: who votes is the same, or there is one member more or fewer."""
    if frame(before, after) != frame(after, before):
        return False
    changed = frozenset(before.names) ^ frozenset(after.names)
    return not changed or (len(changed) == 1 and after.quorum is Quorum.MAJORITY)


def together(before: Cluster, after: Cluster) -> Cluster:
    """``after``, with those members of ``before`` that it does not name: all who are to be heard while the voters change."""
    gone = tuple(item for item in before.members if item.name not in after.names)
    return replace(after, members=(*after.members, *gone), digest=voters(before) + rest(after.digest))


def either(before: Cluster, after: Cluster) -> tuple[Group, ...]:
    """The groups of ``after`` with all that they had in ``before``, and those that are gone: what may be here in between."""
    old = {group.name: group for group in before.groups}
    found = []
    for group in after.groups:
        former = old.pop(group.name).resources if group.name in old else ()
        found.append(
            replace(
                group,
                resources=(*group.resources, *(item for item in former if item not in group.resources)),
                stages=(),
            )
        )
    return (*found, *old.values())
