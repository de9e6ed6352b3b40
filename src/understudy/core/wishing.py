"""What a node does with the register of wishes: hears it, has it kept, and makes of it what the plan must know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level, Note, SaveWishes
from ..events import AdminRequest
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


def ask(node: Node, kind: WishKind, event: AdminRequest, now: Instant) -> Wish:
    """An operator has asked this node; it says so at once, and everybody who hears it obeys."""
    by, span = f"{event.by} at {node.me}", event.span if kind is WishKind.MAINTENANCE else 0
    wish = node.wishes.ask(event.group, kind, by, event.reason, span, event.wall_clock, now)
    tell(node, wish)
    save(node, now)
    node.beat(now)
    return wish


def tell(node: Node, wish: Wish, before: str = "") -> None:
    """One line of history."""
    why = f": {wish.reason}" if wish.reason else ""
    what = {
        WishKind.NONE: f"{wish.by} gives {wish.group or 'everything'} back to the cluster{why}",
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
    """For each group that is to run nowhere: why. What is in maintenance here stops when the daemon itself is to stop."""
    if not node.wishes.entries:
        return {}
    found = ((group.name, node.wishes.stopped(group.name)) for group in node.cluster.groups)
    stops = {name: wishes.sentence(wish) for name, wish in found if wish is not None}
    if node.leaving:
        stops |= {
            name: f"{node.me} is being stopped; {why}: nobody takes over" for name, why in _untouched(node).items()
        }
    return stops


def maintained(node: Node) -> dict[str, str]:
    """For each group that nobody may touch: why."""
    return {} if node.leaving else _untouched(node)


def _untouched(node: Node) -> dict[str, str]:
    if not node.wishes.entries:
        return {}
    found = ((group.name, node.wishes.maintained(group.name)) for group in node.cluster.groups)
    return {name: wishes.sentence(wish) for name, wish in found if wish is not None}


def watch(node: Node) -> None:
    """Have what is in maintenance only looked at, and what was, dealt with again."""
    for name, charge in node.steward.charges.items():
        charge.execution.watching = not node.leaving and node.wishes.maintained(name) is not None


def ending(wish: Wish) -> str:
    """The command that ends a maintenance."""
    return f"understudy maintenance off {wish.group}".rstrip()


def warnings(node: Node, now: Instant) -> list[str]:
    """While a maintenance lasts nobody should be surprised by what does not happen."""
    found = []
    for wish in node.wishes.in_force():
        if wish.kind is not WishKind.MAINTENANCE:
            continue
        left = wishes.time_left(wish, node.wishes.ends[wish.group], now)
        what = f"{wish.group} is" if wish.group else "all groups are"
        then = "nobody takes over when a holder fails, and nothing is restarted"
        found.append(f"{what} {wishes.sentence(wish)}; {left}: {then} ({ending(wish)})")
    return found


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
