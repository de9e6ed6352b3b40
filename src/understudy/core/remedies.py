"""What this node knows, put together for ``prospects``; and for each reason that keeps a group off a node, what would end it.

Pure reading: a status may be asked for at any moment and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model import Quorum
from ..units import Duration, Instant
from . import clock, outlook
from .membership import State
from .placement import Cause, NodeView, View, stays_by_word
from .prospects import Known, span
from .quorum import needed

if TYPE_CHECKING:
    from .node import Node

HEARD_AGAIN = "when it is heard again"
STARTED_AGAIN = "when its daemon is started again"


def known(node: Node, holders: Mapping[str, str], partners: list[str], now: Instant) -> Known:
    """``holders`` as this node shows them; ``partners`` are the members that hear us and are heard."""
    cluster = node.cluster
    nodes = {}
    ends: dict[tuple[str, str], str] = {}
    for member in cluster.nodes:
        seen = outlook.node_view(node, member.name, now)
        behind = outlook.behind(node.steward.charges, member.name, now)
        nodes[member.name] = NodeView(
            seen.name, seen.bar, seen.up_for, seen.unfit, _spans(node, seen, now), behind=behind
        )
        ends.update(_own_ends(node, now) if member.name == node.me else _ends_of(node, seen))
    pinned = frozenset(name for name, holder in holders.items() if _pinned(node, name, holder))
    settle = cluster.dead_time + 2 * cluster.heartbeat
    alive = frozenset((node.me, *(name for name in partners if node.agrees(name))))
    held = {name: holder for name, holder in holders.items() if holder in nodes}
    soon = clock.still_to_come(node.clock, node.steward, holders, now)
    view = View(nodes, held, pinned, settle, within=clock.within_now(node, now))
    return Known(cluster, view, node.decisions, alive, ends, _missing(node, alive), soon)


def waits_for_proof(node: Node, group: str) -> tuple[str, ...]:
    """What an operator can do about machines whose proof of stop a group waits for."""
    waiting = node.steward.charges[group].waiting_for
    silent = [machine for machine in waiting if not node.membership.alive(machine)]
    return tuple(f"if you see that {machine} is off: `understudy confirm-off {machine}`" for machine in silent)


def stuck(node: Node, group: str, holder: str) -> tuple[str, ...]:
    """What comes next for a group that does not stop on ``holder``."""
    found = [
        f"nobody takes it over before it has stopped on {holder}: its stop is tried again; or end it there by hand"
    ]
    if node.cluster.fence_levels(holder):
        found.append(f"or its fence device switches {holder} off")
    found.append(f"or switch {holder} off, look, then `understudy confirm-off {holder}`")
    if node.wishes.stopped(group) is not None:
        found.append(f"then `understudy start {group}`: an operator has stopped it, so nothing starts it before that")
    return tuple(found)


def _spans(node: Node, seen: NodeView, now: Instant) -> dict[str, Duration]:
    """As ``outlook.able_for``, without noting anything."""
    return {
        name: now - charge.able_since.get(seen.name, now)
        for name, charge in node.steward.charges.items()
        if not seen.bar and name not in seen.unfit
    }


def _pinned(node: Node, group: str, holder: str) -> bool:
    """An operator put it there. Of another machine we know it by its own word."""
    if holder == node.me:
        return node.steward.charges[group].pinned
    state = node.states.get(holder)
    words = () if state is None else tuple(report.why for report in state.groups if report.group == group)
    return stays_by_word(holder) in words


def _own_ends(node: Node, now: Instant) -> dict[tuple[str, str], str]:
    me = node.me
    if node.leaving:
        return {(me, ""): STARTED_AGAIN}
    if node.standby:
        return {(me, ""): f"`understudy online {me}`"}
    found = {}
    for name, charge in node.steward.charges.items():
        why = node.steward.unfit(charge, node.carriers, node.manager)
        if charge.unfit_until:
            found[me, name] = f"in {span(charge.unfit_until - now)}, or at once: `understudy cleanup {name}`"
        elif "carrier" in why:
            found[me, name] = "when the cable is in again"
        elif why:
            found[me, name] = "when it is there again"
        elif node.voter.quiet(now):
            found[me, name] = f"in {span(node.voter.quiet_until - now)}"
    return found


def _ends_of(node: Node, seen: NodeView) -> dict[tuple[str, str], str]:
    name = seen.name
    if outlook.leaves(node, name):
        return {(name, ""): STARTED_AGAIN}
    if node.membership.state(name) in (State.LOST, State.UNKNOWN) or name not in node.states:
        return {(name, ""): HEARD_AGAIN}
    if seen.cause is Cause.STANDBY:
        return {(name, ""): f"`understudy online {name}`"}
    if not node.agrees(name):
        return {(name, ""): "when both run with the same configuration file"}
    if node.electorate.bar(name):
        return {(name, ""): "when the change of the voters is over, unless it leaves"}
    if seen.bar:
        return {(name, ""): "in a moment"}
    failed = {group for group, why in seen.unfit.items() if why.startswith("failed there")}
    return {(name, group): f"after a while, or at once: `understudy cleanup {group}`" for group in failed}


def _missing(node: Node, alive: frozenset[str]) -> str:
    """What keeps this node from taking anything, as something that could come; "" when nothing does."""
    lack = min(needed(node.cluster, node.steward.around), len(node.cluster.members)) - len(alive)
    if lack <= 0:
        return ""
    absent = [name for name in node.cluster.names if name not in alive]
    if node.cluster.quorum is Quorum.FENCE:
        return f"when {absent[0]} is heard again, or confirmed off: `understudy confirm-off {absent[0]}`"
    if len(absent) == lack:
        return f"when {' and '.join(absent)} can be heard again: {lack} more {'vote is' if lack == 1 else 'votes are'} needed"
    return f"when {lack} of {', '.join(absent)} can be heard again: so many more votes are needed"
