"""Ping targets of groups (``stays_where``): a group goes where more of them answer, once that has been so for its damping time.

What counts is the difference. Each node says which targets answer there; a node is behind for a group while fewer do than on
another node that could run it. Where all have lost the router nobody is behind, and nothing moves. A difference that ends before
the damping time is over counts for nothing, in either direction: a router or a cable that flaps moves nothing. Of a node that
does not know (its manager is gone, or has just begun to ask) nothing is concluded: it is no better place, and no worse one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model import Group
from ..units import SECOND, Duration, Instant
from .placement import NodeView

if TYPE_CHECKING:
    from .charge import Charge
    from .node import Node

PINGS_KNOWN: Duration = 10 * SECOND
"""How long the last word about ping targets counts: long enough for a manager that is started again, no longer."""


def own(node: Node, now: Instant) -> tuple[str, ...] | None:
    """Which targets of groups answer here, for the others; None when that is not known, or no group has any."""
    targets = node.cluster.reach_targets
    if not targets or not node.pings_told or now - node.pings_at > max(PINGS_KNOWN, 3 * node.cluster.dead_time):
        return None
    return tuple(name for name in targets if name in node.answering)


def count(node: Node, group: Group, name: str, now: Instant) -> int | None:
    """How many targets of ``group`` answer on the node ``name``."""
    if group.stays_where is None:
        return None
    found = _answering(node, name, now)
    return None if found is None else len([target for target in group.stays_where.ping if target in found])


def _answering(node: Node, name: str, now: Instant) -> tuple[str, ...] | None:
    """Which targets of groups answer on the node ``name``; None when that is not known."""
    if name == node.me:
        return own(node, now)
    state = node.states.get(name)
    return None if state is None else state.reaches


def counts(node: Node, group: Group, nodes: Mapping[str, NodeView], now: Instant) -> dict[str, int]:
    """Of the nodes that know it and could run the group."""
    able = [name for name, seen in nodes.items() if not seen.bar and group.name not in seen.unfit]
    found = {name: count(node, group, name, now) for name in able}
    return {name: number for name, number in found.items() if number is not None}


def look(node: Node, charge: Charge, nodes: Mapping[str, NodeView], now: Instant) -> None:
    """Note since when each node is behind for the group; arrange to look again when that has lasted long enough."""
    group = charge.group
    if group.stays_where is None:
        charge.behind_since.clear()
        return
    found = counts(node, group, nodes, now)
    most = max(found.values(), default=0)
    for name in nodes:
        if found.get(name, most) >= most:
            charge.behind_since.pop(name, None)
            continue
        since = charge.behind_since.setdefault(name, now)
        if now < since + group.stays_where.damping:
            node.steward.wake(since + group.stays_where.damping)


def behind(charge: Charge, name: str, now: Instant) -> Duration | None:
    """For how long fewer targets answer on ``name`` than elsewhere; None: not fewer."""
    since = charge.behind_since.get(name)
    return None if since is None else now - since


def unknown(node: Node, charge: Charge, name: str, now: Instant) -> bool:
    """Whether the group asks for targets and nobody knows which answer there."""
    return charge.group.stays_where is not None and _answering(node, name, now) is None
