"""The lease in a real kernel: what is served while it runs, and that nothing is when nobody renews it."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from netns import Lab, eventually, inside, missing, send

from understudy.adapters.address_lifetime import AddressLifetimeLeases
from understudy.adapters.addresses import AddressBook
from understudy.adapters.kernel_lease import SHORTEST, KernelLeases, table_name
from understudy.adapters.kernel_lease_setup import available, setup, teardown
from understudy.adapters.lease_choice import open_leases
from understudy.model import AddressResource, Cluster, Group, Quorum
from understudy.units import MILLISECOND, SECOND

pytestmark = pytest.mark.kernel

VIP, OTHER, VIP6 = "10.50.0.100", "10.50.0.101", "fd50::100"
PORT = 4000
EARLIEST = 60 * MILLISECOND
"""How much before its computed end a lease may be over."""


def group(name: str, *addresses: str) -> Group:
    return Group(name, tuple(AddressResource(item, item, 64 if ":" in item else 24, "eth0") for item in addresses))


def cluster(*groups: Group, name: str = "test site", dead_time: int = SECOND) -> Cluster:
    return Cluster(
        name=name,
        key_file="cluster.key",
        heartbeat=dead_time // 5,
        dead_time=dead_time,
        quorum=Quorum.MAJORITY,
        members=(),
        groups=groups,
    )


SITE = cluster(group("web", VIP, VIP6), group("db", OTHER), group("jobs"))


class Bench:
    """A node with the addresses on its device and its lease tables, a client, and a service on each address."""

    def __init__(self, lab: Lab) -> None:
        self.node, self.client = lab.machine("node"), lab.machine("client")
        self.switch = lab.segment({self.node: "10.50.0.1/24 fd50::1/64", self.client: "10.50.0.9/24 fd50::9/64"})
        with inside(self.node):
            self.book = AddressBook(tuple(item for each in SITE.groups for item in each.addresses))
            self.book.add(self.book.addresses)
            self.service = {address: listening(address) for address in (VIP, OTHER, VIP6)}
            assert setup(SITE) is None
            self.leases = KernelLeases(SITE, setup)
        self.sent = 0
        with inside(self.client):
            self.sender = {address: sending(address) for address in (VIP, OTHER, VIP6)}
        # The client knows the way, so that a test sees the lease and not the neighbour cache.
        for address in (VIP, OTHER, VIP6):
            self.client.run(f"ip neigh replace {address} lladdr {self.node.mac()} dev eth0 nud permanent")

    def hold(self, name: str, left: int) -> tuple[int, int]:
        """Grant, and return the clock before and after the system call."""
        before = time.monotonic_ns()
        with inside(self.node):
            assert self.leases.hold(name, left) is None
        return before, time.monotonic_ns()

    def served(self, address: str, until: int = 0) -> bool:
        """Whether a datagram of the client reaches the service.

        On a veth it is there when ``send`` returns, unless the machine is so busy that the kernel puts such work off; so one that
        is expected is waited for up to the monotonic clock ``until``.
        """
        self.sent += 1
        self.sender[address].send(b"%d" % self.sent)
        while True:
            while (data := received_data(self.service[address])) is not None:
                if data == b"%d" % self.sent:
                    return True
            if time.monotonic_ns() >= until:
                return False
            time.sleep(0.0005)


def received_data(service: socket.socket) -> bytes | None:
    try:
        return service.recv(32)
    except BlockingIOError:
        return None


def soon() -> int:
    """The monotonic clock, 10 s from now."""
    return time.monotonic_ns() + 10 * SECOND


def listening(address: str) -> socket.socket:
    made = socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
    )
    made.bind((address, PORT))
    return made


def sending(address: str) -> socket.socket:
    made = socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
    )
    made.connect((address, PORT))
    return made


def received(service: socket.socket) -> bool:
    return received_data(service) is not None


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    made = Bench(lab)
    yield made
    made.book.close()
    made.leases.close()


def each_millisecond(until: int) -> Iterator[int]:
    """The clock, about every millisecond, until it is past ``until``."""
    while (now := time.monotonic_ns()) < until:
        yield now
        time.sleep(0.001)


def assert_ends(bench: Bench, address: str, granted: tuple[int, int], left: int) -> None:
    """Poll past the end of a lease. Every poll is judged by the clock around it, so a busy machine can prove less, not wrong."""
    before, after = granted
    surely_on, surely_over = before + left - EARLIEST, after + left
    while_on, when_over = 0, 0
    for asked in each_millisecond(surely_over + 150 * MILLISECOND):
        answer = bench.served(address, until=surely_on)
        since = f"{(asked - before) / MILLISECOND:.1f} ms after a grant of {left / MILLISECOND:.0f} ms"
        if time.monotonic_ns() < surely_on:
            assert answer, f"not served {since}"
            while_on += 1
        elif asked > surely_over:
            assert not answer, f"served {since}"
            when_over += 1
    assert while_on
    if not when_over:  # this machine stood still until after the last poll
        assert not bench.served(address), "served after the end of its lease"


@pytest.mark.parametrize("address", [VIP, VIP6])
@pytest.mark.parametrize("left", [100 * MILLISECOND, 400 * MILLISECOND])
def test_service_ends_with_the_lease(bench: Bench, address: str, left: int) -> None:
    assert not bench.served(address), "nothing is served before the first lease"
    assert_ends(bench, address, bench.hold("web", left), left)


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_renewal_keeps_the_service_up_and_its_end_counts_from_the_last(bench: Bench, address: str) -> None:
    left = 200 * MILLISECOND
    granted = bench.hold("web", left)
    for _ in range(12):
        for _ in each_millisecond(granted[1] + 50 * MILLISECOND):
            surely_on = granted[0] + left - EARLIEST
            answer = bench.served(address, until=surely_on)
            assert answer or time.monotonic_ns() >= surely_on
        granted = bench.hold("web", left)
    assert_ends(bench, address, granted, left)


def test_a_renewal_may_shorten(bench: Bench) -> None:
    bench.hold("web", 60 * SECOND)
    assert_ends(bench, VIP, bench.hold("web", 150 * MILLISECOND), 150 * MILLISECOND)


def test_a_lease_that_ran_out_is_granted_again(bench: Bench) -> None:
    for _ in range(3):
        granted = bench.hold("web", 30 * MILLISECOND)
        for _ in each_millisecond(granted[1] + 40 * MILLISECOND):
            pass
        assert not bench.served(VIP)
    bench.hold("web", 60 * SECOND)
    assert bench.served(VIP, soon())
    assert bench.served(VIP6, soon())
    assert bench.leases.refused == 0, "a refused transaction holds up a busy machine for tens of milliseconds"


def test_many_are_held_together_whether_they_ran_out_or_not(bench: Bench) -> None:
    bench.hold("db", 60 * SECOND)
    with inside(bench.node):
        assert bench.leases.hold_all([(each, 60 * SECOND) for each in ("web", "db", "jobs")]) == {}
    assert all(bench.served(address, soon()) for address in (VIP, VIP6, OTHER))
    assert bench.leases.refused == 0


def test_an_end_is_at_once_and_may_be_repeated(bench: Bench) -> None:
    bench.hold("web", 60 * SECOND)
    with inside(bench.node):
        assert bench.leases.end("web") is None
        assert not bench.served(VIP)
        assert not bench.served(VIP6)
        assert bench.leases.end("web") is None
    bench.hold("web", 60 * SECOND)
    assert bench.served(VIP, soon())


@pytest.mark.parametrize("left", [0, -SECOND, 1 * MILLISECOND, SHORTEST * MILLISECOND - 1])
def test_what_is_too_short_for_the_kernels_clock_ends_the_lease(bench: Bench, left: int) -> None:
    """On older kernels a timeout below one jiffy would mean no timeout."""
    bench.hold("web", 60 * SECOND)
    bench.hold("web", left)
    assert not bench.served(VIP)


def test_groups_do_not_touch_each_other(bench: Bench) -> None:
    bench.hold("db", 60 * SECOND)
    assert bench.served(OTHER, soon())
    assert not bench.served(VIP)
    bench.hold("web", 60 * SECOND)
    with inside(bench.node):
        bench.leases.end("db")
    assert bench.served(VIP, soon())
    assert not bench.served(OTHER)


def test_an_unknown_group_is_a_text(bench: Bench) -> None:
    assert bench.leases.hold("nonesuch", SECOND) == "no group nonesuch in the configuration"
    assert bench.leases.end("nonesuch") == "no group nonesuch in the configuration"


def test_nothing_leaves_with_the_address_as_its_source(bench: Bench) -> None:
    for source, target in [(VIP, "10.50.0.9"), (VIP6, "fd50::9")]:
        with pytest.raises(OSError) as refused:
            send(bench.node, target, source)
        assert refused.value.errno == errno.EPERM
    bench.hold("web", 60 * SECOND)
    with inside(bench.client):
        heard = listening("10.50.0.9")
    send(bench.node, "10.50.0.9", VIP, PORT)
    eventually(lambda: received(heard), "the datagram arrives")


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_the_neighbours_get_no_answer_without_a_lease(bench: Bench, address: str) -> None:
    def state() -> str:
        return bench.client.run(f"ip neigh show {address} dev eth0")

    bench.client.setting("ipv4/neigh/eth0/retrans_time_ms", "20")
    bench.client.setting("ipv6/neigh/eth0/retrans_time_ms", "20")
    bench.client.run(f"ip neigh del {address} dev eth0")
    send(bench.client, address)
    eventually(lambda: "FAILED" in state(), "the client gives up")
    bench.hold("web", 60 * SECOND)
    bench.client.run("ip neigh flush all nud failed")
    send(bench.client, address)
    eventually(lambda: bench.node.mac() in state(), "the client finds the node")


def test_an_advertisement_of_the_address_from_another_one_is_held_back(bench: Bench) -> None:
    """The kernel advertises with the address as its source; whoever does it otherwise must not either."""
    advertisement = b"\x88\0\0\0\x20\0\0\0" + socket.inet_pton(socket.AF_INET6, VIP6)
    with inside(bench.node):
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    raw.bind(("fd50::1", 0))
    with pytest.raises(PermissionError):
        raw.sendto(advertisement, ("fd50::9", 0))
    raw.sendto(advertisement[:-1] + b"\x77", ("fd50::9", 0))
    bench.hold("web", 60 * SECOND)
    raw.sendto(advertisement, ("fd50::9", 0))


def test_what_the_node_says_with_its_own_address_is_free(bench: Bench) -> None:
    with inside(bench.client):
        heard, heard6 = listening("10.50.0.9"), listening("fd50::9")
    send(bench.node, "10.50.0.9", "10.50.0.1", PORT)
    send(bench.node, "fd50::9", "fd50::1", PORT)
    eventually(lambda: received(heard), "the datagram arrives")
    eventually(lambda: received(heard6), "the datagram arrives over IPv6")


def test_a_node_that_routes_to_the_holder_is_not_disturbed(lab: Lab) -> None:
    client, router, holder = lab.machine("client"), lab.machine("router"), lab.machine("holder")
    lab.segment({client: "10.40.0.9/24 fd40::9/64", router: "10.40.0.1/24 fd40::1/64"})
    lab.segment({router: "10.50.0.1/24 fd50::1/64", holder: f"{VIP}/24 {VIP6}/64"}, "eth1")
    client.run("ip route add 10.50.0.0/24 via 10.40.0.1")
    client.run("ip route add fd50::/64 via fd40::1")
    router.setting("ipv4/ip_forward", "1")
    router.setting("ipv6/conf/all/forwarding", "1")
    with inside(router):
        assert setup(SITE) is None
    with inside(holder):
        services = {address: listening(address) for address in (VIP, VIP6)}
    for address, service in services.items():
        send(client, address, port=PORT)
        eventually(lambda service=service: received(service), f"the datagram for {address} is forwarded")


def test_a_translated_address_ends_with_its_lease_too(bench: Bench) -> None:
    """As container engines do it: the packet is sent elsewhere before the input hook would see it."""
    rules = f"""
    table ip containers {{
      chain pre {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr {VIP} udp dport {PORT} dnat to 10.50.0.1:{PORT + 1}
      }}
    }}
    """
    bench.node.run("nft -f -", text=rules)
    with inside(bench.node):
        elsewhere = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        elsewhere.bind(("10.50.0.1", PORT + 1))
    bench.sender[VIP].send(b"?")
    assert not received(elsewhere)
    bench.hold("web", 60 * SECOND)
    bench.sender[VIP].send(b"?")
    eventually(lambda: received(elsewhere), "the translated datagram arrives")


def test_what_is_translated_to_the_address_needs_the_lease(bench: Bench) -> None:
    rules = f"""
    table ip forwarder {{
      chain pre {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr 10.50.0.1 udp dport {PORT} dnat to {VIP}:{PORT}
      }}
    }}
    """
    bench.node.run("nft -f -", text=rules)
    send(bench.client, "10.50.0.1", port=PORT)
    assert not received(bench.service[VIP])
    bench.hold("web", 60 * SECOND)
    send(bench.client, "10.50.0.1", port=PORT)
    eventually(lambda: received(bench.service[VIP]), "the translated datagram arrives")


def test_read_tells_what_runs_also_to_a_new_process(bench: Bench) -> None:
    assert bench.leases.read() == ()
    bench.hold("web", 60 * SECOND)
    bench.hold("jobs", 30 * SECOND)
    with inside(bench.node):
        fresh = KernelLeases(SITE, setup)
    found = dict(fresh.read())
    assert set(found) == {"web", "jobs"}
    assert 50 * SECOND < found["web"] <= 60 * SECOND
    assert 20 * SECOND < found["jobs"] <= 30 * SECOND
    with inside(bench.node):
        assert fresh.hold("web", 90 * SECOND) is None
        bench.node.run(f"nft delete element arp {table_name(SITE)} held_web {{ arp }}")
    assert set(dict(fresh.read())) == {"jobs"}, "a lease counts only where it runs in all its tables"


def test_a_second_set_up_keeps_the_lease_and_takes_the_new_configuration(bench: Bench) -> None:
    bench.hold("web", 60 * SECOND)
    bench.hold("db", 60 * SECOND)
    with inside(bench.node):
        assert setup(SITE) is None
    assert bench.served(VIP, soon())
    changed = cluster(group("other", OTHER), group("web", VIP))
    with inside(bench.node):
        assert setup(changed) is None
        leases = KernelLeases(changed, setup)
    assert [name for name, _ in leases.read()] == ["web"]
    assert bench.served(VIP, soon())
    assert not bench.served(OTHER), "the address belongs to a group without a lease now"
    assert bench.served(VIP6, soon()), "no longer ours, so nobody restricts it"
    listing = bench.node.run("nft list ruleset")
    assert "db" not in listing
    assert "ip6" not in listing


def test_tables_of_another_make_are_replaced(bench: Bench) -> None:
    table = table_name(SITE)
    bench.node.run(
        "nft -f -", text=f"delete table ip {table}\nadd table ip {table}\nadd set ip {table} held_web {{ type mark; }}"
    )
    with inside(bench.node):
        assert setup(SITE) is None
    assert not bench.served(VIP)
    bench.hold("web", 60 * SECOND)
    assert bench.served(VIP, soon())


def test_other_peoples_tables_are_untouched(bench: Bench) -> None:
    rules = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\t}\n}\n"
    bench.node.run("nft -f -", text=rules)
    before = bench.node.run("nft list table inet filter")
    other = cluster(group("web", "10.50.0.200"), name="other")
    with inside(bench.node):
        assert setup(other) is None
        bench.hold("web", 60 * SECOND)
        assert teardown(other) is None
        assert bench.served(VIP, soon())
        assert setup(SITE) is None
    assert bench.node.run("nft list table inet filter") == before
    with inside(bench.node):
        assert teardown(SITE) is None
        assert teardown(SITE) is None, "not there is success"
    assert bench.node.run("nft list ruleset") == before


@pytest.mark.parametrize("verb", ["hold", "end"])
def test_a_flushed_rule_set_is_repaired_by_the_next_turn(bench: Bench, verb: str) -> None:
    bench.hold("web", 60 * SECOND)
    bench.node.run("nft flush ruleset")
    assert bench.served(OTHER, soon()), "nothing is enforced now"
    with inside(bench.node):
        assert (bench.leases.hold("web", 60 * SECOND) if verb == "hold" else bench.leases.end("web")) is None
    assert bench.leases.repairs == 1
    assert not bench.served(OTHER)
    assert bench.served(VIP, soon() if verb == "hold" else 0) == (verb == "hold")


def test_available_changes_nothing(lab: Lab) -> None:
    node = lab.machine("node")
    with inside(node):
        assert available(SITE) is None
    assert node.run("nft list ruleset") == ""


def test_the_choice_falls_on_nf_tables(bench: Bench) -> None:
    with inside(bench.node):
        leases, warnings = open_leases(SITE, bench.book)
    assert isinstance(leases, KernelLeases)
    assert warnings == ()


def test_without_permission_the_choice_falls_on_lifetimes_and_says_why(lab: Lab) -> None:
    reason = missing("setpriv")
    if reason is not None:
        pytest.skip(reason)
    program = """
