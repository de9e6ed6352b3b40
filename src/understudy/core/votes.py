"""A voter's promises: at most one holder for each group, each with an end by the voter's own clock.

The whole safety argument stands on three rules of this file.

1. A promise is exclusive until it ends. It ends the promise's length (the dead time less a margin, ``Cluster.silence``)
   after the newest message of its holder was *heard*, or when its holder gave the ballot up. The holder counts from when
   it *sent* that message, and stops another margin earlier, so its right is over before the promises behind it are: no two
   majorities can be promised to two holders at one instant.
2. A voter that has just started has forgotten its promises, so it makes none for the longest dead time in force.
   One exception: to itself, for a group whose kernel lease still ran here at the start. Its earlier life held the
   group then, so its earlier vote was its own.
3. Promises are to machines: a new incarnation of the holder may take up what the old one held.

Ballots order *holders* (they are the fencing tokens), they do not guard promises: a new ballot must be higher than any this
voter has granted, a renewal need not be.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from ..messages import Unfinished, Vote
from ..units import MILLISECOND, NEVER, Duration, Instant, format_duration


@dataclass(slots=True)
class Promise:
    """To help nobody but ``holder`` before ``until``. ``echo`` is the holder's own time of the message behind it.

    ``held``: the holder has a majority, as far as it said so; otherwise it only bids.
    """

    holder: str
    incarnation: int
    ballot: int
    echo: Instant
    until: Instant
    held: bool


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a voter decided. See ``messages.BidAnswer`` for ``wait``, ``highest`` and ``unfinished``."""

    granted: bool
    wait: Duration = 0
    highest: int = 0
    why: str = ""
    unfinished: tuple[Unfinished, ...] = ()


