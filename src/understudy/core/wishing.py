"""What a node does with the register of wishes: hears it, has it kept, and makes of it what the plan must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level, Note, SaveWishes
from ..messages import NodeState, Wish, WishKind
from ..snapshot import WishStatus
from ..units import MILLISECOND, Instant
from . import wishes

if TYPE_CHECKING:
    from .node import Node


def hear(node: Node, state: NodeState, now: Instant) -> None:
    """Another member's word, heard from it or passed on."""
    news = node.wishes.hear(state.wishes, now)
    for wish in news:
        tell(node, wish, f"learned from {state.node}: ")
    if news:
        save(node, now)
        node.dirty = True


def ask(node: Node, group: str, kind: WishKind, by: str, reason: str, wall_clock: int, now: Instant) -> Wish:
    """An operator has asked this node; it says so at once, and everybody who hears it obeys."""
    wish = node.wishes.ask(group, kind, f"{by} at {node.me}", reason, 0, wall_clock, now)
    tell(node, wish)
    save(node, now)
    node.beat(now)
    return wish


def tell(node: Node, wish: Wish, before: str = "") -> None:
    """One line of history."""
    what = {
        WishKind.NONE: f"{wish.by} lets it run again{': ' if wish.reason else ''}{wish.reason}",
        WishKind.STOPPED: wishes.sentence(wish),
        WishKind.MAINTENANCE: wishes.sentence(wish),
    }[wish.kind]
    node.out.append(Note(f"{before}{what}", Level.INFO, wish.group, node.me))


def save(node: Node, now: Instant) -> None:
    """Have the manager keep the register; also what an earlier one could not keep any more."""
    said = node.wishes.said(now)
    if said:
        node.out.append(SaveWishes(said))


def expire(node: Node, now: Instant) -> None:
    """For ``TimerDue`` only."""
    for wish in node.wishes.expire(now):
        node.dirty = True
        node.out.append(Note(f"the maintenance for {wish.by} is over: its time is up", Level.INFO, wish.group, node.me))


def stopped(node: Node) -> dict[str, str]:
    """For each group that is to run nowhere: why."""
    found = ((group.name, node.wishes.stopped(group.name)) for group in node.cluster.groups)
    return {name: wishes.sentence(wish) for name, wish in found if wish is not None}


def statuses(node: Node, now: Instant) -> tuple[WishStatus, ...]:
    """What is in force, and who among the members that are heard has not said yet that it knows."""
    found = []
    for wish in node.wishes.in_force():
        unknown = tuple(
            name
            for name, state in sorted(node.states.items())
            if node.membership.alive(name)
            and all(said.number < wish.number for said in state.wishes if said.group == wish.group)
        )
        end = node.wishes.ends.get(wish.group)
        left = round((end - now) / MILLISECOND, 3) if wish.span and end is not None else None
        found.append(WishStatus(wish.group, wish.kind.value, wish.by, wish.said_at, wish.reason, left, unknown))
    return tuple(found)
