"""Which messages of one old peer count: generation, sequence, gaps; what to ask for again and what to acknowledge.

The order of the checks is that of Heartbeat 3.0.6, so that both sides agree on what was heard. Where its numbers allow more it is
stricter: a generation that was seen before a restart of ours is remembered, and messages without a sequence number
(acknowledgements, requests to send again) are refused when their generation is over.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from ...units import MILLISECOND, NEVER, Duration, Instant

MOST_MISSING = 250
"""With more holes than this the tracking begins anew at the newest message."""

LATE_COPIES = 50
"""So many messages a slow medium, such as a serial line, may be behind a fast one; what is older is no copy any more."""

FIRST_REQUEST: Duration = 50 * MILLISECOND
"""A hole is asked for no earlier: it may be filled by the other medium."""

ACKNOWLEDGED_EVERY = 10
MOST_NUMBER = 2**63
"""Numbers of that size come from no peer; they are refused before anything is computed with them."""


class Standing(Enum):
    """``COPY``: heard already, by another medium; it only shows that this one works. ``STALE``: an old number, or a recording."""

    NEW = "new"
    COPY = "copy"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``restarted``: with a higher generation than before. ``returned``: it was dead, and has not started anew meanwhile.

    ``skipped``: how many messages it has sent since its last status that we know of. ``replay``: of a generation that is over.
    """

    standing: Standing
    restarted: bool = False
    returned: bool = False
    skipped: int = 0
    replay: bool = False


STALE = Verdict(Standing.STALE)


class Track:
    """What was heard of one peer. ``residue``: numbers that end in it are acknowledged."""

    def __init__(self, known: int, residue: int, longest: Duration, rng: random.Random) -> None:
        self.generation = known
        self.residue = residue
        self.longest = max(longest, FIRST_REQUEST)
        self.rng = rng
        self.last = 0
        self.status = 0
        self.acknowledged = 0
        self.missing: dict[int, Instant] = {}
        self.started = False

    def reset(self) -> None:
        """The peer is dead, or began anew: nothing that it said before is waited for."""
        self.last = self.acknowledged = 0
        self.missing.clear()
        self.started = False

    def unnumbered(self, generation: int) -> bool:
        """Whether a message without a sequence number may count."""
        return generation >= self.generation

    def receive(self, number: int, generation: int, is_status: bool, dead: bool, now: Instant) -> Verdict:
        """Take a numbered message in. ``dead``: its sender is taken for dead."""
        if generation < self.generation:
            return Verdict(Standing.STALE, replay=True)
        restarted = generation > self.generation
        if restarted:
            first = self.generation == 0
            self.generation = generation
            self.status = 0
            self.reset()
            restarted = not first
        returned, skipped = False, 0
        if dead and not restarted and is_status:
            if number <= self.status:
                return STALE
            returned, skipped = True, number - self.status - 1
        standing = self._place(number, now)
        if is_status and standing is Standing.NEW:
            self.status = max(self.status, number)
        return Verdict(standing, restarted, returned, skipped)

    def _place(self, number: int, now: Instant) -> Standing:
        if not self.started:
            self.started = True
            self.last, self.acknowledged = number, number - 1
            return Standing.NEW
        if number == self.last:
            return Standing.COPY
        if number > self.last:
            if len(self.missing) + number - self.last - 1 > MOST_MISSING:
                self.missing.clear()
                self.acknowledged = number - 1
            else:
                for hole in range(self.last + 1, number):
                    self.missing[hole] = now + self._first_pause()
            self.last = number
            return Standing.NEW
        if self.missing.pop(number, None) is not None:
            return Standing.NEW
        return Standing.COPY if number > self.last - LATE_COPIES else Standing.STALE

    def _first_pause(self) -> Duration:
        return self.rng.randrange(FIRST_REQUEST, self.longest + 1)

    def to_acknowledge(self) -> int | None:
        """The number to acknowledge now, if one has become due since the last call."""
        covered = min(self.missing) - 1 if self.missing else self.last
        number = covered - (covered - self.residue) % ACKNOWLEDGED_EVERY
        if number <= max(self.acknowledged, 0):
            return None
        self.acknowledged = number
        return number

    def requests(self, now: Instant) -> list[int]:
        """The holes to ask for now; each again after the longest delay until it is filled or refused."""
        due = [number for number, at in self.missing.items() if at <= now]
        for number in due:
            self.missing[number] = now + self.longest
        return due

    def refused(self, number: int) -> bool:
        """The peer does not have it any more. Returns whether it was waited for."""
        return self.missing.pop(number, None) is not None

    def next_deadline(self) -> Instant:
        return min(self.missing.values(), default=NEVER)