class Voter:
    """The promises of this member, ``me``. ``dead_time`` is how long each lasts after the message behind it: what is
    configured, less a margin; it goes under this name into our messages, and others count their rights by it.
    """

    def __init__(self, me: str, dead_time: Duration) -> None:
        self.me = me
        self.dead_time = dead_time
        self.quiet_until: Instant = 0
        self.kept: frozenset[str] = frozenset()
        self.promises: dict[str, Promise] = {}
        self.highest: dict[str, int] = {}
        self.unfinished: dict[str, dict[str, Promise]] = {}
        """For each group and member the newest promise made to it, until it says, later than that, that nothing of the group
        runs on its machine any more."""

    def start(self, now: Instant, quiet: Duration, kept: frozenset[str]) -> None:
        """Begin the quiet time. ``kept``: groups whose kernel lease ran here when this process started."""
        self.quiet_until = now + quiet
        self.kept = kept

    def quiet(self, now: Instant) -> bool:
        return now < self.quiet_until

    def bid(
        self, group: str, bidder: str, incarnation: int, ballot: int, echo: Instant, now: Instant, after: int = 0
    ) -> Ruling:
        """Answer a bid. ``after``: the ballot that the former holder released to this bidder, or 0."""
        if self.quiet(now) and not (bidder == self.me and group in self.kept):
            return Ruling(False, self.quiet_until - now, why="has just started and may have promised otherwise before")
        promise = self.promises.get(group)
        released = promise is not None and after != 0 and promise.ballot == after
        if promise is not None and promise.holder != bidder and now < promise.until and not released:
            left = promise.until - now
            why = f"promised to {promise.holder} for {format_duration(left // MILLISECOND * MILLISECOND)}"
            # Only the end of a holder is worth waiting for. Bids that wait for each other's end renew each other for ever.
            return Ruling(False, left if promise.held else 0, self.highest.get(group, 0), why)
        highest = self.highest.get(group, 0)
        repeated = promise is not None and promise.holder == bidder and promise.ballot == ballot
        if ballot <= highest and not repeated:
            return Ruling(False, 0, highest, "a higher ballot was granted already")
        others = [item for item in self.unfinished.get(group, {}).values() if item.holder != bidder]
        others.sort(key=lambda item: item.ballot, reverse=True)
        self._promise(group, bidder, incarnation, ballot, echo, now, held=False)
        return Ruling(True, unfinished=tuple(Unfinished(item.ballot, item.holder) for item in others))

    def renew(
        self, group: str, holder: str, incarnation: int, ballot: int, echo: Instant, now: Instant, held: bool = True
    ) -> bool:
        """A holder (or bidder) named the group in a heartbeat: extend the promise, or make it if none is in the way."""
        if self.quiet(now) and not (holder == self.me and group in self.kept):
            return False
        promise = self.promises.get(group)
        if promise is not None:
            if promise.holder != holder and now < promise.until:
                return False
            if promise.holder == holder and ballot < promise.ballot:
                return False
        self._promise(group, holder, incarnation, ballot, echo, now, held)
        return True

    def _promise(
        self, group: str, holder: str, incarnation: int, ballot: int, echo: Instant, now: Instant, held: bool
    ) -> None:
        promise = self.promises.get(group)
        if promise is not None and promise.holder == holder and promise.incarnation == incarnation:
            echo = max(echo, promise.echo)
        self.promises[group] = Promise(holder, incarnation, ballot, echo, now + self.dead_time, held)
        self.highest[group] = max(ballot, self.highest.get(group, 0))
        self.unfinished.setdefault(group, {})[holder] = self.promises[group]

    def release(self, group: str, holder: str, ballot: int, stopped: bool) -> bool:
        """The holder gave ``ballot`` up for ever. Returns whether that freed a promise."""
        last = self.unfinished.get(group, {}).get(holder)
        if stopped and last is not None and last.ballot <= ballot:
            del self.unfinished[group][holder]
        # A bid below a ballot that is over would be granted, and then no heartbeat that names it believed.
        self.highest[group] = max(ballot, self.highest.get(group, 0))
        promise = self.promises.get(group)
        if promise is None or promise.holder != holder or promise.ballot != ballot:
            return False
        del self.promises[group]
        return True

    def stopped(self, group: str, member: str, incarnation: int, sent_at: Instant) -> None:
        """``member`` said at ``sent_at`` that nothing of the group runs on its machine.

        Said before the newest bid of the same incarnation it means nothing: what it took since then may run.
        """
        last = self.unfinished.get(group, {}).get(member)
        if last is not None and (last.incarnation != incarnation or sent_at > last.echo):
            del self.unfinished[group][member]

    def outlived(self, group: str, ballot: int, members: Container[str]) -> None:
        """The holder by ``ballot`` has started all of the group, so it had proof for whoever held it before. Of those who are
        no members any more, and so will never say that they have stopped, that is the end.
        """
        kept = self.unfinished.get(group, {})
        for name in [name for name, item in kept.items() if name not in members and item.ballot < ballot]:
            del kept[name]

    def not_named(self, holder: str, incarnation: int, sent_at: Instant, named: frozenset[str]) -> list[str]:
        """A state of ``holder`` sent at ``sent_at`` names only ``named``: it serves nothing else any more.

        Only the same incarnation can say so: a restarted machine may be about to take its groups up again. Returns the
        groups whose promises are freed by it.
        """
        freed = [
            group
            for group, promise in self.promises.items()
            if promise.holder == holder
            and promise.incarnation == incarnation
            and promise.echo < sent_at
            and group not in named
        ]
        for group in freed:
            del self.promises[group]
        return freed

    def promised(self, group: str, now: Instant) -> Promise | None:
        """The promise that is in force for ``group``, or None."""
        promise = self.promises.get(group)
        return promise if promise is not None and now < promise.until else None

    def votes(self, now: Instant) -> tuple[Vote, ...]:
        """All promises in force, as they go into heartbeats."""
        return tuple(
            [
                Vote(group, item.holder, item.incarnation, item.ballot, item.echo)
                for group, item in self.promises.items()
                if now < item.until
            ]
        )

    def votes_for(self, holder: str, incarnation: int, now: Instant) -> tuple[Vote, ...]:
        """The promises in force for one holder: the content of an Echo."""
        return tuple(
            [
                Vote(group, item.holder, item.incarnation, item.ballot, item.echo)
                for group, item in self.promises.items()
                if item.holder == holder and item.incarnation == incarnation and now < item.until
            ]
        )

    def next_deadline(self, now: Instant) -> Instant:
        """When the next promise (or the quiet time) ends, or NEVER."""
        due = self.quiet_until if now < self.quiet_until else NEVER
        for promise in self.promises.values():
            if now < promise.until < due:
                due = promise.until
        return due
