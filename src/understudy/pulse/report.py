"""The core's snapshot, completed with what only the daemon knows: refused datagrams, own lateness, links that cannot send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..snapshot import Snapshot
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
