"""The media of the old protocol on real interfaces: each both ways, carriers that go, devices that are deleted and made again."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.old_media import OldMedia, host_names, look_up
from understudy.adapters.udp import Datagram, boot_clock
from understudy.heartbeat_files import Medium, MediumKind

pytestmark = pytest.mark.kernel

PORT = 694
BROADCAST = Medium(MediumKind.BROADCAST, "eth0", port=PORT)
GROUP = Medium(MediumKind.MULTICAST, "eth0", "239.1.2.3", 6940, hops=2)
GROUP6 = Medium(MediumKind.MULTICAST6, "eth0", "ff02::694", 6940, hops=1)


def unicast(host: str, device: str = "eth0") -> Medium:
    kind = MediumKind.UNICAST6 if ":" in host else MediumKind.UNICAST
    return Medium(kind, device, host, PORT)


@contextlib.contextmanager
def opened(machine: Machine, *media: Medium, addresses: dict[str, str] | None = None) -> Iterator[OldMedia]:
    with inside(machine):
        made = OldMedia(media, addresses or {})
    try:
        yield made
    finally:
        made.close()


def send(media: OldMedia, data: bytes, network: str | None = None) -> int:
    return media.send(data, b"", network=network)


def arrived(media: OldMedia, count: int = 1) -> list[Datagram]:
    """``count`` datagrams, or fewer when no more come for ten seconds."""
    found: list[Datagram] = []
    end = time.monotonic() + 10
    while len(found) < count and time.monotonic() < end:
        select.select(media.descriptors, [], [], 0.2)
        found += media.drain(boot_clock())[0]
    return found


def mend(machine: Machine, media: OldMedia) -> tuple[str, ...]:
    """From inside, because device names are looked up there."""
    with inside(machine):
        media.mend()
    return media.troubles


def two(lab: Lab) -> tuple[Machine, Machine, Machine]:
    """Two machines and the switch between them."""
    a, b = lab.machine("a"), lab.machine("b")
    return a, b, lab.segment({a: "10.1.1.1/24 fd01::1/64 fe80::a/64", b: "10.1.1.2/24 fd01::2/64 fe80::b/64"})


@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [
        (BROADCAST, BROADCAST),
        (unicast("10.1.1.2"), unicast("10.1.1.1")),
        (unicast("fd01::2"), unicast("fd01::1")),
        (unicast("fe80::b"), unicast("fe80::a")),
        (GROUP, GROUP),
        (GROUP6, GROUP6),
        (BROADCAST, unicast("10.1.1.1")),
    ],
)
def test_each_medium_carries_both_ways(lab: Lab, of_a: Medium, of_b: Medium) -> None:
    a, b, _ = two(lab)
    with opened(a, of_a) as one, opened(b, of_b) as other:
        assert one.troubles == other.troubles == ()
        before = boot_clock()
        assert send(one, b"there") == 1
        (there,) = arrived(other)
        assert (there.network, there.data) == ("eth0", b"there")
        assert before <= there.arrival <= boot_clock()
        assert send(other, b"back") == 1
        own = [b"there"] if of_a is BROADCAST else []
        assert [item.data for item in arrived(one, 1 + len(own))] == [*own, b"back"]
        assert one.counters["eth0"].sent == 1
        assert other.counters["eth0"].received >= 1


def test_it_looks_on_the_wire_as_the_old_program_does(lab: Lab) -> None:
    """TTL and type of service as observed of 3.0.6, from a port of the kernel's choice."""
    a, b, _ = two(lab)
    with inside(b):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    with tap, opened(a, BROADCAST, unicast("10.1.1.2"), GROUP) as media:
        tap.bind(("eth0", 0x0800))
        tap.settimeout(10)
        assert send(media, b"\x01\x02\x03") == 3
        heard = (tap.recv(2000) for _ in range(100))  # the kernel reports its groups (IGMP) whenever it likes
        packets = list(itertools.islice((each for each in heard if each[9] == socket.IPPROTO_UDP), 3))
    seen = [
        (socket.inet_ntoa(packet[16:20]), int.from_bytes(packet[22:24], "big"), packet[1], packet[8])
        for packet in packets
    ]
    assert seen == [("10.1.1.255", PORT, 0, 64), ("10.1.1.2", PORT, 0x10, 64), ("239.1.2.3", 6940, 0, 2)]
    assert all(int.from_bytes(packet[20:22], "big") not in (PORT, 6940) for packet in packets)


