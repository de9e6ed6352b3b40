"""What a node knows of its virtual routers, as a ``Snapshot``. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...snapshot import QuorumStatus, Snapshot
from ...units import Instant, format_duration
from ...vrrp import RouterView
from .router import Router

if TYPE_CHECKING:
    from .node import RouterNode


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
    here = r.master_here
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
        master=(r.source or "") if here else r.master if now < r.master_until else "",
        master_priority=r.priority if here else r.master_priority if now < r.master_until else 0,
        addresses=tuple(item.address for item in r.resources),
        faults=r.faults,
        tracks=r.seen,
        counters=tuple(sorted(r.counters.items())),
    )


def warnings(node: RouterNode, now: Instant, whose: Mapping[str, str]) -> list[str]:
    """What an administrator should know."""
    found = []
    for r in node.by_name.values():
        if r.faults:
            found.append(f"{r.name} is in FAULT: {'; '.join(r.faults)}")
        elif r.waits:
            found.append(f"{r.name} waits: {'; '.join(r.waits)}")
        if now < r.refusal[1]:
            found.append(f"{r.name}: {r.refusal[0]}")
        if r.holding.failed:
            found.append(f"{r.name}: {r.holding.failed}")
        if r.backup and r.wants:
            group = r.spec.lease_group
            what = group and (whose.get(group) or f"the group {group} is not held here")
            found.append(f"{r.name} hears no master and waits: {what or 'not every member of its sync group is ready'}")
        if r.backup and now < r.lives.until and r.lives.noted:
            left = format_duration(r.lives.until - now)
            found.append(
                f"{r.name}: {r.spec.device} is silent, but the master lives by another path (for {left} at least)"
            )
    return found
