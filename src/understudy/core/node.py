"""The switchboard: one object that is told things and answers with wishes.

``handle(event, now)`` routes an event to the parts, lets the plan be followed, and returns the effects in the order in which they
must be done. ``next_deadline()`` says when ``TimerDue`` is wanted. Nothing here opens, reads or draws anything.

Only ``TimerDue`` expires anything, and the caller sends it only after all waiting packets were handled. Both halves
matter: a process that was frozen with good packets waiting must not accuse a healthy peer, neither because timers ran
first nor because the first packet checked everybody's deadline.
"""

from __future__ import annotations

import random

from ..effects import Effect, Level, Note, Quit, Reply, Send
from ..errors import InternalError, check
from ..events import (
    AddressGone,
    AdminRequest,
    Event,
    Finished,
    LinkChanged,
    ManagerChanged,
    PingsSeen,
    Received,
    ResourceFailed,
    RivalSeen,
    ShutdownAsked,
    Stalled,
    Started,
    TimerDue,
)
from ..messages import Answer, Ask, Bid, BidAnswer, Echo, Heartbeat, NodeState, Phase, Release, Vote
from ..model import Cluster, Quorum, Role
from ..snapshot import Snapshot
from ..units import NEVER, SECOND, Duration, Instant, format_duration
from . import operators, outlook, status
from .links import Links, Standing
from .membership import Change, Membership, State
from .placement import Decision, plan
from .quorum import Surroundings
from .requests import Requests
from .steward import Steward
from .votes import Voter


