"""Looks at this machine's clock on the wall for the pulse: whether the hours that groups name are right now, and for how long.

It looks every few seconds, so a clock that was set is noticed soon, so is another time zone. On a day with a change to or from
summer time hours are as long as the system says: their end is turned into an instant before anything is subtracted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

from ..hours import Hours
from ..model import Cluster
from ..units import SECOND, Duration

LOOK: float = 5.0
"""Seconds between two looks, when nothing is to change before."""

AGAIN: float = 60.0
"""Seconds after which all of it is told again."""

SET: float = 2.0
"""Seconds by which a clock has to be off what was expected to count as set."""

Seen: TypeAlias = tuple[tuple[str, bool, Duration], ...]


def look(hours: tuple[Hours, ...], wall: float) -> Seen:
    """What the hours are at ``wall`` (seconds since 1970) in this machine's time zone, and for how long."""
    found = []
    local = datetime.fromtimestamp(wall)
    for item in hours:
        within, seconds = item.look(local.weekday(), local.hour * 3600 + local.minute * 60 + local.second)
        change = local.replace(microsecond=0, fold=0) + timedelta(seconds=seconds)
        left = max(0.001, change.timestamp() - wall)
        found.append((str(item), within, int(left * SECOND)))
    return tuple(found)


def named(cluster: Cluster) -> tuple[Hours, ...]:
    """All hours of the configuration, each once."""
    return tuple(dict.fromkeys(group.failback.hours for group in cluster.groups if group.failback.hours is not None))


class HoursWatch:
    """Tells when there is news. ``wall`` and ``rested`` (monotonic), both in seconds, are for tests."""

    def __init__(
        self,
        cluster: Cluster,
        tell: Callable[[Seen], None],
        wall: Callable[[], float] = time.time,
        rested: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hours = named(cluster)
        self._tell, self._wall, self._rested = tell, wall, rested
        self._told: tuple[Seen, float] | None = None

    def follow(self, cluster: Cluster) -> None:
        """Another configuration."""
        self._hours = named(cluster)
        self.again()

    def again(self) -> None:
        """Tell now, whatever was told before: the pulse is a new one, or the hours are others."""
        self._told = None
        self.look_once()

    def look_once(self) -> float:
        """Look, tell what is news, and say in how many seconds to look again."""
        if not self._hours:
            if self._told is not None and self._told[0]:
                self._tell(())
            self._told = ((), self._rested())
            return LOOK
        time.tzset()
        seen, now = look(self._hours, self._wall()), self._rested()
        if self._is_news(seen, now):
            self._told = (seen, now)
            self._tell(seen)
        return min(LOOK, *(left / SECOND + 0.01 for _, _, left in seen))

    def _is_news(self, seen: Seen, now: float) -> bool:
        if self._told is None or now - self._told[1] >= AGAIN:
            return True
        told, at = self._told
        if [item[:2] for item in told] != [item[:2] for item in seen]:
            return True
        passed = now - at
        return any(
            abs(left / SECOND + passed - was / SECOND) > SET for (*_, left), (*_, was) in zip(seen, told, strict=True)
        )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self.look_once())
