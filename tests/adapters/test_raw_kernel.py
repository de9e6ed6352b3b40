"""Neighbour frames between real machines: announcements that move clients, probes that find owners, rivals that are heard."""

from __future__ import annotations

import select

import pytest
from netns import Lab, Machine, eventually, inside, send

from understudy.adapters.raw import Announcer, ClaimSeen, Listener
from understudy.model import AddressResource
from understudy.wire import neighbour

pytestmark = pytest.mark.kernel

VIP, VIP6 = "10.50.0.100", "fd50::100"
ADDRESSES = (
    AddressResource("vip", VIP, 24, "eth0"),
    AddressResource("vip6", VIP6, 64, "eth0"),
)


class Segment:
    """Two nodes and a client on one switch."""

    def __init__(self, lab: Lab) -> None:
        self.a, self.b, self.client = lab.machine("a"), lab.machine("b"), lab.machine("client")
        ends = {
            self.a: "10.50.0.1/24 fd50::1/64",
            self.b: "10.50.0.2/24 fd50::2/64",
            self.client: "10.50.0.9/24 fd50::9/64",
        }
        self.switch = lab.segment(ends)


@pytest.fixture
def segment(lab: Lab) -> Segment:
    return Segment(lab)


def announcer(machine: Machine, addresses: tuple[AddressResource, ...] = ADDRESSES) -> Announcer:
    with inside(machine):
        return Announcer(addresses, neighbour.announcement, neighbour.probe)


def listener(machine: Machine, addresses: tuple[AddressResource, ...] = ADDRESSES) -> Listener:
    with inside(machine):
        return Listener(addresses, neighbour.claim)


def heard(ears: Listener, wanted: int) -> set[ClaimSeen]:
    found: set[ClaimSeen] = set()

    def enough() -> bool:
        found.update(ears.claims())
        return len(found) >= wanted

    eventually(enough, f"{wanted} claims are heard (heard: {found})")
    return found


def known_mac(client: Machine, address: str) -> str:
    fields = client.run(f"ip neigh show {address} dev eth0").split()
    return fields[fields.index("lladdr") + 1] if "lladdr" in fields else ""


def ask(client: Machine, address: str, owner: Machine) -> None:
    """Have the client's kernel look for ``address`` and find ``owner``."""
    send(client, address)
    eventually(lambda: known_mac(client, address) == owner.mac(), f"the client finds {address} at {owner.name}")


@pytest.mark.parametrize(("address", "prefix"), [(VIP, 24), (VIP6, 64)])
def test_an_announcement_moves_a_stock_clients_cache(segment: Segment, address: str, prefix: int) -> None:
    nodad = " nodad" if ":" in address else ""
    segment.a.run(f"ip addr add {address}/{prefix} dev eth0{nodad}")
    ask(segment.client, address, segment.a)
    segment.b.run(f"ip addr add {address}/{prefix} dev eth0{nodad}")
    assert announcer(segment.b).announce([item for item in ADDRESSES if item.address == address]) == ()
    eventually(lambda: known_mac(segment.client, address) == segment.b.mac(), "the client knows the new MAC address")


def test_an_announcement_is_heard_by_others_and_not_by_ourselves(segment: Segment) -> None:
    ours, others = listener(segment.a), listener(segment.b)
    speaker = announcer(segment.a)
    assert speaker.announce(ADDRESSES) == ()
    mac = segment.a.mac()
    assert speaker.macs() == {mac}
    assert heard(others, 2) == {ClaimSeen(VIP, "eth0", mac, False), ClaimSeen(VIP6, "eth0", mac, False)}
    # What b says now arrives behind everything that a could have heard of itself.
    announcer(segment.b).announce(ADDRESSES)
    assert {seen.mac for seen in heard(ours, 2)} == {segment.b.mac()}


def test_a_frame_of_ours_that_a_loop_brings_back_is_ignored(segment: Segment) -> None:
    ours = listener(segment.a)
    mac = bytes.fromhex(segment.a.mac().replace(":", ""))
    with inside(segment.b):
        echo = Announcer(
            ADDRESSES, lambda _, address, router=False: neighbour.announcement(mac, address), neighbour.probe
        )
    echo.announce(ADDRESSES)
    announcer(segment.b).announce(ADDRESSES)
    assert {seen.mac for seen in heard(ours, 2)} == {segment.b.mac()}


def test_a_probe_finds_the_owner(segment: Segment) -> None:
    segment.a.run(f"ip addr add {VIP}/24 dev eth0")
    segment.a.run(f"ip addr add {VIP6}/64 dev eth0 nodad")
    ears = listener(segment.b)
    assert announcer(segment.b).probe(ADDRESSES) == ()
    mac = segment.a.mac()
    assert heard(ears, 2) == {ClaimSeen(VIP, "eth0", mac, False), ClaimSeen(VIP6, "eth0", mac, False)}


def test_a_probe_leaves_caches_alone_and_is_heard_as_a_probe(segment: Segment) -> None:
    segment.a.run(f"ip addr add {VIP}/24 dev eth0")
    ask(segment.client, VIP, segment.a)
    ears = listener(segment.a)
    announcer(segment.b).probe(ADDRESSES)
    assert heard(ears, 2) == {ClaimSeen(item.address, "eth0", segment.b.mac(), True) for item in ADDRESSES}
    assert known_mac(segment.client, VIP) == segment.a.mac()


