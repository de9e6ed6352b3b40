"""Where each group belongs: one pure function that every node evaluates on its own view.

Views may differ for a moment; the leases decide. The plan says for every group which node, why, and for each other node why not.
The order of candidates is the group's ``prefer``, then the other nodes in the order of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from ..model import Cluster, FailbackKind, Group
from ..units import MILLISECOND, Duration, format_duration
from .company import Company, in_order

MOVED_HERE = "an operator moved it here"
MORE_ANSWER = "more of its ping targets answer"


class Cause(Enum):
    """Why a group moved. ``UNFIT``: it failed there, a device lost its carrier, there was nobody to run programs,
    more of its ping targets answer elsewhere.
    """

    OPERATOR = "operator"
    FAILBACK = "failback"
    STANDBY = "standby"
    STOPPED = "daemon-stopped"
    UNFIT = "unfit"
    LOST = "holder-lost"


@dataclass(slots=True)
class NodeView:
    """One node as the planner sees it, made anew for every plan.

    ``bar`` is why it may run nothing now ("" if it may), in words, and ``cause`` what groups then move for; ``up_for`` how long
    it is up.

    ``unfit``: for each group that cannot run there, why. ``able_for``: for each group how long it could have run there
    without a break, where that is shorter. ``drains``: although barred, it keeps what it holds while no other node can take it.
    ``behind``: for each group of which fewer ping targets answer here than on another node that could run it, for how long.
    ``blind``: groups of whose ping targets nobody knows which answer here.
    """

    name: str
    bar: str = ""
    up_for: Duration = 0
    unfit: Mapping[str, str] = field(default_factory=dict)
    able_for: Mapping[str, Duration] = field(default_factory=dict)
    drains: bool = False
    behind: Mapping[str, Duration] = field(default_factory=dict)
    cause: Cause = Cause.UNFIT
    blind: frozenset[str] = frozenset()

    def ready_for(self, group: str) -> Duration:
        """How long ``group`` could have run here."""
        return min(self.up_for, self.able_for.get(group, self.up_for))


@dataclass(frozen=True, slots=True)
class View:
    """What one node knows. ``holders``: who holds each group now; ``pinned``: groups that an operator put where they are.

    ``settle``: how long a better node must have been up before groups fail back to it. ``stopped``: groups that an operator
    wants to run nowhere, and why. ``maintained``: groups that nobody may touch, and why. ``within``: groups for whose failback
    the hours are right now, by the clock of their holder; nobody else knows that.
    """

    nodes: Mapping[str, NodeView]
    holders: Mapping[str, str]
    pinned: frozenset[str] = frozenset()
    settle: Duration = 0
    stopped: Mapping[str, str] = field(default_factory=dict)
    maintained: Mapping[str, str] = field(default_factory=dict)
    within: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """``node`` None: it can run nowhere. ``order``: all nodes that could run it, best first. ``not_on``: why not there.

    ``wait``: failback to ``order[0]`` is due after this long, if nothing changes; None if no failback is coming. ``cause``: why
    it leaves its holder for ``node``; None if it does not.
    """

    group: str
    node: str | None
    why: str
    not_on: Mapping[str, str]
    order: tuple[str, ...]
    wait: Duration | None = None
    cause: Cause | None = None


def candidates(cluster: Cluster, group: Group) -> tuple[str, ...]:
    """All nodes, best first: ``prefer``, then the rest in the order of the file."""
    rest = [node.name for node in cluster.nodes if node.name not in group.prefer]
    return (*group.prefer, *rest)


def plan(cluster: Cluster, view: View) -> dict[str, Decision]:
    """A decision for every group of the cluster."""
    found: dict[str, Decision] = {}
    company = Company(cluster, view.nodes, view.holders, found, view.stopped)
    for group in cluster.groups if company.plain else in_order(cluster.groups):
        found[group.name] = decide(cluster, group, view, company)
    return found


def decide(cluster: Cluster, group: Group, view: View, company: Company | None = None) -> Decision:
    """``company``: the groups that are planned before this one."""
    ranked = candidates(cluster, group)
    if group.name in view.stopped:
        why = view.stopped[group.name]
        return Decision(group.name, None, why, dict.fromkeys(ranked, why), ())
    if group.name in view.maintained:
        return _untouched(group, view, ranked)
    barred: dict[str, str] = {}
    forbidden = company.forbids(group) if company is not None else {}
    full = company.full(group) if company is not None else {}
    for name in ranked:
        node = view.nodes[name]
        reason = node.bar or forbidden.get(name) or node.unfit.get(group.name) or full.get(name)
        if reason:
            barred[name] = reason
    able = tuple(name for name in ranked if name not in barred)
    cut_off = [name for name in able if long_behind(group, view.nodes[name])] if group.stays_where is not None else []
    if cut_off:
        able = (*(name for name in able if name not in cut_off), *cut_off)
    holder = view.holders.get(group.name)
    if not able:
        return _nowhere(group, view, None if holder in forbidden else holder, barred)
    if cut_off:
        return _without_cut_off(_chosen(group, view, holder, able, barred), view, cut_off)
    return _chosen(group, view, holder, able, barred)


def _chosen(group: Group, view: View, holder: str | None, able: tuple[str, ...], barred: Mapping[str, str]) -> Decision:
    """Somebody is able."""
    if holder is not None and holder in able:
        return _held(group, view, holder, able, barred)
    best = able[0]
    why = _first_reason(group, best, able)
    cause: Cause | None = None
    if holder is not None:
        why = f"{holder} cannot keep it ({barred.get(holder, 'not a node')}); {why}"
        seen = view.nodes.get(holder)
        cause = seen.cause if seen is not None and seen.bar else Cause.UNFIT
    return Decision(group.name, best, why, _not_on(group, best, able, barred), able, cause=cause)


def _without_cut_off(decision: Decision, view: View, cut_off: list[str]) -> Decision:
    """The decision with the reason against nodes on which fewer ping targets answer."""
    reasons = {
        name: f"fewer of its ping targets answer there than elsewhere, for {_whole(view.nodes[name].behind[decision.group])}"
        for name in cut_off
        if name != decision.node
    }
    return replace(decision, not_on={**decision.not_on, **reasons})


def _untouched(group: Group, view: View, ranked: tuple[str, ...]) -> Decision:
    """In maintenance nothing starts, stops or moves: it is where it is, and nobody may take it."""
    why, holder = view.maintained[group.name], view.holders.get(group.name)
    reasons = {name: why for name in ranked if name != holder}
    if holder is None:
        return Decision(group.name, None, f"nobody takes it over, {why}", reasons, ())
    return Decision(group.name, holder, f"stays on {holder}, {why}", reasons, ())


def _nowhere(group: Group, view: View, holder: str | None, barred: Mapping[str, str]) -> Decision:
    """Nobody is able. A holder that is only unfit keeps it: to stop would help nobody."""
    if holder is not None and holder in view.nodes and (not view.nodes[holder].bar or view.nodes[holder].drains):
        others = {name: reason for name, reason in barred.items() if name != holder}
        why = f"stays on {holder}, although {barred[holder]}: no other node can take it"
        return Decision(group.name, holder, why, others, ())
    return Decision(group.name, None, "no node can run it", dict(barred), ())


def _held(group: Group, view: View, holder: str, able: tuple[str, ...], barred: Mapping[str, str]) -> Decision:
    """It runs on a node that can keep it: does it stay, or fail back to a better one?"""
    best = able[0]
    if best == holder:
        why = _first_reason(group, holder, able)
        return Decision(group.name, holder, why, _not_on(group, holder, able, barred), able)
    wait: Duration | None = None
    needed = group.failback.after if group.failback.kind is FailbackKind.AFTER else view.settle
    if group.stays_where is not None:
        needed = max(needed, group.stays_where.damping)
        if long_behind(group, view.nodes[holder]):
            return _where_more_answer(group, view, holder, able, barred)
    if group.name in view.pinned:
        reason = MOVED_HERE
    elif group.failback.kind is FailbackKind.NEVER or not _preferred_over(group, best, holder):
        reason = "failback is never" if _preferred_over(group, best, holder) else f"{holder} is as good as {best}"
    elif group.failback.hours is not None and group.name not in view.within:
        reason = f"{best} is preferred, but failback waits for {group.failback.hours} by the clock of {holder}"
    elif group.name in view.nodes[best].behind:
        reason = f"{best} is preferred, but {MORE_ANSWER} on {holder}"
    elif group.name in view.nodes[best].blind:
        reason = f"{best} is preferred, but nobody knows which of its ping targets answer there"
    else:
        ready = view.nodes[best].ready_for(group.name)
        wait = max(0, needed - ready)
        if wait == 0:
            when = "" if group.failback.hours is None else f" within {group.failback.hours}"
            why = f"{best} is preferred and has been ready for {_whole(ready)}: fails back{when}"
            return Decision(group.name, best, why, _not_on(group, best, able, barred), able, 0, Cause.FAILBACK)
        reason = f"{best} is preferred but is ready only for {_whole(ready)}"
    not_on = _not_on(group, holder, able, barred)
    not_on[best] = reason
    return Decision(group.name, holder, f"stays on {holder}: {reason}", not_on, able, wait)


def _where_more_answer(
    group: Group, view: View, holder: str, able: tuple[str, ...], barred: Mapping[str, str]
) -> Decision:
    """The holder is cut off from its targets: to the first node on which as many answer as anywhere, if that is known of one."""
    span = _whole(view.nodes[holder].behind[group.name])
    good = [
        name for name in able if group.name not in view.nodes[name].behind and group.name not in view.nodes[name].blind
    ]
    if not good:
        why = f"stays on {holder}, although fewer of its ping targets answer there, for {span}: no better node can take it"
        return Decision(group.name, holder, why, _not_on(group, holder, able, barred), able)
    why = f"{MORE_ANSWER} on {good[0]} than on {holder}, for {span}"
    order = (good[0], *(name for name in able if name != good[0]))
    return Decision(
        group.name, good[0], why, {**_not_on(group, good[0], able, barred), holder: why}, order, cause=Cause.UNFIT
    )


def stays_by_word(holder: str) -> str:
    """What a holder says of a group that stays only because an operator put it there."""
    return f"stays on {holder}: {MOVED_HERE}"


def long_behind(group: Group, node: NodeView) -> bool:
    """Whether fewer ping targets have answered on ``node`` than elsewhere for the damping time."""
    return group.stays_where is not None and node.behind.get(group.name, -1) >= group.stays_where.damping


def _whole(span: Duration) -> str:
    return format_duration(span // MILLISECOND * MILLISECOND)


def _preferred_over(group: Group, best: str, holder: str) -> bool:
    """Only a stated preference moves a running group; the order of the file does not."""
    return best in group.prefer and (
        holder not in group.prefer or group.prefer.index(best) < group.prefer.index(holder)
    )


def _first_reason(group: Group, best: str, able: tuple[str, ...]) -> str:
    if group.together is not None:
        return f"it goes with {group.together}, which is on {best}"
    if group.ranks:
        return f"{best} has the highest priority and can run it"
    if best in group.prefer:
        place = group.prefer.index(best)
        if place == 0:
            return f"{best} is first in prefer and can run it"
        return f"{best} is the first in prefer that can run it"
    if len(able) == 1:
        return f"{best} is the only node that can run it"
    return f"{best} is the first node of the file that can run it"


def _not_on(group: Group, chosen: str, able: tuple[str, ...], barred: Mapping[str, str]) -> dict[str, str]:
    """For every other node a reason."""
    reasons = dict(barred)
    for name in able:
        if name == chosen:
            continue
        if _preferred_over(group, chosen, name):
            reasons[name] = f"could run it, but {chosen} is preferred"
        else:
            reasons[name] = f"could run it, but {chosen} is chosen"
    reasons.pop(chosen, None)
    return reasons
