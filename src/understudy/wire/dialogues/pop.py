"""POP3: the greeting, and a login if there is one (RFC 1939 sections 3 and 7). Not handled: APOP, STLS, mails."""

from __future__ import annotations

from ..said import quoted
from .talk import LineTalk, octets


class Pop(LineTalk):
    """``login`` "": the greeting is enough."""

    def __init__(self, login: str, password: str) -> None:
        super().__init__()
        self._steps = [("its answer to the password", b"PASS " + octets(password) + b"\r\n")] if login else []
        if login:
            self._steps.append(("its answer to the name", b"USER " + octets(login) + b"\r\n"))

    def _line(self, line: bytes) -> bytes:
        if line[:3].upper() != b"+OK" or line[3:4].strip():
            return self._bad(f"it said {quoted(line)} where {self.awaits} should be +OK")
        if not self._steps:
            return self._good(b"QUIT\r\n")
        self.awaits, say = self._steps.pop()
        return say
