"""Heartbeat sockets on the loopback: what arrives, when it arrived, and that nothing waits or raises."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from pulse_parts import free_port

from understudy.adapters.udp import SO_TIMESTAMPNS, UdpLinks, boot_clock
from understudy.model import LinkKind
from understudy.units import MILLISECOND, SECOND


@dataclass(frozen=True)
class Way:
    peer: str
    network: str
    local: str
    remote: str
    port: int
    kind: LinkKind = LinkKind.UNICAST
    device: str | None = None


class WallClock:
    """The real one as it stood to the boot clock at first, set wrong by ``off`` nanoseconds.

    Not read anew: on a busy machine two readings lie as far apart as if the clock had jumped.
    """

    def __init__(self) -> None:
        self.off = 0
        self.apart = time.time_ns() - boot_clock()

    def __call__(self) -> int:
        return boot_clock() + self.apart + self.off


def pair(port: int, wall: WallClock | None = None) -> tuple[UdpLinks, UdpLinks]:
    return (
        UdpLinks((Way("b", "net1", "127.0.0.1", "127.0.0.2", port),)),
        UdpLinks((Way("a", "net1", "127.0.0.2", "127.0.0.1", port),), wall=wall or WallClock()),
    )


@pytest.fixture(scope="module", autouse=True)
def _stamps() -> Iterator[None]:
    """The kernel notes arrivals from a moment after the first socket has asked for it; before, it notes when one is read."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        own.bind(("127.0.0.1", 0))
        own.settimeout(5)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            own.sendto(b"?", own.getsockname())
            sent = time.time_ns()
            while time.time_ns() < sent + MILLISECOND:
                pass
            _, said, _, _ = own.recvmsg(1, 64)
            seconds, rest = struct.unpack("=qq", said[0][2])
            if seconds * SECOND + rest < sent + MILLISECOND // 2:
                break
        yield


@pytest.fixture
def wall() -> WallClock:
    """The wall clock of the second end."""
    return WallClock()


@pytest.fixture
def ends(wall: WallClock) -> Iterator[tuple[UdpLinks, UdpLinks]]:
    made = pair(free_port(), wall)
    yield made
    for end in made:
        end.close()


def wait_readable(links: UdpLinks) -> None:
    ready, _, _ = select.select(links.descriptors, [], [], 5)
    assert ready, "nothing arrived within 5 s"


def test_a_datagram_arrives_with_its_network_and_an_arrival_before_now(ends: tuple[UdpLinks, UdpLinks]) -> None:
    a, b = ends
    before = boot_clock()
    assert a.send(b"hello", to="b", network="net1") == 1
    wait_readable(b)
    now = boot_clock()
    (datagram,), empty = b.drain(now)
    assert (datagram.network, datagram.data, empty) == ("net1", b"hello", True)
    assert before - MILLISECOND <= datagram.arrival <= now


def test_arrival_is_when_the_kernel_received_it_not_when_we_looked(ends: tuple[UdpLinks, UdpLinks]) -> None:
    a, b = ends
    late = []
    for _ in range(20):
        a.send(b"x")
        wait_readable(b)
        received = boot_clock()
        while boot_clock() < received + 30 * MILLISECOND:  # be late ourselves
            time.sleep(0.005)
        (datagram,), _ = b.drain(boot_clock())
        if datagram.arrival <= received:
            return
        # The first socket on a machine that asks for dates switches dating on, and the kernel does that a moment later.
        late.append(datagram.arrival - received)
    raise AssertionError(f"never dated by the kernel: {late}")


@pytest.mark.parametrize("jump", [3600 * SECOND, -3600 * SECOND, 10 * MILLISECOND])
def test_a_jump_of_the_wall_clock_makes_no_datagram_older(
    ends: tuple[UdpLinks, UdpLinks], wall: WallClock, jump: int
) -> None:
    a, b = ends
    wall.off = jump
    a.send(b"x")
    wait_readable(b)
    now = boot_clock()
    (datagram,), _ = b.drain(now)
    assert datagram.arrival == now


def test_an_arrival_is_never_before_the_socket_was_last_empty(ends: tuple[UdpLinks, UdpLinks], wall: WallClock) -> None:
    a, b = ends
    emptied = boot_clock()
    b.drain(emptied)
    wall.off = MILLISECOND  # ahead, but by less than what counts as a jump
    a.send(b"x")
    wait_readable(b)
    (datagram,), _ = b.drain(boot_clock())
    assert datagram.arrival >= emptied


def test_draining_is_bounded_and_says_so(ends: tuple[UdpLinks, UdpLinks]) -> None:
    a, b = ends
    for number in range(10):
        a.send(str(number).encode())
    wait_readable(b)
    first, empty = b.drain(boot_clock(), bound=4)
    assert [item.data for item in first] == [b"0", b"1", b"2", b"3"]
    assert not empty
    rest: list[bytes] = []
    for _ in range(1000):
        found, empty = b.drain(boot_clock(), bound=4)
        rest += [item.data for item in found]
        if len(rest) == 6 and empty:
            break
    assert rest == [b"4", b"5", b"6", b"7", b"8", b"9"]


