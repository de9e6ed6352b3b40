"""VRRP, ARP and neighbour advertisements for ``understudy decode``: what is said, what holds of it, and the same bytes again."""

from __future__ import annotations

from typing import Any

from ..units import format_duration
from ..vrrp import GOODBYE, OWNER, Advertisement, AuthType
from ..vrrp_files import Checksum, RouterAddress, UnicastPeer, VirtualRouter
from ..wire import checksum as internet
from ..wire import vrrp as wire
from ..wire import vrrp_auth as auth
from ..wire import vrrp_packet as around
from ..wire.neighbour import announcement, claim, router_announcement
from ..wire.vrrp_checksum import Variant, found, is_group
from .decode_keys import Ring
from .decode_packet import Finding, Packet

_HABITS = {Variant.PLAIN: Checksum.PLAIN, Variant.OLD_UNICAST: Checksum.OLD_UNICAST}
_ALL_NODES = around.packed("ff02::1")
_BROADCAST = b"\xff" * 6
_ETHERTYPES = {"arp": b"\x08\x06", "na": b"\x86\xdd"}


class Vrrp:
    """Adverts of versions 2 and 3, over IPv4 and IPv6."""

    name = "vrrp"

    def __init__(self, ring: Ring) -> None:
        self._secrets = ring.vrrp

    def claims(self, packet: Packet) -> bool:
        return packet.transport == "vrrp"

    def judge(self, packet: Packet, again: bool) -> Finding:
        mac = packet.link[6:12].hex(":")
        read = around.read_ipv4 if packet.data[0] >> 4 == 4 else around.read_ipv6_packet
        envelope = read(packet.data, mac)
        if isinstance(envelope, around.VrrpRefusal):
            return _unreadable(envelope)
        seen = wire.read_body(envelope)
        if isinstance(seen, around.VrrpRefusal):
            return _unreadable(seen)
        right = found(seen.version, envelope.body, envelope.source, envelope.destination)
        wrong = _wrong(envelope, seen) or ("" if right else "its checksum is wrong")
        protected, seal, secret = self._protection(envelope, seen)
        holds = False if wrong else protected
        if holds is not False:
            seal = f"TTL {envelope.ttl}, checksum right ({right}){seal and ', '}{seal}"
        same = None
        if again and right and holds is not False and (secret is not None or not envelope.ah):
            same = _frame_of(envelope, seen, right, secret or seen.trailer, packet) == packet.link + packet.data
        content = _content(envelope, seen, right)
        return Finding(self.name, f"router {seen.vrid}", "", _words(seen), holds, wrong or seal, same, content)

    def _protection(self, envelope: wire.Envelope, seen: wire.Seen) -> tuple[bool | None, str, bytes | None]:
        """Whether the password or signature holds, that in words, and with which password it does."""
        if not seen.auth:
            return True, "", None
        name = AuthType(seen.auth).name if seen.auth in tuple(AuthType) else "?"
        if not self._secrets:
            return None, f"{name} not checked: no --auth-pass", None
        for secret in self._secrets:
            fits = wire.signed(envelope, secret) if envelope.ah else auth.same(secret, seen.trailer)
            if fits:
                return True, f"{name} holds", secret
        return False, f"{name} does not hold: it was made with another password", None


def _unreadable(refusal: around.VrrpRefusal) -> Finding:
    return Finding(Vrrp.name, refusal.source, "", "no advert that can be read", False, refusal.why)


def _wrong(envelope: wire.Envelope, seen: wire.Seen) -> str:
    """What every router would refuse, whatever is configured (RFC 9568 section 7.1)."""
    if envelope.ttl != around.HIGHEST_TTL and is_group(envelope.destination):
        return f"its TTL is {envelope.ttl}, not {around.HIGHEST_TTL}: it came through a router"
    if envelope.header and not internet.holds(envelope.header):
        return "the checksum of its IPv4 header is wrong"
    if envelope.total != envelope.length:
        return f"its IP header says {envelope.total} bytes, and {envelope.length} came"
    if seen.auth not in tuple(AuthType):
        return f"its authentication is of type {seen.auth}, which there is not"
    if seen.auth and envelope.family == 6:
        return "it says that it is authenticated, for which there is no room over IPv6"
    if bool(envelope.ah) is not (seen.auth == AuthType.AH):
        return "it is in an Authentication Header, or says so, but not both"
    if envelope.ah and envelope.ah[4:8] != envelope.source:
        return "the SPI of its signature (AH) is not its source address"
    if seen.kind != wire.ADVERTISEMENT:
        return f"it is of type {seen.kind}, no advertisement"
    return "it says an interval or a router of 0" if not seen.interval or not seen.vrid else ""


def _words(seen: wire.Seen) -> str:
    said = {GOODBYE: " (I stop)", OWNER: " (owner)"}.get(seen.priority, "")
    addresses = ", ".join(seen.addresses()) or "no addresses"
    return f"VRRP {seen.version}, priority {seen.priority}{said}, every {format_duration(seen.interval)}: {addresses}"


