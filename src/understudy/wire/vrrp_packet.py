"""What is around an advert: IPv4 headers, the Authentication Header, Ethernet and IPv6 headers where we write them ourselves.

Three ways in, by what the kernel gives: a whole Ethernet frame (packet socket), a whole IPv4 packet (raw socket over IPv4), or
the payload of an IPv6 packet alone, with its addresses and hop limit beside it (raw socket over IPv6, RFC 3542 section 3). All
give an ``Envelope`` or a ``VrrpRefusal``, for any bytes. What this does not handle: fragments (an advert with 255 addresses has
1 KiB over IPv4; over IPv6 4 KiB, which the kernel puts together for raw sockets), extension headers of IPv6, VLAN tags (the
kernel strips them).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from .checksum import checksum
from .reject import Reject
from .vrrp_auth import AH, AH_LENGTH
from .vrrp_checksum import GROUP_IPV4, GROUP_IPV6, PROTOCOL

GROUPS = {4: "224.0.0.18", 6: "ff02::12"}
"""Where adverts go by default (RFC 9568 sections 5.1.1.2 and 5.1.2.2)."""

HIGHEST_TTL = 255
"""Of what was forwarded by nobody (RFC 9568 sections 5.1.1.3 and 5.1.2.3)."""

UNICAST_HOP_LIMIT = 64
"""keepalived leaves this to the kernel, for unicast over IPv6 alone."""

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD

_TOS = 0xC0
"""Internetwork control (RFC 791 section 3.1)."""

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_ETHERNET_LENGTH = 14
_CACHED = 4096


class VrrpReason(StrEnum):
    """Why a packet was refused, in the order of the checks. keepalived counts them under coarser heads (``vrrp_stats``)."""

    NOT_OURS = "not-ours"
    LENGTH = "length"
    TTL = "ttl"
    VERSION = "version"
    AUTH_UNKNOWN = "auth-unknown"
    AUTH_OTHER = "auth-other"
    PASSWORD = "password"
    INTERVAL = "interval"
    TYPE = "type"
    COUNT = "count"
    TOTAL_LENGTH = "total-length"
    CHECKSUM = "checksum"
    MODE = "mode"
    ADDRESSES = "addresses"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class VrrpRefusal(Reject):
    """A packet that is forgotten. ``reason``: a word of ``VrrpReason``; ``why``: a clause for people; ``source``: "" unknown."""

    why: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A packet of VRRP, bare or behind AH. ``source``, ``destination``: packed; ``body``: at least 8 bytes.

    ``header``: of IPv4, as it came, b"" for IPv6. ``ah``: its 24 bytes, or b"". ``total``: what the IP header says of its
    length, 0 when it is not known. ``length``: of the packet, from its IP header on. ``mac``: the sender's, "" when not known.
    """

    source: bytes
    destination: bytes
    ttl: int
    body: bytes
    header: bytes = b""
    ah: bytes = b""
    total: int = 0
    length: int = 0
    mac: str = ""

    @property
    def family(self) -> int:
        return 4 if len(self.source) == 4 else 6

    @property
    def version(self) -> int:
        return self.body[0] >> 4

    @property
    def vrid(self) -> int:
        """For whom it is, with the family and the device that it came by. Look the router up with it, then ``open_packet``."""
        return self.body[1]

    @property
    def sender(self) -> str:
        """The source address, for people."""
        return written(self.source)


@lru_cache(_CACHED)
def packed(address: str) -> bytes:
    """4 or 16 bytes. A zone (``%eth0``) is left out. Raises ValueError for what is no address."""
    return ipaddress.ip_address(address.partition("%")[0]).packed


@lru_cache(_CACHED)
def written(address: bytes) -> str:
    """As ``ipaddress`` writes it. Raises ValueError for other than 4 or 16 bytes."""
    return str(ipaddress.ip_address(address))


def virtual_mac(vrid: int, family: int) -> bytes:
    """The MAC address of a virtual router (RFC 9568 section 7.3)."""
    return bytes((0, 0, 0x5E, 0, 1 if family == 4 else 2, vrid))


def group_mac(group: bytes) -> bytes:
    """Where Ethernet sends a packed multicast address (RFC 1112 section 6.4, RFC 2464 section 7)."""
    if len(group) == 4:
        return bytes((1, 0, 0x5E, group[1] & 0x7F, group[2], group[3]))
    return b"\x33\x33" + group[12:]


