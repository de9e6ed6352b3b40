"""Heartbeat links on real interfaces: multicast, broadcast, both families, and devices that come late or come back."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.udp import UdpLinks, boot_clock
from understudy.model import LinkKind

pytestmark = pytest.mark.kernel


@dataclass(frozen=True)
class Way:
    peer: str
    network: str
    local: str
    remote: str
    port: int = 5694
    kind: LinkKind = LinkKind.UNICAST
    device: str | None = None


@contextlib.contextmanager
def opened(machine: Machine, *ways: Way) -> Iterator[UdpLinks]:
    with inside(machine):
        links = UdpLinks(ways)
    try:
        yield links
    finally:
        links.close()


def send(machine: Machine, links: UdpLinks, data: bytes, to: str | None = None) -> int:
    """From inside, because device names are looked up when something is sent."""
    with inside(machine):
        return links.send(data, to=to)


def arrived(links: UdpLinks, count: int = 1) -> list[bytes]:
    """``count`` datagrams, or fewer when no more come for ten seconds."""
    found: list[bytes] = []
    end = time.monotonic() + 10
    while len(found) < count and time.monotonic() < end:
        select.select(links.descriptors, [], [], 0.2)
        found += [item.data for item in links.drain(boot_clock())[0]]
    return found


def _until(links: UdpLinks, found: list[bytes], last: bytes) -> bool:
    found += [item.data for item in links.drain(boot_clock())[0]]
    return last in found


def three(lab: Lab) -> tuple[Machine, Machine, Machine]:
    machines = lab.machine("a"), lab.machine("b"), lab.machine("c")
    lab.segment({machine: f"10.1.1.{number}/24 fd01::{number}/64" for number, machine in enumerate(machines, 1)})
    for machine in machines:
        machine.run("ip -6 addr flush dev eth0 scope link")
        machine.run("ip link set eth0 addrgenmode none")
    return machines


@pytest.mark.parametrize(
    ("kind", "group", "family", "device"),
    [
        (LinkKind.MULTICAST, "239.1.2.3", 4, "eth0"),
        (LinkKind.MULTICAST, "239.1.2.3", 4, None),
        (LinkKind.MULTICAST, "ff02::5694", 6, "eth0"),
        (LinkKind.BROADCAST, "10.1.1.255", 4, None),
    ],
)
def test_one_datagram_serves_a_whole_network(
    lab: Lab, kind: LinkKind, group: str, family: int, device: str | None
) -> None:
    machines = dict(zip("abc", three(lab), strict=True))
    base = "10.1.1." if family == 4 else "fd01::"
    own = {name: f"{base}{number}" for number, name in enumerate("abc", 1)}

    def ways(me: str) -> list[Way]:
        return [Way(peer, "net1", own[me], group, kind=kind, device=device) for peer in "abc" if peer != me]

    with (
        opened(machines["a"], *ways("a")) as a,
        opened(machines["b"], *ways("b")) as b,
        opened(machines["c"], *ways("c")) as c,
    ):
        assert a.troubles == ()
        heard: dict[str, bool] = {}

        def both_hear() -> bool:
            send(machines["a"], a, b"up")
            for name, end in (("b", b), ("c", c)):
                heard[name] = heard.get(name, False) or bool(end.drain(boot_clock())[0])
            return all(heard.values())

        eventually(both_hear, "the network carries")
        assert send(machines["a"], a, b"to all") == 1
        assert send(machines["a"], a, b"again", to="b") == 1
        for end in (b, c):
            found: list[bytes] = []
            eventually(lambda end=end, found=found: _until(end, found, b"again"), "both arrive")  # type: ignore[misc]
            assert [data for data in found if data != b"up"] == [b"to all", b"again"]
        assert a.drain(boot_clock())[0] == [], "nobody hears himself"


def test_ipv6_unicast_with_a_link_local_address(lab: Lab) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    lab.segment({a: "fe80::a/64", b: "fe80::b/64"})
    with (
        opened(a, Way("b", "net1", "fe80::a", "fe80::b", device="eth0")) as one,
        opened(b, Way("a", "net1", "fe80::b", "fe80::a", device="eth0")) as two,
    ):
        eventually(lambda: send(a, one, b"x") == 1, "the address can be used")
        assert arrived(two)[0] == b"x"


def test_an_address_that_comes_after_the_start_is_used_without_opening_anything_again(lab: Lab) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    lab.segment({a: "", b: "10.1.1.2/24"})
    with (
        opened(a, Way("b", "net1", "10.1.1.1", "10.1.1.2")) as one,
        opened(b, Way("a", "net1", "10.1.1.2", "10.1.1.1")) as two,
    ):
        assert one.send(b"x") == 0
        assert one.counters["net1"].last_error
        a.run("ip addr add 10.1.1.1/24 dev eth0")
        eventually(lambda: one.send(b"late") == 1, "the address can be used")
        assert one.counters["net1"].last_error == ""
        assert arrived(two)[0] == b"late"
        two.send(b"back")
        assert arrived(one) == [b"back"]


def test_a_multicast_device_that_comes_back_is_joined_again(lab: Lab) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    lab.segment({a: "10.1.1.1/24", b: "10.1.1.2/24"})
    group = {"kind": LinkKind.MULTICAST, "device": "eth1"}
    with (
        opened(a, Way("b", "net1", "10.1.2.1", "239.1.2.3", **group)) as one,  # type: ignore[arg-type]
        opened(b, Way("a", "net1", "10.1.2.2", "239.1.2.3", **group)) as two,  # type: ignore[arg-type]
    ):
        assert "cannot join 239.1.2.3 from 10.1.2.1" in " ".join(one.troubles)
        for _ in range(2):
            lab.segment({a: "10.1.2.1/24", b: "10.1.2.2/24"}, device="eth1")
            for machine, links in ((a, one), (b, two)):
                with inside(machine):
                    links.mend()
            assert one.troubles == two.troubles == ()
            eventually(lambda: send(a, one, b"x") == 1 and two.drain(boot_clock())[0], "it is heard")
            for machine in (a, b):
                machine.run("ip link del eth1", check=False)
            eventually(lambda: one.send(b"x") == 0, "the device is gone")


def test_a_link_without_carrier_is_counted_and_harms_no_other(lab: Lab) -> None:
    a, b = lab.machine("a"), lab.machine("b")
    lab.segment({a: "10.1.1.1/24", b: "10.1.1.2/24"})
    lab.segment({a: "10.1.2.1/24", b: "10.1.2.2/24"}, device="eth1")
    with (
        opened(a, Way("b", "one", "10.1.1.1", "10.1.1.2"), Way("b", "two", "10.1.2.1", "10.1.2.2")) as ours,
        opened(b, Way("a", "one", "10.1.1.2", "10.1.1.1"), Way("a", "two", "10.1.2.2", "10.1.2.1")) as theirs,
    ):
        a.run("ip link set eth0 down")
        assert ours.send(b"x") == 1
        assert ours.counters["one"].send_errors == 1
        assert ours.counters["one"].last_error.startswith("Network is unreachable (from ")
        assert ours.counters["two"].last_error == ""
        assert arrived(theirs) == [b"x"]
