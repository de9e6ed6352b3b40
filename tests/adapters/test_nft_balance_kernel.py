"""The load balancer's nf_tables in a real kernel: a client, a balancer and three servers that say their names."""

from __future__ import annotations

import re
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.nft_balance import PlaneNft, lacking
from understudy.balance import DropServer, DropService, Place, SetServer, SetService, TableServer, TableService
from understudy.services import Forward, ServiceKey
from understudy.units import SECOND

pytestmark = pytest.mark.kernel

FOUR, SIX = "10.60.0.100", "fd60::100"
PORT, OTHER = 80, 8080
LONG = 5.0
"""Seconds; what does not come by then does not come."""


class Servers:
    """Listens on many machines, and answers each line with the machine's name."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._over, self._bell = socket.socketpair()
        self._selector.register(self._over, selectors.EVENT_READ, "")
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def listen(self, machine: Machine, port: int) -> None:
        with inside(machine):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                opened = socket.socket(socket.AF_INET6, kind)
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                opened.bind(("::", port))
                if kind == socket.SOCK_STREAM:
                    opened.listen(50)
                self._selector.register(opened, selectors.EVENT_READ, machine.name)

    def start(self) -> None:
        self._thread.start()

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._over:
                    return
                self._answer(key.fileobj, key.data)  # type: ignore[arg-type]

    def _answer(self, opened: socket.socket, name: str) -> None:
        if opened.type == socket.SOCK_DGRAM:
            _, client, *_ = opened.recvfrom(100)
            opened.sendto(name.encode(), client)
        elif opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            self._selector.register(opened.accept()[0], selectors.EVENT_READ, name)
        else:
            try:
                said = opened.recv(100)
            except OSError:
                said = b""
            if said:
                opened.sendall(name.encode())
            else:
                self._selector.unregister(opened)
                opened.close()

    def close(self) -> None:
        self._bell.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]


@dataclass
class World:
    client: Machine
    balancer: Machine
    servers: tuple[Machine, ...]
    forward: Forward

    def place(self, number: int, family: int = 4) -> Place:
        net = "10.61.0" if self.forward is Forward.NAT else "10.60.0"
        six = "fd61::1" if self.forward is Forward.NAT else "fd60::1"
        return Place(
            f"{net}.1{number}" if family == 4 else f"{six}{number}", OTHER if self.forward is Forward.NAT else PORT
        )

    def service(self, scheduler: str, protocol: str = "tcp", family: int = 4, *, persistence: int = 0) -> TableService:
        key = ServiceKey(protocol, FOUR if family == 4 else SIX, PORT, family=family)
        return TableService(key, scheduler, persistence=persistence * SECOND)

    def whole(self, service: TableService, weights: Sequence[int]) -> list[SetService | SetServer]:
        """The service with servers of these weights."""
        made: list[SetService | SetServer] = [SetService(service, True, "test")]
        for number, weight in enumerate(weights, 1):
            server = TableServer(self.place(number, service.key.family), self.forward, weight)
            made.append(SetServer(service.key, server, True, "test"))
        return made

    def weigh(self, key: ServiceKey, number: int, weight: int) -> SetServer:
        return SetServer(key, TableServer(self.place(number, key.family), self.forward, weight), False, "test")

    def plane(self) -> PlaneNft:
        with inside(self.balancer):
            made = PlaneNft()
            made.read()
        return made

    def connect(self, family: int = 4, source: str = "") -> socket.socket:
        with inside(self.client):
            opened = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        opened.settimeout(LONG)
        if source:
            opened.bind((source, 0))
        opened.connect((FOUR if family == 4 else SIX, PORT))
        return opened

    def ask(self, family: int = 4, source: str = "") -> str:
        """Who answers a new connection."""
        with self.connect(family, source) as opened:
            return said(opened)

    def asked(self, times: int, family: int = 4) -> Counter[str]:
        return Counter(self.ask(family) for _ in range(times))

    def tell(self, family: int = 4, times: int = 1) -> str:
        """Who answers a datagram from a new port, the last of so many."""
        with inside(self.client):
            opened = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        with opened:
            opened.settimeout(LONG)
            for _ in range(times):
                opened.sendto(b"?", (FOUR if family == 4 else SIX, PORT))
                answer = opened.recv(100).decode()
            return answer


def said(opened: socket.socket) -> str:
    opened.sendall(b"?")
    return opened.recv(100).decode()


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


def world(lab: Lab, servers: Servers, forward: Forward) -> World:
    client, balancer = lab.machine("client"), lab.machine("balancer")
    reals = tuple(lab.machine(f"real{number}") for number in (1, 2, 3))
    front = {client: "10.60.0.9/24 10.60.0.8/24 fd60::9/64", balancer: f"10.60.0.1/24 fd60::1/64 {FOUR}/24 {SIX}/64"}
    numbered = list(enumerate(reals, 1))
    if forward is Forward.DIRECT:
        lab.segment(front | {real: f"10.60.0.1{number}/24 fd60::1{number}/64" for number, real in numbered})
        for real in reals:
            real.setting("ipv4/conf/all/arp_ignore", "1")
            real.setting("ipv4/conf/all/arp_announce", "2")
            real.run(f"ip address add {FOUR}/32 dev lo")
            real.run(f"ip address add {SIX}/128 dev lo")
    else:
        lab.segment(front)
        back = {real: f"10.61.0.1{number}/24 fd61::1{number}/64" for number, real in numbered}
        lab.segment({balancer: "10.61.0.1/24 fd61::1/64"} | back, "eth1")
        balancer.setting("ipv4/ip_forward", "1")
        balancer.setting("ipv6/conf/all/forwarding", "1")
        for real in reals:
            real.run("ip route add default via 10.61.0.1")
            real.run("ip -6 route add default via fd61::1")
    for real in reals:
        servers.listen(real, PORT if forward is Forward.DIRECT else OTHER)
    servers.start()
    return World(client, balancer, reals, forward)


@pytest.mark.parametrize("forward", [Forward.NAT, Forward.DIRECT])
def test_who_gets_new_connections(lab: Lab, servers: Servers, forward: Forward) -> None:
    here = world(lab, servers, forward)
    plane = here.plane()
    for family in (4, 6):
        assert plane.apply(here.whole(here.service("rr", family=family), (1, 5, 1))) == []
        assert here.asked(6, family) == {"real1": 2, "real2": 2, "real3": 2}
        assert plane.apply([SetService(here.service("wrr", family=family), False, "test")]) == []
        assert here.asked(14, family) == {"real1": 2, "real2": 10, "real3": 2}
        assert plane.apply(here.whole(here.service("rr", "udp", family=family), (1, 1))) == []
        assert Counter(here.tell(family) for _ in range(4)) == {"real1": 2, "real2": 2}
    here.tell(times=3)
    datagrams = here.service("rr", "udp").key
    began = sum(plane.counters()[datagrams, here.place(number)].connections for number in (1, 2))
    assert began == 4 + (1 if forward is Forward.NAT else 3), "by direct routing each datagram counts"
    assert plane.apply([SetService(here.service("sh"), False, "test")]) == []
    for source in ("10.60.0.8", "10.60.0.9"):
        assert len({here.ask(source=source) for _ in range(4)}) == 1
    found = plane.counters()
    key = here.service("rr").key
    each = [found[key, here.place(number)] for number in (1, 2, 3)]
    assert sum(item.connections for item in each) == 28
    assert all(item.packets_in > item.connections for item in each)
    listing = here.balancer.run("nft list ruleset")
    assert "table ip6 understudy_balance" in listing, "the system's own program must be able to list it"
    assert plane.apply([DropService(item.key, "test") for item, _ in plane.read().services]) == []
    assert plane.read().services == ()
    plane.close()


@pytest.mark.parametrize("forward", [Forward.NAT, Forward.DIRECT])
def test_what_becomes_of_connections(lab: Lab, servers: Servers, forward: Forward) -> None:
    """Weight 0 keeps what is there, removal stops it, and who comes back goes on; a second process adopts the table."""
    here = world(lab, servers, forward)
    first = here.plane()
    service = here.service("rr")
    assert first.apply(here.whole(service, (1, 1))) == []
    standing = first.read()
    opened = [here.connect() for _ in range(2)]
    by_name = {said(item): item for item in opened}
    assert set(by_name) == {"real1", "real2"}
    first.close()
    second = here.plane()
    assert second.read() == standing
    assert second.apply([here.weigh(service.key, 1, 0)]) == []
    assert here.asked(3) == {"real2": 3}
    assert said(by_name["real1"]) == "real1", "it keeps what it has"
    assert second.apply([DropServer(service.key, here.place(1), "test")]) == []
    by_name["real1"].settimeout(0.3)
    with pytest.raises(TimeoutError):
        said(by_name["real1"])
    by_name["real1"].settimeout(LONG)
    assert second.apply([replace(here.weigh(service.key, 1, 1), new=True)]) == []
    assert by_name["real1"].recv(100) == b"real1", "it goes on when the server is back"
    assert second.apply([DropServer(service.key, here.place(number), "test") for number in (1, 2)]) == []
    with pytest.raises(ConnectionRefusedError):
        here.ask()
    here.balancer.run("nft flush ruleset")
    assert second.apply([here.weigh(service.key, 2, 1)]) == [], "it is made again"
    assert here.asked(2) == {"real2": 2}
    for item in opened:
        item.close()
    second.close()


@pytest.mark.parametrize("forward", [Forward.NAT, Forward.DIRECT])
def test_clients_that_stay(lab: Lab, servers: Servers, forward: Forward) -> None:
    here = world(lab, servers, forward)
    plane = here.plane()
    service = replace(here.service("rr", persistence=60), granularity=32)
    assert plane.apply(here.whole(service, (1, 1))) == []
    names = {source: here.ask(source=source) for source in ("10.60.0.8", "10.60.0.9")}
    assert len(set(names.values())) == 2
    for source, name in names.items():
        assert {here.ask(source=source) for _ in range(3)} == {name}
    gone = int(names["10.60.0.9"][-1])
    assert plane.apply([here.weigh(service.key, gone, 0)]) == []
    assert here.ask(source="10.60.0.9") == names["10.60.0.9"], "as in IPVS, weight 0 sends nobody away"
    assert plane.apply([DropServer(service.key, here.place(gone), "test")]) == []
    assert here.ask(source="10.60.0.9") == names["10.60.0.8"]
    assert plane.apply([replace(here.weigh(service.key, gone, 1), new=True)]) == []
    wider = replace(service, persistence=90 * SECOND, granularity=24)
    assert plane.apply([SetService(wider, False, "another file")]) == []
    assert len({here.ask(source=source) for source in ("10.60.0.8", "10.60.0.9")}) == 1, "one network"
    assert "timeout 1m30s" in here.balancer.run("nft list ruleset")
    plane.close()


def test_a_standby_with_the_address_on_its_loopback_serves_nobody(lab: Lab, servers: Servers) -> None:
    """The table stands there; only a machine that has the address on the device by which packets come distributes them."""
    here = world(lab, servers, Forward.DIRECT)
    plane = here.plane()
    servers.listen(here.balancer, PORT)
    assert plane.apply(here.whole(here.service("rr"), (1, 1))) == []
    here.balancer.run(f"ip address del {FOUR}/24 dev eth0")
    here.balancer.run(f"ip address add {FOUR}/32 dev lo")
    assert here.asked(2) == {"balancer": 2}
    here.balancer.run(f"ip address del {FOUR}/32 dev lo")
    here.balancer.run(f"ip address add {FOUR}/32 dev eth0")
    assert here.asked(2) == {"real1": 1, "real2": 1}
    here_too = TableServer(Place("127.0.0.1", PORT), Forward.DIRECT)
    assert plane.apply([SetServer(here.service("rr").key, here_too, True, "it is a real server, too")]) == []
    assert here.asked(6) == {"balancer": 2, "real1": 2, "real2": 2}
    plane.close()


def test_by_nat_the_balancer_itself_serves_at_another_port(lab: Lab, servers: Servers) -> None:
    """As a fallback, and beside other servers; the service's address is not the first of its device."""
    here = world(lab, servers, Forward.NAT)
    plane = here.plane()
    servers.listen(here.balancer, OTHER)
    itself = SetServer(here.service("rr").key, TableServer(Place("127.0.0.1", OTHER)), True, "it is the fallback")
    assert plane.apply([*here.whole(here.service("rr"), ()), itself]) == []
    assert here.asked(2) == {"balancer": 2}
    assert plane.apply([here.weigh(itself.key, 1, 1)]) == []
    assert here.asked(4) == {"balancer": 2, "real1": 2}