def test_own_messages_come_back_where_the_old_program_hears_itself(lab: Lab) -> None:
    a, *_ = two(lab)
    loop = Medium(MediumKind.MULTICAST, "eth0", "239.1.2.4", 6941, hops=1, loop=True)
    loop6 = Medium(MediumKind.MULTICAST6, "eth0", "ff02::695", 6941, hops=1, loop=True)
    for medium, comes in (
        (BROADCAST, True),
        (unicast("10.1.1.1"), True),
        (GROUP, False),
        (GROUP6, False),
        (loop, True),
        (loop6, True),
        (unicast("10.1.1.2"), False),
    ):
        with opened(a, medium) as media:
            assert send(media, b"mine") == 1
            # Whatever comes back has come when this one has: the loop-back device keeps the order.
            with (
                inside(a),
                socket.socket(socket.AF_INET6 if ":" in medium.peer else socket.AF_INET, socket.SOCK_DGRAM) as mark,
            ):
                mark.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
                receiver = next(item for item in media._receivers)
                own = "fd01::1" if ":" in medium.peer else "10.1.1.1"
                if not receiver.group:
                    mark.sendto(b"mark", (own, medium.port))
                    assert arrived(media, 1 + comes)[-1].data == b"mark"
                    assert media.counters["eth0"].received == 1 + comes
                else:
                    assert [item.data for item in media.drain(boot_clock())[0]] == [b"mine"] * comes


def test_several_media_of_one_device_have_one_receiver_and_none_takes_from_another(lab: Lab) -> None:
    a, b, _ = two(lab)
    on_the_same_port = Medium(MediumKind.MULTICAST, "eth0", "239.1.2.3", PORT, hops=1)
    media = (BROADCAST, unicast("10.1.1.2"), unicast("10.1.1.3"), unicast("fd01::2"), on_the_same_port)
    with (
        opened(a, *media) as one,
        opened(b, BROADCAST, unicast("10.1.1.1"), unicast("fd01::1"), on_the_same_port) as other,
    ):
        assert one.troubles == ()
        assert len(one.descriptors) == 3, "IPv4, IPv6 and the group"
        assert send(one, b"x") == 5
        assert [item.data for item in arrived(other, 4)] == [b"x"] * 4
        assert other.drain(boot_clock()) == ([], True)


def test_two_devices_at_one_port_keep_apart(lab: Lab) -> None:
    a, b, _ = two(lab)
    lab.segment({a: "10.1.2.1/24", b: "10.1.2.2/24"}, device="eth1")
    second = Medium(MediumKind.BROADCAST, "eth1", port=PORT)
    with opened(a, BROADCAST, unicast("10.1.2.2", "eth1")) as one, opened(b, second, unicast("10.1.1.1")) as other:
        assert send(one, b"by eth0", "eth0") == send(one, b"by eth1", "eth1") == 1
        assert sorted((item.network, item.data) for item in arrived(other, 2)) == [
            ("eth0", b"by eth0"),
            ("eth1", b"by eth1"),
        ]


def test_another_program_at_the_port_is_named_and_nothing_is_shared_with_it(lab: Lab) -> None:
    a, *_ = two(lab)
    in_use = r"port 694 \(UDP\): Address already in use; who has it: ss"
    with opened(a, BROADCAST), pytest.raises(OSError, match=in_use), opened(a, unicast("10.1.1.2")):
        pass