def test_a_rival_that_merely_talks_is_heard(segment: Segment) -> None:
    """No announcement at all: the rival asks for a neighbour with the address as its source."""
    ears = listener(segment.a)
    for text in (f"{VIP}/24", f"{VIP6}/64 nodad"):
        segment.b.run(f"ip addr add {text} dev eth0")
    send(segment.b, "10.50.0.9", VIP)
    send(segment.b, "fd50::9", VIP6)
    mac = segment.b.mac()
    assert heard(ears, 2) == {ClaimSeen(VIP, "eth0", mac, False), ClaimSeen(VIP6, "eth0", mac, False)}


def test_the_device_is_asked_for_the_group_of_others_probes(segment: Segment) -> None:
    """A real card drops what no socket has joined; a veth does not, so look at the list that a card would be given."""
    assert "33:33:ff:00:01:00" not in segment.a.run("ip maddr show dev eth0")
    ears = listener(segment.a)
    assert "33:33:ff:00:01:00" in segment.a.run("ip maddr show dev eth0")
    ears.close()
    assert "33:33:ff:00:01:00" not in segment.a.run("ip maddr show dev eth0")


def test_clients_that_ask_for_the_address_do_not_wake_us(segment: Segment) -> None:
    ears = listener(segment.a)
    segment.a.run(f"ip addr add {VIP}/24 dev eth0")
    segment.a.run(f"ip addr add {VIP6}/64 dev eth0 nodad")
    ask(segment.client, VIP, segment.a)
    ask(segment.client, VIP6, segment.a)
    assert select.select(ears.filenos(), [], [], 0)[0] == []
    assert ears.claims() == ()


@pytest.mark.parametrize("count", [200, 3000])
def test_many_addresses(segment: Segment, count: int) -> None:
    """200 fit into the filter; 3000 do not, and everything about neighbours is let through instead."""
    addresses = tuple(
        AddressResource(
            f"vip{n}", f"10.51.{n // 250}.{n % 250}" if n % 2 else f"fd51::{n:x}", 64 if n % 2 == 0 else 24, "eth0"
        )
        for n in range(count)
    )
    ears, speaker = listener(segment.b, addresses), announcer(segment.a, addresses)
    some = (addresses[0], addresses[1], addresses[count // 2], addresses[-2], addresses[-1])
    assert speaker.announce(some) == ()
    assert {seen.address for seen in heard(ears, 5)} == {item.address for item in some}


def test_a_machine_that_routes_says_so_to_its_clients(segment: Segment) -> None:
    """A client drops its default router when an advertisement of it comes without the router flag."""
    segment.a.setting("ipv6/conf/eth0/forwarding", "1")
    speaker, ears = announcer(segment.a), listener(segment.client, ADDRESSES[1:])
    segment.a.run(f"ip addr add {VIP6}/64 dev eth0 nodad")
    ask(segment.client, VIP6, segment.a)
    assert "router" in segment.client.run(f"ip neigh show {VIP6}")
    speaker.announce(ADDRESSES)
    assert len(heard(ears, 1)) == 1
    assert "router" in segment.client.run(f"ip neigh show {VIP6}")
    segment.a.setting("ipv6/conf/eth0/forwarding", "0")
    speaker.refresh()
    speaker.announce(ADDRESSES)
    eventually(
        lambda: "router" not in segment.client.run(f"ip neigh show {VIP6}"), "the client sees no router any more"
    )


def test_a_new_mac_address_is_announced(segment: Segment) -> None:
    speaker, ears = announcer(segment.a), listener(segment.b)
    segment.a.run("ip link set eth0 address 02:00:00:00:00:77")
    speaker.announce(ADDRESSES)
    assert {seen.mac for seen in heard(ears, 2)} == {"02:00:00:00:00:77"}


def test_devices_that_are_missing_or_come_back(lab: Lab, segment: Segment) -> None:
    other = tuple(AddressResource(item.id, item.address, item.prefix, "eth5") for item in ADDRESSES)
    speaker, ears = announcer(segment.a, other), listener(segment.a, other)
    filenos = ears.filenos()
    assert [text for _, text in speaker.announce(other)] == ["there is no device eth5 on this machine"] * 2
    for _ in range(2):
        rival = lab.machine(f"rival{_}")
        lab.segment({segment.a: "", rival: ""}, "eth5")
        speaker.refresh()
        ears.refresh()
        assert speaker.announce(other) == ()
        announcer(rival, other).announce(other)
        assert {seen.mac for seen in heard(ears, 2)} == {rival.mac("eth5")}
        segment.a.run("ip link del eth5")
        assert len(speaker.announce(other)) == 2
        assert ears.claims() == ()
    assert ears.filenos() == filenos


def test_a_device_without_neighbours_is_no_failure(segment: Segment) -> None:
    on_loopback = (AddressResource("vip", VIP, 32, "lo"),)
    speaker = announcer(segment.a, on_loopback)
    assert speaker.announce(on_loopback) == ()
    assert speaker.probe(on_loopback) == ()


def test_a_device_that_is_down_is_a_failure(segment: Segment) -> None:
    speaker = announcer(segment.a)
    segment.a.run("ip link set eth0 down")
    assert [text for _, text in speaker.announce(ADDRESSES)] == ["cannot send on eth0: Network is down"] * 2
