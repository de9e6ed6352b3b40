"""What a node makes of what it knows: who holds what, who may run what, who lacks whose news. Pure reading, no effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..messages import GroupReport, NodeState, Phase
from ..model import Role
from ..units import Duration, Instant, format_duration
from . import awaiting, clock, reach, wishing
from .membership import State
from .placement import Cause, NodeView, View

if TYPE_CHECKING:
    from .charge import Charge
    from .node import Node

LEAVES = "it is being taken out of the cluster"
BEING_STOPPED = "it is being stopped"
IN_STANDBY = "it is in standby"
_AT_WORK = (Phase.STARTING, Phase.STARTED, Phase.STOPPING, Phase.STUCK)
_UNKNOWN, _LOST = State.UNKNOWN, State.LOST
_NODE, _WITNESS = Role.NODE, Role.WITNESS


def holders(node: Node, now: Instant) -> dict[str, str]:
    """Who holds each group, as far as this node knows: itself, a living node that says so, or a promise in force."""
    found: dict[str, str] = {}
    for name, state in node.states.items():
        if node.membership.alive(name):
            for hold in state.holds:
                if not hold.bidding and not node.is_over(hold.group, name, hold.ballot):
                    found[hold.group] = name
    for group in node.steward.charges:
        promise = node.voter.promised(group, now)
        known = promise is not None and promise.holder in node.others
        if promise is not None and known and group not in found:
            found[group] = promise.holder
            node.steward.wake(promise.until)
        if node.steward.claims.held(group) is not None or node.steward.adopting(group, now):
            found[group] = node.me
    return found


def bar(node: Node, now: Instant) -> str:
    """Why this node may take nothing now, or ""."""
    if node.leaving:
        return BEING_STOPPED
    if node.standby:
        return IN_STANDBY
    return _taken_out(node)


def _taken_out(node: Node) -> str:
    """A file without this node runs here, or on a living member that counts both with it and without it."""
    for name, state in node.states.items():
        if node.electorate.drops(state) and node.membership.alive(name):
            return LEAVES
    return node.electorate.bar(node.me)


def view(node: Node, holders: dict[str, str], now: Instant) -> View:
    """All that the plan looks at."""
    nodes: dict[str, NodeView] = {}
    for member in node.cluster.nodes:
        nodes[member.name] = node_view(node, member.name, now)
    for charge in node.steward.charges.values():
        reach.look(node, charge, nodes, now)
    asking = {group: charge for group, charge in node.steward.charges.items() if charge.group.stays_where is not None}
    barrier = _barrier(node)
    for name, seen in nodes.items():
        if barrier:
            others = {group: barrier for group in node.steward.charges if holders.get(group) != name}
            seen.unfit = {**others, **seen.unfit}
        if asking:
            seen.behind = behind(asking, name, now)
            seen.blind = frozenset(group for group, charge in asking.items() if reach.unknown(node, charge, name, now))
        seen.able_for = able_for(node, seen, now)
    pinned = frozenset([name for name, charge in node.steward.charges.items() if charge.pinned])
    settle = node.cluster.dead_time + 2 * node.cluster.heartbeat
    return View(
        nodes, holders, pinned, settle, wishing.stopped(node), wishing.maintained(node), clock.within(node, now)
    )


def strangers(node: Node) -> list[str]:
    """Living members that count other voters. Beside them nobody bids for anything (decision 0007)."""
    electorate, states = node.electorate, node.states
    return [name for name in node.others if not electorate.helped_by(states.get(name)) and node.membership.alive(name)]


def _barrier(node: Node) -> str:
    """Why nobody takes any group now, so that nobody gives one up for another to take either; or ""."""
    found = [name for name in strangers(node) if name in node.states]
    if not found:
        return ""
    count = "counts" if len(found) == 1 else "count"
    why = "beside such a member nobody takes a group: give it this file, or stop its daemon"
    return f"{' and '.join(found)} {count} other voters, and {why}"


def able_for(node: Node, seen: NodeView, now: Instant) -> dict[str, Duration]:
    """For each group how long it could have run on that node without a break: what a failback is measured by.

    A machine that hears nothing of us is cut off from us, as one that was lost: its time begins when it hears us again. And
    one that had to give the group up is ready when all of it has stopped there, or clients would wait for that.
    """
    spans: dict[str, Duration] = {}
    away = bool(seen.bar) or _deaf(node, seen.name)
    for name, charge in node.steward.charges.items():
        if (
            away
            or name in seen.unfit
            or name in seen.behind
            or name in seen.blind
            or _still_stops(node, charge, seen.name)
        ):
            charge.able_since.pop(seen.name, None)
            spans[name] = 0
        else:
            spans[name] = now - charge.able_since.setdefault(seen.name, now)
    return spans


def _deaf(node: Node, name: str) -> bool:
    """Whether the other one of two hears nothing of us. (Of three, the third passes on what is said.)"""
    return name != node.me and (name in node.steward.deaf or node.steward.around.peer_silent)


def _still_stops(node: Node, charge: Charge, name: str) -> bool:
    """Whether parts of a group may still run on a node that does not hold it."""
    group, state = charge.group.name, node.states.get(name)
    if name == node.me:
        return group not in node.steward.claims.claims and charge.execution.phase() in _AT_WORK
    if state is None:
        return False
    for hold in state.holds:
        if hold.group == group:
            return False
    return bool([report for report in state.groups if report.group == group and report.phase in _AT_WORK])


def behind(asking: Mapping[str, Charge], name: str, now: Instant) -> dict[str, Duration]:
    """For each of these groups how long fewer of its ping targets have answered on the node ``name`` than on another."""
    found = {group: reach.behind(charge, name, now) for group, charge in asking.items()}
    return {group: span for group, span in found.items() if span is not None}


def node_view(node: Node, name: str, now: Instant) -> NodeView:
    return own_view(node, now) if name == node.me else other_view(node, name, now)


def own_view(node: Node, now: Instant) -> NodeView:
    unfit, quiet = {}, node.voter.quiet(now)
    for name, charge in node.steward.charges.items():
        why = node.steward.unfit(charge, node.carriers, node.manager)
        if quiet and not why and node.steward.claims.held(name) is None and not node.steward.adopting(name, now):
            why = f"it has just started and waits for another {format_duration(node.voter.quiet_until - now)}"
        if why:
            unfit[name] = why
    drains = node.draining and not node.leaving
    cause = Cause.STOPPED if node.leaving else Cause.STANDBY if node.standby else Cause.UNFIT
    return NodeView(node.me, bar(node, now), max(0, now - node.ready_since), unfit, drains=drains, cause=cause)


def other_view(node: Node, name: str, now: Instant) -> NodeView:
    member = node.membership.members[name]
    state = node.states.get(name)
    if state is None or member.state is _UNKNOWN:
        return NodeView(name, "it was not heard since this node started")
    if member.state is _LOST:
        silent = format_duration((now - (member.heard_at or now)) // 1_000_000 * 1_000_000)
        if leaves(node, name):
            return NodeView(name, f"its daemon was stopped, silent for {silent}")
        return NodeView(name, f"it is lost, silent for {silent}")
    if state.leaving:
        return NodeView(name, BEING_STOPPED, cause=Cause.STOPPED)
    if state.standby:
        return NodeView(name, IN_STANDBY, drains=state.draining, cause=Cause.STANDBY)
    if not node.agrees(name):
        return NodeView(name, "its configuration counts other voters")
    if node.electorate.bar(name):
        return NodeView(name, node.electorate.bar(name))
    if state.quiet and not state.holds:
        return NodeView(name, "it has just started and grants nothing yet")
    unfit = {item.group: item.why or "it says so" for item in state.groups if not item.fit}
    if state.digest != node.cluster.digest:
        known = {item.group for item in state.groups}
        unfit |= {group: "its configuration does not have it" for group in node.steward.charges if group not in known}
    return NodeView(name, "", now - member.up_since, unfit)


def leaves(node: Node, name: str) -> bool:
    """Whether the daemon of another member is being stopped. Of one that is not heard: it said so, and had nothing left."""
    state = node.states.get(name)
    if state is None or not state.leaving:
        return False
    over = not state.holds and all(report.phase is Phase.STOPPED for report in state.groups)
    return over or node.membership.alive(name)


def words(node: Node) -> tuple[tuple[str, Phase, bool], ...]:
    """What ``reports`` says, without the reasons."""
    unfit, charges = node.steward.unfit, node.steward.charges.items() if node.role is _NODE else ()
    return tuple([(name, _word(node, it), not unfit(it, node.carriers, node.manager)) for name, it in charges])


def _word(node: Node, charge: Charge) -> Phase:
    """What the configuration that is told next has more of may run here already."""
    return Phase.UNKNOWN if node.taking_up else charge.execution.phase()


def reports(node: Node) -> tuple[GroupReport, ...]:
    """Our word on every group: fit or not and why not; for what we hold, why it is here. A witness has none."""
    if node.role is _WITNESS:
        return ()
    found = []
    for name, charge in node.steward.charges.items():
        why = node.steward.unfit(charge, node.carriers, node.manager)
        here = charge.why_here if node.steward.claims.held(name) is not None else ""
        if here and charge.waiting_for:
            here = awaiting.brief(node.steward, charge)
        elif here and charge.execution.waits:
            here = charge.execution.waits
        elif here and (trouble := charge.health.not_up()):
            here = f"not up: {trouble}"
        found.append(GroupReport(name, _word(node, charge), not why, why or here))
    return tuple(found)


def ready(node: Node, now: Instant) -> bool:
    """Whether to bid for vacant groups: not while quiet, and not at once while a better node may still be starting."""
    if node.voter.quiet(now) or node.leaving or node.standby:
        return False
    if strangers(node):
        return False
    if now < node.patient_until and any(still_starting(node, member.name) for member in node.cluster.nodes):
        node.steward.wake(node.patient_until)
        return False
    return True


def still_starting(node: Node, name: str) -> bool:
    """Not heard of yet, or heard while it grants nothing yet."""
    if name == node.me:
        return False
    state = node.states.get(name)
    return node.membership.state(name) is State.UNKNOWN or state is None or state.quiet


def relay(node: Node, now: Instant) -> tuple[NodeState, ...]:
    """States that some living member seems to lack: it does not hear that member itself, and we do."""
    lacking: set[str] = set()
    for receiver, seen in node.states.items():
        if not node.membership.alive(receiver):
            continue
        ages = {item.node: item.age for item in seen.heard}
        for name in node.states:
            if name != receiver and not 0 <= ages.get(name, -1) <= node.membership.late_after:
                lacking.add(name)
    if not lacking:
        return ()
    return tuple([state for name, state in node.states.items() if name in lacking and hears(node, name, now)])


def hears(node: Node, name: str, now: Instant) -> bool:
    """Whether we hear ``name`` ourselves now."""
    direct = node.links.peers[name].direct_at
    return direct is not None and now - direct <= node.membership.late_after


def hears_us_not(node: Node, name: str, now: Instant) -> bool:
    """Whether a member that we hear has heard nothing that we said for longer than a dead time: it is no help to us.

    Loss in one direction is loss. What the member holds it names itself, and our promise to it stands as before.
    """
    state = node.states.get(name)
    oldest = now - node.cluster.dead_time - 2 * node.cluster.heartbeat
    if state is None or not node.membership.alive(name) or oldest < node.ready_since:
        return False
    return not heard_us_lately(node, name, now)


def heard_us_lately(node: Node, name: str, now: Instant) -> bool:
    """Whether the newest word of ``name`` was said after it had heard something that we said within the dead time."""
    state = node.states.get(name)
    oldest = now - node.cluster.dead_time - 2 * node.cluster.heartbeat
    for item in () if state is None else state.heard:
        ours = item.node == node.me and item.incarnation == node.links.incarnation
        if ours and node.said_at.get(item.number, 0) >= oldest:
            return True
    return False
