"""What the dialogues have in common: the verdict, the bound on what the other side says, lines, and replies with a number."""

from __future__ import annotations

import re

from ..said import printable, quoted

MOST_SAID = 65_536
"""Bytes that the other side may say in one dialogue."""


def octets(text: str) -> bytes:
    """UTF-8; what was no UTF-8 in the configuration's file goes as it stood there."""
    return text.encode("utf-8", "surrogateescape")


class Talk:
    """Nothing is said, nothing is expected: the rest of ``shape.Dialogue`` for those who need only a part of it."""

    def __init__(self, awaits: str = "its greeting") -> None:
        self.verdict: str | None = None
        self.wants_tls = False
        self.wants_connection: tuple[str, int] | None = None
        self.awaits = awaits
        self.to_search: tuple[str, ...] | None = None
        self._room = MOST_SAID

    def begin(self) -> bytes:
        return b""

    def begin_tls(self) -> bytes:
        self.wants_tls = False
        return b""

    def feed(self, data: bytes) -> bytes:
        if self.verdict is not None or not data:
            return b""
        heard, self._room = data[: self._room], self._room - len(data)
        answer = self._heard(heard)
        if self.verdict is None and self._room < 0:
            return self._bad(f"it said more than {MOST_SAID} bytes before {self.awaits}")
        return answer

    def closed(self) -> None:
        if self.verdict is None:
            self._bad(f"it closed the connection before {self.awaits}")

    def feed_second(self, data: bytes) -> bytes:
        return b""

    def closed_second(self) -> bytes:
        return b""

    def _heard(self, data: bytes) -> bytes:
        """A piece of what the other side says, not empty; what to say now."""
        return b""

    def _good(self, last: bytes = b"") -> bytes:
        """It is over, and good. ``last`` is said, and no answer awaited."""
        self.verdict = ""
        return last

    def _bad(self, why: str) -> bytes:
        self.verdict = printable(why)
        return b""


class CannotAsk(Talk):
    """What cannot be asked at all, and why."""

    def __init__(self, why: str) -> None:
        super().__init__("an answer")
        self._bad(why)


class LineTalk(Talk):
    """Protocols of lines. A line ends with a newline; carriage returns before it are not part of it."""

    def __init__(self, awaits: str = "its greeting") -> None:
        super().__init__(awaits)
        self._partial = b""

    def _heard(self, data: bytes) -> bytes:
        *lines, self._partial = (self._partial + data).split(b"\n")
        answer = b""
        for line in lines:
            answer += self._line(line.rstrip(b"\r"))
            if self.verdict is not None:
                break
        return answer

    def _line(self, line: bytes) -> bytes:
        """One whole line; what to say now."""
        return b""


_REPLY = re.compile(rb"([1-5][0-9][0-9])([ -]|$)")


class ReplyTalk(LineTalk):
    """Protocols whose replies begin with three digits (RFC 5321 section 4.2, RFC 959 section 4.2).

    A reply of several lines begins with ``250-`` and ends with the line that begins with ``250`` and a blank, or is only that.
    """

    def __init__(self, awaits: str = "its greeting") -> None:
        super().__init__(awaits)
        self._first = b""
        self._open = b""

    def _line(self, line: bytes) -> bytes:
        found = _REPLY.match(line)
        if not self._open:
            if found is None:
                return self._bad(f"it said {quoted(line)} where {self.awaits} should begin with three digits")
            self._first = line
            if found[2] == b"-":
                self._open = found[1]
                return b""
        elif found is None or found[1] != self._open or found[2] == b"-":
            return b""
        self._open = b""
        return self._reply(int(self._first[:3]), self._first)

    def _reply(self, code: int, line: bytes) -> bytes:
        """A whole reply, with its first line; what to say now."""
        return b""
