"""What operators ask of the whole cluster, and what lasts: a register with one entry for each group and one for all of them.

Every member says its entries in every heartbeat, keeps them on disk and takes over what is newer: the higher number wins. A
number is drawn above all that were seen, so whoever asks later, knowing the earlier, is obeyed; of two that did not know of each
other the higher one is, everywhere the same. Nobody needs to hold anything for it, and no vote is taken: a member that is away
learns it when it is heard again, in its quiet time, before it may bid.

An entry never weakens a lease: it makes nodes do less (bid, take over, start), or stop in order what they hold.

How long a maintenance still lasts is counted by each member's own clock, from the moment at which it heard of it. Only what was
read from disk had to be computed from a wall clock, which may be wrong: it is not ``sure``, and gives way to what any other
member is sure of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from ..messages import Wish, WishKind
from ..units import NEVER, SECOND, Duration, Instant, format_duration

EVERYTHING = ""
"""The group of an entry that is meant for all groups."""

LONGEST_BY, LONGEST_REASON = 60, 120
"""Bytes of UTF-8 that are kept: every heartbeat carries them."""


def shortened(text: str, most: int) -> str:
    """``text`` in at most ``most`` bytes, on one line, cut at a whole character."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def rank(wish: Wish) -> tuple[int, str, int, Duration, str, str]:
    """What decides between two entries for one group; equal only for the same wish. The time left is no part of it.

    Behind the number stand the other fields, because two members that have forgotten everything may use one number twice; a text
    that was cut on its way comes before the whole one.
    """
    return (wish.number, wish.kind.value, wish.said_at, wish.span, wish.by, wish.reason)


def newer(one: Wish | None, other: Wish) -> Wish:
    """The entry that stands: commutative, associative and idempotent (tests/core/test_core_wishes.py)."""
    return other if one is None or rank(other) > rank(one) else one


