"""Every reason to refuse an advert of VRRP, in the order of the checks, and that what was taken once opens no door."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vrrp_wire_samples import GROUP, PEER, US, VIPS, advert, envelope_of, refused, router, summed, taken

from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import UnicastPeer, VirtualRouter
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
from understudy.wire.vrrp_packet import ethernet, group_mac, ipv4_header, ipv6_header, packed

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
    sent = router(("192.0.2.7",), interval=3 * SECOND)
    assert refused(envelope_of(sent), router()) == ("interval", "it says an interval of 3s; 1s is configured here")
    third = router(version=3)
    assert taken(envelope_of(third, interval=250 * MILLISECOND), third).advert.interval == 250 * MILLISECOND
    none = summed(envelope_of(third), envelope_of(third).body[:4] + b"\0\0" + envelope_of(third).body[6:], 3)
    assert refused(none, third) == ("interval", "it says an interval of 0")


def test_of_another_type() -> None:
    """RFC 9568 section 5.2.2: packets of an unknown type must be discarded."""
    assert refused(with_byte(envelope_of(router()), 0, 0x23), router()) == ("type", "it is of type 3, no advertisement")


def test_with_another_number_of_addresses() -> None:
    sent = envelope_of(router(("192.0.2.7",)))
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
    other = router(("192.0.2.7", "192.0.2.102"))
    why = "it does not name 192.0.2.100, which is configured here"
    assert refused(envelope_of(other), router()) == ("addresses", why)
    turned = taken(envelope_of(router(VIPS[::-1])), router())
    assert turned.advert.addresses == VIPS[::-1]


@pytest.mark.parametrize(
    ("sent", "differs"),
    [
        (router(interval=3 * SECOND), "it says an interval of 3s; 1s is configured here"),
        (router(("192.0.2.100",)), "it names 1 address; here there are 2 addresses in the configuration"),
        (router(("192.0.2.100", "192.0.2.102")), "it does not name 192.0.2.101, which is configured here"),
    ],
)
def test_who_serves_one_of_our_addresses_counts_although_it_is_configured_otherwise(
    sent: VirtualRouter, differs: str
) -> None:
    """keepalived refuses these, and both routers are master, until the second one has the same file."""
    envelope = envelope_of(sent)
    assert taken(envelope, router()).differs == differs
    assert taken(envelope_of(router()), router()).differs == ""
    assert refused(replace(envelope, ttl=1), router())[0] == "ttl"
    broken = replace(envelope, body=envelope.body[:6] + b"\0\0" + envelope.body[8:])
    assert isinstance(open_packet(broken, Expected(router())), VrrpRefusal)


def test_a_known_master_s_addresses_are_not_compared_again_where_that_is_configured() -> None:
    skipping = router(skip_check_addresses=True)
    for other in (router(("192.0.2.100", "192.0.2.102")), router(("192.0.2.100",))):
        assert not taken(envelope_of(other), skipping, known=PEER).differs
        assert taken(envelope_of(other), skipping, known=US).differs
        assert taken(envelope_of(other), skipping).differs
        assert taken(envelope_of(other), router(), known=PEER).differs


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
    trusted, doubted = open_packet(envelope, expected, PEER), open_packet(envelope, expected, US)
    assert isinstance(trusted, Heard)
    assert isinstance(doubted, Heard)
    assert (trusted.differs == "", doubted.differs == "") == (True, False)


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
