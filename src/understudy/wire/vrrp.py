"""Adverts of VRRP: words to bytes and back. Version 2 (RFC 3768, RFC 2338's authentication), version 3 (RFC 5798, RFC 9568).

    offset  version 2                      version 3
    0       0x21                           0x31
    1       VRID, 1 to 255                 the same
    2       priority                       the same
    3       how many addresses             the same
    4       authentication: 0, 1, 2        4 bits 0, then the interval in hundredths of a second, 12 bits
    5       the interval in seconds
    6       checksum, 16 bits              the same (``vrrp_checksum.py``)
    8       the addresses                  the same
    then    over IPv4: 8 bytes, zeros or the password

Sending: one ``Encoder`` for each virtual router. Hearing: ``read_ipv4``, ``read_ipv6`` or ``read_frame``; then the router is
looked up by ``Envelope.vrid`` (and family, and device), and ``open_packet`` judges by its ``Expected``. Nothing here judges
by what came before: that AH's sequence numbers grow, and who was master, is for those who call.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from ..errors import check
from ..units import MILLISECOND, SECOND, Duration, format_duration
from ..vrrp import Advertisement, AuthType
from ..vrrp_files import UnicastPeer, VirtualRouter
from . import vrrp_auth as auth
from .vrrp_checksum import PROTOCOL, Variant, filled, found, is_group, variant
from .vrrp_packet import (
    GROUPS,
    HIGHEST_TTL,
    UNICAST_HOP_LIMIT,
    Envelope,
    VrrpReason,
    VrrpRefusal,
    ipv4_header,
    packed,
    read_frame,
    read_ipv4,
    read_ipv6,
    written,
)

__all__ = [
    "Encoder",
    "Envelope",
    "Expected",
    "Heard",
    "VrrpReason",
    "VrrpRefusal",
    "open_packet",
    "read_frame",
    "read_ipv4",
    "read_ipv6",
]

ADVERTISEMENT = 1
"""The only type that there is (RFC 9568 section 5.2.2)."""

CENTISECOND: Duration = 10 * MILLISECOND
LONGEST_INTERVAL = 0xFFF
"""Hundredths of a second in version 3 (RFC 9568 section 5.2.7)."""

_VERSION_2 = Struct("!BBBBBBxx")
_VERSION_3 = Struct("!BBBBHxx")
_TRAILER = 8


class Encoder:
    """Writes the adverts of one virtual router. ``hop_limit``: the TTL of what it sends, which over IPv6 the socket has to set.

    A router says the same for hours, so the bodies of its last advert are kept, one for each destination.
    """

    def __init__(self, router: VirtualRouter) -> None:
        unicast_ipv6 = router.family == 6 and bool(router.peers)
        self.hop_limit = router.ttl or (UNICAST_HOP_LIMIT if unicast_ipv6 else HIGHEST_TTL)
        self._auth = AuthType[router.auth] if router.auth else AuthType.NONE
        self._secret = auth.secret(router.password)
        self._habit = router.checksum
        self._last: tuple[Advertisement, bytes] | None = None
        self._bodies: dict[bytes, bytes] = {}

    def packet(self, advert: Advertisement, source: str, destination: str, number: int = 0, sequence: int = 0) -> bytes:
        """IPv4: the whole packet (IP_HDRINCL). IPv6: what follows the header, its checksum filled in as the kernel would.

        ``source``, ``destination``: addresses of the advert's family. ``number``: the identification, 1 to 65535; keepalived
        counts rounds, with one number for all unicast peers. ``sequence``: of AH, 0 to 2³² - 1, likewise. The router's
        authentication counts, not the advert's, and only in version 2 over IPv4.

        Raises InternalError for an advert that has no form on the wire; that is our bug.
        """
        here, there = packed(source), packed(destination)
        kind = self._auth if advert.version == 2 and len(here) == 4 else AuthType.NONE
        if self._last != (advert, here):
            self._last = advert, here
            self._bodies.clear()
        body = self._bodies.get(there)
        if body is None:
            body = self._bodies[there] = self.body(advert, here, there, kind)
        if len(here) == 16:
            return body
        ttl = self.hop_limit
        if kind is not AuthType.AH:
            return ipv4_header(here, there, len(body), number=number, ttl=ttl, protocol=PROTOCOL) + body
        length = auth.AH_LENGTH + len(body)
        header = ipv4_header(here, there, length, number=number, ttl=ttl, protocol=auth.AH)
        return header + auth.header(self._secret, header, sequence, body) + body

    def body(self, advert: Advertisement, source: bytes, destination: bytes, kind: AuthType) -> bytes:
        """From the version on, with the checksum. Addresses are packed."""
        block = b"".join(map(packed, advert.addresses))
        count = len(advert.addresses)
        check(count < 256 and len(block) == count * len(source), "an advert has up to 255 addresses of one family")
        check(1 <= advert.vrid <= 255 and 0 <= advert.priority <= 255, "a VRID is 1 to 255, a priority 0 to 255")
        if advert.version == 2:
            seconds = advert.interval // SECOND
            check(1 <= seconds <= 255, "version 2 says intervals of 1 to 255 seconds")
            head = _VERSION_2.pack(0x21, advert.vrid, advert.priority, count, kind, seconds)
            trailer = b""
            if len(source) == 4:
                trailer = self._secret if kind is AuthType.PASS else bytes(_TRAILER)
            blank = head + block + trailer
        else:
            check(advert.version == 3, "adverts are of version 2 or 3")
            hundredths = advert.interval // CENTISECOND
            check(1 <= hundredths <= LONGEST_INTERVAL, "version 3 says intervals of 0.01 to 40.95 seconds")
            blank = _VERSION_3.pack(0x31, advert.vrid, advert.priority, count, hundredths) + block
        return filled(blank, source, destination, variant(advert.version, destination, self._habit))


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands in a body, whoever wrote it. ``kind``: the type. ``count``: of addresses, which ``block`` has packed.

    ``auth``: the number in version 2, 0 in version 3. ``trailer``: what follows the addresses. ``interval`` may be 0.
    """

    version: int
    kind: int
    vrid: int
    priority: int
    count: int
    auth: int
    interval: Duration
    block: bytes
    trailer: bytes

    def addresses(self) -> tuple[str, ...]:
        size = len(self.block) // self.count if self.count else 0
        return tuple(written(self.block[at : at + size]) for at in range(0, len(self.block), size)) if size else ()


