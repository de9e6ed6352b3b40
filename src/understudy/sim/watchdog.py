"""A machine's pretend watchdog: resets the machine one time-out after it was fed last, whatever has become of the daemon.

It is armed by being opened, goes on counting when the daemon dies, and stops only by the magic close or the reset itself. Like
the real ones it may fire late, by up to a second, but never early.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..units import SECOND, Duration, Instant

if TYPE_CHECKING:
    from .host import Host

LATEST: Duration = SECOND


class Watchdog:
    """``timeout`` 0: this machine has none."""

    def __init__(self, host: Host, timeout: Duration) -> None:
        self.host = host
        self.timeout = timeout
        self.armed = False
        self._fed = 0

    def open(self) -> bool:
        """Opened by a starting pulse; says whether it was counting already."""
        ran = self.armed
        if self.timeout and not ran:
            self.armed = True
            self._count()
        return ran

    def feed(self, until: Instant) -> None:
        """As the real performer does: the clock is read at the moment of feeding."""
        if self.armed and self.host.reading < until:
            self._count()

    def close(self) -> None:
        """The magic close, or the power is gone."""
        self.armed = False
        self._fed += 1

    def _count(self) -> None:
        self._fed += 1
        world = self.host.world
        late = int(world.random.random() * LATEST)
        world.after(self.timeout + late, partial(self._fire, self._fed, self.host.boots))

    def _fire(self, fed: int, boot: int) -> None:
        host = self.host
        if not self.armed or fed != self._fed or boot != host.boots or not host.power:
            return
        host.world.tell(host, "power off by its watchdog, and on again")
        host.power_off()
        host.world.after(2 * host.world.cluster.dead_time, host.power_on)
