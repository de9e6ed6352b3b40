"""Groups that stand for virtual routers: they belong where the priority is highest now, and not where the routers cannot serve.

Priorities move with what is tracked, so each node says its own with its heartbeats, and ``prefer`` of the group follows them. Of
equals the holder comes first: nothing moves for the sake of an equal priority.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..events import RoutersJudged
from ..model import Group, Role

if TYPE_CHECKING:
    from .node import Node

_NODE = Role.NODE


def judged(node: Node, event: RoutersJudged) -> None:
    """What the virtual routers of this machine say of it."""
    charge = node.steward.charges.get(event.group)
    if charge is not None:
        charge.rank, charge.trouble = event.rank, event.why


def own(node: Node) -> tuple[tuple[str, int], ...]:
    """Our priorities, for the others."""
    charges = node.steward.charges.items() if node.role is _NODE else ()
    return tuple((name, charge.rank) for name, charge in charges if charge.rank and charge.group.ranks)


def look(node: Node, holders: dict[str, str]) -> None:
    """Have the order of nodes follow what they say."""
    if not any(group.ranks for group in node.cluster.groups):
        return
    said = {name: dict(state.ranks) for name, state in node.states.items()}
    said[node.me] = dict(own(node))
    groups = tuple(
        _ordered(group, said, holders.get(group.name)) if group.ranks else group for group in node.cluster.groups
    )
    if groups != node.cluster.groups:
        node.cluster = replace(node.cluster, groups=groups)
        for group in groups:
            node.steward.charges[group.name].group = group


def _ordered(group: Group, said: dict[str, dict[str, int]], holder: str | None) -> Group:
    ranks = {name: said.get(name, {}).get(group.name, rank) for name, rank in group.ranks}
    prefer = tuple(sorted(ranks, key=lambda name: (-ranks[name], name != holder)))
    return group if prefer == group.prefer else replace(group, prefer=prefer)