def test_a_lost_carrier_is_counted_and_the_link_goes_on_when_it_is_back(lab: Lab) -> None:
    a, b, switch = two(lab)
    lab.segment({a: "10.1.2.1/24", b: "10.1.2.2/24"}, device="eth1")
    with (
        opened(a, BROADCAST, unicast("10.1.2.2", "eth1")) as one,
        opened(b, BROADCAST, unicast("10.1.2.1", "eth1")) as two_,
    ):
        switch.run("ip link set dev a down")
        eventually(lambda: "NO-CARRIER" in a.run("ip -o link show eth0"), "the carrier is lost")
        send(one, b"x")
        assert [item.network for item in arrived(two_)] == ["eth1"]
        a.run("ip link set eth0 down")
        assert send(one, b"y") == 1
        assert "(to 10.1.1.255 port 694)" in one.counters["eth0"].last_error
        assert one.counters["eth0"].send_errors >= 1
        assert one.counters["eth1"].last_error == ""
        assert [item.data for item in arrived(two_)] == [b"y"]
        a.run("ip link set eth0 up")
        switch.run("ip link set dev a up")

        def back() -> bool:
            mend(a, one)
            send(one, b"back", "eth0")
            return any(item.network == "eth0" for item in two_.drain(boot_clock())[0])

        eventually(back, "eth0 carries again")
        assert one.counters["eth0"].last_error == ""


@pytest.mark.parametrize(
    "medium",
    [
        Medium(MediumKind.BROADCAST, "eth1", port=PORT),
        Medium(MediumKind.UNICAST, "eth1", "10.1.2.2", PORT),
        Medium(MediumKind.UNICAST6, "eth1", "fe80::b", PORT),
        Medium(MediumKind.MULTICAST, "eth1", "239.1.2.3", 6940, hops=1),
        Medium(MediumKind.MULTICAST6, "eth1", "ff02::694", 6940, hops=1),
    ],
)
def test_a_device_that_comes_late_is_deleted_and_made_again(lab: Lab, medium: Medium) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    back_way = {"10.1.2.2": "10.1.2.1", "fe80::b": "fe80::a"}.get(medium.peer, medium.peer)
    of_b = Medium(medium.kind, "eth1", back_way, medium.port, medium.hops)
    with opened(a, medium) as one, opened(b, of_b) as other:
        assert one.troubles == ("network eth1: there is no such network interface",)
        assert send(one, b"x") == 0
        assert one.counters["eth1"].last_error == one.troubles[0]
        descriptors = one.descriptors
        for round_number in range(2):
            lab.segment({a: "10.1.2.1/24 fe80::a/64", b: "10.1.2.2/24 fe80::b/64"}, device="eth1")
            assert mend(a, one) == mend(b, other) == ()
            heard = [False, False]

            def both_hear(heard: list[bool] = heard) -> bool:
                send(one, b"x"), send(other, b"y")
                heard[0] |= any(item.data == b"y" for item in one.drain(boot_clock())[0])
                heard[1] |= any(item.data == b"x" for item in other.drain(boot_clock())[0])
                return all(heard)

            eventually(both_hear, f"both hear in round {round_number}")
            a.run("ip link del eth1")
            b.run("ip link del eth1")
            eventually(lambda: send(one, b"x") == 0, "the device is gone")
            assert mend(a, one) == ("network eth1: there is no such network interface",)
            mend(b, other)
        assert one.descriptors == descriptors


def test_a_device_may_come_back_more_often_than_a_socket_may_have_groups(lab: Lab) -> None:
    """net.ipv4.igmp_max_memberships is 20: memberships on devices that are gone must be given back."""
    a = lab.machine("a")
    medium = Medium(MediumKind.MULTICAST, "eth1", "239.1.2.3", 6940, hops=1)
    with opened(a, medium) as media:
        for _ in range(25):
            a.run("ip link add eth1 type veth peer name other")
            a.run("ip link set eth1 up")
            assert mend(a, media) == ()
            a.run("ip link del eth1")
            mend(a, media)