@pytest.mark.parametrize("family", [4, 6])
def test_a_fallback_on_this_machine_by_nat_is_reached_on_all_addresses_and_not_on_the_loopback_alone(
    lab: Lab, servers: Servers, family: int
) -> None:
    """As ``core.pools.planes.differs`` says it."""
    here = world(lab, servers, Forward.NAT)
    loopback = "127.0.0.1" if family == 4 else "::1"
    with inside(here.balancer):
        assert lacking() == ""
        alone = socket.create_server((loopback, OTHER + 1), family=socket.AF_INET if family == 4 else socket.AF_INET6)
    assert "understudy" not in here.balancer.run("nft list tables"), "it was only tried"
    servers.listen(here.balancer, OTHER)
    plane, service = here.plane(), here.service("rr", family=family)
    key = service.key
    for port in (OTHER, OTHER + 1):
        local = SetServer(key, TableServer(Place(loopback, port), Forward.NAT), True, "test")
        assert plane.apply([SetService(service, True, "test"), local]) == []
        if port == OTHER:
            assert here.ask(family) == "balancer"
            assert plane.apply([replace(here.weigh(key, 1, 1), new=True)]) == []
            assert here.asked(4, family) == {"balancer": 2, "real1": 2}
            assert plane.counters()[key, Place(loopback, port)].connections == 3
            assert "pick_" in here.balancer.run("nft list ruleset")
            assert plane.apply([DropService(key, "test")]) == []
        else:
            with pytest.raises(ConnectionRefusedError):
                here.ask(family)
    alone.close()
    plane.close()


