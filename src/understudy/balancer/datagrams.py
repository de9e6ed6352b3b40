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
from ..wire.dialogues.shape import Dialogue
from ..wire.heard import plain, quoted
from .asker import Ears
from .reactor import Reactor
from .sockets import DATAGRAM, OwnTrouble, Place, opened, refusal


class Exchange(Protocol):
    """``silence``: what it means when nothing (more) comes, "" for a good answer; None: no answer is a failure."""

    silence: str | None

    @property
    def verdict(self) -> str | None: ...

    def begin(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes: ...


class UdpTalk:
    """One datagram, and perhaps an answer to it."""

    def __init__(self, question: UdpQuestion) -> None:
        self._question = question
        self.silence = None if question.reply else ""
        self.verdict: str | None = None

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


class _Spoken:
    """A dialogue of datagrams."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.silence: str | None = None
        self.begin, self.feed = dialogue.begin, dialogue.feed
        self._dialogue = dialogue

    @property
    def verdict(self) -> str | None:
        return self._dialogue.verdict


def spoken(make: Callable[[], Dialogue]) -> Callable[[], Exchange]:
    return lambda: _Spoken(make())


class Datagrams:
    """Asks over UDP."""

    def __init__(
        self, reactor: Reactor, ears: Ears, place: Place, timeout: Duration, make: Callable[[], Exchange]
    ) -> None:
        self._reactor, self._ears, self._place, self._timeout, self._make = reactor, ears, place, timeout, make
        self._socket: socket.SocketType | None = None
        self._talk: Exchange | None = None

    def ask(self) -> None:
        self._talk = self._make()
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
        if self._talk is not None and self._socket is not None and self._talk.verdict is not None:
            self._over(self._talk.verdict)

    def expire(self) -> None:
        silence = self._talk.silence if self._talk is not None else None
        self._over(f"no answer within {format_duration(self._timeout)}" if silence is None else silence)

    def cancel(self) -> None:
        handle, self._socket = self._socket, None
        if handle is not None:
            self._reactor.forget(handle.fileno())
            handle.close()

    def _over(self, failure: str) -> None:
        self.cancel()
        self._ears.over(plain(failure), None)
