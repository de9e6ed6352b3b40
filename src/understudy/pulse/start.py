"""What a pulse must know before its first turn: who it is, what ran before it, and what it must not promise yet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass

from ..core import saved_wishes
from ..messages import Wish
from ..units import Duration, Instant, format_duration

WISHES_FILE = "wishes.json"
DRAINING_FILE = "draining"
_MOST_WISHES = 1 << 20


def draw_incarnation() -> int:
    """A random number, 1 to 2**64-1."""
    return int.from_bytes(os.urandom(8), "big") or 1


def draw_entropy() -> int:
    return int.from_bytes(os.urandom(16), "big")


def in_standby(state_dir: str, file: str = "standby") -> bool:
    """As the last run left it: the file ``standby`` exists. And ``draining`` beside it, when it keeps what nobody else takes."""
    return os.path.exists(os.path.join(state_dir, file))


def wishes_kept(state_dir: str, wall_clock: int) -> tuple[Wish, ...]:
    """What operators had asked of all nodes, as the last run left it; nothing when the file cannot be read."""
    try:
        with open(os.path.join(state_dir, WISHES_FILE), encoding="utf-8", errors="replace") as file:
            return saved_wishes.read(file.read(_MOST_WISHES), wall_clock)
    except OSError:
        return ()


@dataclass(frozen=True, slots=True)
class DeadTimes:
    """Which dead times promises of earlier runs may have been given with; kept in the runtime directory's file ``dead_time``.

    ``older`` is a longer one from before the run that wrote this; its promises are over at ``until`` (boot-time clock). After a
    restart of the machine that clock begins anew, so an old ``until`` only makes us wait too long, never too short.
    """

    current: Duration
    older: Duration = 0
    until: Instant = 0

    def longest(self, now: Instant) -> Duration:
        return max(self.current, self.older) if now < self.until else self.current

    def after(self, current: Duration, now: Instant) -> DeadTimes:
        """What the next run must know when this one starts now with ``current``."""
        longest = self.longest(now)
        return DeadTimes(current, longest, now + longest) if longest > current else DeadTimes(current)


def read_dead_times(path: str) -> DeadTimes | None:
    """None when there is no such file, or none that makes sense."""
    try:
        with open(path, encoding="ascii") as file:
            found = json.load(file)
        return DeadTimes(int(found["current_ns"]), int(found["older_ns"]), int(found["until_ns"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_dead_times(path: str, times: DeadTimes) -> None:
    """Atomically. Raises OSError that names ``path``."""
    fresh = f"{path}.new"
    try:
        with open(fresh, "w", encoding="ascii") as file:
            json.dump({"current_ns": times.current, "older_ns": times.older, "until_ns": times.until}, file)
        os.replace(fresh, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def quiet_time(path: str, dead_time: Duration, now: Instant, warn: Callable[[str], None]) -> Duration:
    """The longest dead time that any earlier run may have promised with; notes ours for the next run.

    What is noted already is not written again: a pulse that died must come back on a full disk, too. Where a longer dead time
    than ours is noted and cannot be replaced, ``warn`` gets a sentence: the next run waits too long, which is safe. Raises
    OSError when ours cannot be noted and nothing covers it.
    """
    before = read_dead_times(path)
    longest = dead_time if before is None else max(dead_time, before.longest(now))
    after = DeadTimes(dead_time) if before is None else before.after(dead_time, now)
    if after != before:
        try:
            write_dead_times(path, after)
        except OSError as error:
            if before is None or before.current < dead_time:
                raise
            kept = format_duration(before.current)
            warn(f"cannot write {path} ({error.strerror}): the next start will wait the {kept} noted there")
    return longest