def test_a_server_whose_mac_changes_is_found_again(lab: Lab, servers: Servers) -> None:
    here = world(lab, servers, Forward.DIRECT)
    plane = here.plane()
    assert plane.apply(here.whole(here.service("rr"), (1,))) == []
    assert here.ask() == "real1"
    here.servers[0].run("ip link set eth0 address 02:00:00:00:00:77")
    here.servers[0].run("ping -c 1 -W 1 10.60.0.1", check=False)
    eventually(lambda: "02:00:00:00:00:77" in here.balancer.run("ip neighbour show 10.60.0.11"), "it is learned")
    assert here.ask() == "real1"
    plane.close()


def test_what_is_refused_is_told_with_its_reason_and_the_rest_is_done(lab: Lab) -> None:
    balancer = lab.machine("balancer")
    with inside(balancer):
        plane = PlaneNft()
        first, second = Place("10.61.0.11", OTHER), Place("10.61.0.12", OTHER)
        key = ServiceKey("tcp", FOUR, PORT)
        service = SetService(TableService(key, "rr"), True, "test")
        assert plane.apply([service, SetServer(key, TableServer(first), True, "test")]) == []
        before = plane.read()
        mixing = SetServer(key, TableServer(second, Forward.DIRECT), True, "by another way than the first one")
        refused = plane.apply([mixing, replace(service, new=False)])
        assert [(item.key, item.place) for item in refused] == [(key, second)], "the service can be so"
        assert plane.read() == before
        balancer.run("nft flush set ip understudy_balance live_1")
        good = [SetServer(key, TableServer(Place(f"10.61.0.{n}", OTHER)), True, "test") for n in range(20, 26)]
        refused = plane.apply([*good[:3], DropServer(key, first, "test"), *good[3:], mixing])
        assert [(item.place, item.text) for item in refused] == [
            (first, "No such file or directory"),
            (second, "servers by NAT and by direct routing in one service need IPVS"),
        ]
        ((_, standing),) = plane.read().services
        assert {server.place for server in standing} == {first, *(each.server.place for each in good)}
        strange = SetService(TableService(replace(key, port=8081), "rr", flags=("x" * 241,)), True, "test")
        refused = plane.apply([strange, replace(good[0], key=strange.service.key), replace(good[0], new=False)])
        assert [(item.key.port, item.place is None) for item in refused] == [(8081, True), (8081, False)], "it first"
        refused = plane.apply([DropServer(replace(key, port=OTHER), first, "test")])
        assert [item.place for item in refused] == [first], "there is no such service"
        plane.close()


