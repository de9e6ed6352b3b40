"""When a group's addresses are announced: a burst, slow repeats, and again whenever a rival was seen.

One frame is often lost: a switch that is still learning, a client that is busy. Measured on other tools: after two
machines announced one address at the same moment, clients talked to nobody for four to five seconds until the next
batch. So the holder repeats within the first second, several times, and answers every rival with a burst.
"""

from __future__ import annotations

from ..units import MILLISECOND, NEVER, SECOND, Duration, Instant

BURST: tuple[Duration, ...] = (
    0,
    10 * MILLISECOND,
    50 * MILLISECOND,
    200 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2 * SECOND,
)
SLOW: Duration = 60 * SECOND
CALM: Duration = 20 * MILLISECOND
"""At least this long between two bursts: two machines that answer each other's announcements must not flood the network."""


class Announcements:
    """The schedule for one group."""

    def __init__(self) -> None:
        self.due: list[Instant] = []
        self.burst_at: Instant | None = None

    def burst(self, now: Instant) -> None:
        """Begin again from the start of the burst; ``take`` is due at once."""
        if self.burst_at is not None and now - self.burst_at < CALM and self.due:
            return
        self.burst_at = now
        self.due = [now + after for after in BURST]

    def stop(self) -> None:
        self.due = []
        self.burst_at = None

    def take(self, now: Instant) -> bool:
        """Whether to announce now."""
        if not self.due or self.due[0] > now:
            return False
        while self.due and self.due[0] <= now:
            last = self.due.pop(0)
        if not self.due:
            self.due = [max(last, now) + SLOW]
        return True

    def next_deadline(self) -> Instant:
        return self.due[0] if self.due else NEVER
