"""The engine that asks checks. For whoever drives it (``balancer/service.py``):

    engine = Engine(answered, trouble, dialogue=make)          make(ServiceQuestion, Target) -> wire.dialogues.shape.Dialogue
    engine.begin(number, check); engine.end(number)            as the pool's effect ``Ask`` says
    engine.descriptor(), engine.next_deadline(), engine.turn() as every loop wants it

``descriptor()`` is an epoll descriptor: readable when something has happened. It can stand in another epoll set, or in asyncio's
(``loop.add_reader(engine.descriptor(), engine.turn)`` and a ``call_at`` for ``next_deadline()``, which is in nanoseconds of
CLOCK_BOOTTIME). Call ``turn`` then, and ask ``next_deadline`` again after it and after ``begin``. Who has no loop gives his
descriptors to ``engine.reactor.watch(descriptor, ready)``, his deadlines to ``engine.reactor.at(when, due)``, and says
``engine.reactor.wait(engine.next_deadline())`` and ``engine.turn()`` in turns.

``answered(number, failure, weight, took)`` is told each answer, as ``CheckAnswered`` has it; ``trouble(number, sentence)`` what
could not be asked for a trouble of our own (no descriptors, no ports, no such source address), which says nothing of the server.
Both are called from ``turn`` only, and may call ``begin`` and ``end``. A connection is a descriptor: the process needs a limit of
open files (RLIMIT_NOFILE) of as many as servers may hang at once.

When it was late itself it accuses nobody: what a turn was late is added to the time limits of what was being asked. The first
askings follow each other by a millisecond, all within their interval; from the second on each check has its own part of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from ..service_checks import (
    Check,
    CombinedQuestion,
    ConnectQuestion,
    FileQuestion,
    FixedQuestion,
    HttpQuestion,
    PingQuestion,
    ProgramQuestion,
    Question,
    SayQuestion,
    ServiceQuestion,
    Target,
    UdpQuestion,
)
from ..units import MILLISECOND, NEVER, Duration, Instant
from ..wire.dialogues.make import TLS_LATER, over_udp
from ..wire.dialogues.shape import Dialogue
from .asker import Asker, Ears
from .connection import Connection, Once, Pages, Script, said_once
from .datagrams import Datagrams, UdpTalk
from .files import File
from .pace import Pace, spread
from .pings import Ping, Pings
from .programs import MOST_RUNNING, Program, Programs
from .reactor import Reactor, boot_clock
from .searches import Searcher
from .simple import Combined, Fixed, Unaskable
from .sockets import Spares, place_of
from .spoken import Spoken
from .tls import Contexts

Answered = Callable[[int, str, int | None, Duration], None]
Trouble = Callable[[int, str], None]
Make = Callable[[ServiceQuestion, Target], Dialogue]

_TICK: Duration = 100 * MILLISECOND
"""While something is being asked a turn comes at least so often: so the engine notices that it was stopped."""

_GRACE: Duration = 10 * MILLISECOND
_STEP: Duration = MILLISECOND
_ROUNDS = 8
"""Of the events that are there, before anything is said not to have happened."""


@dataclass(slots=True)
class Lateness:
    """How late askings began, against when they were due. ``over``: by more than a tenth of their interval."""

    begun: int = 0
    worst: Duration = 0
    over: int = 0
    stalled: Duration = 0
    """What turns came too late, in all."""

    def add(self, late: Duration, interval: Duration) -> None:
        self.begun += 1
        if late > self.worst:
            self.worst = late
        if late * 10 > interval:
            self.over += 1


class Engine:
    """``clock``: CLOCK_BOOTTIME in nanoseconds. ``programs``: how many external programs may run at once."""

    def __init__(
        self,
        answered: Answered,
        trouble: Trouble,
        dialogue: Make | None = None,
        clock: Callable[[], Instant] = boot_clock,
        programs: int = MOST_RUNNING,
    ) -> None:
        self.reactor = Reactor(clock)
        self.lateness = Lateness()
        self.asking = 0
        """How many are being asked now."""
        self.clock, self.answered, self.trouble, self._make = clock, answered, trouble, dialogue
        self._rows: dict[int, _Row] = {}
        self._begun = 0
        self._soon: Instant = 0
        self._armed: Instant = NEVER
        self._contexts = Contexts()
        self._searcher = Searcher(self.reactor)
        self._spares = Spares()
        self._pings = Pings(self.reactor, random.getrandbits(16))
        self._programs = Programs(self.reactor, programs)

    def begin(self, number: int, check: Check) -> None:
        """From now on; the first answer comes soon (or within ``warmup``). ``number`` must not be asked already."""
        now = self.clock()
        self._begun += 1
        self._soon = max(self._soon + _STEP, now)
        soon = (self._soon - now) % max(check.interval, 1)
        self._rows[number] = row = _Row(self, number, check, spread(self._begun))
        row.plan(row.pace.first(now, soon))

    def end(self, number: int) -> None:
        """No more; unknown numbers are ignored."""
        row = self._rows.pop(number, None)
        if row is not None:
            row.end()

    # -- the loop

    def descriptor(self) -> int:
        return self.reactor.descriptor()

    def next_deadline(self) -> Instant:
        """When ``turn`` is to be called at the latest."""
        return min(self.reactor.next_deadline(), self._armed)

    def turn(self) -> None:
        """Tell what has happened, then what has not happened in time; begin what is due. Bounded to some milliseconds."""
        now = self.clock()
        if now > self._armed + _GRACE:
            self.lateness.stalled += now - self._armed
        for _ in range(_ROUNDS):
            if not self.reactor.drain():
                break
        self.reactor.expire(now)
        now = self.clock()
        self._armed = max(min(self.reactor.next_deadline(), now + _TICK if self.asking else NEVER), now)

    def close(self) -> None:
        """Forget all; programs that run are killed."""
        for number in tuple(self._rows):
            self.end(number)
        self._programs.close()
        self._searcher.close()
        self._spares.close()
        self._pings.close()
        self.reactor.close()

    # -- who asks what

    def asker(self, check: Check, ears: Ears) -> Asker:
        """The one for the question of ``check``."""
        return self._asker(check.question, check, ears)

    def _asker(self, question: Question, check: Check, ears: Ears) -> Asker:
        match question:
            case FixedQuestion(up):
                return Fixed(ears, up)
            case FileQuestion():
                return File(ears, question)
            case ProgramQuestion():
                return Program(self._programs, ears, question, check.timeout)
            case CombinedQuestion(often, seldom, each):
                return Combined(
                    ears,
                    each,
                    lambda inner: self._asker(often, check, inner),
                    lambda inner: self._asker(seldom, check, inner),
                )
        place = place_of(check.target)
        if isinstance(place, str):
            return Unaskable(ears, place)
        if isinstance(question, ServiceQuestion) and self._make is None:
            return Unaskable(ears, f"nobody knows the dialogue of {question.service.value}")
        match question:
            case PingQuestion(tries):
                return Ping(self._pings, ears, place, check.timeout, tries)
            case UdpQuestion():
                return Datagrams(self.reactor, ears, place, check.timeout, lambda: UdpTalk(question), self._searcher)
            case ServiceQuestion() if over_udp(question):
                make = self._maker(question, check.target)
                return Datagrams(self.reactor, ears, place, check.timeout, make, self._searcher)
        tls, resets, later = None, True, False
        script: Script = Once(lambda: None)
        match question:
            case HttpQuestion():
                tls, script = question.tls, Pages(question, check.target)
            case SayQuestion():
                tls, script, resets = question.tls, said_once(question), False
            case ServiceQuestion():
                tls, later = question.tls, question.service in TLS_LATER
                script, resets = Once(self._maker(question, check.target)), False
            case ConnectQuestion():
                pass
        resets = resets or check.target.source_port > 0  # else the next connection finds its port in TIME_WAIT
        return Connection(
            self.reactor,
            ears,
            place,
            check.timeout,
            script,
            tls,
            self._contexts,
            self._searcher,
            self._spares,
            resets,
            later,
        )

    def _maker(self, question: ServiceQuestion, target: Target) -> Callable[[], Spoken]:
        make = self._make
        if make is None:
            raise ValueError(f"nobody knows the dialogue of {question.service.value}")
        return lambda: Spoken(make(question, target), question)


class _Row:
    """One check: when it is asked, and what became of it."""

    __slots__ = (
        "_alarm", "_asker", "_asking", "_due", "_engine", "_limit", "_ring_", "_stalled", "_start_", "_started", "number", "pace",
    )  # fmt: skip

    def __init__(self, engine: Engine, number: int, check: Check, part: float) -> None:
        self._engine, self.number = engine, number
        self.pace = Pace(check, part)
        self._due: Instant = NEVER
        self._limit: Instant = NEVER
        self._alarm: Instant = 0
        """Of the one timer for the time limit that is set; a later limit waits for it. 0: none."""
        self._asking = False
        self._started: Instant = 0
        self._stalled: Duration = 0
        self._start_, self._ring_ = self._start, self._ring
        self._asker: Asker | None = None
        """Made when it is first asked, so that ten thousand that begin at once do not keep the loop."""

    def plan(self, due: Instant) -> None:
        self._due = due
        self._engine.reactor.at(due, self._start_)

    def _start(self, now: Instant) -> None:
        if self._asking or self._due > now:
            return
        engine, pace = self._engine, self.pace
        self._started = now = engine.clock()
        engine.lateness.add(now - self._due, pace.check.interval)
        pace.begun(self._due)
        self._due = NEVER
        self._asking = True
        engine.asking += 1
        self._begin_limit(now)
        if self._asker is None:
            self._asker = engine.asker(pace.check, Ears(self._over, self._ours, self._anew))
        self._asker.ask()

    def _anew(self) -> None:
        if self._asking:
            self._begin_limit(self._engine.clock())

    def _begin_limit(self, now: Instant) -> None:
        engine = self._engine
        self._stalled = engine.lateness.stalled
        self._limit = now + self.pace.check.timeout
        if not self._alarm:
            self._alarm = self._limit
            engine.reactor.at(self._limit, self._ring_)

    def _ring(self, now: Instant) -> None:
        self._alarm = 0
        if not self._asking:
            return
        stalled = self._engine.lateness.stalled
        self._limit += stalled - self._stalled
        self._stalled = stalled
        if now < self._limit:
            self._alarm = self._limit
            self._engine.reactor.at(self._limit, self._ring_)
        elif self._asker is not None:
            self._asker.expire()

    def _over(self, failure: str, weight: int | None) -> None:
        if not self._asking:
            return
        self._asking = False
        engine = self._engine
        engine.asking -= 1
        now = engine.clock()
        self.plan(self.pace.answered(not failure, now))
        engine.answered(self.number, failure, weight, now - self._started)

    def _ours(self, text: str) -> None:
        if not self._asking:
            return
        self._asking = False
        self._engine.asking -= 1
        self.plan(self.pace.next(self._engine.clock()))
        self._engine.trouble(self.number, text)

    def end(self) -> None:
        self._due = NEVER
        if self._asking:
            self._asking = False
            self._engine.asking -= 1
        if self._asker is not None:
            self._asker.cancel()
