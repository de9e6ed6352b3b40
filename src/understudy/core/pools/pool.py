"""The pool: a node of the usual shape, told what happens and answering with effects.

Nothing is decided before the first ``TableSeen``: what stands in the kernel then is adopted. Tell ``HeldSeen`` before it where
it is known. The effects of an event that change the table come first, additions before removals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...balance import (
    Answered,
    CheckAnswered,
    FilesChanged,
    HeldSeen,
    MaintenanceSeen,
    PoolEffect,
    PoolEvent,
    PoolSnapshot,
    PoolTimer,
    ServerWish,
    StopAsked,
    SyncRefused,
    TableRefused,
    TableSeen,
)
from ...services import OnFailure, ServiceFiles, VirtualService
from ...units import Instant
from . import reload, status, wishing
from .desk import Desk
from .members import Probe, Server
from .probing import count, settle
from .synchronising import NEITHER, Synchronising, roles
from .table import LONGEST_WAIT

NOTHING: tuple[PoolEffect, ...] = ()
_SYNC = ("sync", None)


def _never(_: VirtualService) -> bool:
    return False


class Pool:
    """``needs_holder``: whether a service stands in its plane's table only while its group is held here (IPVS).

    Raises nothing: what an event names and nobody knows is passed over.
    """

    def __init__(self, files: ServiceFiles, needs_holder: Callable[[VirtualService], bool] = _never) -> None:
        self._desk = Desk(files, needs_holder)
        self._sync = Synchronising()

    def handle(self, event: PoolEvent, now: Instant) -> tuple[PoolEffect, ...]:
        """What follows from an event at ``now``."""
        desk = self._desk
        if isinstance(event, CheckAnswered):
            probe = desk.probes.by_number.get(event.number)
            if probe is None:
                return NOTHING
            probe.answers += 1
            if probe.calm and not event.failure and event.weight == probe.weight:
                return NOTHING
            self._answered(probe, event, now)
        elif desk.stopped:
            return NOTHING
        elif isinstance(event, TableSeen):
            self._seen(event, now)
        elif isinstance(event, HeldSeen):
            self._held(event)
        elif isinstance(event, FilesChanged):
            self._files(event, now)
        elif not desk.begun:
            return self._early(event)
        else:
            self._other(event, now)
        if not desk.begun:
            return tuple(desk.story.taken())
        found = tuple(desk.settled(now))
        if desk.story.phase != "running" and not desk.probes.unanswered:
            desk.story.phase = "running"
        return found

    def next_deadline(self) -> Instant:
        """When ``PoolTimer`` is due; NEVER when nothing waits."""
        return self._desk.alarms.next()

    def snapshot(self, now: Instant) -> PoolSnapshot:
        """What is known of all services at ``now``."""
        return status.snapshot(self._desk, self._sync, now)

    # -- the events

    def _early(self, event: PoolEvent) -> tuple[PoolEffect, ...]:
        """Before the table was seen: files of maintenance are remembered, a wish is answered, the rest has nothing to act on."""
        if isinstance(event, MaintenanceSeen):
            self._desk.maintenance = event.servers
        if isinstance(event, StopAsked):
            self._desk.stopped = True
        if isinstance(event, ServerWish):
            return (Answered(event.op, False, "the kernel's table was not read yet; try again in a moment"),)
        return NOTHING

    def _other(self, event: PoolEvent, now: Instant) -> None:
        desk = self._desk
        if isinstance(event, MaintenanceSeen):
            wishing.maintain(desk, event.servers, now)
        elif isinstance(event, ServerWish):
            desk.story.effects.append(Answered(event.op, *wishing.wish(desk, event, now)))
        elif isinstance(event, TableRefused):
            self._refused(event, now)
        elif isinstance(event, SyncRefused):
            wait, notes = self._sync.refused(event.text)
            desk.alarms.set(_SYNC, now + wait)
            desk.story.effects += notes
        elif isinstance(event, PoolTimer):
            self._timer(now)
        elif isinstance(event, StopAsked):
            self._stop()

    def _answered(self, probe: Probe, event: CheckAnswered, now: Instant) -> None:
        desk = self._desk
        before = (probe.up, probe.weight, probe.failure, bool(probe.bad))
        desk.probes.unanswered -= not probe.answered
        count(probe, event)
        good = not event.failure and probe.up is True
        if good and probe.awaited:
            for server in probe.users:
                if probe in server.awaits:
                    server.awaits.discard(probe)
                    desk.rejudge(server, now)
            probe.awaited = 0
            settle(probe)
        if event.failure:
            desk.story.failed(probe, fell=before[0] is True and probe.up is False)
        up, weight, failure, bad = before
        if (
            probe.up != up
            or probe.weight != weight
            or (probe.up is not True and (failure, bad) != (probe.failure, bool(probe.bad)))
        ):
            for server in probe.users:
                desk.rejudge(server, now)

    def _seen(self, event: TableSeen, now: Instant) -> None:
        desk = self._desk
        desk.table.seen(event)
        desk.gone &= set(desk.table.standing)
        if not desk.begun:
            reload.take_up(desk, desk.files, now)
            desk.begun = True
            self._left_over(event)
            if desk.files.flush:
                for key in [key for key in desk.table.standing if key not in desk.owners]:
                    desk.table.drop_service(key, "the configuration asks for an empty table at the start")
            self._synchronise()
            return
        self._left_over(event)
        desk.story.effects += self._sync.again()
        for service in desk.services.values():
            desk.compare(service)
            if not service.spec.readd_quiet:
                for server in service.servers.values():
                    server.left_out = server.left_out or self._taken_out(server)

    def _left_over(self, event: TableSeen) -> None:
        """What only we can have written and nobody wants goes; what somebody else may have written stays."""
        desk = self._desk
        for key in sorted(event.own - desk.owners.keys() - desk.gone, key=str):
            desk.story.note(f"{key} is left over from before: no service of the configuration has it, so it goes")
            desk.gone.add(key)

    def _taken_out(self, server: Server) -> bool:
        """A quiet server that is down and that somebody took out of a table in which its service stands."""
        if server.up or server.real.on_failure is not OnFailure.QUIET:
            return False
        standing = [self._desk.table.standing.get(key) for key in server.service.keys]
        known = [(found, place) for found, place in zip(standing, server.places, strict=True) if found is not None]
        return bool(known) and all(place not in found.servers for found, place in known)

    def _held(self, event: HeldSeen) -> None:
        desk = self._desk
        desk.held, desk.absent = event.groups, event.absent
        for service in desk.services.values():
            desk.station(service)
        self._synchronise()

    def _synchronise(self) -> None:
        desk = self._desk
        if desk.begun:
            desk.story.effects += self._sync.follow(roles(desk.files.sync, desk.held))

    def _files(self, event: FilesChanged, now: Instant) -> None:
        desk = self._desk
        if desk.begun:
            desk.story.phase = "reloading"
            reload.take_up(desk, event.files, now)
            self._synchronise()
        else:
            desk.files = event.files
        if event.op:
            services = len(event.files.services)
            servers = sum(len(service.reals) for service in event.files.services)
            text = f"{services} service{'s' * (services != 1)} with {servers} server{'s' * (servers != 1)}"
            desk.story.effects.append(Answered(event.op, True, text))

    def _refused(self, event: TableRefused, now: Instant) -> None:
        desk = self._desk
        before = desk.table.refusals.get((event.key, event.place))
        again = desk.table.refused(event, now)
        if again is None:
            return
        desk.alarms.set(("retry", (event.key, event.place)), again)
        if before is not None and before.text == event.text and now - before.at < LONGEST_WAIT:
            return  # tried again and refused again: said once, and shown as long as it lasts
        service = desk.owners.get(event.key)
        name = service.name if service else ""
        what = f"{event.place} of {event.key}" if event.place else str(event.key)
        desk.story.note(f"the kernel did not take {what}: {event.text}", "error", name, str(event.place or ""))

    def _timer(self, now: Instant) -> None:
        desk = self._desk
        for what, whom in desk.alarms.due(now):
            if (what, whom) == _SYNC:
                desk.story.effects += self._sync.again()
            elif what == "retry" and isinstance(whom, tuple):
                desk.table.again(whom)
                service = desk.owners.get(whom[0])
                if service is not None:
                    desk.compare(service)
            elif isinstance(whom, Server):
                if what == "slow":
                    desk.touch(whom, now)
                elif what == "drain":
                    wishing.drained(desk, whom, now)
                elif what == "mail":
                    desk.story.mail(whom, "Inaccessible real server: {name} ({key})")
                    desk.alarms.set(("mail", whom), desk.story.again_at(whom, now))

    def _stop(self) -> None:
        desk = self._desk
        desk.story.phase = "stopping"
        for service in desk.services.values():
            spec = service.spec
            if spec.down_at_stop:
                for server in service.servers.values():
                    if server.up:
                        desk.story.notify(server, "a clean stop", up=False)
                if service.quorum:
                    desk.story.tell(spec.quorum_down, (), spec.name, "a clean stop")
            if spec.clean_stop:
                for key in service.keys:
                    desk.table.drop_service(key, "a clean stop")
            for server in service.servers.values():
                desk.probes.want(server, False)
        if desk.files.flush_at_stop:
            for key in list(desk.table.standing):
                desk.table.drop_service(key, "the configuration asks for an empty table at the end")
        desk.story.effects += self._sync.follow(replace(NEITHER, why="a clean stop"))
        desk.alarms = type(desk.alarms)()
        desk.stopped = True
