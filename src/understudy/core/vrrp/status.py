"""What a node knows of its virtual routers, as a ``Snapshot``. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...snapshot import QuorumStatus, Snapshot
from ...units import HOUR, MINUTE, SECOND, Instant, format_duration
from ...vrrp import RouterView
from .hearing import SHOWN, SHOWN_AS_MASTER
from .router import Router

if TYPE_CHECKING:
    from .node import RouterNode


def snapshot(node: RouterNode, now: Instant) -> Snapshot:
    """Everything, at one moment."""
    quorum = QuorumStatus("vrrp", 1, 1, 1, True, "virtual routers have no quorum", (node.me,))
    views = tuple(view(r, now) for r in node.by_name.values())
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
        warnings=tuple(warnings(node, now)),
        rejected={},
        counters=counters,
        standby=node.leaving,
        virtual_routers=views,
    )


STATES = ("init", "backup", "master", "fault", "stop")


def view(r: Router, now: Instant) -> RouterView:
    """One virtual router."""
    here = r.master_here
    return RouterView(
        name=r.name,
        state=r.state.value,
        since=now - r.since,
        why=r.why,
        vrid=r.spec.vrid,
        family=r.spec.family,
        version=r.spec.version,
        device=r.spec.device,
        priority=r.priority,
        base_priority=r.base,
        master=(r.source or "") if here else r.master if now < r.master_until else "",
        master_priority=r.priority if here else r.master_priority if now < r.master_until else 0,
        addresses=tuple(item.address for item in r.resources),
        faults=r.faults,
        tracks=r.seen,
        counters=tuple(sorted(r.counters.items())),
        refused=refused(r, now),
    )


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


def warnings(node: RouterNode, now: Instant) -> list[str]:
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
            what = r.spec.lease_group and f"the group {r.spec.lease_group} is not held here"
            found.append(f"{r.name} hears no master and waits: {what or 'not every member of its sync group is ready'}")
        if r.backup and now < r.lives.until and r.lives.noted:
            left = format_duration(r.lives.until - now)
            found.append(
                f"{r.name}: {r.spec.device} is silent, but the master lives by another path (for {left} at least)"
            )
    return found