def test_what_one_service_wants_in_vain_does_not_keep_another_from_what_it_can_have(lab: Lab) -> None:
    balancer = lab.machine("balancer")
    first, second = (ServiceKey("tcp", FOUR, port) for port in (PORT, OTHER))
    with inside(balancer):
        plane = PlaneNft()
        gone = [SetServer(first, TableServer(Place(f"10.61.1.{n}", OTHER)), True, "test") for n in range(1, 81)]
        bad = SetServer(second, TableServer(Place("10.61.2.1", OTHER)), True, "test")
        begun = [SetService(TableService(key, "rr"), True, "test") for key in (first, second)]
        assert plane.apply([*begun, *gone, bad]) == []
        for name in ("live_1", "live_2"):
            balancer.run(f"nft flush set ip understudy_balance {name}")
        good = [SetServer(second, TableServer(Place(f"10.61.2.{n}", OTHER)), True, "test") for n in range(2, 5)]
        dropped = [DropServer(first, each.server.place, "test") for each in gone]
        refused = plane.apply([*dropped, *good, DropServer(second, bad.server.place, "test")])
        assert [item.place for item in refused if item.key == second] == [bad.server.place]
        plane.close()


def test_a_service_whose_server_was_this_machine_can_be_changed_when_the_address_has_left(lab: Lab) -> None:
    balancer = lab.machine("balancer")
    with inside(balancer):
        balancer.run("ip link set lo up")
        balancer.run("ip address add 10.61.0.11/32 dev lo")
        key = ServiceKey("tcp", FOUR, PORT)
        mine, other = (TableServer(Place(f"10.61.0.{n}", PORT), Forward.DIRECT) for n in (11, 12))
        for changes in (
            [SetServer(key, other, True, "t")],
            [DropServer(key, mine.place, "t")],
            [DropService(key, "t")],
        ):
            plane = PlaneNft()
            begun = [SetService(TableService(key, "rr"), True, "t"), SetServer(key, mine, True, "t")]
            assert plane.apply(begun) == []
            assert "pick_" in balancer.run("nft list map ip understudy_balance nat"), "not sent on by direct routing"
            balancer.run("ip address del 10.61.0.11/32 dev lo")
            plane.read()
            assert plane.apply(changes) == []
            assert plane.apply([] if isinstance(changes[0], DropService) else [DropService(key, "t")]) == []
            assert plane.read().services == ()
            assert "pick_" not in balancer.run("nft list table ip understudy_balance")
            balancer.run("ip address add 10.61.0.11/32 dev lo")
            plane.close()


