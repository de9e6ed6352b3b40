"""Helpers of the tests of the engine: small servers in threads, and an engine that is driven until everything is answered."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from understudy.balancer.engine import Engine, Make
from understudy.service_checks import Check, Question, Target
from understudy.units import MILLISECOND, SECOND, Duration

PATIENCE = 30 * SECOND
"""Far more than any of these tests takes, also on a busy machine."""

Conversation = Callable[[socket.socket], None]


@dataclass
class Heard:
    """What an engine told. ``answers``: number -> (failure, weight), the last one."""

    answers: dict[int, tuple[str, int | None]] = field(default_factory=dict)
    count: dict[int, int] = field(default_factory=dict)
    troubles: dict[int, str] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)

    def answered(self, number: int, failure: str, weight: int | None, took: Duration) -> None:
        assert took >= 0
        self.answers[number] = (failure, weight)
        self.count[number] = self.count.get(number, 0) + 1
        self.order.append(number)

    def trouble(self, number: int, text: str) -> None:
        self.troubles[number] = text


@contextlib.contextmanager
def engine(heard: Heard, dialogue: Make | None = None, programs: int = 64) -> Iterator[Engine]:
    made = Engine(heard.answered, heard.trouble, dialogue, programs=programs)
    try:
        yield made
    finally:
        made.close()


def drive(made: Engine, until: Callable[[], bool]) -> None:
    """Turns until it holds."""
    end = made.reactor.clock() + PATIENCE
    while not until():
        assert made.reactor.clock() < end, "that never came to be"
        made.reactor.wait(min(made.next_deadline(), end))
        made.turn()


def check(question: Question, port: int = 0, timeout: Duration = 10 * SECOND, address: str = "127.0.0.1") -> Check:
    return Check(question, Target(address, port), interval=60 * SECOND, timeout=timeout)


def ask(checks: Sequence[Check], dialogue: Make | None = None, programs: int = 64) -> Heard:
    """Each of them once, all at the same time."""
    heard = Heard()
    with engine(heard, dialogue, programs) as made:
        for number, item in enumerate(checks):
            made.begin(number, item)
        drive(made, lambda: len(heard.answers) + len(heard.troubles) == len(checks))
    return heard


def failure(question: Question, port: int = 0, timeout: Duration = 10 * SECOND, dialogue: Make | None = None) -> str:
    """What one asking says: "" for a good answer."""
    heard = ask([check(question, port, timeout)], dialogue)
    assert not heard.troubles
    return heard.answers[0][0]


@contextlib.contextmanager
def serving(talk: Conversation, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> Iterator[int]:
    """The port of a server that has ``talk`` with each connection, one after the other, in a thread."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        listener.listen(64)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection = listener.accept()[0]
                    connection.settimeout(20.0)
                    with connection:
                        if over.is_set():
                            return
                        talked = tls.wrap_socket(connection, server_side=True) if tls is not None else connection
                        with talked:
                            talk(talked)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            with contextlib.suppress(OSError), socket.socket(family) as last:
                last.connect(listener.getsockname()[:2])
            thread.join(25.0)


def saying(data: bytes, asks: bool = True) -> Conversation:
    """``data`` when something was heard (or at once), then the end."""

    def talk(connection: socket.socket) -> None:
        if asks:
            connection.recv(65536)
        connection.sendall(data)

    return talk


def until_closed(connection: socket.socket) -> None:
    """Nothing, until the other side goes."""
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def then_nothing(data: bytes) -> Conversation:
    def talk(connection: socket.socket) -> None:
        connection.sendall(data)
        until_closed(connection)

    return talk


def page(body: bytes = b"all is well", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def closed_port() -> int:
    """Where nobody listens."""
    with socket.socket() as handle:
        handle.bind(("127.0.0.1", 0))
        port: int = handle.getsockname()[1]
        return port


SHORT = 150 * MILLISECOND
