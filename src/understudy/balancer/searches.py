"""Regular expressions that could take for ever, sought in helper processes which are killed when they take too long.

Two helpers, started when first needed and kept; a runaway expression holds one of them for ``LONGEST``, and then its check has
failed. What waits behind it that long accuses nobody, nor does a helper that starts slowly or dies.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable

from ..units import NEVER, SECOND, Duration, Instant, format_duration
from ..wire.search import Search
from .reactor import CHANGES, Reactor

LONGEST: Duration = SECOND
MOST_HELPERS = 2
_STARTING: Duration = 10 * SECOND
"""Until a new helper is ready: Python has to start on a busy machine."""

NOT_TRIED = "its regular expression could not be tried: others took all the time, or its process was not ready"

Sought = Callable[[bool | None, str], None]
"""Whether the answer is as wanted; None: it took too long, or with a sentence: it could not be tried."""


class Ticket:
    """One search. ``waiting``: no helper that is ready has taken it up yet."""

    __slots__ = ("search", "sought", "waiting", "wanted")

    def __init__(self, search: Search, sought: Sought) -> None:
        self.search, self.sought = search, sought
        self.waiting = self.wanted = True

    def cancel(self) -> None:
        self.wanted = False


class Searcher:
    """Never calls back before ``search`` has returned."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._queue: deque[Ticket] = deque()
        self._helpers: list[_Helper] = []

    def search(self, search: Search, sought: Sought) -> Ticket:
        ticket = Ticket(search, sought)
        self._queue.append(ticket)
        self._reactor.at(self._reactor.clock(), lambda now: self._serve())
        return ticket

    def _serve(self) -> None:
        while self._queue:
            if not self._queue[0].wanted:
                self._queue.popleft()
                continue
            helper = next((item for item in self._helpers if item.ticket is None), None)
            if helper is None and len(self._helpers) < MOST_HELPERS:
                try:
                    helper = _Helper(self._reactor, self._served)
                except (OSError, subprocess.SubprocessError) as error:
                    ticket = self._queue.popleft()
                    ticket.sought(None, f"cannot start a process for regular expressions: {error}")
                    continue
                self._helpers.append(helper)
            if helper is None:
                return
            helper.take(self._queue.popleft())

    def _served(self, helper: _Helper, answer: bytes, trouble: str = "") -> None:
        """``answer`` b"": it died, with ``trouble``, or took too long; it is killed."""
        ticket, helper.ticket = helper.ticket, None
        if not answer:
            helper.end()
            self._helpers.remove(helper)
        if ticket is not None and ticket.wanted:
            ticket.wanted = False
            if answer == b"?":
                trouble = f"{ticket.search.pattern.text!r} is no regular expression"
            ticket.sought(None if answer in (b"", b"?") else answer == b"1", trouble)
        self._serve()

    def close(self) -> None:
        for helper in self._helpers:
            helper.end()
        self._helpers.clear()
        self._queue.clear()


class _Helper:
    """One process. Raises OSError when it cannot be started."""

    def __init__(self, reactor: Reactor, served: Callable[[_Helper, bytes, str], None]) -> None:
        self._reactor, self._served = reactor, served
        self.ticket: Ticket | None = None
        self._out = b""
        self._limit: Instant = NEVER
        self._started = False
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                argv = [sys.executable, "-P", "-s", "-m", f"{__package__}.search_helper"]
                self._process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=theirs.fileno(), cwd="/")
            except BaseException:
                ours.close()
                raise
        ours.setblocking(False)
        self._socket = ours
        reactor.watch(ours.fileno(), self._ready, CHANGES)

    def take(self, ticket: Ticket) -> None:
        self.ticket, ticket.waiting = ticket, not self._started
        pattern, data = ticket.search.pattern, ticket.search.data
        words = (
            pattern.text,
            pattern.absent,
            pattern.flags,
            pattern.least,
            pattern.most,
            ticket.search.lines,
            len(data),
        )
        self._out = json.dumps(words).encode() + b"\n" + data
        self._wait()
        self._write()

    def _wait(self) -> None:
        self._limit = self._reactor.clock() + (LONGEST if self._started else _STARTING)
        self._reactor.at(self._limit, self._late)

    def _late(self, now: Instant) -> None:
        if self.ticket is not None and now >= self._limit:
            slow = f"a process for regular expressions was not ready within {format_duration(_STARTING)}"
            self._served(self, b"", "" if self._started else slow)

    def _ready(self, events: int) -> None:
        if self._out and events & select.EPOLLOUT:
            self._write()
        while True:
            try:
                answer = self._socket.recv(1)
            except BlockingIOError:
                return
            except OSError:
                answer = b""
            if answer != b"!":
                break
            self._started = True
            if self.ticket is not None:
                self.ticket.waiting = False
            self._wait()
        self._served(self, answer, "" if answer else "a process for regular expressions has died")

    def _write(self) -> None:
        try:
            while self._out:
                self._out = self._out[self._socket.send(self._out) :]
        except OSError:
            pass  # full: goes on when it is ready; gone: that is read

    def end(self) -> None:
        if self._socket.fileno() >= 0:
            self._reactor.forget(self._socket.fileno())
        self._socket.close()
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
