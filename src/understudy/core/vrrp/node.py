"""The switchboard of the virtual routers of one machine: the same three questions as ``core.node.Node``.

RFC 3768 and RFC 9568, and what keepalived made of them; ``hearing``, ``moving`` and ``announcing`` say where this is better on
purpose. Only ``TimerDue`` calls anybody silent or late. Hundreds of virtual routers are cheap: each has one deadline in a heap.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from ...effects import Level, Note, Quit, Reply
from ...errors import check
from ...events import (
    AddressGone,
    AdminRequest,
    Finished,
    LeaseRefused,
    LinkChanged,
    RivalSeen,
    ShutdownAsked,
    Stalled,
    Started,
    TimerDue,
)
from ...snapshot import Snapshot
from ...units import NEVER, SECOND, Duration, Instant, format_duration
from ...vrrp import (
    AdvertHeard,
    AdvertRefused,
    AdvertUnsent,
    AnnounceSource,
    DevicesMissing,
    MayServe,
    PeerLives,
    RouterEffect,
    RouterEvent,
    RoutersChanged,
    SourceKnown,
    TrackSaid,
)
from ...vrrp_files import RouterFiles
from . import announcing, companies, hearing, holdings, moving, reload, status, tracking
from .companies import Company
from .router import Router

GO_AFTER: Duration = SECOND
"""A clean stop waits so long at most for addresses to be taken away."""

NOTED_EVERY: Duration = 600 * SECOND
"""The same about the same stranger is written down so often at most."""

MOST_NOTED = 64


class RouterNode:
    """The virtual routers of ``files`` on the machine ``me``. The first event must be ``Started``.

    ``first_op``: operations are numbered from there. ``looked``: routers whose faults, priority or state may be others than when
    somebody last emptied it.
    """

    def __init__(self, files: RouterFiles, me: str, first_op: int = 0) -> None:
        self.files, self.me = files, me
        self.routers: list[Router] = []
        self.by_name: dict[str, Router] = {}
        self.by_address: dict[str, list[Router]] = {}
        self.by_device: dict[str, list[Router]] = {}
        self.by_track: dict[tuple[str, str], list[Router]] = {}
        self.companies: list[Company] = []
        self.known = tracking.Known()
        self.lanes = announcing.Lanes()
        self.ops: dict[int, Router] = {}
        self.heap: list[tuple[Instant, int]] = []
        self.touched: dict[int, Router] = {}
        self.out: list[RouterEffect] = []
        self.started = self.leaving = self.quit = False
        self.go_at: Instant = NEVER
        self.unknown: dict[str, int] = {}
        self.looked: set[str] = set()
        self._op = first_op
        reload.build(self, files)

    # The three questions

    def handle(self, event: RouterEvent, now: Instant) -> list[RouterEffect]:
        """Take one event in. ``now`` never runs backwards. Returns effects, to be done in order."""
        self.out = []
        if isinstance(event, Started):
            self._started(event, now)
        else:
            check(self.started, "the first event must be Started")
            self._route(event, now)
        announcing.pump(self, now)
        self._settle(now)
        return self.out

    def next_deadline(self) -> Instant:
        """When ``TimerDue`` is wanted, by this machine's clock."""
        heap = self.heap
        while heap and self.routers[heap[0][1]].deadline != heap[0][0]:
            heapq.heappop(heap)
        first = heap[0][0] if heap else NEVER
        return min(first, self.lanes.next_deadline(), self.go_at)

    def rights(self, now: Instant) -> dict[str, Duration]:
        """For each virtual router that is master here, how long its right still lasts; changes nothing."""
        return {each.name: each.right_until - now for each in self.routers if each.master_here}

    def snapshot(self, now: Instant, whose: Mapping[str, str] | None = None) -> Snapshot:
        """Everything this node knows; changes nothing. ``whose``: of groups not held here, who has the lease, a clause."""
        return status.snapshot(self, now, whose or {})

    # What the parts use

    def emit(self, effect: RouterEffect) -> None:
        self.out.append(effect)

    def note(self, why: str, level: Level = Level.INFO, group: str = "") -> None:
        self.emit(Note(why, level, group, self.me))

    def seldom(self, r: Router, key: str, text: str, level: Level, now: Instant) -> None:
        """Note it, unless the same was noted lately."""
        if now < r.noted.get(key, 0):
            return
        if len(r.noted) >= MOST_NOTED:
            r.noted.clear()
        r.noted[key] = now + NOTED_EVERY
        self.note(f"{r.name}: {text}", level, r.name)

    def next_op(self) -> int:
        self._op += 1
        return self._op

    def touch(self, r: Router) -> None:
        """Its deadline may be another one."""
        self.touched[r.index] = r

    # Routing

    def _route(self, event: RouterEvent, now: Instant) -> None:
        match event:
            case TimerDue():
                self._timer(now)
            case AdvertHeard(router) if router in self.by_name:
                hearing.heard(self, self.by_name[router], event, now)
            case AdvertRefused(router) if router in self.by_name:
                hearing.refused(self, self.by_name[router], event, now)
            case AdvertUnsent(router) if router in self.by_name:
                moving.unsent(self, self.by_name[router], event, now)
            case SourceKnown(router, address) if router in self.by_name:
                self._source(self.by_name[router], address, now)
            case LinkChanged(device, carrier):
                self._carrier(device, carrier, now)
            case DevicesMissing(devices):
                self.known.missing = frozenset(devices)
                tracking.look(self, [r for r in self.routers if not r.gone], now)
            case TrackSaid(kind, name):
                self.known.said[(kind, name)] = event
                tracking.look(self, self.by_track.get((kind, name), []), now)
            case Finished(op, outcome, text):
                holdings.finished(self, op, outcome, text, now)
            case AddressGone(address):
                for r in self.by_address.get(address, []):
                    holdings.address_gone(self, r, address, now)
            case RivalSeen(address, device, mac):
                for r in self.by_address.get(address, []):
                    hearing.rival(self, r, address, device, mac, now)
            case Stalled(duration):
                self._stalled(duration, now)
            case PeerLives() if event.router in self.by_name:
                hearing.lives(self, self.by_name[event.router], event, now)
            case MayServe(router, until, why) if router in self.by_name:
                self.by_name[router].ballot = event.ballot
                self._may_serve(self.by_name[router], until, why, now)
            case RoutersChanged():
                reload.changed(self, event, now)
            case LeaseRefused(group, text):
                self.note(f"the kernel refuses the lease of {group}: {text}", Level.ERROR, group)
            case AdminRequest(op):
                self.emit(Reply(op, False, "virtual routers are moved by their priorities, or by stopping the daemon"))
            case ShutdownAsked():
                self._leave(now)
            case _:
                pass  # probes, hours and the manager: the core of virtual routers asks nothing of them

    def _started(self, event: Started, now: Instant) -> None:
        check(not self.started, "Started came twice")
        self.started = True
        self.known.carriers = dict(event.carriers)
        present = frozenset(event.addresses)
        leases = {name: left for name, left in event.kernel_leases if left > 0}
        for r in self.routers:
            r.since = now
            r.hold_until = now + r.spec.startup_delay
            if r.name in leases and any(item.address in present for item in r.resources):
                r.right_until = now + leases[r.name]
                r.left_here = True
                self.touch(r)
            else:
                holdings.leftovers(self, r, present)
        tracking.look(self, list(self.routers), now)

    def _source(self, r: Router, address: str, now: Instant) -> None:
        before, r.source = r.source, address
        if before == address:
            return
        if address and r.spec.peers and r.state is not r.state.STOP:
            self.emit(AnnounceSource(r.name, "its peers learn the address that it speaks from"))
        tracking.look(self, [r], now)

    def _carrier(self, device: str, carrier: bool, now: Instant) -> None:
        if self.known.carriers.get(device, True) == carrier:
            self.known.carriers[device] = carrier
            return
        self.known.carriers[device] = carrier
        routers = self.by_device.get(device, [])
        if routers:
            level = Level.INFO if carrier else Level.WARNING
            self.note(f"{device} of {self.me} {'has' if carrier else 'lost its'} carrier", level)
        tracking.look(self, routers, now)
        for r in routers if carrier else []:
            # Nobody can have heard what was said meanwhile; and whoever was there alone may have drawn our clients.
            announcing.contest(self, r, now)

    def _may_serve(self, r: Router, until: Instant | None, why: str, now: Instant) -> None:
        same = until is not None and r.may_until == until
        r.may_until = until
        if not r.spec.lease_group or same:
            return
        if r.master_here and (until is None or until <= now):
            moving.revoke(self, r, why, now)
        elif r.master_here:
            if r.right_until != min(r.advert_right, until or 0):
                moving.hold(self, r, why)
        elif r.wants and moving.may_serve(r, now):
            r.down_at = now
        elif r.left_here:
            tracking.look(self, [r], now)
        self.touch(r)

    def _stalled(self, duration: Duration, now: Instant) -> None:
        """We were late ourselves: nobody is dethroned for a silence that we slept through."""
        text = f"{self.me} was late by {format_duration(duration)} itself and dethrones nobody for now"
        self.note(text, Level.WARNING)
        for r in self.routers:
            if r.master_here:
                moving.lapsed(self, r, now)
            elif r.backup and not r.goodbye:
                moving.excuse(self, r, now)

    # Time

    def _timer(self, now: Instant) -> None:
        if now >= self.go_at:
            self._go("everything has stopped here, and the others were told, but some addresses may be left")
            return
        due: list[Router] = []
        while self.next_deadline() <= now and self.heap and self.heap[0][0] <= now:
            due.append(self.routers[heapq.heappop(self.heap)[1]])
            due[-1].deadline = NEVER
            self.touch(due[-1])
        for r in due:
            self._expire(r, now)

    def _expire(self, r: Router, now: Instant) -> None:
        if r.master_here and not moving.lapsed(self, r, now) and now >= r.advert_at:
            moving.advertise(self, r, now)
        if r.left_here and now >= r.right_until:
            moving.clear_left(self, r, "left here by an earlier run, whose right is over", now)
            tracking.look(self, [r], now)
        if r.backup and now >= r.down_at:
            moving.down(self, r, now)
        if now >= r.holding.again_at:
            holdings.again(self, r, now)
        announcing.due(self, r, now)

    def _settle(self, now: Instant) -> None:
        """The deadlines of what this event has touched; and whether a clean stop is complete."""
        for r in self.touched.values():
            deadline = r.due()
            if deadline != r.deadline:
                r.deadline = deadline
                if deadline < NEVER:
                    heapq.heappush(self.heap, (deadline, r.index))
        self.touched.clear()
        if self.leaving and not self.quit and not any(r.holding.op for r in self.routers):
            self._go("everything has stopped here, and the others were told")

    def _leave(self, now: Instant) -> None:
        if self.leaving:
            return
        self.leaving = True
        self.go_at = now + GO_AFTER
        for company in self.companies:
            company.moving = True
        for r in self.routers:
            moving.stop(self, r, "the daemon stops", now)
        for company in self.companies:
            company.moving = False
            if company.members:
                companies.tell(self, company.members[0], "the daemon stops")

    def _go(self, why: str) -> None:
        self.go_at = NEVER
        self.quit = True
        self.heap.clear()
        self.emit(Quit(why))
