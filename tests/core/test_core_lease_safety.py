"""The lease as a whole, from its two halves alone: whatever is lost, late or restarted, never two rights at one instant.

Three members vote, two of them bid. Each has a clock of its own, up to half a per cent fast or slow. Messages arrive
when they like or never. A right is what the kernel was told: it lasts through the death of the process that won it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

import pytest

from understudy.core.leases import Claims, Stage
from understudy.core.votes import Voter
from understudy.messages import BidAnswer

DEAD, BEAT, MARGIN = 100_000, 20_000, 1_000
SILENCE = DEAD - MARGIN
GROUP, NAMES = "site", ("ha01", "ha02", "arbiter")
LOST = -1


Delays: TypeAlias = tuple[int, int, int, int]
"""To the first of the others, to the second, and of their answers."""


@dataclass
class Machine:
    """``rate``: how many ticks its clock makes in 10 000 of the world's. ``kernel_until`` is by its own clock."""

    index: int
    rate: int
    offset: int
    incarnation: int = 1
    kernel_until: int = 0
    over: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.voter = Voter(NAMES[self.index], SILENCE)
        self.claims = Claims(self.index, BEAT, SILENCE, MARGIN, random.Random(self.index))

    @property
    def name(self) -> str:
        return NAMES[self.index]


