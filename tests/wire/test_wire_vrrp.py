"""Adverts of VRRP: bytes written down by hand from the standards, every reason to refuse, and how checksums are reckoned."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from understudy.errors import InternalError
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import Advertisement, AuthType
from understudy.vrrp_files import Checksum, RouterAddress, UnicastPeer, VirtualRouter
from understudy.wire import checksum as internet
from understudy.wire import vrrp_checksum as sums
from understudy.wire.vrrp import (
    Encoder,
    Envelope,
    Expected,
    Heard,
    VrrpReason,
    VrrpRefusal,
    open_packet,
    read_frame,
    read_ipv4,
    read_ipv6,
)
from understudy.wire.vrrp_packet import ethernet, group_mac, ipv4_header, ipv6_header, packed, written

US, PEER, GROUP = "192.0.2.12", "192.0.2.11", "224.0.0.18"
VIPS = ("192.0.2.100", "192.0.2.101")


def router(addresses: tuple[str, ...] = VIPS, **more: Any) -> VirtualRouter:
    return VirtualRouter("VI_1", "eth0", 51, tuple(RouterAddress(item, 24, "eth0") for item in addresses), **more)


def advert(of: VirtualRouter, **more: Any) -> Advertisement:
    words = Advertisement(of.version, of.vrid, 100, of.advertised, of.interval)
    return replace(words, **more)


def envelope_of(of: VirtualRouter, destination: str = GROUP, source: str = PEER, **more: Any) -> Envelope:
    packet = Encoder(of).packet(advert(of, **more), source, destination, 1, 1)
    found = read_ipv4(packet) if of.family == 4 else read_ipv6(packet, source, destination, 255)
    assert isinstance(found, Envelope)
    return found


def refused(envelope: Envelope, expected: VirtualRouter, known: str = "") -> tuple[str, str]:
    found = open_packet(envelope, Expected(expected), known)
    assert isinstance(found, VrrpRefusal), found
    assert found.source == envelope.sender
    return found.reason, found.why


def taken(envelope: Envelope, expected: VirtualRouter, known: str = "") -> Heard:
    found = open_packet(envelope, Expected(expected), known)
    assert isinstance(found, Heard), found
    return found


def summed(envelope: Envelope, body: bytes, version: int = 2) -> Envelope:
    """With another body, whose checksum is right."""
    kind = sums.variant(version, envelope.destination, Checksum.PSEUDO)
    blank = body[:6] + b"\0\0" + body[8:]
    return replace(envelope, body=sums.filled(blank, envelope.source, envelope.destination, kind))


# Written down by hand ------------------------------------------------------------------------------------------------


def test_version_2_with_a_password() -> None:
    """RFC 3768 section 5.1, RFC 2338 section 5.3: 0x21, VRID, priority, count, type, interval, checksum, addresses, password."""
    of = router(("192.0.2.100",), auth="PASS", password="1111")
    packet = Encoder(of).packet(advert(of), PEER, GROUP, 7)
    head, body = packet[:20], packet[20:]
    assert head.hex(" ") == "45 c0 00 28 00 07 00 00 ff 70 18 81 c0 00 02 0b e0 00 00 12"
    assert body.hex(" ") == "21 33 64 01 01 01 55 03 c0 00 02 64 31 31 31 31 00 00 00 00"


def test_version_3_says_hundredths_of_a_second() -> None:
    """RFC 9568 section 5.2.7: 12 bits; the four in front of them are sent as 0 (section 5.2.6)."""
    of = router(("192.0.2.100",), version=3, interval=40_950 * MILLISECOND, checksum=Checksum.PLAIN)
    body = Encoder(of).packet(advert(of), PEER, GROUP, 7)[20:]
    assert body.hex(" ") == "31 33 64 01 0f ff 98 67 c0 00 02 64"
    assert taken(envelope_of(of), of).advert.interval == 40_950 * MILLISECOND


def test_the_four_bits_in_front_of_the_interval_are_ignored() -> None:
    """RFC 9568 section 5.2.6."""
    of = router(version=3)
    envelope = envelope_of(of)
    with_bits = summed(envelope, envelope.body[:4] + b"\xf0" + envelope.body[5:], 3)
    assert taken(with_bits, of).advert == taken(envelope, of).advert


def test_no_password_is_sent_where_there_is_no_room_for_one() -> None:
    """Version 3 has no authentication (RFC 9568 section 9), and version 2 over IPv6 has no trailer."""
    version_3 = router(version=3, auth="PASS", password="secret12")
    assert b"secret12" not in Encoder(version_3).packet(advert(version_3), PEER, GROUP)
    taken(envelope_of(version_3), version_3)
    of = router(("fe80::5e:64", "2001:db8::1"), family=6, auth="AH", password="secret12")
    envelope = envelope_of(of, "ff02::12", "fe80::b")
    assert len(envelope.body) == 8 + 2 * 16
    assert taken(envelope, of).advert.auth is AuthType.NONE


def test_a_password_is_cut_off_at_eight_bytes() -> None:
    long = router(auth="PASS", password="longer-than-eight")
    assert taken(envelope_of(long), router(auth="PASS", password="longer-t")).advert.auth is AuthType.PASS
    assert envelope_of(router(auth="PASS", password="\udcff é")).body[-8:] == b"\xff \xc3\xa9\0\0\0\0"


def test_ah_keeps_the_ttl_of_multicast_only() -> None:
    """RFC 4302 section 3.3.3.1 takes the TTL as 0; keepalived does so for unicast, which routers may forward."""
    of = router(auth="AH", password="k")
    assert refused(replace(envelope_of(of), header=b"\x45" + bytes(19)), of)[0] == VrrpReason.PASSWORD
    near = replace(of, peers=(UnicastPeer(PEER),))
    envelope = envelope_of(near, US)
    aged = envelope.header[:8] + b"\x3f" + envelope.header[9:]
    taken(replace(envelope, ttl=63, header=aged), near)


@pytest.mark.parametrize(
    ("more", "limit"),
    [
        ({}, 255),
        ({"ttl": 3}, 3),
        ({"peers": (UnicastPeer(PEER),)}, 255),
        ({"family": 6}, 255),
        ({"family": 6, "peers": (UnicastPeer("2001:db8::1"),)}, 64),
        ({"family": 6, "peers": (UnicastPeer("2001:db8::1"),), "ttl": 255}, 255),
    ],
)
def test_the_ttl_is_keepalived_s(more: dict[str, Any], limit: int) -> None:
    """RFC 9568 section 5.1.1.3; for unicast keepalived's habits."""
    of = router((), **more)
    assert Encoder(of).hop_limit == limit
    if of.family == 4:
        assert Encoder(of).packet(advert(of), PEER, GROUP)[8] == limit


