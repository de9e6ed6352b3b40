"""Virtual addresses in a real kernel: put there, taken away, and watched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.address_monitor import AddressMonitor, AddressThere
from understudy.adapters.addresses import AddressBook, prepare_devices
from understudy.events import AddressGone, LinkChanged
from understudy.model import AddressResource

pytestmark = pytest.mark.kernel


def address(text: str, prefix: int = 24, device: str = "eth0") -> AddressResource:
    return AddressResource(f"{text}@{device}", text, prefix, device)


def many(count: int) -> tuple[AddressResource, ...]:
    return tuple(
        address(f"10.50.{number // 200}.{number % 200 + 10}", 16)
        if number % 2
        else address(f"fd50::{number + 16:x}", 64)
        for number in range(count)
    )


@pytest.fixture
def node(lab: Lab) -> Machine:
    made = lab.machine("node")
    lab.segment({made: "10.50.0.1/16 fd50::1/64"})
    return made


class Watch:
    """A book and a monitor on a machine; ``facts`` collects everything that the monitor has said so far."""

    def __init__(self, machine: Machine, addresses: tuple[AddressResource, ...]) -> None:
        self.machine = machine
        with inside(machine):
            self.book = AddressBook(addresses)
            self.monitor = AddressMonitor(self.book)
        self.facts: list[object] = []

    def look(self) -> list[object]:
        with inside(self.machine):
            self.facts.extend(self.monitor.facts())
        return self.facts

    def saw(self, fact: object) -> None:
        eventually(lambda: fact in self.look(), f"{fact} is seen (seen: {self.facts})")


@pytest.fixture
def watch(node: Machine) -> Iterator[Watch]:
    made = Watch(node, (address("10.50.0.100", 16), address("10.50.0.101", 16), address("fd50::100", 64)))
    yield made
    made.monitor.close()
    made.book.close()


def texts(results: object) -> list[str]:
    return [text for _, text in results if text is not None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [1, 2, 200])
def test_addresses_come_and_go_in_batches(node: Machine, count: int) -> None:
    wanted = many(count)
    with inside(node):
        book = AddressBook(wanted)
        assert book.present() == ()
        assert texts(book.add(wanted)) == []
        assert book.present() == tuple(item.address for item in wanted)
        assert texts(book.add(wanted)) == [], "already there is success"
        assert texts(book.remove(wanted)) == []
        assert book.present() == ()
        assert texts(book.remove(wanted)) == [], "already gone is success"
    left = node.run("ip addr show eth0")
    assert "10.50.0.1/16" in left
    assert "fd50::1/64" in left


def test_a_change_of_many_goes_in_slices(node: Machine) -> None:
    wanted = many(150)
    with inside(node):
        book = AddressBook(wanted)
        change = book.begin_add(wanted)
        steps = 1
        while not change.step():
            steps += 1
            assert (steps > 2) <= len(book.present()) < 150
        assert steps == 7, "half of them are IPv6 and count fourfold; before them the routes of IPv4"
        assert len(change.results) == len(book.present()) == 150


def test_many_addresses_answer_before_the_last_one_is_on_its_device(lab: Lab, node: Machine) -> None:
    client = lab.machine("client")
    lab.segment({client: "10.51.0.2/16", node: "10.51.0.1/16"}, device="eth1")
    some = tuple(address(f"10.51.9.{n}", 16, "eth1") for n in range(1, 101))

    def routes() -> int:
        return node.run("ip route show table local").count("proto static")

    with inside(node):
        book = AddressBook(some)
        change = book.begin_add(some)
        assert not change.step()
        assert list(change.serving) == list(some)
        assert book.present() == ()
        assert routes() == len(some)
    client.run("ping -c 1 -W 5 10.51.9.100")
    with inside(node):
        book.close()
        book = AddressBook(some)  # of a process that was killed meanwhile nothing is left
        assert routes() == 0
        assert texts(book.add(some)) == []
        assert len(book.present()) == len(some)
        assert routes() == 0
        book.close()


def test_an_ipv6_address_serves_at_once_and_is_no_source(node: Machine) -> None:
    node.setting("ipv6/conf/eth0/accept_dad", "1")
    node.setting("ipv6/conf/eth0/dad_transmits", "10")
    with inside(node):
        AddressBook(()).add((address("fd50::100", 64),))
    shown = node.run("ip -6 addr show dev eth0 to fd50::100")
    assert "tentative" not in shown
    assert "deprecated" in shown
    assert "valid_lft forever" in shown
    assert "src fd50::1 " in node.run("ip -6 route get fd50::9")


def route_to(machine: Machine, target: str) -> str:
    return machine.run(f"ip route get {target}").replace("\n", " ")


def test_a_virtual_address_never_speaks_for_the_machine(lab: Lab) -> None:
    """At boot, and when the network is restarted under us, the machine's own address comes after the virtual one."""
    node = lab.machine("node")
    lab.segment({node: ""})
    vips = (address("10.50.0.100", 16), address("fd50::100", 64))
    with inside(node):
        book = AddressBook(vips)
        assert texts(book.add(vips)) == []
        for _ in range(2):
            node.run("ip addr add 10.50.0.1/16 dev eth0")
            node.run("ip addr add fd50::1/64 dev eth0 nodad")
            assert " src 10.50.0.1 " in route_to(node, "10.50.0.9")
            assert " src fd50::1 " in route_to(node, "fd50::9")
            node.run("ip addr del 10.50.0.1/16 dev eth0")
            node.run("ip addr del fd50::1/64 dev eth0")
            assert book.present() == ("10.50.0.100", "fd50::100"), "the own address takes none of ours along"


