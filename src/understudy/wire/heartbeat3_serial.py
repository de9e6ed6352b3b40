"""The old protocol on a serial line: messages in string framing out of a stream of bytes, and in portions into it. No tty here.

Lines get lost or mangled. A message begins at a line that ends with ">>>" (something may have stuck to its front) and ends
at a line "<<<"; what stands between messages is noise. A beginning inside a message drops what came before: its end was lost.
"""

from __future__ import annotations

from ..errors import check
from ..units import SECOND, Duration
from .heartbeat3 import Keys, Opened, open_message
from .heartbeat3_values import LONGEST, OldReason, Refusal

LONGEST_LINE = 5120
"""Of noise without a newline no more bytes than this are kept; 3.0.6 reads lines up to it."""

PORTION = 512
"""Bytes written at once; then comes a pause in which the line carries them."""

BEGIN = b">>>"
END = b"<<<"


class Lines:
    """Cuts a stream into messages in string framing, without looking into them. Keeps at most one message of 256 KiB."""

    def __init__(self) -> None:
        self._partial = bytearray()
        self._message: list[bytes] | None = None
        self._size = 0
        self.dropped = 0
        """How many messages were begun and had no end, or had become too long."""
        self.noise = 0
        """How many bytes stood outside of messages."""

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and is not at its end."""
        return self._message is not None

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete now, from ``>>>\\n`` to ``<<<\\n``. Carriage returns are taken away, as 3.0.6 does."""
        found: list[bytes] = []
        pieces = data.replace(b"\r", b"").split(b"\n")
        for piece in pieces[:-1]:
            self._partial += piece
            line = bytes(self._partial)
            self._partial.clear()
            self._line(line, found)
        self._partial += pieces[-1]
        self._bound()
        return found

    def _line(self, line: bytes, found: list[bytes]) -> None:
        if line == BEGIN or (self._message is None and line.endswith(BEGIN)):
            self._drop()
            self.noise += len(line) - len(BEGIN)
            self._message, self._size = [], 0
        elif self._message is None:
            self.noise += len(line) + 1
        elif line == END:
            found.append(b"\n".join((BEGIN, *self._message, END, b"")))
            self._message = None
        else:
            self._message.append(line)
            self._size += len(line) + 1
            if self._size > LONGEST:
                self._drop()

    def _drop(self) -> None:
        self.dropped += self._message is not None
        self._message = None

    def _bound(self) -> None:
        """A line without end. Inside a message it may be long; its end is kept, for a ``>>>`` may be in it."""
        if self._message is not None and self._size + len(self._partial) > LONGEST:
            self._drop()
        if self._message is None and len(self._partial) > LONGEST_LINE:
            self.noise += len(self._partial) - len(BEGIN)
            del self._partial[: -len(BEGIN)]


class SerialReader:
    """Messages of the machine at the other end of the line. It keeps at most some 256 KiB, whatever comes."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        """May be replaced while it reads."""
        self._lines = Lines()
        self._dropped = 0

    def feed(self, data: bytes) -> list[Opened | Refusal]:
        """What is complete with these bytes; a ``Refusal`` for each message that was broken or is not signed. Never raises."""
        found = [item for text in self._lines.feed(data) for item in self._open(text)]
        lost = self._lines.dropped - self._dropped
        self._dropped = self._lines.dropped
        return [_CUT_OFF] * lost + found

    def _open(self, text: bytes) -> list[Opened | Refusal]:
        """When a message was cut off in a line, the beginning of the next sticks to it: that one is not lost as well."""
        result = open_message(self.keys, text)
        last = text.rfind(BEGIN + b"\n")
        if last > 0 and isinstance(result, Refusal):
            following = open_message(self.keys, text[last:])
            if isinstance(following, Opened):
                return [_CUT_OFF, following]
        return [result]


_CUT_OFF = Refusal(OldReason.MALFORMED, "a message without an end on the serial line")


def portions(data: bytes, baud: int) -> list[tuple[bytes, Duration]]:
    """What to write at once, and for how long to wait after it: 512 bytes take 512 / (baud / 8) seconds, as 3.0.6 reckons.

    ``baud``: bits a second, above 0, else InternalError.
    """
    check(baud > 0, "a serial line has a speed")
    pieces = [data[at : at + PORTION] for at in range(0, len(data), PORTION)]
    return [(piece, PORTION * 8 * SECOND // baud if len(piece) == PORTION else 0) for piece in pieces]
