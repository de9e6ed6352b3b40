"""The pretend network: real sealed datagrams, and trouble on their way.

Every pair of members that share a network has two one-way paths on it, as ``config.paths`` gives them to the daemon.
A path can be cut; a network has weather (loss, delay, duplicates, which together reorder); and old datagrams can be
played again, as an attacker or a confused switch would. Frames of the service network (address claims and probes)
obey the same cuts and cables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..config.paths import Path, paths
from ..units import Duration

if TYPE_CHECKING:
    from .host import Host
    from .world import World

RECORDED = 256
"""How many of the last datagrams an eavesdropper keeps, to play them again."""


@dataclass(frozen=True, slots=True)
class Weather:
    """``loss`` and ``duplicates`` are shares from 0 to 1; ``delay`` is the most that is added to a datagram's way."""

    loss: float = 0.0
    delay: Duration = 0
    duplicates: float = 0.0


CALM = Weather()


@dataclass(slots=True)
class Counts:
    """What became of the datagrams of a run."""

    sent: int = 0
    lost: int = 0
    cut: int = 0
    duplicated: int = 0
    replayed: int = 0


class Network:
    """All networks of a cluster. ``devices`` names the device by which every machine is on a network."""

    def __init__(self, world: World, devices: dict[str, str]) -> None:
        self.world = world
        self.devices = devices
        self.counts = Counts()
        self.weather = CALM
        self.cuts: set[tuple[str, str, str]] = set()
        self.blocks: set[tuple[str, str, str]] = set()
        names = world.cluster.names
        self._paths: dict[str, tuple[Path, ...]] = {name: paths(world.cluster, name) for name in names}
        self._recorded: deque[tuple[str, str, str, bytes]] = deque(maxlen=RECORDED)
        self.recording = False

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(self.devices)

    def cut(self, senders: Iterable[str], receivers: Iterable[str], networks: Iterable[str] = ()) -> None:
        """Nothing passes from any of ``senders`` to any of ``receivers`` any more, on these networks (none named: all)."""
        chosen = tuple(networks) or self.networks
        self.cuts |= {(a, b, n) for a in senders for b in receivers for n in chosen if a != b}

    def block(self, one: str, other: str, networks: Iterable[str] = ()) -> None:
        """A packet filter drops heartbeats both ways; address claims and probes still pass."""
        for network in tuple(networks) or self.networks:
            self.blocks |= {(one, other, network), (other, one, network)}

    def mend(self, senders: Iterable[str], receivers: Iterable[str], networks: Iterable[str] = ()) -> None:
        chosen = tuple(networks) or self.networks
        self.cuts -= {(a, b, n) for a in senders for b in receivers for n in chosen}

    def part(self, left: Iterable[str], right: Iterable[str], networks: Iterable[str] = ()) -> None:
        """Cut both ways between two sides."""
        one, other = tuple(left), tuple(right)
        self.cut(one, other, networks)
        self.cut(other, one, networks)

    def heal_part(self, left: Iterable[str], right: Iterable[str], networks: Iterable[str] = ()) -> None:
        """The opposite of ``part``."""
        one, other = tuple(left), tuple(right)
        self.mend(one, other, networks)
        self.mend(other, one, networks)

    def calm(self) -> None:
        """The weather is good again."""
        self.weather = CALM

    def heal(self) -> None:
        """All cuts are mended and the weather is calm."""
        self.cuts.clear()
        self.blocks.clear()
        self.weather = CALM

    def passes(self, sender: Host, receiver: Host, network: str) -> bool:
        """Whether a frame put on the wire now would reach the other machine (its power and both cables included)."""
        if not receiver.power or (sender.name, receiver.name, network) in self.cuts:
            return False
        device = self.devices[network]
        return sender.kernel.carriers.get(device, False) and receiver.kernel.carriers.get(device, False)

    def send(self, sender: Host, data: bytes, to: str | None, link: str | None) -> None:
        """Put one datagram on every path that fits, as ``effects.Send`` says."""
        self.world.mark(data)
        for path in self._paths[sender.name]:
            if (to is None or path.peer == to) and (link is None or path.network == link):
                self._carry(sender, path.peer, path.network, data)

    def replay(self, count: int) -> None:
        """Deliver up to ``count`` recorded datagrams again, now, to the machines that they were meant for."""
        old = list(self._recorded)
        for sender, receiver, network, data in self.world.random.sample(old, min(count, len(old))):
            self.counts.replayed += 1
            self._arrive(self.world.hosts[sender], self.world.hosts[receiver], network, data)

    def _carry(self, sender: Host, peer: str, network: str, data: bytes) -> None:
        world = self.world
        counts, weather, random = self.counts, self.weather, world.random
        counts.sent += 1
        receiver = world.hosts[peer]
        if (sender.name, peer, network) in self.blocks or not self.passes(sender, receiver, network):
            counts.cut += 1
            return
        if self.recording:
            self._recorded.append((sender.name, peer, network, data))
        copies = 1
        if weather is not CALM:
            if random.random() < weather.loss:
                counts.lost += 1
                return
            if random.random() < weather.duplicates:
                counts.duplicated += 1
                copies = 2
        habits = world.habits
        for _ in range(copies):
            delay = habits.packet
            if habits.jitter:
                delay += int(random.random() * habits.jitter)
            if weather.delay:
                delay += int(random.random() * weather.delay)
            world.at(world.now + delay, partial(self._arrive, sender, receiver, network, data))

    def _arrive(self, sender: Host, receiver: Host, network: str, data: bytes) -> None:
        if self.passes(sender, receiver, network):
            receiver.datagram(network, data)
        else:
            self.counts.cut += 1