@dataclass(frozen=True, slots=True)
class Heard:
    """An advert that this router may act on. ``sequence``: of AH, else 0. ``checksum``: the reading under which it is right.

    ``differs``: in what its sender is configured otherwise, a clause, "" for nothing. keepalived refuses such an advert; here it
    counts all the same, as long as it names one of our addresses: that router serves it.
    """

    advert: Advertisement
    source: str
    sequence: int
    ttl: int
    checksum: Variant
    mac: str
    differs: str = ""


class Expected:
    """What one virtual router takes: made once from its configuration.

    A master says the same for hours, so the last packet that was taken is kept with what was made of it. One that differs in
    nothing but its IPv4 identification is judged by that; one with AH never is, for its signature differs.
    """

    __slots__ = (
        "_packet",
        "_taken",
        "addresses",
        "auth",
        "block",
        "check_source",
        "family",
        "group",
        "interval",
        "packed_addresses",
        "peers",
        "secret",
        "skip_repeated",
        "version",
        "vrid",
    )

    def __init__(self, router: VirtualRouter) -> None:
        kind = AuthType[router.auth] if router.auth and router.version == 2 and router.family == 4 else AuthType.NONE
        self.version, self.vrid, self.family, self.auth = router.version, router.vrid, router.family, kind
        self.secret = auth.secret(router.password)
        self.interval = router.interval
        self.addresses = router.advertised
        self.packed_addresses = tuple(map(packed, self.addresses))
        self.block = b"".join(self.packed_addresses)
        self.group = packed(router.group or GROUPS[router.family])
        self.peers: dict[bytes, UnicastPeer] = {packed(peer.address): peer for peer in router.peers}
        self.check_source = router.check_source or any(_limits(peer) for peer in router.peers)
        self.skip_repeated = router.skip_check_addresses
        self._packet: tuple[object, ...] = ()
        self._taken: Heard | None = None

    def seen_before(self, envelope: Envelope, known: str) -> Heard | None:
        """What ``open_packet`` made of the last packet that it took, when this is the same."""
        return self._taken if not envelope.ah and self._packet == _identity(envelope, known) else None

    def keep(self, envelope: Envelope, known: str, heard: Heard) -> None:
        self._packet, self._taken = _identity(envelope, known), heard


def _identity(envelope: Envelope, known: str) -> tuple[object, ...]:
    """All that ``open_packet`` looks at, but for AH, to which alone the IPv4 header matters."""
    ends = envelope.source, envelope.destination
    return envelope.body, *ends, envelope.ttl, envelope.mac, envelope.total == envelope.length, known


