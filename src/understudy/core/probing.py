"""Under ``pair`` the service network is asked before the survivor takes an address (RFC 5227).

A machine that still serves an address answers for it, however silent it is on the heartbeat links. So a cut heartbeat cable alone
never gives two owners. The question is asked so early that its answer is there when the peer's promise ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..effects import Effect, Level, Note, ProbeAddresses
from ..events import Outcome
from ..model import AddressResource, Cluster
from ..units import MILLISECOND, SECOND, Duration, Instant


def limit(cluster: Cluster) -> Duration:
    """RFC 5227 waits seconds for hosts that boot; we ask for one that serves now: at least 20 ms, at most 100 ms."""
    return max(20 * MILLISECOND, min(cluster.heartbeat, 100 * MILLISECOND))


@dataclass(slots=True)
class Question:
    """For one group: the question under way (``op``), and until when "nobody answered" counts."""

    group: str
    addresses: tuple[AddressResource, ...]
    op: int | None = None
    deadline: Instant = 0
    good_until: Instant = 0
    refusal: str = ""

    def answered_well(self, now: Instant) -> bool:
        return not self.addresses or now < self.good_until

    def ask(self, cluster: Cluster, next_op: Callable[[], int], now: Instant) -> list[Effect]:
        """Ask, unless the question is under way already."""
        if self.op is not None:
            return []
        self.op = next_op()
        self.deadline = now + limit(cluster) + SECOND
        why = "no other machine may use these addresses before this one takes them"
        return [ProbeAddresses(self.op, self.group, self.addresses, limit(cluster), why)]

    def finished(self, cluster: Cluster, outcome: Outcome, text: str, peer: str, me: str, now: Instant) -> list[Effect]:
        """Notes why the addresses may not be taken; nothing when they may, or when that was said already."""
        self.op = None
        if outcome is Outcome.OK:
            self.good_until = now + limit(cluster) + cluster.heartbeat
            self.refusal = ""
            return []
        reason, before = text or "the network could not be asked", self.refusal
        self.refusal = reason
        if reason == before:
            return []
        return [Note(f"not taken over although {peer} is silent: {reason}", Level.WARNING, self.group, me)]
