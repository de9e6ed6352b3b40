"""The balancer of one machine: joins the pool that decides, the engine that asks, and the planes that write the kernel's table.

A process of its own beside pulse and manager. It may wait, die and come back alone: the kernel's table stays, and is adopted
(``TableSeen``). What changes the table is collected for one turn of the loop and written as one batch, so that a thousand
servers that fail at once are a few transactions.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from ..balance import (
    Answered,
    Ask,
    DropServer,
    DropService,
    FilesChanged,
    HeldSeen,
    Mail,
    MaintenanceSeen,
    Monitored,
    PoolEffect,
    PoolEvent,
    PoolNote,
    PoolTimer,
    ServerWish,
    SetServer,
    SetService,
    StopAsked,
    Synchronise,
    SyncRefused,
    TableEffect,
    Tell,
)
from ..config.service_copy import ServiceCopy
from ..services import ServiceFiles
from ..units import NEVER, SECOND, Duration, Instant
from .beside import Beside
from .control import Control
from .copied import COPY, load, stamp
from .held import HeldWatch, absent, held
from .mails import Mails
from .maintenance import Maintenance
from .notes import Notes, add_to
from .parts import Engine, MakeEngine, ManyPlanes, Pool
from .tell import Teller
from .view import SCHEMA, Rates, sync_view, view
from .wishes import Wish, WishesFile

LOOK = 1.0
"""Seconds between two looks at the maintenance folder and at the copy."""

READ_EACH = 60
"""Every so many looks the kernel's table is read again: somebody else may have changed it."""

COUNT_EACH = 10
COUNTED = 1000
"""Every so many looks the counters are read for rates, unless there are more servers than that: reading them takes its time."""

PATIENCE = 0.5
"""Seconds that a start and a reload wait for the maintenance folder: its disk may hang."""

WISH_LIMIT = 5.0
LAST: Duration = 3 * SECOND
"""How long a clean stop waits for programs and mails."""


