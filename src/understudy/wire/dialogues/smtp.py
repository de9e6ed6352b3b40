"""SMTP and submission: the greeting, and QUIT (RFC 5321 section 4.3.2).

With ``helo`` as keepalived asks: 220, HELO, 250, QUIT, 221. Without, as ldirectord: 220, and QUIT is said into the closing
connection. Not handled: STARTTLS, logins, mails.
"""

from __future__ import annotations

from ..said import quoted
from .talk import ReplyTalk, octets


class Smtp(ReplyTalk):
    """``helo``: what we say we are, "" to look at the greeting alone."""

    def __init__(self, helo: str) -> None:
        super().__init__()
        self._helo = helo
        self._wanted = 220

    def _reply(self, code: int, line: bytes) -> bytes:
        if code != self._wanted:
            return self._bad(f"it said {quoted(line)} where {self.awaits} should be {self._wanted}")
        if code == 220 and self._helo:
            self._wanted, self.awaits = 250, "its answer to HELO"
            return b"HELO " + octets(self._helo) + b"\r\n"
        if code == 250:
            self._wanted, self.awaits = 221, "its answer to QUIT"
            return b"QUIT\r\n"
        return self._good(b"" if code == 221 else b"QUIT\r\n")
