"""From a captured frame to the payload that a protocol reads: link layer, IPv4 and IPv6 with fragments, UDP and ICMP echo.

What has its own headers to be judged (VRRP, ARP, neighbour advertisements) is handed on whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from .decode_capture import Frame
from .decode_packet import Packet

MOST_REASSEMBLED = 64
"""Datagrams whose fragments are kept at a time; the oldest goes when there are more."""

_ETHERTYPE = Struct("!H")
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_IPV4, _IPV6, _ARP = 0x0800, 0x86DD, 0x0806
_ARP_START = bytes.fromhex("0001080006 04")
_ARP_LENGTH = 28
_VRRP, _AH = 112, 51
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT, _ADVERTISEMENT_LENGTH = 58, 136, 24
_ETHERNET = 1
_BSD_IPV6 = (10, 24, 28, 30)
"""AF_INET6 of Linux, NetBSD, FreeBSD and macOS, as the loopback link type has it."""

_SKIPPED_HEADERS = (0, 43, 60)
"""Hop-by-hop options, routing, destination options (RFC 8200): a next header, and a length in units of eight bytes."""
_FRAGMENT = 44


@dataclass(frozen=True, slots=True)
class Datagram:
    """What an IP header was around. ``missing``: bytes of it that are not in the recording."""

    source: str
    target: str
    protocol: int
    data: bytes
    missing: int = 0


def _udp(datagram: Datagram, found: Packet) -> Packet | None:
    if len(datagram.data) < 8:
        return None
    sender, receiver, length, _ = Struct("!4H").unpack_from(datagram.data)
    # A length of 0: longer than 64 KiB, or left to the network card.
    data = datagram.data[8 : length if length >= 8 else None]
    missing = max(0, length - 8 - len(data)) or datagram.missing
    source, target = _with_port(datagram.source, sender), _with_port(datagram.target, receiver)
    return replace(
        found, data=data, transport="udp", source=source, target=target, ports=(sender, receiver), missing=missing
    )


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _echo(request: int, reply: int) -> Callable[[Datagram, Packet], Packet | None]:
    names = {request: "icmp-echo-request", reply: "icmp-echo-reply"}

    def read(datagram: Datagram, found: Packet) -> Packet | None:
        name = names.get(datagram.data[0]) if len(datagram.data) >= 8 else None
        if name is None:
            return None
        return replace(
            found,
            data=datagram.data[8:],
            transport=name,
            source=datagram.source,
            target=datagram.target,
            missing=datagram.missing,
        )

    return read


TRANSPORTS: dict[int, Callable[[Datagram, Packet], Packet | None]] = {17: _udp, 1: _echo(8, 0), 58: _echo(128, 129)}
"""By protocol number of IP: how the payload is found in it. What is not here is not looked at."""


class Payloads:
    """The payloads in the frames of one capture, in their order; a datagram in fragments comes with its last one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._fragments = _Fragments()
        self.others = 0
        """How many frames had no payload that any protocol could want."""

    def read(self, frame: Frame) -> Packet | None:
        """None for a frame that is nothing to us, or a fragment that is not the last. Any bytes will do."""
        self._number += 1
        found = Packet(f"{self._name}:{self._number}", b"", "", clock=frame.clock)
        inside = _network(frame.link, frame.data)
        packet = None
        if inside is not None:
            ethertype, data = inside
            link = frame.data[: len(frame.data) - len(data)] if frame.link == _ETHERNET else b""
            found = replace(found, link=link, missing=frame.missing)
            packet = _arp(data, found) if ethertype == _ARP else self._payload(ethertype, data, found)
        self.others += packet is None
        return packet

    def _payload(self, ethertype: int, data: bytes, found: Packet) -> Packet | None:
        datagram = self._datagram(ethertype, data, found.missing)
        if datagram is None:
            return None
        whole = _whole(datagram, data, found)
        reader = TRANSPORTS.get(datagram.protocol)
        return whole or (reader(datagram, found) if reader else None)

    def _datagram(self, ethertype: int, data: bytes, missing: int) -> Datagram | None:
        if ethertype == _IPV4:
            return self._ipv4(data, missing)
        return self._ipv6(data, missing) if ethertype == _IPV6 else None

    def _ipv4(self, data: bytes, missing: int) -> Datagram | None:
        if len(data) < 20 or data[0] >> 4 != 4:
            return None
        head = (data[0] & 15) * 4
        _, total, number, flags, _, protocol = Struct("!2H2H2B").unpack_from(data)
        source, target = (str(IPv4Address(data[at : at + 4])) for at in (12, 16))
        payload = data[head : total if total >= head else None]
        offset = (flags & 0x1FFF) * 8
        if not offset and not flags & 0x2000:
            return Datagram(source, target, protocol, payload, missing)
        whole = self._fragments.add((source, target, protocol, number), offset, payload, bool(flags & 0x2000))
        return None if whole is None else Datagram(source, target, protocol, whole, missing)

    def _ipv6(self, data: bytes, missing: int) -> Datagram | None:
        if len(data) < 40 or data[0] >> 4 != 6:
            return None
        length, following = Struct("!HB").unpack_from(data, 4)
        source, target = (str(IPv6Address(data[at : at + 16])) for at in (8, 24))
        payload = data[40 : 40 + length if length else None]
        while following in _SKIPPED_HEADERS and len(payload) >= 8:
            following, payload = payload[0], payload[(payload[1] + 1) * 8 :]
        if following != _FRAGMENT or len(payload) < 8:
            return Datagram(source, target, following, payload, missing)
        following, _, place, number = Struct("!2BHI").unpack_from(payload)
        whole = self._fragments.add((source, target, following, number), place & 0xFFF8, payload[8:], bool(place & 1))
        return None if whole is None else Datagram(source, target, following, whole, missing)


