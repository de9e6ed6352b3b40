"""The mouth of virtual routers: by which device, and as what, an advertisement leaves; AH's sequence numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

from understudy.adapters.vrrp_socket import RouterSockets
from understudy.pulse.vrrp_mouth import RouterMouth
from understudy.units import SECOND
from understudy.vrrp import GOODBYE, Advertisement, SendAdvert
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


ROUTER = VirtualRouter("VI_1", "eth0", 51, (RouterAddress("192.0.2.100", 24, "eth0"),), version=2)


@dataclass
class PretendSockets:
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def send(self, device: str, data: bytes | bytearray, destination: str, source: str = "", hops: int = 255) -> bool:
        self.sent.append((device, bytes(data)))
        return True

    def why(self, device: str) -> str:
        return ""


def says(mouth: RouterMouth, router: VirtualRouter, priority: int) -> None:
    advert = Advertisement(router.version, router.vrid, priority, router.advertised, router.interval)
    assert mouth.advertise(SendAdvert(router.name, advert)) == ""


def test_the_goodbye_leaves_by_what_the_others_know_it_as() -> None:
    """A reload gives it another device, another VRID and another version; then it speaks as what it is."""
    sockets = PretendSockets()
    mouth = RouterMouth(cast(RouterSockets, sockets))
    after = replace(ROUTER, device="eth1", vrid=52, version=3)
    mouth.follow([(ROUTER, "eth0")])
    mouth.source("VI_1", "192.0.2.11")
    says(mouth, ROUTER, 100)
    mouth.follow([(after, "eth1")])
    mouth.source("VI_1", "198.51.100.11")
    says(mouth, ROUTER, GOODBYE)
    says(mouth, ROUTER, GOODBYE)
    says(mouth, after, 100)
    says(mouth, after, GOODBYE)
    assert [device for device, _ in sockets.sent] == ["eth0", "eth0", "eth0", "eth1", "eth1"]
    assert [data[12:16] for _, data in sockets.sent[1:4]] == [bytes((192, 0, 2, 11))] * 2 + [bytes((198, 51, 100, 11))]
    assert [(data[20] >> 4, data[21]) for _, data in sockets.sent[1:4]] == [(2, 51), (2, 51), (3, 52)]


def test_what_is_changed_otherwise_has_no_former_self() -> None:
    sockets = PretendSockets()
    mouth = RouterMouth(cast(RouterSockets, sockets))
    mouth.follow([(ROUTER, "eth0")])
    mouth.source("VI_1", "192.0.2.11")
    mouth.follow([(replace(ROUTER, priority=50), "eth0")])
    mouth.source("VI_1", "192.0.2.12")
    says(mouth, ROUTER, GOODBYE)
    assert sockets.sent[0][1][12:16] == bytes((192, 0, 2, 12))
