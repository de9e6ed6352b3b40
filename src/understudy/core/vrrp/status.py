"""What a node knows of its virtual routers, as a ``Snapshot``. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...snapshot import QuorumStatus, Snapshot
from ...units import HOUR, MILLISECOND, MINUTE, SECOND, Duration, Instant, format_duration
from ...vrrp import RouterView
from .hearing import SHOWN, SHOWN_AS_MASTER
from .router import Router

if TYPE_CHECKING:
    from .node import RouterNode


TENTH: Duration = 100 * MILLISECOND


def snapshot(node: RouterNode, now: Instant, whose: Mapping[str, str]) -> Snapshot:
    """Everything, at one moment."""
    quorum = QuorumStatus("vrrp", 1, 1, 1, True, "virtual routers have no quorum", (node.me,))
    views = tuple(view(r, now, whose) for r in node.by_name.values())
    counters = {"virtual_routers": len(views)}
    counters |= {f"virtual_routers_{state}": sum(each.state == state.upper() for each in views) for state in STATES}
    return Snapshot(
        node=node.me,
        role="node",
        cluster=node.files.settings.router_id,
        digest="",
        quorum=quorum,
        nodes=(),
        groups=(),
        warnings=tuple(warnings(node, now, whose)),
        rejected={},
        counters=counters,
        standby=node.leaving,
        virtual_routers=views,
    )


STATES = ("init", "backup", "master", "fault", "stop")


def view(r: Router, now: Instant, whose: Mapping[str, str]) -> RouterView:
    """One virtual router."""
    master, master_priority = master_of(r, now)
    bar = whose.get(r.spec.lease_group, "") if r.backup else ""
    return RouterView(
        name=r.name,
        state=r.state.value,
        since=now - r.since,
        why=bar or r.why,
        vrid=r.spec.vrid,
        family=r.spec.family,
        version=r.spec.version,
        device=r.spec.device,
        priority=r.priority,
        base_priority=r.base,
        master=master,
        master_priority=master_priority,
        addresses=tuple(item.address for item in r.resources),
        faults=r.faults,
        tracks=r.seen,
        counters=tuple(sorted(r.counters.items())),
        refused=refused(r, now),
        outlook=outlook(r, now, whose),
        group="" if r.company is None else r.company.spec.name,
    )


def master_of(r: Router, now: Instant) -> tuple[str, int]:
    """Address and priority; ("", 0) when none is known. Out of BACKUP nobody is followed: then who was heard last counts."""
    if r.master_here:
        return r.source or "", r.priority
    if now < r.master_until:
        return r.master, r.master_priority
    if r.backup or not r.others:
        return "", 0
    source, last = max(r.others.items(), key=lambda item: item[1].at)
    return (source, last.priority) if now < last.at + r.down_interval else ("", 0)


def outlook(r: Router, now: Instant, whose: Mapping[str, str]) -> str:
    """Why it is a backup at this moment, and when it takes over, if nobody else is heard until then."""
    if not r.backup:
        return ""
    left = format_duration(max(0, r.down_at - now) // TENTH * TENTH)
    if r.wants:
        group = r.spec.lease_group
        what = group and (whose.get(group) or f"the group {group} is not held here")
        return f"it hears no master and waits: {what or 'not every member of its sync group is ready'}"
    if r.goodbye:
        return f"the master has said goodbye: it takes over in {left}"
    if now >= r.master_until:
        return f"it hears no master, and takes over in {left}"
    master = f"{r.master} is master with priority {r.master_priority}"
    if r.master_priority > r.priority:
        return f"{master}, which is higher than our {r.priority}"
    if r.master_priority == r.priority:
        return f"{master}, as ours is, and was there first"
    if not r.spec.preempt:
        return f"{master}; ours is {r.priority}, but it does not preempt (nopreempt)"
    if r.lower_since is not None and now < r.lower_since + r.spec.preempt_delay:
        left = format_duration((r.lower_since + r.spec.preempt_delay + r.down_interval - now) // TENTH * TENTH)
        return f"{master}; ours is {r.priority}: it takes over in {left} (preempt_delay)"
    return f"{master}; ours is {r.priority}: it takes over in {left}"


def refused(r: Router, now: Instant) -> str:
    """What was not taken lately, or since shortly before we became master; "" when there is nothing of that."""
    found = r.refusal
    if found is None:
        return ""
    lately = now < found.at + SHOWN
    since_master = r.master_here and found.at > r.since - SHOWN and now < found.at + SHOWN_AS_MASTER
    if not lately and not since_master:
        return ""
    times = f", {found.count} times" if found.count > 1 else ""
    return f"{found.text} (last {_ago(found.at, now)}{times})"


def _ago(at: Instant, now: Instant) -> str:
    """In whole seconds, minutes or hours."""
    age = now - at
    unit = SECOND if age < 2 * MINUTE else MINUTE if age < 2 * HOUR else HOUR
    return f"{format_duration(age // unit * unit)} ago"


def warnings(node: RouterNode, now: Instant, whose: Mapping[str, str]) -> list[str]:
    """What an administrator should know."""
    found = []
    for r in node.by_name.values():
        if r.faults:
            found.append(f"{r.name} is in FAULT: {'; '.join(r.faults)}")
        elif r.waits:
            found.append(f"{r.name} waits: {'; '.join(r.waits)}")
        if text := refused(r, now):
            found.append(f"{r.name}: {text}")
        if r.master_here and r.rival[0] and now < r.rival[1] + SHOWN:
            found.append(f"{r.name}: {r.rival[0]} (last {_ago(r.rival[1], now)})")
        if r.holding.failed:
            found.append(f"{r.name}: {r.holding.failed}")
        if r.backup and r.wants:
            found.append(f"{r.name}: {outlook(r, now, whose)}")
        if r.backup and now < r.lives.until and r.lives.noted:
            left = format_duration(r.lives.until - now)
            found.append(
                f"{r.name}: {r.spec.device} is silent, but the master lives by another path (for {left} at least)"
            )
    return found