def test_an_address_and_a_network_that_do_not_exist_yet_are_counted_not_raised() -> None:
    links = UdpLinks((Way("b", "far", "192.0.2.77", "192.0.2.78", free_port()),))
    try:
        assert links.send(b"x") == 0
        assert links.counters["far"].send_errors == 1
        assert links.counters["far"].last_error
        assert links.drain(boot_clock()) == ([], True)
    finally:
        links.close()


def test_a_peer_that_does_not_listen_is_no_error(ends: tuple[UdpLinks, UdpLinks]) -> None:
    a, b = ends
    b.close()
    for _ in range(3):
        assert a.send(b"x") == 1
    assert a.drain(boot_clock()) == ([], True)


def test_a_port_that_is_taken_is_an_error_at_the_start() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="in use"):
            UdpLinks((Way("b", "net1", "127.0.0.1", "127.0.0.2", other.getsockname()[1]),))


def test_send_chooses_by_member_and_by_network() -> None:
    port = free_port()
    ways = (
        Way("b", "net1", "127.0.0.1", "127.0.0.2", port),
        Way("c", "net1", "127.0.0.1", "127.0.0.3", port),
        Way("b", "net2", "127.0.1.1", "127.0.1.2", port),
    )
    links = UdpLinks(ways)
    try:
        assert links.send(b"x") == 3
        assert links.send(b"x", to="b") == 2
        assert links.send(b"x", to="b", network="net2") == 1
        assert links.send(b"x", to="d") == 0
        assert {name: item.sent for name, item in links.counters.items()} == {"net1": 3, "net2": 3}
    finally:
        links.close()


def test_ipv6_unicast() -> None:
    port = free_port(socket.AF_INET6)
    links = UdpLinks((Way("self", "six", "::1", "::1", port),))
    try:
        assert links.send(b"six") == 1
        wait_readable(links)
        (datagram,), _ = links.drain(boot_clock())
        assert (datagram.network, datagram.data) == ("six", b"six")
    finally:
        links.close()


def test_the_own_port_may_differ_from_the_peers() -> None:
    ours, theirs = free_port(), free_port()
    a = UdpLinks((Way("b", "n", "127.0.0.1", "127.0.0.2", theirs),), ports={"127.0.0.1": ours})
    b = UdpLinks((Way("a", "n", "127.0.0.2", "127.0.0.1", ours),), ports={"127.0.0.2": theirs})
    try:
        for sender, receiver in ((a, b), (b, a)):
            sender.send(b"x")
            wait_readable(receiver)
            assert [item.data for item in receiver.drain(boot_clock())[0]] == [b"x"]
    finally:
        a.close()
        b.close()


def test_a_multicast_device_that_is_missing_is_a_trouble_in_words() -> None:
    way = Way("b", "m", "192.0.2.77", "239.1.2.3", free_port(), LinkKind.MULTICAST, "nonesuch0")
    links = UdpLinks((way,))
    try:
        (text, *_) = links.troubles
        assert text.startswith("link m: cannot join")
        links.mend()
        assert links.send(b"x") == 0
    finally:
        links.close()


def test_the_order_of_arrival_is_kept_over_several_sockets() -> None:
    port = free_port()
    sender = UdpLinks(
        (
            Way("b", "one", "127.0.0.1", "127.0.0.2", port),
            Way("b", "two", "127.0.1.1", "127.0.1.2", port),
        )
    )
    receiver = UdpLinks(
        (
            Way("a", "one", "127.0.0.2", "127.0.0.1", port),
            Way("a", "two", "127.0.1.2", "127.0.1.1", port),
        ),
        wall=WallClock(),
    )
    try:
        names = ["two", "one", "two", "one"]
        for number, name in zip(count(), names):
            sender.send(str(number).encode(), network=name)
        found: list[bytes] = []
        deadline = time.monotonic() + 5
        while len(found) < 4 and time.monotonic() < deadline:
            wait_readable(receiver)
            found += [item.data for item in receiver.drain(boot_clock())[0]]
        assert found == [b"0", b"1", b"2", b"3"]
    finally:
        sender.close()
        receiver.close()


def test_a_port_that_somebody_has_is_named_with_its_link() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(OSError, match="link net1") as caught:
            UdpLinks((Way("b", "net1", "127.0.0.1", "127.0.0.2", port),))
    assert caught.value.strerror == (
        f'link net1 cannot use 127.0.0.1 port {port} (UDP): Address already in use; who has it: ss -lunp "sport = :{port}"'
    )
