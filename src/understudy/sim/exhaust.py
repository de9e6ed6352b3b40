"""Three voters, one group, and everything that can happen to them, in every order: the states and the steps between them.

The code under search is the real one: ``core.votes.Voter`` and ``core.leases.Claims``. What joins them (``core.steward``,
``core.hearing``) is followed here line by line in small, because whole nodes cannot be copied a million times. A node's
clock counts ticks; a state holds only differences to now, so that it does not matter when something happens, and two
histories that lead to the same situation are one state.

A datagram lies in the network from when it is sent until it is older than any promise: it may be taken in at any time, never, and
as often as one likes, so loss, delay, every order and copies need no steps of their own. At most ``in_flight`` lie there;
the oldest are lost then.

In scope: bids, refusals, withdrawals, heartbeats, echoes, releases to a successor; timers that come as late as they like;
crashes and restarts of the daemon at any point, with the kernel lease of its machine running on; a clock that gains or
loses a tick. Out of scope: the links' judgement of recordings (the simulator does that), relayed states, witnesses, more
than one group, a first bid by the third member (it is the second's, but for the order of equal ballots), and what
``Bounds`` leaves out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..core.leases import Claim, Claims, Stage
from ..core.votes import Promise, Voter
from ..messages import BidAnswer

GROUP = "g"
NAMES = ("a", "b", "c")
MAJORITY = 2
NOW = 1_000
"""What every clock shows while a step is made; a state holds differences to it."""
RNG = random.Random(0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """``dead`` and ``margin`` in ticks: promises last ``dead - margin``, rights a margin less. The rest: at most so many."""

    dead: int = 4
    margin: int = 1
    heartbeat: int = 1
    bids: int = 3
    crashes: int = 1
    releases: int = 0
    skews: int = 0
    in_flight: int = 6

    @property
    def promise(self) -> int:
        return self.dead - self.margin


class Node(NamedTuple):
    """One member. Times are ticks from now (left) or before now (age). ``kernel``: the right that its kernel holds."""

    up: bool = True
    incarnation: int = 1
    quiet: int = 0
    kept: bool = False
    promise: tuple[int, int, int, int, int, bool] | None = None
    highest: int = 0
    over: tuple[int, int, int] = (0, 0, 0)
    claim: tuple[int, bool, int, int, tuple[tuple[int, int], ...], int] | None = None
    kernel: int = 0
    adopting: int = 0
    counter: int = 0
    after: int = 0
    known: tuple[int, int, int] = (1, 1, 1)


class Letter(NamedTuple):
    """One datagram on its way. ``age``: since the ``sent_at`` that it carries, by that member's clock (``whose``)."""

    kind: str
    sender: int
    to: int
    incarnation: int
    ballot: int
    age: int
    whose: int
    extra: int = 0


class State(NamedTuple):
    nodes: tuple[Node, Node, Node]
    letters: tuple[Letter, ...]
    bids: int
    crashes: int
    releases: int
    skews: int


START = State((Node(), Node(), Node()), (), 0, 0, 0, 0)


@dataclass(slots=True)
class Parts:
    """One member's real parts, made from its ``Node`` and turned back into it."""

    index: int
    before: Node
    voter: Voter
    claims: Claims
    kernel: int
    adopting: int
    over: list[int]
    known: list[int]
    after: int
    sent: list[Letter]