def test_all_unicast_peers_of_a_round_get_the_same_number_and_sequence() -> None:
    of = router(auth="AH", password="k", peers=(UnicastPeer("192.0.2.13"), UnicastPeer("192.0.2.14")))
    encoder = Encoder(of)
    found = [read_ipv4(encoder.packet(advert(of), PEER, peer.address, 9, 2**32 - 1)) for peer in of.peers]
    for envelope in found:
        assert isinstance(envelope, Envelope)
        assert envelope.header[4:6] == b"\0\x09"
        assert taken(envelope, of).sequence == 2**32 - 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"vrid": 0},
        {"vrid": 256},
        {"priority": -1},
        {"interval": 999 * MILLISECOND},
        {"interval": 256 * SECOND},
        {"version": 4},
        {"version": 3, "interval": 40_960 * MILLISECOND},
        {"version": 3, "interval": 9 * MILLISECOND},
        {"addresses": ("2001:db8::1",)},
        {"addresses": ("192.0.2.1",) * 256},
    ],
)
def test_what_has_no_form_on_the_wire_is_our_mistake(wrong: dict[str, Any]) -> None:
    of = router()
    with pytest.raises(InternalError):
        Encoder(of).packet(advert(of, **wrong), PEER, GROUP)


def test_the_longest_advert() -> None:
    for family, first in ((4, "198.18.0."), (6, "2001:db8::")):
        of = router(tuple(f"{first}{number}" for number in range(1, 256)), family=family, version=3)
        source, destination = (PEER, GROUP) if family == 4 else ("fe80::b", "ff02::12")
        assert taken(envelope_of(of, destination, source), of).advert.addresses == of.advertised


# Refusals, in the order of the checks --------------------------------------------------------------------------------

