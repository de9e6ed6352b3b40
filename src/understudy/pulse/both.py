"""One pulse that is a node of a cluster and a VRRP router: two kinds of sockets and two ears, each for its own packets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..adapters.udp import Datagram, LinkCounters, UdpLinks
from ..adapters.vrrp_socket import RouterPacket, RouterSockets
from ..old_pair import OldEvent
from ..units import Instant
from ..vrrp import RouterEvent
from .ear import NativeEar
from .mouth import Mouth
from .vrrp_ear import RouterEar


@dataclass(slots=True)
class BothLinks:
    """Heartbeats and advertisements. Both are drained before time may expire anything."""

    links: UdpLinks
    sockets: RouterSockets

    @property
    def counters(self) -> Mapping[str, LinkCounters]:
        return {**self.sockets.counters, **self.links.counters}

    @property
    def troubles(self) -> tuple[str, ...]:
        return (*self.links.troubles, *self.sockets.troubles)

    @property
    def descriptors(self) -> tuple[int, ...]:
        return (*self.links.descriptors, *self.sockets.descriptors)

    def drain(self, now: Instant, bound: int = 64) -> tuple[list[Datagram], bool]:
        heartbeats, empty = self.links.drain(now, bound)
        adverts, silent = self.sockets.drain(now, bound)
        return heartbeats + adverts, empty and silent

    def mend(self) -> None:
        self.links.mend()
        self.sockets.mend()

    def close(self) -> None:
        self.links.close()
        self.sockets.close()


@dataclass(slots=True)
class BothEars:
    """``native`` hears what the members say, ``routers`` what the routers around say."""

    native: NativeEar
    routers: RouterEar

    @property
    def rejected(self) -> dict[str, int]:
        found = dict(self.native.rejected)
        for reason, count in self.routers.rejected.items():
            found[reason] = found.get(reason, 0) + count
        return found

    def hear(self, datagram: Datagram, now: Instant) -> Sequence[OldEvent | RouterEvent]:
        if isinstance(datagram, RouterPacket):
            return self.routers.hear(datagram, now)
        return self.native.hear(datagram, now)

    def tidings(self, now: Instant, mouth: Mouth) -> Sequence[OldEvent | RouterEvent]:
        return (*self.native.tidings(now, mouth), *self.routers.tidings(now, mouth))

    def sentences(self, now: Instant) -> list[str]:
        return [*self.native.sentences(now), *self.routers.sentences(now)]
