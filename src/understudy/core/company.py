"""What other groups have to say about where a group may run: ``with``, ``apart``, and how much a node takes.

Where a group runs already, only the groups before it in the plan's order count against it, so that of two that cannot both stay
the later one leaves. Nothing that runs is displaced for the sake of another group.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Protocol

from ..model import Cluster, Group


class Seen(Protocol):
    """A node as ``placement`` sees it."""

    @property
    def bar(self) -> str: ...
    @property
    def unfit(self) -> Mapping[str, str]: ...


class Planned(Protocol):
    """A decision that stands already."""

    @property
    def node(self) -> str | None: ...


def in_order(groups: Iterable[Group]) -> list[Group]:
    """The groups as they are planned: in the order of the file, but none before the one that it goes with.

    What goes with itself, over however many others, is refused by the configuration; here it would be left out.
    """
    left, names = list(groups), set[str]()
    found: list[Group] = []
    while left:
        ready = [group for group in left if group.together is None or group.together in names]
        if not ready:
            return found
        found.append(ready[0])
        names.add(ready[0].name)
        left.remove(ready[0])
    return found


class Company:
    """The groups of ``cluster`` while they are planned one after the other. ``stopped``: those that are to run nowhere."""

    def __init__(
        self,
        cluster: Cluster,
        nodes: Mapping[str, Seen],
        holders: Mapping[str, str],
        planned: Mapping[str, Planned],
        stopped: Container[str] = (),
    ) -> None:
        self.stopped = stopped
        self.cluster = cluster
        self.nodes = nodes
        self.holders = holders
        self.planned = planned
        self.plain = not [
            group for group in cluster.groups if group.together is not None or group.apart or group.weight
        ]

    def place(self, group: str) -> str | None:
        """Where ``group`` is, as far as it can stay there; else where it is planned to be."""
        holder = self.holders.get(group)
        node = self.nodes.get(holder) if holder is not None else None
        if node is not None and not node.bar and group not in node.unfit:
            return holder
        return self.planned[group].node if group in self.planned else None

    def forbids(self, group: Group) -> dict[str, str]:
        """For each node on which ``group`` must not run because of another group: why."""
        if self.plain:
            return {}
        found: dict[str, str] = {}
        if group.together is not None:
            there = None if group.together in self.stopped else self.place(group.together)
            for name in self.nodes:
                if there is None:
                    found[name] = f"{group.name} goes with {group.together}, which runs nowhere"
                elif name != there:
                    found[name] = f"{group.name} goes with {group.together}, which is on {there}"
        for other in self.cluster.groups:
            if other.name in group.apart or group.name in other.apart:
                for there in self._counted(group, other):
                    found.setdefault(there, f"{other.name} is there, and the two stay apart")
        return found

    def full(self, group: Group) -> dict[str, str]:
        """For each node that has no room left for ``group``: why."""
        if self.plain or not group.weight:
            return {}
        taken: dict[str, int] = {}
        for other in self.cluster.groups:
            for there in self._counted(group, other) if other.weight and other is not group else ():
                taken[there] = taken.get(there, 0) + other.weight
        found = {}
        for node in self.cluster.nodes:
            used = taken.get(node.name, 0)
            if node.capacity is not None and used + group.weight > node.capacity:
                found[node.name] = f"no room: {group.name} weighs {group.weight}, {used} of {node.capacity} are taken"
        return found

    def _counted(self, group: Group, other: Group) -> set[str]:
        """The nodes on which ``other`` counts against ``group``: where it is, and where it is about to go."""
        there = self.place(other.name)
        found = set() if there is None else {there}
        if other.name not in self.planned:
            return found - {self.holders.get(group.name, "")}
        planned = self.planned[other.name].node
        return found if planned is None else found | {planned}