def test_an_address_that_came_before_a_look_is_in_the_rules_after_the_next_change(lab: Lab) -> None:
    balancer = lab.machine("balancer")
    with inside(balancer):
        balancer.run("ip link set lo up")
        key = ServiceKey("tcp", FOUR, PORT)
        one, two = (TableServer(Place(f"10.61.0.{n}", PORT), Forward.DIRECT) for n in (11, 12))
        plane = PlaneNft()
        begun = SetService(TableService(key, "rr"), True, "test")
        assert plane.apply([begun, *(SetServer(key, each, True, "test") for each in (one, two))]) == []
        balancer.run("ip address add 10.61.0.11/32 dev lo")
        plane.read()
        assert "update @here" not in balancer.run("nft list chain ip understudy_balance pick_1")
        assert plane.apply([replace(begun, new=False)]) == []
        assert "update @here" in balancer.run("nft list chain ip understudy_balance pick_1")
        plane.close()


def test_a_fresh_plane_knows_what_stands_before_it_changes_it(lab: Lab) -> None:
    with inside(lab.machine("balancer")):
        key, server = ServiceKey("tcp", FOUR, PORT), TableServer(Place("10.61.0.11", PORT))
        before, after = PlaneNft(), PlaneNft()
        begun = [SetService(TableService(key, "rr"), True, "test"), SetServer(key, server, True, "test")]
        assert before.apply(begun) == []
        assert after.apply([DropServer(key, server.place, "test")]) == []
        assert after.read().services == ((begun[0].service, ()),)
        before.close()
        after.close()