def _limits(peer: UnicastPeer) -> bool:
    return peer.min_ttl > 0 or peer.max_ttl < HIGHEST_TTL


def read_body(envelope: Envelope) -> Seen | VrrpRefusal:
    """The fields of what is in an envelope. Refuses another length than its version and its number of addresses ask for."""
    body = envelope.body
    version = body[0] >> 4
    size = len(envelope.source)
    if version == 2:
        _, vrid, priority, count, kind, seconds = _VERSION_2.unpack_from(body)
        interval, trailer = seconds * SECOND, _TRAILER if size == 4 else 0
    elif version == 3:
        _, vrid, priority, count, hundredths = _VERSION_3.unpack_from(body)
        # RFC 9568 section 5.2.6: the four bits in front of the interval are ignored.
        kind, interval, trailer = 0, (hundredths & LONGEST_INTERVAL) * CENTISECOND, 0
    else:
        return VrrpRefusal(
            VrrpReason.VERSION, f"it is of version {version} of VRRP, which there is not", envelope.sender
        )
    end = 8 + count * size
    if len(body) != end + trailer:
        why = f"it has {len(body)} bytes, where version {version} and its {count} addresses ask for {end + trailer}"
        return VrrpRefusal(VrrpReason.LENGTH, why, envelope.sender)
    return Seen(version, body[0] & 15, vrid, priority, count, kind, interval, body[8:end], body[end:])


def open_packet(envelope: Envelope, expected: Expected, known: str = "") -> Heard | VrrpRefusal:
    """The advert in an envelope for this router's VRID, or the first reason not to take it, in keepalived's order.

    ``known``: the source of the last advert that was taken, whose addresses are not compared again where
    ``vrrp_skip_check_adv_addr`` says so. Never raises, whatever came.
    """
    same = expected.seen_before(envelope, known)
    if same is not None:
        return same
    seen = read_body(envelope)
    if isinstance(seen, VrrpRefusal):
        return seen
    trusted = expected.skip_repeated and known != "" and packed(known) == envelope.source
    refused = _outside_refused(envelope, seen, expected) or _secret_refused(envelope, seen, expected)
    differs = _inside_differs(seen, expected, trusted) if refused is None else None
    refused = refused or _inside_refused(envelope, seen)
    right = None if refused else found(seen.version, envelope.body, envelope.source, envelope.destination)
    if refused is None:
        wrong = None if right else (VrrpReason.CHECKSUM, "its checksum is wrong")
        refused = wrong or _path_refused(envelope, expected)
        differs = differs or (None if refused else _addresses_differ(seen, expected, trusted))
    if differs and (refused or not _shares(seen, expected)):
        refused = differs
    if refused or right is None:
        return VrrpRefusal(*(refused or (VrrpReason.CHECKSUM, "its checksum is wrong")), envelope.sender)
    addresses = expected.addresses if seen.block == expected.block else seen.addresses()
    advert = Advertisement(seen.version, seen.vrid, seen.priority, addresses, seen.interval, AuthType(seen.auth))
    sequence = int.from_bytes(envelope.ah[8:12], "big")
    heard = Heard(advert, envelope.sender, sequence, envelope.ttl, right, envelope.mac, differs[1] if differs else "")
    if not envelope.ah:
        expected.keep(envelope, known, heard)
    return heard


_Refused = tuple[VrrpReason, str] | None


def _outside_refused(envelope: Envelope, seen: Seen, expected: Expected) -> _Refused:
    """RFC 9568 section 7.1: TTL and version. A unicast peer may be behind routers."""
    if envelope.ttl != HIGHEST_TTL and is_group(envelope.destination):
        return VrrpReason.TTL, f"its TTL is {envelope.ttl}, not {HIGHEST_TTL}: it came through a router"
    if seen.version != expected.version:
        return (
            VrrpReason.VERSION,
            f"it is of version {seen.version} of VRRP; version {expected.version} is configured here",
        )
    if seen.vrid != expected.vrid or envelope.family != expected.family:
        return VrrpReason.NOT_OURS, f"it is for another virtual router ({seen.vrid})"
    return None


_NAMES = {AuthType.NONE: "no authentication", AuthType.PASS: "a password (PASS)", AuthType.AH: "a signature (AH)"}


