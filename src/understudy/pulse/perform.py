"""The daemon's match over all effects: do it here, or pass it to the manager; what ends at once is fed back as ``Finished``.

Big batches are done in slices, one a turn, so that a thousand addresses do not delay a heartbeat. Batches keep their order:
a removal never overtakes the addition before it. A kernel lease is never sliced and never waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, assert_never

from ..effects import (
    Action,
    AddAddresses,
    Announce,
    CloseWatchdog,
    Deliver,
    FeedWatchdog,
    Fence,
    KernelLease,
    Level,
    Note,
    ProbeAddresses,
    Quit,
    RemoveAddresses,
    Reply,
    RunAgent,
    RunProbes,
    SaveStandby,
    SaveWishes,
    Send,
    Settled,
)
from ..events import Event, Finished, LeaseRefused, Outcome
from ..model import AddressResource
from ..old_pair import ChangeOver, OldEffect, RememberGeneration, SendOld
from ..units import MILLISECOND, NEVER, Duration, Instant
from ..vrrp import AdvertUnsent, AnnounceSource, RouterEffect, RouterEvent, SendAdvert, Tell
from .guard import Guard, no_guard
from .manager_link import ManagerLink
from .mouth import Mouth

SLICE = 64
"""Addresses announced in one turn: some 0.4 ms."""

PROBES = 3
"""Questions asked for each address before silence counts as an answer (RFC 5227 section 2.1.1, PROBE_NUM)."""

DEFENCE_PAUSE = 5 * MILLISECOND
"""Between two answers about one address: less than between two questions, and enough that two machines do not answer each other
for ever."""

SLIP = 5 * MILLISECOND
"""A lease that reaches the kernel later than this after its reading is told anew: well within what a right leaves over."""

TOO_LATE = "not begun: the right to it may be over"

_MOST_TEXTS = 8

_BETWEEN_RENEWALS = (SendAdvert, KernelLease, Note, Tell)
"""Effects that need no lease, and that renewals may wait for."""


class Change(Protocol):
    """A running addition or removal of addresses; each ``step`` does a slice, and says True when it was the last.

    ``serving``: those of an addition that this machine answers for by now, in the order in which it began to.
    """

    def step(self) -> bool: ...
    @property
    def serving(self) -> Sequence[AddressResource]: ...
    @property
    def results(self) -> Sequence[tuple[AddressResource, str | None]]: ...


class Kernel(Protocol):
    """What the performer needs of the kernel; ``pulse.kernel`` has the real one. Nothing here waits or raises.

    Texts say why something was refused, for people.
    """

    def begin_add(self, addresses: Sequence[AddressResource]) -> Change: ...
    def begin_remove(self, addresses: Sequence[AddressResource]) -> Change: ...
    def announce(self, addresses: Sequence[AddressResource]) -> None: ...
    def probe(self, addresses: Sequence[AddressResource]) -> str | None: ...
    def defend(self, address: str) -> None: ...
    def hold(self, group: str, left: Duration) -> str | None: ...
    def hold_all(self, lefts: Sequence[tuple[str, Duration]]) -> dict[str, str]: ...
    def end(self, group: str) -> str | None: ...


class Adverts(Protocol):
    """What speaks for virtual routers; ``pulse.vrrp_mouth`` has the real one. Nothing here waits or raises."""

    def advertise(self, effect: SendAdvert) -> str:
        """ "" or why nobody can have heard it."""
        ...

    def announce_source(self, effect: AnnounceSource) -> None: ...


@dataclass(slots=True)
class _Changing:
    """``wishes``: several removals are one change, which looks once whether all is gone. It begins with its first step.

    ``announce``: what announces the addresses of each slice behind it; None: somebody else does.
    """

    wishes: list[AddAddresses | RemoveAddresses]
    begin: Callable[[Sequence[AddressResource]], Change]
    announce: Callable[[Sequence[AddressResource]], None] | None = None
    announced: int = 0
    change: Change | None = None

    def step(self) -> bool:
        if self.change is None:
            self.change = self.begin([item for wish in self.wishes for item in wish.addresses])
        done = self.change.step()
        if self.announce is not None:
            fresh = self.change.serving[self.announced :]
            self.announced += len(fresh)
            if fresh:
                self.announce(fresh)
        return done

    def results(self) -> list[Finished]:
        """In the order of the wishes."""
        texts = iter(() if self.change is None else [text for _, text in self.change.results])
        return [_finished(wish.op, list(islice(texts, len(wish.addresses)))) for wish in self.wishes]


def _finished(op: int, texts: Sequence[str | None]) -> Finished:
    failures = [text for text in texts if text is not None]
    outcome = Outcome.FAILED if failures else Outcome.OK
    more = f"; and {len(failures) - _MOST_TEXTS} more" if len(failures) > _MOST_TEXTS else ""
    return Finished(op, outcome, "; ".join(failures[:_MOST_TEXTS]) + more)


@dataclass(slots=True)
class _Announcing:
    announce: Callable[[Sequence[AddressResource]], None]
    left: tuple[AddressResource, ...]

    def step(self) -> bool:
        self.announce(self.left[:SLICE])
        self.left = self.left[SLICE:]
        return not self.left

    def results(self) -> list[Finished]:
        return []


@dataclass(slots=True)
class _Probe:
    effect: ProbeAddresses
    shots: deque[Instant]
    end: Instant


@dataclass(slots=True)
class Performer:
    """``results`` wait to be told to the core. ``quit`` is the reason once a clean stop is complete.

    ``groups``: the group of each virtual address. ``unannounced`` counts announcements that came too late to be sent.
    """

    mouth: Mouth
    kernel: Kernel
    manager: ManagerLink
    clock: Callable[[], Instant]
    groups: Mapping[str, str] = field(default_factory=dict)
    guard: Guard = field(default_factory=no_guard)
    adverts: Adverts | None = None
    unannounced: int = 0
    said: int = 0
    """The counter of the last datagram before the effects that are being performed."""
    results: deque[Event | RouterEvent] = field(default_factory=deque)
    quit: str | None = None
    anew: bool = False
    """This process is to begin anew, with the other protocol: nothing is stopped, and nothing is taken back from the kernel."""
    settled: bool = False
    """The core has said that nothing of the former configuration is left."""
    lease_troubles: dict[str, str] = field(default_factory=dict)
    _held: dict[str, Instant] = field(default_factory=dict)
    _unsent: set[str] = field(default_factory=set)
    """Virtual routers whose newest advertisement did not leave: their leases are not renewed for it."""
    _renewals: dict[str, Instant] = field(default_factory=dict)
    """Leases of virtual routers that the effects of this event have renewed so far: they go to the kernel together."""
    _defended: dict[str, Instant] = field(default_factory=dict)
    _batches: deque[_Changing | _Announcing] = field(default_factory=deque)
    _probes: list[_Probe] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Whether the next turn has work without waiting for anything."""
        return bool(self._batches or self.results)

    @property
    def changing(self) -> bool:
        """Whether addresses are being put on their devices, or taken off."""
        return any(isinstance(batch, _Changing) for batch in self._batches)

    def next_deadline(self) -> Instant:
        """When ``work`` is due for a probe, or the links have something left to send."""
        probes = min((probe.shots[0] if probe.shots else probe.end for probe in self._probes), default=NEVER)
        return min(probes, self.mouth.next_deadline())

    def perform(self, effect: OldEffect | RouterEffect, now: Instant) -> None:
        if self._renewals and not isinstance(effect, _BETWEEN_RENEWALS):
            self.flush(now)
        match effect:
            case SendAdvert():
                self._advertise(effect)
            case AnnounceSource():
                if self.adverts is not None:
                    self.adverts.announce_source(effect)
            case Tell():
                self.manager.tell(effect)
            case Send() | SendOld():
                self.mouth.send(effect)
            case KernelLease():
                self._lease(effect, now)
            case AddAddresses():
                self._batch(_Changing([effect], self.kernel.begin_add, self._announce if effect.announce else None))
            case RemoveAddresses():
                self._remove(effect)
            case Announce():
                self._batch(_Announcing(self._announce, effect.addresses))
            case ProbeAddresses():
                self._probe(effect, now)
            case RunAgent():
                if effect.action is Action.START and self.clock() >= effect.until:
                    self.results.append(Finished(effect.op, Outcome.NOT_RUNNING, TOO_LATE))
                elif not self.manager.run_agent(effect):
                    self.results.append(Finished(effect.op, Outcome.UNKNOWN, "no manager"))
            case RunProbes():
                self.manager.run_probes(effect)
            case Fence():
                if not self.manager.fence(effect):
                    self.results.append(Finished(effect.op, Outcome.UNKNOWN, "no manager"))
            case FeedWatchdog():
                self.guard.feed(effect.until, self.clock)
            case CloseWatchdog():
                self.guard.close()
            case Reply():
                self.manager.reply(effect)
            case Note():
                self.manager.note(effect, now, self.said)
            case Deliver():
                self.manager.deliver(effect)
            case SaveStandby():
                self.manager.save_standby(effect.standby, effect.draining)
            case Settled():
                self.settled = True
            case RememberGeneration():
                self.manager.remember(effect)
            case SaveWishes():
                self.manager.save_wishes(effect, time.time_ns() // MILLISECOND)
            case Quit():
                self.quit = effect.why
            case ChangeOver():
                self.anew = True
            case _:
                assert_never(effect)

    def work(self, now: Instant) -> None:
        """One slice of what was too big for one turn, and probes that are due."""
        if self._batches:
            self._advance()
        for probe in tuple(self._probes):
            self._advance_probe(probe, now)

    # -- addresses -----------------------------------------------------------------------------------------------

    def _announce(self, addresses: Sequence[AddressResource]) -> None:
        """Only what we may serve at this very moment: our own frames bypass the rules by which the kernel ends a lease.

        A process that thaws after its lease ended may have such wishes left; obeying them would draw the clients away from the
        machine that serves them now.
        """
        now = self.clock()
        ours = [item for item in addresses if item.address not in self.groups or self._held_until(item.address) > now]
        self.unannounced += len(addresses) - len(ours)
        if ours:
            self.kernel.announce(ours)

    def _held_until(self, address: str) -> Instant:
        return self._held.get(self.groups[address], 0)

    def _remove(self, effect: RemoveAddresses) -> None:
        """Of virtual routers not before the next turn: what they have to say comes first, and it may be hundreds of goodbyes."""
        if self.adverts is None:
            self._batch(_Changing([effect], self.kernel.begin_remove))
            return
        last = self._batches[-1] if self._batches else None
        if isinstance(last, _Changing) and last.change is None and isinstance(last.wishes[0], RemoveAddresses):
            last.wishes.append(effect)
        else:
            self._batches.append(_Changing([effect], self.kernel.begin_remove))

    def _batch(self, batch: _Changing | _Announcing) -> None:
        self._batches.append(batch)
        if len(self._batches) == 1:
            self._advance()

    def _advance(self) -> None:
        batch = self._batches[0]
        if not batch.step():
            return
        self._batches.popleft()
        self.results += batch.results()

    def _advertise(self, effect: SendAdvert) -> None:
        why = "nothing speaks for it" if self.adverts is None else self.adverts.advertise(effect)
        if not why:
            self._unsent.discard(effect.router)
            return
        self._unsent.add(effect.router)
        self.results.append(AdvertUnsent(effect.router, why, effect.number))

    def _lease(self, effect: KernelLease, now: Instant) -> None:
        if effect.until is None:
            self.flush(now)
            self._held[effect.group] = 0
            self._kept(effect.group, self.kernel.end(effect.group), now)
        elif self.adverts is None:
            self._held[effect.group] = effect.until
            self._kept(effect.group, self._hold(effect.group, effect.until), now)
        elif effect.group not in self._unsent:
            self._renewals[effect.group] = effect.until

    def flush(self, now: Instant) -> None:
        """What the effects of one event have renewed, in one transaction: a fifth of the cost, and nothing waits for it."""
        if not self._renewals:
            return
        wanted, self._renewals = self._renewals, {}
        self._held.update(wanted)
        refusals: dict[str, str | None] = {}
        if len(wanted) == 1:
            refusals = {group: self._hold(group, until) for group, until in wanted.items()}
        else:
            for _ in range(3):  # as in _hold
                read = self.clock()
                refusals = dict(self.kernel.hold_all([(group, until - read) for group, until in wanted.items()]))
                if self.clock() - read <= SLIP:
                    break
            end = self.clock()
            refusals |= {group: self.kernel.end(group) for group, until in wanted.items() if end >= until}
        for group in wanted:
            self._kept(group, refusals.get(group), now)

    def _kept(self, group: str, refusal: str | None, now: Instant) -> None:
        """What came of a wish about a lease."""
        before = self.lease_troubles.get(group)
        if refusal is None:
            if before is not None:
                del self.lease_troubles[group]
            return
        self.results.append(LeaseRefused(group, refusal))
        if refusal != before:
            self.lease_troubles[group] = refusal
            text = f"the kernel refused the lease of {group}: {refusal}"
            self.manager.note(Note(text, Level.ERROR, group), now)

    def _hold(self, group: str, until: Instant) -> str | None:
        """By a fresh reading before, and another one after: a process that was stopped between its reading and the system call
        has granted the difference, and takes it back before it does anything else.
        """
        refusal = None
        for _ in range(3):
            read = self.clock()
            if read >= until:
                return self.kernel.end(group)
            refusal = self.kernel.hold(group, until - read)
            if self.clock() - read <= SLIP:
                break
        return self.kernel.end(group) if self.clock() >= until else refusal

    def renew_leases(self) -> None:
        """What is held is written into the kernel once more: its tables were made anew."""
        for group, until in self._held.items():
            if until > self.clock():
                self._hold(group, until)

    # -- probes --------------------------------------------------------------------------------------------------

    def _probe(self, effect: ProbeAddresses, now: Instant) -> None:
        shots = deque(now + effect.limit * index // PROBES for index in range(PROBES))
        probe = _Probe(effect, shots, now + effect.limit)
        self._probes.append(probe)
        self._advance_probe(probe, now)

    def _advance_probe(self, probe: _Probe, now: Instant) -> None:
        if probe.shots and probe.shots[0] <= now:
            while probe.shots and probe.shots[0] <= now:  # after a stall one question, not three at once
                probe.shots.popleft()
            probe.end = max(probe.end, now + probe.effect.limit // PROBES)  # time to answer the last one, too
            refusal = self.kernel.probe(probe.effect.addresses)
            if refusal is not None:
                self._probe_over(probe, Outcome.UNKNOWN, f"could not ask: {refusal}")
                return
        if now >= probe.end and not probe.shots:
            self._probe_over(probe, Outcome.OK, "")

    def claimed(self, address: str, device: str, mac: str) -> None:
        """A frame on ``device`` says that somebody else has ``address`` or is about to take it."""
        for probe in tuple(self._probes):
            if any(item.address == address for item in probe.effect.addresses):
                self._probe_over(probe, Outcome.FAILED, f"{address} is in use by {mac} on {device}")

    def defend(self, address: str) -> None:
        """Somebody asks whether anybody has ``address``. The kernel says so when it is there.

        While the group is held here and its address is not there (yet, or for a restart), nobody would, and who asks would
        take it. So we ask as well: that is a conflict for who asked (RFC 5227 section 2.1.1), and no cache remembers it.
        """
        now = self.clock()
        if address in self.groups and self._held_until(address) > now >= self._defended.get(address, 0):
            self._defended[address] = now + DEFENCE_PAUSE
            self.kernel.defend(address)

    def _probe_over(self, probe: _Probe, outcome: Outcome, text: str) -> None:
        self._probes.remove(probe)
        self.results.append(Finished(probe.effect.op, outcome, text))
