"""A pulse's loop with a pretend core and a pretend kernel, real sockets and a real channel."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from understudy.adapters.channel import Listener
from understudy.adapters.udp import UdpLinks, boot_clock
from understudy.effects import Effect
from understudy.events import AddressGone, Event, LinkChanged, RivalSeen, TimerDue
from understudy.messages import Heartbeat, NodeState
from understudy.model import AddressResource, LinkKind
from understudy.pulse.ear import NativeEar
from understudy.pulse.loop import Loop
from understudy.pulse.manager_link import ManagerLink
from understudy.pulse.mouth import NativeMouth
from understudy.pulse.perform import Performer
from understudy.pulse.timer import Timer
from understudy.snapshot import QuorumStatus, Snapshot
from understudy.units import MILLISECOND, NEVER, SECOND, Duration, Instant
from understudy.wire.native import Opener, Sealer

DEAD_TIME: Duration = 300 * MILLISECOND
KEY = bytes(range(32))


@dataclass(frozen=True)
class Way:
    peer: str
    network: str
    local: str
    remote: str
    port: int
    kind: LinkKind = LinkKind.UNICAST
    device: str | None = None


def free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    with socket.socket(family, socket.SOCK_DGRAM) as handle:
        handle.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return int(handle.getsockname()[1])


def address(number: int) -> AddressResource:
    return AddressResource(f"address {number}", f"192.0.2.{number}", 24, "eth0")


def heartbeat(node: str = "b", number: int = 1) -> Heartbeat:
    return Heartbeat(NodeState(node, 7, number, 0, DEAD_TIME, "0", False, False))


@dataclass
class PretendCore:
    """Keeps what it is told; ``answers`` gives the effects for an event; TimerDue sets ``deadline`` to ``next``."""

    deadline: Instant = NEVER
    next: Callable[[Instant], Instant] = lambda now: NEVER
    answers: Callable[[Event], list[Effect]] = lambda event: []
    told: list[Event] = field(default_factory=list)

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        self.told.append(event)
        if isinstance(event, TimerDue):
            self.deadline = self.next(now)
        return self.answers(event)

    def next_deadline(self) -> Instant:
        return self.deadline

    def snapshot(self, now: Instant) -> Snapshot:
        quorum = QuorumStatus("majority", 2, 3, 3, True, "")
        return Snapshot("a", "node", "c", "0", quorum, (), (), ("from the core",), {"replay": 1}, {"x": 1}, False)

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.told]


@dataclass
class PretendChange:
    """Does two addresses in each step."""

    kernel: PretendKernel
    verb: str
    todo: list[AddressResource]
    results: list[tuple[AddressResource, str | None]] = field(default_factory=list)

    @property
    def serving(self) -> list[AddressResource]:
        return [item for item, refusal in self.results if refusal is None]

    def step(self) -> bool:
        for _ in range(min(2, len(self.todo))):
            item = self.todo.pop(0)
            self.kernel.done.append((self.verb, item.address))
            self.results.append((item, self.kernel.refusals.get(item.address)))
        return not self.todo


@dataclass
class PretendKernel:
    done: list[tuple[object, ...]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    lease_refusal: str | None = None
    probe_refusal: str | None = None
    removals: int = 0
    pending_facts: list[AddressGone | LinkChanged] = field(default_factory=list)
    pending_claims: list[tuple[RivalSeen, bool]] = field(default_factory=list)
    descriptors: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()

    def begin_add(self, addresses: Sequence[AddressResource]) -> PretendChange:
        return PretendChange(self, "add", list(addresses))

    def begin_remove(self, addresses: Sequence[AddressResource]) -> PretendChange:
        self.removals += 1
        return PretendChange(self, "remove", list(addresses))

    def announce(self, addresses: Sequence[AddressResource]) -> None:
        self.done.append(("announce", len(addresses)))

    def probe(self, addresses: Sequence[AddressResource]) -> str | None:
        self.done.append(("probe", len(addresses)))
        return self.probe_refusal

    def defend(self, address: str) -> None:
        self.done.append(("defend", address))

    def hold(self, group: str, left: Duration) -> str | None:
        self.done.append(("hold", group, left))
        return self.lease_refusal

    def hold_all(self, lefts: Sequence[tuple[str, Duration]]) -> dict[str, str]:
        self.done.append(("hold all", *lefts))
        return {} if self.lease_refusal is None else dict.fromkeys((group for group, _ in lefts), self.lease_refusal)

    def end(self, group: str) -> str | None:
        self.done.append(("end", group))
        return self.lease_refusal

    def facts(self) -> list[AddressGone | LinkChanged]:
        found, self.pending_facts = self.pending_facts, []
        return found

    def claims(self) -> list[tuple[RivalSeen, bool]]:
        found, self.pending_claims = self.pending_claims, []
        return found

    def mend(self) -> None:
        self.done.append(("mend",))


@dataclass
class HandClock:
    """Moves by ``step`` with each reading, and when the test says so."""

    now: Instant = 1000 * SECOND
    step: Duration = 0

    def __call__(self) -> Instant:
        self.now += self.step
        return self.now


@dataclass
class Rig:
    core: PretendCore
    kernel: PretendKernel
    loop: Loop
    manager: ManagerLink
    path: str
    sender: UdpLinks
    sealer: Sealer
    ear: NativeEar
    mouth: NativeMouth

    def say(self, count: int = 1) -> None:
        """Member b sends heartbeats to us."""
        for number in range(count):
            self.sender.send(self.sealer.seal(heartbeat(number=number + 1)))

    def close(self) -> None:
        self.manager.close()
        self.mouth.links.close()
        self.sender.close()
        self.loop.timer.close()


def rig(directory: str, port: int, clock: Callable[[], Instant] = boot_clock, core: PretendCore | None = None) -> Rig:
    """Member a's loop; its heartbeats come from the returned ``sender``, member b."""
    core = core or PretendCore()
    kernel = PretendKernel()
    links = UdpLinks((Way("b", "net1", "127.0.0.1", "127.0.0.2", port),))
    path = f"{directory}/pulse.sock"
    manager = ManagerLink(Listener(path))
    mouth = NativeMouth(Sealer("c", (KEY,), "a", 5), links)
    ear = NativeEar(Opener("c", (KEY,), ("a", "b")), DEAD_TIME)
    performer = Performer(mouth, kernel, manager, clock)
    loop = Loop(core, links, ear, performer, kernel, manager, Timer(), clock, DEAD_TIME)
    loop.watch_all()
    sender = UdpLinks((Way("a", "net1", "127.0.0.2", "127.0.0.1", port),))
    return Rig(core, kernel, loop, manager, path, sender, Sealer("c", (KEY,), "b", 7), ear, mouth)
