"""Routers on one segment in virtual time: our cores, joined by a network that loses, delays and can be cut; and others by hand.

An address is served where it is on a device and the kernel's lease runs. ``Segment.look`` watches after every step which
machines serve one virtual router at the same time, and whether they could hear each other.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count

from understudy.core.vrrp.node import RouterNode
from understudy.effects import AddAddresses, Announce, KernelLease, Note, Quit, RemoveAddresses
from understudy.events import Finished, Outcome, ShutdownAsked, Stalled, Started, TimerDue
from understudy.snapshot import Snapshot
from understudy.units import MILLISECOND, NEVER, SECOND, Duration, Instant
from understudy.vrrp import (
    AdvertHeard,
    Advertisement,
    AdvertRefused,
    RouterEffect,
    RouterEvent,
    RouterView,
    SendAdvert,
    SourceKnown,
    Tell,
)
from understudy.vrrp_files import RouterAddress, RouterFiles, SyncGroup, VirtualRouter

START: Instant = 1000 * SECOND
VIP = "192.0.2.100"
WALL = 1_800_000_000_000


def address(text: str = VIP, device: str = "eth0", **changes: object) -> RouterAddress:
    return replace(RouterAddress(text, 24, device), **changes)  # type: ignore[arg-type]


def router(name: str = "VI_1", priority: int = 100, **changes: object) -> VirtualRouter:
    base = VirtualRouter(name, "eth0", 51, (address(),), priority=priority)
    return replace(base, **changes)  # type: ignore[arg-type]


def files(*routers: VirtualRouter, groups: tuple[SyncGroup, ...] = (), **changes: object) -> RouterFiles:
    return replace(RouterFiles(routers, groups), **changes)  # type: ignore[arg-type]


@dataclass
class Host:
    """One machine: what is on its devices, what its kernel may serve, and the core, if its daemon runs."""

    name: str
    source: str
    files: RouterFiles
    node: RouterNode | None = None
    addresses: set[str] = field(default_factory=set)
    leases: dict[str, Instant] = field(default_factory=dict)
    sent: list[tuple[Instant, str, Advertisement]] = field(default_factory=list)
    announced: list[tuple[Instant, str]] = field(default_factory=list)
    told: list[tuple[Instant, str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    effects: list[tuple[Instant, RouterEffect]] = field(default_factory=list)
    frozen_until: Instant = 0
    waiting: list[RouterEvent] = field(default_factory=list)
    quit_at: Instant | None = None
    busy: bool = False
    sources: dict[str, str] = field(default_factory=dict)
    """Of virtual routers that speak from another address than ``source``: they are on another network."""

    def speaks_from(self, router: str) -> str:
        return self.sources.get(router, self.source)

    def serves(self, spec: VirtualRouter, now: Instant) -> bool:
        there = any(item.address in self.addresses for item in spec.addresses)
        return there and self.leases.get(spec.name, 0) > now

    def view(self, name: str, now: Instant) -> RouterView:
        assert self.node is not None
        return next(item for item in self.node.snapshot(now).virtual_routers if item.name == name)


class Segment:
    """The machines, the network between them and one clock."""

    def __init__(self, seed: int = 1) -> None:
        self.now = START
        self.rng = random.Random(seed)
        self.hosts: dict[str, Host] = {}
        self.queue: list[tuple[Instant, int, Callable[[], None]]] = []
        self.order = count()
        self.loss = 0.0
        self.delay: tuple[Duration, Duration] = (MILLISECOND // 10, MILLISECOND // 5)
        self.cut: set[tuple[str, str]] = set()
        """(from, to) that hear nothing."""
        self.taps: list[Callable[[Host, RouterEffect], None]] = []
        self.doubles: dict[tuple[str, str, str], Duration] = {}
        """(virtual router, one, other): for how long both served it although they could hear each other."""
        self.strict = False
        """Also those that are cut from each other must not serve both."""
        self.stall_limit: Duration = 50 * MILLISECOND
        self.address_time: Duration = 0
        self.last: dict[tuple[str, str], Instant] = {}

    # Machines

    def add(self, name: str, source: str, *routers: VirtualRouter, groups: tuple[SyncGroup, ...] = ()) -> Host:
        host = self.hosts[name] = Host(name, source, files(*routers, groups=groups))
        return host

    def start(self, *names: str, **started: object) -> None:
        for name in names or tuple(self.hosts):
            host = self.hosts[name]
            host.frozen_until, host.quit_at = 0, None
            host.waiting.clear()
            host.node = RouterNode(host.files, name)
            facts = Started(1, self.rng.randrange(1 << 30), WALL, addresses=tuple(sorted(host.addresses)))
            self.tell(name, replace(facts, **started))  # type: ignore[arg-type]
            for spec in host.files.routers:
                self.tell(name, SourceKnown(spec.name, host.speaks_from(spec.name)))

    def crash(self, name: str) -> None:
        """Power off."""
        host = self.hosts[name]
        host.node = None
        host.addresses.clear()
        host.leases.clear()
        host.waiting.clear()

    def kill(self, name: str) -> None:
        """kill -9 of the daemon: addresses and lease stay."""
        self.hosts[name].node = None
        self.hosts[name].waiting.clear()

    def freeze(self, name: str, span: Duration) -> None:
        """The daemon does nothing; what is sent to it waits in its socket."""
        host = self.hosts[name]
        host.frozen_until = self.now + span
        self.at(host.frozen_until, lambda: self._wake(host, span))

    def _wake(self, host: Host, span: Duration) -> None:
        if host.node is None or self.now < host.frozen_until:
            return
        if span >= self.stall_limit:
            self.tell(host.name, Stalled(span))
        waiting, host.waiting = host.waiting, []
        for event in waiting:
            self.tell(host.name, event)

    def stop(self, name: str) -> None:
        self.tell(name, ShutdownAsked())

    def part(self, one: str, other: str) -> None:
        self.cut |= {(one, other), (other, one)}

    def join(self) -> None:
        self.cut.clear()

    # Time

    def at(self, when: Instant, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (when, next(self.order), what))

    def run(self, span: Duration) -> None:
        self.run_until(lambda: False, span)

    def run_until(self, done: Callable[[], bool], span: Duration) -> bool:
        """Go on until ``done`` or for ``span``. Returns whether it is done."""
        end, turns, moment = self.now + span, 0, self.now
        while not done():
            turns, moment = (turns + 1, moment) if moment == self.now else (0, self.now)
            assert turns < 5000, f"time stands still at {self.now}"
            due = min((self._deadline(host) for host in self.hosts.values()), default=NEVER)
            if self.queue and self.queue[0][0] <= min(due, end):
                when, _, what = heapq.heappop(self.queue)
                self._pass(max(self.now, when))
                what()
            elif due <= end:
                self._pass(max(self.now, due))
                for host in self.hosts.values():
                    if host.node is not None and self._deadline(host) <= self.now:
                        self.tell(host.name, TimerDue())
            else:
                self._pass(end)
                return done()
        return True

    def _deadline(self, host: Host) -> Instant:
        if host.node is None or host.quit_at is not None:
            return NEVER
        return max(host.node.next_deadline(), host.frozen_until)

    def tell(self, name: str, event: RouterEvent) -> None:
        host = self.hosts[name]
        if host.node is None or host.quit_at is not None:
            return
        if self.now < host.frozen_until:
            host.waiting.append(event)
            return
        for effect in host.node.handle(event, self.now):
            self.perform(host, effect)

    def _pass(self, then: Instant) -> None:
        """Time goes by: who serves what meanwhile?"""
        if then > self.now and len(self.hosts) > 1:
            self._look(then)
        self.now = then

    def _look(self, then: Instant) -> None:
        hosts = [host for host in self.hosts.values() if host.addresses]
        for index, one in enumerate(hosts):
            for other in hosts[index + 1 :]:
                parted = (one.name, other.name) in self.cut or (other.name, one.name) in self.cut
                if parted and not self.strict:
                    continue
                for spec in one.files.routers:
                    ends = min(one.leases.get(spec.name, 0), other.leases.get(spec.name, 0), then)
                    if ends > self.now and one.serves(spec, self.now) and other.serves(spec, self.now):
                        key = (spec.name, one.name, other.name)
                        self.doubles[key] = self.doubles.get(key, 0) + ends - self.now

    # Effects

    def perform(self, host: Host, effect: RouterEffect) -> None:
        host.effects.append((self.now, effect))
        match effect:
            case SendAdvert(name, advert):
                host.sent.append((self.now, name, advert))
                self._send(host, advert, host.speaks_from(name))
            case KernelLease(group, until, _):
                host.leases[group] = until or 0
            case AddAddresses(op, group, items, _, along):
                host.addresses |= {item.address for item in items}

                def there() -> None:
                    if along and host.leases.get(group, 0) > self.now:
                        host.announced += [(self.now, item.address) for item in items]
                    self.tell(host.name, Finished(op, Outcome.OK))

                self.at(self.now + self.address_time, there)
            case RemoveAddresses(op, _, items, _):
                host.addresses -= {item.address for item in items}
                self.at(self.now + self.address_time, lambda: self.tell(host.name, Finished(op, Outcome.OK)))
            case Announce(items, _):
                host.announced += [(self.now, item.address) for item in items]
            case Tell(what, name, state, _, _):
                host.told.append((self.now, what, name, state))
            case Note(why):
                host.notes.append(why)
            case Quit():
                host.quit_at = self.now
            case _:
                pass
        for tap in self.taps:
            tap(host, effect)

    def _send(self, host: Host, advert: Advertisement, source: str) -> None:
        for other in self.hosts.values():
            if other is host or (host.name, other.name) in self.cut or self.rng.random() < self.loss:
                continue
            # A segment does not change the order of one sender's frames.
            then = max(self.now + self.rng.randrange(*self.delay), self.last.get((host.name, other.name), 0) + 1)
            self.last[(host.name, other.name)] = then
            self.at(then, lambda other=other: self.hear(other.name, advert, source))  # type: ignore[misc]

    def hear(self, name: str, advert: Advertisement, source: str, mac: str = "") -> None:
        """``advert`` arrives at ``name`` now, for each of its virtual routers with this VRID and family."""
        for spec in self.hosts[name].files.routers:
            family = 6 if ":" in advert.addresses[0] else 4
            if spec.vrid == advert.vrid and spec.family == family:
                self._taken(name, spec, AdvertHeard(spec.name, advert, source, self.now, mac))

    def _taken(self, name: str, spec: VirtualRouter, event: AdvertHeard) -> None:
        """As the wire judges: another version is refused, and so is another list without any of our addresses."""
        advert = event.advert
        slow = spec.version == 2 and advert.interval != spec.interval
        other = set(advert.addresses) != set(spec.advertised)
        if advert.version != spec.version or ((slow or other) and not set(advert.addresses) & set(spec.advertised)):
            self.tell(name, AdvertRefused(event.router, "it is none of ours", event.source, event.arrival, event.mac))
        else:
            self.tell(name, replace(event, differs="its addresses or interval are others" if slow or other else ""))

    # What tests ask

    def node(self, name: str) -> RouterNode:
        found = self.hosts[name].node
        assert found is not None
        return found

    def state(self, name: str, which: str = "VI_1") -> str:
        return self.hosts[name].view(which, self.now).state

    def snapshot(self, name: str) -> Snapshot:
        return self.node(name).snapshot(self.now)

    def masters(self, which: str = "VI_1") -> str:
        """Who serves, joined by "+"."""
        found = []
        for host in self.hosts.values():
            spec = next((item for item in host.files.routers if item.name == which), None)
            if spec is not None and host.serves(spec, self.now):
                found.append(host.name)
        return "+".join(found)

    def sent(self, name: str, since: Instant = 0, which: str = "VI_1") -> list[tuple[Instant, int]]:
        """(when, priority) of what ``name`` advertised."""
        return [(at, advert.priority) for at, key, advert in self.hosts[name].sent if at >= since and key == which]

    def states(self, name: str, which: str = "VI_1", since: Instant = 0) -> list[str]:
        """The states that were told of one virtual router, in order."""
        told = self.hosts[name].told
        return [state for at, what, key, state in told if what == "INSTANCE" and key == which and at >= since]


def pair(one: int = 150, other: int = 100, seed: int = 1, start: bool = True, **changes: object) -> Segment:
    """Two routers, ``a`` (192.0.2.11) and ``b`` (192.0.2.12), with these priorities."""
    found = Segment(seed)
    found.add("a", "192.0.2.11", replace(router(priority=one), **changes))  # type: ignore[arg-type]
    found.add("b", "192.0.2.12", replace(router(priority=other), **changes))  # type: ignore[arg-type]
    if start:
        found.start()
        found.run(5 * SECOND)
    return found


def after_the_next(segment: Segment, name: str) -> None:
    """Until just after its next advertisement was heard."""
    count = len(segment.hosts[name].sent)
    assert segment.run_until(lambda: len(segment.hosts[name].sent) > count, 5 * SECOND)
    segment.run(MILLISECOND)
