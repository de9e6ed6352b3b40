"""The real-time loop: drain, tell the core, perform what it wishes, sleep until its next deadline.

One turn, in this order:

1. If we woke later than we had asked to by more than a third of the dead time (a busy or suspended machine, SIGSTOP), the core
   hears ``Stalled`` before anything else: whoever was late himself accuses nobody.
2. Every heartbeat socket is drained, each datagram opened and told, with a clock reading taken *after* it was received: a
   promise counted from an earlier reading could end before the right of the holder whose later message it answers.
3. The kernel's news (addresses, carriers, frames of rivals), then the manager's.
4. Only now, and only if every socket was seen empty, may time expire anything: ``TimerDue``, with a reading taken *before*
   they were seen empty: whatever was sent to us by then has been told.

A flood that cannot be drained within a quarter of the dead time does not silence us: once the deadline is overdue by a third
of the dead time, ``TimerDue`` comes all the same, after ``Stalled``.

An exception here is our bug. The recorder goes to the runtime directory and the process ends with 70; the kernel lease ends by
itself, and the supervisor starts a new pulse.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..adapters.udp import Datagram, LinkCounters
from ..effects import Send
from ..errors import check
from ..events import AddressGone, LinkChanged, RivalSeen, ShutdownAsked, Stalled, TimerDue
from ..old_pair import ManagerSays, OldEffect, OldEvent
from ..snapshot import Snapshot
from ..units import MILLISECOND, SECOND, Duration, Instant
from ..vrrp import DevicesMissing, RouterEffect, RouterEvent, SourceKnown
from . import report
from .ear import Ear
from .keys import Rekeyer
from .manager_link import DumpWanted, ForPeer, HostsKnown, KeysWanted, ManagerLink, ReloadWanted, SnapshotWanted
from .perform import Performer
from .realtime import Lateness
from .recorder import Recorder
from .reload import Reloader
from .speak import say
from .timer import Timer
from .trial import Trial

if TYPE_CHECKING:
    from .old_reload import OldReloader
    from .vrrp_reload import RouterReloader

MEND_INTERVAL: Duration = SECOND
"""How often what could not be opened is tried again."""

MOST_RESULTS = 1000
"""Results told to the core in one turn; the rest wait for the next one."""

MOST_IDLE_TIMERS = 10_000
"""TimerDue in a row that leave the deadline in the past: the core does not progress, and we would spin at real-time priority."""

READ_INTERVAL: Duration = 2 * MILLISECOND
"""How often a loop with nothing else to do looks whether a new configuration, or a key file, has been read."""

OWN_NEWS: Duration = 20 * MILLISECOND
"""While we change addresses ourselves, what the kernel says of it is read so often at most: a thousand take it as long to read
as to make.
"""

EXIT_BUG = 70


class Core(Protocol):
    """``core.node.Node``, ``core.heartbeat3.node.OldNode``, ``core.vrrp.node.RouterNode``, or a stand-in of a test.

    Each hears what its own protocol says.
    """

    def handle(self, event: Any, now: Instant) -> Sequence[OldEffect | RouterEffect]: ...
    def next_deadline(self) -> Instant: ...
    def snapshot(self, now: Instant) -> Snapshot: ...


class News(Protocol):
    """What the kernel says unasked; ``pulse.kernel`` has the real one. Nothing here waits or raises."""

    @property
    def descriptors(self) -> tuple[int, ...]: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...
    def facts(self) -> Sequence[AddressGone | LinkChanged | SourceKnown | DevicesMissing]: ...
    def claims(self) -> list[tuple[RivalSeen, bool]]: ...
    def mend(self) -> None: ...


class Links(Protocol):
    """``adapters.udp.UdpLinks``, or the media of the old protocol. ``counters`` by the name of the network or medium."""

    @property
    def counters(self) -> Mapping[str, LinkCounters]: ...
    @property
    def troubles(self) -> tuple[str, ...]: ...
    @property
    def descriptors(self) -> tuple[int, ...]: ...
    def drain(self, now: Instant, bound: int = 64) -> tuple[list[Datagram], bool]: ...
    def mend(self) -> None: ...


@dataclass(slots=True)
class Loop:
    """``warnings`` are sentences about this process's own conditions; ``armed`` is when it asked to be woken."""

    core: Core
    links: Links
    ear: Ear
    performer: Performer
    news: News
    manager: ManagerLink
    timer: Timer
    clock: Callable[[], Instant]
    dead_time: Duration
    reloader: Reloader | OldReloader | RouterReloader | None = None
    rekeyer: Rekeyer | None = None
    trial: Trial | None = None
    know: Callable[[Mapping[str, str]], None] = lambda _: None
    """Told addresses of names; what is open may be other sockets then."""
    numbers: bool = False
    """The core itself says what managers have for each other: in its protocol everything has a number."""
    warnings: tuple[str, ...] = ()
    recorder: Recorder = field(default_factory=Recorder)
    lateness: Lateness = field(default_factory=Lateness)
    _epoll: select.epoll = field(default_factory=select.epoll)
    _manager_watched: dict[int, bool] = field(default_factory=dict)
    _manager_generation: int = -1
    _news_watched: frozenset[int] = frozenset()
    _ready: set[int] | None = None
    """What the last sleep ended with; None: look everywhere. Every second we look everywhere in any case."""
    _wakeup: int = -1
    _signals: list[int] = field(default_factory=list)
    armed: Instant = 0
    _facts_due: Instant = 0
    _mend_due: Instant = 0
    _idle_timers: int = 0

    def run(self, started: OldEvent | RouterEvent, crash_file: str, settle_in: Callable[[], None] | None = None) -> int:
        """Until a clean stop (0) or a bug of ours (70). ``crash_file`` is where the recorder goes then.

        ``settle_in`` is called once after the first heartbeats are out: for what takes milliseconds and can wait.
        """
        try:
            now = self.clock()
            self.armed = now
            self._mend_due = now + MEND_INTERVAL
            self._tell(started, now)
            self._settle(now)
            if self.reloader is not None and self.reloader.former is not None:
                self._tell(self.reloader.event(), now)
                self._settle(now)
            if settle_in is not None:
                settle_in()
            while self.performer.quit is None and not self.performer.anew:
                self.sleep()
                self.turn()
        except Exception:
            text = traceback.format_exc()
            try:
                self.recorder.write(crash_file, text)
                where = f"the recorder is in {crash_file}"
            except OSError as error:
                where = f"the recorder is lost: cannot write {crash_file}: {error.strerror}"
            say(f"a bug of ours; {where}\n{text}", "critical")
            return EXIT_BUG
        finally:
            self.manager.close()
        return 0

    def wake_on_signals(self, descriptor: int) -> None:
        """SIGTERM and SIGINT ask for a clean stop; ``descriptor`` becomes readable when one came (``signal.set_wakeup_fd``)."""
        self._wakeup = descriptor
        self._watch((descriptor,))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: self._signals.append(received))

    def close(self) -> None:
        """Before another life of this process. A wish to stop that came too late for this one is the next one's."""
        self._epoll.close()
        self.timer.close()
        if self._signals:
            signal.raise_signal(signal.SIGTERM)

    # -- one turn ------------------------------------------------------------------------------------------------

    def sleep(self) -> None:
        """Until the next deadline, or until something is there to read."""
        self.armed = min(self.core.next_deadline(), self.performer.next_deadline(), self._mend_due)
        if (self.reloader is not None and self.reloader.busy) or (self.rekeyer is not None and self.rekeyer.busy):
            self.armed = min(self.armed, self.clock() + READ_INTERVAL)
        if self.trial is not None:
            self.armed = min(self.armed, self.trial.deadline)
        self.timer.arm(self.armed)
        self._watch_manager()
        events = self._epoll.poll(0 if self.performer.busy or self.manager.busy else -1)
        self._ready = {descriptor for descriptor, _ in events}
        if self.timer.fileno() in self._ready:
            self.timer.clear()

    def turn(self) -> None:
        """Everything that waits, once."""
        now = self.clock()
        stalled = self._judge_lateness(now)
        drained, now, late = self._drain(now)
        stalled |= late
        ready, self._ready = self._ready, None
        if self._signals:  # before whatever takes long: others wait for our goodbye
            self._signals.clear()
            with contextlib.suppress(BlockingIOError):  # one read may have taken the bytes of two signals
                os.read(self._wakeup, 64)
            self._tell(ShutdownAsked(), now)
        if ready is None or now >= self._mend_due or not ready.isdisjoint(self._news_watched):
            self._hear_kernel(now)
        if ready is None or now >= self._mend_due or self.manager.busy or not ready.isdisjoint(self._manager_watched):
            self._hear_manager(now)
        self.performer.work(now)
        if self.performer.settled or (self.reloader is not None and self.reloader.busy):
            self._reload(now)
        if self.rekeyer is not None and self.rekeyer.busy:
            self.rekeyer.take(self.manager)
        self._settle(now)
        if (drained or stalled) and self.core.next_deadline() <= now:
            self._tell(TimerDue(), now)
            self._settle(now)
            self._idle_timers = self._idle_timers + 1 if self.core.next_deadline() <= now else 0
            check(self._idle_timers < MOST_IDLE_TIMERS, "the core leaves its deadline in the past")
        if self.trial is not None and (drained or stalled) and self.trial.failed(now):
            self.performer.anew = True
        if now >= self._mend_due:
            self._mend(now)

    def _judge_lateness(self, now: Instant) -> bool:
        late = now - self.armed
        if late < 0:
            return False
        self.lateness.add(late)
        if late <= self.dead_time // 3:
            return False
        self._stalled(late, now)
        return True

    def _stalled(self, late: Duration, now: Instant) -> None:
        self.lateness.stalls += 1
        self._tell(Stalled(late), now)

    def _drain(self, start: Instant) -> tuple[bool, Instant, bool]:
        """(every socket was seen empty, a clock reading that it is empty after, whether we stalled meanwhile)."""
        stalled = False
        while True:
            before = self.clock()
            datagrams, empty = self.links.drain(before)
            if not datagrams:
                return empty, before, stalled
            now = self.clock()
            if now - before > self.dead_time // 3:
                self._stalled(now - before, now)
                stalled = True
            for datagram in datagrams:
                for event in self.ear.hear(datagram, now):
                    self._tell(event, now)
            if now - start > self.dead_time // 4:
                return False, now, stalled

    def _hear_kernel(self, now: Instant) -> None:
        if now >= self._facts_due or not self.performer.changing:
            self._facts_due = now + OWN_NEWS
            for fact in self.news.facts():
                self._tell(fact, now)
        for rival, asks in self.news.claims():
            self.performer.claimed(rival.address, rival.device, rival.mac)
            if asks:
                self.performer.defend(rival.address)
            else:
                self._tell(rival, now)

    def _hear_manager(self, now: Instant) -> None:
        for said in self.manager.receive():
            match said:
                case SnapshotWanted():
                    self.manager.snapshot(said.id, self.snapshot(now).to_json())
                case DumpWanted():
                    self.manager.dump(said.id, self.recorder.lines())
                case ReloadWanted():
                    if self.reloader is not None:
                        self.reloader.begin(said.id, self.manager)
                case KeysWanted():
                    if self.rekeyer is not None:
                        self.rekeyer.begin(said.id, said.take, self.manager)
                case HostsKnown():
                    self.know(dict(said.hosts))
                    self.watch_all()
                case ForPeer() if self.numbers:
                    self._tell(ManagerSays(said.message), now)
                case ForPeer():
                    self.performer.perform(Send(said.message, said.message.to), now)
                case _:
                    self._tell(said, now)

    def _reload(self, now: Instant) -> None:
        """Take up a new configuration that has been read; forget the former one when it is over."""
        if self.reloader is None:
            return
        event = self.reloader.take(self.performer, self.manager)
        if event is not None:
            self.watch_all()
            self._tell(event, now)
        if self.performer.settled:
            self.reloader.settle(self.performer, self.manager)
            self.watch_all()

    def _tell(self, event: OldEvent | RouterEvent, now: Instant) -> None:
        self.recorder.told(now, event)
        effects = self.core.handle(event, now)
        self.recorder.wished(effects)
        self.performer.said = self.performer.mouth.counter  # a note belongs before all that its turn has sent
        for effect in effects:
            self.performer.perform(effect, now)
        self.performer.flush(now)

    def _settle(self, now: Instant) -> None:
        """Tell what ended at once, and what ended at once because of that; bounded, the rest is the next turn's."""
        for _ in range(MOST_RESULTS):
            if not self.performer.results:
                return
            self._tell(self.performer.results.popleft(), now)

    def _mend(self, now: Instant) -> None:
        self._mend_due = now + MEND_INTERVAL
        self.links.mend()
        self.news.mend()
        self.watch_all()
        for event in self.ear.tidings(now, self.performer.mouth):
            self._tell(event, now)

    def watch_all(self) -> None:
        """Watch everything that is open; once before ``run``, and again whenever sockets may have been opened anew."""
        self._news_watched = frozenset(self.news.descriptors)
        self._watch((*self.links.descriptors, *self._news_watched, self.timer.fileno()))

    def _watch_manager(self) -> None:
        wanted = self.manager.descriptors
        if wanted == self._manager_watched and self.manager.generation == self._manager_generation:
            return
        self._manager_watched, self._manager_generation = wanted, self.manager.generation
        self._watch(tuple(fd for fd, writable in wanted.items() if not writable))
        self._watch(tuple(fd for fd, writable in wanted.items() if writable), select.EPOLLIN | select.EPOLLOUT)

    def _watch(self, descriptors: tuple[int, ...], events: int = select.EPOLLIN) -> None:
        """A closed descriptor leaves the epoll set by itself and its number may come back, so nothing is remembered here."""
        for descriptor in descriptors:
            try:
                self._epoll.modify(descriptor, events)
            except FileNotFoundError:
                self._epoll.register(descriptor, events)

    def snapshot(self, now: Instant) -> Snapshot:
        """The core's snapshot with what only the daemon knows."""
        warnings = (*self.warnings, *self.news.warnings, *self.ear.sentences(now))
        own = self.lateness.counters()
        known = self.core.snapshot(now)
        return report.complete(known, self.links, self.performer, self.manager, self.ear.rejected, own, warnings)