class Wishes:
    """The register of one member. ``index`` (0 to 255) makes its numbers differ from everybody else's."""

    def __init__(self, index: int, groups: Iterable[str]) -> None:
        self.index = index
        self.groups = (EVERYTHING, *groups)
        self.entries: dict[str, Wish] = {}
        self.ends: dict[str, Instant] = {}
        self.over: set[str] = set()
        """Groups whose maintenance has come to its end here; the entry stays, and says that nothing is left of it."""

    def follow(self, groups: Iterable[str]) -> None:
        """Another configuration: what was asked of a group that is gone is forgotten here."""
        self.groups = (EVERYTHING, *groups)
        for name in [name for name in self.entries if name not in self.groups]:
            del self.entries[name]
            self.ends.pop(name, None)
            self.over.discard(name)

    def start(self, saved: Iterable[Wish], now: Instant) -> None:
        """What was read from disk: only as good as the wall clock, as far as times go."""
        for wish in saved:
            if wish.group in self.groups and newer(self.entries.get(wish.group), wish) is wish:
                self._put(replace(wish, sure=False), now)
                if wish.span and wish.left <= 0:
                    self.ends[wish.group] = NEVER
                    self.over.add(wish.group)

    def ask(self, group: str, kind: WishKind, by: str, reason: str, span: Duration, said_at: int, now: Instant) -> Wish:
        """A new entry, above all that are known. ``span``: how long a maintenance lasts, 0 until its end is asked for."""
        highest = max((wish.number >> 8 for wish in self.entries.values()), default=0)
        number = (highest + 1) << 8 | self.index
        short_by, short_reason = shortened(by, LONGEST_BY), shortened(reason, LONGEST_REASON)
        wish = Wish(group, number, kind, short_by, short_reason, said_at, span, span, sure=True)
        self._put(wish, now)
        return wish

    def hear(self, said: Iterable[Wish], now: Instant) -> list[Wish]:
        """Another member's entries. Returns those that are news here; what it knows better about times is taken silently."""
        news = []
        for wish in said:
            if wish.group not in self.groups:
                continue
            known = self.entries.get(wish.group)
            if newer(known, wish) is wish:
                self._put(wish, now)
                if known is None or known.number != wish.number:  # else only a text that had been cut
                    news.append(wish)
            elif known is not None and known.number == wish.number and wish.span and wish.sure:
                self._time(known, wish, now)
        return news

    def _time(self, known: Wish, heard: Wish, now: Instant) -> None:
        """The same wish, of which we guess the end, or another member's clock comes to it a little earlier."""
        end = now + min(heard.left, known.span)
        if not known.sure or (known.group not in self.over and end < self.ends[known.group]):
            self._put(replace(known, sure=True, left=heard.left), now)

    def _put(self, wish: Wish, now: Instant) -> None:
        self.entries[wish.group] = wish
        self.over.discard(wish.group)
        self.ends[wish.group] = NEVER
        if wish.kind is WishKind.MAINTENANCE and wish.span:
            self.ends[wish.group] = now + max(0, min(wish.left, wish.span))

    def said(self, now: Instant) -> tuple[Wish, ...]:
        """The entries as this member says and keeps them: with the time that is left."""
        if not self.entries:
            return ()
        return tuple(
            replace(wish, left=0 if group in self.over else max(0, self.ends[group] - now)) if wish.span else wish
            for group, wish in sorted(self.entries.items())
        )

    def numbers(self) -> tuple[int, ...]:
        """Changes whenever an entry does, and with nothing else."""
        return tuple([wish.number for _, wish in sorted(self.entries.items())]) if self.entries else ()

    def expire(self, now: Instant) -> list[Wish]:
        """For ``TimerDue`` only: the maintenances whose time is up."""
        over = [self.entries[group] for group, end in self.ends.items() if end <= now]
        for wish in over:
            self.ends[wish.group] = NEVER
            self.over.add(wish.group)
        return over

    def next_deadline(self) -> Instant:
        return min(self.ends.values()) if self.ends else NEVER

    # What is in force

    def stopped(self, group: str) -> Wish | None:
        """The wish by which ``group`` is to run nowhere, or None."""
        return self._of(group, WishKind.STOPPED)

    def maintained(self, group: str) -> Wish | None:
        """The wish by which nobody touches ``group``, its own or the one for all; None for a group that is stopped."""
        if not self.entries or self.stopped(group) is not None:
            return None
        return self._of(group, WishKind.MAINTENANCE) or self._of(EVERYTHING, WishKind.MAINTENANCE)

    def in_maintenance(self, group: str) -> Wish | None:
        """The entry of this very group, or with "" the one for all."""
        return self._of(group, WishKind.MAINTENANCE)

    def _of(self, group: str, kind: WishKind) -> Wish | None:
        wish = self.entries.get(group)
        return wish if wish is not None and wish.kind is kind and group not in self.over else None

    def in_force(self) -> tuple[Wish, ...]:
        found = (wish for group, wish in sorted(self.entries.items()) if group not in self.over)
        return tuple(wish for wish in found if wish.kind is not WishKind.NONE)


def moment(milliseconds: int) -> str:
    """A wall clock's reading (since 1970) for people; readings that no calendar has become "?"."""
    try:
        return f"{datetime.fromtimestamp(milliseconds // 1000, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "?"


def sentence(wish: Wish) -> str:
    """What was asked, by whom, when and why; without the time that is left, so that it does not change."""
    what = "stopped" if wish.kind is WishKind.STOPPED else "in maintenance"
    since = "by" if wish.kind is WishKind.STOPPED else "for"
    reason = f": {wish.reason}" if wish.reason else ""
    return f"{what} {since} {wish.by}, {moment(wish.said_at)}{reason}"


def time_left(wish: Wish, end: Instant, now: Instant) -> str:
    """How long a maintenance still lasts, in whole seconds."""
    if not wish.span:
        return "until its end is asked for"
    return f"for another {format_duration(max(0, end - now) // SECOND * SECOND)}"
