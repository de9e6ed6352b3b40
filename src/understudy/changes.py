"""What a changed group asks of the machine that runs it: which resources go on running, and which have to be stopped.

One judge for both who tells a person before a reload and who does it (``config.difference``, ``core.reload``). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .model import AddressResource, Cluster, Group, Quorum, Resource

LATER_WORDS = ("limits", "restarts", "exclusive")
"""Words of a resource that count from its next operation on: changing them stops nothing."""


def same_run(before: Resource, after: Resource) -> bool:
    """Whether what runs as ``before`` is what would run as ``after``."""
    if type(before) is not type(after):
        return False
    return replace(before, **{word: getattr(after, word) for word in LATER_WORDS}) == after


def blocks(resources: Iterable[Resource]) -> list[tuple[Resource, ...]]:
    """Consecutive addresses together, because no order is kept among them; every program by itself."""
    found: list[tuple[Resource, ...]] = []
    for resource in resources:
        if isinstance(resource, AddressResource) and found and isinstance(found[-1][0], AddressResource):
            found[-1] = (*found[-1], resource)
        else:
            found.append((resource,))
    return found


def untouched(before: Sequence[Resource], after: Sequence[Resource], restart: Iterable[str] = ()) -> frozenset[str]:
    """The ids of the resources that go on running: all that are the same, up to the first change.

    What comes after a change was started on top of it, so it stops before and starts after. ``restart``: ids of resources that
    are not the same although ``before`` and ``after`` do not show it (their secrets were left out).
    """
    found: set[str] = set()
    changed = frozenset(restart)
    for old, new in zip(blocks(before), blocks(after), strict=False):
        kept = {item.id for item in old for other in new if item.id == other.id and same_run(item, other)} - changed
        found |= kept
        if not len(kept) == len(old) == len(new):
            break
    return frozenset(found)


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
            replace(group, resources=(*group.resources, *(item for item in former if item not in group.resources)))
        )
    return (*found, *old.values())
