"""The pretend network: real sealed datagrams, and trouble on their way.

Every pair of members that share a network has two one-way paths on it, as ``config.paths`` gives them to the daemon.
A path can be cut; a network has weather (loss, delay, duplicates, which together reorder); and old datagrams can be
played again, as an attacker or a confused switch would. The eavesdropper sits beside the senders: it also has what was
lost later, and it keeps the last words of every daemon that ended. Frames of the service network (address claims and
probes) obey the same cuts and cables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ..config.paths import Path, paths
from ..model import Quorum
from ..units import Duration, Instant
from ..wire.native import Envelope, Opener, Reject

if TYPE_CHECKING:
    from .host import Host
    from .world import World, WorldTime

KEY = bytes(range(32))
OPENED = 1024
"""So many opened datagrams are remembered: each is opened by several machines, from several links."""
RECORDED = 256
"""How many of the last datagrams an eavesdropper keeps, to play them again."""
LAST_WORDS = 12
"""How many of the last datagrams of a daemon that ended it keeps beside those."""
BURIED = 120
"""How many such last words it keeps in all."""


@dataclass(frozen=True, slots=True)
class Weather:
    """``loss`` and ``duplicates`` are shares from 0 to 1; ``delay`` is the most that is added to a datagram's way."""

    loss: float = 0.0
    delay: Duration = 0
    duplicates: float = 0.0


CALM = Weather()


class Record(NamedTuple):
    """A datagram that was heard on its way; ``pulse`` is which daemon of its sender sent it. One is made for every datagram."""

    sender: str
    pulse: int
    receiver: str
    network: str
    data: bytes