PASS = router(auth="PASS", password="one")
SIGNED = router(auth="AH", password="one")


def with_byte(envelope: Envelope, place: int, value: int) -> Envelope:
    return summed(envelope, envelope.body[:place] + bytes((value,)) + envelope.body[place + 1 :])


def test_of_another_length() -> None:
    """RFC 3768 section 7.1: the packet length is greater or equal; keepalived takes no byte more either."""
    envelope = envelope_of(router())
    for body in (envelope.body[:-1], envelope.body + b"\0", envelope.body[:8]):
        reason, why = refused(replace(envelope, body=body), router())
        assert reason == VrrpReason.LENGTH
        assert why == f"it has {len(body)} bytes, where version 2 and its 2 addresses ask for 24"


def test_through_a_router() -> None:
    """RFC 9568 section 7.1: the TTL must be 255. Of unicast it need not be."""
    envelope = replace(envelope_of(router()), ttl=254)
    assert refused(envelope, router()) == ("ttl", "its TTL is 254, not 255: it came through a router")
    near = router(peers=(UnicastPeer(PEER),))
    assert taken(replace(envelope_of(near, US), ttl=3), near).ttl == 3


def test_of_another_version() -> None:
    """RFC 9568 section 7.1; its section 8.4 leaves listening to both versions open."""
    envelope = envelope_of(router(version=3))
    assert refused(envelope, router()) == (
        "version",
        "it is of version 3 of VRRP; version 2 is configured here",
    )
    odd = replace(envelope, body=b"\x41" + envelope.body[1:])
    assert refused(odd, router()) == ("version", "it is of version 4 of VRRP, which there is not")


def test_for_another_router() -> None:
    assert refused(envelope_of(router()), replace(router(), vrid=52)) == (
        "not-ours",
        "it is for another virtual router (51)",
    )


def test_with_an_unknown_authentication() -> None:
    reason = refused(with_byte(envelope_of(router()), 4, 3), router())
    assert reason == ("auth-unknown", "its authentication is of type 3, which there is not")


@pytest.mark.parametrize(
    ("sent", "here", "why"),
    [
        (router(), PASS, "it has no authentication; a password (PASS) is configured here"),
        (PASS, router(), "it has a password (PASS); no authentication is configured here"),
        (SIGNED, PASS, "it has a signature (AH); a password (PASS) is configured here"),
        (router(), SIGNED, "it has no authentication; a signature (AH) is configured here"),
    ],
)
def test_with_another_authentication(sent: VirtualRouter, here: VirtualRouter, why: str) -> None:
    """RFC 2338 section 7.1: the type must be the one that is configured."""
    assert refused(envelope_of(sent), here) == ("auth-other", why)


def test_a_signature_that_is_not_announced_or_not_there() -> None:
    bare = replace(envelope_of(SIGNED), ah=b"")
    assert refused(bare, SIGNED)[0] == "auth-other"
    assert refused(replace(envelope_of(router()), ah=envelope_of(SIGNED).ah), router())[0] == "auth-other"


def test_with_another_password() -> None:
    """RFC 2338 section 5.3.10."""
    for other in ("on", "one ", "One", ""):
        assert refused(envelope_of(PASS), replace(PASS, password=other)) == ("password", "its password is wrong")


def test_with_another_signature() -> None:
    """RFC 4302 section 3.4.4. The SPI is the source address for keepalived."""
    wrong = ("password", "its signature (AH) is wrong: made with another password, or changed on its way")
    assert refused(envelope_of(SIGNED), replace(SIGNED, password="two")) == wrong
    changed = envelope_of(SIGNED)
    assert refused(with_byte(changed, 2, 200), SIGNED) == wrong
    ah = changed.ah[:8] + b"\0\0\0\x63" + changed.ah[12:]
    assert refused(replace(changed, ah=ah), SIGNED) == wrong


def test_with_an_spi_that_is_not_the_source() -> None:
    from understudy.wire.vrrp_auth import icv, secret

    envelope = envelope_of(SIGNED)
    ah = envelope.ah[:4] + b"\x01\x02\x03\x04" + envelope.ah[8:]
    ah = ah[:12] + icv(secret("one"), envelope.header, ah, envelope.body)
    why = "the SPI of its signature (AH) is not its source address"
    assert refused(replace(envelope, ah=ah), SIGNED) == ("password", why)


