"""The switchboard of the conversation with an old Heartbeat peer: the same three questions as ``core.node.Node``.

One or two nodes, as haresources knows no more. Messages are acted on in the order of their arrival, as the old program does, but
a report of what a node holds never replaces a newer one. Only ``TimerDue`` calls anybody silent or late.
"""

from __future__ import annotations

import random

from ... import __version__
from ...effects import Effect, Level, Note, Quit, Reply
from ...errors import check
from ...events import (
    AddressGone,
    AdminRequest,
    Finished,
    LeaseRefused,
    LinkChanged,
    ManagerChanged,
    PingsSeen,
    ResourceFailed,
    RivalSeen,
    ShutdownAsked,
    Stalled,
    Started,
    TimerDue,
)
from ...heartbeat3 import Field, FieldKind, OldMessage
from ...heartbeat_files import AutoFailback
from ...model import Cluster
from ...old_pair import (
    HostSeen,
    ManagerSays,
    OldEffect,
    OldEvent,
    OldPair,
    OldReceived,
    PairChanged,
    ScriptSaid,
    SendOld,
)
from ...snapshot import Snapshot
from ...units import NEVER, SECOND, Duration, Instant, format_duration
from ..fencing import Fencing
from ..walk import puts_back
from . import (
    beginning,
    healing,
    hearing,
    ipfail,
    legacy,
    operators,
    peers,
    reload,
    saying,
    standby,
    status,
    succession,
    upgrade,
    watchdog,
)
from .holdings import Holdings
from .outbox import Outbox
from .peers import Peer, Ping
from .saying import Own
from .standby import Handover
from .states import Holding, Presence, Stage, after
from .tracking import ACKNOWLEDGED_EVERY, Track

EARLY: Duration = 5 * SECOND
EARLY_SLACK: Duration = 2 * SECOND
"""So long after its start a node announces a dead time that is so much longer."""


