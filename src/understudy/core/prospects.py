"""What would move a group, and what would end its wait when it runs nowhere: sentences for people, from one plan.

Pure functions of what a node knows. Nothing is decided here: each sentence repeats what ``placement`` would do, asked again
with one thing changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..hours import Hours
from ..model import Cluster, FailbackKind, Group
from ..units import HOUR, MILLISECOND, MINUTE, SECOND, Duration, format_duration
from . import whatif
from .placement import MORE_ANSWER, MOVED_HERE, Decision, NodeView, View, candidates, plan


@dataclass(frozen=True, slots=True)
class Known:
    """What a node knows, as far as it matters to what comes next.

    ``ends``: for (node, group) what would end that the group cannot run there; for (node, "") that nothing can. ``missing``:
    what must come before anybody may take a group, such as votes, or "". ``alive``: members that count as there. ``soon``: how
    long until the hours of a group's failback open, where that is known.
    """

    cluster: Cluster
    view: View
    decisions: Mapping[str, Decision]
    alive: frozenset[str]
    ends: Mapping[tuple[str, str], str] = field(default_factory=dict)
    missing: str = ""
    soon: Mapping[str, Duration] = field(default_factory=dict)


def span(length: Duration) -> str:
    """``3m20s``: a countdown that nobody reads by the millisecond once it is more than some seconds."""
    unit = SECOND if length >= 10 * SECOND else MILLISECOND
    whole = max(0, -(-length // unit)) * unit
    if whole <= MINUTE or whole % MINUTE == 0:
        return format_duration(whole)
    if whole >= HOUR:
        minutes = -(-(whole % HOUR) // MINUTE)
        return f"{whole // HOUR}h" + (f"{minutes}m" if minutes else "")
    return f"{whole // MINUTE}m{whole % MINUTE // SECOND}s"


def prospects(known: Known, name: str, after_loss: Mapping[str, Decision] | None = None) -> tuple[str, ...]:
    """For a group that is held: what would move it. For one that is not: what would end the wait.

    ``after_loss`` is the plan without the holder (``without``), where the caller has it already.
    """
    holder = known.view.holders.get(name)
    decision = known.decisions.get(name)
    if decision is None:
        return ()
    if holder is None:
        return _nowhere(known, name, decision)
    found = _by_itself(known, name, holder, decision)
    if holder in known.view.nodes:
        found.append(_failure(known, name, holder, after_loss if after_loss is not None else without(known, holder)))
    targets = [node for node in decision.order if node != holder]
    if targets:
        found.append("an operator: " + " or ".join(f"`understudy move {name} {node}`" for node in targets))
    return tuple(found)


def without(known: Known, node: str) -> dict[str, Decision]:
    """The plan if ``node`` failed now: all that it holds is held by nobody then."""
    nodes = {**known.view.nodes, node: NodeView(node, "it has failed")}
    holders = {group: holder for group, holder in known.view.holders.items() if holder != node}
    return plan(known.cluster, replace(known.view, nodes=nodes, holders=holders))


def _by_itself(known: Known, name: str, holder: str, decision: Decision) -> list[str]:
    """What happens with nobody's doing, and what does not although a better node is there."""
    if decision.node is None:
        return [f"it is stopped on {holder}: {decision.why}"]
    if decision.node != holder:
        return [f"it goes to {decision.node} now: {decision.why}"]
    group = known.cluster.group(name)
    if group.together is not None:
        return [f"it goes where {group.together} goes"]
    lag = known.view.nodes[holder].behind.get(name) if holder in known.view.nodes else None
    if group.stays_where is not None and lag is not None and len(decision.order) > 1:
        left = span(group.stays_where.damping - lag)
        return [f"it leaves {holder} in {left}, if until then {MORE_ANSWER} on another node than here"]
    better = _better(group, holder, known.cluster)
    able = [node for node in better if node in decision.order]
    if able and name in known.view.pinned:
        return [f"not by itself to {able[0]}: {MOVED_HERE}"]
    if able and group.failback.kind is FailbackKind.NEVER:
        return [f"not by itself to {able[0]}: failback is never"]
    if able and group.failback.hours is not None and name not in known.view.within:
        return [f"it goes back to {able[0]} {_at_hours(known, name, group.failback.hours, holder)}"]
    if able and decision.wait is not None:
        target = decision.order[0]
        needed = _needed(known, group)
        wait = max(0, needed - known.view.nodes[target].ready_for(name))
        return [f"it goes to {target} in {span(wait)}, when that has been ready for {span(needed)}"]
    return [_when_back(known, group, node, decision) for node in better[:1]]


