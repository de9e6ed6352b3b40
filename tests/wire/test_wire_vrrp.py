"""Adverts of VRRP: bytes written down by hand from the standards, how checksums are reckoned, and the page about it."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vrrp_wire_samples import GROUP, PEER, US, advert, envelope_of, refused, router, summed, taken

from understudy.errors import InternalError
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import AuthType
from understudy.vrrp_files import Checksum, UnicastPeer
from understudy.wire import checksum as internet
from understudy.wire import vrrp_checksum as sums
from understudy.wire.vrrp import (
    Encoder,
    Envelope,
    VrrpReason,
    read_ipv4,
)
from understudy.wire.vrrp_packet import packed, written

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