def boot_clock() -> Instant:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a balancer is made of besides its own: tests give others."""

    pool: Pool
    planes: ManyPlanes
    engine: MakeEngine
    watch: Callable[[], HeldWatch] = HeldWatch
    clock: Callable[[], Instant] = boot_clock
    lacking: Callable[[ServiceFiles], list[str]] = lambda _: []
    """What this machine lacks for it, as sentences."""
    maintenance: Callable[[], Maintenance] = Maintenance
    beside: Callable[[], str] = str
    """What is to be said of another balancer on this machine, "" for none."""


class Balancer:
    """One machine's balancer. Construct it inside the running event loop."""

    def __init__(self, parts: Parts, runtime_dir: str, state_dir: str, stream: Any = None) -> None:
        self._path = os.path.join(runtime_dir, COPY)
        self._begun = os.path.join(runtime_dir, "balancer.begun")
        self._pool = parts.pool
        self._planes = parts.planes
        self._clock = parts.clock
        self._lacking = parts.lacking
        self.notes = Notes(stream)
        self._teller = Teller(os.path.join(runtime_dir, "log"), self.notes.say)
        self._mails = Mails(self.notes.say)
        self._maintenance = parts.maintenance()
        self._beside = Beside(parts.beside, self.notes.say)
        self._wishes = WishesFile(os.path.join(state_dir, "pool_wishes.json"))
        self._engine: Engine = parts.engine(self.tell, self.notes.say)
        self._watch = parts.watch()
        self.control = Control(self, os.path.join(runtime_dir, "balancer.sock"))
        self._copy = ServiceCopy()
        self._stamp: tuple[int, ...] = ()
        self._held: HeldSeen | None = None
        self._in_maintenance: frozenset[tuple[str, str]] = frozenset()
        self._silent = ""
        self._looked = asyncio.Event()
        self._table: list[TableEffect] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due: Instant = 0
        self._op = 0
        self._asked: dict[int, asyncio.Future[tuple[bool, str]]] = {}
        self._rates = Rates()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._refused = ""
        self._unread = False
        self._half = False
        """A reload failed in the middle: what is followed is neither ``_copy`` nor the file, whatever that says now."""
        self._failed: dict[str, str] = {}
        self._judged: frozenset[tuple[str, str]] = frozenset()
        self._reloading = asyncio.Lock()

    @property
    def files(self) -> ServiceFiles:
        return self._copy.files

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set: then a clean stop. Raises OSError when the control socket cannot be made, ValueError when
        there is no copy, or one of another version.
        """
        loop = asyncio.get_running_loop()
        os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
        os.makedirs(os.path.join(os.path.dirname(self._path), "log"), mode=0o700, exist_ok=True)
        self._stamp = stamp(self._path)
        gc.disable()  # what is made now stays: nothing of it is looked at as garbage
        await self._follow(load(self._path))
        again = os.path.exists(self._begun)
        if again:
            self.notes.say(
                "the balancer before this one ended without a clean stop; what stands in the kernel is taken over",
                "warning",
            )
        if self.files.flush and not again:  # not when only this process has died
            self.notes.say(self._planes.flush() or "every service of IPVS's table is taken out at the start", "info")
        add_to(self._begun, "")
        seen = self._planes.read()
        if self._planes.follow(self.files):  # what stands from before is in a plane that is not its service's
            seen = self._planes.read()
        self._maintained()  # nothing is written before the table was seen
        self.tell(seen)
        for wish in self._wishes.wishes:  # in the same turn, so that nothing of it is written before
            self._tell_again(wish)
        gc.freeze()
        gc.enable()
        loop.add_reader(self._watch.fileno(), self._addresses_changed)
        await self.control.start()
        self._background(self.control.let_in(self._copy.admin_group))
        looking = self._background(self._look_around())
        try:
            await stop.wait()
        finally:
            looking.cancel()
            loop.remove_reader(self._watch.fileno())
            await self._end(stop.is_set())

    async def _end(self, clean: bool) -> None:
        if clean:
            self.tell(StopAsked())
            self._flush()
            if self.files.flush_at_stop:
                self._planes.flush()
            with contextlib.suppress(OSError):
                os.unlink(self._begun)
            self.notes.say("the balancer stops")
        if self._timer is not None:
            self._timer.cancel()
        self._engine.close()
        await asyncio.gather(self._teller.drain(LAST), self._mails.drain(LAST))
        self.notes.close()
        await self.control.stop()
        self._watch.close()
        self._planes.close()

    # -- events and effects ----------------------------------------------------------------------------------------

    def tell(self, event: PoolEvent) -> None:
        """Tell the pool what happened, and do what it wants."""
        for effect in self._pool.handle(event, self._clock()):
            self._do(effect)
        self._arm()

    def _do(self, effect: PoolEffect) -> None:
        match effect:
            case SetService() | DropService() | SetServer() | DropServer():
                if not self._table:
                    asyncio.get_running_loop().call_soon(self._flush)
                self._table.append(effect)
            case Synchronise():
                if trouble := self._planes.synchronise(effect):
                    self.tell(SyncRefused(trouble))
            case Ask():
                self._engine.ask(effect)
            case Tell():
                self._teller.tell(effect)
            case Mail():
                self._mails.send(effect)
            case PoolNote():
                self.notes.add(effect)
            case Monitored():
                self.notes.monitor(effect)
            case Answered():
                waiting = self._asked.pop(effect.op, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result((effect.ok, effect.text))

    def _flush(self) -> None:
        """Write what was wanted in this turn. What the kernel refuses is the pool's to try again."""
        effects, self._table = self._table, []
        if effects:
            for refused in self._planes.apply(effects):
                self.tell(refused)

    def _arm(self) -> None:
        deadline = self._pool.next_deadline()
        if self._timer is not None and deadline < self._due:
            self._timer.cancel()
            self._timer = None
        if self._timer is None and deadline < NEVER:
            self._due = deadline
            wait = max(deadline - self._clock(), 0) / SECOND
            self._timer = asyncio.get_running_loop().call_later(wait, self._timer_due)

    def _timer_due(self) -> None:
        self._timer = None
        if self._clock() >= self._due:
            self.tell(PoolTimer())
        else:
            self._arm()

    # -- what is looked at -----------------------------------------------------------------------------------------

    def _addresses_changed(self) -> None:
        self._watch.drain()
        self._look_held()

    def _look_held(self, *former: ServiceCopy) -> None:
        """``former``: with the groups of these copies, which the pool still has."""
        present = self._watch.present()
        if present is None:
            return
        here, silent = present
        copies = [dict(copy.addresses) for copy in (self._copy, *former)]
        serving = frozenset[str]().union(*(held(addresses, here) for addresses in copies))
        seen = HeldSeen(serving, frozenset[str]().union(*(absent(addresses, here | silent) for addresses in copies)))
        if seen != self._held:
            self._held = seen
            if trouble := self._planes.settle(self.files):
                self.notes.say(trouble, "warning")
            self.tell(seen)

    async def _look_around(self) -> None:
        """What nobody tells us. Runs until cancelled."""
        looks = 0
        while True:
            await asyncio.sleep(LOOK)
            looks += 1
            if stamp(self._path) != self._stamp:
                await self._try_reload()
            for each, look in (
                (1, self._look_maintenance),
                (1, self._look_held),
                (1, self._beside.look),
                (1 if self._unread else READ_EACH, self._look_table),
                (COUNT_EACH, self._look_counters),
            ):
                if looks % each == 0:
                    self._try(look)

    def _try(self, look: Callable[[], None]) -> None:
        """A look that fails ends no other; why is said once."""
        failed = ""
        try:
            look()
        except Exception as error:
            failed = _look_failed(error)
        self._say_failed(look.__name__, failed)
        self._say_failed("planes", self._planes.trouble)

    async def _try_reload(self) -> None:
        """As ``_try``, for what is no fault of the copy and was not answered: no thread can be started, say."""
        failed = ""
        try:
            await self.reload()
        except Exception as error:
            failed, self._stamp = _look_failed(error), ()
        self._say_failed("reload", failed)

    def _say_failed(self, what: str, text: str) -> None:
        if text and text != self._failed.get(what):
            self.notes.say(text, "warning")
        self._failed[what] = text

    def _look_table(self) -> None:
        """What could not be read is read again at the next look."""
        self._unread = True
        seen = self._planes.read()
        if self._planes.follow(self.files):  # somebody wrote a service of ours into a plane that is not its own
            seen = self._planes.read()
        self.tell(seen)
        self._unread = bool(self._planes.trouble)

    def _look_counters(self) -> None:
        if sum(len(each.reals) for each in self.files.services) <= COUNTED:
            self._rates.look(self._clock(), self._planes.counters())

    def _look_maintenance(self) -> None:
        """Nobody waits for it: what it finds is told when it comes back."""
        loop = asyncio.get_running_loop()
        if (trouble := self._maintenance.trouble) != self._silent:
            self._silent = trouble
            self.notes.say(
                trouble or "the trouble with the maintenance folder is over", "warning" if trouble else "info"
            )
        self._maintenance.begin(lambda: loop.call_soon_threadsafe(self._maintained))

    async def _wait_for_maintenance(self) -> None:
        """Until the look at the folder has come back, for ``PATIENCE`` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while self._maintenance.looking:
                    self._looked.clear()
                    await self._looked.wait()

    def _maintained(self, former: frozenset[tuple[str, str]] = frozenset()) -> None:
        """``former``: with these, which the pool still has."""
        self._looked.set()
        servers = self._maintenance.found() | former
        if servers != self._in_maintenance:
            self._in_maintenance = servers
            self.tell(MaintenanceSeen(servers))

    # -- another configuration -------------------------------------------------------------------------------------

    async def reload(self) -> tuple[bool, str]:
        """Take up the copy as it is now. One that cannot be read changes nothing; what fails otherwise is tried again."""
        async with self._reloading:
            self._stamp = stamp(self._path)
            try:
                copy = await asyncio.get_running_loop().run_in_executor(None, load, self._path)
            except ValueError as error:
                was = "half taken up, and stay so" if self._half else "as they were"
                self._refused = f"the services are {was}: {error}"
                self.notes.say(self._refused, "error")
                return False, self._refused
            refused, self._refused = self._refused, ""
            if copy == self._copy and not self._half:
                return True, "nothing has changed"
            before = self._copy
            gc.unfreeze()
            try:
                ok, text = await self._follow(copy, again=True)
                self._half = False
            except Exception as error:
                self._copy, self._stamp, self._half = before, (), True
                text = f"the services are not taken up, it is tried again: {type(error).__name__}: {error}"
                if text != refused:  # said once
                    self.notes.say(text, "error")
                ok, self._refused = False, text
            gc.collect()  # who is gone; the others are not looked at again
            gc.freeze()
            if before.admin_group != self._copy.admin_group:
                self._background(self.control.let_in(self._copy.admin_group))
            return ok, text

    async def _follow(self, copy: ServiceCopy, again: bool = False) -> tuple[bool, str]:
        """``again``: the pool has had others before."""
        self._maintenance.move(copy.files.maintenance)
        self._try(self._look_maintenance)
        await self._wait_for_maintenance()  # who has a file is not served before that is known
        # From here until the pool has the files is one turn: nobody looks for the new groups while it has the old services.
        former, self._copy = self._copy, copy
        self._maintenance.follow(copy.files)
        self.notes.log_file, self.notes.log_facility = copy.files.log_file, copy.files.log_facility
        self._mails.follow(copy.files)
        self._flush()  # what the former services wanted is about the planes that they had
        if self._planes.follow(copy.files):
            self._try(self._look_table)
        judged = self._planes.judge(copy.files) + [(text, "warning") for text in self._lacking(copy.files)]
        for text, level in judged:
            if (text, level) not in self._judged:  # said already, before a reload
                self.notes.say(text, level)
        self._judged = frozenset(judged)
        # Which groups are here is known before the services that are theirs, and until then the former ones are, too.
        self._held = None
        self._look_held(former)
        self._maintained(self._in_maintenance)

        def after() -> None:
            self._look_held()
            self._maintained()
            if again:
                self._tell_wishes(former.files)

        return await self._put(lambda op: FilesChanged(copy.files, op), after)

    def _tell_wishes(self, former: ServiceFiles) -> None:
        """What is kept of servers that were not there before, as the next start would: the pool has forgotten who was gone."""
        known = {(service.name, real.name) for service in former.services for real in service.reals}
        new: dict[str, list[str]] = {}
        for service in self.files.services:
            for real in service.reals:
                if (service.name, real.name) not in known:
                    new.setdefault(real.name, []).append(service.name)
        for wish in self._wishes.wishes:
            for name in new.get(wish.server, ()):
                if wish.service in ("", name):
                    self._tell_again(replace(wish, service=name))

    def _tell_again(self, wish: Wish) -> None:
        if wish.verb != "enable" and self.knows(wish):
            self.notes.say(f"{wish} holds again, as it was asked before; understudy pool enable {wish.server} ends it")
        self.tell(ServerWish(0, wish.service, wish.server, wish.verb, wish.value))

    # -- what people ask -------------------------------------------------------------------------------------------

    async def wish(self, wish: Wish, by: str) -> tuple[bool, str]:
        """Put an operator's wish to the pool, and keep it."""
        names = wish.named(self.files.services)
        if not names and wish.verb == "enable" and (names := self._wishes.kept(wish)):  # out of the file since
            ok, text = True, f"{', '.join(names)} is not in the file; what was kept for it is taken back"
        else:
            ok, text = await self._put(lambda op: ServerWish(op, wish.service, wish.server, wish.verb, wish.value))
        if ok:
            self.notes.say(f"{by}: {wish}")
            troubles = [self._wishes.add(replace(wish, server=name)) for name in names]
            trouble = next(filter(None, troubles), "")
            text = f"{text}; but {trouble}" if trouble else text
        return ok, text

    def knows(self, wish: Wish) -> bool:
        """Whether there is any server that it can be about."""
        return bool(wish.named(self.files.services))

    async def _put(
        self, event: Callable[[int], PoolEvent], after: Callable[[], None] | None = None
    ) -> tuple[bool, str]:
        """``after``: what is to be told in the same turn."""
        self._op += 1
        op = self._op
        waiting: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self._asked[op] = waiting
        try:
            self.tell(event(op))
            if after is not None:
                after()
            self._flush()  # before anybody is told that it is done
            async with asyncio.timeout(WISH_LIMIT):
                return await waiting
        except TimeoutError:
            return False, "the pool has not answered"
        finally:
            self._asked.pop(op, None)

    def answer(self, only: str) -> dict[str, Any]:
        """For ``understudy pool``."""
        self._flush()  # what is shown as out of the table gets no connection any more
        now = self._clock()
        counts = self._planes.counters()
        seen = self._pool.snapshot(now)
        shown = view(seen, self.files, now, counts, self._rates, self._planes.name_of, only)
        self._rates.look(now, counts)
        absent = self._wishes.absent(self.files.services)
        here = (self._refused, seen.sync_trouble, self._maintenance.trouble, self._beside.trouble, absent)
        found = {"ok": True, "schema": SCHEMA, "node": self._copy.node, "services": shown, "sync": sync_view(seen)}
        return {**found, "warnings": [*self._mails.warnings(), *filter(None, here), *self._lacking(self.files)]}

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _look_failed(error: Exception) -> str:
    return f"a look at this machine failed, it is tried again: {type(error).__name__}: {error}"
