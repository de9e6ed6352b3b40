"""Virtual time: one heap of things to come, one source of randomness, and the clocks that machines read.

The world counts nanoseconds from the start of a run. No machine sees that count: each has a boot clock of its own,
with another reading at the same moment and with a rate error (DESIGN assumes only that the error is bounded:
``Cluster.margin`` covers 1 %). Two runs of one seed do the same things in the same order, down to the last byte:
``World.trace`` is a hash over all of it.

What one step hands to whom is told to observers (checks, coverage, the story), which never act on the world.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..effects import Effect
from ..errors import InternalError
from ..events import Event, Received, TimerDue
from ..model import Cluster, Member
from ..snapshot import Snapshot
from ..units import Duration, Instant
from .devices import Devices

if TYPE_CHECKING:
    from .host import Host
    from .network import Network
    from .voters import Voters

YEAR = 365 * 24 * 3600 * 1000

WALL_CLOCK = 1_700_000_000_000
WALL_ERRORS = (-WALL_CLOCK, -10 * YEAR, -YEAR // 8000, -2_000, 2_000, YEAR // 8000, 30 * YEAR)
"""Wrong wall clocks, in milliseconds: a battery that died (1970, or the year of the firmware), about an hour, 2 s, far ahead."""

WorldTime: TypeAlias = int
"""Nanoseconds since the run began. Only the pretend world knows it."""

CLEAN_STOP = "clean stop of the daemon"
"""What the story says, and the checks know, when a daemon was asked to stop."""

FIRST = 0
"""What happens to the world (faults, packets, answers) comes before timers that are due at the same nanosecond."""
LAST = 1
"""Timers: at one nanosecond, everything that arrives is there before a deadline is looked at."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One machine's ``CLOCK_BOOTTIME``: ``reading`` at ``since``, then running ``parts_per_million`` too fast (or too slow)."""

    since: WorldTime
    reading: Instant
    parts_per_million: int

    def read(self, now: WorldTime) -> Instant:
        return self.reading + (now - self.since) * (1_000_000 + self.parts_per_million) // 1_000_000

    def when(self, instant: Instant) -> WorldTime:
        """The first moment at which the clock shows ``instant`` or more."""
        scale = 1_000_000 + self.parts_per_million
        return self.since - (-(instant - self.reading) * 1_000_000 // scale)


class Core(Protocol):
    """What the daemon and this world ask of ``core.node.Node``."""

    def handle(self, event: Event, now: Instant, /) -> list[Effect]: ...

    def next_deadline(self) -> Instant: ...

    def snapshot(self, now: Instant, /) -> Snapshot: ...

    def rights(self, now: Instant, /) -> dict[str, Duration]: ...

    def objection(self, cluster: Cluster, /) -> str: ...


MakeCore: TypeAlias = Callable[[Cluster, str], Core]


ROUTINE = (Received, TimerDue)


class Observer:
    """Is told what happens. All methods may be overridden; none may change anything in the world."""

    heeds: tuple[type[Effect], ...] | None = None
    """The effects that ``wished`` wants to be told of; None: all."""

    def happened(self, host: Host | None, text: str) -> None:
        """Something that no core decided: a fault, an operator's act, an agent's result."""

    def told(self, host: Host, event: Event) -> None:
        """``host``'s core is about to handle ``event``; not called for what is ``ROUTINE``, most events by far."""

    def wished(self, host: Host, effect: Effect) -> None:
        """``host`` is about to perform ``effect``."""

    def lease_changed(self, host: Host, group: str, until: WorldTime) -> None:
        """The kernel of ``host`` lets the group's addresses be served until ``until`` (now or earlier: no longer)."""

    def programs_changed(self, host: Host, group: str, resource: str, running: bool) -> None:
        """A program may run (from the moment it is asked to start) or certainly does not."""

    def turn_ended(self, host: Host) -> None:
        """``host`` has performed everything that its core wished for in this turn."""


class Listeners:
    """For each kind of news, the observers that care: most news concern few, and a run has tens of thousands of them."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        def caring(name: str) -> list[Observer]:
            return [item for item in observers if getattr(type(item), name) is not getattr(Observer, name)]

        self.happened = [item.happened for item in caring("happened")]
        self.told = [item.told for item in caring("told")]
        self._wishing = caring("wished")
        self.wished = [item.wished for item in self._wishing]
        self._heeding: dict[type[Effect], list[Callable[[Host, Effect], None]]] = {}
        self.lease_changed = [item.lease_changed for item in caring("lease_changed")]
        self.programs_changed = [item.programs_changed for item in caring("programs_changed")]
        self.turn_ended = [item.turn_ended for item in caring("turn_ended")]

    def heeding(self, kind: type[Effect]) -> list[Callable[[Host, Effect], None]]:
        """The ``wished`` of those who want to be told of effects of this kind."""
        found = self._heeding.get(kind)
        if found is None:
            found = [item.wished for item in self._wishing if item.heeds is None or kind in item.heeds]
            self._heeding[kind] = found
        return found


@dataclass(frozen=True, slots=True)
class Habits:
    """Delays of the pretend machines, in nanoseconds; scripts use the constants, searches draw up to them at random.

    ``packet``: base delay of a datagram; ``jitter``: up to so much more; ``wake``: how late a timer wakes the pulse;
    ``answer``: from the manager or an agent's end to the pulse; ``connect``: how soon a manager finds a new pulse.
    """

    packet: Duration = 100_000
    jitter: Duration = 0
    wake: Duration = 0
    answer: Duration = 200_000
    connect: Duration = 5_000_000
    rate_error: int = 0
    """Clocks run up to so many parts per million too fast or too slow."""
    wrong_clocks: float = 0.0
    """The share of boots, from 0 to 1, at which the wall clock is wrong: by seconds, or by decades (a dead battery)."""
    stalled_last: bool = False
    """Whether a daemon that wakes up late hears of it only after what waited for it (a loop may learn of it at either time)."""
    boot: int = 2
    """Dead times until a machine that its watchdog has reset is there again."""
    event_cost: Duration = 0
    """Processor time that the core takes for each event that it handles. Measured with 128 groups: 10 to 30 us for a bid or its
    answer."""
    group_cost: Duration = 0
    """How much more an event other than a packet takes for each group that is configured, because the plan is made anew.
    Measured with 128 groups: about 10 us. With both 0 machines are infinitely fast."""


class World:
    """The heap, the hosts and the network of one run."""

    def __init__(
        self,
        cluster: Cluster,
        seed: int,
        make_core: MakeCore,
        *,
        habits: Habits,
        observers: Sequence[Observer] = (),
        spares: tuple[Member, ...] = (),
    ) -> None:
        self.cluster = cluster
        self.everybody = replace(cluster, members=(*cluster.members, *spares))
        """With the machines that are members only at times."""
        self.voters: Voters | None = None
        self.known = {group.name: group for group in cluster.groups}
        """Every group that any file has named, with every resource that it ever had: what may be somewhere."""
        self.random = Random(seed)
        self.make_core = make_core
        self.habits = habits
        self.listeners = Listeners(observers)
        self.now: WorldTime = 0
        self.steps = 0
        self.hosts: dict[str, Host] = {}
        self.network: Network
        self.devices = Devices(self)
        self.trouble_until: WorldTime = 0
        self.kinds: Counter[str] = Counter()
        """How often each kind of trouble struck."""
        self.wished = False
        """Whether an operator has asked for anything that lasts: then cores are asked what they know of it."""
        self._heap: list[tuple[WorldTime, int, int, Callable[[], None]]] = []
        self._pushed = 0
        self._trace = hashlib.blake2b(digest_size=16)

    def learn(self, cluster: Cluster) -> None:
        """Some machine's file says so now."""
        for group in cluster.groups:
            old = self.known[group.name].resources if group.name in self.known else ()
            names = {item.id for item in group.resources}
            resources = (*group.resources, *(item for item in old if item.id not in names))
            self.known[group.name] = replace(group, resources=resources, stages=())

    def at(self, when: WorldTime, action: Callable[[], None], order: int = FIRST) -> None:
        """Call ``action`` at ``when`` (not before now), in the order of the calls of this method."""
        if when < self.now:
            raise InternalError("the simulator was asked to act in the past")
        self._pushed += 1
        heapq.heappush(self._heap, (when, order, self._pushed, action))

    def after(self, delay: Duration, action: Callable[[], None]) -> None:
        self.at(self.now + delay, action)

    def run(self, until: WorldTime) -> None:
        """Let everything happen that is due up to ``until``, which becomes now."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            when, _, _, action = heapq.heappop(heap)
            self.now = when
            self.steps += 1
            action()
        self.now = until

    def mark(self, data: bytes) -> None:
        """Add something that happened now to the trace."""
        self._trace.update(self.now.to_bytes(8, "big"))
        self._trace.update(data)

    @property
    def trace(self) -> str:
        """Equal for two runs only if they did the same."""
        return self._trace.hexdigest()

    def tell(self, host: Host | None, text: str) -> None:
        """Let the observers know about a fact that no core decided."""
        self.mark(text.encode())
        for happened in self.listeners.happened:
            happened(host, text)
