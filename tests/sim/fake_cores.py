"""Small cores for tests of the pretend world itself: each does one thing, some of them things that must never be done."""

from __future__ import annotations

from understudy.effects import Action, AddAddresses, Effect, KernelLease, RunAgent, Send
from understudy.events import Event, Received, Started, TimerDue
from understudy.messages import Heartbeat, NodeState
from understudy.model import AddressResource, Cluster
from understudy.snapshot import QuorumStatus, Snapshot
from understudy.units import NEVER, Duration, Instant


class Beating:
    """Sends heartbeats and writes down everything that it is told. Decides nothing."""

    def __init__(self, cluster: Cluster, me: str) -> None:
        self.cluster = cluster
        self.me = me
        self.log: list[tuple[Instant, Event]] = []
        self.next = NEVER
        self.number = 0

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        self.log.append((now, event))
        if isinstance(event, Started) or (isinstance(event, TimerDue) and now >= self.next):
            self.next = now + self.cluster.heartbeat
            self.number += 1
            state = NodeState(self.me, 1, self.number, now, self.cluster.dead_time, "same", False, False)
            return [Send(Heartbeat(state)), *self.act(event, now)]
        return self.act(event, now)

    def act(self, event: Event, now: Instant) -> list[Effect]:
        return []

    def next_deadline(self) -> Instant:
        return self.next

    def snapshot(self, now: Instant) -> Snapshot:
        quorum = QuorumStatus("majority", 2, 3, 3, True, "partition with quorum")
        return Snapshot(self.me, "node", "sim", "same", quorum, (), (), (), {}, {}, False)

    def rights(self, now: Instant) -> dict[str, Duration]:
        return {}

    def received(self) -> list[tuple[Instant, Received]]:
        return [(now, event) for now, event in self.log if isinstance(event, Received)]


class Greedy(Beating):
    """Takes every group at once, whoever else has it: exactly what must never happen."""

    def act(self, event: Event, now: Instant) -> list[Effect]:
        if not isinstance(event, Started) or self.me.startswith("w"):
            return []
        effects: list[Effect] = []
        for number, group in enumerate(self.cluster.groups):
            effects.append(KernelLease(group.name, now + self.cluster.dead_time, "greed"))
            effects.append(AddAddresses(100 + number, group.name, group.addresses, "greed"))
            effects += [
                RunAgent(200 + number, group.name, item.id, Action.START, self.cluster.dead_time, 1, "greed")
                for item in group.resources
                if not isinstance(item, AddressResource)
            ]
        return effects


class Stuck(Beating):
    """Never moves its deadline."""

    def next_deadline(self) -> Instant:
        return self.log[0][0]


class Raising(Beating):
    """Has a mistake in it."""

    def act(self, event: Event, now: Instant) -> list[Effect]:
        if isinstance(event, Received):
            raise ZeroDivisionError("a mistake")
        return []
