"""Packets to events: for which virtual router a packet is, and what becomes of those that are for none."""

from __future__ import annotations

from dataclasses import replace

from understudy.adapters.vrrp_socket import RouterPacket
from understudy.pulse.vrrp_ear import UNKNOWN, RouterEar
from understudy.units import SECOND
from understudy.vrrp import AdvertHeard, Advertisement, AdvertRefused, PeerLives
from understudy.vrrp_files import RouterAddress, SecondPath, UnicastPeer, VirtualRouter
from understudy.wire.vrrp import Encoder

HERE, THERE, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
GROUP = "224.0.0.18"


def router(name: str = "VI_1", vrid: int = 7, peers: tuple[str, ...] = (), password: str = "") -> VirtualRouter:
    address = RouterAddress("192.0.2.100", 24, "eth0")
    auth = "PASS" if password else ""
    known = tuple(UnicastPeer(item) for item in peers)
    return VirtualRouter(name, "eth0", vrid, (address,), auth=auth, password=password, peers=known)


def packet(sender: VirtualRouter, source: str = THERE, to: str = GROUP, device: str = "eth0") -> RouterPacket:
    advert = Advertisement(sender.version, sender.vrid, 100, sender.advertised)
    return RouterPacket(device, Encoder(sender).packet(advert, source, to, 1), 5 * SECOND, source)


def ear(*routers: VirtualRouter, **more: bool) -> RouterEar:
    made = RouterEar(lambda _, source: f"mac of {source}", **more)
    made.follow((item, item.device) for item in routers)
    return made


def test_an_advert_is_for_the_router_with_its_number() -> None:
    (heard,) = ear(router("one", 6), router("two", 7)).hear(packet(router()), 9 * SECOND)
    assert isinstance(heard, AdvertHeard)
    assert (heard.router, heard.source, heard.arrival) == ("two", THERE, 5 * SECOND)
    assert heard.mac == f"mac of {THERE}"


def test_what_is_refused_names_its_sender_and_is_counted() -> None:
    made = ear(router(password="right"))
    (refused,) = made.hear(packet(router(password="wrong")), 9 * SECOND)
    assert isinstance(refused, AdvertRefused)
    assert (refused.router, refused.source, refused.mac) == ("VI_1", THERE, f"mac of {THERE}")
    assert "password" in refused.why
    assert made.rejected == {refused.reason: 1}


def test_a_number_that_is_not_configured_is_nobodys() -> None:
    made = ear(router(vrid=8))
    assert made.hear(packet(router()), 9 * SECOND) == ()
    assert made.rejected == {UNKNOWN: 1}
    assert made.sentences(9 * SECOND) == []


def test_who_speaks_for_an_unknown_number_is_named_where_that_was_asked_for() -> None:
    made = ear(router(vrid=8), names_unknown=True)
    made.hear(packet(router()), 9 * SECOND)
    (sentence,) = made.sentences(10 * SECOND)
    assert THERE in sentence
    assert "VRID 7" in sentence


def test_another_device_is_another_network() -> None:
    assert ear(router()).hear(packet(router(), device="eth1"), 9 * SECOND) == ()


def test_one_number_twice_is_told_apart_by_the_peers() -> None:
    made = ear(router("one", peers=(THERE,)), router("two", peers=(THIRD,)))
    for source, name in ((THERE, "one"), (THIRD, "two")):
        (heard,) = made.hear(packet(router(peers=(HERE,)), source, HERE), 9 * SECOND)
        assert heard.router == name  # type: ignore[union-attr]


def test_nonsense_is_counted() -> None:
    made = ear(router())
    assert made.hear(RouterPacket("eth0", b"\x45nonsense", 1, THERE), 9 * SECOND) == ()
    assert sum(made.rejected.values()) == 1


def test_who_is_configured_otherwise_counts_and_is_compared_again() -> None:
    ours = replace(router(), skip_check_addresses=True)
    both = (*router().addresses, RouterAddress("192.0.2.101", 24, "eth0"))
    made = ear(ours)
    for _ in range(2):
        (heard,) = made.hear(packet(replace(router(), addresses=both)), 9 * SECOND)
        assert isinstance(heard, AdvertHeard)
        assert heard.differs == "it names 2 addresses; here there are 1 address in the configuration"
    made.hear(packet(router()), 9 * SECOND)
    (heard,) = made.hear(packet(replace(router(), addresses=both)), 9 * SECOND)
    assert isinstance(heard, AdvertHeard)
    assert not heard.differs, "vrrp_skip_check_adv_addr: a known master may have another list"


def test_the_second_path_says_that_a_router_lives_and_no_more() -> None:
    ours = replace(router(), second_path=SecondPath("eth1", ("198.51.100.2",)))
    theirs = replace(router(), second_path=SecondPath("eth1", ("198.51.100.1",)))
    made = ear(ours)
    (heard,) = made.hear(packet(theirs, "198.51.100.2", "198.51.100.1", "eth1"), 9 * SECOND)
    assert heard == PeerLives("VI_1", 100, 5 * SECOND + 3 * SECOND)
    assert made.hear(packet(theirs, "198.51.100.9", "198.51.100.1", "eth1"), 9 * SECOND) == (), (
        "a stranger there is nobody"
    )
    assert isinstance(made.hear(packet(theirs), 9 * SECOND)[0], AdvertHeard)
