"""The deliberate faults, one at a time: leases, votes, quorum, freshness."""

# ruff: noqa: E501

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """``old`` occurs exactly once in ``file`` (below ``core/``). ``breaks``: what goes wrong. ``reason``: why it may survive."""

    name: str
    file: str
    old: str
    new: str
    breaks: str
    reason: str = ""


LEASE = (
    Mutant(
        "promise-not-exclusive",
        "votes.py",
        "if promise is not None and promise.holder != bidder and now < promise.until and not released:",
        "if False:",
        "a voter helps a second holder while its promise to the first runs",
    ),
    Mutant(
        "promise-ends-early",
        "votes.py",
        "ballot, echo, now + self.dead_time, held)",
        "ballot, echo, now + self.dead_time // 2, held)",
        "promises end before the rights that rest on them",
    ),
    Mutant(
        "no-quiet-time-for-bids",
        "votes.py",
        "if self.quiet(now) and not (bidder == self.me and group in self.kept):",
        "if False:",
        "a restarted voter grants what it may have promised to another",
    ),
    Mutant(
        "no-quiet-time-for-renewals",
        "votes.py",
        "if self.quiet(now) and not (holder == self.me and group in self.kept):",
        "if False:",
        "a restarted voter promises by renewal what it may have promised to another",
        "A second guard: only a member with a majority names a hold, and a bid is promised by bid(), which is quiet; so no renewal can be for another holder than the forgotten one.",
    ),
    Mutant(
        "quiet-for-itself-too",
        "votes.py",
        "if self.quiet(now) and not (bidder == self.me and group in self.kept):",
        "if self.quiet(now):",
        "a restarted holder cannot take up what its machine still serves",
    ),
    Mutant(
        "renewal-overrides-promise",
        "votes.py",
        "if promise.holder != holder and now < promise.until:",
        "if False:",
        "a heartbeat takes over a promise that was given to another",
    ),
    Mutant(
        "older-ballot-renews",
        "votes.py",
        "if promise.holder == holder and ballot < promise.ballot:",
        "if False:",
        "an old heartbeat brings back a ballot that was replaced",
        "The promise stays with the same holder, and an echo with an old ballot counts for nothing: the right ends early at worst.",
    ),
    Mutant(
        "ballots-need-not-grow",
        "votes.py",
        "if ballot <= highest and not repeated:",
        "if False:",
        "two holders one after the other may have the same or falling ballots",
    ),
    Mutant(
        "release-frees-nothing",
        "votes.py",
        "        del self.promises[group]\n        return True",
        "        return True",
        "a released group waits for the whole promise",
    ),
    Mutant(
        "release-of-any-ballot",
        "votes.py",
        "if promise is None or promise.holder != holder or promise.ballot != ballot:",
        "if promise is None or promise.holder != holder:",
        "an old release frees the promise behind a newer lease",
        "the release of an older lease has to come within microseconds of the next one; tests/core/test_core_lease_safety.py sees it",
    ),
    Mutant(
        "not-named-by-any-life",
        "votes.py",
        "            and promise.incarnation == incarnation\n            and promise.echo < sent_at\n",
        "            and promise.echo < sent_at\n",
        "the first word of a restarted holder frees promises that its kernel lease rests on",
    ),
    Mutant(
        "not-named-by-old-word",
        "votes.py",
        "            and promise.echo < sent_at\n",
        "",
        "a heartbeat from before the bid frees the promise",
    ),
    Mutant(
        "unfinished-forgotten",
        "votes.py",
        "return Ruling(True, unfinished=tuple(Unfinished(item.ballot, item.holder) for item in others))",
        "return Ruling(True)",
        "voters do not say whose programs may still run",
        "it takes a holder that the next one never heard of, and that hides its programs; tests/core/test_core_votes.py sees it",
    ),
    Mutant(
        "stopped-by-old-word",
        "votes.py",
        "if last is not None and (last.incarnation != incarnation or sent_at > last.echo):",
        "if last is not None:",
        "a word from before the bid counts as proof of stop",
        "a heartbeat has to overtake the bid that it was sent before, and its sender to fail at once; tests/core/test_core_votes.py sees it",
    ),
    Mutant(
        "echo-goes-back",
        "votes.py",
        "echo = max(echo, promise.echo)",
        "echo = echo",
        "a late packet makes an echo older",
        "An older echo makes a right shorter, never longer; the next heartbeat mends it.",
    ),
    Mutant(
        "waits-for-bids",
        "votes.py",
        "left if promise.held else 0",
        "left",
        "bids wait for each other's end and renew each other for ever",
    ),
    Mutant(
        "right-without-margin",
        "leases.py",
        "else ends[votes - 1] - self.margin",
        "else ends[votes - 1] + 2 * self.margin",
        "the right outlives the promises behind it",
    ),
    Mutant(
        "right-by-newest-echo",
        "leases.py",
        "else ends[votes - 1] - self.margin",
        "else ends[0] - self.margin",
        "one voter's echo counts for a majority",
    ),
    Mutant(
        "right-by-own-dead-time",
        "leases.py",
        "sent_at + min(self.dead_time, dead_time) for",
        "sent_at + self.dead_time for",
        "a voter's shorter promise is counted as long as ours",
    ),
    Mutant(
        "fewer-votes",
        "leases.py",
        "if len(ends) < votes else",
        "if len(ends) + 1 < votes else",
        "a right without a majority",
    ),
    Mutant(
        "echo-of-other-ballots",
        "leases.py",
        "if claim is None or claim.ballot != ballot:",
        "if claim is None:",
        "echoes of an earlier lease count for this one",
        "A second guard: a vote counts for a bid only once it was granted, and what was sent before the bid began is too old to give a right.",
    ),
    Mutant(
        "older-echo-counts",
        "leases.py",
        "if known is None or sent_at > known[0]:",
        "if known is None or sent_at < known[0]:",
        "rights do not grow with newer echoes",
    ),
    Mutant(
        "bid-never-withdrawn",
        "leases.py",
        "give_up_at=now + self.heartbeat * 5 // 2,",
        "give_up_at=now + self.heartbeat * 5000,",
        "a bid that failed stands for ever and locks others out",
    ),
    Mutant(
        "bids-not-repeated",
        "leases.py",
        "resend_at=now + self.heartbeat,",
        "resend_at=now + self.heartbeat * 5000,",
        "a lost bid is not repeated",
    ),
    Mutant(
        "no-back-off",
        "leases.py",
        "self.not_before[group] = now + span // 2 + self.rng.randrange(span)",
        "self.not_before[group] = now",
        "bidders that collide collide again",
    ),
    Mutant(
        "ballot-from-nothing",
        "leases.py",
        "self.counter = max(self.counter, ballot >> 8)",
        "pass",
        "a node bids below what it has seen",
    ),
    Mutant(
        "lapse-not-noticed",
        "leases.py",
        "if item.stage is Stage.HELD and now >= item.until]",
        "if item.stage is Stage.HELD and now >= item.until + 10**10]",
        "a lapsed holder goes on",
    ),
    Mutant(
        "any-two-are-a-majority",
        "quorum.py",
        "        return cluster.majority\n    if cluster.quorum is Quorum.FENCE",
        "        return cluster.majority - 1\n    if cluster.quorum is Quorum.FENCE",
        "half of the voters are enough",
    ),
    Mutant(
        "fence-takes-alone",
        "quorum.py",
        "return 1 if holding or around.peer_off else 2",
        "return 1",
        "under fence a group is taken without the peer's vote or its being off",
    ),
    Mutant(
        "fence-never-by-off",
        "quorum.py",
        "return 1 if holding or around.peer_off else 2",
        "return 1 if holding else 2",
        "a fenced peer's vote is still waited for",
    ),
    Mutant(
        "fence-cannot-keep",
        "quorum.py",
        "return 1 if holding or around.peer_off else 2",
        "return 1 if around.peer_off else 2",
        "the loss of a spare stops the service",
    ),
    Mutant(
        "pair-takes-without-ping",
        "quorum.py",
        "return 1 if around.reaches_ping else 3",
        "return 1",
        "a machine that is cut off from everything takes the group",
    ),
    Mutant(
        "pair-keeps-without-ping",
        "quorum.py",
        "return 2 if around.cut_off else 1",
        "return 1",
        "a machine that is cut off from everything keeps the group",
    ),
    Mutant(
        "pair-does-not-ask",
        "quorum.py",
        "return cluster.quorum is Quorum.PAIR and needed(cluster, around) == 1",
        "return False",
        "a cut heartbeat cable gives two owners",
    ),
    Mutant(
        "replay-window-off",
        "links.py",
        "        if behind >= WINDOW:\n            return Drop.REPLAYED",
        "        if behind >= WINDOW:\n            return None",
        "recordings count as signs of life",
        "The window is 4 096 datagrams, more than a simulated run sends; unit tests see it.",
    ),
    Mutant(
        "copies-count",
        "links.py",
        "        if self.seen & bit:\n            return Drop.COPY",
        "        if False:\n            return Drop.COPY",
        "a datagram is taken for news as often as it is copied",
    ),
    Mutant(
        "any-incarnation-is-fresh",
        "links.py",
        "item.node == self.me and item.incarnation == self.incarnation and item.number > floor",
        "True",
        "a recording of an earlier life replaces the living one",
    ),
    Mutant(
        "freshness-by-any-number",
        "links.py",
        "item.incarnation == self.incarnation and item.number > floor",
        "item.incarnation == self.incarnation",
        "words of a life that ended before ours was heard pass for new",
    ),
    Mutant(
        "old-news-counts",
        "links.py",
        "if state.number <= peer.number:",
        "if False:",
        "an older state replaces a newer one",
        "A second guard behind the replay window; the state is put right by the next heartbeat, and votes do not rest on it. Unit tests see it.",
    ),
    Mutant(
        "retired-may-return",
        "links.py",
        "            peer.retired.add(peer.current)\n",
        "",
        "an incarnation that was replaced comes back",
        "A second guard: an incarnation that was replaced must name our newest number again before it counts. Unit tests see it.",
    ),
)
