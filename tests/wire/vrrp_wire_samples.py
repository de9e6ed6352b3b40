"""A virtual router, its adverts in their envelopes, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from understudy.vrrp import Advertisement
from understudy.vrrp_files import Checksum, RouterAddress, VirtualRouter
from understudy.wire import vrrp_checksum as sums
from understudy.wire.vrrp import (
    Encoder,
    Envelope,
    Expected,
    Heard,
    VrrpRefusal,
    open_packet,
    read_ipv4,
    read_ipv6,
)

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