class OldNode:
    """The member ``me`` of ``pair``; ``cluster`` has the groups and the fence devices. The first event must be ``Started``,
    whose incarnation is our generation.
    """

    def __init__(self, cluster: Cluster, pair: OldPair, me: str) -> None:
        check(
            0 < len(pair.nodes) <= 2 and me in pair.nodes, "a pair of old nodes is one or two, and we are one of them"
        )
        self.cluster, self.pair, self.me = cluster, pair, me
        self.peer: Peer | None = None
        self.pings = [Ping(node, 0) for node in pair.pings]
        self.outbox = Outbox(me, pair.uuid, pair.hopfudge + len(pair.nodes) + len(pair.pings), pair.max_rexmit_delay)
        self.holdings = Holdings(cluster, me, self.next_op, frozenset(), self.emit)
        self.fencing = Fencing(cluster, me, self.next_op, self.emit)
        self.presence, self.stage = Presence.INIT, Stage.SILENT
        self.held = self.took = Holding.NONE
        self.handover = Handover()
        self.succession = succession.Plan()
        self.beginning = beginning.Progress()
        self.healing = healing.Watch()
        self.change = reload.Change()
        self.ipfail = ipfail.Count()
        self.rng = random.Random(0)
        self.carriers: dict[str, bool] = {}
        self.rejected: dict[str, int] = {}
        self.manager = self.started = self.leaving = False
        self.watchdog: Duration = 0
        """The device's time-out; 0: this machine has none."""
        self.started_at: Instant = 0
        self.initdead: Instant = 0
        self.next_beat: Instant = 0
        self.go_at: Instant = NEVER
        self.wake_at: Instant = NEVER
        self.out: list[OldEffect] = []
        self._op = 0

    # The three questions

    def handle(self, event: OldEvent, now: Instant) -> list[OldEffect]:
        """Take one event in. ``now`` never runs backwards. Returns effects, to be done in order."""
        self.out = []
        if isinstance(event, Started):
            self._started(event, now)
        else:
            check(self.started, "the first event must be Started")
            if now > self.holdings.right_until:
                healing.lapsed(self, isinstance(event, Stalled), now)
            self._route(event, now)
        if self.stage is not Stage.GONE:
            self._settle(now)
        return self.out

    def next_deadline(self) -> Instant:
        """When ``TimerDue`` is wanted, by this machine's clock."""
        if self.stage is Stage.GONE:
            return min(self.next_beat, self.go_at)
        asks = self.peer is not None and self.peer.status != peers.DEAD
        tracked = self.peer.track.next_deadline() if self.peer is not None and asks else NEVER
        return min(
            self.next_beat,
            self.wake_at,
            self.holdings.next_deadline(),
            self.fencing.next_deadline(),
            tracked,
            peers.next_deadline(self.peer, self.pings, self.pair, self.initdead),
        )

    def objection(self, cluster: Cluster, pair: OldPair) -> str:
        """Why ``PairChanged`` with these must not come now, or ""."""
        return reload.objection(self, cluster, pair)

    def rights(self, now: Instant) -> dict[str, Duration]:
        """For each group that this node holds, how long its right still lasts; changes nothing."""
        return {name: each.lease - now for name, each in self.holdings.groups.items() if each.lease}

    def snapshot(self, now: Instant) -> Snapshot:
        """Everything this node knows; changes nothing."""
        return status.snapshot(self, now)

    # What the parts use

    @property
    def live_peer(self) -> Peer | None:
        """The other node, if it is there to talk to."""
        return self.peer if self.peer is not None and self.peer.alive else None

    @property
    def hears(self) -> int:
        """The generation of the other node while it is heard, else 0."""
        return self.live_peer.track.generation if self.live_peer is not None else 0

    @property
    def legacy(self) -> bool:
        return self.pair.auto_failback is AutoFailback.LEGACY

    @property
    def stable(self) -> bool:
        return self.stage is Stage.STABLE

    def move(self, cause: str) -> None:
        """To the stage that ``states.TRANSITIONS`` names."""
        stage = after(self.stage, cause)
        check(isinstance(stage, Stage), "a stage is followed by a stage")
        self.stage = Stage(stage.value)

    def emit(self, effect: OldEffect) -> None:
        self.out.append(effect)

    def note(self, why: str, level: Level = Level.INFO, node: str = "") -> None:
        self.emit(Note(why, level, "", node or self.me))

    def notes(self, found: list[Note]) -> None:
        self.out += found

    def wake(self, at: Instant) -> None:
        self.wake_at = min(self.wake_at, at)

    def say(self, own: Own, now: Instant) -> OldMessage:
        """Sign and send to everybody; kept to be sent again when it has a number."""
        to = next((item.value for item in own if item.name == "dest"), "")
        uuid = self.peer.uuid if self.peer is not None and to == self.peer.name else b""
        message = self.outbox.finish(own, uuid, now)
        self.emit(SendOld(message))
        return message

    def report(self, now: Instant, info: str = "", stable: bool | None = None) -> None:
        """Tell the other what we hold. Nobody reports in legacy mode."""
        if not self.legacy:
            word = self.stable if stable is None else stable
            ours = {
                saying.UNDERSTUDY: __version__,
                saying.HEARS: f"{self.hears:x}",
                saying.TOOK: self.took.word,
                saying.STANDBY: self.handover.state.value,
            }
            self.say(saying.resource(self.held, word, info, ours), now)

    # Routing

    def _route(self, event: OldEvent, now: Instant) -> None:
        match event:
            case OldReceived():
                hearing.received(self, event, now)
            case TimerDue():
                self._timer(now)
            case HostSeen(wall_clock, load):
                self.outbox.told(wall_clock, load, now)
            case Stalled(duration):
                self._stalled(duration, now)
            case Finished(op, outcome, text):
                known = reload.answered(self, op, outcome, text, now)
                known = known or succession.answered(self, op, outcome, text, now)
                known = known or healing.answered(self, op, outcome, text, now)
                if not known and not self.fencing.finished(op, outcome, text, now):
                    self.holdings.finished(op, outcome, text, now)
            case AddressGone(address):
                for each in self.holdings.groups.values():
                    if each.execution.address_gone(address):
                        then = "is put back" if puts_back(each.execution, address) else "is put back when that may be"
                        self.note(f"{address} was removed by somebody and {then}", Level.WARNING)
            case LinkChanged(device, carrier):
                if self.carriers.get(device) != carrier:
                    self.carriers[device] = carrier
                    level = Level.INFO if carrier else Level.WARNING
                    self.note(f"{device} of {self.me} {'has' if carrier else 'lost its'} carrier", level)
                    ipfail.carrier(self, device, carrier, now)
            case RivalSeen(address, device, mac):
                old_peer = self.peer is not None and not self.peer.version
                self.holdings.rival(address, mac, device, old_peer, now)
            case ResourceFailed(group, resource, text):
                if group in self.holdings.groups:
                    self.holdings.groups[group].execution.failed(resource, text, now)
                    self.holdings.facts(self.holdings.groups[group], now)
            case LeaseRefused(group, text):
                self.note(f"the kernel refuses the lease of {group}: {text}", Level.ERROR)
            case ManagerChanged(connected):
                self.manager = connected
                for each in self.holdings.groups.values():
                    each.execution.manager_changed(connected, now)
            case PingsSeen(answering):
                ipfail.seen(self, answering, now)
            case AdminRequest():
                operators.asked(self, event, now)
            case ManagerSays(message):
                upgrade.relay(self, message, now)
            case ShutdownAsked():
                beginning.leave(self, now)
            case ScriptSaid(fields):
                self.say(tuple(Field(FieldKind.TEXT, name, value) for name, value in fields), now)
            case PairChanged():
                reload.reconfigure(self, event, now)
            case _:
                pass  # probes and hours: haresources has none

    def _started(self, event: Started, now: Instant) -> None:
        check(not self.started, "Started came twice")
        self.started = True
        self.rng = rng = random.Random(event.entropy)
        self.holdings = Holdings(self.cluster, self.me, self.next_op, frozenset(event.addresses), self.emit)
        self.holdings.generation = self.outbox.generation = event.incarnation
        self.outbox.told(event.wall_clock, "", now)
        self.carriers = dict(event.carriers)
        known = dict(self.pair.known)
        for name in self.pair.nodes:
            if name != self.me:
                track = Track(known.get(name, 0), rng.randrange(ACKNOWLEDGED_EVERY), self.pair.max_rexmit_delay, rng)
                self.peer = Peer(name, track, self.pair.deadtime)
        self.watchdog = event.watchdog
        for each in self.holdings.groups.values() if event.watchdog_ran else ():
            each.execution.suspect()
        self.started_at = now
        self.initdead = now + self.pair.initdead
        for ping in self.pings:
            ping.answered_at = now
        self.note(f"{self.me} started with generation {event.incarnation}")
        self.beat(now)
        self.presence = Presence.UP
        beginning.resume(self, event, now)
        self.beat(now)

    def next_op(self) -> int:
        self._op += 1
        return self._op

    # Time

    def beat(self, now: Instant) -> None:
        """Our status. The kernel is told of the right that it renews only after it has been sent."""
        slack = EARLY_SLACK if now < self.started_at + EARLY else 0
        span = reload.dead_time(self, now) + slack
        self.say(saying.status(self.presence.value, span, __version__, self.hears, self.pair.accepts), now)
        self.holdings.dead_time = reload.right(self, now)
        self.next_beat = now + self.pair.keepalive
        if self.stage is not Stage.GONE:
            if self.healing.question is None:
                self.holdings.renew(now)
            watchdog.feed(self, now)

    def _stalled(self, duration: Duration, now: Instant) -> None:
        """We were late ourselves: nobody is accused of a silence that we slept through."""
        self.note(f"{self.me} was late by {format_duration(duration)} itself and accuses nobody for now", Level.WARNING)
        peer = self.peer
        if peer is not None and peer.status != peers.DEAD:
            if peer.heard_at is None:
                self.initdead = max(self.initdead, now + self.pair.deadtime)
            else:
                peer.heard_at = now
                peer.links = dict.fromkeys(peer.links, now)
        for ping in self.pings:
            ping.answered_at = now

    def _timer(self, now: Instant) -> None:
        if self.stage is Stage.GONE and now >= self.go_at:
            self.go_at = self.next_beat = NEVER
            watchdog.close(self)
            self.emit(Quit("everything has stopped here, and the other node was told"))
            return
        peer = self.peer
        if peer is not None:
            for number in peer.track.requests(now) if peer.status != peers.DEAD else []:
                self.say(saying.please_resend(peer.name, number), now)
            links = peers.links_silent(peer, now)
            self.notes(links)
            if links:
                ipfail.ask(self, now)
            if now >= peer.silent_at(self.initdead):
                hearing.dead(self, peer, now)
        ipfail.silent(self, now)
        standby.expire(self, now)
        beginning.expire(self, now)
        healing.expire(self, now)
        ipfail.expire(self, now)
        legacy.expire(self, now)
        succession.expire(self, now)
        self.fencing.expire(now)
        self.holdings.expire(now)
        if now >= self.next_beat:
            self.beat(now)

    def _settle(self, now: Instant) -> None:
        """After every event: what has become possible is done."""
        self.wake_at = NEVER
        healing.look(self, now)
        if self.healing.question is not None:
            self.holdings.advance(now)
            return
        beginning.look(self, now)
        standby.look(self, now)
        succession.look(self, now)
        ipfail.look(self, now)
        legacy.look(self, now)
        reload.look(self, now)
        self.holdings.advance(now)
        beginning.look_away(self, now)

    def reply(self, op: int, ok: bool, text: str) -> None:
        effect: Effect = Reply(op, ok, text)
        self.emit(effect)