def test_with_another_interval() -> None:
    """RFC 3768 section 7.1 for version 2; in version 3 it is learnt (RFC 9568 section 6.4.2), but never 0."""
    sent = router(interval=3 * SECOND)
    assert refused(envelope_of(sent), router()) == ("interval", "it says an interval of 3s; 1s is configured here")
    third = router(version=3)
    assert taken(envelope_of(third, interval=250 * MILLISECOND), third).advert.interval == 250 * MILLISECOND
    none = summed(envelope_of(third), envelope_of(third).body[:4] + b"\0\0" + envelope_of(third).body[6:], 3)
    assert refused(none, third) == ("interval", "it says an interval of 0")


def test_of_another_type() -> None:
    """RFC 9568 section 5.2.2: packets of an unknown type must be discarded."""
    assert refused(with_byte(envelope_of(router()), 0, 0x23), router()) == ("type", "it is of type 3, no advertisement")


def test_with_another_number_of_addresses() -> None:
    sent = envelope_of(router(("192.0.2.100",)))
    assert refused(sent, router()) == ("count", "it names 1 address; here there are 2 addresses in the configuration")


def test_with_another_length_in_its_ip_header() -> None:
    envelope = envelope_of(router())
    why = "its IP header says 45 bytes, and 44 came"
    assert refused(replace(envelope, total=45), router()) == ("total-length", why)


def test_with_a_wrong_checksum() -> None:
    """RFC 9568 section 7.1."""
    for of in (router(), router(version=3), PASS):
        envelope = envelope_of(of)
        body = envelope.body[:2] + bytes((envelope.body[2] ^ 1,)) + envelope.body[3:]
        assert refused(replace(envelope, body=body), of) == ("checksum", "its checksum is wrong")


def test_by_another_way() -> None:
    near = router(peers=(UnicastPeer(PEER),))
    assert refused(envelope_of(router()), near) == (
        "mode",
        "it came by multicast; unicast peers are configured here",
    )
    assert refused(envelope_of(near, US), router()) == (
        "mode",
        "it came by unicast; multicast is configured here",
    )
    other = envelope_of(router(), "239.0.0.18")
    assert refused(other, router()) == ("mode", "it went to the group 239.0.0.18; 224.0.0.18 is configured here")
    taken(other, router(group="239.0.0.18"))


def test_of_an_unknown_peer() -> None:
    """keepalived compares only with ``check_unicast_src``, or where a TTL is given."""
    near = router(peers=(UnicastPeer("192.0.2.13"),))
    envelope = envelope_of(near, US)
    taken(envelope, near)
    why = "its sender is none of the peers that are configured here"
    assert refused(envelope, replace(near, check_source=True)) == ("peer", why)
    far = router(peers=(UnicastPeer(PEER, 250, 254),))
    why = "its TTL is 255; from this peer 250 to 254 is configured"
    assert refused(envelope_of(far, US), far) == ("peer", why)
    taken(replace(envelope_of(far, US), ttl=254), far)


def test_with_other_addresses() -> None:
    """RFC 3768 section 7.1 leaves it to the implementation; keepalived wants all of its own, in any order."""
    other = router(("192.0.2.100", "192.0.2.102"))
    why = "it does not name 192.0.2.101, which is configured here"
    assert refused(envelope_of(other), router()) == ("addresses", why)
    turned = taken(envelope_of(router(VIPS[::-1])), router())
    assert turned.advert.addresses == VIPS[::-1]


def test_a_known_master_s_addresses_are_not_compared_again_where_that_is_configured() -> None:
    skipping = router(skip_check_addresses=True)
    for other in (router(("192.0.2.100", "192.0.2.102")), router(("192.0.2.100",))):
        taken(envelope_of(other), skipping, known=PEER)
        assert refused(envelope_of(other), skipping, known=US)
        assert refused(envelope_of(other), skipping)
        assert refused(envelope_of(other), router(), known=PEER)


