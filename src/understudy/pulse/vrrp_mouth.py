"""The mouth of virtual routers: advertisements as packets on their devices, to the group or to each unicast peer.

Identification and AH's sequence number are counted here, one for each round. A sequence number begins with the seconds since the
machine was booted, times ``_STEP``: a pulse that is started again goes on above what its predecessor said, where peers would take
anything lower for a recording; after a boot the router hears the others first, and the core says from which number to go on.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..adapters.udp import boot_clock
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
    """``announce``: sends gratuitous frames for an address of a device."""

    sockets: RouterSockets
    announce: Callable[[Sequence[AddressResource]], None] = lambda _: None
    clock: Callable[[], Instant] = boot_clock
    _speakers: dict[str, _Speaker] = field(default_factory=dict)
    _leaving: dict[str, _Speaker] = field(default_factory=dict)
    """As what a router was known until now: its goodbye is said so, and all that it says later as what it is."""

    def follow(self, routers: Iterable[tuple[VirtualRouter, str]]) -> None:
        """These speak from now on, each on the device beside it; those that did before go on counting."""
        before, self._speakers = self._speakers, {}
        self._leaving = {}
        for router, device in routers:
            to = tuple(peer.address for peer in router.peers) or (router.group or GROUPS[router.family],)
            made = _Speaker(router, device, Encoder(router), to, sequence=self.clock() * _STEP // SECOND)
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
            data = _packet(speaker, effect.advert, destination)
            if speaker.router.family == 4:
                taken |= self.sockets.send(speaker.device, data, destination)
            else:
                hops = speaker.encoder.hop_limit
                taken |= self.sockets.send(speaker.device, data, destination, speaker.source, hops)
        return "" if taken else self.sockets.why(speaker.device)

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


def _packet(speaker: _Speaker, advert: Advertisement, destination: str) -> bytes | bytearray:
    """The kernel reckons the checksum of the IPv4 header of every raw packet, so a written one may be given another number."""
    way = (speaker.source, destination)
    known = speaker.written.get(way)
    if known is not None and (known[0] is advert or known[0] == advert):
        struct.pack_into("!H", known[1], _IDENTIFICATION, speaker.number)
        return known[1]
    data = speaker.encoder.packet(advert, speaker.source, destination, speaker.number, speaker.sequence)
    if speaker.router.family == 4 and not speaker.signed:
        speaker.written = {key: kept for key, kept in speaker.written.items() if key[0] == speaker.source}
        speaker.written[way] = (advert, bytearray(data))
    return data
