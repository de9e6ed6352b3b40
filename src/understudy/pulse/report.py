"""The core's snapshot, completed with what only the daemon knows: refused datagrams, own lateness, links that cannot send; and
with what each node says of ping targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core import reach
from ..core.node import Node
from ..snapshot import NodeStatus, Snapshot
from ..units import Instant
from .manager_link import ManagerLink
from .perform import Performer

if TYPE_CHECKING:
    from .loop import Links


def complete(
    known: Snapshot,
    links: Links,
    performer: Performer,
    manager: ManagerLink,
    refused: Mapping[str, int],
    lateness: Mapping[str, int],
    warnings: Sequence[str],
) -> Snapshot:
    """``refused`` counts datagrams by the wire's reason; ``warnings`` are sentences about this process and its machine."""
    rejected = dict(known.rejected)
    for reason, count in refused.items():
        rejected[reason] = rejected.get(reason, 0) + count
    counters = {**known.counters, **lateness}
    counters["notes_lost"] = manager.notes_lost
    counters["manager_packets_malformed"] = manager.malformed
    counters["announcements_too_late"] = performer.unannounced
    failing = []
    for network, counts in links.counters.items():
        counters[f"sent.{network}"] = counts.sent
        counters[f"received.{network}"] = counts.received
        counters[f"send_errors.{network}"] = counts.send_errors
        if counts.last_error:
            failing.append(f"link {network} cannot send: {counts.last_error}")
    troubles = (f"the kernel refused the lease of {group}: {why}" for group, why in performer.lease_troubles.items())
    everything = (*known.warnings, *links.troubles, *failing, *troubles, *performer.guard.troubles(), *warnings)
    return replace(known, rejected=rejected, counters=counters, warnings=tuple(dict.fromkeys(everything)))


def with_targets(known: Snapshot, core: object, now: Instant) -> Snapshot:
    """The snapshot with what each node that is heard says of the ping targets of groups. A test's stand-in says nothing."""
    if not isinstance(core, Node) or not core.cluster.reach_targets:
        return known
    return replace(known, nodes=tuple(replace(node, reaches=_reaches(core, node, now)) for node in known.nodes))


def _reaches(core: Node, node: NodeStatus, now: Instant) -> tuple[str, ...] | None:
    if node.name == core.me:
        return reach.own(core, now)
    state = core.states.get(node.name)
    return None if state is None or node.via is None else state.reaches
