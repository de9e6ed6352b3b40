"""Two of our cores that speak the old protocol, joined by networks that lose, copy, reorder and delay; and old peers by hand.

Times are those of the recordings: keepalive 500 ms, deadtime 3 s, initdead 6 s. An address is served where it is on the device
and the kernel's lease runs; the rule that no two machines serve one is looked at after every step.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from understudy.core.heartbeat3.node import OldNode
from understudy.effects import (
    Action,
    AddAddresses,
    CloseWatchdog,
    FeedWatchdog,
    Fence,
    KernelLease,
    Note,
    ProbeAddresses,
    Quit,
    RemoveAddresses,
    Reply,
    RunAgent,
)
from understudy.events import AdminRequest, Finished, ManagerChanged, Outcome, Started, TimerDue
from understudy.fence_devices import FenceDevice, FenceKind
from understudy.heartbeat3 import Field, FieldKind, OldMessage, text_fields
from understudy.heartbeat_files import AutoFailback, PingNode
from understudy.model import AddressResource, Cluster, Group, Link, Member, Quorum, Resource, Role, ScriptResource
from understudy.old_pair import OldEffect, OldEvent, OldPair, OldReceived, RememberGeneration, SendOld
from understudy.units import MILLISECOND, NEVER, SECOND, Duration, Instant

KEEPALIVE: Duration = 500 * MILLISECOND
DEADTIME: Duration = 3 * SECOND
START: Instant = 1000 * SECOND
A, B = "node-a", "node-b"
WEB, MAIL = "IPaddr::10.77.1.100/24/eth0", "IPaddr::10.77.1.101/24/eth0"
WALL = 1_800_000_000_000


def address(ip: str, device: str = "eth0") -> AddressResource:
    return AddressResource(ip, ip, 24, device)


def groups(programs: bool = True) -> tuple[Group, ...]:
    web: tuple[Resource, ...] = (address("10.77.1.100"),)
    if programs:
        web += (ScriptResource("test1", "/etc/init.d/test1", exclusive=True),)
    return (Group(WEB, web, prefer=(A,)), Group(MAIL, (address("10.77.1.101"),), prefer=(B,)))


def cluster(fence: bool = False, programs: bool = True) -> Cluster:
    members = tuple(Member(name, Role.NODE, (Link("eth0", f"10.77.0.{n}"),)) for n, name in enumerate((A, B), 1))
    devices = tuple(
        FenceDevice(
            f"null-{name}", FenceKind.COMMAND, "/bin/true", targets=((name, ""),), timeout=5 * SECOND, retries=0
        )
        for name in (A, B)
        if fence
    )
    return Cluster("pair", "", KEEPALIVE, DEADTIME, Quorum.PAIR, members, groups(programs), fences=devices)


def pair(name: str, **changes: object) -> OldPair:
    uuid = bytes([ord(name[-1])] * 16)
    base = OldPair((A, B), uuid, KEEPALIVE, 1500 * MILLISECOND, DEADTIME, 6 * SECOND, DEADTIME, AutoFailback.ON)
    return replace(base, **changes)  # type: ignore[arg-type]


def pings(*names: str) -> tuple[PingNode, ...]:
    return tuple(PingNode(name, (name,)) for name in names)


@dataclass
class Host:
    """One machine: what is on its devices, what its kernel may serve, and the core, if its daemon runs."""

    name: str
    node: OldNode | None = None
    addresses: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    leases: dict[str, Instant] = field(default_factory=dict)
    said: list[tuple[Instant, OldMessage]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    replies: dict[int, tuple[bool, str]] = field(default_factory=dict)
    generation: int = 100
    frozen_until: Instant = 0
    stopped: bool = False
    fences: Outcome = Outcome.OK
    lies: bool = False
    """Its device says that it has done it, and does nothing."""
    fed: list[Instant] = field(default_factory=list)
    """When its watchdog was fed."""
    closed: bool = False
    """Its watchdog was stopped."""
    slow: Duration = 20 * MILLISECOND
    broken: set[str] = field(default_factory=set)

    def serves(self, group: Group, now: Instant) -> bool:
        there = any(item.address in self.addresses for item in group.addresses)
        return there and self.leases.get(group.name, 0) > now


class Two:
    """Both machines, their networks and one clock."""

    def __init__(self, seed: int = 1, **changes: object) -> None:
        self.now = START
        self.rng = random.Random(seed)
        self.cluster = cluster(bool(changes.pop("fence", False)), bool(changes.pop("programs", True)))
        self.changes = changes
        self.hosts = {name: Host(name) for name in (A, B)}
        self.queue: list[tuple[Instant, int, Callable[[], None]]] = []
        self.order = count()
        self.links = {"eth0": True, "eth1": True}
        self.service = True
        self.loss = 0.0
        self.copies = 0.0
        self.delay: tuple[Duration, Duration] = (MILLISECOND, 2 * MILLISECOND)
        self.deaf: set[str] = set()
        self.doubles: list[str] = []
        self.cut_until: Instant = 0

    # Machines

    def start(self, name: str, wait: bool = True, **started: object) -> None:
        host = self.hosts[name]
        host.generation += 1
        host.stopped, host.frozen_until = False, 0
        host.node = OldNode(self.cluster, pair(name, **self.changes), name)
        facts = Started(host.generation, self.rng.randrange(1 << 30), WALL + self.now // MILLISECOND)
        self.tell(name, replace(facts, **started))  # type: ignore[arg-type]
        self.tell(name, ManagerChanged(True))

    def crash(self, name: str) -> None:
        """Power off."""
        host = self.hosts[name]
        host.node = None
        for each in (host.addresses, host.programs, host.leases):
            each.clear()

    def freeze(self, name: str, span: Duration) -> None:
        self.hosts[name].frozen_until = self.now + span

    def operator(self, name: str, verb: str, which: str = "", node: str = "") -> tuple[bool, str]:
        op = next(self.order) + 10**6
        self.tell(name, AdminRequest(op, verb, which, node, "anna"))
        return self.hosts[name].replies.get(op, (False, "no reply"))

    # Time

    def at(self, when: Instant, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (when, next(self.order), what))

    def run(self, span: Duration) -> None:
        self.run_until(lambda: False, span)

    def run_until(self, done: Callable[[], bool], span: Duration) -> bool:
        """Go on until ``done`` or for ``span``. Returns whether it is done."""
        end = self.now + span
        turns, moment = 0, self.now
        while not done():
            turns, moment = (turns + 1, moment) if moment == self.now else (0, self.now)
            assert turns < 5000, f"time stands still at {self.now}: {[self._why(host) for host in self.hosts.values()]}"
            due = min((self._deadline(host) for host in self.hosts.values()), default=NEVER)
            if self.queue and self.queue[0][0] <= min(due, end):
                when, _, what = heapq.heappop(self.queue)
                self.now = max(self.now, when)
                what()
            elif due <= end:
                self.now = max(self.now, due)
                for host in self.hosts.values():
                    if host.node is not None and self._deadline(host) <= self.now:
                        self.tell(host.name, TimerDue())
            else:
                self.now = end
                return done()
            self.look()
        return True

    def _deadline(self, host: Host) -> Instant:
        if host.node is None or host.stopped:
            return NEVER
        return max(host.node.next_deadline(), host.frozen_until)

    def _why(self, host: Host) -> object:
        node = host.node
        return node and (
            node.next_beat,
            node.wake_at,
            node.holdings.next_deadline(),
            node.fencing.next_deadline(),
            node.peer,
        )

    def tell(self, name: str, event: OldEvent) -> None:
        host = self.hosts[name]
        if host.node is None or host.stopped:
            return
        if self.now < host.frozen_until:
            self.at(host.frozen_until, lambda: self.tell(name, event))
            return
        for effect in host.node.handle(event, self.now):
            self.perform(host, effect)

    def look(self) -> None:
        """No two machines serve one group, nor run one program."""
        for group in self.cluster.groups:
            if all(host.serves(group, self.now) for host in self.hosts.values()):
                self.doubles.append(f"{group.name} at {self.now - START}")
        if self.hosts[A].programs & self.hosts[B].programs:
            self.doubles.append(f"programs at {self.now - START}")

    # Effects

    def perform(self, host: Host, effect: OldEffect) -> None:
        match effect:
            case SendOld(message):
                host.said.append((self.now, message))
                self._send(host, message)
            case KernelLease(group, until, _):
                host.leases[group] = until or 0
            case AddAddresses(op, _, items, _):
                host.addresses |= {item.address for item in items}
                self.at(self.now, lambda: self.tell(host.name, Finished(op, Outcome.OK)))
            case RemoveAddresses(op, _, items, _):
                host.addresses -= {item.address for item in items}
                self.at(self.now, lambda: self.tell(host.name, Finished(op, Outcome.OK)))
            case RunAgent():
                self.at(self.now + host.slow, lambda: self._agent(host, effect))
            case ProbeAddresses(op, _, items, limit, _):
                self.at(self.now + limit, lambda: self._probed(host, op, items))
            case Fence(op, victim, _, _, _, _):
                self.at(self.now + 100 * MILLISECOND, lambda: self._fenced(host, op, victim))
            case FeedWatchdog(until) if until > self.now:
                host.fed.append(self.now)
            case CloseWatchdog():
                host.closed = True
            case Note(why):
                host.notes.append(why)
            case Reply(op, ok, text):
                host.replies[op] = (ok, text)
            case RememberGeneration(node, generation) if node == host.name:
                host.generation = max(host.generation, generation)
            case Quit():
                host.stopped = True
            case _:
                pass

    def _agent(self, host: Host, effect: RunAgent) -> None:
        outcome = Outcome.OK
        if effect.action is Action.MONITOR and effect.resource not in host.programs:
            outcome = Outcome.NOT_RUNNING
        elif effect.action is Action.START and effect.resource in host.broken:
            outcome = Outcome.FAILED
        elif effect.action is Action.START and self.now < effect.until:
            host.programs.add(effect.resource)
        elif effect.action is Action.START:
            outcome = Outcome.NOT_RUNNING
        elif effect.action is Action.STOP:
            host.programs.discard(effect.resource)
        self.tell(host.name, Finished(effect.op, outcome))

    def _probed(self, host: Host, op: int, items: tuple[AddressResource, ...]) -> None:
        other = self.hosts[B if host.name == A else A]
        served = {
            item.address for group in self.cluster.groups if other.serves(group, self.now) for item in group.addresses
        }
        used = [item.address for item in items if item.address in served]
        if used and self.service:
            self.tell(host.name, Finished(op, Outcome.FAILED, f"{used[0]} is used by 02:00:00:00:00:02"))
        else:
            self.tell(host.name, Finished(op, Outcome.OK))

    def _fenced(self, host: Host, op: int, victim: str) -> None:
        if host.fences is Outcome.OK and not host.lies:
            self.crash(victim)
        self.tell(host.name, Finished(op, host.fences, "device"))

    # Networks

    def _send(self, host: Host, message: OldMessage) -> None:
        other = B if host.name == A else A
        for link, up in self.links.items():
            for _ in range(1 + (self.rng.random() < self.copies)):
                if up and other not in self.deaf and self.now >= self.cut_until and self.rng.random() >= self.loss:
                    wait = self.rng.randrange(*self.delay)
                    self.at(self.now + wait, lambda link=link: self._arrive(other, link, message))  # type: ignore[misc]

    def _arrive(self, name: str, link: str, message: OldMessage) -> None:
        self.tell(name, OldReceived(link, message, self.now))

    # What tests ask

    def node(self, name: str) -> OldNode:
        node = self.hosts[name].node
        assert node is not None
        return node

    def owner(self, group: str) -> str:
        """Who serves the group, "" for nobody."""
        found = [name for name, host in self.hosts.items() if host.serves(self.cluster.group(group), self.now)]
        return "+".join(found)

    def owners(self) -> tuple[str, str]:
        return self.owner(WEB), self.owner(MAIL)

    def running(self) -> bool:
        """Both daemons run and are at rest."""
        nodes = [host.node for host in self.hosts.values() if host.node is not None]
        return len(nodes) == 2 and all(node.stable and node.handover.state.value == "idle" for node in nodes)

    def settled(self) -> bool:
        return self.running() and all(self.owners())

    def kinds(self, name: str, since: Instant = 0) -> list[str]:
        """What a node said, heartbeats and acknowledgements left out."""
        passed = ("status", "NS_ackmsg", "NS_rexmit")
        return [
            short(message) for at, message in self.hosts[name].said if at >= since and message.get("t") not in passed
        ]


def short(message: OldMessage) -> str:
    """The type and the fields that say what it is about."""
    names = ("st", "rsc_hold", "rtype", "isstable", "info", "node", "result", "dest", "weown", "num_ping", "nodelist")
    return " ".join([message.get("t"), *(f"{n}={message.get(n).strip()}" for n in names if message.has(n))])


def up(seed: int = 1, **changes: object) -> Two:
    """Both started and settled: each holds its own."""
    two = Two(seed, **changes)
    two.start(A)
    two.run(100 * MILLISECOND)
    two.start(B)
    assert two.run_until(two.settled, 15 * SECOND), (two.owners(), two.hosts[A].notes, two.hosts[B].notes)
    two.run(2 * SECOND)
    return two


class ByHand:
    """One of our cores, and an old peer whose every word the test writes."""

    def __init__(self, me: str = A, **changes: object) -> None:
        self.two = Two(1, **changes)
        self.me, self.other = me, B if me == A else A
        self.number = 0
        self.generation = 0x6B00BBA8
        self.two.start(me)
        self.host = self.two.hosts[me]

    def says(self, link: str = "eth0", number: int | None = None, **fields: str) -> None:
        """The old peer says it now."""
        own = text_fields(**{("t" if key == "kind" else key): value for key, value in fields.items()})
        common = {"src": self.other, "hg": f"{self.generation:x}", "ts": "6b00bba8"}
        if not fields["kind"].startswith("NS_"):
            self.number = self.number + 1 if number is None else number
            common["seq"] = f"{self.number:x}"
        uuid = (Field(FieldKind.BINARY, "srcuuid", b"o" * 16),)
        message = OldMessage(own + uuid + text_fields(**common))
        self.two.tell(self.me, OldReceived(link, message, self.two.now))

    def beats(self, span: Duration, word: str = "active", every: Duration = KEEPALIVE) -> None:
        """The old peer's heartbeat for ``span``, and nothing else."""
        end = self.two.now + span
        while self.two.now < end:
            self.says(kind="status", st=word, dt="bb8", protocol="1")
            self.two.run(min(every, end - self.two.now))

    def since(self, mark: int) -> list[str]:
        """What we said since ``mark`` (a length of ``said``)."""
        passed = ("status", "NS_ackmsg")
        return [short(message) for _, message in self.host.said[mark:] if message.get("t") not in passed]

    def mark(self) -> int:
        return len(self.host.said)

    def settle(self, held: str = "local") -> None:
        """A peer that has been here for long and holds ``held``."""
        self.beats(KEEPALIVE)
        self.says(kind="repnodes", dest=self.me, nodelist="node-a node-b ", delnodelist=" ")
        self.says(kind="resource", rsc_hold=held, rtype="full", isstable="1")
        self.beats(SECOND)
        assert self.two.node(self.me).stable
