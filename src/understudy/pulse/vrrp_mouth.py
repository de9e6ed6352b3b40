"""The mouth of virtual routers: advertisements as packets on their devices, to the group or to each unicast peer.

Identification and AH's sequence number are counted here, one for each round. A sequence number begins with the seconds since 2020
by the wall clock, times ``_STEP``: a machine that was started again goes on above what it said before, however long it and its
peers have been up; they would take anything lower for a recording. Where the clock stands before 2020 the router hears the
others first, and the core says from which number to go on.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..adapters.vrrp_socket import RouterSockets
from ..effects import Send
from ..model import AddressResource
from ..old_pair import SendOld
from ..units import NEVER, SECOND, Instant
from ..vrrp import GOODBYE, Advertisement, AnnounceSource, SendAdvert
from ..vrrp_files import VirtualRouter
from ..wire.vrrp import Encoder
from ..wire.vrrp_packet import GROUPS

_STEP = 4
"""Version 2 alone has AH, with one advert a second at most; the rest is for answers to rivals."""

_SEQUENCES = 1 << 32
"""The numbers end in 2054."""

_BEGIN = 1_577_836_800
"""2020, in seconds."""

_IDENTIFICATION = 4


@dataclass(slots=True)
class _Speaker:
    router: VirtualRouter
    device: str
    encoder: Encoder
    destinations: tuple[str, ...]
    source: str = ""
    number: int = 0
    sequence: int = 0
    signed: bool = False
    written: dict[tuple[str, str], tuple[Advertisement, bytearray]] = field(default_factory=dict)
    """The newest packet over IPv4 for each (source, destination): the next one has another identification and no more."""


@dataclass(slots=True)
class RouterMouth:
    """``announce``: sends gratuitous frames for an address of a device. ``wall``: nanoseconds since 1970."""

    sockets: RouterSockets
    announce: Callable[[Sequence[AddressResource]], None] = lambda _: None
    wall: Callable[[], int] = time.time_ns
    source_of: Callable[[str, int], str] = lambda _, __: ""
    """The own address on a device, for a second path."""
    _speakers: dict[str, _Speaker] = field(default_factory=dict)
    _leaving: dict[str, _Speaker] = field(default_factory=dict)
    """As what a router was known until now: its goodbye is said so, and all that it says later as what it is."""

    def follow(self, routers: Iterable[tuple[VirtualRouter, str]]) -> None:
        """These speak from now on, each on the device beside it; those that did before go on counting."""
        before, self._speakers = self._speakers, {}
        self._leaving = {}
        first = max(0, self.wall() // SECOND - _BEGIN) * _STEP
        for router, device in routers:
            to = tuple(peer.address for peer in router.peers) or (router.group or GROUPS[router.family],)
            made = _Speaker(router, device, Encoder(router), to, sequence=first)
            made.signed = router.auth == "AH"
            former = before.get(router.name)
            if former is not None:
                made.source, made.number, made.sequence = former.source, former.number, former.sequence
                if _known_by(former) != _known_by(made):
                    self._leaving[router.name] = former
            self._speakers[router.name] = made

    def source(self, router: str, address: str) -> None:
        """Its adverts leave from this address from now on."""
        if router in self._speakers:
            self._speakers[router].source = address

    @property
    def counter(self) -> int:
        return 0

    def advertise(self, effect: SendAdvert) -> str:
        """ "" when the kernel took it for all it goes to, or for one unicast peer at least; else why not, a clause."""
        speaker = self._speakers.get(effect.router)
        if effect.advert.priority == GOODBYE:
            speaker = self._leaving.get(effect.router, speaker)
        else:
            self._leaving.pop(effect.router, None)
        if speaker is None:
            return "it is not configured"
        if not speaker.source:
            return f"{speaker.device} has no address to send from"
        speaker.number = speaker.number % 0xFFFF + 1
        speaker.sequence = (max(speaker.sequence + 1, effect.sequence)) % _SEQUENCES
        taken = False
        for destination in speaker.destinations:
            if destination == speaker.source:
                continue  # one file for all names all
            data = _packet(speaker, effect.advert, destination)
            if speaker.router.family == 4:
                taken |= self.sockets.send(speaker.device, data, destination)
            else:
                hops = speaker.encoder.hop_limit
                taken |= self.sockets.send(speaker.device, data, destination, speaker.source, hops)
        self._by_second_path(speaker, effect.advert)
        return "" if taken else self.sockets.why(speaker.device)

    def _by_second_path(self, speaker: _Speaker, advert: Advertisement) -> None:
        """It says that the master lives and gives no right to serve: what does not leave is no trouble."""
        path, family = speaker.router.second_path, speaker.router.family
        source = "" if path is None else self.source_of(path.device, family)
        for peer in () if path is None or not source else path.peers:
            if peer == source:
                continue  # one file for all names all
            data = _packet(speaker, advert, peer, source)
            if family == 4:
                self.sockets.send(path.device, data, peer)  # type: ignore[union-attr]
            else:
                self.sockets.send(path.device, data, peer, source, 255)  # type: ignore[union-attr]

    def announce_source(self, effect: AnnounceSource) -> None:
        speaker = self._speakers.get(effect.router)
        if speaker is not None and speaker.source:
            prefix = 32 if speaker.router.family == 4 else 128
            self.announce((AddressResource(speaker.source, speaker.source, prefix, speaker.device),))

    def send(self, effect: Send | SendOld) -> None:
        """Nothing else is said in this protocol."""

    def agree(self, version: int) -> None:
        """Its version is configured."""

    def next_deadline(self) -> Instant:
        return NEVER


def _known_by(speaker: _Speaker) -> tuple[object, ...]:
    router = speaker.router
    return (
        router.vrid,
        router.family,
        router.version,
        speaker.device,
        router.source,
        router.auth,
        speaker.destinations,
    )


def _packet(speaker: _Speaker, advert: Advertisement, destination: str, by: str = "") -> bytes | bytearray:
    """The kernel reckons the checksum of the IPv4 header of every raw packet, so a written one may be given another number."""
    source = by or speaker.source
    way = (source, destination)
    known = speaker.written.get(way)
    if known is not None and (known[0] is advert or known[0] == advert):
        struct.pack_into("!H", known[1], _IDENTIFICATION, speaker.number)
        return known[1]
    data = speaker.encoder.packet(advert, source, destination, speaker.number, speaker.sequence)
    if speaker.router.family == 4 and not speaker.signed:
        if not by:
            speaker.written = {key: kept for key, kept in speaker.written.items() if key[1] != destination}
        speaker.written[way] = (advert, bytearray(data))
    return data
