"""All groups on this node: whether to bid, what follows from a lease won or lost, and when to let go.

One ``Steward`` joins the parts that know nothing of each other: claims (our rights), the voter (our promises), executions (our
resources), announcements and proof of stop. It is told the plan and follows it:

* nobody holds a group and the plan (or the releasing holder) names us: bid;
* a bid wins: kernel lease first, then the resources;
* the plan names another node for a group that we hold: stop, and only then release, naming the successor;
* our right lapses: addresses off at once, the rest is stopped; others may bid already.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from ..effects import Announce as AnnounceEffect
from ..effects import Effect, KernelLease, Level, Note, Send
from ..errors import check
from ..events import Outcome, ProbeAnswered
from ..messages import Bid, BidAnswer, Release, Unfinished
from ..model import AddressResource, Cluster, Quorum
from ..units import MILLISECOND, NEVER, Duration, Instant, format_duration
from . import asking, awaiting, ordering
from .charge import Charge, Reservation
from .execution import Execution
from .fencing import Fencing
from .leases import BIDDING, HELD, Claim, Claims, Stage
from .parts import Fact, State, Wanted
from .placement import Decision
from .proof import Proof
from .quorum import Surroundings, alone, needed, reach
from .stopping import outcome
from .tally import Tally
from .votes import Voter


class Steward:
    """The groups of ``cluster`` on node ``me``. ``emit`` takes effects in order."""

    def __init__(
        self,
        cluster: Cluster,
        me: str,
        voter: Voter,
        rng: random.Random,
        next_op: Callable[[], int],
        present: frozenset[str],
        emit: Callable[[Effect], None],
    ) -> None:
        self.cluster, self.me, self.voter = cluster, me, voter
        self.emit = emit
        self.next_op = next_op
        self.ordered = sorted(cluster.names)
        self.claims = Claims(self.ordered.index(me), cluster.heartbeat, cluster.silence, cluster.margin, rng)
        others = tuple(node.name for node in cluster.nodes if node.name != me)
        self.proof = Proof(cluster.groups, others, cluster.digest)
        self.charges = {group.name: Charge(group, Execution(group, next_op, present)) for group in cluster.groups}
        self.incarnation = 0
        self.around = Surroundings()
        self.fencing = Fencing(cluster, me, next_op, emit)
        self.tally = Tally()
        self.watchdog: Duration = 0  # the time-out of ours, if it is armed
        self.joint: tuple[frozenset[str], ...] = ()
        """While the voters change: the two sets of which a majority each is needed (``electorate``)."""
        self.alive: frozenset[str] = frozenset()
        self.deaf: frozenset[str] = frozenset()
        """Living members that have heard nothing of us for longer than a dead time (only followed under ``fence``)."""
        self.met: frozenset[str] = frozenset()
        """Members heard since we started; then the groups on which each is stuck, and what each held by its last word."""
        self.stuck: dict[str, frozenset[str]] = {}
        self.last_held: dict[str, frozenset[str]] = {}
        self.known_since: dict[str, Instant] = {}
        """When we first heard the present incarnation of each other member: since then at least it remembers its promises."""
        self.started: frozenset[str] = frozenset()
        """Groups that have started, where some group has to start after them."""
        self.wake_at: Instant = NEVER
        self.changed = True

    def wake(self, at: Instant) -> None:
        """Look at everything again at ``at``."""
        self.wake_at = min(self.wake_at, at)

    def note(self, why: str, group: str = "", level: Level = Level.INFO) -> None:
        self.emit(Note(why, level, group, self.me))

    # Following the plan

    def follow(self, decisions: Mapping[str, Decision], holders: Mapping[str, str], ready: bool, now: Instant) -> None:
        """Bring what we hold and run nearer to the plan. ``ready``: this node may bid for groups that nobody holds."""
        for name, charge in self.charges.items():
            decision = decisions[name]
            claim = self.claims.claims.get(name)
            if claim is not None and claim.stage is HELD:
                if now >= claim.until:
                    continue  # lapsed; only the timer may deal with it, and nothing is begun before
                self._follow_held(charge, claim, decision, now, decisions)
            elif claim is not None:
                if self.me not in decision.order and not self.adopting(name, now):
                    self.withdraw(name, decision.why, now)
            else:
                self._follow_vacant(charge, decision, holders.get(name), ready, now)
            self._advance(charge, now)
            for effect in charge.health.follow(charge.execution, self.next_op, now):
                self.emit(effect)

    def _follow_held(
        self, charge: Charge, claim: Claim, decision: Decision, now: Instant, all_of_them: Mapping[str, Decision]
    ) -> None:
        if not charge.execution.watching:  # in maintenance nobody is fenced
            awaiting.look(self, charge, now)
        target, why = decision.node, decision.why
        if charge.moving_to is not None:
            if charge.moving_to in decision.order:
                target, why = charge.moving_to, f"an operator moves it to {charge.moving_to}"
            else:
                reason = decision.not_on.get(charge.moving_to, "it is not able to run it")
                self.note(f"the move to {charge.moving_to} is off: {reason}", charge.group.name, Level.WARNING)
                charge.moving_to = None
        if decision.wait:
            self.wake(now + decision.wait)
        execution = charge.execution
        execution.right_until = claim.until
        execution.waits = ordering.waits_for(self, charge)
        if target == self.me:
            execution.want(Wanted.RUN, now, claim.ballot)
            charge.why_here = why
            return
        first = ordering.stop_first(self, charge, all_of_them, now)
        if first:
            charge.why_here = f"leaves {self.me} when {' and '.join(first)} has stopped: {why}"
            return
        if execution.wanted is not Wanted.STOP:
            charge.announcements.stop()
            charge.why_here = why
            self.note(f"leaves {self.me} for {target or 'nowhere'}: {why}", charge.group.name)
        execution.want(Wanted.STOP, now, claim.ballot)
        self._advance(charge, now)
        stuck = execution.stuck()
        if stuck:
            charge.why_here = f"cannot leave {self.me}: {', '.join(stuck)} did not stop; {why}"
        if execution.safe_to_release(now):
            if target is not None:
                self.tally.leaves(charge, decision)
            self.release(charge, claim, target, why, now)

    def _follow_vacant(self, charge: Charge, decision: Decision, holder: str | None, ready: bool, now: Instant) -> None:
        execution = charge.execution
        if now < charge.adopting_until:
            self.wake(charge.adopting_until)
        else:
            charge.adopting_until = 0
            if execution.wanted is not Wanted.OBSERVE:
                if execution.stopped():
                    execution.want(Wanted.OBSERVE, now)
            elif execution.seems_to_run():
                execution.want(Wanted.STOP, now)
                for effect in execution.remove_addresses(now, "found here at the start, without a lease"):
                    self.emit(effect)
        if holder is not None and holder != self.me:
            charge.vacant_since = None
            asking.early(self, charge, decision, now)
            return
        if charge.vacant_since is None or not ready or not decision.order:
            charge.vacant_since = now  # who comes second in the plan gives the first a dead time from here
        if self._my_turn(charge, decision, ready, now):
            self.bid(charge, now)

    def votes_to_take(self, group: str, now: Instant) -> int:
        """A group whose kernel lease of our earlier life still runs is kept rather than taken, as far as the policy goes."""
        return needed(self.cluster, self.around, holding=asking.kept(self, group, now))

    def adopting(self, group: str, now: Instant) -> bool:
        """A kernel lease of our earlier life still runs: this machine may be serving the group while it bids for it."""
        return now < self.charges[group].adopting_until

    def _my_turn(self, charge: Charge, decision: Decision, ready: bool, now: Instant) -> bool:
        """Whether to bid now for a group that nobody holds; arranges to be woken if the time is still to come."""
        name = charge.group.name
        adopting = self.adopting(name, now)
        if not adopting and (not ready or self.me not in decision.order):
            return False
        start = self.claims.not_before.get(name, 0)
        if charge.reserved is not None and now >= charge.reserved.until:
            charge.reserved = None
        reserved = charge.reserved
        named = reserved is not None and reserved.successor == self.me
        if not named and reserved is not None:
            start = max(start, reserved.until)
        elif not named and not adopting and charge.vacant_since is not None:
            place = decision.order.index(self.me)
            start = max(start, charge.vacant_since + place * self.cluster.dead_time)
        promise = self.voter.promised(name, now)
        released = reserved is not None and promise is not None and promise.ballot == reserved.ballot
        if promise is not None and promise.holder != self.me and not released:
            start = max(start, promise.until)
        if start > now:
            self.wake(start)
            return False
        able = self.alive - self.deaf
        if 1 + len(able) < self.votes_to_take(name, now) or not self.reaches(able | {self.me}):
            if self.cluster.quorum is Quorum.FENCE:
                asking.for_a_vote(self, charge, now)
            return False
        return not alone(self.cluster, self.around) or asking.asked(self, charge, now)

    # Bids

    def bid(self, charge: Charge, now: Instant) -> None:
        name = charge.group.name
        after = charge.reserved.ballot if charge.reserved is not None and charge.reserved.successor == self.me else 0
        claim = self.claims.begin(name, now, after)
        if self.adopting(name, now):
            claim.give_up_at = charge.adopting_until
        ruling = self.voter.bid(name, self.me, self.incarnation, claim.ballot, now, now, after)
        if not ruling.granted:
            self.claims.drop(name)
            self.claims.saw_ballot(ruling.highest)
            self.claims.not_before[name] = now + max(ruling.wait, MILLISECOND)
            self.wake(self.claims.not_before[name])
            return
        claim.unfinished.update(ruling.unfinished)
        self.claims.echo(name, claim.ballot, self.me, now, self.voter.dead_time)
        self._send_bid(claim, None, now)
        self.counted(name, now)

    def _send_bid(self, claim: Claim, to: str | None, now: Instant) -> None:
        self.emit(Send(Bid(self.me, self.incarnation, claim.group, claim.ballot, now, claim.after), to))

    def answered(self, answer: BidAnswer, now: Instant) -> None:
        self.claims.saw_ballot(answer.ballot)
        claim = self.claims.claims.get(answer.group)
        if claim is None or claim.ballot != answer.ballot or answer.bidder_incarnation != self.incarnation:
            return
        self.claims.answered(claim, answer, now)
        self.counted(answer.group, now)
        votes = self.votes_to_take(answer.group, now)
        if claim.stage is not Stage.BIDDING:
            return
        if not answer.granted and answer.highest > claim.ballot and not claim.raised:
            self._raise(claim, now)
            return
        if not self.claims.hopeless(claim, len(self.cluster.members), votes, self.joint):
            return
        if not self.adopting(answer.group, now):
            self.withdraw(answer.group, "; ".join(claim.refusals.values()), now)
        elif answer.highest > claim.ballot:
            self.bid(self.charges[answer.group], now)

    def _raise(self, claim: Claim, now: Instant) -> None:
        """That voter never grants this ballot, however often it is asked. Once only: two must not outbid each other for ever."""
        self.bid(self.charges[claim.group], now)
        again = self.claims.claims.get(claim.group)
        if again is not None and again is not claim:
            again.raised, again.give_up_at = True, claim.give_up_at

    def withdraw(self, group: str, why: str, now: Instant) -> None:
        """A bid failed. It is taken back, because a standing one would lock others out.

        Never while a kernel lease of our earlier life runs: taking the bid back frees the promises behind that lease too.
        """
        check(not self.adopting(group, now), f"{group} may still be served here")
        claim = self.claims.fail(group, now)
        stopped = self.charges[group].execution.stopped()
        self.voter.release(group, self.me, claim.ballot, stopped)
        self.emit(Send(Release(self.me, self.incarnation, group, claim.ballot, None, stopped)))
        self.wake(self.claims.not_before[group])
        self.note(f"bid {claim.ballot} of {self.me} failed: {why or 'no majority answered'}", group)

    def counted(self, group: str, now: Instant) -> None:
        """Echoes came in: has a bid won, has the right grown?"""
        if (claim := self.claims.claims.get(group)) is None:
            return
        charge = self.charges[group]
        held = claim.stage is HELD
        votes = needed(self.cluster, self.around, True) if held else self.votes_to_take(group, now)
        lone = not held and alone(self.cluster, self.around)
        if lone and not charge.question.answered_well(now) and not asking.kept(self, group, now):
            votes = len(self.cluster.members)  # it became a lone bid while it stood, and nobody asked the network
        until = self.claims.count(claim, votes, self.joint)
        if until <= now:
            return
        if claim.stage is BIDDING:
            claim.stage = Stage.HELD
            self.changed = True
            self._acquired(charge, claim, now)
        if until - charge.kernel_until >= self.cluster.heartbeat // 4:
            charge.kernel_until = until
            self.emit(KernelLease(group, until, "a majority has echoed"))

    def _acquired(self, charge: Charge, claim: Claim, now: Instant) -> None:
        name = charge.group.name
        votes = ", ".join(sorted(claim.echoes))
        self.tally.taken(charge, self.me, any(map(self.lost_holder, claim.unfinished)))
        adopted = "took up again what this machine held" if charge.adopting_until else "holds the lease"
        self.note(f"{self.me} {adopted}: ballot {claim.ballot}, votes of {votes}{asking.unmet(self)}", name)
        charge.kernel_until = claim.until
        self.emit(KernelLease(name, claim.until, f"ballot {claim.ballot} has the votes of {votes}"))
        for item in claim.unfinished:
            self.proof.unfinished(name, self.lost_holder(item))
        if self.cluster.quorum is Quorum.PAIR and len(claim.echoes) == 1 and not charge.adopting_until:
            # Nobody but the silent peer could say whether it has taken the group since its last word.
            self.proof.unfinished(name, next(member for member in self.cluster.names if member != self.me))
        awaiting.begin(self, charge, claim, now)
        charge.adopting_until = 0
        charge.vacant_since = None
        charge.since = now
        charge.execution.right_until = claim.until
        charge.execution.waits = ordering.waits_for(self, charge)
        charge.execution.want(Wanted.RUN, now, claim.ballot)
        # Addresses that are here already will not be added, yet clients may have learned another machine's.
        if self._running(charge):
            charge.announcements.burst(now)
            self.announce(charge, now, "held from now on")
        charge.was_named = charge.reserved is not None and charge.reserved.successor == self.me
        charge.reserved = None

    def bidder(self, ballot: int) -> str | None:
        """The member that made a ballot, if it is another one."""
        index = ballot & 0xFF
        if ballot == 0 or index >= len(self.ordered) or self.ordered[index] == self.me:
            return None
        return self.ordered[index]

    def lost_holder(self, item: Unfinished) -> str | None:
        """Who held by that ballot, by the word of a voter, or by the number; None for ourselves, or if nobody can tell."""
        name = item.holder or self.bidder(item.ballot)
        return None if name == self.me else name

    def reaches(self, members: frozenset[str]) -> bool:
        """Whether ``members`` are a majority of each set that counts while the voters change; at other times nothing is asked."""
        return reach(self.joint, members)

    # Letting go

    def release(self, charge: Charge, claim: Claim, successor: str | None, why: str, now: Instant) -> None:
        name = charge.group.name
        stopped = charge.execution.stopped()
        self._forget(charge, claim, f"released: {why}")
        self.emit(Send(Release(self.me, self.incarnation, name, claim.ballot, successor, stopped)))
        if successor is not None:
            charge.reserved = Reservation(successor, claim.ballot, now + self.reservation())
        if not stopped:
            self.note("released although parts did not stop: they may run on two machines", name, Level.WARNING)
        self.note(f"{self.me} released ballot {claim.ballot} to {successor or 'nobody'}: {why}", name)

    def reservation(self) -> Duration:
        return max(2 * self.cluster.heartbeat, self.cluster.dead_time // 2)

    def lost(self, claim: Claim, why: str, now: Instant) -> None:
        """The right is over without our will: addresses off at once, then everything else in order."""
        charge = self.charges[claim.group]
        self._forget(charge, claim, why)
        charge.execution.want(Wanted.STOP, now)
        for effect in charge.execution.remove_addresses(now, why):
            self.emit(effect)
        self.note(f"{self.me} let go of it: {why}", claim.group, Level.ERROR)

    def _forget(self, charge: Charge, claim: Claim, why: str) -> None:
        self.claims.drop(claim.group)
        self.voter.release(claim.group, self.me, claim.ballot, charge.execution.stopped())
        charge.announcements.stop()
        charge.kernel_until = 0
        charge.pinned = False
        charge.moving_to = None
        charge.since = None
        charge.was_started, charge.execution.waits = False, ""
        for machine in charge.waiting_for:
            self.fencing.unwant(machine, claim.group)
        charge.let_start()
        self.proof.floors.pop(claim.group, None)
        self.emit(KernelLease(claim.group, None, why))

    # Resources

    def _advance(self, charge: Charge, now: Instant) -> None:
        for effect in charge.execution.advance(now):
            self.emit(effect)
        self.facts(charge, now)

    def probed(self, event: ProbeAnswered, now: Instant) -> None:
        """A probe that went down counts like a failed monitor of what it judges."""
        charge = self.charges.get(event.group)
        if charge is None:
            return
        was_up = charge.health.up
        down = charge.health.answered(event, now)
        if down is not None:
            charge.execution.failed(charge.health.blamed(down), f"probe {down.name}: {event.text}", now)
            self.facts(charge, now)
        elif charge.health.up and not was_up:
            self.note("is up: all its probes say so", event.group)

    def facts(self, charge: Charge, now: Instant) -> None:
        facts, charge.execution.facts = charge.execution.facts, []
        for fact in facts:
            self._fact(charge, fact, now)

    def _fact(self, charge: Charge, fact: Fact, now: Instant) -> None:
        if fact.announce and self.serves(charge.group.name, now):
            charge.announcements.burst(now)
            self.announce(charge, now, "taken over here")
        if fact.why:
            level = Level.ERROR if fact.gave_up_for else Level.WARNING if fact.failed else Level.INFO
            ended = bool(self.watchdog or self.cluster.fence_levels(self.me))
            self.note(outcome(fact, ended), charge.group.name, level)
        if fact.recovered:
            charge.unfit_until = 0
        if fact.gave_up_for:
            charge.give_up(fact.gave_up_for, fact.why, now)

    def serves(self, group: str, now: Instant) -> bool:
        """Whether our right stands at this moment. A lapsed hold that no timer has dealt with yet must draw no clients here."""
        claim = self.claims.held(group)
        return claim is not None and now < claim.until

    def announce(self, charge: Charge, now: Instant, why: str = "repeated") -> None:
        if not charge.announcements.take(now):
            return
        addresses = self._running(charge)
        if addresses and self.serves(charge.group.name, now):
            self.emit(AnnounceEffect(addresses, why))

    def _running(self, charge: Charge) -> tuple[AddressResource, ...]:
        states = charge.execution.states()
        return tuple(part for part, state, _ in states if isinstance(part, AddressResource) and state is State.RUNNING)

    def expire(self, now: Instant) -> None:
        """For ``TimerDue`` only."""
        for claim in self.claims.lapsed(now):
            late = format_duration(now - claim.until)
            self.lost(claim, f"no majority has echoed in time; the lease ended {late} ago", now)
        for claim in list(self.claims.claims.values()):
            if claim.stage is BIDDING:
                self._expire_bid(claim, now)
        for charge in self.charges.values():
            self._expire_charge(charge, now)
        self.fencing.expire(now)

    def _expire_charge(self, charge: Charge, now: Instant) -> None:
        charge.execution.expire(now)
        self.facts(charge, now)
        self.announce(charge, now)
        awaiting.expire(self, charge, now)
        if charge.unfit_until and now >= charge.unfit_until:
            charge.unfit_until = 0
            charge.execution.forget_failures()
        if charge.question.op is not None and now >= charge.question.deadline:
            asking.answered(self, charge.question.op, Outcome.UNKNOWN, "no answer in time", now)

    def _expire_bid(self, claim: Claim, now: Instant) -> None:
        if now >= claim.give_up_at:
            self.withdraw(claim.group, "; ".join(claim.refusals.values()), now)
            return
        for voter, again in list(claim.ask_again.items()):
            if now >= again:
                del claim.ask_again[voter]
                claim.refusals.pop(voter, None)
                self._send_bid(claim, voter, now)
        if now >= claim.resend_at:
            claim.resend_at = now + self.cluster.heartbeat
            self._renew_own(claim, now)
            self._send_bid(claim, None, now)

    def renew_own(self, now: Instant) -> None:
        """Our own vote for what we hold goes with every heartbeat that we send."""
        for claim in list(self.claims.claims.values()):
            lapsed = claim.stage is Stage.HELD and now >= claim.until  # our own vote must not bring it back
            if not lapsed and self._renew_own(claim, now) and claim.stage is HELD:
                self.counted(claim.group, now)

    def _renew_own(self, claim: Claim, now: Instant) -> bool:
        held = claim.stage is HELD
        granted = self.voter.renew(claim.group, self.me, self.incarnation, claim.ballot, now, now, held)
        if granted:
            self.claims.echo(claim.group, claim.ballot, self.me, now, self.voter.dead_time)
        return granted

    def next_deadline(self) -> Instant:
        due = min(self.wake_at, self.claims.next_deadline(), self.fencing.next_deadline())
        for charge in self.charges.values():
            for at in (charge.execution.next_deadline(), charge.announcements.next_deadline()):
                if at < due:
                    due = at
            if charge.unfit_until and charge.unfit_until < due:
                due = charge.unfit_until
            if charge.proof_due:
                due = min(due, *charge.proof_due.values())
        return due

    # What others are told

    def unfit(self, charge: Charge, carriers: Mapping[str, bool], manager: bool) -> str:
        """Why the group cannot run on this machine now, or ""."""
        held = self.claims.held(charge.group.name) is not None
        return charge.unfit(carriers, manager or held)

    def at_rest(self) -> bool:
        """Nothing is held and nothing runs: a clean stop may end."""
        return not self.claims.claims and all(charge.execution.stopped() for charge in self.charges.values())
