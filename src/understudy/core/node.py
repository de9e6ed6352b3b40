"""The switchboard: one object that is told things and answers with wishes.

``handle(event, now)`` routes an event to the parts, lets the plan be followed, and returns the effects in the order in which they
must be done. ``next_deadline()`` says when ``TimerDue`` is wanted. Nothing here opens, reads or draws anything.

Only ``TimerDue`` expires anything, and the caller sends it only after all waiting packets were handled. Both halves
matter: a process that was frozen with good packets waiting must not accuse a healthy peer, neither because timers ran
first nor because the first packet checked everybody's deadline.
"""

from __future__ import annotations

import random

from ..effects import Deliver, Effect, FeedWatchdog, Level, Note, Reply, Send
from ..errors import InternalError, check
from ..events import (
    AddressGone,
    AdminRequest,
    Event,
    Finished,
    HoursSeen,
    LeaseRefused,
    LinkChanged,
    ManagerChanged,
    PingsSeen,
    ProbeAnswered,
    Received,
    Reconfigured,
    ResourceFailed,
    RivalSeen,
    RoutersJudged,
    ShutdownAsked,
    Stalled,
    Started,
    TimerDue,
)
from ..messages import Answer, Ask, Bid, BidAnswer, Echo, Heartbeat, Inquiry, NodeState, Page, Phase, Release
from ..model import Cluster, Role
from ..snapshot import Snapshot
from ..units import MILLISECOND, NEVER, SECOND, Duration, Instant, format_duration
from . import (
    asking,
    electorate,
    hearing,
    leaving,
    operators,
    ordering,
    outlook,
    ranks,
    reach,
    reload,
    rivals,
    stamps,
    status,
    surroundings,
    wardens,
    wishing,
)
from .clock import Clock
from .electorate import Electorate
from .links import Links, Standing
from .membership import Change, Membership, State
from .placement import Decision, plan
from .requests import Requests
from .steward import Steward
from .votes import Voter
from .wishes import Wishes

REMEMBERED = 512
"""So many of our own states are remembered with the time at which they were said."""

SPACING = 20
"""Heartbeats out of turn, for news, are at least this part of the heartbeat apart."""

_NODE = Role.NODE
_DROPPED, _GREET = Standing.DROPPED, Standing.GREET