def _better(group: Group, holder: str, cluster: Cluster) -> list[str]:
    """Nodes that are preferred over the holder, best first."""
    if holder not in group.prefer:
        return list(group.prefer)
    ranked = candidates(cluster, group)
    return list(ranked[: ranked.index(holder)])


def _needed(known: Known, group: Group) -> Duration:
    """How long a better node must have been ready."""
    needed = group.failback.after if group.failback.kind is FailbackKind.AFTER else known.view.settle
    return needed if group.stays_where is None else max(needed, group.stays_where.damping)


def _when_back(known: Known, group: Group, node: str, decision: Decision) -> str:
    """A better node cannot run it now."""
    reason = decision.not_on.get(node, "")
    if group.failback.kind is FailbackKind.NEVER:
        return f"not by itself back to {node}, also when that can run it again: failback is never"
    if group.name in known.view.pinned:
        return f"not by itself back to {node}, also when that can run it again: {MOVED_HERE}"
    needed = _needed(known, group)
    end = _end(known, node, group.name)
    hours = "" if group.failback.hours is None else f", within {group.failback.hours}"
    return f"it goes to {node} when that has been ready for {span(needed)}{hours}; now {reason}" + (
        f" ({end})" if end else ""
    )


def _at_hours(known: Known, name: str, hours: Hours, holder: str) -> str:
    """The next time is known to the holder alone; that of others may be shown wrong by their clocks, so it is not shown."""
    soon = f", in {span(known.soon[name])}" if name in known.soon else ""
    return f"at {hours.start}{soon}: failback is {hours}, by the clock of {holder}"


def _failure(known: Known, name: str, holder: str, after: Mapping[str, Decision]) -> str:
    if name in known.view.maintained:
        return f"if {holder} fails, nobody takes it over while it is {known.view.maintained[name]}"
    left = known.alive - {holder}
    verdict = whatif.votes(known.cluster, [member for member in known.cluster.names if member not in left])
    if verdict.quorate is False:
        return f"if {holder} fails, nobody may take it: {verdict.text}"
    decision = after[name]
    if decision.node is None:
        return f"if {holder} fails, it runs nowhere: {_each(decision, holder)}"
    if verdict.quorate is None:
        return f"if {holder} fails: to {decision.node}; {verdict.text}"
    return f"if {holder} fails: to {decision.node}"


def _each(decision: Decision, but: str) -> str:
    reasons = [f"{node}: {why}" for node, why in decision.not_on.items() if node != but]
    return "; ".join(reasons) or "there is no other node"


def _nowhere(known: Known, name: str, decision: Decision) -> tuple[str, ...]:
    if known.missing:
        return (known.missing,)
    if decision.node is not None:
        return (f"{decision.node} takes it as soon as a majority grants it",)
    found = []
    for node, reason in decision.not_on.items():
        end = _end(known, node, name)
        found.append(f"{node}: {end}" if end else f"{node}: when this is over: {reason}")
    return tuple(found)


def _end(known: Known, node: str, group: str) -> str:
    """What would end that ``group`` cannot run on ``node``, or ""."""
    return known.ends.get((node, "")) or known.ends.get((node, group), "")
