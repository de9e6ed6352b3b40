"""The client: asks the service's address like a user would, with the neighbour cache that its kernel has by default.

``python -m understudy.lab.client udp FILE ADDRESS PORT INTERVAL_NS NAME...`` asks the responders by UDP;
``python -m understudy.lab.client http FILE URL INTERVAL_NS NAME...`` opens a new TCP connection for each question and looks
for a machine's name in the page. Both write ``Samples`` to FILE. An HTTP question that has no whole answer after one second
is given up, as unanswered.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..units import MILLISECOND, SECOND, Duration, Instant
from . import kernel
from .pace import steadily
from .samples import Samples

_KEPT = 10 * 60 * SECOND
_SEQUENCE = struct.Struct("<q")
_PATIENCE = SECOND


def ask_udp(path: str, address: str, port: int, interval: Duration, names: Sequence[str]) -> None:
    """One datagram each interval; the answer is its sequence number and the machine's name. Never returns."""
    samples = Samples.create(path, _KEPT // interval, interval)
    index = {name.encode(): number for number, name in enumerate(names)}
    asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asker.setblocking(False)
    asker.connect((address, port))

    def ask(sequence: int) -> None:
        samples.asked(sequence, kernel.now())
        with contextlib.suppress(OSError):  # no route, no neighbour, or last question's ICMP error: unanswered
            asker.send(_SEQUENCE.pack(sequence))

    def take() -> None:
        while True:
            try:
                data = asker.recv(256)
            except BlockingIOError:
                return
            except OSError:
                continue
            if len(data) >= _SEQUENCE.size:
                sequence = _SEQUENCE.unpack_from(data)[0]
                samples.answered(sequence, kernel.now(), index.get(data[_SEQUENCE.size :], -1))

    steadily(interval, [asker], ask, take)


@dataclass(slots=True)
class _Question:
    sequence: int
    until: Instant
    connection: socket.socket
    answer: bytes = b""
    over: bool = False


class HttpAsker:
    """Many questions in flight, none of which can hold up another."""

    def __init__(self, samples: Samples, url: str, names: Sequence[str]) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        path = parts.path or "/"
        self._request = f"GET {path} HTTP/1.0\r\nHost: {parts.hostname}\r\nConnection: close\r\n\r\n".encode()
        self._names = [name.encode() for name in names]
        self._samples = samples
        self._selector = selectors.EpollSelector()
        self._open: deque[_Question] = deque()

    def ask(self, sequence: int) -> None:
        """Open a connection; the answer is taken later."""
        self._give_up(kernel.now())
        self._samples.asked(sequence, kernel.now())
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        question = _Question(sequence, kernel.now() + _PATIENCE, connection)
        try:
            connection.connect(self._target)
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            return
        self._selector.register(connection, selectors.EVENT_WRITE, question)
        self._open.append(question)

    def take(self, patience: float = 0.0) -> None:
        """Go on with the questions that can; wait at most ``patience`` seconds for one that can."""
        for key, mask in self._selector.select(patience):
            self._go_on(key.data, mask)

    def _go_on(self, question: _Question, mask: int) -> None:
        connection = question.connection
        try:
            if mask & selectors.EVENT_WRITE:
                connection.send(self._request)
                self._selector.modify(connection, selectors.EVENT_READ, question)
                return
            data = connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self._end(question)
            return
        question.answer += data
        if not data:
            if question.answer.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200")):
                who = next((number for number, name in enumerate(self._names) if name in question.answer), -1)
                self._samples.answered(question.sequence, kernel.now(), who)
            self._end(question)

    def _end(self, question: _Question) -> None:
        if not question.over:
            question.over = True
            self._selector.unregister(question.connection)
            question.connection.close()

    def _give_up(self, now: Instant) -> None:
        while self._open and (self._open[0].over or self._open[0].until < now):
            self._end(self._open.popleft())


def ask_http(path: str, url: str, interval: Duration, names: Sequence[str]) -> None:
    """One connection each interval. Never returns."""
    samples = Samples.create(path, _KEPT // interval, interval)
    asker = HttpAsker(samples, url, names)
    tick = kernel.now() // interval + 1
    kernel.real_time(1)
    while True:
        left = tick * interval - kernel.now()
        if left > 0:
            asker.take(max(left, MILLISECOND) / 1e9)
            continue
        asker.ask(tick)
        tick = max(tick + 1, kernel.now() // interval)


def main() -> None:
    kind, path, target, *rest = sys.argv[1:]
    if kind == "udp":
        ask_udp(path, target, int(rest[0]), int(rest[1]), rest[2:])
    else:
        ask_http(path, target, int(rest[0]), rest[1:])


if __name__ == "__main__":
    main()
