"""The neighbour frames, byte for byte, and what is read from frames of others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from understudy.wire.neighbour import Claim, announcement, claim, probe

MAC = bytes.fromhex("02005e105fab")
MAC_TEXT = "02:00:5e:10:5f:ab"

# Written down by hand from RFC 826/5227 and RFC 4861; the ICMPv6 checksums were computed apart from the code under test.
ARP_ANNOUNCEMENT = "ffffffffffff 02005e105fab 0806 0001 0800 06 04 0001 02005e105fab c0a83a64 000000000000 c0a83a64"
ARP_PROBE = "ffffffffffff 02005e105fab 0806 0001 0800 06 04 0001 02005e105fab 00000000 000000000000 c0a83a64"
ARP_REPLY = "02005e000001 02005e105fab 0806 0001 0800 06 04 0002 02005e105fab c0a83a64 02005e000001 00000000"
IPV6_ANNOUNCEMENT = (
    "333300000001 02005e105fab 86dd 60000000 0020 3a ff 20010db8000000000000000000000064 ff020000000000000000000000000001"
    "88 00 {checksum} 20000000 20010db8000000000000000000000064 02 01 02005e105fab"
)
IPV6_PROBE = (
    "3333ff000064 02005e105fab 86dd 60000000 0018 3a ff 00000000000000000000000000000000 ff0200000000000000000001ff000064"
    "87 00 {checksum} 00000000 20010db8000000000000000000000064"
)


def frame_of(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def complement_sum(data: bytes) -> int:
    """RFC 1071, section 4.1, the slow way: one byte pair after the other with the carry added at once."""
    total = 0
    for place in range(0, len(data), 2):
        total += data[place] * 256 + data[place + 1]
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


def with_checksum(text: str) -> bytes:
    blank = frame_of(text.format(checksum="0000"))
    addresses, message = blank[22:54], blank[54:]
    pseudo = addresses + len(message).to_bytes(4, "big") + b"\0\0\0\x3a"
    return frame_of(text.format(checksum=f"{0xFFFF - complement_sum(pseudo + message):04x}"))


def test_gratuitous_arp_is_a_request_for_the_own_address() -> None:
    assert announcement(MAC, "192.168.58.100") == frame_of(ARP_ANNOUNCEMENT)


def test_unsolicited_advertisement_overrides() -> None:
    assert announcement(MAC, "2001:db8::64") == with_checksum(IPV6_ANNOUNCEMENT)


def test_a_router_says_that_it_is_one() -> None:
    expected = with_checksum(IPV6_ANNOUNCEMENT.replace("20000000 2001", "a0000000 2001"))
    assert announcement(MAC, "2001:db8::64", router=True) == expected
    assert announcement(MAC, "192.168.58.100", router=True) == frame_of(ARP_ANNOUNCEMENT)


def test_arp_probe_claims_nothing() -> None:
    assert probe(MAC, "192.168.58.100") == frame_of(ARP_PROBE)


def test_ipv6_probe_comes_from_nowhere_to_the_solicited_node_group() -> None:
    assert probe(MAC, "2001:db8::64") == with_checksum(IPV6_PROBE)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (frame_of(ARP_ANNOUNCEMENT), Claim("192.168.58.100", MAC_TEXT, probe=False)),
        (frame_of(ARP_REPLY), Claim("192.168.58.100", MAC_TEXT, probe=False)),
        (frame_of(ARP_PROBE), Claim("192.168.58.100", MAC_TEXT, probe=True)),
        (with_checksum(IPV6_ANNOUNCEMENT), Claim("2001:db8::64", MAC_TEXT, probe=False)),
        (with_checksum(IPV6_PROBE), Claim("2001:db8::64", MAC_TEXT, probe=True)),
    ],
    ids=["announcement", "reply", "probe", "advertisement", "solicitation"],
)
def test_claims_are_read(frame: bytes, expected: Claim) -> None:
    assert claim(frame) == expected
    assert claim(frame + bytes(18)) == expected, "Ethernet pads short frames"


def test_the_mac_in_the_advertisement_counts_before_the_ethernet_source() -> None:
    frame = bytearray(announcement(MAC, "2001:db8::64"))
    frame[6:12] = bytes.fromhex("02aaaaaaaaaa")
    assert claim(bytes(frame)) == Claim("2001:db8::64", MAC_TEXT, probe=False)


def test_a_solicitation_with_a_source_claims_the_source() -> None:
    text = (
        "3333ff000001 02005e105fab 86dd 60000000 0020 3a ff 20010db8000000000000000000000064"
        "ff0200000000000000000001ff000001 87 00 {checksum} 00000000 20010db8000000000000000000000001 01 01 02005e105fab"
    )
    assert claim(with_checksum(text)) == Claim("2001:db8::64", MAC_TEXT, probe=False)


@pytest.mark.parametrize("hop_limit", ["fe", "40"])
def test_a_forwarded_advertisement_is_no_claim(hop_limit: str) -> None:
    assert claim(with_checksum(IPV6_ANNOUNCEMENT.replace("3a ff", f"3a {hop_limit}"))) is None


def test_a_damaged_advertisement_is_no_claim() -> None:
    whole = with_checksum(IPV6_ANNOUNCEMENT)
    for place in range(22, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        assert claim(bytes(damaged)) is None, f"byte {place}"


def test_other_arp_traffic_is_no_claim() -> None:
    for part, other in [("0806", "0800"), ("0806 0001", "0806 0006"), ("06 04 0001", "06 04 0003"), ("06 04", "08 04")]:
        assert part in ARP_ANNOUNCEMENT
        assert claim(frame_of(ARP_ANNOUNCEMENT.replace(part, other, 1))) is None, other
    assert claim(frame_of(ARP_REPLY.replace("c0a83a64", "00000000"))) is None


@given(some.binary(max_size=120))
def test_garbage_never_raises(data: bytes) -> None:
    claim(data)


@given(
    some.sampled_from([ARP_ANNOUNCEMENT, IPV6_ANNOUNCEMENT, IPV6_PROBE]), some.integers(0, 130), some.binary(max_size=9)
)
def test_mutated_frames_never_raise(text: str, place: int, junk: bytes) -> None:
    frame = with_checksum(text) if "{" in text else frame_of(text)
    claim(frame[:place])
    claim(frame[:place] + junk + frame[place + len(junk) :])


@given(some.ip_addresses(), some.binary(min_size=6, max_size=6))
def test_what_is_built_is_read_back(address: object, mac: bytes) -> None:
    text = str(address)
    if text in ("0.0.0.0", "::"):
        return
    assert claim(announcement(mac, text)) == Claim(text, mac.hex(":"), probe=False)
    assert claim(probe(mac, text)) == Claim(text, mac.hex(":"), probe=True)


@pytest.mark.parametrize("build", [announcement, probe])
def test_bad_arguments_are_refused(build: object) -> None:
    assert callable(build)
    with pytest.raises(ValueError, match="6 bytes"):
        build(b"\x02", "192.168.58.100")
    with pytest.raises(ValueError, match=r"192\.168\.58"):
        build(MAC, "192.168.58")