def ethernet(target: bytes, sender: bytes, packet: bytes) -> bytes:
    """The frame around an IP packet, without FCS. ``target``, ``sender``: MAC addresses of 6 bytes."""
    ethertype = ETHERTYPE_IPV4 if packet[0] >> 4 == 4 else ETHERTYPE_IPV6
    return b"".join((target, sender, ethertype.to_bytes(2, "big"), packet))


def ipv4_header(source: bytes, destination: bytes, length: int, *, number: int, ttl: int, protocol: int) -> bytes:
    """Twenty bytes with their checksum. ``length``: of what follows; ``number``: 1 to 65535 (of 0 the kernel makes its own).

    DF is clear and the precedence that of routing protocols, as keepalived has it.
    """
    before = _IPV4.pack(0x45, _TOS, 20 + length, number, 0, ttl, protocol, 0, source, destination)
    return before[:10] + checksum(before).to_bytes(2, "big") + before[12:]


def ipv6_header(source: bytes, destination: bytes, length: int, hop_limit: int = HIGHEST_TTL, flow: int = 0) -> bytes:
    """Forty bytes, for packet sockets. ``flow``: the label, 0 to 2²⁰ - 1, which the kernel chooses where it writes the header."""
    return _IPV6.pack(6 << 28 | _TOS << 20 | flow, length, PROTOCOL, hop_limit, source, destination)


def read_ipv4(packet: bytes, mac: str = "") -> Envelope | VrrpRefusal:
    """A whole IPv4 packet, as a raw socket gives it."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return _not_ours("it is no IPv4 packet")
    start = (packet[0] & 15) * 4
    _, _, total, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(packet)
    if protocol not in (PROTOCOL, AH):
        return _not_ours(f"it is of IP protocol {protocol}, not {PROTOCOL} (VRRP)")
    if start < 20 or fragment & 0x3FFF:
        return _not_ours("it is a fragment, or its IPv4 header is damaged")
    header, ah = packet[:start], b""
    if protocol == AH:
        ah = packet[start : start + AH_LENGTH]
        if ah[:2] != b"\x70\x04" or len(ah) < AH_LENGTH:
            return _not_ours("it has an Authentication Header (AH) that is not around VRRP")
        start += AH_LENGTH
    body = packet[start:]
    if len(body) < 8:
        return VrrpRefusal(VrrpReason.LENGTH, "it is cut off", written(source))
    return Envelope(source, destination, ttl, body, header, ah, total, len(packet), mac)


def read_ipv6(body: bytes, source: str, destination: str, hop_limit: int, mac: str = "") -> Envelope | VrrpRefusal:
    """The payload of an IPv6 packet, as a raw socket gives it, and what the kernel says of its header."""
    if len(body) < 8:
        return VrrpRefusal(VrrpReason.LENGTH, "it is cut off", source)
    return Envelope(packed(source), packed(destination), hop_limit, body, mac=mac)


def read_frame(frame: bytes) -> Envelope | VrrpRefusal:
    """An Ethernet frame. What stands behind the IP packet, such as zeros up to 60 bytes, is left out, as the kernel does."""
    mac, ethertype, packet = frame[6:12].hex(":"), frame[12:14], frame[_ETHERNET_LENGTH:]
    if ethertype == b"\x08\x00":
        return read_ipv4(packet[: int.from_bytes(packet[2:4], "big")], mac)
    if ethertype == b"\x86\xdd":
        return read_ipv6_packet(packet[: 40 + int.from_bytes(packet[4:6], "big")], mac)
    return _not_ours("it is no frame with an IPv4 or IPv6 packet")


def read_ipv6_packet(packet: bytes, mac: str = "") -> Envelope | VrrpRefusal:
    """A whole IPv6 packet, without extension headers."""
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return _not_ours("it is no IPv6 packet")
    _, length, protocol, hop_limit, source, destination = _IPV6.unpack_from(packet)
    if protocol != PROTOCOL:
        return _not_ours(f"it is of IP protocol {protocol}, not {PROTOCOL} (VRRP)")
    body = packet[40:]
    if len(body) < 8:
        return VrrpRefusal(VrrpReason.LENGTH, "it is cut off", written(source))
    return Envelope(source, destination, hop_limit, body, total=length + 40, length=len(packet), mac=mac)


def group_of(family: int) -> bytes:
    """The packed default group."""
    return GROUP_IPV4 if family == 4 else GROUP_IPV6


def _not_ours(why: str) -> VrrpRefusal:
    return VrrpRefusal(VrrpReason.NOT_OURS, why)