def test_a_packet_that_was_taken_is_no_pass_for_others() -> None:
    """The last packet that was taken is not judged again; whatever differs from it is."""
    of = router()
    expected, envelope = Expected(of), envelope_of(of)
    first = open_packet(envelope, expected)
    later = replace(envelope, header=envelope.header[:4] + b"\0\2" + envelope.header[6:])
    assert open_packet(later, expected) is first
    assert isinstance(first, Heard)
    for changed, reason in (
        ({"ttl": 254}, VrrpReason.TTL),
        ({"total": 45}, VrrpReason.TOTAL_LENGTH),
        ({"destination": packed(US)}, VrrpReason.MODE),
        ({"ah": bytes(24)}, VrrpReason.AUTH_OTHER),
        ({"body": envelope.body[:2] + b"\0" + envelope.body[3:]}, VrrpReason.CHECKSUM),
    ):
        found = open_packet(replace(envelope, **changed), expected)
        assert isinstance(found, VrrpRefusal)
        assert found.reason == reason
    assert open_packet(envelope, expected) is first
    assert open_packet(replace(envelope, mac="02:00:00:00:00:01"), expected) == replace(first, mac="02:00:00:00:00:01")
    other = open_packet(replace(envelope, source=packed("192.0.2.99")), expected)
    assert isinstance(other, Heard)
    assert other.source == "192.0.2.99"


def test_trust_in_a_known_master_ends_with_it() -> None:
    skipping = router(skip_check_addresses=True)
    expected, envelope = Expected(skipping), envelope_of(router(("192.0.2.100",)))
    assert isinstance(open_packet(envelope, expected, PEER), Heard)
    assert isinstance(open_packet(envelope, expected, US), VrrpRefusal)


def test_a_signed_packet_is_judged_each_time() -> None:
    expected, envelope = Expected(SIGNED), envelope_of(SIGNED)
    assert isinstance(open_packet(envelope, expected), Heard)
    forged = replace(envelope, ah=envelope.ah[:-1] + bytes((envelope.ah[-1] ^ 1,)))
    assert isinstance(open_packet(forged, expected), VrrpRefusal)


def test_an_encoder_writes_what_is_new() -> None:
    of = router(version=3)
    encoder, words = Encoder(of), advert(of)
    seen = set()
    for one, source, there in (
        (words, PEER, GROUP),
        (replace(words, priority=0), PEER, GROUP),
        (words, US, GROUP),
        (words, US, "239.0.0.18"),
        (replace(words, addresses=VIPS[:1]), US, GROUP),
        (words, PEER, GROUP),
    ):
        packet = encoder.packet(one, source, there, 1)
        assert packet == Encoder(of).packet(one, source, there, 1)
        assert encoder.packet(one, source, there, 1) == packet
        seen.add(packet)
    assert len(seen) == 5


def test_what_is_no_packet_of_vrrp() -> None:
    tcp = ipv4_header(packed(PEER), packed(US), 20, number=1, ttl=64, protocol=6) + bytes(20)
    assert read_ipv4(tcp) == VrrpRefusal(VrrpReason.NOT_OURS, "it is of IP protocol 6, not 112 (VRRP)")
    good = Encoder(SIGNED).packet(advert(SIGNED), PEER, GROUP, 1, 1)
    assert isinstance(read_ipv4(good), Envelope)
    for end in range(20 + 24 + 8):
        assert isinstance(read_ipv4(good[:end]), VrrpRefusal), end
    other = good[:20] + b"\x06" + good[21:]
    assert read_ipv4(other) == VrrpRefusal(
        VrrpReason.NOT_OURS, "it has an Authentication Header (AH) that is not around VRRP"
    )
    fragment = good[:6] + b"\x20\x00" + good[8:]
    assert isinstance(read_ipv4(fragment), VrrpRefusal)
    assert isinstance(read_ipv6(bytes(7), "fe80::b", "ff02::12", 255), VrrpRefusal)
    assert isinstance(read_frame(b""), VrrpRefusal)


def test_what_fills_up_a_short_frame_is_no_part_of_the_packet() -> None:
    """IEEE 802.3 section 4.2.3.3: at least 60 bytes without the FCS."""
    of = router(("192.0.2.100",), version=3)
    packet = Encoder(of).packet(advert(of), PEER, GROUP, 1)
    frame = ethernet(group_mac(packed(GROUP)), bytes.fromhex("02005e10000a"), packet)
    assert len(frame) < 60
    short, filled = read_frame(frame), read_frame(frame.ljust(60, b"\0"))
    assert short == filled
    assert isinstance(filled, Envelope)
    assert taken(filled, of).mac == "02:00:5e:10:00:0a"
    body = b"\x31\x33\x64\0\0\x64\0\0"
    whole = ipv6_header(packed("fe80::b"), packed("ff02::12"), len(body)) + body
    found = read_frame(ethernet(group_mac(packed("ff02::12")), bytes(6), whole).ljust(70, b"\0"))
    assert isinstance(found, Envelope)
    assert found.body == body