from understudy.adapters.addresses import AddressBook
from understudy.adapters.lease_choice import open_leases
from understudy.model import Cluster, Quorum
site = Cluster(name="site", key_file="k", heartbeat=200_000_000, dead_time=1_000_000_000, quorum=Quorum.MAJORITY,
    members=(), groups=())
leases, warnings = open_leases(site, AddressBook(()))
print(type(leases).__name__, *warnings, sep="\\n")
"""
    node = lab.machine("node")
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", program]
    with inside(node):
        done = subprocess.run(powerless, capture_output=True, text=True, timeout=30, check=False)
    lines = done.stdout.splitlines()
    assert lines[:1] == ["AddressLifetimeLeases"], done.stderr
    assert "not permitted to change nf_tables" in lines[1]
    assert "up to 1.5s beyond the dead time of 1s" in lines[2]
    assert node.run("nft list ruleset") == ""


class Lifetimes:
    """The fallback, on a node without lease tables."""

    def __init__(self, lab: Lab) -> None:
        self.node = lab.machine("node")
        lab.segment({self.node: "10.50.0.1/24 fd50::1/64"})
        self.site = cluster(group("web", VIP, VIP6), dead_time=3 * SECOND)
        with inside(self.node):
            self.book = AddressBook(self.site.groups[0].addresses)
            self.leases = AddressLifetimeLeases(self.site, self.book)

    def present(self) -> tuple[str, ...]:
        with inside(self.node):
            return self.book.present()


def test_lifetimes_end_without_renewal(lab: Lab) -> None:
    made = Lifetimes(lab)
    with inside(made.node):
        assert made.leases.hold("web", SECOND) is None
        assert made.book.present() == (), "a lease alone puts no address there"
        made.book.add(made.book.addresses)
        start = time.monotonic_ns()
        while time.monotonic_ns() < start + 2 * SECOND:
            assert made.leases.hold("web", 2970 * MILLISECOND) is None
            assert made.book.present() == (VIP, VIP6)
            time.sleep(0.1)
        assert [name for name, _ in made.leases.read()] == ["web"]
        assert 0 < dict(made.leases.read())["web"] <= 2 * SECOND
    eventually(lambda: made.present() == (), "the kernel removes the addresses")


def test_lifetimes_end_at_once_when_asked(lab: Lab) -> None:
    made = Lifetimes(lab)
    with inside(made.node):
        made.leases.hold("web", 10 * SECOND)
        made.book.add(made.book.addresses)
        assert made.leases.end("web") is None
        assert made.book.present() == ()
        assert made.leases.read() == ()
        assert made.leases.end("web") is None
        assert made.leases.hold("nonesuch", SECOND) == "no group nonesuch in the configuration"
