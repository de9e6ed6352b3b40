"""Frames with which machines on one Ethernet tell each other which MAC address an IP address has.

Three uses: a new holder *announces* its virtual addresses (gratuitous ARP, RFC 5227 section 2.3; unsolicited neighbour
advertisement, RFC 4861 section 7.2.6), a careful one *probes* first whether somebody uses them (RFC 5227 section 2.1.1; duplicate
address detection, RFC 4862 section 5.4.2), and everybody reads which address a frame *claims*, to notice a rival.

Pure: bytes in, bytes out, complete Ethernet frames without FCS. What this does not handle: VLAN tags inside the frame (the
kernel strips them for us), hardware other than Ethernet, SEND (RFC 3971).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from .checksum import checksum, holds, pseudo_header

_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_ETHERTYPE_IPV6 = 0x86DD
_ARP_HEADER = struct.Struct("!HHBBH")
_ARP_ETHERNET_IPV4 = (1, 0x0800, 6, 4)
_REQUEST = 1
_REPLY = 2

_ICMPV6 = 58
_SOLICITATION = 135
_ADVERTISEMENT = 136
_OPTION_SOURCE_MAC = 1
_OPTION_TARGET_MAC = 2
_FLAG_ROUTER = 0x80
_FLAG_OVERRIDE = 0x20
_HOP_LIMIT = 255
_ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
_UNSPECIFIED = bytes(16)

_ETHERNET_LENGTH = 14
_ARP_LENGTH = _ETHERNET_LENGTH + 28
_ARP_TARGET = _ETHERNET_LENGTH + 18
_IPV6_LENGTH = _ETHERNET_LENGTH + 40
_ND_LENGTH = 24


@dataclass(frozen=True, slots=True)
class Claim:
    """That the machine with ``mac`` (lower case, colons) uses ``address``, or with ``probe`` that it is about to."""

    address: str
    mac: str
    probe: bool


def announcement(mac: bytes, address: str, router: bool = False) -> bytes:
    """The frame that moves ``address`` to ``mac`` (6 bytes) in every neighbour cache on the segment.

    IPv4: an ARP request for the address itself, from itself, to everybody (RFC 5227 section 2.3); Linux takes it at once,
    even within its lock time, because sender and target are the same. IPv6: an unsolicited advertisement to all nodes with
    the override flag (RFC 4861 section 7.2.6). ``router`` sets its R flag: a client that has the address as its default
    router forgets it when an advertisement comes without (section 7.2.5).

    Raises ValueError when ``address`` is not an IP address or ``mac`` has not 6 bytes.
    """
    parsed = ipaddress.ip_address(address)
    _check_mac(mac)
    if isinstance(parsed, ipaddress.IPv4Address):
        return _arp(mac, _REQUEST, parsed.packed, parsed.packed)
    flags = _FLAG_OVERRIDE | (_FLAG_ROUTER if router else 0)
    body = struct.pack("!B3x", flags) + parsed.packed + bytes((_OPTION_TARGET_MAC, 1)) + mac
    return _neighbour_discovery(mac, parsed.packed, _ALL_NODES, _ADVERTISEMENT, body)


def router_announcement(mac: bytes, address: str, router: bool = False) -> bytes:
    """The same as ``announcement``, in the form that keepalived sends: an ARP request that names everybody as its target.

    RFC 9568 section 8.1.2 and RFC 5227 leave the target's MAC address open. Over IPv6 there is no difference.
    Raises ValueError as ``announcement`` does.
    """
    frame = announcement(mac, address, router)
    return frame[:_ARP_TARGET] + _BROADCAST + frame[_ARP_TARGET + 6 :] if len(frame) == _ARP_LENGTH else frame


def probe(mac: bytes, address: str) -> bytes:
    """The frame that asks whether anybody uses ``address``, without claiming it.

    IPv4: an ARP request whose sender address is all zero (RFC 5227 section 2.1.1). IPv6: a solicitation from the unspecified
    address to the solicited-node group, which must not carry our MAC as an option (RFC 4861 section 4.3).

    Raises ValueError when ``address`` is not an IP address or ``mac`` has not 6 bytes.
    """
    parsed = ipaddress.ip_address(address)
    _check_mac(mac)
    if isinstance(parsed, ipaddress.IPv4Address):
        return _arp(mac, _REQUEST, bytes(4), parsed.packed)
    group = bytes.fromhex("ff0200000000000000000001ff") + parsed.packed[13:]
    return _neighbour_discovery(mac, _UNSPECIFIED, group, _SOLICITATION, bytes(4) + parsed.packed)


def claim(frame: bytes) -> Claim | None:
    """What ``frame`` says about who uses an address; None for every other or damaged frame.

    A sender's own address is a claim in any ARP message, in a neighbour advertisement (its target) and in a solicitation
    that carries the sender's MAC. A probe is a claim with ``probe`` set: RFC 5227 section 2.1.1 counts somebody else's probe for
    the same address as a conflict.
    """
    if len(frame) < _ARP_LENGTH:
        return None
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    if ethertype == _ETHERTYPE_ARP:
        return _arp_claim(frame)
    if ethertype == _ETHERTYPE_IPV6 and len(frame) >= _IPV6_LENGTH + _ND_LENGTH:
        return _neighbour_discovery_claim(frame)
    return None


def _check_mac(mac: bytes) -> None:
    if len(mac) != 6:
        raise ValueError(f"a MAC address has 6 bytes, not {len(mac)}")


def _mac_text(mac: bytes) -> str:
    return mac.hex(":")


def _arp(mac: bytes, operation: int, sender: bytes, target: bytes) -> bytes:
    ethernet = _BROADCAST + mac + struct.pack("!H", _ETHERTYPE_ARP)
    return ethernet + _ARP_HEADER.pack(*_ARP_ETHERNET_IPV4, operation) + mac + sender + bytes(6) + target


def _arp_claim(frame: bytes) -> Claim | None:
    *kind, operation = _ARP_HEADER.unpack_from(frame, _ETHERNET_LENGTH)
    if tuple(kind) != _ARP_ETHERNET_IPV4 or operation not in (_REQUEST, _REPLY):
        return None
    mac, sender, target = frame[22:28], frame[28:32], frame[38:42]
    if sender != bytes(4):
        return Claim(str(ipaddress.IPv4Address(sender)), _mac_text(mac), probe=False)
    if operation == _REQUEST and target != bytes(4):
        return Claim(str(ipaddress.IPv4Address(target)), _mac_text(mac), probe=True)
    return None


def _neighbour_discovery(mac: bytes, source: bytes, destination: bytes, kind: int, body: bytes) -> bytes:
    unsummed = struct.pack("!BBH", kind, 0, 0) + body
    total = checksum(pseudo_header(source, destination, len(unsummed), _ICMPV6) + unsummed)
    summed = struct.pack("!BBH", kind, 0, total) + body
    ethernet = b"\x33\x33" + destination[12:] + mac + struct.pack("!H", _ETHERTYPE_IPV6)
    header = struct.pack("!IHBB", 6 << 28, len(summed), _ICMPV6, _HOP_LIMIT) + source + destination
    return ethernet + header + summed


def _neighbour_discovery_claim(frame: bytes) -> Claim | None:
    length, next_header, hop_limit = struct.unpack_from("!HBB", frame, _ETHERNET_LENGTH + 4)
    message = frame[_IPV6_LENGTH : _IPV6_LENGTH + length]
    # A hop limit below 255 means that the packet was forwarded, so it says nothing about this segment (RFC 4861 section 7.1).
    if next_header != _ICMPV6 or hop_limit != _HOP_LIMIT or len(message) != length or length < _ND_LENGTH:
        return None
    source, destination, target = frame[22:38], frame[38:54], message[8:24]
    kind = message[0]
    if message[1] != 0 or kind not in (_SOLICITATION, _ADVERTISEMENT):
        return None
    if not holds(pseudo_header(source, destination, length, _ICMPV6) + message):
        return None
    sender = frame[6:12]
    if kind == _ADVERTISEMENT:
        mac = _option(message, _OPTION_TARGET_MAC) or sender
        return Claim(str(ipaddress.IPv6Address(target)), _mac_text(mac), probe=False)
    if source == _UNSPECIFIED:
        return Claim(str(ipaddress.IPv6Address(target)), _mac_text(sender), probe=True)
    mac = _option(message, _OPTION_SOURCE_MAC) or b""
    return Claim(str(ipaddress.IPv6Address(source)), _mac_text(mac), probe=False) if mac else None


def _option(message: bytes, wanted: int) -> bytes | None:
    """The MAC address in the first option of type ``wanted``; options are in units of 8 bytes (RFC 4861 section 4.6)."""
    place = _ND_LENGTH
    while place + 8 <= len(message):
        kind, units = message[place], message[place + 1]
        if units == 0:
            return None
        if kind == wanted and units == 1:
            return message[place + 2 : place + 8]
        place += units * 8
    return None
