"""Who is up, late or lost, as one member sees it.

A member that is silent for two heartbeats and a half is *late*: nothing follows but a word in ``status``. Silent for the
dead time less a margin (``Cluster.silence``) it is *lost*. Silence is counted from the kernel's receive time of the
last message, direct or relayed.

Nobody is accused by a node that was itself late: after ``stalled`` every member gets one more heartbeat and a half from
now, whatever its deadline said, because what it sent meanwhile may still be on its way to us. But no excuse lasts longer
than a second dead time: a node that is always late would never find anybody lost.

Not decided here: who may take what. A lost holder's promises still run in ``leases``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..units import NEVER, Duration, Instant


class State(Enum):
    """``UNKNOWN``: never heard since we started."""

    UNKNOWN = "unknown"
    UP = "up"
    LATE = "late"
    LOST = "lost"


_ALIVE = (State.UP, State.LATE)
_UP, _LATE, _LOST = State.UP, State.LATE, State.LOST


@dataclass(frozen=True, slots=True)
class Change:
    """A fact for the node: ``node`` went from ``before`` to ``after``; ``silence`` is how long nothing was heard."""

    node: str
    before: State
    after: State
    silence: Duration = 0


@dataclass(slots=True)
class Standing:
    """One member as we see it. ``up_since`` is when it last became UP; ``via`` names the relaying member, or "direct".

    ``lost_at`` is for as long as it is lost; ``last_lost`` stays when it comes back.
    """

    state: State = State.UNKNOWN
    heard_at: Instant | None = None
    up_since: Instant = 0
    lost_at: Instant | None = None
    last_lost: Instant = 0
    via: str | None = None
    excused_at: Instant | None = None


class Membership:
    """Deadlines of silence for all other members."""

    def __init__(self, others: Iterable[str], heartbeat: Duration, dead_time: Duration) -> None:
        self.late_after = min(heartbeat * 5 // 2, dead_time - 1)
        self.dead_time = dead_time
        self.grace = heartbeat * 3 // 2
        self.members = {name: Standing() for name in others}
        self.excused_until: Instant = 0

    def heard(self, node: str, at: Instant, now: Instant, via: str = "direct") -> Change | None:
        """Something new came from ``node`` at ``at``, by itself or through ``via``."""
        member = self.members[node]
        if member.heard_at is None or at > member.heard_at:
            member.heard_at = at
            member.excused_at = None
        member.via = via
        if member.state is _UP:
            return None
        change = Change(node, member.state, State.UP)
        if member.state is not State.LATE:
            member.up_since = now
        member.state = State.UP
        member.lost_at = None
        return change

    def restarted(self, node: str, now: Instant) -> None:
        """A new incarnation of ``node`` is current: it is up since now."""
        self.members[node].up_since = now

    def stalled(self, now: Instant) -> None:
        """We ourselves were late: accuse nobody before they had time to be heard again."""
        self.excused_until = max(self.excused_until, now + self.grace)

    def expire(self, now: Instant) -> list[Change]:
        """Only called for ``TimerDue``, that is after every socket was drained."""
        changes: list[Change] = []
        for name, member in self.members.items():
            if member.heard_at is None or member.state is _LOST:
                continue
            silence = now - member.heard_at
            if silence >= self.dead_time and not self._excused(member, now):
                changes.append(Change(name, member.state, State.LOST, silence))
                member.state, member.lost_at, member.last_lost = State.LOST, now, now
            elif silence >= self.late_after and member.state is _UP:
                changes.append(Change(name, member.state, State.LATE, silence))
                member.state = State.LATE
        return changes

    def _excused(self, member: Standing, now: Instant) -> bool:
        if now >= self.excused_until:
            return False
        if member.excused_at is None:
            member.excused_at = now
        return now < self._excused_until(member)

    def _excused_until(self, member: Standing) -> Instant:
        """No excuse for one silence lasts longer than a dead time."""
        if member.excused_at is None:
            return self.excused_until
        return min(self.excused_until, member.excused_at + self.dead_time)

    def next_deadline(self) -> Instant:
        """When ``expire`` may have something to say, or NEVER."""
        due = NEVER
        for member in self.members.values():
            if member.heard_at is None:
                continue
            if member.state is _UP:
                at = member.heard_at + self.late_after
            elif member.state is _LATE:
                at = max(member.heard_at + self.dead_time, self._excused_until(member))
            else:
                continue
            if at < due:
                due = at
        return due

    def state(self, node: str) -> State:
        return self.members[node].state

    def alive(self, node: str) -> bool:
        """Up or late: not to be replaced yet. Who is no member (any more) is not."""
        member = self.members.get(node)
        return member is not None and member.state in _ALIVE

    def living(self) -> frozenset[str]:
        """All members that are alive."""
        return frozenset([name for name, member in self.members.items() if member.state in _ALIVE])
