"""Checks that are no connections: datagrams, pings, programs, files, and such as ask nothing."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checking import PATIENCE, SHORT, Heard, Spoken, ask, check, closed_port, drive, engine, failure

from understudy.balancer.asker import Ears
from understudy.balancer.pings import Ping
from understudy.balancer.programs import Program, Programs
from understudy.balancer.reactor import Reactor
from understudy.balancer.sockets import Place
from understudy.service_checks import (
    Check,
    ConnectQuestion,
    FileQuestion,
    FixedQuestion,
    Pattern,
    PingQuestion,
    ProgramQuestion,
    Question,
    Service,
    ServiceQuestion,
    Target,
    UdpQuestion,
)
from understudy.units import MILLISECOND, SECOND


@contextlib.contextmanager
def answering(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """The port of a server of datagrams; None: it says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        over = threading.Event()

        def serve() -> None:
            while True:
                data, sender = server.recvfrom(65535)
                if over.is_set():
                    return
                said = answer(data)
                if said is not None:
                    server.sendto(said, sender)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port
        finally:
            over.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            thread.join(20.0)


# -- datagrams

ANY: tuple[tuple[int, int], ...] = ((ord("w"), 0xFF), (0, 0), (0x6F, 0xF0))

ANSWERS: dict[str, tuple[UdpQuestion, bytes, str]] = {
    "good": (UdpQuestion(b"how", True, ANY, 4, 4), b"well", ""),
    "short": (UdpQuestion(b"how", True, (), 5), b"well", "an answer of 4 bytes, wanted are 5 to 255"),
    "long": (UdpQuestion(b"how", True, (), 0, 3), b"well", "an answer of 4 bytes, wanted are 0 to 3"),
    "shorter than the pattern": (UdpQuestion(b"how", True, ANY), b"we", "another answer than wanted: 'we'"),
    "wrong": (UdpQuestion(b"how", True, ANY), b"wexy", "another answer than wanted: 'wexy'"),
    "not asked for": (UdpQuestion(b"how"), b"ill", ""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_datagrams(name: str) -> None:
    question, answer, said = ANSWERS[name]
    heard: list[bytes] = []
    with answering(lambda data: heard.append(data) or answer) as port:  # type: ignore[func-returns-value]
        assert failure(question, port, PATIENCE) == said
    assert heard == [b"how"] or b"" in heard


def test_silence_is_good_where_no_answer_is_needed() -> None:
    with answering(lambda data: None) as port:
        assert failure(UdpQuestion(b"x"), port, SHORT) == ""
        assert failure(UdpQuestion(b"x", True), port, SHORT) == "no answer within 150ms"


def test_an_icmp_error_is_a_failure() -> None:
    assert failure(UdpQuestion(b"x"), closed_port()) == "the datagram drew an error: Connection refused"
    assert failure(UdpQuestion(b"x", True), closed_port()) == "the datagram drew an error: Connection refused"


class Twice(Spoken):
    """Says two words and wants two answers."""

    to_search = ("one", "two")

    def begin(self) -> bytes:
        return b"one"

    def feed(self, data: bytes) -> bytes:
        if data == b"ONE":
            return b"two"
        self.verdict = "" if data == b"TWO" else "wrong"
        return b""


def test_a_dialogue_of_datagrams() -> None:
    question = ServiceQuestion(Service.DNS, udp=True)
    searched = ServiceQuestion(Service.DNS, expect=Pattern("(t|w)+o$"), udp=True)
    in_vain = ServiceQuestion(Service.SIP, expect=Pattern("three"), udp=True)
    with answering(lambda data: data.upper()) as port:
        for asked in (question, searched):
            assert failure(asked, port, PATIENCE, lambda asked, target: Twice()) == ""
        said = failure(in_vain, port, PATIENCE, lambda asked, target: Twice())
        assert said == "'three' is not in the answer, which begins 'one'"
    with answering(lambda data: b"x") as port:
        assert failure(question, port, PATIENCE, lambda asked, target: Twice()) == "wrong"


# -- pings


def may_ping() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not may_ping(), reason="raw sockets are not permitted")
def test_pings_are_told_apart() -> None:
    addresses = ["127.0.0.1", "127.0.0.2", "::1", "255.255.255.255", "127.0.0.1"]
    checks = [check(PingQuestion(), address=address) for address in addresses]
    heard = ask(checks)
    assert {number: heard.answers[number][0] for number in (0, 1, 2, 4)} == dict.fromkeys((0, 1, 2, 4), "")
    assert heard.troubles == {3: "cannot ping: Permission denied"}, (
        "broadcasts are not for us: nothing leaves this machine"
    )


class Lossy:
    """Stands for the sockets. ``send`` gives the number of the request as its ticket."""

    def __init__(self) -> None:
        self.replies: list[Callable[[], None]] = []
        self.forgotten: list[tuple[str, int]] = []

    def send(self, place: Place, replied: Callable[[], None]) -> tuple[str, int]:
        self.replies.append(replied)
        return (place.address[0], len(self.replies))

    def forget(self, ticket: tuple[str, int]) -> None:
        self.forgotten.append(ticket)


def test_a_ping_is_tried_as_often_as_wanted() -> None:
    told: list[str] = []
    pings = Lossy()
    ears = Ears(lambda failure, weight: told.append(failure), told.append, lambda: told.append("anew"))
    ping = Ping(pings, ears, Place(socket.AF_INET, ("192.0.2.1", 0)), SECOND, 3)  # type: ignore[arg-type]
    ping.ask()
    ping.expire()
    ping.expire()
    assert told == ["anew", "anew"]
    assert pings.forgotten == [("192.0.2.1", 1), ("192.0.2.1", 2)]
    ping.expire()
    assert told[2:] == ["no reply to 3 requests, each within 1s"]
    ping.ask()
    ping.expire()
    pings.replies[-1]()
    assert told[3:] == ["anew", ""]


# -- programs


def shell(script: str, *more: str, **words: bool) -> ProgramQuestion:
    return ProgramQuestion(("/bin/sh", "-c", script, "sh", *more), **words)


def test_exit_codes_and_last_words() -> None:
    assert failure(shell("exit 0")) == ""
    assert failure(shell('echo "$1 is ill"; echo; exit 3', "web1")) == "exit code 3: web1 is ill"
    assert failure(shell("kill -9 $$")) == "signal SIGKILL"
    assert (
        failure(ProgramQuestion(("/nonexistent/check",))) == "cannot run /nonexistent/check: No such file or directory"
    )


def test_a_program_that_cannot_be_watched_leaves_nothing_behind() -> None:
    class Full(Reactor):
        """Takes the output, and no descriptor after it."""

        def watch(self, descriptor: int, ready: Callable[[int], None], events: int = select.EPOLLIN) -> None:
            if self._ready:
                raise OSError(24, "Too many open files")
            super().watch(descriptor, ready, events)

    reactor, heard = Full(), []
    ears = Ears(lambda failure, weight: heard.append(failure), heard.append, lambda: None)
    before = len(os.listdir("/proc/self/fd"))
    Program(Programs(reactor), ears, shell("exec sleep 60"), SECOND).ask()
    assert heard == ["cannot run /bin/sh: Too many open files"]
    assert len(os.listdir("/proc/self/fd")) == before
    with open(f"/proc/self/task/{threading.get_native_id()}/children") as children:
        assert children.read() == ""
    reactor.close()


def test_weights_of_dynamic_programs() -> None:
    scripts = [shell(f"exit {code}", dynamic=True) for code in (0, 1, 2, 255)]
    heard = ask([check(item) for item in scripts])
    assert heard.answers == {0: ("", None), 1: ("exit code 1", None), 2: ("", 0), 3: ("", 253)}


def test_a_program_of_perl(tmp_path: Path) -> None:
    file = tmp_path / "check.pl"
    file.write_text("exit($ARGV[1] == 80 ? 0 : 7);")
    assert failure(ProgramQuestion((str(file), "192.0.2.1", "80"), perl=True)) == ""
    assert failure(ProgramQuestion((str(file), "192.0.2.1", "81"), perl=True)) == "exit code 7"


def test_a_hung_program_is_killed_with_its_children_and_delays_nobody(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    script = shell('sleep 1000 & echo "$! $$" >"$1"; wait', str(file))
    heard = Heard()
    with engine(heard, programs=2) as made:
        made.begin(1, check(script, timeout=300 * MILLISECOND))
        made.begin(2, Check(shell("exit 0"), Target("127.0.0.1"), MILLISECOND, PATIENCE))
        drive(made, lambda: 1 in heard.answers)
        assert heard.count.get(2, 0) >= 1, "the other went on"
        assert heard.answers[1] == ("sh was killed: not done after 300ms", None)
        pids = [int(word) for word in file.read_text().split()]
        drive(made, lambda: not any(lives(pid) for pid in pids))


def lives(pid: int) -> bool:
    """A zombie does not: who collects it may be busy."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_program_that_does_not_let_itself_be_ended_is_not_run_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = shell('trap "" TERM; echo x >>"$1"; while :; do sleep 0.2; done', str(log))
    heard = Heard()
    with engine(heard) as made:
        made.begin(1, Check(script, Target("127.0.0.1"), 100 * MILLISECOND, 500 * MILLISECOND))
        drive(made, lambda: heard.answers.get(1, ("",))[0].endswith("does not end when it is killed"))
        assert log.read_text() == "x\n"


def test_who_had_no_turn_accuses_nobody() -> None:
    heard = Heard()
    with engine(heard, programs=1) as made:
        made.begin(1, check(shell("sleep 1000"), timeout=PATIENCE))
        drive(made, lambda: made.asking == 1)
        made.begin(2, check(shell("exit 0"), timeout=SHORT))
        drive(made, lambda: 2 in heard.troubles)
        assert heard.answers == {}
        made.end(1)
        made.begin(3, check(shell("exit 0"), timeout=PATIENCE))
        drive(made, lambda: 3 in heard.answers)


def test_a_program_runs_as_whom_it_should() -> None:
    heard = ask([check(ProgramQuestion(("/bin/true",), user="nosuchuser"))])
    assert heard.troubles == {0: "/bin/true cannot be run: there is no user nosuchuser"}
    if os.geteuid() == 0:
        assert failure(ProgramQuestion(("/bin/sh", "-c", 'test "$(id -un)" = nobody'), user="nobody")) == ""


# -- files, and what asks nothing


@pytest.mark.parametrize(
    ("text", "factor", "answer"),
    [
        ("12\n", 1, ("", 12)),
        ("-3", 2, ("", -6)),
        ("300", 1, ("", 300)),
        ("-254", 2, ("", -508)),
        ("2147483647", 9, ("", 2147483647)),
        ("-2147483648", 1, ("{} says -2147483648, which takes it out", None)),
        ("-1073741824", 2, ("{} says -1073741824, which takes it out", None)),
        ("0", 0, ("", 0)),
        ("1", 0, ("{} says 1, which takes it out", None)),
        ("rubbish", 1, ("", 0)),
    ],
)
def test_files(tmp_path: Path, text: str, factor: int, answer: tuple[str, int | None]) -> None:
    path = tmp_path / "weight"
    path.write_text(text)
    heard = ask([check(FileQuestion(str(path), factor))])
    assert heard.answers == {0: (answer[0].format(path), answer[1])}


def test_what_asks_nothing() -> None:
    checks: list[Question] = [FixedQuestion(True), FixedQuestion(False), FileQuestion("/nonexistent/weight")]
    heard = ask([check(item) for item in checks])
    assert heard.answers == {0: ("", None), 1: ("the configuration says that it is never up", None), 2: ("", 0)}


def test_a_dialogue_that_nobody_knows_is_our_trouble() -> None:
    heard = ask([check(ServiceQuestion(Service.ORACLE), 1521), check(ConnectQuestion(), closed_port())])
    assert heard.troubles == {0: "nobody knows the dialogue of oracle"}
    assert list(heard.answers) == [1]
