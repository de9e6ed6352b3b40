"""One pretend machine: power, clock, kernel, pulse and manager. Holds the second ``match`` over all effects.

The pulse here keeps the order of the real loop: ``Stalled`` if it was late, then packets, then facts of the machine, then
``TimerDue``. While it is frozen, datagrams wait in a socket buffer of bounded size and facts in their own queues; its
kernel lease goes on to its end. It can be struck in the middle of performing a list of effects, which is where a wrong order
shows, wake up late again and again (starved), or never see its socket empty (flooded). What arrives while it works waits.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from typing import assert_never

from .. import effects as wish
from ..core import saved_wishes
from ..errors import InternalError
from ..events import (
    AddressGone,
    AdminRequest,
    Event,
    Finished,
    LeaseRefused,
    LinkChanged,
    Outcome,
    Received,
    ShutdownAsked,
    Stalled,
    TimerDue,
)
from ..model import AddressResource, Cluster, Member, Role
from ..units import MILLISECOND, NEVER, Duration, Instant
from ..wire.native import Reject, Sealer
from . import files
from .agents import Manager
from .kernel import Kernel
from .neighbours import Neighbours
from .network import KEY
from .strike import Strike
from .versions import VERSIONS
from .watchdog import Watchdog
from .world import LAST, ROUTINE, WALL_CLOCK, WALL_ERRORS, Clock, Core, World, WorldTime

SOCKET_BUFFER = 256
"""Datagrams that wait for a frozen pulse; more are dropped, as a full socket buffer does."""
FACTS_IN_A_TURN = 200
"""More results fed back within one turn would mean that the core and the machine chase each other for ever."""
MOST_IDLE_TIMERS = 4
"""TimerDue in a row that leave the deadline where it was: the core does not progress."""
SLICE = 6 * MILLISECOND
"""How long a starved pulse runs when it gets its turn."""


class Host:
    """A machine and everything on it. Methods that begin with a verb are faults or acts from outside."""

    def __init__(self, world: World, member: Member, clock: Clock) -> None:
        self.world = world
        self.member = member
        self.name = member.name
        self.clock = clock
        self.power = False
        self.boots = 0
        self.kernel = Kernel()
        self.manager = Manager(self)
        self.cluster = world.cluster
        """This machine's file; then what it was before a reload that is not over, and what the next one is to bring."""
        self.former: Cluster | None = None
        self.wanted: Cluster | None = None
        self.watchdog = Watchdog(self, world.cluster.watchdog_timeout if member.watchdog else 0)
        self.core: Core | None = None
        self.pulse_number = 0
        self.frozen_at: Instant | None = None
        self.strike: Strike | None = None
        self.catching_up = False
        self.saved_standby, self.saved_draining, self.saved_wishes = False, False, ""
        self.version = "this"
        self.neighbours = Neighbours(self, dict.fromkeys((*world.cluster.ping, *world.cluster.reach_targets), True))
        self.rejected: Counter[str] = Counter()
        self._ran_before = False
        self._longest: Duration = world.cluster.dead_time
        self.sealer: Sealer
        self.sealed_before = 0  # datagrams, before the event that is handled now
        self._datagrams: deque[tuple[str, bytes, Instant]] = deque()
        self.waiting_facts: deque[Event] = deque()
        self._unperformed: deque[wish.Effect] = deque()
        self._armed: Instant = NEVER
        self._alarm = 0
        self._idle_timers = 0
        self._stalled_at: Instant = 0
        self._busy_until: WorldTime | None = None
        self._starved_until = self._flooded_until = 0
        self.wall_error = 0
        self._number = world.everybody.names.index(member.name) + 1
        self.mac = f"02:00:00:00:00:{self._number:02x}"

    # -- what others ask about this machine

    @property
    def reading(self) -> Instant:
        return self.clock.read(self.world.now)

    @property
    def awake(self) -> bool:
        """The pulse runs and is not frozen."""
        return self.core is not None and self.frozen_at is None

    def serves(self, group: str) -> bool:
        """Whether the kernel lets the group's addresses be served now."""
        return self.power and self.kernel.serves(group, self.reading)

    def owns(self, address: str) -> bool:
        """Whether this machine would answer for the address: it is there, its kernel lease runs and the machine is on."""
        return address in self.kernel.addresses and self.holds(address)

    def holds(self, address: str) -> bool:
        """Whether the kernel lease of the address's group runs, wherever the address is."""
        groups = (g.name for g in self.world.known.values() for a in g.addresses if a.address == address)
        return any(self.serves(group) for group in groups)

    # -- acts and faults

    def power_on(self, started: bool = True) -> None:
        """Switch on: a new boot clock reading, nothing in the kernel, every cable as it was."""
        if self.power:
            return
        self.power = True
        self.boots += 1
        self._ran_before = False
        reading = self._number * 1_000_000_000_000 + self.boots * 7_919 * MILLISECOND
        self.clock = Clock(self.world.now, reading, self.clock.parts_per_million)
        self.set_wall_clock()
        carriers = self.kernel.carriers or dict.fromkeys(self.world.network.devices.values(), True)
        self.kernel = Kernel(carriers=carriers)
        self.manager.up = True
        if started:
            self.start_pulse()

    def power_off(self) -> None:
        """Everything stops at this instant; only the disk remembers (standby)."""
        if not self.power:
            return
        self._end_pulse()
        self._leases_ended()
        self.power = False
        self.watchdog.close()
        self.manager.power_off()
        files.forget(self)
        self.kernel = Kernel(carriers=self.kernel.carriers)

    def start_pulse(self) -> None:
        """The supervisor starts a pulse, with a new incarnation; a manager that lives finds it a little later."""
        if not self.power or self.core is not None:
            return
        world, random = self.world, self.world.random
        files.not_older_now(self)
        incarnation = random.getrandbits(63) + 1
        self.pulse_number += 1
        self.frozen_at = None
        self.strike = None
        self._stalled_at = 0
        self.sealer = VERSIONS[self.version](world.cluster.name, (KEY,), self.name, incarnation)
        for queue in (self._datagrams, self.waiting_facts, self._unperformed):
            queue.clear()
        self.core = world.make_core(self.former or self.cluster, self.name)
        watchdog_ran = self.watchdog.open()
        quiet = self._longest if self._ran_before else 0
        event = files.started(self, incarnation, random.getrandbits(64), quiet, watchdog_ran)
        self._longest = max(self._longest, self.cluster.dead_time) if self._ran_before else self.cluster.dead_time
        self._ran_before = True
        self._turn(event)
        files.tell(self)
        if self.manager.up:
            world.after(world.habits.connect, partial(self.manager.connect, self.pulse_number))
        hours = any(group.failback.hours is not None for group in self.cluster.groups)
        if (self.neighbours.pings or hours) and self.member.role is Role.NODE:
            world.after(world.habits.connect, partial(self.neighbours.watch, self.pulse_number))

    @property
    def wall_clock(self) -> int:
        return max(0, WALL_CLOCK + self.world.now // MILLISECOND + self.wall_error)

    def change_file(self, cluster: Cluster) -> None:
        """Another configuration file lies here; the next start of the pulse reads it."""
        self.cluster = cluster

    def kill_pulse(self) -> None:
        """The pulse dies at once (``kill -9``). Kernel, programs, supervisor and manager stay."""
        self._end_pulse()

    def freeze(self) -> None:
        """The pulse gets no processor time any more, until ``thaw``."""
        if self.awake:
            self.frozen_at = self.reading

    def thaw(self) -> None:
        """It runs again: first what it was doing, then it learns how late it is, then the packets, then the facts."""
        frozen = self.frozen_at
        if self.core is None or frozen is None:
            return
        self.frozen_at = None
        if self._unperformed:
            self._catch_up()
        late = self.reading - max(frozen, min(self._armed, self.reading))
        last = self.world.habits.stalled_last
        if not last:
            self._late(late)
        self._drain()
        if last:
            self._late(late)
        self.neighbours.woken()
        self._arm(force=True)

    def starve(self, span: Duration, lag: Duration) -> None:
        """For ``span`` every wake-up of the pulse is late by ``lag``: others have the processor."""
        self._starved_until = self.world.now + span
        self._doze(lag)

    def flood(self, span: Duration) -> None:
        """For ``span`` the socket is never seen empty: timers come only when they are overdue by a third of the dead time."""
        self._flooded_until = self.world.now + span

    def relieve(self) -> None:
        """The end of ``starve`` and ``flood``."""
        self._starved_until = self._flooded_until = 0

    def set_wall_clock(self) -> None:
        """Set by its battery at a boot, by a time server or by hand: right, or wrong for as long as this boot lasts."""
        habits, random = self.world.habits, self.world.random
        if not habits.wrong_clocks:
            return
        self.wall_error = random.choice(WALL_ERRORS) if random.random() < habits.wrong_clocks else 0
        if self.wall_error:
            self.world.tell(self, f"wall clock wrong by {self.wall_error} ms")

    def shut_down(self) -> None:
        """A clean stop of the daemon, as by SIGTERM; it ends by itself with ``Quit``."""
        self.fact(ShutdownAsked())

    def ask(self, op: int, verb: str, group: str, node: str, reason: str = "", span: Duration = 0) -> None:
        """An operator asks this machine's daemon."""
        self.world.wished |= verb in ("stop", "maintenance-on")
        self.fact(AdminRequest(op, verb, group, node, "operator", reason, self.wall_clock, span))

    def set_carrier(self, device: str, carrier: bool) -> None:
        """Pull or plug a cable."""
        if self.kernel.carriers.get(device) is not carrier:
            self.world.network.before_change()
            self.kernel.carriers[device] = carrier
            self.fact(LinkChanged(device, carrier))

    def lose_address(self, address: str) -> None:
        """Somebody deletes a virtual address by hand."""
        if self.kernel.addresses.pop(address, None) is not None:
            self.fact(AddressGone(address))

    def fact(self, event: Event, pulse: int | None = None) -> None:
        """Tell the core something about its machine; a pulse that is frozen or busy hears it later, another pulse never."""
        if self.core is None or (pulse is not None and pulse != self.pulse_number):
            return
        if self.frozen_at is not None or self._busy_until is not None:
            self.waiting_facts.append(event)
        else:
            self._turn(event)

    def datagram(self, network: str, data: bytes) -> None:
        """Bytes arrive from the network."""
        if self.core is None:
            return
        if self.frozen_at is None and self._busy_until is None:
            self._open(network, data, self.reading)
        elif len(self._datagrams) < SOCKET_BUFFER:
            self._datagrams.append((network, data, self.reading))

    # -- the pulse's loop

    def _open(self, network: str, data: bytes, arrival: Instant) -> None:
        envelope = self.world.network.open(data)
        if isinstance(envelope, Reject):
            self.rejected[envelope.reason] += 1
            return
        self._turn(
            Received(network, envelope.sender, envelope.incarnation, envelope.counter, envelope.message, arrival)
        )

    def _turn(self, event: Event) -> None:
        core = self.core
        if core is None:
            return
        events: deque[Event] = deque()
        listeners = self.world.listeners
        for _ in range(FACTS_IN_A_TURN):
            self.sealed_before = self.sealer.counter
            if not isinstance(event, ROUTINE):
                for told in listeners.told:
                    told(self, event)
            self._unperformed.extend(core.handle(event, self.reading))
            self._charge(event)
            if self._unperformed:
                self._perform_all(events)
                if not self.awake:
                    self.waiting_facts.extend(events)
                    return
            if not events:
                break
            event = events.popleft()
        else:
            raise InternalError("a core and its machine chase each other within one turn")
        for ended in listeners.turn_ended:
            ended(self)
        self._arm()

    def _perform_all(self, results: deque[Event]) -> None:
        while self._unperformed and self.awake:
            effect = self._unperformed.popleft()
            for wished in self.world.listeners.heeding(type(effect)):
                wished(self, effect)
            if (finished := self.perform(effect)) is not None:
                results.append(finished)
            if self.strike is not None:
                self._struck(effect)

    def _catch_up(self) -> None:
        """Perform what was decided before the freeze; results come back as facts, in their turn."""
        self.catching_up = True
        results: deque[Event] = deque()
        self._perform_all(results)
        self.waiting_facts.extendleft(reversed(results))
        self.catching_up = False

    def _struck(self, effect: wish.Effect) -> None:
        strike = self.strike
        if strike is None or isinstance(effect, wish.Note):
            return
        strike.effects -= 1
        if strike.effects > 0:
            return
        self.strike = None
        if strike.freeze is None:
            self.world.tell(self, "the pulse dies between two effects")
            self.kill_pulse()
        else:
            self.world.tell(self, "the pulse freezes between two effects")
            self.freeze()
            self.world.after(strike.freeze, self.thaw)

    def _drain(self) -> None:
        """Take what waits, in order, until there is no more or the work on it takes time."""
        while self.awake and self._busy_until is None and (self._datagrams or self.waiting_facts):
            if self._datagrams:
                self._open(*self._datagrams.popleft())
            else:
                self._turn(self.waiting_facts.popleft())

    def _charge(self, event: Event) -> None:
        """The core has handled an event: everything else waits for as long as that takes."""
        habits, world = self.world.habits, self.world
        cost = habits.event_cost
        if habits.group_cost and not isinstance(event, Received):
            cost += habits.group_cost * len(world.cluster.groups)
        if cost:
            first = self._busy_until is None
            self._busy_until = (self._busy_until or world.now) + cost
            if first:
                world.at(self._busy_until, partial(self._at_leisure, self.pulse_number))

    def _at_leisure(self, pulse: int) -> None:
        if pulse != self.pulse_number or self._busy_until is None:
            return
        if self._busy_until > self.world.now:
            self.world.at(self._busy_until, partial(self._at_leisure, pulse))
            return
        self._busy_until = None
        self._drain()

    def _doze(self, lag: Duration) -> None:
        if self.world.now < self._starved_until and self.power:
            self.freeze()
            self.world.after(lag, partial(self._wake, lag))

    def _wake(self, lag: Duration) -> None:
        self.thaw()
        self.world.after(SLICE, partial(self._doze, lag))

    def _late(self, late: Duration) -> None:
        """The pulse notices that it is late; a little is nothing to speak of."""
        if self.awake and late > self.world.cluster.dead_time // 3:
            self._stalled_at = self.reading
            self._turn(Stalled(late))

    def _arm(self, force: bool = False) -> None:
        if self.core is None:
            return
        deadline = self.core.next_deadline()
        if deadline == self._armed and not force:
            return
        self._armed = deadline
        self._alarm += 1
        if deadline >= NEVER:
            return
        world, reading = self.world, self.reading
        late = 0
        if deadline > reading and world.habits.wake:
            late = int(world.random.random() * world.habits.wake)
        if world.now < self._flooded_until:
            late += int((1 / 3 + world.random.random() / 4) * world.cluster.dead_time) + MILLISECOND
        when = max(self.clock.when(deadline), world.now) + late
        world.at(when, partial(self._timer, self._alarm), LAST)

    def _timer(self, alarm: int) -> None:
        if alarm != self._alarm or not self.awake or self.core is None:
            return
        late = self.reading - max(self._armed, self._stalled_at)
        if self._busy_until is not None and late <= self.world.cluster.dead_time // 3:
            self.world.at(self._busy_until, partial(self._timer, alarm), LAST)
            return
        self._late(late)
        if not self.awake or self._armed > self.reading:
            return
        due, self._armed = self._armed, NEVER
        self._turn(TimerDue())
        if self.awake and self.core is not None:
            self._idle_timers = self._idle_timers + 1 if self._armed <= due else 0
            if self._idle_timers >= MOST_IDLE_TIMERS:
                raise InternalError(f"{self.name}: TimerDue does not move the deadline that is due")

    def _end_pulse(self) -> None:
        if self.core is not None:
            self.world.network.bury(self.name, self.pulse_number)
        self.core = self._busy_until = self.frozen_at = None
        self._armed = NEVER
        self._alarm += 1

    # -- effects

    def perform(self, effect: wish.Effect) -> Finished | None:
        """Do what the core wishes, now; a result that is known at once is returned, others come as facts later."""
        match effect:
            case wish.Send(message, to, link):
                self.world.network.send(self, self.sealer.seal(message), to, link)
            case wish.KernelLease(group, until, _):
                self._lease(group, until)
            case wish.AddAddresses(op, _, addresses, _):
                return self._change(op, addresses, add=True)
            case wish.RemoveAddresses(op, _, addresses, _):
                return self._change(op, addresses, add=False)
            case wish.Announce(addresses, _):
                self.neighbours.announce(addresses)
            case wish.ProbeAddresses():
                self.neighbours.probe(effect)
            case wish.RunAgent():
                files.judge(self, effect)
                self.world.mark(f"{effect.op} {effect.resource} {effect.action.value}".encode())
                return self.manager.run(effect, self.pulse_number)
            case wish.RunProbes():
                self.manager.ask(effect, self.pulse_number)
            case wish.Fence():
                return self.world.devices.order(self, effect)
            case wish.FeedWatchdog(until):
                self.watchdog.feed(until)
            case wish.CloseWatchdog():
                self.watchdog.close()
            case wish.SaveStandby(standby, draining):
                self.saved_standby, self.saved_draining = standby, draining
            case wish.Settled():
                files.settled(self)
            case wish.SaveWishes(wishes):
                if self.manager.up:
                    self.saved_wishes = saved_wishes.written(wishes, self.wall_clock)
            case wish.Quit():
                self._end_pulse()
                self.watchdog.release()
            case wish.Reply() | wish.Note() | wish.Deliver():
                pass
            case _:
                assert_never(effect)
        return None

    def _change(self, op: int, addresses: tuple[AddressResource, ...], add: bool) -> Finished | None:
        answered, failure = self.kernel.change(addresses, add)
        if not answered or failure is not None:
            self.world.tell(self, f"addresses were not {'added' if add else 'removed'}: {failure or 'no answer'}")
        if not answered:
            return None
        return Finished(op, Outcome.OK if failure is None else Outcome.FAILED, failure or "")

    def _lease(self, group: str, until: Instant | None) -> None:
        if until is not None and self.kernel.lease_refusals:
            self.kernel.lease_refusals -= 1
            self.world.after(0, partial(self.fact, LeaseRefused(group, "Operation not permitted"), self.pulse_number))
            return
        end = self.kernel.hold(group, until, self.reading)
        self.world.mark(end.to_bytes(8, "big"))
        for changed in self.world.listeners.lease_changed:
            changed(self, group, self.clock.when(end))

    def _leases_ended(self) -> None:
        for group, _ in self.kernel.running(self.reading):
            for changed in self.world.listeners.lease_changed:
                changed(self, group, self.world.now)
