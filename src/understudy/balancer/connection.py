"""Checks over TCP, with and without TLS: one connection after the other, driven by what the dialogue says.

Made for the plain case: four system calls a check (connect, send, receive, dissolve), each once, and the waiting. Connections of
checks that said all they had to say are reset, so that no port stays in TIME_WAIT, and their sockets are taken for the next. A
dialogue over TLS or with more to say goes the same way and only costs more.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from ..adapters.refusals import sentence
from ..service_checks import HttpQuestion, SayQuestion, Target, Tls
from ..units import Duration, format_duration
from ..wire.heard import plain
from ..wire.page import PageTalk, followed, request_of
from ..wire.say import SayTalk
from ..wire.search import Search
from .asker import Ears, Talk
from .reactor import CHANGES, Reactor
from .searches import NOT_TRIED, Searcher, Ticket
from .second import Second
from .sockets import STREAM, UNDER_WAY, OwnTrouble, Place, Spares, opened, refusal, reset
from .spoken import Spoken
from .tls import Contexts, TlsPipe, complaint

_READS = 16
"""Of ``_PIECE`` bytes each, until the others have their turn."""

_PIECE = 16384
_OUT, _IN = select.EPOLLOUT, select.EPOLLIN
_TROUBLE = select.EPOLLERR | select.EPOLLHUP
_HUNG_UP = select.EPOLLHUP
_LAST = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR


class Script(Protocol):
    """Which dialogues are had, each on a connection of its own."""

    def first(self) -> Talk | None:
        """None: that there is a connection is all."""

    def after(self, said: Talk) -> tuple[Talk | None, str, bool]:
        """After a good one: (the next, or None when it is over; a failure; whether the time limit begins anew)."""


class Once:
    """One dialogue."""

    def __init__(self, make: Callable[[], Talk | None]) -> None:
        self.first = make

    def after(self, said: Talk) -> tuple[Talk | None, str, bool]:
        return None, "", False


class Pages:
    """Pages of a web server, one after the other, with what they are redirected to."""

    def __init__(self, question: HttpQuestion, target: Target) -> None:
        self._question, self._target = question, target
        self._requests = [request_of(page, question, target) for page in question.pages]
        self._at = self._redirects = 0
        self._page = question.pages[0]

    def first(self) -> Talk:
        self._at = -1
        return self._next()

    def _next(self) -> PageTalk:
        self._at += 1
        self._redirects = self._question.redirects
        self._page = self._question.pages[self._at]
        return PageTalk(self._page, self._requests[self._at], self._redirects > 0)

    def after(self, said: Talk) -> tuple[Talk | None, str, bool]:
        if isinstance(said, PageTalk) and said.location:
            page = followed(self._page, said.location, self._question, self._target)
            if isinstance(page, str):
                return None, page, False
            self._page = page
            self._redirects -= 1
            return PageTalk(page, request_of(page, self._question, self._target), self._redirects > 0), "", False
        if self._at + 1 < len(self._requests):
            return self._next(), "", True
        return None, "", False


class Connection:
    """Asks over TCP. ``resets``: how its connections end; a dialogue whose last words matter is closed in the usual way.

    ``spares``: where sockets come from and go to, for those that are reset and ask from nowhere in particular.

    ``later``: TLS begins when the dialogue wants it.
    """

    __slots__ = (
        "_contexts", "_ears", "_later", "_out", "_pipe", "_place", "_reactor", "_ready_", "_resets", "_script", "_searcher",
        "_second", "_socket", "_spares", "_talk", "_ticket", "_timeout", "_tls", "_up",
    )  # fmt: skip

    def __init__(
        self,
        reactor: Reactor,
        ears: Ears,
        place: Place,
        timeout: Duration,
        script: Script,
        tls: Tls | None,
        contexts: Contexts,
        searcher: Searcher,
        spares: Spares | None = None,
        resets: bool = True,
        later: bool = False,
    ) -> None:
        self._later = later
        self._reactor, self._ears, self._place, self._timeout = reactor, ears, place, timeout
        self._script, self._tls, self._contexts, self._searcher, self._resets = script, tls, contexts, searcher, resets
        self._spares = spares if resets and not place.options and place.source is None else None
        self._ready_ = self._ready
        self._talk: Talk | None = None
        self._socket: socket.SocketType | None = None
        self._up = False
        self._out = b""
        self._pipe: TlsPipe | None = None
        self._ticket: Ticket | None = None
        self._second: Second | None = None

    # -- the asker

    def ask(self) -> None:
        self._talk = talk = self._script.first()
        if talk is not None and talk.verdict:
            self._over(talk.verdict)
        else:
            self._open()

    def expire(self) -> None:
        if self._ticket is not None and self._ticket.waiting:
            self._close()
            self._ears.ours(NOT_TRIED)
            return
        stage = "no connection"
        if self._up:
            stage = self._talk.stage if self._talk is not None else ""
        if self._pipe is not None and not self._pipe.standing:
            stage = "the TLS handshake did not end"
        self._over(f"no answer within {format_duration(self._timeout)} ({stage})")

    def cancel(self) -> None:
        self._close()

    # -- one connection

    def _open(self) -> None:
        self._up = False
        self._out, self._pipe = b"", None
        try:
            spare = self._spares.take(self._place.family) if self._spares is not None else None
            handle = opened(self._place, STREAM) if spare is None else spare
            number = handle.connect_ex(self._place.address)
            if number not in UNDER_WAY:
                handle.close()
                return self._over(refusal(number))
        except OwnTrouble as trouble:
            return self._ears.ours(str(trouble))
        self._socket = handle
        if spare is None:
            self._reactor.watch(handle.fileno(), self._ready_, CHANGES)
        else:
            self._reactor.watch_again(handle.fileno(), self._ready_)
        return None

    def _ready(self, events: int) -> None:
        handle = self._socket
        if handle is None:
            return None
        if not self._up:
            if events & _TROUBLE and (number := handle.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                return self._refused(number)
            if not events & _OUT or events & _HUNG_UP:  # hung up without a reason was the connection before this one
                return None
            self._up = True
            if self._talk is None:
                return self._over("")
            if self._tls is None or self._later:
                self._begin_talk()
            else:
                self._begin_tls()
        elif self._out and events & _OUT:
            self._flush()
        if events & (_IN | _LAST) and self._socket is handle:
            self._read(handle, events)
        return None

    def _refused(self, number: int) -> None:
        try:
            self._over(refusal(number))
        except OwnTrouble as trouble:
            self._close()
            self._ears.ours(str(trouble))

    def _read(self, handle: socket.SocketType, events: int) -> None:
        for _ in range(_READS):
            try:
                data = handle.recv(_PIECE)
            except BlockingIOError:
                return None
            except OSError as error:
                return self._over(f"the connection broke: {sentence(error)}")
            if not data:
                return self._ended()
            if self._pipe is None:
                self._hear(data)
            else:
                self._decrypt(data)
            if self._socket is not handle or (len(data) < _PIECE and not events & _LAST):
                return None
        self._reactor.rearm(handle.fileno())
        return None

    def _hear(self, data: bytes) -> None:
        talk = self._talk
        if talk is None:
            return
        said = talk.feed(data)
        if said:
            self._say(said)
        if talk.verdict == "" and self._socket is not None:
            self._good(talk)
        else:
            self._look(talk)

    def _look(self, talk: Talk) -> None:
        """Where the dialogue stands."""
        if self._socket is None:
            return
        if talk.verdict is not None:
            self._verdict(talk, talk.verdict)
        elif talk.search is not None:
            if self._ticket is None:
                self._seek(talk, talk.search)
        elif talk.wants_tls and self._pipe is None:
            self._begin_tls()
        elif isinstance(talk, Spoken) and talk.dialogue.wants_connection is not None and self._second is None:
            self._open_second(talk, talk.dialogue.wants_connection)

    def _ended(self) -> None:
        talk = self._talk
        if talk is None:
            return None
        if self._pipe is not None and not self._pipe.standing:
            return self._over("the connection was closed during the TLS handshake")
        talk.closed()
        if talk.verdict is None and talk.search is None:
            return self._over("the connection was closed too early")
        self._look(talk)
        return None

    # -- saying

    def _begin_talk(self) -> None:
        talk = self._talk
        if talk is None:
            return
        said = talk.begin()
        if said and self._pipe is None and type(talk) is PageTalk:
            self._out = said
            self._flush()
            return
        if said:
            self._say(said)
        elif isinstance(talk, SayTalk):
            self._half_close(talk)
        if talk.verdict is not None:
            self._look(talk)

    def _say(self, data: bytes) -> None:
        if self._pipe is not None:
            try:
                data = self._pipe.say(data)
            except ssl.SSLError as error:
                return self._over(complaint(error))
        self._out += data
        return self._flush()

    def _flush(self) -> None:
        handle = self._socket
        if handle is None or not self._out:
            return None
        try:
            sent = handle.send(self._out, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return None
        except OSError as error:
            return self._over(f"the connection broke: {sentence(error)}")
        if sent == len(self._out):
            self._out = b""
        else:
            self._out = self._out[sent:]
        if not self._out and self._pipe is None and isinstance(self._talk, SayTalk):
            self._half_close(self._talk)
        return None

    def _half_close(self, talk: SayTalk) -> None:
        if talk.half_close and self._socket is not None and self._pipe is None:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it is gone, which the next event says

    # -- TLS

    def _begin_tls(self) -> None:
        tls = self._tls or Tls()
        try:
            self._pipe = TlsPipe(self._contexts.of(tls), tls.name)
        except (OSError, ValueError) as error:
            reason = sentence(error) if isinstance(error, OSError) else str(error)
            self._close()
            return self._ears.ours(f"TLS cannot be set up with {tls.ca} {tls.certificate} {tls.key}: {reason}")
        return self._decrypt(b"")

    def _decrypt(self, data: bytes) -> None:
        pipe = self._pipe
        if pipe is None:
            return None
        stood = pipe.standing
        try:
            heard = pipe.feed(data)
            self._out += pipe.say(b"")
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                self._contexts.drop(self._tls or Tls())
            return self._over(complaint(error))
        self._flush()
        if pipe.standing and not stood and self._socket is not None:
            if self._talk is not None and self._talk.wants_tls:
                self._hear(b"")
            else:
                self._begin_talk()
        if heard and self._socket is not None:
            self._hear(heard)
        if pipe.ended and self._socket is not None:
            self._ended()
        return None

    # -- a second connection

    def _open_second(self, talk: Spoken, to: tuple[str, int]) -> None:
        def heard(data: bytes) -> None:
            said = talk.feed_second(data) if data else talk.closed_second()
            if said:
                self._say(said)
            self._look(talk)

        try:
            self._second = Second(self._reactor, self._place, to, heard, self._over)
        except OwnTrouble as trouble:
            self._close()
            self._ears.ours(str(trouble))

    # -- searching

    def _seek(self, talk: Talk, search: Search) -> None:
        def sought(good: bool | None, trouble: str) -> None:
            self._ticket = None
            if good is None:
                if trouble:
                    self._close()
                    return self._ears.ours(trouble)
                return self._over(f"the regular expression {search.pattern.text!r} takes too long")
            talk.searched(good)
            return self._look(talk)

        self._ticket = self._searcher.search(search, sought)

    # -- the end

    def _verdict(self, talk: Talk, verdict: str) -> None:
        if verdict:
            self._over(verdict)
        else:
            self._good(talk)

    def _good(self, talk: Talk) -> None:
        following, failure, anew = self._script.after(talk)
        if failure or following is None:
            return self._over(failure)
        self._close()
        if anew:
            self._ears.anew()
        self._talk = following
        return self._open()

    def _over(self, failure: str) -> None:
        self._close()
        self._ears.over(plain(failure) if failure else "", None)

    def _close(self) -> None:
        handle, self._socket = self._socket, None
        if self._second is not None:
            self._second.close()
            self._second = None
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
        if handle is None:
            return
        self._reactor.forget(handle.fileno())
        if self._up and self._spares is not None and self._spares.keep(handle):
            return
        if self._resets:
            reset(handle)
        else:
            handle.close()


def said_once(question: SayQuestion) -> Script:
    return Once(lambda: SayTalk(question))
