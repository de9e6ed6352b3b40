"""What leaves the mouth: AH's sequence numbers, which peers compare with what they heard before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from understudy.adapters.vrrp_socket import RouterSockets
from understudy.pulse.vrrp_mouth import RouterMouth
from understudy.units import SECOND
from understudy.vrrp import Advertisement, SendAdvert
from understudy.vrrp_files import RouterAddress, VirtualRouter
from understudy.wire.vrrp import Envelope, read_ipv4

NOW = 1_790_000_000 * SECOND
SIGNED = VirtualRouter("VI_1", "eth0", 51, (RouterAddress("192.0.2.100", 24, "eth0"),), auth="AH", password="secret")


@dataclass
class Wire:
    sent: list[int] = field(default_factory=list)

    def send(self, _device: str, data: bytes, _destination: str) -> bool:
        found = read_ipv4(bytes(data))
        assert isinstance(found, Envelope)
        self.sent.append(int.from_bytes(found.ah[8:12], "big"))
        return True


def mouth(wire: Wire, wall: Callable[[], int]) -> RouterMouth:
    made = RouterMouth(cast("RouterSockets", wire), wall=wall)
    made.follow([(SIGNED, "eth0")])
    made.source("VI_1", "192.0.2.11")
    return made


def test_after_a_restart_the_sequence_goes_on_above_what_was_said() -> None:
    """A second later, after the adverts of an hour, and some answers to rivals."""
    wire = Wire()
    advert = SendAdvert("VI_1", Advertisement(2, 51, 100, ("192.0.2.100",)))
    first = mouth(wire, lambda: NOW)
    for _ in range(3600 + 20):
        first.advertise(advert)
    second = mouth(wire, lambda: NOW + 3601 * SECOND)
    second.advertise(advert)
    assert wire.sent == sorted(set(wire.sent))


def test_what_the_core_asks_for_and_a_reload_go_before_the_clock() -> None:
    wire = Wire()
    made = mouth(wire, lambda: 0)
    made.advertise(SendAdvert("VI_1", Advertisement(2, 51, 100, ("192.0.2.100",)), sequence=7000))
    made.follow([(SIGNED, "eth0")])
    made.source("VI_1", "192.0.2.11")
    made.advertise(SendAdvert("VI_1", Advertisement(2, 51, 100, ("192.0.2.100",))))
    assert wire.sent == [7000, 7001]
