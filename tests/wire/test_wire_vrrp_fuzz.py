"""Mutated packets of VRRP never raise, and what is taken of them says what was sent.

UNDERSTUDY_LONG=1 makes a million of them.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent / "vectors"))

from vrrp_vectors import HABITS, Vector, of_kind, vectors

from understudy.vrrp import AuthType
from understudy.vrrp_files import Checksum, UnicastPeer
from understudy.wire.neighbour import Claim, claim
from understudy.wire.vrrp import (
    Encoder,
    Envelope,
    Expected,
    Heard,
    VrrpReason,
    VrrpRefusal,
    open_packet,
    read_body,
    read_frame,
    read_ipv4,
    read_ipv6,
)
from understudy.wire.vrrp_auth import header, secret
from understudy.wire.vrrp_checksum import filled, variant

ROUNDS = 1_000_000 if os.environ.get("UNDERSTUDY_LONG") == "1" else 20_000
PARTS = 10


@cache
def genuine() -> tuple[tuple[Vector, tuple[Expected, ...]], ...]:
    """A few of each scenario: other families, versions, authentications and numbers of addresses. With each what its own router
    expects, most often, and what routers with another configuration do.
    """
    found, seen = [], Counter[str]()
    for vector in of_kind("vrrp"):
        seen[vector.scenario] += 1
        if seen[vector.scenario] <= 4:
            own = vector.router()
            more = replace(own, addresses=(*own.addresses, replace(own.addresses[0], address=vector.source)))
            near = replace(own, peers=(UnicastPeer(vector.source, 0, 254),))
            others = tuple(map(Expected, (more, near, replace(own, auth="PASS"), replace(own, auth=""))))
            found.append((vector, (Expected(own),) * 8 + others))
    return tuple(found)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Mostly behind the Ethernet header, so that it stays a packet of this protocol."""
    at = chance.randrange(chance.choice((0, 14, 14, 34, 34, 34)), len(data)) if len(data) > 34 else 0
    match chance.randrange(7):
        case 0 | 1:
            return data[:at] + bytes((data[at] ^ 1 << chance.randrange(8),)) + data[at + 1 :]
        case 2:
            return data[:at] + chance.randbytes(1) + data[at + 1 :]
        case 3:
            return data[:at]
        case 4:
            return data + chance.randbytes(chance.randint(1, 40))
        case 5:
            return data[:at] + chance.randbytes(chance.randint(1, 8)) + data[at:]
        case _:
            return data[:at] + data[at + chance.randint(1, 8) :]


def mended(envelope: Envelope, vector: Vector) -> Envelope:
    """With a checksum and a signature that are right, so that the checks behind them are reached."""
    body = envelope.body[:6] + b"\0\0" + envelope.body[8:]
    kind = variant(envelope.version, envelope.destination, Checksum.PSEUDO)
    body = filled(body, envelope.source, envelope.destination, kind)
    ah = envelope.ah
    if ah:
        ah = header(secret(vector.password), envelope.header, int.from_bytes(ah[8:12], "big"), body)
    return replace(envelope, body=body, ah=ah)


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_packets_are_values(part: int) -> None:
    chance = random.Random(part)
    reasons = Counter[str]()
    for number in range(ROUNDS // PARTS):
        vector, routers = chance.choice(genuine())
        expected = chance.choice(routers)
        frame = mutate(vector.frame, chance)
        if number % 3 == 0:
            frame = mutate(frame or b"x", chance)
        reasons[judged(read_frame(frame), vector, expected)] += 1
        if vector.family == 4:
            judged(read_ipv4(frame[14:]), vector, expected)
        else:
            payload = read_ipv6(frame[54:], vector.source, vector.destination, 255)
            judged(payload, vector, expected)
        assert isinstance(claim(frame), Claim | None)
    assert reasons["taken"] > ROUNDS / PARTS / 20
    missing = {str(reason) for reason in VrrpReason} - set(reasons)
    assert not missing, f"no packet was refused for {missing}"


def judged(envelope: Envelope | VrrpRefusal, vector: Vector, expected: Expected) -> str:
    """What became of it: "taken" or a reason."""
    if isinstance(envelope, VrrpRefusal):
        assert envelope.why
        return envelope.reason
    result = open_packet(envelope, expected, vector.source)
    says_what_was_sent(result, envelope, vector)
    again = open_packet(mended(envelope, vector), expected)
    says_what_was_sent(again, mended(envelope, vector), vector)
    shown = result if isinstance(result, VrrpRefusal) and result.reason != VrrpReason.CHECKSUM else again
    if isinstance(result, VrrpRefusal) and isinstance(again, Heard):
        shown = result
    return "taken" if isinstance(shown, Heard) else shown.reason


def says_what_was_sent(result: Heard | VrrpRefusal, envelope: Envelope, vector: Vector) -> None:
    """What was taken comes back, but for what nobody reads and the two ways to write a sum of 0.

    Nobody reads four bits of version 3 (RFC 9568 section 5.2.6) and a trailer without a password (RFC 3768 section 5.3.10).
    """
    if isinstance(result, VrrpRefusal):
        assert result.why
        return
    advert = result.advert
    encoder = Encoder(vector.router(checksum=HABITS[str(result.checksum)]))
    body = encoder.body(advert, envelope.source, envelope.destination, advert.auth)
    end = -8 if advert.version == 2 and vector.family == 4 and advert.auth is not AuthType.PASS else len(body)
    assert (body[:4], body[8:end]) == (envelope.body[:4], envelope.body[8:end])
    assert len(body) == len(envelope.body)
    assert int.from_bytes(body[4:6], "big") == int.from_bytes(envelope.body[4:6], "big") & (
        0xFFFF if advert.version == 2 else 0x0FFF
    )
    unread = (body[4], body[end:]) != (envelope.body[4], envelope.body[end:])
    if not unread and envelope.body[6:8] != b"\xff\xff":
        assert body == envelope.body
    assert (advert.auth is AuthType.AH) is bool(envelope.ah)


@given(st.binary(max_size=120), st.sampled_from((4, 6)), st.sampled_from((b"", b"\x21", b"\x31")))
def test_any_bytes_are_a_value(data: bytes, family: int, start: bytes) -> None:
    ends = (("192.0.2.1", "224.0.0.18"), ("fe80::1", "ff02::12"))[family == 6]
    found = read_ipv6(start + data, *ends, 255)
    if isinstance(found, Envelope):
        read_body(found)
        for _, routers in genuine()[::20]:
            assert isinstance(open_packet(found, routers[0]), Heard | VrrpRefusal)
    for bytes_in in (data, b"\x45" + data):
        assert isinstance(read_ipv4(bytes_in), Envelope | VrrpRefusal)
    for ethertype in (b"\x08\x00\x45", b"\x86\xdd\x60", b""):
        assert isinstance(read_frame(bytes(12) + ethertype + data), Envelope | VrrpRefusal)


def test_neighbour_frames_that_were_changed_are_values() -> None:
    chance = random.Random(1)
    frames = [vector.frame for vector in vectors() if vector.kind in ("garp", "na", "arp")]
    for _ in range(ROUNDS // PARTS):
        assert isinstance(claim(mutate(chance.choice(frames), chance)), Claim | None)
