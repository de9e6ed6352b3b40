"""The engine itself: when it asks, what it holds against whom, and that it does as it is told from within."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import struct

from checking import PATIENCE, SHORT, Heard, check, closed_port, drive, engine, page, serving, until_closed

from understudy.balancer.engine import Engine
from understudy.balancer.reactor import Reactor
from understudy.balancer.real_parts import allow_descriptors, few_descriptors
from understudy.service_checks import Check, ConnectQuestion, FixedQuestion, HttpQuestion, Target, Tls
from understudy.services import RealServer, ServiceFiles, VirtualService
from understudy.units import MILLISECOND, NEVER, SECOND

HERE = Target("127.0.0.1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000 * SECOND

    def __call__(self) -> int:
        return self.now


def turn_until(made: Engine, clock: Clock, end: int, step: int = 50 * MILLISECOND) -> None:
    """The time goes on in steps; no turn comes too late."""
    while clock.now < end:
        clock.now = min(clock.now + step, max(made.next_deadline(), clock.now), end)
        made.turn()


def test_it_may_have_as_many_files_open_as_it_can_get_and_says_where_they_are_few() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], 256), before[1]))
    try:
        allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        reals = tuple(RealServer("10.0.0.2", port) for port in range(1, 158))
        files = [ServiceFiles((VirtualService("web", (), some),)) for some in (reals[:156], reals)]
        assert few_descriptors(files[0]) == []
        assert "may have 256 files open and may need 257" in few_descriptors(files[1])[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_starts_are_spread_and_come_in_time() -> None:
    clock, heard = Clock(), Heard()
    made = Engine(heard.answered, heard.trouble, clock=clock)
    begun = clock.now
    for number in range(100):
        made.begin(number, Check(FixedQuestion(True), HERE, SECOND))
    turn_until(made, clock, begun + 101 * MILLISECOND, MILLISECOND)
    assert set(heard.count) == set(range(100)), "the first answers come soon"
    turn_until(made, clock, begun + 2 * SECOND, MILLISECOND)
    heard.order.clear()
    for piece in range(10):
        turn_until(made, clock, begun + 2 * SECOND + (piece + 1) * 100 * MILLISECOND, MILLISECOND)
        assert 10 * piece + 5 <= len(heard.order) <= 10 * piece + 15
    assert sorted(heard.order) == sorted(range(100))
    assert made.lateness.over == 0
    assert made.lateness.worst <= MILLISECOND
    made.close()


def test_more_than_an_interval_has_room_for_begin_evenly_all_the_same() -> None:
    clock, heard = Clock(), Heard()
    made = Engine(heard.answered, heard.trouble, clock=clock)
    begun = clock.now
    for number in range(400):
        made.begin(number, Check(FixedQuestion(True), HERE, 100 * MILLISECOND))
    turn_until(made, clock, begun + 50 * MILLISECOND, MILLISECOND)
    assert 180 <= len(heard.count) <= 220
    turn_until(made, clock, begun + 100 * MILLISECOND, MILLISECOND)
    assert len(heard.count) == 400
    made.close()


def test_own_lateness_accuses_nobody() -> None:
    clock, heard = Clock(), Heard()
    with serving(until_closed) as port:
        made = Engine(heard.answered, heard.trouble, clock=clock)
        made.begin(1, check(HttpQuestion(), port, 2 * SECOND))
        turn_until(made, clock, clock.now + 100 * MILLISECOND)
        assert made.asking == 1
        clock.now += 3600 * SECOND  # stopped, or the machine was
        made.turn()
        turn_until(made, clock, clock.now + SECOND)
        assert heard.answers == {}
        assert made.lateness.stalled > 3599 * SECOND
        turn_until(made, clock, clock.now + SECOND)
        assert heard.answers == {1: ("no answer within 2s (connected, but no answer)", None)}
        made.close()


def test_a_limit_is_not_waited_for_longer_than_it_is() -> None:
    clock, heard = Clock(), Heard()
    with serving(until_closed) as port:
        made = Engine(heard.answered, heard.trouble, clock=clock)
        made.begin(1, Check(HttpQuestion(), Target("127.0.0.1", port), 5 * SECOND, 2 * SECOND))
        began = clock.now
        for count in (1, 2, 3):
            while heard.count.get(1, 0) < count:
                clock.now = min(clock.now + 50 * MILLISECOND, max(made.next_deadline(), clock.now))
                made.turn()
        assert clock.now - began < 13 * SECOND
        assert made.reactor.next_deadline() <= clock.now + 5 * SECOND
        made.close()


def test_no_more_descriptors_is_our_trouble() -> None:
    heard = Heard()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with engine(heard) as made:
        made.begin(1, check(ConnectQuestion(), closed_port()))
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            drive(made, lambda: bool(heard.troubles))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert heard.answers == {}
    assert heard.troubles == {1: "cannot open a socket: Too many open files"}


def test_what_is_ended_is_not_told() -> None:
    heard = Heard()
    with serving(until_closed) as port, engine(heard) as made:
        made.begin(1, check(HttpQuestion(), port))
        made.begin(2, check(HttpQuestion(tls=Tls()), port))
        made.begin(3, check(FixedQuestion(True)))
        made.end(3)
        drive(made, lambda: made.asking == 2)
        made.end(1)
        made.end(2)
        made.end(77)
        assert made.asking == 0
        made.begin(4, check(FixedQuestion(True)))
        drive(made, lambda: 4 in heard.answers)
    assert list(heard.answers) == [4]


def test_answers_may_begin_and_end_checks() -> None:
    told: list[int] = []

    def answered(number: int, failure: str, weight: int | None, took: int) -> None:
        told.append(number)
        made.end(number)
        if number < 5:
            made.begin(number + 1, Check(ConnectQuestion(), Target("127.0.0.1", port), SECOND))

    with serving(until_closed) as port:
        made = Engine(answered, lambda number, text: told.append(-1))
        made.begin(1, Check(ConnectQuestion(), Target("127.0.0.1", port), SECOND))
        drive(made, lambda: len(told) == 5)
        made.close()
    assert told == [1, 2, 3, 4, 5]


def test_connections_are_reset_so_that_no_port_waits() -> None:
    """A connection that we end first would stay in TIME_WAIT, if it were not reset."""
    states: list[int] = []

    def talk(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        try:
            connection.recv(1000)
        except ConnectionResetError:
            states.append(1)
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        states.append(struct.unpack("B", info)[0])

    heard = Heard()
    with serving(talk) as port, engine(heard) as made:
        made.begin(1, check(HttpQuestion(), port))
        drive(made, lambda: bool(heard.answers) and len(states) == 2)
    assert states == [1, 7], "7 is CLOSE (TCP_INFO, tcp(7))"


def test_the_engine_stands_in_another_loop() -> None:
    heard = Heard()
    with serving(until_closed) as port, engine(heard) as made, select.epoll() as outer:
        outer.register(made.descriptor(), select.EPOLLIN)
        made.begin(1, check(ConnectQuestion(), port))
        end = made.reactor.clock() + PATIENCE
        while not heard.answers:
            assert made.reactor.clock() < end
            outer.poll(max(made.next_deadline() - made.reactor.clock(), 0) / SECOND)
            made.turn()
    assert heard.answers == {1: ("", None)}


def test_others_may_watch_descriptors_and_wait_for_times() -> None:
    clock = Clock()
    reactor = Reactor(clock)
    seen: list[object] = []
    one, other = socket.socketpair()
    with one, other:
        reactor.watch(one.fileno(), lambda events: seen.append(one.recv(10)))
        other.send(b"x")
        reactor.drain()
        reactor.unwatch(one.fileno())
        other.send(b"y")
        reactor.drain()
        reactor.at(clock.now + 5, seen.append)
        assert reactor.next_deadline() == clock.now + 5
        reactor.expire(clock.now + 4)
        reactor.expire(clock.now + 6)
    assert seen == [b"x", clock.now + 6]
    assert reactor.next_deadline() == NEVER
    reactor.close()


def test_a_socket_has_one_connection_after_the_other() -> None:
    """Each has a port of its own and ends with a reset, and what comes next is not taken for what was before."""
    ports: list[int] = []
    ends: list[str] = []

    def talk(connection: socket.socket) -> None:
        ports.append(connection.getpeername()[1])
        connection.recv(65536)
        connection.sendall(page())
        try:
            connection.recv(65536)
            ends.append("closed")
        except ConnectionResetError:
            ends.append("reset")

    heard = Heard()
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        port, made = stack.enter_context(serving(talk)), stack.enter_context(engine(heard))
        made.begin(1, Check(HttpQuestion(), Target("127.0.0.1", port), 20 * MILLISECOND, 10 * SECOND))
        drive(made, lambda: heard.count.get(1, 0) == 5)
        made.end(1)
        there = len(os.listdir("/proc/self/fd"))
        made.begin(2, check(ConnectQuestion(), full.getsockname()[1], SHORT))
        made.begin(3, check(ConnectQuestion(), closed_port()))
        drive(made, lambda: made.asking == 1)
        assert len(os.listdir("/proc/self/fd")) <= there + 1, "the socket of the page asks the next question"
        drive(made, lambda: len(heard.answers) == 3)
    assert heard.answers == {
        1: ("", None),
        2: ("no answer within 150ms (no connection)", None),
        3: ("cannot connect: Connection refused", None),
    }
    assert len(set(ports)) == len(ports) >= 5
    assert set(ends) == {"reset"}
