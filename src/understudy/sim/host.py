"""One pretend machine: power, clock, kernel, pulse and manager. Holds the second ``match`` over all effects.

The pulse here keeps the order of the real loop: packets first, then facts of the machine, then ``Stalled`` if it was
late, then ``TimerDue``. While it is frozen, datagrams wait in a socket buffer of bounded size and facts in their own
queues; its kernel lease goes on to its end. It can also be struck in the middle of performing a list of effects,
which is where an order that is wrong shows.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from .. import effects as wish
from ..errors import check
from ..events import (
    AddressGone,
    AdminRequest,
    Event,
    Finished,
    LinkChanged,
    Outcome,
    PingsSeen,
    Received,
    RivalSeen,
    ShutdownAsked,
    Stalled,
    Started,
    TimerDue,
)
from ..messages import Message
from ..model import AddressResource, Member, Role
from ..units import MILLISECOND, NEVER, Duration, Instant
from ..wire.native import Opener, Reject, Sealer
from .agents import Manager
from .kernel import Kernel
from .world import LAST, Clock, Core, World

SOCKET_BUFFER = 256
"""Datagrams that wait for a frozen pulse; more are dropped, as a full socket buffer does."""
FACTS_IN_A_TURN = 200
"""More results fed back within one turn would mean that the core and the machine chase each other for ever."""
WALL_CLOCK = 1_700_000_000_000
KEY = bytes(range(32))


@dataclass(slots=True)
class Strike:
    """Hits the pulse after it has performed ``effects`` more effects that act: killed, or frozen for ``freeze``."""

    effects: int
    freeze: Duration | None


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
        self.core: Core | None = None
        self.pulse_number = 0
        self.frozen_at: Instant | None = None
        self.strike: Strike | None = None
        self.catching_up = False
        self.saved_standby = False
        self.pings: dict[str, bool] = dict.fromkeys(world.cluster.ping, True)
        self.rejected: Counter[str] = Counter()
        self._ran_before = False
        self._sealer: Sealer
        self._opener: Opener
        self._datagrams: deque[tuple[str, bytes, Instant]] = deque()
        self._facts: deque[Event] = deque()
        self._unperformed: deque[wish.Effect] = deque()
        self._armed: Instant = NEVER
        self._alarm = 0
        self._number = world.cluster.names.index(member.name) + 1
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
        if address not in self.kernel.addresses:
            return False
        groups = (g.name for g in self.world.cluster.groups for a in g.addresses if a.address == address)
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
        self.manager.power_off()
        self.kernel = Kernel(carriers=self.kernel.carriers)

    def start_pulse(self) -> None:
        """The supervisor starts a pulse, with a new incarnation; a manager that lives finds it a little later."""
        if not self.power or self.core is not None:
            return
        world, random = self.world, self.world.random
        incarnation = random.getrandbits(63) + 1
        self.pulse_number += 1
        self.frozen_at = None
        self.strike = None
        self._sealer = Sealer(world.cluster.name, (KEY,), self.name, incarnation)
        self._opener = Opener(world.cluster.name, (KEY,), world.cluster.names)
        for queue in (self._datagrams, self._facts, self._unperformed):
            queue.clear()
        self.core = world.make_core(world.cluster, self.name)
        devices = {item.device for group in world.cluster.groups for item in group.addresses}
        event = Started(
            incarnation=incarnation,
            entropy=random.getrandbits(64),
            wall_clock=WALL_CLOCK + world.now // MILLISECOND,
            kernel_leases=self.kernel.running(self.reading),
            addresses=tuple(sorted(self.kernel.addresses)),
            carriers=tuple(sorted((d, up) for d, up in self.kernel.carriers.items() if d in devices)),
            standby=self.saved_standby,
            quiet=world.cluster.dead_time if self._ran_before else 0,
        )
        self._ran_before = True
        self._turn(event)
        if self.manager.up:
            world.after(world.habits.connect, partial(self.manager.connect, self.pulse_number))
        if world.cluster.ping and self.member.role is Role.NODE:
            world.after(world.habits.connect, partial(self._ping, self.pulse_number))

    def kill_pulse(self) -> None:
        """The pulse dies at once (``kill -9``). Kernel, programs and manager stay."""
        self._end_pulse()

    def freeze(self) -> None:
        """The pulse gets no processor time any more, until ``thaw``."""
        if self.awake:
            self.frozen_at = self.reading

    def thaw(self) -> None:
        """It runs again: first what it was doing, then the packets, then the facts, then it learns how late it is."""
        frozen = self.frozen_at
        if self.core is None or frozen is None:
            return
        self.frozen_at = None
        if self._unperformed:
            self._catch_up()
        datagrams, facts = list(self._datagrams), list(self._facts)
        self._datagrams.clear()
        self._facts.clear()
        for network, data, arrival in datagrams:
            if self.awake:
                self._open(network, data, arrival)
        for fact in facts:
            if self.awake:
                self._turn(fact)
        if not self.awake:
            return
        late = self.reading - max(frozen, min(self._armed, self.reading))
        if late > self.world.cluster.dead_time // 3:
            self._turn(Stalled(late))
        self._arm(force=True)

    def shut_down(self) -> None:
        """A clean stop of the daemon, as by SIGTERM; it ends by itself with ``Quit``."""
        self.fact(ShutdownAsked())

    def ask(self, op: int, verb: str, group: str, node: str) -> None:
        """An operator asks this machine's daemon."""
        self.fact(AdminRequest(op, verb, group, node, "operator"))

    def set_carrier(self, device: str, carrier: bool) -> None:
        """Pull or plug a cable."""
        if self.kernel.carriers.get(device) is not carrier:
            self.kernel.carriers[device] = carrier
            self.fact(LinkChanged(device, carrier))

    def lose_address(self, address: str) -> None:
        """Somebody deletes a virtual address by hand."""
        if self.kernel.addresses.pop(address, None) is not None:
            self.fact(AddressGone(address))

    def fact(self, event: Event, pulse: int | None = None) -> None:
        """Tell the core something about its machine; a frozen pulse hears it later, another pulse than asked for never."""
        if self.core is None or (pulse is not None and pulse != self.pulse_number):
            return
        if self.frozen_at is not None:
            self._facts.append(event)
        else:
            self._turn(event)

    def datagram(self, network: str, data: bytes) -> None:
        """Bytes arrive from the network."""
        if self.core is None:
            return
        if self.frozen_at is None:
            self._open(network, data, self.reading)
        elif len(self._datagrams) < SOCKET_BUFFER:
            self._datagrams.append((network, data, self.reading))

    # -- the pulse's loop

    def _open(self, network: str, data: bytes, arrival: Instant) -> None:
        envelope = self._opener.open(data)
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
        events: deque[Event] = deque((event,))
        for _ in range(FACTS_IN_A_TURN):
            event = events.popleft()
            for told in self.world.listeners.told:
                told(self, event)
            self._unperformed.extend(core.handle(event, self.reading))
            self._perform_all(events)
            if not self.awake:
                self._facts.extend(events)
                return
            if not events:
                break
        check(not events, f"{self.name}: the core and its machine chase each other within one turn")
        for ended in self.world.listeners.turn_ended:
            ended(self)
        self._arm()

    def _perform_all(self, results: deque[Event]) -> None:
        while self._unperformed and self.awake:
            effect = self._unperformed.popleft()
            for wished in self.world.listeners.wished:
                wished(self, effect)
            finished = self.perform(effect)
            if finished is not None:
                results.append(finished)
            self._struck(effect)

    def _catch_up(self) -> None:
        """Perform what was decided before the freeze; results come back as facts, in their turn."""
        self.catching_up = True
        results: deque[Event] = deque()
        self._perform_all(results)
        self._facts.extendleft(reversed(results))
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
        habits = self.world.habits
        late = int(self.world.random.random() * habits.wake) if habits.wake else 0
        when = max(self.clock.when(deadline), self.world.now) + late
        self.world.at(when, partial(self._timer, self._alarm), LAST)

    def _timer(self, alarm: int) -> None:
        if alarm != self._alarm or not self.awake:
            return
        due, self._armed = self._armed, NEVER
        self._turn(TimerDue())
        if self.awake and self.core is not None:
            check(self.core.next_deadline() > due, f"{self.name}: TimerDue did not move the deadline that was due")

    def _end_pulse(self) -> None:
        self.core = None
        self.frozen_at = None
        self._armed = NEVER
        self._alarm += 1

    # -- effects

    def perform(self, effect: wish.Effect) -> Finished | None:
        """Do what the core wishes, now; a result that is known at once is returned, others come as facts later."""
        match effect:
            case wish.Send(message, to, link):
                self._send(message, to, link)
            case wish.KernelLease(group, until, _):
                self._lease(group, until)
            case wish.AddAddresses(op, _, addresses, _):
                return self._done(op, self.kernel.add(addresses))
            case wish.RemoveAddresses(op, _, addresses, _):
                return self._done(op, self.kernel.remove(addresses))
            case wish.Announce(addresses, _):
                self._announce(addresses)
            case wish.ProbeAddresses():
                self._probe(effect)
            case wish.RunAgent():
                self.world.mark(f"{effect.op} {effect.resource} {effect.action.value}".encode())
                return self.manager.run(effect, self.pulse_number)
            case wish.SaveStandby(standby):
                self.saved_standby = standby
            case wish.Quit():
                self._end_pulse()
            case wish.Reply() | wish.Note():
                pass
            case _:
                assert_never(effect)
        return None

    @staticmethod
    def _done(op: int, failure: str | None) -> Finished:
        return Finished(op, Outcome.OK if failure is None else Outcome.FAILED, failure or "")

    def _send(self, message: Message, to: str | None, link: str | None) -> None:
        self.world.network.send(self, self._sealer.seal(message), to, link)

    def _lease(self, group: str, until: Instant | None) -> None:
        end = self.kernel.hold(group, until, self.reading)
        self.world.mark(end.to_bytes(8, "big"))
        for changed in self.world.listeners.lease_changed:
            changed(self, group, self.clock.when(end))

    def _leases_ended(self) -> None:
        for group, _ in self.kernel.running(self.reading):
            for changed in self.world.listeners.lease_changed:
                changed(self, group, self.world.now)

    def _announce(self, addresses: tuple[AddressResource, ...]) -> None:
        world = self.world
        for item in addresses:
            for other in self._neighbours(item.device):
                rival = RivalSeen(item.address, item.device, self.mac)
                world.after(world.habits.packet, partial(other.fact, rival))

    def _neighbours(self, device: str) -> list[Host]:
        """The other nodes that a frame leaving by ``device`` reaches now."""
        network = self.world.network
        return [
            host
            for name, at in network.devices.items()
            if at == device
            for host in self.world.hosts.values()
            if host is not self and host.member.role is Role.NODE and network.passes(self, host, name)
        ]

    def _probe(self, effect: wish.ProbeAddresses) -> None:
        answered = [False]
        for part in (0, 1, 2):
            when = effect.limit * part // 3
            self.world.after(when, partial(self._ask_neighbours, effect, self.pulse_number, answered))
        self.world.after(effect.limit, partial(self._probe_ends, effect, self.pulse_number, answered))

    def _ask_neighbours(self, effect: wish.ProbeAddresses, pulse: int, answered: list[bool]) -> None:
        world = self.world
        for item in effect.addresses:
            for host in self._neighbours(item.device):
                if answered[0] or not host.owns(item.address) or world.random.random() < world.network.weather.loss:
                    continue
                answered[0] = True
                text = f"{item.address} is in use by {host.mac}"
                fact = Finished(effect.op, Outcome.FAILED, text)
                world.after(2 * world.habits.packet, partial(self.fact, fact, pulse))

    def _probe_ends(self, effect: wish.ProbeAddresses, pulse: int, answered: list[bool]) -> None:
        if answered[0]:
            return
        carrier = all(self.kernel.carriers.get(item.device, False) for item in effect.addresses)
        fact = Finished(effect.op, Outcome.OK) if carrier else Finished(effect.op, Outcome.UNKNOWN, "no carrier")
        self.fact(fact, pulse)

    def _ping(self, pulse: int) -> None:
        """The manager tells which ping targets answer, each second."""
        if self.core is None or pulse != self.pulse_number:
            return
        if self.manager.up:
            self.tell_pings()
        self.world.after(1000 * MILLISECOND, partial(self._ping, pulse))

    def tell_pings(self) -> None:
        """Which ping targets answer: none without a carrier on the service network."""
        carrier = any(self.kernel.carriers.get(d, False) for d in self.world.network.devices.values())
        self.fact(PingsSeen(tuple(t for t, answers in self.pings.items() if answers and carrier)))