# Checksums -----------------------------------------------------------------------------------------------------------


def slow_sum(data: bytes) -> int:
    """RFC 1071 section 4.1, step by step."""
    data += b"\0" * (len(data) % 2)
    total = 0
    for place in range(0, len(data), 2):
        total += data[place] * 256 + data[place + 1]
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def test_checksums_are_those_of_the_standard() -> None:
    """RFC 1071 section 3 has an example: 0001 f203 f4f5 f6f7 sum to ddf2."""
    assert internet.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    chance = random.Random(1)
    samples = [chance.randbytes(chance.randrange(1, 80)) for _ in range(2000)]
    samples += [bytes(10), b"\xff" * 10, b"\xff" * 9, b"\0\x01\xff\xfe", b""]
    for data in samples:
        assert internet.checksum(data) == slow_sum(data), data
    for data in samples:
        whole = data + bytes(len(data) % 2)
        assert internet.holds(whole + internet.checksum(whole).to_bytes(2, "big"))
    assert not internet.holds(bytes(20))
    assert not internet.holds(b"\0\1")


@pytest.mark.parametrize("habit", list(Checksum))
def test_version_3_over_ipv4_is_heard_however_it_is_summed(habit: Checksum) -> None:
    """RFC 9568 section 5.2.8 has no pseudo-header; RFC 5798 was read both ways; keepalived up to 1.3.6 named the group."""
    near = router(version=3, peers=(UnicastPeer(PEER),))
    found = taken(envelope_of(replace(near, checksum=habit), US), near)
    assert (
        found.checksum
        == {
            Checksum.PSEUDO: sums.Variant.PSEUDO,
            Checksum.PLAIN: sums.Variant.PLAIN,
            Checksum.OLD_UNICAST: sums.Variant.OLD_UNICAST,
        }[habit]
    )


def test_version_2_and_ipv6_are_summed_in_one_way_only() -> None:
    """RFC 3768 section 5.3.8, RFC 8200 section 8.1."""
    for habit in Checksum:
        assert taken(envelope_of(router(checksum=habit)), router()).checksum is sums.Variant.PLAIN
    of = router(("fe80::1",), family=6, version=3)
    for habit in Checksum:
        found = taken(envelope_of(replace(of, checksum=habit), "ff02::12", "fe80::b"), of)
        assert found.checksum is sums.Variant.IPV6
    envelope = envelope_of(of, "ff02::12", "fe80::b")
    assert refused(replace(envelope, source=packed("fe80::c")), of)[0] == VrrpReason.CHECKSUM


def test_the_old_habit_is_for_unicast_only() -> None:
    of = router(version=3, checksum=Checksum.OLD_UNICAST, group="239.1.2.3")
    assert taken(envelope_of(of, "239.1.2.3"), of).checksum is sums.Variant.PSEUDO


# The page ------------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8").partition("\n## VRRP\n")[2]


def test_the_page_has_all_reasons_in_the_order_of_the_checks() -> None:
    table = PAGE.partition("### Refused adverts")[2]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [item.value for item in VrrpReason]


def test_the_page_names_the_checksums_and_its_example_is_what_is_sent() -> None:
    names = re.findall(r"^\| `([a-z0-9.-]+)` \|", PAGE.partition("### Who")[0], re.MULTILINE)
    assert names == [item.value for item in sums.Variant]
    (example,) = re.findall(r"```vrrp\n(.*?)```", PAGE, re.DOTALL)
    of = router(("192.0.2.100",), version=3, interval=250 * MILLISECOND)
    assert Encoder(of).packet(advert(of), PEER, GROUP, 1) == bytes.fromhex(example)


def test_addresses_are_packed_without_their_zone() -> None:
    assert packed("fe80::1%eth0") == packed("fe80::1")
    assert written(packed("2001:DB8:0::1")) == "2001:db8::1"
