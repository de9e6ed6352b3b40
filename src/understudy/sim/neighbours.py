"""What machines say and ask on the service network: announcements, address probes (RFC 5227), and pings.

Frames obey cuts, cables and lost packets as datagrams do. A probe finds whoever serves the address, and whoever asks for
it at the same time (RFC 5227, section 2.1.1: two that probe for one address are in conflict), and whoever holds its group: the
daemon asks as well when it hears the question, because the address may not be there yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..effects import ProbeAddresses
from ..events import Finished, HoursSeen, Outcome, PingsSeen, RivalSeen
from ..model import AddressResource, Role
from ..units import SECOND

if TYPE_CHECKING:
    from .host import Host

PROBES = 3

THURSDAY = 3
"""The first day of 1970."""


@dataclass(slots=True, eq=False)
class _Question:
    """A probe under way; ``pulse`` is which daemon of its machine asks. ``missed``: it was frozen when it should have asked."""

    effect: ProbeAddresses
    pulse: int
    over: bool = False
    missed: bool = False


@dataclass(slots=True)
class Neighbours:
    """One machine's part in the traffic of the service network."""

    host: Host
    pings: dict[str, bool]
    _asking: list[_Question] = field(default_factory=list)
    _waiting: list[_Question] = field(default_factory=list)

    def reached(self, device: str) -> list[Host]:
        """The other nodes that a frame leaving by ``device`` reaches now."""
        network = self.host.world.network
        return [
            host
            for name, at in network.devices.items()
            if at == device
            for host in self.host.world.hosts.values()
            if host is not self.host and host.member.role is Role.NODE and network.passes(self.host, host, name)
        ]

    def announce(self, addresses: tuple[AddressResource, ...]) -> None:
        """Others see frames that claim these addresses."""
        world = self.host.world
        for item in addresses:
            for other in self.reached(item.device):
                rival = RivalSeen(item.address, item.device, self.host.mac)
                world.after(world.habits.packet, partial(other.neighbours.claimed, item.address, self.host.mac))
                world.after(world.habits.packet, partial(other.fact, rival))

    def probe(self, effect: ProbeAddresses) -> None:
        """Ask three times within the limit; the answer comes as a fact."""
        world = self.host.world
        question = _Question(effect, self.host.pulse_number)
        self._asking.append(question)
        self._ask(question)
        for shot in range(1, PROBES):
            world.after(effect.limit * shot // PROBES, partial(self._ask, question))
        world.after(effect.limit, partial(self._ends, question))

    def _ask(self, question: _Question) -> None:
        world = self.host.world
        if self._gone(question):
            return
        if not self.host.awake:
            question.missed = True
            return
        for item in question.effect.addresses:
            for other in self.reached(item.device):
                if question.over or world.random.random() < world.network.weather.loss:
                    continue
                packet = world.habits.packet
                world.after(packet, partial(other.neighbours.claimed, item.address, self.host.mac))
                if other.owns(item.address) or other.neighbours.defends(item.address):
                    world.after(2 * packet, partial(self._refused, question, item.address, other.mac))

    def defends(self, address: str) -> bool:
        """Whether the daemon would ask as well when it hears a question about the address."""
        return self.host.core is not None and self.host.awake and self.host.holds(address)

    def claimed(self, address: str, mac: str) -> None:
        """A frame says that another machine has ``address`` or is about to take it."""
        for question in self._asking:
            if any(item.address == address for item in question.effect.addresses):
                self._refused(question, address, mac)

    def _refused(self, question: _Question, address: str, mac: str) -> None:
        if not question.over:
            question.over = True
            fact = Finished(question.effect.op, Outcome.FAILED, f"{address} is in use by {mac}")
            self.host.fact(fact, question.pulse)

    def _gone(self, question: _Question) -> bool:
        return self.host.core is None or self.host.pulse_number != question.pulse

    def _ends(self, question: _Question) -> None:
        """Silence is an answer only to a question that was asked, and only a daemon that is awake can have heard silence."""
        if not question.over and not self._gone(question):
            if not self.host.awake:
                self._waiting.append(question)
                return
            if question.missed:
                question.missed = False
                self._ask(question)
                self.host.world.after(question.effect.limit // PROBES, partial(self._ends, question))
                return
        self._asking.remove(question)
        if question.over:
            return
        op = question.effect.op
        carrier = all(self.host.kernel.carriers.get(item.device, False) for item in question.effect.addresses)
        fact = Finished(op, Outcome.OK) if carrier else Finished(op, Outcome.UNKNOWN, "no carrier")
        self.host.fact(fact, question.pulse)

    def woken(self) -> None:
        """The daemon runs again and has heard all that was said meanwhile: on with the questions that had come to their end."""
        waiting, self._waiting = self._waiting, []
        for question in waiting:
            self._ends(question)

    def watch(self, pulse: int) -> None:
        """The manager tells each second which ping targets answer, and what its clock says, as long as this daemon lives."""
        if self.host.core is None or pulse != self.host.pulse_number:
            return
        if self.host.manager.up:
            if self.pings:
                self.tell_pings()
            self.tell_hours()
        self.host.world.after(SECOND, partial(self.watch, pulse))

    def tell_hours(self) -> None:
        """What the clock on the wall says of the hours that groups name, where any does. The zone is that of Greenwich."""
        days, second = divmod(self.host.wall_clock // 1000, 24 * 3600)
        found = []
        for group in self.host.cluster.groups:
            if group.failback.hours is not None:
                within, left = group.failback.hours.look((days + THURSDAY) % 7, second)
                found.append((str(group.failback.hours), within, left * SECOND))
        if found:
            self.host.fact(HoursSeen(tuple(found)))

    def tell_pings(self) -> None:
        """Which ping targets answer: none without a carrier on the service network."""
        carriers, devices = self.host.kernel.carriers, self.host.world.network.devices
        carrier = any(carriers.get(device, False) for device in devices.values())
        self.host.fact(PingsSeen(tuple(target for target, answers in self.pings.items() if answers and carrier)))