class Search:
    """The steps from a state. ``make_voter`` and ``make_claims`` are there for tests that break one of them."""

    def __init__(self, bounds: Bounds, voter: type[Voter] = Voter, claims: type[Claims] = Claims) -> None:
        self.bounds = bounds
        self.voter = voter
        self.claims = claims

    # -- a member's real parts

    def unpack(self, index: int, node: Node) -> Parts:
        bounds = self.bounds
        voter = self.voter(NAMES[index], bounds.promise)
        voter.quiet_until = NOW + node.quiet
        voter.kept = frozenset((GROUP,)) if node.kept else frozenset()
        voter.highest[GROUP] = node.highest
        if node.promise is not None:
            holder, incarnation, ballot, age, left, held = node.promise
            voter.promises[GROUP] = Promise(NAMES[holder], incarnation, ballot, NOW - age, NOW + left, held)
        claims = self.claims(index, bounds.heartbeat, bounds.promise, bounds.margin, RNG)
        claims.counter = node.counter
        if node.claim is not None:
            ballot, held, give_up, resend, echoes, until = node.claim
            stage = Stage.HELD if held else Stage.BIDDING
            claim = Claim(GROUP, ballot, stage, NOW, NOW + give_up, NOW + resend, node.after)
            claim.echoes = {NAMES[who]: (NOW - age, bounds.promise) for who, age in echoes}
            claim.until = NOW + until
            claims.claims[GROUP] = claim
        return Parts(
            index, node, voter, claims, node.kernel, node.adopting, list(node.over), list(node.known), node.after, []
        )

    def pack(self, parts: Parts) -> Node:
        voter, claims, limit = parts.voter, parts.claims, self.bounds.dead + 1
        promise = voter.promises.get(GROUP)
        packed = None
        if promise is not None:
            age, left = min(NOW - promise.echo, limit), max(0, promise.until - NOW)
            holder = NAMES.index(promise.holder)
            packed = (holder, promise.incarnation, promise.ballot, age, left, promise.held)
        claim, said = claims.claims.get(GROUP), None
        if claim is not None:
            echoes = sorted((NAMES.index(who), NOW - at) for who, (at, _) in claim.echoes.items())
            kept = tuple((who, age) for who, age in echoes if age <= limit)
            give_up, resend = max(0, claim.give_up_at - NOW), max(0, claim.resend_at - NOW)
            held = claim.stage is Stage.HELD
            said = (claim.ballot, held, 0 if held else give_up, 0 if held else resend, kept, max(0, claim.until - NOW))
        over = (parts.over[0], parts.over[1], parts.over[2])
        known = (parts.known[0], parts.known[1], parts.known[2])
        return parts.before._replace(
            quiet=max(0, voter.quiet_until - NOW),
            promise=packed,
            highest=voter.highest.get(GROUP, 0),
            over=over,
            claim=said,
            kernel=parts.kernel,
            adopting=parts.adopting,
            counter=claims.counter,
            after=parts.after,
            known=known,
        )

    # -- what steward and hearing do, in small

    def counted(self, parts: Parts) -> None:
        claim = parts.claims.claims.get(GROUP)
        if claim is None:
            return
        until = parts.claims.count(claim, MAJORITY)
        if until <= NOW:
            return
        if claim.stage is Stage.BIDDING:
            claim.stage = Stage.HELD
            parts.adopting = 0
        parts.kernel = max(parts.kernel, until - NOW)

    def renew_own(self, parts: Parts) -> None:
        claim = parts.claims.claims.get(GROUP)
        if claim is None or (claim.stage is Stage.HELD and claim.until <= NOW):
            return
        held, me = claim.stage is Stage.HELD, NAMES[parts.index]
        if parts.voter.renew(GROUP, me, parts.before.incarnation, claim.ballot, NOW, NOW, held):
            parts.claims.echo(GROUP, claim.ballot, me, NOW, self.bounds.promise)
            if held:
                self.counted(parts)

    def post(self, parts: Parts, kind: str, ballot: int, extra: int = 0, to: int | None = None) -> None:
        for other in range(3) if to is None else (to,):
            if other != parts.index:
                me = parts.index
                parts.sent.append(Letter(kind, me, other, parts.before.incarnation, ballot, 0, me, extra))

    def bid(self, parts: Parts) -> bool:
        if GROUP in parts.claims.claims:
            return False
        claim = parts.claims.begin(GROUP, NOW, parts.after)
        if parts.adopting:
            claim.give_up_at = NOW + parts.adopting
        me = NAMES[parts.index]
        ruling = parts.voter.bid(GROUP, me, parts.before.incarnation, claim.ballot, NOW, NOW, parts.after)
        if not ruling.granted:
            return False
        parts.claims.echo(GROUP, claim.ballot, me, NOW, self.bounds.promise)
        self.post(parts, "bid", claim.ballot, parts.after)
        self.counted(parts)
        return True

    def timer(self, parts: Parts) -> None:
        """TimerDue: lapsed rights, bids that failed, and the heartbeat."""
        claim = parts.claims.claims.get(GROUP)
        if claim is not None and claim.stage is Stage.HELD and parts.claims.lapsed(NOW):
            self.forget(parts, claim, None)
        elif claim is not None and claim.stage is Stage.BIDDING and claim.give_up_at <= NOW and not parts.adopting:
            parts.claims.fail(GROUP, NOW)
            parts.voter.release(GROUP, NAMES[parts.index], claim.ballot, True)
            self.post(parts, "release", claim.ballot)
        self.renew_own(parts)
        named = parts.claims.claims.get(GROUP)
        if named is None:
            self.post(parts, "beat", 0)
        else:
            self.post(parts, "beat", named.ballot, 1 if named.stage is Stage.BIDDING else 2)

    def forget(self, parts: Parts, claim: Claim, successor: int | None) -> None:
        parts.claims.drop(GROUP)
        parts.voter.release(GROUP, NAMES[parts.index], claim.ballot, True)
        parts.kernel = 0
        parts.after = 0
        if successor is not None:
            self.post(parts, "release", claim.ballot, 1 + successor)

    def take(self, parts: Parts, letter: Letter) -> None:
        """One datagram has arrived."""
        if letter.kind in ("beat", "bid", "release"):
            if letter.incarnation < parts.known[letter.sender]:
                return
            parts.known[letter.sender] = letter.incarnation
        sent_at, sender = NOW - letter.age, NAMES[letter.sender]
        if letter.ballot:
            parts.claims.saw_ballot(letter.ballot)
        if letter.kind == "beat":
            self._beat(parts, letter, sent_at, sender)
        elif letter.kind == "bid":
            self._bid(parts, letter, sent_at, sender)
        elif letter.kind == "release":
            parts.over[letter.sender] = max(parts.over[letter.sender], letter.ballot)
            parts.voter.release(GROUP, sender, letter.ballot, True)
            parts.after = letter.ballot if letter.extra == 1 + parts.index else parts.after
        elif letter.incarnation == parts.before.incarnation:
            self._answer(parts, letter, sent_at, sender)

    def _beat(self, parts: Parts, letter: Letter, sent_at: int, sender: str) -> None:
        voter = parts.voter
        named: frozenset[str] = frozenset()
        if letter.extra:
            named = frozenset((GROUP,))
            promise = voter.promised(GROUP, NOW)
            skip = letter.extra == 1 and (promise is None or promise.ballot != letter.ballot)
            if not skip and letter.ballot > parts.over[letter.sender]:
                held = letter.extra == 2
                voter.renew(GROUP, sender, letter.incarnation, letter.ballot, sent_at, NOW, held)
        voter.not_named(sender, letter.incarnation, sent_at, named)
        for vote in voter.votes_for(sender, letter.incarnation, NOW) if letter.extra else ():
            age = NOW - vote.echo
            echo = Letter("echo", parts.index, letter.sender, letter.incarnation, vote.ballot, age, letter.sender)
            parts.sent.append(echo)

    def _bid(self, parts: Parts, letter: Letter, sent_at: int, sender: str) -> None:
        if letter.extra:
            former = letter.extra & 0xFF
            parts.over[former] = max(parts.over[former], letter.extra)
        incarnation, ballot = letter.incarnation, letter.ballot
        ruling = parts.voter.bid(GROUP, sender, incarnation, ballot, sent_at, NOW, letter.extra)
        kind = "grant" if ruling.granted else "refusal"
        parts.sent.append(
            Letter(kind, parts.index, letter.sender, incarnation, ballot, letter.age, letter.sender, ruling.highest)
        )

    def _answer(self, parts: Parts, letter: Letter, sent_at: int, sender: str) -> None:
        claim = parts.claims.claims.get(GROUP)
        if letter.kind == "echo":
            if claim is not None and claim.stage is Stage.BIDDING and sender not in claim.echoes:
                return
            parts.claims.echo(GROUP, letter.ballot, sender, sent_at, self.bounds.promise)
        elif claim is not None and claim.ballot == letter.ballot:
            me, granted = NAMES[parts.index], letter.kind == "grant"
            incarnation = parts.before.incarnation
            answer = BidAnswer(
                sender, 1, me, incarnation, GROUP, letter.ballot, sent_at, granted, self.bounds.promise, 0, letter.extra
            )
            parts.claims.answered(claim, answer, NOW)
        self.counted(parts)

    # -- the steps

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Everything that can happen next, with its name."""
        yield "a tick", self.tick(state, (0, 1, 2))
        for index, node in enumerate(state.nodes):
            yield from self._of_node(state, index, node)
        for letter in state.letters:
            if state.nodes[letter.to].up:
                parts = self.unpack(letter.to, state.nodes[letter.to])
                self.take(parts, letter)
                after = self._after(state, parts)
                if after != state:
                    yield _said(letter), after

    def _of_node(self, state: State, index: int, node: Node) -> Iterator[tuple[str, State]]:
        bounds, name = self.bounds, NAMES[index]
        if state.skews < bounds.skews:
            yield f"the clock of {name} gains a tick", self.tick(state, (index,))._replace(skews=state.skews + 1)
            others = tuple(other for other in range(3) if other != index)
            yield f"the clock of {name} loses a tick", self.tick(state, others)._replace(skews=state.skews + 1)
        if not node.up:
            fresh = Node(True, node.incarnation + 1, bounds.dead, node.kernel > 0, kernel=node.kernel)
            fresh = fresh._replace(adopting=node.kernel, counter=node.counter)
            yield f"{name} starts again", self._put(state, index, fresh)
            return
        promised = any(other.promise is not None and other.promise[0] == index for other in state.nodes)
        if node.claim is not None or promised:
            parts = self.unpack(index, node)
            self.timer(parts)
            yield f"timer of {name}", self._after(state, parts)
        if state.crashes < bounds.crashes:
            dead = Node(False, node.incarnation, kernel=node.kernel, counter=node.counter)
            yield f"{name} dies", self._put(state, index, dead)._replace(crashes=state.crashes + 1)
        if state.bids < bounds.bids and node.claim is None and (state.bids or index < 2):
            parts = self.unpack(index, node)
            if self.bid(parts):
                yield f"{name} bids", self._after(state, parts)._replace(bids=state.bids + 1)
        if state.releases < bounds.releases and node.claim is not None and node.claim[1]:
            for successor in range(3):
                if successor != index and node.claim[5] > 0:
                    parts = self.unpack(index, node)
                    self.forget(parts, parts.claims.claims[GROUP], successor)
                    text = f"{name} releases to {NAMES[successor]}"
                    yield text, self._after(state, parts)._replace(releases=state.releases + 1)

    def _put(self, state: State, index: int, node: Node) -> State:
        nodes = list(state.nodes)
        nodes[index] = node
        return state._replace(nodes=(nodes[0], nodes[1], nodes[2]))

    def _after(self, state: State, parts: Parts) -> State:
        letters = {*state.letters, *parts.sent}
        if len(letters) > self.bounds.in_flight:
            youngest = sorted(letters, key=lambda letter: letter.age)  # the oldest were lost
            letters = set(youngest[: self.bounds.in_flight])
        return self._put(state, parts.index, self.pack(parts))._replace(letters=tuple(sorted(letters)))

    def tick(self, state: State, clocks: tuple[int, ...]) -> State:
        """Time passes on ``clocks``: what is left there shrinks, what was read from them is older."""
        limit = self.bounds.dead + 1
        nodes = []
        for index, node in enumerate(state.nodes):
            promise, claim = node.promise, node.claim
            if promise is not None:
                holder, incarnation, ballot, age, left, held = promise
                age = min(limit, age + 1) if holder in clocks else age
                promise = (holder, incarnation, ballot, age, max(0, left - 1) if index in clocks else left, held)
            if index in clocks:
                if claim is not None:
                    ballot, held, give_up, resend, echoes, until = claim
                    older = tuple((who, age + 1) for who, age in echoes if age < limit)
                    claim = (ballot, held, max(0, give_up - 1), max(0, resend - 1), older, max(0, until - 1))
                node = node._replace(
                    quiet=max(0, node.quiet - 1), kernel=max(0, node.kernel - 1), adopting=max(0, node.adopting - 1)
                )
            nodes.append(node._replace(promise=promise, claim=claim))
        letters = [
            letter._replace(age=letter.age + 1) if letter.whose in clocks else letter for letter in state.letters
        ]
        young = tuple(sorted(letter for letter in letters if letter.age <= limit))
        return state._replace(nodes=(nodes[0], nodes[1], nodes[2]), letters=young)


def _said(letter: Letter) -> str:
    ballot = f" {letter.ballot >> 8}{NAMES[letter.ballot & 3]}" if letter.ballot else ""
    return f"{NAMES[letter.to]} takes in the {letter.kind}{ballot} of {NAMES[letter.sender]}"


def wrong(state: State) -> str:
    """What must not be, or ""."""
    serving = [NAMES[index] for index, node in enumerate(state.nodes) if node.kernel > 0]
    if len(serving) > 1:
        return f"{' and '.join(serving)} both serve"
    holding = [
        (NAMES[index], node.claim[0])
        for index, node in enumerate(state.nodes)
        if node.up and node.claim is not None and node.claim[1] and node.claim[5] > 0
    ]
    if len(holding) > 1:
        return f"{' and '.join(name for name, _ in holding)} both have the right"
    return ""
