"""Hours of the day, and days of the week, as the clock on the wall of one machine shows them; and when a group returns, which may
be within such hours. No clock is read here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .units import Duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of ``datetime.weekday``."""

DAY = 24 * 60
WEEK = len(DAYS) * DAY


@dataclass(frozen=True, slots=True)
class Hours:
    """From ``opens`` to before ``closes``, minutes since midnight (0 to 1439, never equal); past midnight when it closes earlier
    than it opens. ``days``: those on which it opens, 0 for Monday, in order; empty for every day.
    """

    opens: int
    closes: int
    days: tuple[int, ...] = ()

    def __str__(self) -> str:
        """As the configuration has it: ``sat,sun 02:00-04:00``."""
        hours = f"{_clock(self.opens)}-{_clock(self.closes)}"
        return f"{','.join(DAYS[day] for day in self.days)} {hours}" if self.days else hours

    @property
    def start(self) -> str:
        """When it opens, for a sentence: ``02:00 on sat and sun``."""
        days = [DAYS[day] for day in self.days]
        if not days:
            return _clock(self.opens)
        return f"{_clock(self.opens)} on {' and '.join(filter(None, (', '.join(days[:-1]), days[-1])))}"

    def look(self, weekday: int, second: int) -> tuple[bool, int]:
        """Whether it is open at ``second`` of the day (0 to 86399), and how many seconds later that changes, by that clock."""
        at = weekday * DAY * 60 + second
        length = (self.closes - self.opens) % DAY * 60
        since = min((at - opening) % (WEEK * 60) for opening in self._openings())
        if since < length:
            return True, length - since
        return False, min((opening - at) % (WEEK * 60) for opening in self._openings())

    def _openings(self) -> list[int]:
        """Seconds since the week began."""
        return [(day * DAY + self.opens) * 60 for day in self.days or range(len(DAYS))]


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


class FailbackKind(Enum):
    """When a group returns to a better placed node: at once, never, when that has been up for a while, or at certain hours."""

    WHEN_HEALTHY = "when-healthy"
    NEVER = "never"
    AFTER = "after"
    WITHIN = "within"


@dataclass(frozen=True, slots=True)
class Failback:
    """``after`` counts only with ``FailbackKind.AFTER``, ``hours`` (by the holder's clock) only with ``WITHIN``."""

    kind: FailbackKind = FailbackKind.WHEN_HEALTHY
    after: Duration = 0
    hours: Hours | None = None
