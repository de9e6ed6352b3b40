"""Clusters, words of other members, and one core that is told things: what the tests of the core share. No fakes.

Times are short and round so that they can be checked by eye: heartbeat 200 ms, dead time 1 s, margin 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from understudy.core.node import Node
from understudy.effects import (
    Action,
    AddAddresses,
    Effect,
    Note,
    ProbeAddresses,
    RemoveAddresses,
    RunAgent,
    Send,
)
from understudy.events import Event, Finished, LinkChanged, ManagerChanged, Outcome, Received, Started, TimerDue
from understudy.messages import (
    Bid,
    BidAnswer,
    GroupReport,
    Heard,
    Heartbeat,
    Hold,
    Message,
    NodeState,
    Phase,
    Unfinished,
    Vote,
    Wish,
)
from understudy.model import (
    AddressResource,
    Cluster,
    CommandResource,
    Group,
    Limits,
    Link,
    Member,
    Quorum,
    Resource,
    Restarts,
    Role,
    ScriptResource,
)
from understudy.units import MILLISECOND, SECOND, Duration, Instant

BEAT: Duration = 200 * MILLISECOND
DEAD: Duration = SECOND
MARGIN: Duration = 10 * MILLISECOND
START: Instant = 1000 * SECOND
"""When the cores of these tests start. Not zero: a machine has been up for a while before the daemon is."""

OURS = 0xA1
"""The incarnation of the core under test."""

Kind = TypeVar("Kind")


def address(number: int, exclusive: bool = False) -> AddressResource:
    return AddressResource(f"address-{number}", f"192.0.2.{number}", 24, "eth0", exclusive=exclusive)


def program(name: str, exclusive: bool = False, interval: Duration = 0, most: int = 3) -> CommandResource:
    limits = Limits(start=20 * SECOND, stop=10 * SECOND, monitor=5 * SECOND, interval=interval)
    return CommandResource(
        name, (f"/usr/bin/{name}",), exclusive=exclusive, limits=limits, restarts=Restarts(most=most)
    )


def script(name: str, interval: Duration = 10 * SECOND, exclusive: bool = False) -> ScriptResource:
    return ScriptResource(name, f"/etc/init.d/{name}", exclusive=exclusive, limits=Limits(interval=interval))


def group(
    name: str = "site", *resources: Resource, prefer: tuple[str, ...] = (), stop: Duration = 60 * SECOND
) -> Group:
    return Group(name, resources or (address(100),), prefer, stop_timeout=stop)


def member(name: str, role: Role = Role.NODE) -> Member:
    return Member(name, role, (Link("red", "10.0.0.1"), Link("blue", "10.1.0.1")))


def cluster(
    *groups: Group,
    nodes: Iterable[str] = ("ha01", "ha02"),
    witnesses: Iterable[str] = ("arbiter",),
    quorum: Quorum = Quorum.MAJORITY,
    ping: tuple[str, ...] = (),
) -> Cluster:
    members = (*(member(name) for name in nodes), *(member(name, Role.WITNESS) for name in witnesses))
    return Cluster("test", "key", BEAT, DEAD, quorum, members, groups or (group(),), ping, digest="d1")


def incarnation_of(name: str) -> int:
    """A fixed incarnation for each other member."""
    return 0xB0000 + sum(name.encode())


def state(
    node: str = "ha02",
    number: int = 1,
    sent_at: Instant = 0,
    *,
    incarnation: int | None = None,
    names: int | None = OURS,
    reader: str = "ha01",
    age: Duration = 0,
    quiet: bool = False,
    standby: bool = False,
    leaving: bool = False,
    digest: str = "d1",
    holds: tuple[Hold, ...] = (),
    votes: tuple[Vote, ...] = (),
    heard: tuple[Heard, ...] = (),
    groups: tuple[GroupReport, ...] = (GroupReport("site", Phase.STOPPED, True),),
    dead_time: Duration = DEAD,
    knows: int = 0,
    wishes: tuple[Wish, ...] = (),
) -> NodeState:
    """One member's word. ``names``: the incarnation of ``reader`` that it has heard, up to the reader's state ``knows``.

    ``names`` None: it has heard nothing of the reader.
    """
    known = () if names is None else (Heard(reader, names, age, knows),)
    own = incarnation_of(node) if incarnation is None else incarnation
    said = (*known, *heard)
    words = (quiet, standby, holds, votes, said, groups)
    return NodeState(node, own, number, sent_at, dead_time, digest, *words, wishes=wishes, leaving=leaving)


def of(kind: type[Kind], effects: Iterable[object]) -> list[Kind]:
    return [effect for effect in effects if isinstance(effect, kind)]


def messages(kind: type[Kind], effects: Iterable[Effect]) -> list[Kind]:
    return [effect.message for effect in of(Send, effects) if isinstance(effect.message, kind)]


def notes(effects: Iterable[Effect]) -> str:
    return "\n".join(note.why for note in of(Note, effects))


@dataclass
class Core:
    """The core of one member, its clock, and everything that it wished for."""

    cluster: Cluster
    me: str = "ha01"
    now: Instant = START
    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.node = Node(self.cluster, self.me)
        self.sent_at: Instant = 0
        self.words: dict[str, dict[str, object]] = {"arbiter": {"groups": ()}}
        self._counters: dict[tuple[str, int], count[int]] = {}
        self._numbers: dict[str, count[int]] = {name: count(1) for name in self.cluster.names}

    # Being told

    def tell(self, event: Event) -> list[Effect]:
        found = self.node.handle(event, self.now)
        self.effects += found
        if messages(Bid, found) or messages(Heartbeat, found):
            self.sent_at = self.now
        return found

    def start(
        self,
        leases: tuple[tuple[str, Duration], ...] = (),
        present: tuple[str, ...] = (),
        standby: bool = False,
        quiet: Duration = 0,
        taking_up: bool = False,
    ) -> list[Effect]:
        carriers = (("eth0", True),)
        return self.tell(Started(OURS, 7, 1_700_000, leases, present, carriers, standby, quiet, taking_up=taking_up))

    def hear(
        self, message: Message, sender: str = "ha02", link: str = "red", incarnation: int | None = None
    ) -> list[Effect]:
        """A fresh datagram of ``sender``, arrived now, and the end of the turn: the core is woken if it wants to be."""
        found = self.drain(message, sender, link, incarnation)
        return found + (self.tick() if self.node.next_deadline() <= self.now else [])

    def drain(
        self, message: Message, sender: str = "ha02", link: str = "red", incarnation: int | None = None
    ) -> list[Effect]:
        """A fresh datagram of ``sender``, with more to come in the same turn."""
        own = incarnation_of(sender) if incarnation is None else incarnation
        counter = next(self._counters.setdefault((sender, own), count(1)))
        return self.tell(Received(link, sender, own, counter, message, self.now))

    def beat_of(
        self, sender: str = "ha02", *, votes_for_us: bool = True, turn: bool = True, **words: object
    ) -> list[Effect]:
        """An ordinary heartbeat of ``sender``: it hears us, and echoes what we hold unless told otherwise.

        What it says besides is in ``self.words``, and in ``words`` for this once. ``turn`` False: more comes in this turn.
        """
        words = {**self.words.get(sender, {}), **words}
        if votes_for_us and "votes" not in words:
            words["votes"] = self.votes_for_us()
        number = next(self._numbers[sender])
        words.setdefault("knows", self.node.number)
        said = state(sender, number, self.now, reader=self.me, **words)  # type: ignore[arg-type]
        return self.hear(Heartbeat(said), sender) if turn else self.drain(Heartbeat(said), sender)

    def votes_for_us(self, echo: Instant | None = None) -> tuple[Vote, ...]:
        return tuple(
            Vote(item.group, self.me, OURS, item.ballot, self.sent_at if echo is None else echo)
            for item in self.node.steward.claims.claims.values()
        )

    def tick(self) -> list[Effect]:
        return self.tell(TimerDue())

    def pass_time(self, span: Duration, *alive: str) -> list[Effect]:
        """Let ``span`` pass, waking the core whenever it wants to; those who are ``alive`` send heartbeats in time."""
        end, before, turns = self.now + span, len(self.effects), 0
        while (due := self.node.next_deadline()) <= end:
            turns = turns + 1 if due <= self.now else 0
            assert turns < 20, "a deadline that stays in the past keeps the daemon spinning"
            self.now = max(self.now, due)
            for name in alive:
                self.beat_of(name, turn=False)
            self.tick()
        self.now = end
        return self.effects[before:]

    def serve(self, span: Duration, *alive: str) -> None:
        """Let ``span`` pass with everything that is asked for answered within half a heartbeat."""
        for _ in range(span // (BEAT // 2)):
            found = self.pass_time(BEAT // 2, *alive)
            self.finish_all(found)
            for bid in messages(Bid, found):
                for name in alive:
                    self.finish_all(self.grant(bid, name))

    # Being answered

    def finish(self, effects: Iterable[Effect], outcome: Outcome = Outcome.OK, text: str = "") -> list[Effect]:
        """Every operation among ``effects`` ends with ``outcome``. Returns what follows from it, not yet answered."""
        found: list[Effect] = []
        for effect in effects:
            if isinstance(effect, AddAddresses | RemoveAddresses | RunAgent | ProbeAddresses):
                found += self.tell(Finished(effect.op, outcome, text))
        return found

    def finish_all(self, effects: Iterable[Effect]) -> list[Effect]:
        """Everything that is asked for works, until nothing more is asked. A first monitor finds nothing running."""
        found: list[Effect] = []
        todo = list(effects)
        while todo:
            effect = todo.pop(0)
            asked = isinstance(effect, RunAgent) and effect.action is Action.MONITOR
            more = self.finish([effect], Outcome.NOT_RUNNING if asked else Outcome.OK)
            found += more
            todo += more
        return found

    def grant(self, bid: Bid, voter: str = "arbiter", highest: int = 0, dead_time: Duration = DEAD) -> list[Effect]:
        return self.hear(self.answer(bid, voter, True, dead_time=dead_time, highest=highest), voter)

    def refuse(self, bid: Bid, voter: str = "arbiter", wait: Duration = 0, highest: int = 0) -> list[Effect]:
        return self.hear(self.answer(bid, voter, False, wait=wait, highest=highest), voter)

    def answer(
        self, bid: Bid, voter: str, granted: bool, wait: Duration = 0, highest: int = 0, dead_time: Duration = DEAD
    ) -> BidAnswer:
        why = "" if granted else f"{voter}: no"
        return BidAnswer(
            voter,
            incarnation_of(voter),
            bid.node,
            bid.incarnation,
            bid.group,
            bid.ballot,
            bid.sent_at,
            granted,
            dead_time,
            wait,
            0 if granted else highest,
            why,
            (Unfinished(highest),) if granted and highest else (),
        )

    # Short ways to a situation

    def settle(self, *alive: str, manager: bool = True) -> list[Effect]:
        """Started, everybody ``alive`` heard, the quiet time over; nothing held yet. Returns what the last moment brought."""
        self.start()
        if manager:
            self.finish_all(self.tell(ManagerChanged(True)))
        found: list[Effect] = []
        for name in alive:
            self.beat_of(name)
        while self.node.voter.quiet(self.now):
            found = self.pass_time(BEAT // 2, *alive)
        return found

    def last_bid(self) -> Bid:
        return messages(Bid, self.effects)[-1]

    def hold(self, *alive: str) -> list[Effect]:
        """After ``settle``: bid, be granted by all who are ``alive``, start everything. Returns what the grant brought."""
        while not messages(Bid, self.effects):
            self.pass_time(BEAT // 2, *alive)
        bid, found = self.last_bid(), []
        for name in alive:
            found += self.grant(bid, name)
        return found + self.finish_all(found)

    def carrier(self, present: bool) -> list[Effect]:
        return self.tell(LinkChanged("eth0", present))


def settled(*alive: str, **words: object) -> Core:
    """A core that has just bid for "site" and holds nothing yet."""
    core = Core(cluster(**words))  # type: ignore[arg-type]
    core.settle(*(alive or ("ha02", "arbiter")))
    return core


def holding(*resources: Resource) -> Core:
    """A core that holds "site" with everything started; the others have just been heard."""
    core = Core(cluster(group("site", *resources)))
    core.settle("ha02", "arbiter")
    core.hold("ha02", "arbiter")
    core.pass_time(3 * BEAT, "ha02", "arbiter")
    return core


def right_of(core: Core) -> Instant:
    """The end of its right to "site"."""
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    return claim.until