class Node:
    """One member of ``cluster``, named ``me``. The first event must be ``Started``."""

    def __init__(self, cluster: Cluster, me: str) -> None:
        self.cluster = cluster
        self.me = me
        self.role = cluster.member(me).role
        self.others = tuple(name for name in cluster.names if name != me)
        self.voter = Voter(me, cluster.silence)
        self.membership = Membership(self.others, cluster.heartbeat, cluster.silence)
        self.requests = Requests(me, cluster.heartbeat, max(cluster.dead_time, SECOND))
        self.states: dict[str, NodeState] = {}
        self.over: dict[tuple[str, str], int] = {}
        self.carriers: dict[str, bool] = {}
        self.seen_holds: dict[str, tuple[int, Instant]] = {}
        self.removed: dict[str, tuple[int, Instant]] = {}
        self.rivals: dict[str, tuple[str, Instant]] = {}
        self.decisions: dict[str, Decision] = {}
        self.answering: tuple[str, ...] = cluster.ping
        self.manager = False
        self.standby = False
        self.leaving = False
        self.gone = False
        self.number = 0
        self.next_beat: Instant = 0
        self.ready_since: Instant = 0
        self.patient_until: Instant = 0
        self.last_said: object = None
        self.stalls = 0
        self.started = False
        self.dirty = True
        self.out: list[Effect] = []
        self._op = 0

    # The three questions

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        """Take one event in. ``now`` never runs backwards. Returns effects, to be done in order."""
        self.out = []
        self.dirty = not isinstance(event, Received)
        if isinstance(event, Started):
            self._started(event, now)
        else:
            check(self.started, "the first event must be Started")
            self._route(event, now)
        if not self.gone and (self.dirty or self.steward.changed):
            self._settle(now)
        return self.out

    def next_deadline(self) -> Instant:
        """When ``TimerDue`` is wanted, by this machine's clock."""
        return min(
            self.next_beat,
            self.membership.next_deadline(),
            self.steward.next_deadline(),
            self.requests.next_deadline(),
        )

    def snapshot(self, now: Instant) -> Snapshot:
        """Everything this node knows; changes nothing."""
        return status.snapshot(self, now)

    # Routing

    def _route(self, event: Event, now: Instant) -> None:
        match event:
            case Received():
                self._received(event, now)
            case TimerDue():
                self._timer(now)
            case Stalled(duration):
                self.stalls += 1
                self.membership.stalled(now)
                self.note(
                    f"{self.me} was late by {format_duration(duration)} itself and accuses nobody for now",
                    Level.WARNING,
                )
            case Finished(op, outcome, text):
                if not self.steward.probed(op, outcome, text, now):
                    for charge in self.steward.charges.values():
                        if charge.execution.finished(op, outcome, text, now):
                            self.steward.facts(charge, now)
                            break
            case AddressGone(address):
                self._address_gone(address, now)
            case LinkChanged(device, carrier):
                if self.carriers.get(device) != carrier:
                    self.carriers[device] = carrier
                    level = Level.INFO if carrier else Level.WARNING
                    self.note(f"{device} of {self.me} {'has' if carrier else 'lost its'} carrier", level)
                    self.beat(now)
            case RivalSeen(address, device, mac):
                self._rival(address, device, mac, now)
            case ResourceFailed(group, resource, text):
                if group in self.steward.charges:
                    self.steward.charges[group].execution.failed(resource, text, now)
                    self.steward.facts(self.steward.charges[group], now)
            case ManagerChanged(connected):
                self._manager(connected, now)
            case PingsSeen(answering):
                self.answering = answering
            case AdminRequest():
                operators.admin(self, event, now)
            case ShutdownAsked():
                self.leaving = True
                self.note(f"{self.me} was asked to stop and hands everything over")
                self.beat(now)
            case Started():
                raise InternalError("Started came twice")

    def _started(self, event: Started, now: Instant) -> None:
        check(not self.started, "Started came twice")
        self.started = True
        rng = random.Random(event.entropy)
        self.links = Links(self.me, event.incarnation, self.others, self.cluster.heartbeat)
        kept = frozenset(group for group, left in event.kernel_leases if left > 0)
        quiet = max(event.quiet, self.cluster.dead_time)
        self.voter.start(now, quiet, kept)
        self.requests.start(rng.randrange(1 << 31))
        self.steward = Steward(
            self.cluster, self.me, self.voter, rng, self._next_op, frozenset(event.addresses), self.out_append
        )
        self.steward.incarnation = event.incarnation
        self.steward.claims.start(event.wall_clock)
        for group, left in event.kernel_leases:
            if group in self.steward.charges and left > 0:
                self.steward.charges[group].adopting_until = now + left
        self.carriers = dict(event.carriers)
        self.standby = event.standby
        self.ready_since = now + quiet
        self.patient_until = now + quiet + max(self.cluster.dead_time, SECOND)
        self.next_beat = now
        found = f"; kernel leases still run for {', '.join(sorted(kept))}" if kept else ""
        self.note(f"{self.me} started; it grants nothing for {format_duration(quiet)}{found}")
        self.beat(now)

    def out_append(self, effect: Effect) -> None:
        self.out.append(effect)

    def _next_op(self) -> int:
        self._op += 1
        return self._op

    def note(self, why: str, level: Level = Level.INFO, node: str = "") -> None:
        self.out.append(Note(why, level, "", node or self.me))

    # Packets

    def _received(self, event: Received, now: Instant) -> None:
        message = event.message
        state = message.state if isinstance(message, Heartbeat) else None
        if state is not None and state.node != event.sender:
            state = None
        verdict = self.links.receive(event.link, event.sender, event.incarnation, event.counter, state, event.arrival)
        if verdict.standing is Standing.GREET:
            self._beat_to(event.sender, event.link, now)
            return
        if verdict.standing is Standing.DROPPED:
            return
        self._changed(self.membership.heard(event.sender, event.arrival, now), now)
        self.dirty |= not isinstance(message, (Heartbeat, Echo))
        if verdict.fresh:
            self._fresh(event.sender, now)
            self._beat_to(event.sender, event.link, now)
        match message:
            case Heartbeat():
                self._heartbeat(message, event, now)
            case Echo():
                if message.voter == event.sender:
                    self._votes(message.voter, message.votes, message.dead_time, now)
            case Bid():
                if (message.node, message.incarnation) == (event.sender, event.incarnation):
                    self._bid(message, event.link, now)
            case BidAnswer():
                if message.voter == event.sender and message.bidder == self.me:
                    self.steward.answered(message, now)
            case Release():
                if (message.node, message.incarnation) == (event.sender, event.incarnation):
                    self._release(message, now)
            case Ask():
                if message.node == event.sender and message.to == self.me:
                    operators.asked(self, message, now)
            case Answer():
                op = self.requests.answered(message) if message.to == self.me else None
                if op is not None:
                    self.out.append(Reply(op, message.ok, message.text))

    def _heartbeat(self, message: Heartbeat, event: Received, now: Instant) -> None:
        if message.state.node == event.sender and message.state.incarnation == event.incarnation:
            self._state(message.state, now, relay=None)
            votes = self.voter.votes_for(event.sender, event.incarnation, now) if message.state.holds else ()
            if votes:
                echo = Echo(self.me, self.links.incarnation, self.voter.dead_time, votes)
                self.out.append(Send(echo, event.sender, event.link))
        for state in message.relayed:
            if state.node not in (self.me, event.sender):
                self._state(state, now, relay=event.sender)

    def _state(self, state: NodeState, now: Instant, relay: str | None) -> None:
        """One member's word about itself, heard directly or through ``relay``."""
        verdict = self.links.news(state, relay is not None)
        if verdict.standing is not Standing.ACCEPTED:
            return
        if relay is not None:
            direct = self.links.peers[state.node].direct_at
            if direct is None or now - direct > self.membership.late_after:
                self._changed(self.membership.heard(state.node, now, now, via=relay), now)
        if verdict.fresh and relay is not None:
            self._fresh(state.node, now)
        self.dirty |= _differs(self.states.get(state.node), state)
        self.states[state.node] = state
        for hold in state.holds:
            self.steward.claims.saw_ballot(hold.ballot)
            if not hold.bidding and self.seen_holds.get(hold.group, (0, 0))[0] != hold.ballot:
                self.seen_holds[hold.group] = (hold.ballot, now)
            promise = self.voter.promised(hold.group, now)
            if hold.bidding and (promise is None or promise.ballot != hold.ballot):
                continue
            if not self.is_over(hold.group, state.node, hold.ballot):
                held = not hold.bidding
                self.voter.renew(hold.group, state.node, state.incarnation, hold.ballot, state.sent_at, now, held)
        named = frozenset(hold.group for hold in state.holds)
        self.voter.not_named(state.node, state.incarnation, state.sent_at, named)
        self._votes(state.node, state.votes, state.dead_time, now)
        self.steward.proof.heard(state)
        for report in state.groups:
            if report.phase is Phase.STOPPED and report.group not in named:
                self.voter.stopped(report.group, self.steward.ordered.index(state.node))
        if self.cluster.quorum is Quorum.PAIR:
            self._two_holders(state, now)

    def _votes(self, voter: str, votes: tuple[Vote, ...], dead_time: Duration, now: Instant) -> None:
        for vote in votes:
            if vote.holder == self.me and vote.incarnation == self.links.incarnation:
                self.steward.claims.echo(vote.group, vote.ballot, voter, vote.echo, dead_time)
                self.steward.counted(vote.group, now)

    def _two_holders(self, state: NodeState, now: Instant) -> None:
        """A healed split of a pair: the lower ballot lets go at once, the higher one stays where it is."""
        for hold in state.holds:
            claim = self.steward.claims.held(hold.group)
            if claim is not None and not hold.bidding and hold.ballot > claim.ballot:
                self.steward.lost(claim, f"{state.node} holds it too, with the higher ballot {hold.ballot}", now)

    def _bid(self, bid: Bid, link: str, now: Instant) -> None:
        self.steward.claims.saw_ballot(bid.ballot)
        former = self.steward.bidder(bid.after)
        if former is not None:
            self._is_over_now(bid.group, former, bid.after)
        ruling = self.voter.bid(bid.group, bid.node, bid.incarnation, bid.ballot, bid.sent_at, now, bid.after)
        answer = BidAnswer(
            voter=self.me,
            voter_incarnation=self.links.incarnation,
            bidder=bid.node,
            bidder_incarnation=bid.incarnation,
            group=bid.group,
            ballot=bid.ballot,
            echo=bid.sent_at,
            granted=ruling.granted,
            dead_time=self.voter.dead_time,
            wait=ruling.wait,
            highest=ruling.highest,
            why="" if ruling.granted else f"{self.me}: {ruling.why}",
        )
        self.out.append(Send(answer, bid.node, link))

    def _release(self, release: Release, now: Instant) -> None:
        self._is_over_now(release.group, release.node, release.ballot)
        able = not outlook.bar(self, now) and release.group in self.steward.charges
        if able:
            charge = self.steward.charges[release.group]
            able = not self.steward.unfit(charge, self.carriers, self.manager)
        self.steward.heard_release(release, able, now)

    def _is_over_now(self, group: str, holder: str, ballot: int) -> None:
        self.over[(group, holder)] = max(ballot, self.over.get((group, holder), 0))

    def is_over(self, group: str, holder: str, ballot: int) -> bool:
        """Whether ``holder`` has given this ballot up: a heartbeat that still names it is older than that."""
        return ballot <= self.over.get((group, holder), 0)

    def _fresh(self, node: str, now: Instant) -> None:
        self.membership.restarted(node, now)
        self.dirty = True
        self.note(f"{node} is here with a new incarnation", node=node)

    def _changed(self, change: Change | None, now: Instant) -> None:
        if change is None:
            return
        self.dirty = True
        if change.after is State.LOST:
            self.note(
                f"{change.node} is lost: silent for {format_duration(change.silence)}", Level.WARNING, change.node
            )
        elif change.after is State.UP and change.before in (State.LOST, State.UNKNOWN):
            via = self.membership.members[change.node].via
            self.note(
                f"{change.node} is up, heard {'directly' if via == 'direct' else f'through {via}'}", node=change.node
            )

    # Time

    def _timer(self, now: Instant) -> None:
        for change in self.membership.expire(now):
            self._changed(change, now)
        self._look_around(now)
        self.steward.expire(now)
        again, over = self.requests.expire(now)
        for ask in again:
            self.out.append(Send(ask, ask.to))
        for op, text in over:
            self.out.append(Reply(op, False, text, unknown=True))
        if now >= self.next_beat:
            self.beat(now)

    def beat(self, now: Instant) -> None:
        """Our heartbeat, to everybody, over every link."""
        self._look_around(now)
        self.steward.renew_own(now)
        self.number += 1
        self.last_said = self._saying()
        self.out.append(Send(Heartbeat(self._own_state(now), outlook.relay(self, now))))
        self.next_beat = now + self.cluster.heartbeat

    def _beat_to(self, node: str, link: str, now: Instant) -> None:
        """A heartbeat for one member only: it names that member's incarnation, so that ours can become current there."""
        self.number += 1
        self.out.append(Send(Heartbeat(self._own_state(now)), node, link))

    def _own_state(self, now: Instant) -> NodeState:
        return NodeState(
            node=self.me,
            incarnation=self.links.incarnation,
            number=self.number,
            sent_at=now,
            dead_time=self.voter.dead_time,
            digest=self.cluster.digest,
            quiet=self.voter.quiet(now),
            standby=self.standby or self.leaving,
            holds=self.steward.claims.holds(),
            votes=self.voter.votes(now),
            heard=self.links.heard(now),
            groups=self.steward.reports(self.carriers, self.manager) if self.role is Role.NODE else (),
        )

    def _saying(self) -> object:
        """What others should hear of at once when it changes."""
        reports = self.steward.reports(self.carriers, self.manager) if self.role is Role.NODE else ()
        words = tuple((item.group, item.phase, item.fit) for item in reports)
        return (self.steward.claims.holds(), words, self.standby, self.leaving)

    # Things that happen on this machine

    def _address_gone(self, address: str, now: Instant) -> None:
        for name, charge in self.steward.charges.items():
            if charge.execution.address_gone(address):
                self.removed[address] = (self.removed.get(address, (0, 0))[0] + 1, now)
                why = f"{address} was removed on {self.me} by somebody else: put back"
                self.out.append(Note(why, Level.WARNING, name, self.me))

    def _rival(self, address: str, device: str, mac: str, now: Instant) -> None:
        for name, charge in self.steward.charges.items():
            ours = any(item.address == address for item in charge.group.addresses)
            if ours and self.steward.serves(name, now):
                known = self.rivals.get(address)
                self.rivals[address] = (mac, now)
                charge.announcements.burst(now)
                self.steward.announce(charge, now, f"{mac} claims {address} on {device}")
                if known is None or known[0] != mac or now - known[1] > 10 * SECOND:
                    why = f"{mac} claims {address} on {device}; announced again"
                    self.out.append(Note(why, Level.ERROR, name, self.me))

    def _manager(self, connected: bool, now: Instant) -> None:
        self.manager = connected
        self.note("the manager is connected" if connected else "the manager is gone: programs go on unwatched")
        for charge in self.steward.charges.values():
            charge.execution.manager_changed(connected, now)

    # The plan

    def _settle(self, now: Instant) -> None:
        """After every event: look, plan, follow; and tell others at once when our own word has changed."""
        self.steward.wake_at = NEVER
        self.steward.changed = False
        self._look_around(now)
        if self.role is Role.NODE:
            self._pin()
            holders = outlook.holders(self, now)
            self.decisions = plan(self.cluster, outlook.view(self, holders, now))
            self.steward.follow(self.decisions, holders, outlook.ready(self, now), now)
            if self.voter.quiet(now):
                self.steward.wake(self.voter.quiet_until)
        if self.leaving and self._at_rest():
            self.beat(now)
            self.gone = True
            self.next_beat = NEVER
            self.out.append(Quit("everything was handed over or stopped"))
        elif self._saying() != self.last_said:
            self.beat(now)

    def _pin(self) -> None:
        """A group that was released to us although the plan would put it elsewhere was moved here by an operator: it stays."""
        for name, charge in self.steward.charges.items():
            if charge.was_named:
                charge.was_named = False
                charge.pinned = name in self.decisions and self.decisions[name].order[:1] != (self.me,)

    def _at_rest(self) -> bool:
        if self.role is Role.WITNESS:
            return True
        return self.steward.at_rest() or (not self.manager and not self.steward.claims.claims)

    def _look_around(self, now: Instant) -> None:
        """What the quorum policy may look at, for the steward."""
        steward = self.steward
        steward.alive = frozenset(name for name in self.others if self.membership.alive(name))
        if self.cluster.quorum is Quorum.PAIR:
            peer = self.others[0]
            state = self.membership.state(peer)
            never = state is State.UNKNOWN and now >= self.patient_until
            quiet = peer in self.states and self.states[peer].quiet and self.membership.alive(peer)
            reaches = not self.cluster.ping or bool(self.answering)
            steward.around = Surroundings(state is State.LOST or never, quiet, reaches)


def _differs(before: NodeState | None, after: NodeState) -> bool:
    """Whether a member's new word can change the plan: everything but its votes, ages and the time."""
    return before is None or (before.holds, before.standby, before.quiet, before.digest, before.groups) != (
        after.holds,
        after.standby,
        after.quiet,
        after.digest,
        after.groups,
    )