def _network(link: int, data: bytes) -> tuple[int, bytes] | None:
    """What the frame carries: its EtherType, and the bytes from there on."""
    match link:
        case 1:  # Ethernet
            at = 12
            while data[at : at + 2] and len(data) >= at + 4 and _ETHERTYPE.unpack_from(data, at)[0] in _VLAN_TAGS:
                at += 4
            return _typed(data, at, at + 2)
        case 113:  # Linux "cooked", as tcpdump -i any writes it
            return _typed(data, 14, 16)
        case 276:  # the same, version 2
            return _typed(data, 0, 20)
        case 12 | 14 | 101 | 228 | 229:  # an IP header at once
            version = data[0] >> 4 if data else 0
            return {4: (_IPV4, data), 6: (_IPV6, data)}.get(version)
        case 0 | 108 if len(data) >= 4:  # loopback of the BSDs; the family in the byte order of the machine, or not
            family = max(data[0], data[3])
            return (_IPV6 if family in _BSD_IPV6 else _IPV4), data[4:]
        case _:
            return None


def _typed(data: bytes, at: int, start: int) -> tuple[int, bytes] | None:
    return (_ETHERTYPE.unpack_from(data, at)[0], data[start:]) if len(data) >= start else None


def _arp(data: bytes, found: Packet) -> Packet | None:
    """Of IPv4 on Ethernet (RFC 826), without what fills up a short frame."""
    if data[:6] != _ARP_START or len(data) + found.missing < _ARP_LENGTH:
        return None
    missing = max(0, _ARP_LENGTH - len(data))
    return replace(found, data=data[:_ARP_LENGTH], transport="arp", missing=missing)


def _whole(datagram: Datagram, data: bytes, found: Packet) -> Packet | None:
    """The packet with its IP header, where that is judged with it; not of fragments, which no router sends here."""
    head = 20 if data[0] >> 4 == 4 else 40
    said = int.from_bytes(data[2:4], "big") if head == 20 else head + int.from_bytes(data[4:6], "big")
    signed = datagram.protocol == _AH and head == 20 and datagram.data[:1] == bytes((_VRRP,))
    if signed or datagram.protocol == _VRRP == data[9 if head == 20 else 6]:
        transport = "vrrp"
    elif datagram.protocol == _ICMPV6 == data[6] and datagram.data[:1] == bytes((_NEIGHBOUR_ADVERTISEMENT,)):
        if len(datagram.data) < _ADVERTISEMENT_LENGTH:
            return None
        transport = "na"
    else:
        return None
    source, target = datagram.source, datagram.target
    return replace(found, data=data[: max(said, head)], transport=transport, source=source, target=target)


class _Fragments:
    """Datagrams put together (RFC 791, RFC 8200): what comes first counts where fragments overlap."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, int, int], tuple[dict[int, bytes], list[int]]] = {}

    def add(self, identity: tuple[str, str, int, int], offset: int, data: bytes, more: bool) -> bytes | None:
        pieces, end = self._open.setdefault(identity, ({}, []))
        pieces.setdefault(offset, data)
        if not more:
            end[:] = [offset + len(data)]
        whole = self._joined(pieces, end[0]) if end else None
        if whole is not None:
            del self._open[identity]
        elif len(self._open) > MOST_REASSEMBLED:
            del self._open[next(iter(self._open))]
        return whole

    @staticmethod
    def _joined(pieces: dict[int, bytes], end: int) -> bytes | None:
        whole = b""
        for offset in sorted(pieces):
            if offset > len(whole):
                return None
            whole += pieces[offset][len(whole) - offset :]
        return whole[:end] if len(whole) >= end else None
