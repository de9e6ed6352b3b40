"""When one check is asked next. Pure.

Until a check is known to be down ``retry_delay`` is the time from a failure to the next asking. So this counts as the pool does:
of what is unknown the first good answer says that it is up, and it may be in the table meanwhile, because it was before us.
"""

from __future__ import annotations

from ..service_checks import Check
from ..units import Duration, Instant

_GOLDEN = 0.6180339887498949
"""Its multiples, modulo 1, lie evenly however many there are."""


def spread(number: int) -> float:
    """A part of an interval for the ``number``-th of many, 0 to 1."""
    return number * _GOLDEN % 1.0


class Pace:
    """Of one check. ``part``: 0 to 1, which part of the interval is its own, so that many do not ask at once."""

    __slots__ = ("_failures", "_good", "_part", "_settled", "_start", "check", "up")

    def __init__(self, check: Check, part: float) -> None:
        self.check, self._part = check, part
        self.up: bool | None = check.starts_up or None
        """None while nothing is known."""
        self._failures = self._good = 0
        self._settled = check.warmup > 0
        self._start: Instant = 0

    def first(self, now: Instant, soon: Duration) -> Instant:
        """``soon``: what those that begin together wait for each other."""
        return now + (int(self.check.warmup * self._part) if self.check.warmup else soon)

    def begun(self, due: Instant) -> None:
        """``due``: when it was to begin. One that was begun late is not late again the next time."""
        self._start = due

    def answered(self, good: bool, now: Instant) -> Instant:
        """When it is asked next."""
        check = self.check
        if good:
            self._failures, self._good = 0, self._good + 1
            self.up = self.up is not False or self._good >= check.rise
        else:
            self._good, self._failures = 0, self._failures + 1
            if self._failures >= check.fall:
                self.up = False
            elif self.up is not False and check.retry_delay:
                return now + check.retry_delay
        return self.next(now)

    def next(self, now: Instant) -> Instant:
        """Without an answer."""
        interval = max(self.check.interval, 1)
        if not self._settled:
            # The first answer comes soon; from the second asking on everyone has its own part of the interval.
            self._settled = True
            interval = max(int(interval * self._part), 1)
        if self.check.pause:
            return now + interval
        missed = max(now - self._start - 1, 0) // interval  # it took longer than the interval: that beat is left out
        return self._start + (missed + 1) * interval