@dataclass(slots=True)
class Counts:
    """What became of the datagrams of a run."""

    sent: int = 0
    lost: int = 0
    cut: int = 0
    duplicated: int = 0
    overtaken: int = 0
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
        everybody = world.everybody
        self._paths: dict[str, tuple[Path, ...]] = {name: paths(everybody, name) for name in everybody.names}
        self._latest: dict[tuple[str, str, str], Instant] = {}
        self._opener = Opener(world.cluster.name, (KEY,), everybody.names)
        self._opened: dict[bytes, Envelope | Reject] = {}
        self._recorded: deque[Record] = deque(maxlen=RECORDED)
        self._buried: deque[Record] = deque(maxlen=BURIED)
        self.recording = False
        self._pair = names if world.cluster.quorum is Quorum.PAIR else ()
        self._apart_at: WorldTime | None = None
        serving = {item.device for group in world.cluster.groups for item in group.addresses}
        self._service = [name for name, device in devices.items() if device in serving]

    @property
    def networks(self) -> tuple[str, ...]:
        return tuple(self.devices)

    def cut(self, senders: Iterable[str], receivers: Iterable[str], networks: Iterable[str] = ()) -> None:
        """Nothing passes from any of ``senders`` to any of ``receivers`` any more, on these networks (none named: all)."""
        self.before_change()
        chosen = tuple(networks) or self.networks
        self.cuts |= {(a, b, n) for a in senders for b in receivers for n in chosen if a != b}

    def block(self, one: str, other: str, networks: Iterable[str] = ()) -> None:
        """A packet filter drops heartbeats both ways; address claims and probes still pass."""
        self.before_change()
        for network in tuple(networks) or self.networks:
            self.blocks |= {(one, other, network), (other, one, network)}

    def unblock(self, one: str, other: str) -> None:
        """The opposite of ``block``."""
        self.before_change()
        self.blocks -= {(a, b, network) for a, b in ((one, other), (other, one)) for network in self.networks}

    def mend(self, senders: Iterable[str], receivers: Iterable[str], networks: Iterable[str] = ()) -> None:
        self.before_change()
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

    def blow(self, weather: Weather) -> None:
        """The weather changes."""
        self.before_change()
        self.weather = weather

    def calm(self) -> None:
        """The weather is good again."""
        self.blow(CALM)

    def heal(self) -> None:
        """All cuts are mended and the weather is calm."""
        self.before_change()
        self.cuts.clear()
        self.blocks.clear()
        self.weather = CALM

    def before_change(self) -> None:
        """To be called before a cut, a cable or the weather changes: remembers when the machines of a pair were last apart."""
        if self._pair and self._apart():
            self._apart_at = self.world.now

    def last_apart(self) -> WorldTime | None:
        """When the two machines of a pair last could not reach each other, in one direction at least; None: never yet.

        That means that no heartbeat passes on any path, and no question on the service network is answered. On a lossy network
        every datagram may be lost.
        """
        self.before_change()
        return self._apart_at

    def _apart(self) -> bool:
        if self.weather.loss:
            return True
        one, other = (self.world.hosts[name] for name in self._pair)
        if any(self._wired(one, other, name) and self._wired(other, one, name) for name in self._service):
            return False
        return not (self._heard(one, other) and self._heard(other, one))

    def _heard(self, sender: Host, receiver: Host) -> bool:
        return any(
            self._wired(sender, receiver, path.network)
            and (sender.name, receiver.name, path.network) not in self.blocks
            for path in self._paths[sender.name]
        )

    def passes(self, sender: Host, receiver: Host, network: str) -> bool:
        """Whether a frame put on the wire now would reach the other machine (its power and both cables included)."""
        return receiver.power and self._wired(sender, receiver, network)

    def _wired(self, sender: Host, receiver: Host, network: str) -> bool:
        if self.cuts and (sender.name, receiver.name, network) in self.cuts:
            return False
        device = self.devices[network]
        return sender.kernel.carriers.get(device, False) and receiver.kernel.carriers.get(device, False)

    def send(self, sender: Host, data: bytes, to: str | None, link: str | None) -> None:
        """Put one datagram on every path that fits, as ``effects.Send`` says."""
        self.world.mark(data)
        for path in self._paths[sender.name]:
            if (to is None or path.peer == to) and (link is None or path.network == link):
                self._carry(sender, path.peer, path.network, data)

    def bury(self, sender: str, pulse: int) -> None:
        """A daemon has ended: keep its last words."""
        if self.recording:
            words = [record for record in self._recorded if (record.sender, record.pulse) == (sender, pulse)]
            self._buried.extend(words[-LAST_WORDS:])

    def replay(self, count: int) -> None:
        """Deliver up to ``count`` recorded datagrams again, now: old and new, to whom they were meant for or to others."""
        for pool in (self._recorded, self._buried):
            self._play(list(pool), (count + 1) // 2)

    def replay_ended(self, sender: str, count: int) -> None:
        """Deliver up to ``count`` of the last words of ``sender``'s daemons that have ended."""
        self._play([record for record in self._buried if record.sender == sender], count)

    def _play(self, old: list[Record], count: int) -> None:
        random = self.world.random
        for record in random.sample(old, min(count, len(old))):
            receiver = record.receiver
            if random.random() < 0.2:
                paths_there = [path.peer for path in self._paths[record.sender] if path.network == record.network]
                receiver = random.choice(paths_there)
            self.counts.replayed += 1
            self._arrive(self.world.hosts[record.sender], self.world.hosts[receiver], record.network, record.data)

    def _carry(self, sender: Host, peer: str, network: str, data: bytes) -> None:
        world = self.world
        counts, weather, random = self.counts, self.weather, world.random
        counts.sent += 1
        receiver = world.hosts[peer]
        if self.recording:
            self._recorded.append(Record(sender.name, sender.pulse_number, peer, network, data))
        way = (sender.name, peer, network)
        if way in self.blocks or not (receiver.power and self._wired(sender, receiver, network)):
            counts.cut += 1
            return
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
            arrival = world.now + delay
            if arrival < self._latest.get(way, 0):
                counts.overtaken += 1
            else:
                self._latest[way] = arrival
            world.at(arrival, partial(self._arrive, sender, receiver, network, data))

    def open(self, data: bytes) -> Envelope | Reject:
        """What a machine makes of a datagram: all have one key, and each datagram comes over several links to several of them."""
        found = self._opened.get(data)
        if found is None:
            if len(self._opened) > OPENED:
                self._opened.clear()
            found = self._opened[data] = self._opener.open(data)
        return found

    def _arrive(self, sender: Host, receiver: Host, network: str, data: bytes) -> None:
        if receiver.power and self._wired(sender, receiver, network):
            receiver.datagram(network, data)
        else:
            self.counts.cut += 1
