"""The pulse's watchdog: opened at the start, fed when the core says so and the clock agrees, closed only when all has stopped.

A file in the runtime directory, which is gone after a boot, says that a pulse was here before and did not end cleanly: then
programs of an earlier run may still be on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..adapters.watchdog import Watchdog, open_watchdog
from ..model import Cluster
from ..units import Duration, Instant, format_duration

ARMED = "watchdog.armed"
_NOTHING = "nothing resets this machine when it hangs"


@dataclass(slots=True)
class Guard:
    """``device`` None: this machine has none, or it could not be opened; then ``trouble`` says why.

    ``ran``: an earlier pulse left its mark.
    """

    device: Watchdog | None
    marker: str
    ran: bool
    trouble: str = ""

    @property
    def timeout(self) -> Duration:
        return self.device.timeout if self.device is not None else 0

    def feed(self, until: Instant, clock: Callable[[], Instant]) -> None:
        """Feed it, unless the right behind that is over at this very moment."""
        if self.device is not None and clock() < until:
            self.device.feed()

    def close(self) -> None:
        """Stop it: nothing that must not run twice is left."""
        if self.device is not None:
            self.device.close()
            if self.device.trouble or not self.device.stoppable:
                return
        if self.marker:
            with suppress(OSError):  # else the next start is more careful than it need be
                os.unlink(self.marker)

    def troubles(self) -> tuple[str, ...]:
        """For ``status``."""
        said = (self.trouble, self.device.trouble if self.device is not None else "")
        return tuple(text for text in said if text)


def take_guard(cluster: Cluster, me: str, runtime_dir: str) -> Guard:
    """Open this member's watchdog, if it has one.

    The mark comes first, and from every pulse with exclusive groups, device or not: the next one may find a device, or one that
    is free by then, and must not feed it as if nothing could be left running. Who cannot leave the mark does not use the device.
    """
    path = cluster.member(me).watchdog
    marker = os.path.join(runtime_dir, ARMED)
    wanted = bool(path and cluster.watchdog_timeout)
    if not wanted and not any(group.exclusive for group in cluster.groups):
        return Guard(None, marker, False)
    ran = os.path.exists(marker)
    try:
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if not wanted:
            return Guard(None, marker, ran)
        return Guard(
            None, marker, ran, f"cannot write {marker}: {error.strerror}; {_NOTHING}, because {path} is not used"
        )
    if not wanted:
        return Guard(None, marker, ran)
    found = open_watchdog(path, cluster.watchdog_timeout)
    if isinstance(found, str):
        return Guard(None, marker, ran, f"{found}; {_NOTHING}")
    trouble = ""
    if found.timeout != cluster.watchdog_timeout:
        said = format_duration(cluster.watchdog_timeout)
        trouble = f"the watchdog {path} counts to {format_duration(found.timeout)}, not to {said}"
    return Guard(found, marker, ran, trouble)


def no_guard() -> Guard:
    """A machine without a watchdog."""
    return Guard(None, "", False)
