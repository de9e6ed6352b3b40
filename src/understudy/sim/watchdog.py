"""A machine's pretend watchdog: resets the machine one time-out after it was fed last, whatever has become of the daemon.

It is armed by being opened, goes on counting when the daemon dies, and stops only by the magic close or the reset itself. Like
the real ones it may fire late, by up to a second, but never early. And as the kernel has it (drivers/watchdog/watchdog_dev.c)
opening it feeds it, and so does its last close without the magic one. The supervisor keeps it open while pulses die.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..units import SECOND, Duration, Instant

if TYPE_CHECKING:
    from .host import Host

LATEST: Duration = SECOND


def kill_daemon(host: Host) -> None:
    """Supervisor and pulse die at once, together. Kernel, programs and manager stay."""
    host.kill_pulse()
    host.watchdog.release()


class Watchdog:
    """``timeout`` 0: this machine has none."""

    def __init__(self, host: Host, timeout: Duration) -> None:
        self.host = host
        self.timeout = timeout
        self.armed = False
        self.held = False
        """Somebody has it open: the supervisor, which outlives its pulses."""
        self._fed = 0

    def open(self) -> bool:
        """Opened by a starting pulse, unless it counts already; says whether it does. One that nobody holds is left alone."""
        ran = self.armed
        if self.timeout and not ran:
            self.armed = self.held = True
            self._count()
        return ran

    def feed(self, until: Instant) -> None:
        """As the real performer does: the clock is read at the moment of feeding. One that nobody held is opened by that."""
        if self.armed and self.host.reading < until:
            self.held = True
            self._count()

    def release(self) -> None:
        """Supervisor and pulse are gone: the kernel closes it, without the magic, and so feeds it once."""
        if self.armed and self.held:
            self.host.world.tell(self.host, "watchdog fed by the kernel: nobody has it open any more")
            self._count()
        self.held = False

    def close(self) -> None:
        """The magic close, or the power is gone."""
        self.armed = self.held = False
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
        host.world.after(host.world.habits.boot * host.world.cluster.dead_time, host.power_on)
