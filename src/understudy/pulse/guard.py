"""The pulse's watchdog: opened once, fed when the core says so and the clock agrees, closed only when all has stopped.

The kernel feeds the device when it is opened and when its last descriptor is closed. So the supervisor keeps a copy of the
descriptor (``keeper``), and a new pulse gets that copy instead of opening the device again: the deaths of pulses feed nothing.

A file in the runtime directory, which is gone after a boot, says that a pulse was here before and did not end cleanly: then
programs of an earlier run may still be on this machine. It also names the device that counts. Where nobody kept that one open
(supervisor and pulse died together) it is opened again only when it may be fed, since to open it is to feed it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ..adapters.watchdog import Watchdog, open_watchdog, taken_over
from ..model import Cluster
from ..units import SECOND, Duration, Instant, format_duration
from .keeper import Keeper

ARMED = "watchdog.armed"
_OPENING = "opening"
_NOTHING = "nothing resets this machine when it hangs"


@dataclass(frozen=True, slots=True)
class Mark:
    """What the file says: "SECONDS DESCRIPTOR PATH" of a device that counts, "opening", or nothing: a pulse without a device."""

    path: str = ""
    timeout: Duration = 0
    opening: bool = False


def read_mark(marker: str) -> Mark | None:
    """None: there is no such file. One that makes no sense is taken for a device that somebody began to open."""
    try:
        with open(marker, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except OSError:
        return Mark(opening=True)
    words = text.rstrip("\n").split(" ", 2)
    if words == [""]:
        return Mark()
    if len(words) < 3 or not words[0].isdigit() or not int(words[0]):
        return Mark(opening=True)
    return Mark(words[2], int(words[0]) * SECOND)


def write_mark(marker: str, text: str) -> None:
    """Whole or not at all. Raises OSError."""
    fresh = f"{marker}.new"
    with open(fresh, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    os.replace(fresh, marker)


@dataclass(slots=True)
class Guard:
    """``device`` None: this machine has none, or it could not be opened; then ``trouble`` says why.

    ``ran``: an earlier pulse left its mark. ``alone``: ``device`` counts, nobody has it open, and to open it is to feed it.
    """

    device: Watchdog | None
    marker: str
    ran: bool
    trouble: str = ""
    alone: bool = False
    keeper: Keeper = field(default_factory=Keeper)

    @property
    def timeout(self) -> Duration:
        return self.device.timeout if self.device is not None else 0

    def feed(self, until: Instant, clock: Callable[[], Instant]) -> None:
        """Feed it, unless the right behind that is over at this very moment."""
        if self.device is None or clock() >= until:
            return
        if self.alone:
            self._open_again(self.device)
        else:
            self.device.feed()

    def _open_again(self, left: Watchdog) -> None:
        """Which feeds it. Where that fails it is tried again the next time; until then it goes on counting."""
        found = open_watchdog(left.path, left.timeout)
        if isinstance(found, str):
            left.trouble = found
            return
        self.device, self.alone = found, False
        _opened(found, self.marker, self.keeper)

    def close(self) -> None:
        """Stop it: nothing that must not run twice is left."""
        if self.device is not None:
            if self.alone:
                self._open_again(self.device)
            self.device.close()
            if self.device.trouble:
                return
            self.keeper.closed()
        if self.marker:
            with suppress(OSError):  # else the next start is more careful than it need be
                os.unlink(self.marker)

    def troubles(self) -> tuple[str, ...]:
        """For ``status``."""
        said = (self.trouble, self.device.trouble if self.device is not None else "")
        return tuple(text for text in said if text)


def _words(device: Watchdog) -> str:
    return f"{device.timeout // SECOND} {device.descriptor} {device.path}\n"


def _opened(device: Watchdog, marker: str, keeper: Keeper) -> None:
    """First the file, then the supervisor: who finds no descriptor must know that the device counts."""
    with suppress(OSError):  # it says "opening" then, or what it said before: both are safe
        write_mark(marker, _words(device))
    keeper.keep(device.descriptor)


def take_guard(cluster: Cluster, me: str, runtime_dir: str, keeper: Keeper | None = None) -> Guard:
    """Take over this member's watchdog from the supervisor, or open it, if it has one.

    The mark comes first, and from every pulse with exclusive groups, device or not: the next one may find a device, or one that
    is free by then, and must not feed it as if nothing could be left running. Who cannot leave the mark does not use the device.
    A device that counts is used until it is closed cleanly, whatever the file names by now.
    """
    keeper = keeper or Keeper()
    path = cluster.member(me).watchdog
    marker = os.path.join(runtime_dir, ARMED)
    mark = read_mark(marker)
    kept = keeper.kept()
    if kept >= 0:
        return _take_over(kept, mark, marker, path, cluster.watchdog_timeout, keeper)
    if mark is not None and mark.path:
        return Guard(Watchdog(mark.path, -1, mark.timeout), marker, True, alone=True, keeper=keeper)
    if mark is not None and mark.opening:
        text = "an earlier daemon died while it opened the watchdog, which is not used before the machine starts again"
        return Guard(None, marker, True, text)
    wanted = bool(path and cluster.watchdog_timeout)
    if not wanted and not any(group.exclusive for group in cluster.groups):
        return Guard(None, marker, False)
    ran = mark is not None
    try:
        write_mark(marker, _OPENING if wanted else "")
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
        with suppress(OSError):
            write_mark(marker, "")
        return Guard(None, marker, ran, f"{found}; {_NOTHING}")
    _opened(found, marker, keeper)
    return Guard(found, marker, ran, _other_timeout(found, cluster.watchdog_timeout), keeper=keeper)


def _take_over(descriptor: int, mark: Mark | None, marker: str, path: str, timeout: Duration, keeper: Keeper) -> Guard:
    """The supervisor had it. Without a mark its end was clean but for the last close: then it may be fed, and counts again."""
    path = mark.path if mark is not None and mark.path else path
    device = taken_over(path, descriptor, mark.timeout if mark is not None and mark.timeout else timeout)
    with suppress(OSError):
        write_mark(marker, _words(device))
    if mark is None:
        device.feed()
    return Guard(device, marker, mark is not None, _other_timeout(device, timeout), keeper=keeper)


def _other_timeout(device: Watchdog, wanted: Duration) -> str:
    if device.timeout == wanted:
        return ""
    return f"the watchdog {device.path} counts to {format_duration(device.timeout)}, not to {format_duration(wanted)}"


def no_guard() -> Guard:
    """A machine without a watchdog."""
    return Guard(None, "", False)


@dataclass(slots=True)
class Guards:
    """The guard of one process, which may have several lives: a device that is open stays open, and is fed on."""

    keeper: Keeper
    _open: Guard | None = None

    def take(self, cluster: Cluster, me: str, runtime_dir: str) -> Guard:
        """As ``take_guard``."""
        if self._open is None or self._open.device is None:
            self._open = take_guard(cluster, me, runtime_dir, self.keeper)
        return self._open