class Node:
    """One member of ``cluster``, named ``me``. The first event must be ``Started``."""

    def __init__(self, cluster: Cluster, me: str) -> None:
        self.cluster = cluster
        self.me = me
        self.role = cluster.member(me).role
        self.others = tuple(name for name in cluster.names if name != me)
        self.electorate = Electorate(me, cluster)
        self.voter = Voter(me, cluster.silence)
        self.membership = Membership(self.others, cluster.heartbeat, cluster.silence)
        self.requests = Requests(me, cluster.heartbeat, max(cluster.dead_time, SECOND))
        self.wishes = Wishes(sorted(cluster.names).index(me), (group.name for group in cluster.groups))
        self.states: dict[str, NodeState] = {}
        self.over: dict[tuple[str, str], int] = {}
        self.carriers: dict[str, bool] = {}
        self.seen_holds: dict[str, tuple[int, Instant]] = {}
        self.removed: dict[str, tuple[int, Instant]] = {}
        self.rivals: dict[str, tuple[str, Instant]] = {}
        self.decisions: dict[str, Decision] = {}
        self.answering: tuple[str, ...] = cluster.ping
        self.pings_at: Instant = 0
        self.pings_told = False
        self.clock = Clock()
        self.manager = self.leaving = self.gone = self.reloading = self.taking_up = False
        self.watchdog: Duration = 0
        self.standby = self.draining = False
        self.number = 0
        self.said_at: dict[int, Instant] = {}
        self.next_beat: Instant = 0
        self.last_beat: Instant = 0
        self.ready_since: Instant = 0
        self.patient_until: Instant = 0
        self.last_said: object = None
        self.stalls = 0
        self.started = False
        self.dirty = True
        self.at: Instant = 0
        self.out: list[Effect] = []
        self._op = 0
        self.due: Instant | None = None

    # The three questions

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        """Take one event in. ``now`` never runs backwards. Returns effects, to be done in order."""
        self.out = []
        if self.gone or not (self.started and (self.dirty or self.steward.changed)):
            self.at = now
        # Packets come in batches. The plan is made once after each batch, for the TimerDue that follows it in the same
        # turn: made for each packet it would cost a fail-over of many groups more than the dead time.
        batched = isinstance(event, Received)
        said = self.number
        if not batched:
            self.dirty, self.due = True, None
        if isinstance(event, Started):
            self._started(event, now)
        else:
            check(self.started, "the first event must be Started")
            self._route(event, now)
        if not self.gone and not batched and (self.dirty or self.steward.changed):
            self.dirty = False
            self._settle(now)
        return stamps.stamped(self, self.out, said)

    def next_deadline(self) -> Instant:
        """When ``TimerDue`` is wanted, by this machine's clock."""
        if self.due is None:
            soon = self.at if not self.gone and (self.dirty or self.steward.changed) else NEVER
            self.due = min(
                soon,
                self.next_beat,
                self.membership.next_deadline(),
                self.steward.next_deadline(),
                self.requests.next_deadline(),
                self.wishes.next_deadline(),
            )
        return self.due

    def rights(self, now: Instant) -> dict[str, Duration]:
        """For each group that this node holds, how long its right still lasts; changes nothing."""
        held = ((name, self.steward.claims.held(name)) for name in self.steward.claims.claims)
        return {name: claim.until - now for name, claim in held if claim is not None}

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
                asked = asking.answered(self.steward, op, outcome, text, now)
                if not asked and not self.steward.fencing.finished(op, outcome, text, now):
                    for charge in self.steward.charges.values():
                        if charge.execution.finished(op, outcome, text, now):
                            self.steward.facts(charge, now)
                            break
            case AddressGone(address):
                rivals.address_gone(self, address, now)
            case LinkChanged(device, carrier):
                if self.carriers.get(device) != carrier:
                    self.carriers[device] = carrier
                    level = Level.INFO if carrier else Level.WARNING
                    self.note(f"{device} of {self.me} {'has' if carrier else 'lost its'} carrier", level)
                    self.beat(now)
            case RivalSeen(address, device, mac):
                rivals.claimed(self, address, device, mac, now)
            case ResourceFailed(group, resource, text):
                if group in self.steward.charges:
                    self.steward.charges[group].execution.failed(resource, text, now)
                    self.steward.facts(self.steward.charges[group], now)
            case RoutersJudged():
                ranks.judged(self, event)
            case ProbeAnswered():
                self.steward.probed(event, now)
            case LeaseRefused(group, text):
                if group in self.steward.charges:
                    self.steward.charges[group].refused(text, now)
            case ManagerChanged(connected):
                self._manager(connected, now)
            case PingsSeen(answering):
                self.answering, self.pings_at, self.pings_told = answering, now, True
            case HoursSeen():
                self.clock.told(event, now)
            case AdminRequest():
                operators.admin(self, event, now)
            case ShutdownAsked():
                self.leaving = True
                self.note(f"{self.me} was asked to stop and hands everything over")
                self.beat(now)
            case Reconfigured():
                reload.reconfigure(self, event, now)
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
        self.pings_at = now
        self.watchdog = self.steward.watchdog = event.watchdog
        if event.watchdog_ran:
            for charge in self.steward.charges.values():
                charge.execution.suspect()
        self.standby, self.draining, self.taking_up = event.standby, event.draining, event.taking_up
        self.wishes.start(event.wishes, now)
        self.ready_since = now + quiet
        self.patient_until = now + max(quiet + max(self.cluster.dead_time, SECOND), self.cluster.init_dead_time)
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
        if verdict.standing is _DROPPED:
            return  # as the second copy of every datagram is: no deadline has moved
        self.due = None
        if verdict.standing is _GREET:
            self._beat_to(event.sender, event.link, now)
            return
        self.changed(self.membership.heard(event.sender, event.arrival, now), now)
        if not verdict.fresh:
            self.steward.fencing.heard(event.sender, event.arrival, max(2 * self.cluster.dead_time, 2 * SECOND))
        self.dirty |= not isinstance(message, (Heartbeat, Echo))
        if verdict.fresh:
            self.fresh(event.sender, now)
            self._beat_to(event.sender, event.link, now)
        match message:
            case Heartbeat():
                hearing.heartbeat(self, message, event, now)
            case Echo():
                if message.voter == event.sender:
                    hearing.votes_of(self, message.voter, message.votes, message.dead_time, now)
            case Bid():
                if (message.node, message.incarnation) == (event.sender, event.incarnation):
                    hearing.bid(self, message, event.link, now)
            case BidAnswer():
                if message.voter == event.sender and message.bidder == self.me and self.agrees(event.sender):
                    self.steward.answered(message, now)
            case Release():
                if (message.node, message.incarnation) == (event.sender, event.incarnation):
                    hearing.released(self, message, now)
            case Ask():
                if message.node == event.sender and message.to == self.me:
                    operators.asked(self, message, now)
            case Answer():
                op = self.requests.answered(message) if message.to == self.me else None
                if op is not None and op >= 0:
                    self.out.append(Reply(op, message.ok, message.text))
            case Inquiry() | Page():
                if message.to == self.me:
                    self.out.append(Deliver(event.sender, message))

    def agrees(self, node: str) -> bool:
        """Whether ``node`` counts a set of voters that we count, too: with others no vote is exchanged, in either direction."""
        return self.electorate.agrees(self.states.get(node))

    def objection(self, cluster: Cluster) -> str:
        """Why a reload cannot bring ``cluster`` now, for the operator, or ""; changes nothing."""
        return electorate.objection(self, cluster)

    def gave_up(self, group: str, holder: str, ballot: int) -> None:
        self.over[(group, holder)] = max(ballot, self.over.get((group, holder), 0))

    def is_over(self, group: str, holder: str, ballot: int) -> bool:
        """Whether ``holder`` has given this ballot up: a heartbeat that still names it is older than that."""
        return ballot <= self.over.get((group, holder), 0)

    def fresh(self, node: str, now: Instant) -> None:
        self.membership.restarted(node, now)
        self.steward.known_since[node] = now
        self.steward.fencing.returned(node, now)
        self.dirty = True
        self.note(f"{node} is here with a new incarnation", node=node)

    def changed(self, change: Change | None, now: Instant) -> None:
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
            self.changed(change, now)
        surroundings.look(self, now)
        wishing.expire(self, now)
        self.steward.expire(now)
        again, over = self.requests.expire(now)
        for ask in again:
            self.out.append(Send(ask, ask.to))
        for op, text in over:
            if op >= 0:
                self.out.append(Reply(op, False, text, unknown=True))
        if now >= self.next_beat:
            self.beat(now)

    def beat(self, now: Instant) -> None:
        """Our heartbeat, to everybody, over every link."""
        surroundings.look(self, now)
        # The heartbeat goes out before the kernel is told of the right that it renews: should we die in between, there must
        # be no right that nobody heard of.
        before = len(self.out)
        self.steward.renew_own(now)
        renewals = self.out[before:]
        del self.out[before:]
        self._count(now)
        state = self._own_state(now)
        self.last_said = self._saying(tuple((item.group, item.phase, item.fit) for item in state.groups))
        self.out.append(Send(Heartbeat(state, outlook.relay(self, now))))
        self.out += renewals
        if self.watchdog and (until := wardens.feed_until(self, now)) > now:
            self.out.append(FeedWatchdog(until))
        self.next_beat, self.last_beat = now + self._interval(), now

    def _interval(self) -> Duration:
        """Ours, or shorter while a member counts by a shorter dead time: it must hear us as often as it expects its like."""
        alive = [self.states[name].dead_time for name in self.steward.alive if name in self.states]
        shortest = min(alive, default=NEVER)
        if shortest >= self.cluster.silence:
            return self.cluster.heartbeat
        return min(self.cluster.heartbeat, max(MILLISECOND, shortest // 3))

    def _beat_to(self, node: str, link: str, now: Instant) -> None:
        """A heartbeat for one member only: it names that member's incarnation, so that ours can become current there."""
        self._count(now)
        self.out.append(Send(Heartbeat(self._own_state(now)), node, link))

    def _count(self, now: Instant) -> None:
        """The next number of our state, and when it was said."""
        self.number += 1
        self.links.said = self.steward.proof.said = self.number
        self.said_at[self.number] = now
        self.said_at.pop(self.number - REMEMBERED, None)

    def _own_state(self, now: Instant) -> NodeState:
        return NodeState(
            node=self.me,
            incarnation=self.links.incarnation,
            number=self.number,
            sent_at=now,
            dead_time=self.voter.dead_time,
            digest=self.cluster.digest,
            quiet=self.voter.quiet(now),
            standby=self.standby,
            holds=self.steward.claims.holds(),
            votes=self.voter.votes(now),
            heard=self.links.heard(now),
            groups=outlook.reports(self),
            watchdog=self.watchdog,
            wishes=self.wishes.said(now),
            draining=self.draining and not self.leaving,
            not_up=ordering.not_up(self.steward),
            reaches=reach.own(self, now),
            joint="".join(self.electorate.halves[1:]),
            member=self.electorate.member,
            left=self.electorate.left,
            leaving=self.leaving,
            ranks=ranks.own(self),
        )

    def _saying(self, words: tuple[tuple[str, Phase, bool], ...]) -> object:
        """What others should hear of at once when it changes. ``words``: as ``outlook.words`` finds them."""
        standing = (self.standby, self.draining, self.leaving, ordering.not_up(self.steward), reach.own(self, self.at))
        numbers = (self.wishes.numbers(), ranks.own(self))
        return (self.steward.claims.holds(), words, standing, numbers, self.electorate.halves)

    # Things that happen on this machine

    def _manager(self, connected: bool, now: Instant) -> None:
        self.manager = connected
        self.note("the manager is connected" if connected else "the manager is gone: programs go on unwatched")
        for charge in self.steward.charges.values():
            charge.execution.manager_changed(connected, now)
            charge.health.forget(now)
        if connected:
            wishing.save(self, now)

    # The plan

    def _settle(self, now: Instant) -> None:
        """After every event: look, plan, follow; and tell others at once when our own word has changed."""
        self.steward.wake_at = NEVER
        self.steward.changed = False
        surroundings.look(self, now)
        electorate.look(self, now)
        if self.role is _NODE:
            self._pin()
            wardens.told(self)
            wishing.watch(self)
            holders = outlook.holders(self, now)
            ranks.look(self, holders)
            self.decisions = plan(self.cluster, outlook.view(self, holders, now)) | reload.retired(self.steward)
            self.steward.started = ordering.started(self.steward, self.states, self.decisions, holders)
            self.steward.follow(self.decisions, holders, outlook.ready(self, now), now)
            wardens.fence_stuck(self, holders, now)
            if self.voter.quiet(now):
                self.steward.wake(self.voter.quiet_until)
        reload.forget(self, now)
        if self.leaving and leaving.may_go(self, now):
            leaving.go(self, now)
        elif self._saying(outlook.words(self)) != self.last_said:
            again = self.last_beat + max(MILLISECOND, self.cluster.heartbeat // SPACING)
            if now >= again:
                self.beat(now)
            else:
                self.steward.wake(again)  # many groups change together: one heartbeat says it all

    def _pin(self) -> None:
        """A group that was released to us although the plan would put it elsewhere was moved here by an operator: it stays."""
        for name, charge in self.steward.charges.items():
            if charge.was_named:
                charge.was_named = False
                order = self.decisions[name].order if name in self.decisions else ()
                # It may be here for a ping target that we know of a moment later than the one who released it.
                missed = bool(order) and reach.behind(charge, order[0], self.at) is not None
                charge.pinned = name in self.decisions and order[:1] != (self.me,) and not missed