def test_virtual_addresses_alone_in_their_subnet_reach_it(node: Machine) -> None:
    first, second, elsewhere = address("10.61.0.100"), address("10.61.0.101"), address("10.50.0.100", 16)
    route = "10.61.0.0/24 dev eth0 proto static scope link metric 65000"
    with inside(node):
        book = AddressBook((first, second, elsewhere))
        assert texts(book.add((first, second, elsewhere))) == []
        assert " dev eth0 src 10.50.0.1 " in route_to(node, "10.61.0.9"), "its own address, not the virtual one"
        assert " src 10.50.0.1 " in route_to(node, "10.50.0.9")
        book.remove((first,))
        assert route in node.run("ip -4 route show"), "the second one needs it"
        book.remove((second,))
        assert route not in node.run("ip -4 route show")
        book.remove((elsewhere,))
    assert "65000" not in node.run("ip -4 route show")
    assert "10.50.0.0/16" in node.run("ip -4 route show"), "the machine's own"


def test_an_address_on_a_device_that_is_down_gets_its_route_when_it_is_up(node: Machine) -> None:
    watch = Watch(node, (address("10.61.0.100"),))
    node.run("ip link set eth0 down")
    watch.saw(LinkChanged("eth0", False))
    with inside(node):
        assert texts(watch.book.add(watch.book.addresses)) == []
    node.run("ip link set eth0 up")
    watch.saw(LinkChanged("eth0", True))
    assert " dev eth0 " in route_to(node, "10.61.0.9")


def test_devices_that_do_not_exist_are_not_called_dead(node: Machine) -> None:
    watch = Watch(node, (address("10.52.0.1", 24, "eth5"), address("10.50.0.100", 16)))
    assert watch.monitor.carriers() == (("eth0", True),)
    node.run("ip link add eth5 type veth peer name far5")
    watch.saw(LinkChanged("eth5", False))
    assert watch.monitor.carriers() == (("eth0", True), ("eth5", False))
    node.run("ip link set far5 up")
    node.run("ip link set eth5 up")
    watch.saw(LinkChanged("eth5", True))
    watch.facts.clear()
    node.run("ip link del eth5")
    watch.saw(LinkChanged("eth5", False))
    assert watch.monitor.carriers() == (("eth0", True),)


def test_only_the_address_that_is_refused_fails(node: Machine) -> None:
    node.setting("ipv6/conf/lo/disable_ipv6", "1")
    refused, missing_device = address("fd51::1", 64, "lo"), address("10.51.0.1", 24, "eth7")
    good = (address("10.51.0.2", 24, "lo"), address("10.50.0.100", 16))
    with inside(node):
        book = AddressBook(())
        results = dict(book.add((good[0], refused, missing_device, good[1])))
        assert results[good[0]] is results[good[1]] is None
        assert results[missing_device] == "there is no device eth7 on this machine"
        assert "IPv6 is switched off there" in str(results[refused])
        assert book.placed == {"10.51.0.2", "10.50.0.100"}
        assert texts(book.remove((missing_device,))) == [], "what has no device is surely gone"


def test_a_removal_finds_the_address_under_another_prefix_length(node: Machine) -> None:
    node.run("ip addr add 10.50.0.100/32 dev eth0")
    node.run("ip addr add 10.50.0.100/20 dev eth0")
    node.run("ip addr add fd50::100/128 dev eth0")
    with inside(node):
        book = AddressBook(())
        assert texts(book.remove((address("10.50.0.100", 16), address("fd50::100", 64)))) == []
    shown = node.run("ip addr show dev eth0")
    assert "10.50.0.100" not in shown
    assert "fd50::100" not in shown


