"""Every recorded frame of real keepalived routers opens, verifies, and comes back from its words byte for byte."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "vectors"))

from vrrp_vectors import HERE, Vector, of_kind, scenarios, vectors

from understudy.vrrp import AuthType
from understudy.wire.neighbour import Claim, claim, router_announcement
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
from understudy.wire.vrrp_auth import ICV_LENGTH, icv, secret
from understudy.wire.vrrp_checksum import is_group
from understudy.wire.vrrp_packet import ethernet, group_mac, ipv6_header, packed, virtual_mac

ADVERTS = of_kind("vrrp")
BY_SCENARIO = {name: [vector for vector in ADVERTS if vector.scenario == name] for name in scenarios()}
EACH = pytest.mark.parametrize("name", sorted(BY_SCENARIO))


def test_the_recordings_are_here() -> None:
    kinds = Counter(vector.kind for vector in vectors())
    assert kinds == {"vrrp": 743, "garp": 825, "na": 134, "arp": 18}
    assert len(scenarios()) == 44
    assert {vector.auth for vector in ADVERTS} == set(AuthType)
    assert {(vector.told["vrrp"]["version"], vector.family) for vector in ADVERTS} == {(2, 4), (2, 6), (3, 4), (3, 6)}
    assert sum(path.stat().st_size for path in HERE.iterdir()) < 80_000


def opened(vector: Vector) -> Heard:
    envelope = read_frame(vector.frame)
    assert isinstance(envelope, Envelope), f"{vector.place}: {envelope}"
    heard = open_packet(envelope, Expected(vector.router()))
    assert isinstance(heard, Heard), f"{vector.place}: {heard}"
    return heard


@EACH
def test_every_advert_says_what_another_program_read_in_it(name: str) -> None:
    for vector in BY_SCENARIO[name]:
        heard = opened(vector)
        told = vector.told
        assert heard.advert == vector.advert(), vector.place
        assert [str(heard.checksum)] == told["vrrp"]["checksum_valid_as"], vector.place
        assert (heard.source, heard.mac) == (vector.source, told["eth_src"]), vector.place
        assert heard.ttl == told["ip"].get("ttl", told["ip"].get("hop_limit")), vector.place
        assert heard.sequence == told.get("ah", {}).get("seq", 0), vector.place


@EACH
def test_every_advert_is_written_from_its_words_byte_for_byte(name: str) -> None:
    for vector in BY_SCENARIO[name]:
        told = vector.told
        encoder = Encoder(vector.router())
        number, sequence = told["ip"].get("id", 0), told.get("ah", {}).get("seq", 0)
        packet = encoder.packet(vector.advert(), vector.source, vector.destination, number, sequence)
        here, there = packed(vector.source), packed(vector.destination)
        if vector.family == 6:
            flow = int(told["ip"]["flow_label"], 16)
            packet = ipv6_header(here, there, len(packet), encoder.hop_limit, flow) + packet
        target = group_mac(there) if is_group(there) else vector.frame[:6]
        assert ethernet(target, vector.frame[6:12], packet) == vector.frame, vector.place


@EACH
def test_the_kernel_s_raw_sockets_say_the_same_as_the_frame(name: str) -> None:
    for vector in BY_SCENARIO[name]:
        expected = Expected(vector.router())
        if vector.family == 4:
            envelope = read_ipv4(vector.frame[14:], vector.told["eth_src"])
        else:
            limit, payload = vector.told["ip"]["hop_limit"], vector.frame[54:]
            source = f"{vector.source}%eth0"
            envelope = read_ipv6(payload, source, vector.destination, limit, vector.told["eth_src"])
        assert isinstance(envelope, Envelope)
        assert open_packet(envelope, expected) == opened(vector), vector.place


def test_ah_is_verified_and_holds_for_its_password_alone() -> None:
    signed = [vector for vector in ADVERTS if vector.auth is AuthType.AH]
    assert len(signed) == 36
    for vector in signed:
        assert vector.told["ah"]["icv_verified"]
        envelope = read_frame(vector.frame)
        assert isinstance(envelope, Envelope)
        made = icv(secret(vector.password), envelope.header, envelope.ah, envelope.body)
        assert made.hex() == vector.told["ah"]["icv_hex"] == envelope.ah[ICV_LENGTH:].hex()
        refused = open_packet(envelope, Expected(vector.router(password="another")))
        assert isinstance(refused, VrrpRefusal)
        assert refused.reason == VrrpReason.PASSWORD


def test_two_routers_with_two_passwords_refuse_each_other() -> None:
    vectors_of = BY_SCENARIO["v2-pass-mismatch"]
    other = {vector.source: vector for vector in vectors_of}
    assert len(other) == 2
    for vector in vectors_of:
        envelope = read_frame(vector.frame)
        assert isinstance(envelope, Envelope)
        stranger = next(found for source, found in other.items() if source != vector.source)
        refused = open_packet(envelope, Expected(stranger.router()))
        assert refused == VrrpRefusal(VrrpReason.PASSWORD, "its password is wrong", vector.source)


def test_two_routers_with_two_intervals_of_version_2_differ() -> None:
    """RFC 3768 section 7.1 discards such packets, and keepalived does; here they count, and it is said that they differ."""
    for vector in BY_SCENARIO["v2-adv-mismatch"]:
        envelope = read_frame(vector.frame)
        assert isinstance(envelope, Envelope)
        seconds = vector.told["vrrp"]["advert_int_s"]
        heard = open_packet(envelope, Expected(vector.router(interval=(3 - seconds) * 1_000_000_000)))
        assert isinstance(heard, Heard)
        assert heard.differs == f"it says an interval of {seconds}s; {3 - seconds}s is configured here"


def test_virtual_macs_are_those_of_the_standard() -> None:
    """RFC 9568 section 7.3."""
    seen = {vector.scenario for vector in ADVERTS if vector.told["eth_src"].startswith("00:00:5e:00:0")}
    assert seen == {"v2-vmac", "v3-ipv4-vmac", "v3-ipv6-vmac"}
    for vector in ADVERTS:
        if vector.scenario in seen:
            mac = virtual_mac(vector.told["vrrp"]["vrid"], vector.family)
            assert mac.hex(":") == vector.told["eth_src"], vector.place


def test_every_gratuitous_arp_is_written_byte_for_byte() -> None:
    """RFC 9568 section 8.1.2: sent on becoming the active router."""
    for vector in of_kind("garp"):
        arp = vector.told["arp"]
        assert router_announcement(bytes.fromhex(arp["sha"].replace(":", "")), arp["spa"]) == vector.frame, vector.place
        assert claim(vector.frame) == Claim(arp["spa"], arp["sha"], probe=False)


def test_every_neighbour_advertisement_of_keepalived_is_written_byte_for_byte() -> None:
    """RFC 9568 section 8.2.2, RFC 4861 section 7.2.6. What does not come from its target is an answer of the kernel."""
    written = 0
    for vector in of_kind("na"):
        na = vector.told["na"]
        if vector.source == na["target"] and vector.destination == "ff02::1":
            mac = bytes.fromhex(na["option_hex"])[2:]
            assert router_announcement(mac, na["target"], na["router"]) == vector.frame, vector.place
            written += 1
        found = claim(vector.frame)
        assert found is not None, vector.place
        assert found.address == na["target"], vector.place
    assert written > 100