def test_a_table_that_cannot_be_listed_is_not_an_empty_one(lab: Lab) -> None:
    with inside(lab.machine("balancer")):
        plane = PlaneNft()
        key = ServiceKey("tcp", FOUR, PORT)
        assert plane.apply([SetService(TableService(key, "rr"), True, "test")]) == []
        plane.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            plane.read()


def test_it_is_known_which_of_several_balancers_wrote_a_service(lab: Lab) -> None:
    first, second = (ServiceKey("tcp", FOUR, port) for port in (PORT, OTHER))
    with inside(lab.machine("balancer")):
        one, other = PlaneNft("one"), PlaneNft("other")
        assert one.apply([SetService(TableService(first, "rr"), True, "test")]) == []
        other.read()
        assert other.apply([SetService(TableService(second, "rr"), True, "test")]) == []
        assert (one.read().own, other.read().own) == ({first}, {second})
        assert other.apply([SetService(TableService(first, "rr"), False, "test")]) == []
        assert (one.read().own, other.read().own) == (set(), {first, second})
        one.claim([first])
        assert (one.read().own, other.read().own) == (set(), {first, second}), "it is another one's"
        earlier, third = PlaneNft(), replace(first, port=8081)
        server = TableServer(Place("10.61.0.20", OTHER))
        earlier.read()
        for key in (third, replace(first, port=8082)):
            begins = [SetService(TableService(key, "rr"), True, "test"), SetServer(key, server, True, "test")]
            assert earlier.apply(begins) == []
        before = one.read().services
        one.claim([third])
        seen = one.read()
        assert (seen.own, {*seen.services}) == ({third}, {*before}), "of two that are nobody's only what is wanted"
        for plane in (earlier, one, other):
            plane.close()


def test_balancers_that_begin_at_once_have_chains_of_their_own(lab: Lab) -> None:
    """Such as those of two files of ldirectord: with one chain for both the clients of one get the servers of the other."""
    balancer = lab.machine("balancer")
    keys = [ServiceKey("tcp", FOUR, port) for port in (PORT, OTHER, 8081, 8082)]
    with inside(balancer):
        one, other = planes = PlaneNft("one"), PlaneNft("other")
        for plane in planes:
            plane.read()
        for plane, key in zip((one, other, one, other), keys, strict=True):
            assert plane.apply([SetService(TableService(key, "rr"), True, "test")]) == []
        assert {read.key for read, _ in other.read().services} == set(keys)
        told = balancer.run("nft list map ip understudy_balance nat")
        assert sorted(re.findall(r"goto (pick_\d+)", told)) == ["pick_1", "pick_2", "pick_3", "pick_4"]
        for plane in planes:
            plane.close()