def _secret_refused(envelope: Envelope, seen: Seen, expected: Expected) -> _Refused:
    """RFC 2338 section 5.3.6. A packet in an Authentication Header must say so inside as well, and the other way round."""
    if seen.auth not in _NAMES:
        return VrrpReason.AUTH_UNKNOWN, f"its authentication is of type {seen.auth}, which there is not"
    kind = AuthType(seen.auth)
    if kind is not expected.auth or bool(envelope.ah) is not (kind is AuthType.AH):
        has = _NAMES[AuthType.AH if envelope.ah else kind]
        return VrrpReason.AUTH_OTHER, f"it has {has}; {_NAMES[expected.auth]} is configured here"
    if kind is AuthType.PASS and not auth.same(seen.trailer, expected.secret):
        return VrrpReason.PASSWORD, "its password is wrong"
    if kind is AuthType.AH:
        if not signed(envelope, expected.secret):
            return VrrpReason.PASSWORD, "its signature (AH) is wrong: made with another password, or changed on its way"
        if envelope.ah[4:8] != envelope.source:
            return VrrpReason.PASSWORD, "the SPI of its signature (AH) is not its source address"
    return None


def signed(envelope: Envelope, secret: bytes) -> bool:
    """Whether the Authentication Header was made with this key (``vrrp_auth.secret``)."""
    right = auth.icv(secret, envelope.header, envelope.ah, envelope.body)
    return auth.same(right, envelope.ah[auth.ICV_LENGTH : auth.AH_LENGTH])


def _inside_differs(seen: Seen, expected: Expected, trusted: bool) -> _Refused:
    """RFC 3768 section 7.1: in version 2 the interval must be ours, in version 3 it is learnt (RFC 9568 section 6.4.2)."""
    if seen.version == 2 and seen.interval != expected.interval:
        here = format_duration(expected.interval)
        return (
            VrrpReason.INTERVAL,
            f"it says an interval of {format_duration(seen.interval)}; {here} is configured here",
        )
    if not trusted and seen.count != len(expected.addresses):
        configured = _addresses(len(expected.addresses))
        return VrrpReason.COUNT, f"it names {_addresses(seen.count)}; here there are {configured} in the configuration"
    return None


def _inside_refused(envelope: Envelope, seen: Seen) -> _Refused:
    if seen.interval == 0:
        return VrrpReason.INTERVAL, "it says an interval of 0"
    if seen.kind != ADVERTISEMENT:
        return VrrpReason.TYPE, f"it is of type {seen.kind}, no advertisement"
    if envelope.total and envelope.total != envelope.length:
        return VrrpReason.TOTAL_LENGTH, f"its IP header says {envelope.total} bytes, and {envelope.length} came"
    return None


def _shares(seen: Seen, expected: Expected) -> bool:
    """Whether one of our addresses is among its own: then it is no other virtual router with our number."""
    return not set(seen.addresses()).isdisjoint(map(written, expected.packed_addresses))


def _addresses(count: int) -> str:
    return f"{count} address" if count == 1 else f"{count} addresses"


def _path_refused(envelope: Envelope, expected: Expected) -> _Refused:
    by_group = is_group(envelope.destination)
    if expected.peers:
        if by_group:
            return VrrpReason.MODE, "it came by multicast; unicast peers are configured here"
        if expected.check_source:
            return _peer_refused(envelope, expected)
        return None
    if not by_group:
        return VrrpReason.MODE, "it came by unicast; multicast is configured here"
    if envelope.destination != expected.group:
        there, here = written(envelope.destination), written(expected.group)
        return VrrpReason.MODE, f"it went to the group {there}; {here} is configured here"
    return None


def _peer_refused(envelope: Envelope, expected: Expected) -> _Refused:
    peer = expected.peers.get(envelope.source)
    if peer is None:
        return VrrpReason.PEER, "its sender is none of the peers that are configured here"
    if not peer.min_ttl <= envelope.ttl <= peer.max_ttl:
        return (
            VrrpReason.PEER,
            f"its TTL is {envelope.ttl}; from this peer {peer.min_ttl} to {peer.max_ttl} is configured",
        )
    return None


def _addresses_differ(seen: Seen, expected: Expected, trusted: bool) -> _Refused:
    """RFC 3768 section 7.1 leaves it to us; order does not matter."""
    if trusted or seen.block == expected.block:
        return None
    named = set(seen.addresses())
    for address, form in zip(expected.addresses, expected.packed_addresses, strict=True):
        if written(form) not in named:
            return VrrpReason.ADDRESSES, f"it does not name {address}, which is configured here"
    return None