def test_the_broadcast_address_is_asked_for_again_and_reckoned_where_none_is_set(lab: Lab) -> None:
    a = lab.machine("a")
    a.run("ip link add eth0 type veth peer name other")
    a.run("ip link set eth0 up")
    a.run("ip link set other up")
    with opened(a, BROADCAST) as media:
        no_address = "network eth0: the interface has no IPv4 address to reckon a broadcast address from"
        assert media.troubles == (no_address,)
        assert send(media, b"x") == 0
        for address, wanted in (
            ("10.9.1.1/20", "10.9.15.255"),
            ("10.9.2.2/24 brd 10.9.2.255", "10.9.2.255"),
            ("10.9.3.3/24 brd 10.9.3.77", "10.9.3.77"),
        ):
            a.run(f"ip addr add {address} dev eth0")
            assert mend(a, media) == ()
            assert send(media, b"x") == 1
            assert [sender.destination for sender in media._senders] == [(wanted, PORT)]
            a.run("ip addr flush dev eth0")


def test_a_name_that_is_not_known_yet_costs_that_medium_alone(lab: Lab) -> None:
    a, b, _ = two(lab)
    named = unicast("the-other-machine.invalid")
    assert host_names((named, BROADCAST, unicast("10.1.1.2"), unicast("fe80::b%eth0"))) == (named,)
    assert look_up((unicast("localhost"), unicast("10.1.1.2"))) == {"localhost": "127.0.0.1"}
    with opened(a, named, GROUP) as one, opened(b, unicast("10.1.1.1")) as other:
        assert one.troubles == ('network eth0: nobody knows an address of the host "the-other-machine.invalid"',)
        assert send(one, b"x") == 1
        with inside(a):
            one.know({"the-other-machine.invalid": "10.1.1.2"})
        assert one.troubles == ()
        assert send(one, b"y") == 2
        assert [item.data for item in arrived(other)] == [b"y"]


def test_a_drain_is_bounded_and_says_so(lab: Lab) -> None:
    a, b, _ = two(lab)
    with opened(a, unicast("10.1.1.2")) as one, opened(b, unicast("10.1.1.1")) as other:
        for number in range(5):
            send(one, b"%d" % number)
        first, empty = other.drain(boot_clock(), bound=3)
        assert ([item.data for item in first], empty) == ([b"0", b"1", b"2"], False)
        rest, empty = other.drain(boot_clock(), bound=3)
        assert ([item.data for item in rest], empty) == ([b"3", b"4"], True)


def test_a_serial_line_beside_a_network(lab: Lab, tmp_path: Path) -> None:
    a, b, _ = two(lab)
    master, slave = os.openpty()
    os.set_blocking(master, False)
    path = os.ttyname(slave)
    os.close(slave)
    try:
        serial = Medium(MediumKind.SERIAL, path, baud=9600)
        with inside(a):
            one = OldMedia((BROADCAST, serial), flow_control=False, lock_folder=str(tmp_path))
        with contextlib.closing(one), opened(b, BROADCAST) as other:
            assert one.serial == {path}
            text = b">>>\n" + b"x" * 600 + b"\n<<<\n"
            assert one.send(b"###\n", text, "status") == 2
            assert [item.data for item in arrived(other)] == [b"###\n"]
            assert os.read(master, 4096) == text[:512]
            due = one.next_deadline()
            assert due is not None
            one.drain(due)
            assert os.read(master, 4096) == text[512:]
            os.write(master, b"<<<\n")
            eventually(lambda: select.select(one.descriptors, [], [], 0)[0], "the line is readable")
            found = [item for item in one.drain(boot_clock())[0] if item.network == path]
            assert [item.data for item in found] == [b"<<<\n"]
            assert one.counters[path].sent == one.counters[path].received == 1
            os.close(master)
            master = -1
            one.drain(boot_clock())
            assert len(one.descriptors) == 1
            assert any(path in text for text in one.troubles)
            assert one.send(b"###\n", text) == 1
            assert one.counters[path].send_errors == 1
            master, slave = os.openpty()  # the lowest free number: the same name
            os.set_blocking(master, False)
            assert os.ttyname(slave) == path
            os.close(slave)
            assert mend(a, one) == ()
            assert one.send(b"###\n", b"again") == 2
            assert os.read(master, 4096) == b"again"
    finally:
        if master >= 0:
            os.close(master)
