"""What a node knew when it noted something: a vector clock, made of numbers that heartbeats and datagrams carry anyway.

Two counts for each member, because they cover each other's gaps. *States* are numbered, and every state names the newest of
every other member that its sender knows; so knowledge is passed on over any number of machines, but only by heartbeats.
*Datagrams* are numbered by the seal; so a bid or a release counts, but only from whom it came.

Nothing is decided by it; ``chronicle`` puts the notes of several nodes in an order by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..effects import Effect, Mark, Note

if TYPE_CHECKING:
    from .node import Node

NOT_COUNTED = -1
"""No datagram of that incarnation came directly; of ourselves: the performer knows it."""


def stamped(node: Node, effects: list[Effect], number: int) -> list[Effect]:
    """``effects`` with a stamp on each note. ``number``: of our newest state before these effects."""
    for effect in effects:
        if isinstance(effect, Note):
            break
    else:
        return effects
    stamp = (Mark(node.me, node.links.incarnation, number, NOT_COUNTED), *known(node))
    return [replace(effect, stamp=stamp) if isinstance(effect, Note) else effect for effect in effects]


def known(node: Node) -> list[Mark]:
    """How much of each other member's word this node knows."""
    found = []
    for name, peer in node.links.peers.items():
        if peer.current is None:
            continue
        number = peer.number
        for state in node.states.values():
            if node.links.current(state.node) == state.incarnation:
                for item in state.heard:
                    if item.node == name and item.incarnation == peer.current and item.number > number:
                        number = item.number
        window = peer.windows.get(peer.current)
        found.append(Mark(name, peer.current, number, NOT_COUNTED if window is None else window.newest))
    return found
