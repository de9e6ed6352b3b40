"""The right to run a group: bidding for it, holding it while a majority echoes, letting it go.

A right is counted, never stored: it lasts until ``s + P - margin``, where ``s`` is our own ``sent_at`` of the newest message
that enough voters have echoed, and ``P`` the length of a promise (``Cluster.silence``), ours or the voter's, whichever is
shorter. Every echo moves it, nothing else does.

A bid stands for two heartbeats and a half. While it stands it is repeated each heartbeat, and to a voter that refused
because of a promise which is about to end, just when that promise ends: asking later costs a power-off up to a
heartbeat. A bid that fails is withdrawn (a standing one would lock others out) and tried again after a back-off drawn
from the seeded source.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..messages import BidAnswer, Hold, Unfinished
from ..units import MILLISECOND, NEVER, Duration, Instant


class Stage(Enum):
    """``BIDDING``: votes are being asked for. ``HELD``: a majority has echoed, and the right has not lapsed."""

    BIDDING = "bidding"
    HELD = "held"


BIDDING, HELD = Stage.BIDDING, Stage.HELD


@dataclass(slots=True)
class Claim:
    """Our bid for one group, or our hold of it. ``echoes``: for each voter (our ``sent_at`` it echoed, its dead time).

    ``unfinished``: by the word of those who granted it, whose programs may still run somewhere; with ``newest_only`` one of
    them may know of more. ``raised``: made at once instead of one whose ballot a voter had seen exceeded.
    """

    group: str
    ballot: int
    stage: Stage
    since: Instant
    give_up_at: Instant
    resend_at: Instant
    after: int = 0
    echoes: dict[str, tuple[Instant, Duration]] = field(default_factory=dict)
    ask_again: dict[str, Instant] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)
    unfinished: set[Unfinished] = field(default_factory=set)
    newest_only: bool = False
    raised: bool = False
    until: Instant = 0


class Claims:
    """Our bids and holds. ``index`` (0 to 255) makes our ballots differ from everybody else's."""

    def __init__(
        self, index: int, heartbeat: Duration, dead_time: Duration, margin: Duration, rng: random.Random
    ) -> None:
        self.index = index
        self.heartbeat = heartbeat
        self.dead_time = dead_time
        self.margin = margin
        self.rng = rng
        self.claims: dict[str, Claim] = {}
        self.not_before: dict[str, Instant] = {}
        self.counter = 0
        self.failed_bids = 0

    def start(self, wall_clock: int) -> None:
        """Ballots begin at the wall clock (ms), so that they grow across a restart of everything."""
        self.counter = max(self.counter, wall_clock)

    def saw_ballot(self, ballot: int) -> None:
        self.counter = max(self.counter, ballot >> 8)

    def begin(self, group: str, now: Instant, after: int = 0) -> Claim:
        """A new bid with a ballot above all that were seen."""
        self.counter += 1
        claim = Claim(
            group,
            (self.counter << 8) | self.index,
            Stage.BIDDING,
            now,
            give_up_at=now + self.heartbeat * 5 // 2,
            resend_at=now + self.heartbeat,
            after=after,
        )
        self.claims[group] = claim
        return claim

    def echo(self, group: str, ballot: int, voter: str, sent_at: Instant, dead_time: Duration) -> None:
        """``voter`` promised us, having heard what we sent at ``sent_at``. Echoes of other ballots mean nothing."""
        claim = self.claims.get(group)
        if claim is None or claim.ballot != ballot:
            return
        known = claim.echoes.get(voter)
        if known is None or sent_at > known[0]:
            claim.echoes[voter] = (sent_at, dead_time)
            claim.ask_again.pop(voter, None)
            claim.refusals.pop(voter, None)

    def count(self, claim: Claim, votes: int, joint: Iterable[frozenset[str]] = ()) -> Instant:
        """Until when ``votes`` voters' promises give the right, or 0 if fewer have echoed. Stored in ``claim.until``.

        ``joint``: while the voters change, the sets of which each must give its own majority, whatever ``votes`` is.
        """
        found = [self._end(claim, len(each) // 2 + 1, each) for each in joint] or [
            self._end(claim, votes, claim.echoes)
        ]
        claim.until = max(claim.until, min(found))
        return claim.until

    def _end(self, claim: Claim, votes: int, voters: Container[str]) -> Instant:
        echoes = [item for voter, item in claim.echoes.items() if voter in voters]
        ends = sorted([sent_at + min(self.dead_time, dead_time) for sent_at, dead_time in echoes], reverse=True)
        return 0 if len(ends) < votes else ends[votes - 1] - self.margin

    def answered(self, claim: Claim, answer: BidAnswer, now: Instant) -> None:
        """A voter's answer to our standing bid."""
        if answer.granted:
            self.echo(claim.group, answer.ballot, answer.voter, answer.echo, answer.dead_time)
            claim.unfinished.update(answer.unfinished)
            claim.newest_only |= answer.newest_only
            return
        self.saw_ballot(answer.highest)
        claim.refusals[answer.voter] = answer.why
        if answer.voter in claim.echoes:
            return
        if 0 < answer.wait <= self.heartbeat * 5 // 2:
            again = now + answer.wait
            claim.ask_again[answer.voter] = again
            claim.give_up_at = max(claim.give_up_at, again + self.heartbeat)

    def hopeless(self, claim: Claim, voters: int, votes: int, joint: Iterable[frozenset[str]] = ()) -> bool:
        """Enough voters refused for longer than a bid may stand: no majority can come of it. ``joint`` as in ``count``."""
        refused = {voter for voter in claim.refusals if voter not in claim.ask_again}
        return voters - len(refused) < votes or any(len(each - refused) <= len(each) // 2 for each in joint)

    def fail(self, group: str, now: Instant) -> Claim:
        """Give a bid up; the next may start after a random back-off of half to one and a half heartbeats."""
        claim = self.claims.pop(group)
        self.failed_bids += 1
        span = max(self.heartbeat, 2 * MILLISECOND)
        self.not_before[group] = now + span // 2 + self.rng.randrange(span)
        return claim

    def drop(self, group: str) -> Claim | None:
        return self.claims.pop(group, None)

    def held(self, group: str) -> Claim | None:
        claim = self.claims.get(group)
        return claim if claim is not None and claim.stage is HELD else None

    def holds(self) -> tuple[Hold, ...]:
        """What our heartbeats name: holds and bids.

        A hold is named until its lapse was dealt with. Leaving it out earlier would free the voters' promises while an
        echo that is still on its way could bring the right back here.
        """
        return tuple([Hold(item.group, item.ballot, item.stage is BIDDING) for item in self.claims.values()])

    def lapsed(self, now: Instant) -> list[Claim]:
        """Holds whose right is over."""
        return [item for item in self.claims.values() if item.stage is Stage.HELD and now >= item.until]

    def next_deadline(self) -> Instant:
        """When a right lapses or a bid wants to be repeated or given up, or NEVER."""
        due = NEVER
        for claim in self.claims.values():
            held = claim.stage is HELD
            at = claim.until if held else min(claim.give_up_at, claim.resend_at, *claim.ask_again.values())
            if at < due:
                due = at
        return due
