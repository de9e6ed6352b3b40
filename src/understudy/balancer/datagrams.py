"""Checks over UDP: a datagram that draws no ICMP error or the right answer, and dialogues of datagrams.

The sockets are connected, so that the kernel hands over the ICMP errors of this very server, and no answers of others.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from ..adapters.refusals import sentence
from ..service_checks import UdpQuestion
from ..units import Duration, format_duration
from ..wire.heard import plain, quoted
from ..wire.search import Search
from .asker import Ears
from .reactor import Reactor
from .searches import NOT_TRIED, Searcher, Ticket
from .sockets import DATAGRAM, OwnTrouble, Place, opened, refusal


class Exchange(Protocol):
    """``silence``: what it means when nothing (more) comes, "" for a good answer; None: no answer is a failure."""

    silence: str | None

    @property
    def verdict(self) -> str | None: ...

    @property
    def search(self) -> Search | None: ...

    def searched(self, good: bool) -> None: ...

    def begin(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes: ...


class UdpTalk:
    """One datagram, and perhaps an answer to it."""

    def __init__(self, question: UdpQuestion) -> None:
        self._question = question
        self.silence = None if question.reply else ""
        self.verdict: str | None = None
        self.search: Search | None = None

    def searched(self, good: bool) -> None:
        pass

    def begin(self) -> bytes:
        return self._question.payload

    def feed(self, data: bytes) -> bytes:
        asked = self._question
        if not asked.reply:
            self.verdict = ""
        elif not asked.least <= len(data) <= asked.most:
            self.verdict = f"an answer of {len(data)} bytes, wanted are {asked.least} to {asked.most}"
        elif len(data) < len(asked.pattern) or any(
            (seen ^ byte) & mask for seen, (byte, mask) in zip(data, asked.pattern, strict=False)
        ):
            self.verdict = f"another answer than wanted: {quoted(data)}"
        else:
            self.verdict = ""
        return b""


class Datagrams:
    """Asks over UDP."""

    def __init__(
        self,
        reactor: Reactor,
        ears: Ears,
        place: Place,
        timeout: Duration,
        make: Callable[[], Exchange],
        searcher: Searcher,
    ) -> None:
        self._searcher = searcher
        self._ticket: Ticket | None = None
        self._reactor, self._ears, self._place, self._timeout, self._make = reactor, ears, place, timeout, make
        self._socket: socket.SocketType | None = None
        self._talk: Exchange | None = None

    def ask(self) -> None:
        self._talk = self._make()
        if self._talk.verdict:
            self._over(self._talk.verdict)
            return
        try:
            handle = opened(self._place, DATAGRAM)
            number = handle.connect_ex(self._place.address)
            if number:
                handle.close()
                self._over(refusal(number))
                return
        except OwnTrouble as trouble:
            self._ears.ours(str(trouble))
            return
        self._socket = handle
        self._reactor.watch(handle.fileno(), self._ready)
        self._send(self._talk.begin())
        self._look()

    def _send(self, data: bytes) -> None:
        """An empty datagram is sent, too."""
        if self._socket is None:
            return
        try:
            self._socket.send(data)
        except BlockingIOError:
            pass  # it is lost, as datagrams may be
        except OSError as error:
            self._broken(error)

    def _ready(self, events: int) -> None:
        if self._socket is None or self._talk is None:
            return None
        try:
            data = self._socket.recv(65535)
        except BlockingIOError:
            return None
        except OSError as error:
            return self._broken(error)
        said = self._talk.feed(data)
        if said:
            self._send(said)
        self._look()
        return None

    def _broken(self, error: OSError) -> None:
        try:
            text = refusal(error.errno or 0).replace("cannot connect: ", "")
        except OwnTrouble:
            self.cancel()
            self._ears.ours(f"cannot send: {sentence(error)}")
            return
        self._over(f"the datagram drew an error: {text}")

    def _look(self) -> None:
        talk = self._talk
        if talk is None or self._socket is None:
            return
        if talk.verdict is not None:
            self._over(talk.verdict)
        elif talk.search is not None and self._ticket is None:
            self._ticket = self._searcher.search(talk.search, self._sought)

    def _sought(self, good: bool | None, trouble: str) -> None:
        self._ticket = None
        if good is not None and self._talk is not None:
            self._talk.searched(good)
            self._look()
        elif trouble:
            self.cancel()
            self._ears.ours(trouble)
        else:
            self._over("the regular expression takes too long")

    def expire(self) -> None:
        if self._ticket is not None and self._ticket.waiting:
            self.cancel()
            self._ears.ours(NOT_TRIED)
            return
        silence = self._talk.silence if self._talk is not None else None
        self._over(f"no answer within {format_duration(self._timeout)}" if silence is None else silence)

    def cancel(self) -> None:
        handle, self._socket = self._socket, None
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
        if handle is not None:
            self._reactor.forget(handle.fileno())
            handle.close()

    def _over(self, failure: str) -> None:
        self.cancel()
        self._ears.over(plain(failure), None)