def _frame_of(envelope: wire.Envelope, seen: wire.Seen, right: Variant, secret: bytes, packet: Packet) -> bytes:
    """From the words: what we would send for such a router. What is not in them comes from the packet: number, flow label."""
    addresses = seen.addresses()
    by_group = is_group(envelope.destination)
    there = around.written(envelope.destination)
    router = VirtualRouter(
        "decode",
        "",
        seen.vrid,
        tuple(RouterAddress(address, 0, "") for address in addresses),
        family=envelope.family,
        version=seen.version,
        interval=seen.interval,
        auth=AuthType(seen.auth).name if seen.auth else "",
        password=secret.decode("utf-8", "surrogateescape"),
        peers=() if by_group else (UnicastPeer(there),),
        ttl=envelope.ttl,
        checksum=_HABITS.get(right, Checksum.PSEUDO),
    )
    advert = Advertisement(seen.version, seen.vrid, seen.priority, addresses, seen.interval, AuthType(seen.auth))
    number = int.from_bytes(envelope.header[4:6], "big")
    sequence = int.from_bytes(envelope.ah[8:12], "big")
    made = wire.Encoder(router).packet(advert, envelope.sender, there, number, sequence)
    if envelope.family == 6:
        flow = int.from_bytes(packet.data[1:4], "big") & 0xFFFFF
        made = around.ipv6_header(envelope.source, envelope.destination, len(made), envelope.ttl, flow) + made
    return _link(packet, around.group_mac(envelope.destination) if by_group else packet.link[:6]) + made


def _link(packet: Packet, target: bytes) -> bytes:
    """The Ethernet header with this target; b"" where the capture has none."""
    return target + packet.link[6:] if packet.link else b""


def _content(envelope: wire.Envelope, seen: wire.Seen, right: Variant | None) -> dict[str, Any]:
    return {
        "version": seen.version,
        "vrid": seen.vrid,
        "priority": seen.priority,
        "addresses": list(seen.addresses()),
        "interval_ns": seen.interval,
        "auth": AuthType(seen.auth).name if seen.auth in tuple(AuthType) else seen.auth,
        "ttl": envelope.ttl,
        "checksum": str(right) if right else None,
        "sequence": int.from_bytes(envelope.ah[8:12], "big") if envelope.ah else None,
        "number": int.from_bytes(envelope.header[4:6], "big") if envelope.header else None,
        "mac": envelope.mac,
    }


class Neighbours:
    """ARP for IPv4 on Ethernet, and neighbour advertisements of IPv6: who says that an address is at which MAC."""

    name = "neighbour"

    def __init__(self, ring: Ring) -> None:
        pass

    def claims(self, packet: Packet) -> bool:
        return packet.transport in _ETHERTYPES

    def judge(self, packet: Packet, again: bool) -> Finding:
        return self._arp(packet, again) if packet.transport == "arp" else self._advertisement(packet, again)

    def _arp(self, packet: Packet, again: bool) -> Finding:
        operation = int.from_bytes(packet.data[6:8], "big")
        mac, target_mac = packet.data[8:14], packet.data[18:24]
        here, there = around.written(packet.data[14:18]), around.written(packet.data[24:28])
        gratuitous = here == there
        content = {
            "operation": operation,
            "address": here,
            "target": there,
            "mac": mac.hex(":"),
            "gratuitous": gratuitous,
        }
        if gratuitous:
            text = f"gratuitous ARP: {here} is at {mac.hex(':')}"
        elif operation == 1:
            text = f"ARP: who has {there}? Tell {here}" if here != "0.0.0.0" else f"ARP: does anybody have {there}?"
        else:
            text = f"ARP: {here} is at {mac.hex(':')}"
        same = None
        if again and gratuitous and operation == 1:
            build = announcement if target_mac == bytes(6) else router_announcement
            same = _link(packet, _BROADCAST) + build(mac, here)[14:] == packet.link + packet.data
        return Finding(self.name, mac.hex(":"), "", text, True, "nothing to check", same, content)

    def _advertisement(self, packet: Packet, again: bool) -> Finding:
        data = packet.data
        source, destination, message = data[8:24], data[24:40], data[40:]
        target, flags = around.written(message[8:24]), message[4]
        # Its reader wants a frame; a capture without Ethernet has the MAC address in the message alone.
        found_claim = claim((packet.link[:12] or bytes(12)) + _ETHERTYPES["na"] + data)
        mac = found_claim.mac if found_claim else ""
        unsolicited = not flags & 0x40
        words = [word for bit, word in ((0x80, "router"), (0x40, "solicited"), (0x20, "override")) if flags & bit]
        text = f"neighbour advertisement: {target} is at {mac or '?'} ({', '.join(words) or 'no flags'})"
        content = {"address": target, "mac": mac, "flags": words, "gratuitous": source == message[8:24] and unsolicited}
        if found_claim is None:
            why = f"its hop limit is {data[7]}, not 255" if data[7] != around.HIGHEST_TTL else "its checksum is wrong"
            return Finding(self.name, "", "", text, False, why, None, content)
        same = None
        if again and content["gratuitous"] and destination == _ALL_NODES:
            made = router_announcement(bytes.fromhex(mac.replace(":", "")), target, bool(flags & 0x80))[14:]
            same = _link(packet, around.group_mac(destination)) + made == packet.link + data
        return Finding(self.name, mac, "", text, True, "checksum right", same, content)
