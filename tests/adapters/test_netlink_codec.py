"""Netlink messages as bytes: what we build, and that nothing read from outside raises."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from understudy.adapters import netlink, nftables
from understudy.adapters.address_lifetime import lifetime, too_coarse
from understudy.adapters.addresses import addition, read_address, read_link, removal
from understudy.adapters.kernel_lease import families, held_set, identifier, table_name
from understudy.adapters.netlink import Failure, Incoming
from understudy.adapters.nftables import Family
from understudy.adapters.subnet_routes import route, subnet
from understudy.model import AddressResource, Cluster, Group, Quorum
from understudy.units import MILLISECOND, SECOND

VIP = AddressResource("vip", "192.168.58.100", 24, "eth0")
VIP6 = AddressResource("vip6", "2001:db8::64", 64, "eth0")


def as_hex(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


# Written down from linux/rtnetlink.h for a little-endian machine; the order of bytes in headers is the machine's own.
little = pytest.mark.skipif(struct.pack("=H", 1) != b"\1\0", reason="the examples are little-endian")


@little
def test_an_ipv4_addition() -> None:
    expected = "28000000 1400 0105 07000000 00000000  02 20 00 00 030000000800 0200 c0a83a64  0800 0100 c0a83a64"
    assert addition(VIP, 3, 7) == as_hex(expected)


@little
def test_an_ipv6_addition_without_duplicate_detection_and_never_preferred() -> None:
    address = "20010db8000000000000000000000064"
    expected = (
        "5c000000 1400 0105 07000000 00000000  0a 40 00 00 03000000"
        f"1400 0200 {address} 1400 0100 {address}"
        "0800 0800 02000000  1400 0600 00000000 ffffffff 00000000 00000000"
    )
    assert addition(VIP6, 3, 7) == as_hex(expected)


@little
def test_an_addition_with_an_end() -> None:
    assert addition(VIP, 3, 7, lifetime=2).endswith(as_hex("1400 0600 02000000 02000000 00000000 00000000"))
    assert addition(VIP6, 3, 7, lifetime=2).endswith(as_hex("1400 0600 00000000 02000000 00000000 00000000"))


@little
def test_a_removal_with_an_acknowledgement() -> None:
    expected = "20000000 1500 0500 07000000 00000000  02 20 00 00 030000000800 0200 c0a83a64"
    assert netlink.with_acknowledgement(removal(VIP, 3, 7)) == as_hex(expected)
    assert removal(VIP, 3, 7, 24)[16:20] == as_hex("02 18 00 00"), "somebody else's prefix length"


@little
def test_a_route_for_the_subnet() -> None:
    which = subnet(VIP)
    assert which == ("eth0", bytes([192, 168, 58, 0]), 24)
    tail = "0800 0100 c0a83a00  0800 0400 03000000  0800 0600 e8fd0000"
    expected = f"34000000 1800 0105 00000080 00000000  02 18 00 00 fe 04 fd 01 00000000 {tail}"
    assert route(which, 3, adding=True) == as_hex(expected)
    expected = f"34000000 1900 0100 00000080 00000000  02 18 00 00 fe 04 ff 00 00000000 {tail}"
    assert route(which, 3, adding=False) == as_hex(expected)
    assert subnet(VIP6) is subnet(replace(VIP, prefix=32)) is None


@given(some.lists(some.tuples(some.integers(0, 0x3FFF), some.binary(max_size=40)), max_size=6))
def test_attributes_are_read_back(parts: list[tuple[int, bytes]]) -> None:
    data = b"".join(netlink.attribute(kind, value) for kind, value in parts)
    assert list(netlink.attributes(data)) == parts


@given(some.binary(max_size=200))
def test_garbage_from_the_kernel_raises_nothing(data: bytes) -> None:
    list(netlink.attributes(data))
    for item in netlink.messages(data):
        read_address(item)
    item = Incoming(20, 0, 1, 0, data)
    read_address(item)
    read_link(item)
    nftables.expiration(data, b"\x08\x00")


def test_a_failure_speaks_the_kernels_words() -> None:
    assert str(Failure(1, errno.ENODEV, "device is gone")) == "No such device (device is gone)"
    assert str(Failure(1, errno.ENODEV)) == "No such device"


def group(name: str, *addresses: AddressResource) -> Group:
    return Group(name, addresses)


def cluster(name: str, dead_time: int = SECOND) -> Cluster:
    return Cluster(
        name=name,
        key_file="k",
        heartbeat=dead_time // 5,
        dead_time=dead_time,
        quorum=Quorum.MAJORITY,
        members=(),
        groups=(),
    )


def test_names_stay_apart_and_are_taken_by_nf_tables() -> None:
    names = ["web", "web-1", "web.1", "web_1", "wéb", "w" * 300, "w" * 301, "web 1"]
    made = [held_set(name) for name in names]
    assert len(set(made)) == len(names)
    assert made[0] == "held_web"
    for name in made:
        assert name.isascii()
        assert len(name) < 128
        assert all(letter.isalnum() or letter == "_" for letter in name)
    assert table_name(cluster("site")) == "understudy_site"
    assert identifier("held", "a") != identifier("group", "a")


def test_families_of_a_group() -> None:
    assert families(group("a", VIP)) == (Family.IP, Family.ARP)
    assert families(group("b", VIP6)) == (Family.IP6,)
    assert families(group("c", VIP6, VIP)) == (Family.IP, Family.ARP, Family.IP6)
    assert families(group("d")) == (Family.IP,), "the proof for a restarted daemon needs no address"


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(50 * MILLISECOND, 1), (990 * MILLISECOND, 1), (2470 * MILLISECOND, 1), (2970 * MILLISECOND, 2), (10 * SECOND, 9)],
)
def test_lifetimes_are_whole_seconds_with_room_for_a_late_kernel(left: int, seconds: int) -> None:
    assert lifetime(left) == seconds


def test_too_coarse_is_said_in_words() -> None:
    assert too_coarse(cluster("site", 3 * SECOND)) is None
    text = too_coarse(cluster("site", 2 * SECOND))
    assert text is not None
    assert "set dead_time to 3s or more" in text
    assert "dead time of 2s" in text
