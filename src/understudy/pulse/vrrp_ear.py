"""The ear of virtual routers: packets of their devices as events for the core; what is refused is counted by its reason.

A packet is for the router with its VRID, family and device. Where a VRID is used twice on one device, by unicast with other
peers, it is for the router that knows the sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..adapters.udp import Datagram
from ..adapters.vrrp_socket import RouterPacket
from ..units import MINUTE, Instant
from ..vrrp import AdvertHeard, AdvertRefused, PeerLives, RouterEvent
from ..vrrp_files import UnicastPeer, VirtualRouter
from ..wire.vrrp import Envelope, Expected, Heard, VrrpRefusal, open_packet, read_ipv4, read_ipv6
from .mouth import Mouth

UNKNOWN = "unknown-vrid"
"""An advertisement for a VRID that is not configured on its device."""

_RECENT = 10 * MINUTE
_MOST_STRANGERS = 64


@dataclass(slots=True)
class _Listener:
    """``known``: the source of the last advert that was taken and differed in nothing."""

    name: str
    expected: Expected
    peers: frozenset[str]
    known: str = ""
    second: VirtualRouter | None = None
    """It listens on the second path of this router."""


@dataclass(slots=True)
class RouterEar:
    """``mac_of``: the MAC address behind a source on a device, "" when it is not known. ``names_unknown``: say who sends for
    VRIDs that are not configured here (``log_unknown_vrids``).
    """

    mac_of: Callable[[str, str], str] = lambda _, __: ""
    names_unknown: bool = False
    rejected: dict[str, int] = field(default_factory=dict)
    again: Callable[[], None] = lambda: None
    """Called every second."""
    _listeners: dict[tuple[str, int, int], list[_Listener]] = field(default_factory=dict)
    _strangers: dict[tuple[str, int, str], Instant] = field(default_factory=dict)

    def follow(self, routers: Iterable[tuple[VirtualRouter, str]]) -> None:
        """These are listened for from now on, each on the device beside it."""
        known = {each.name: each.known for all in self._listeners.values() for each in all}
        self._listeners = {}
        for router, device in routers:
            peers = frozenset(peer.address for peer in router.peers)
            made = _Listener(router.name, Expected(router), peers, known.get(router.name, ""))
            self._listeners.setdefault((device, router.family, router.vrid), []).append(made)
            path = router.second_path
            if path is not None:
                there = replace(router, peers=tuple(map(UnicastPeer, path.peers)))
                made = _Listener(router.name, Expected(there), frozenset(path.peers), second=router)
                self._listeners.setdefault((path.device, router.family, router.vrid), []).append(made)

    def hear(self, datagram: Datagram, now: Instant) -> Sequence[RouterEvent]:
        if not isinstance(datagram, RouterPacket):
            return ()
        if datagram.destination:
            found = read_ipv6(datagram.data, datagram.source, datagram.destination, datagram.hops)
        else:
            found = read_ipv4(datagram.data)
        if isinstance(found, VrrpRefusal):
            self._count(found)
            return ()
        listener = self._for(found, datagram)
        if listener is None:
            self.rejected[UNKNOWN] = self.rejected.get(UNKNOWN, 0) + 1
            self._stranger(found, datagram, now)
            return ()
        heard = open_packet(found, listener.expected, listener.known)
        if isinstance(heard, Heard) and listener.second is not None:
            return _lives(listener, listener.second, heard, datagram.arrival)
        if isinstance(heard, Heard):
            if not heard.differs:
                listener.known = heard.source
            mac = self.mac_of(datagram.network, heard.source)
            ends = heard.source, datagram.arrival, mac
            return (AdvertHeard(listener.name, heard.advert, *ends, heard.sequence, heard.differs),)
        self._count(heard)
        source = heard.source or datagram.source
        mac = self.mac_of(datagram.network, source)
        return (AdvertRefused(listener.name, heard.why, source, datagram.arrival, mac, str(heard.reason)),)

    def _for(self, envelope: Envelope, datagram: Datagram) -> _Listener | None:
        listeners = self._listeners.get((datagram.network, envelope.family, envelope.vrid))
        if not listeners:
            return None
        if len(listeners) == 1:
            return listeners[0]
        return next((item for item in listeners if envelope.sender in item.peers), listeners[0])

    def _count(self, refusal: VrrpRefusal) -> None:
        reason = str(refusal.reason)
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def _stranger(self, envelope: Envelope, datagram: Datagram, now: Instant) -> None:
        if not self.names_unknown:
            return
        key = (datagram.network, envelope.vrid, envelope.sender)
        if key in self._strangers or len(self._strangers) < _MOST_STRANGERS:
            self._strangers[key] = now

    def tidings(self, now: Instant, mouth: Mouth) -> Sequence[RouterEvent]:
        self.again()
        self._strangers = {key: at for key, at in self._strangers.items() if now - at < _RECENT}
        return ()

    def sentences(self, now: Instant) -> list[str]:
        found = []
        for (device, vrid, source), at in sorted(self._strangers.items()):
            if now - at < _RECENT:
                mac = self.mac_of(device, source)
                who = f"{source} ({mac})" if mac else source
                found.append(f"{who} on {device} speaks for VRID {vrid}, which is not configured here")
        return found


def _lives(listener: _Listener, router: VirtualRouter, heard: Heard, arrival: Instant) -> Sequence[RouterEvent]:
    """By the second path a router of ours is heard: it lives as long as this advertisement would keep us from taking over."""
    if heard.source not in listener.peers:
        return ()
    interval = heard.advert.interval if router.version == 3 else router.interval
    until = arrival + router.down_adverts * interval
    return (PeerLives(listener.name, heard.advert.priority, until),)