def test_a_device_that_comes_back_is_found_again(node: Machine) -> None:
    wanted = (address("10.52.0.1", 24, "eth5"),)
    node.run("ip link add eth5 type veth peer name far5")
    with inside(node):
        book = AddressBook(wanted)
        assert texts(book.add(wanted)) == []
        node.run("ip link del eth5")
        assert texts(book.add(wanted)) == ["there is no device eth5 on this machine"]
        node.run("ip link add eth5 type veth peer name far5")
        assert texts(book.add(wanted)) == []
        assert book.present() == ("10.52.0.1",)


def test_removing_the_first_address_of_a_subnet_leaves_the_others(node: Machine) -> None:
    first, second = address("10.60.0.100"), address("10.60.0.101")
    node.setting("ipv4/conf/eth0/promote_secondaries", "0")
    with inside(node):
        assert prepare_devices((first,)) == ()
        book = AddressBook((first, second))
        book.add((first, second))
        book.remove((first,))
        assert book.present() == ("10.60.0.101",)


def test_present_and_carriers_at_the_start(node: Machine) -> None:
    node.run("ip addr add 10.50.0.100/16 dev eth0")
    node.run("ip link add eth5 type veth peer name far5")
    with inside(node):
        book = AddressBook((address("10.50.0.100", 16), address("10.50.0.101", 16)))
        assert book.present() == ("10.50.0.100",)
        assert book.carriers(("eth5", "eth7")) == (("eth0", True), ("eth5", False)), "there is no eth7"
        monitor = AddressMonitor(book, ("eth5", "eth7"))
        assert monitor.present() == book.present()
        assert monitor.carriers() == book.carriers(("eth5", "eth7"))


def test_an_address_deleted_by_somebody_is_noticed(watch: Watch) -> None:
    with inside(watch.machine):
        watch.book.add(watch.book.addresses)
    watch.saw(AddressThere("fd50::100"))
    watch.machine.run("ip addr del 10.50.0.100/32 dev eth0")
    watch.machine.run("ip addr del fd50::100/64 dev eth0")
    watch.saw(AddressGone("10.50.0.100"))
    watch.saw(AddressGone("fd50::100"))
    assert AddressGone("10.50.0.101") not in watch.facts


def test_our_own_removal_is_no_news(watch: Watch) -> None:
    with inside(watch.machine):
        watch.book.add(watch.book.addresses)
        watch.look()
        watch.book.remove(watch.book.addresses[:1])
    watch.machine.run("ip addr del 10.50.0.101/32 dev eth0")
    watch.saw(AddressGone("10.50.0.101"))
    assert AddressGone("10.50.0.100") not in watch.facts


def test_the_same_address_elsewhere_is_not_ours(watch: Watch) -> None:
    watch.machine.run("ip addr add 10.50.0.100/32 dev lo")
    watch.machine.run("ip addr add 10.50.0.101/16 dev eth0")
    watch.saw(AddressThere("10.50.0.101"))
    assert AddressThere("10.50.0.100") not in watch.facts


def test_a_pulled_cable_and_a_vanished_device_are_noticed(lab: Lab) -> None:
    node = lab.machine("node")
    switch = lab.segment({node: "10.50.0.1/16"})
    watch = Watch(node, (address("10.50.0.100", 16),))
    with inside(node):
        watch.book.add(watch.book.addresses)
    switch.run("ip link set dev node down")
    watch.saw(LinkChanged("eth0", False))
    switch.run("ip link set dev node up")
    watch.saw(LinkChanged("eth0", True))
    assert AddressGone("10.50.0.100") not in watch.facts
    watch.facts.clear()
    switch.run("ip link del dev node")
    watch.saw(LinkChanged("eth0", False))
    watch.saw(AddressGone("10.50.0.100"))


def test_a_renamed_device_is_another_device(lab: Lab) -> None:
    node = lab.machine("node")
    lab.segment({node: "10.50.0.1/16"})
    watch = Watch(node, (address("10.50.0.100", 16),))
    with inside(node):
        watch.book.add(watch.book.addresses)
    node.run("ip link set eth0 down")
    node.run("ip link set eth0 name eth9")
    node.run("ip link set eth9 up")
    watch.saw(LinkChanged("eth0", False))
    watch.saw(AddressGone("10.50.0.100"))


def test_lost_notifications_cost_no_fact(watch: Watch) -> None:
    with inside(watch.machine):
        watch.book.add(watch.book.addresses)
    watch.look()
    watch.machine.run("ip addr del 10.50.0.100/32 dev eth0")
    churn = "".join(
        f"addr {verb} 10.77.{n // 250}.{n % 250}/32 dev lo\n" for n in range(1500) for verb in ("add", "del")
    )
    watch.machine.run("ip -batch -", text=churn)
    watch.machine.run("ip link set eth0 down")
    watch.saw(AddressGone("10.50.0.100"))
    watch.saw(LinkChanged("eth0", False))
    assert AddressGone("10.50.0.101") not in watch.facts