class World:
    def __init__(self, rates: list[int], offsets: list[int]) -> None:
        self.now = 0
        self.machines = [Machine(index, rates[index], offsets[index]) for index in range(3)]
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.order = count()
        for machine in self.machines:
            machine.voter.start(self.clock(machine), 0, frozenset())

    def clock(self, machine: Machine) -> int:
        return machine.offset + self.now * machine.rate // 10_000

    def send(self, delay: int, arrive: Callable[[], None]) -> None:
        if delay != LOST:
            heapq.heappush(self.queue, (self.now + delay, next(self.order), arrive))

    def pass_time(self, until: int) -> None:
        while self.queue and self.queue[0][0] <= until:
            self.now = max(self.now, self.queue[0][0])
            heapq.heappop(self.queue)[2]()
            self.judge()
        self.now = until
        self.judge()

    def judge(self) -> None:
        for machine in self.machines:
            for claim in machine.claims.lapsed(self.clock(machine)):
                machine.claims.drop(claim.group)
                machine.voter.release(GROUP, machine.name, claim.ballot, stopped=False)
        serving = [item.name for item in self.machines if self.clock(item) < item.kernel_until]
        assert len(serving) <= 1, f"at {self.now} all of {serving} may serve"

    # What members do

    def bid(self, machine: Machine, delays: Delays) -> None:
        if GROUP in machine.claims.claims:
            return
        sent_at, incarnation = self.clock(machine), machine.incarnation
        claim = machine.claims.begin(GROUP, sent_at)
        if not machine.voter.bid(GROUP, machine.name, incarnation, claim.ballot, sent_at, sent_at).granted:
            machine.claims.drop(GROUP)
            return
        machine.claims.echo(GROUP, claim.ballot, machine.name, sent_at, SILENCE)
        for other, delay, back in zip(self.others(machine), delays[:2], delays[2:], strict=True):
            self.send(
                delay,
                lambda other=other, back=back: self.hear_bid(other, machine, incarnation, claim.ballot, sent_at, back),
            )

    def hear_bid(self, voter: Machine, bidder: Machine, incarnation: int, ballot: int, sent_at: int, back: int) -> None:
        voter.claims.saw_ballot(ballot)
        ruling = voter.voter.bid(GROUP, bidder.name, incarnation, ballot, sent_at, self.clock(voter))
        answer = BidAnswer(
            voter.name, 1, bidder.name, incarnation, GROUP, ballot, sent_at, ruling.granted, SILENCE, 0, ruling.highest
        )

        def arrive() -> None:
            claim = bidder.claims.claims.get(GROUP)
            if claim is not None and claim.ballot == ballot and bidder.incarnation == incarnation:
                bidder.claims.answered(claim, answer, self.clock(bidder))
                self.count(bidder)

        self.send(back, arrive)

    def beat(self, machine: Machine, delays: Delays) -> None:
        sent_at, incarnation = self.clock(machine), machine.incarnation
        claim = machine.claims.claims.get(GROUP)
        if claim is not None:
            held = claim.stage is Stage.HELD
            if machine.voter.renew(GROUP, machine.name, incarnation, claim.ballot, sent_at, sent_at, held):
                machine.claims.echo(GROUP, claim.ballot, machine.name, sent_at, SILENCE)
                self.count(machine)
        holds = tuple((item.ballot, item.bidding) for item in machine.claims.holds())
        for other, delay, back in zip(self.others(machine), delays[:2], delays[2:], strict=True):
            self.send(
                delay, lambda other=other, back=back: self.hear_beat(other, machine, incarnation, holds, sent_at, back)
            )

    def hear_beat(
        self,
        voter: Machine,
        sender: Machine,
        incarnation: int,
        holds: tuple[tuple[int, bool], ...],
        sent_at: int,
        back: int,
    ) -> None:
        now = self.clock(voter)
        for ballot, bidding in holds:
            voter.claims.saw_ballot(ballot)
            promise = voter.voter.promised(GROUP, now)
            known = promise is not None and promise.ballot == ballot
            if (known or not bidding) and ballot > voter.over.get(sender.name, 0):
                voter.voter.renew(GROUP, sender.name, incarnation, ballot, sent_at, now, not bidding)
        voter.voter.not_named(sender.name, incarnation, sent_at, frozenset({GROUP} if holds else ()))
        votes = voter.voter.votes_for(sender.name, incarnation, now)

        def arrive() -> None:
            for vote in votes:
                if sender.incarnation == vote.incarnation:
                    sender.claims.echo(GROUP, vote.ballot, voter.name, vote.echo, SILENCE)
                    self.count(sender)

        self.send(back, arrive)

    def count(self, machine: Machine) -> None:
        claim = machine.claims.claims.get(GROUP)
        if claim is None:
            return
        until = machine.claims.count(claim, 2)
        if until > self.clock(machine):
            claim.stage = Stage.HELD
            machine.kernel_until = until

    def release(self, machine: Machine, delays: Delays) -> None:
        claim = machine.claims.drop(GROUP)
        if claim is None:
            return
        machine.kernel_until = 0
        machine.voter.release(GROUP, machine.name, claim.ballot, stopped=True)

        def arrive(other: Machine) -> None:
            other.over[machine.name] = max(claim.ballot, other.over.get(machine.name, 0))
            other.voter.release(GROUP, machine.name, claim.ballot, stopped=True)

        for other, delay in zip(self.others(machine), delays[:2], strict=True):
            self.send(delay, lambda other=other: arrive(other))

    def restart(self, machine: Machine) -> None:
        """The process is new; what it promised is forgotten, what it told the kernel is not."""
        fresh = Machine(machine.index, machine.rate, machine.offset)
        machine.voter, machine.claims, machine.over = fresh.voter, fresh.claims, {}
        machine.voter.start(self.clock(machine), DEAD, frozenset())
        machine.incarnation += 1

    def next_end(self) -> int:
        """The first instant of the world at which some voter's promise is over."""
        ends = []
        for machine in self.machines:
            promise = machine.voter.promised(GROUP, self.clock(machine))
            if promise is not None:
                ends.append(-((machine.offset - promise.until) * 10_000 // machine.rate))
        return max(self.now, min(ends, default=self.now))

    def others(self, machine: Machine) -> list[Machine]:
        return [item for item in self.machines if item is not machine]


NOW: Delays = (0, 0, 0, 0)


def weather(rng: random.Random, reach: dict[tuple[int, int], bool], machine: Machine) -> Delays:
    """Delays of one message to each of the others and of their answers, over the links that are up."""
    index, others = machine.index, [item for item in range(3) if item != machine.index]
    links = [(index, other) for other in others] + [(other, index) for other in others]
    first, second, third, fourth = (rng.choice((0, 0, 0, BEAT // 10, BEAT)) if reach[link] else LOST for link in links)
    return first, second, third, fourth


def turn(world: World, rng: random.Random, reach: dict[tuple[int, int], bool]) -> None:
    """Everybody beats; bidders bid when they think that they may, and sometimes when not; now and then one is restarted."""
    for machine in rng.sample(world.machines, 3):
        delays = weather(rng, reach, machine)
        chance = rng.random()
        if chance < 0.04:
            world.restart(machine)
        elif chance < 0.08:
            world.release(machine, delays)
        elif chance < 0.9:
            world.beat(machine, delays)
        promise = machine.voter.promised(GROUP, world.clock(machine))
        claim = machine.claims.claims.get(GROUP)
        if claim is not None and claim.stage is Stage.BIDDING and rng.random() < 0.3:
            world.release(machine, delays)
        if machine.index < 2 and (promise is None or rng.random() < 0.1):
            world.bid(machine, weather(rng, reach, machine))
    world.pass_time(min(world.next_end() + rng.choice((0, 1)), world.now + BEAT))


def play(seed: int) -> World:
    rng = random.Random(seed)
    world = World([rng.choice((9_950, 10_000, 10_050)) for _ in range(3)], [rng.randrange(10 * DEAD) for _ in range(3)])
    links = [(one, other) for one in range(3) for other in range(3) if one != other]
    reach = dict.fromkeys(links, True)
    for _ in range(60):
        if rng.random() < 0.15:
            reach = {link: rng.random() < 0.6 for link in links}
        turn(world, rng, reach)
    return world


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_never_two_rights_at_one_instant(first: int) -> None:
    for seed in range(first, first + 50):
        play(seed)


def test_the_search_sees_rights_change_hands() -> None:
    """A search in which nobody ever wins proves nothing."""
    winners = [item.name for seed in range(40) for item in play(seed).machines if item.kernel_until]
    assert min(winners.count("ha01"), winners.count("ha02")) > 10


def alone(delays: Delays, rates: tuple[int, int, int] = (9_950, 10_050, 10_050)) -> World:
    """ha01 has bid, and nothing else has happened."""
    world = World(list(rates), [0, 7, 99])
    world.bid(world.machines[0], delays)
    world.pass_time(world.now)
    return world


def test_the_closest_case_a_slow_holder_and_fast_voters() -> None:
    """The right ends before the promises although its clock is slow and theirs are fast; then the next bid wins at once."""
    world = alone(NOW)
    world.pass_time(world.next_end() + 2)
    assert world.clock(world.machines[0]) >= world.machines[0].kernel_until > 0
    world.bid(world.machines[1], (LOST, 0, LOST, 0))
    world.pass_time(world.now)
    second = world.machines[1]
    assert world.clock(second) < second.kernel_until, "and nobody waits longer than need be"


def test_a_restarted_voter_keeps_quiet_for_long_enough() -> None:
    world = alone((LOST, 0, LOST, 0))
    world.restart(world.machines[2])
    second = world.machines[1]
    while world.clock(second) >= second.kernel_until:
        assert world.now < 3 * DEAD, "nobody ever got the lease"
        second.claims.drop(GROUP)
        world.bid(second, (LOST, 0, LOST, 0))
        world.pass_time(world.now + BEAT // 10)
