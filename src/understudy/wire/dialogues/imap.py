"""IMAP4: the greeting, and a login if there is one (RFC 3501 sections 6.2.3 and 7.1).

Name and password go as quoted strings (section 4.3), letters beyond ASCII in them as UTF-8. Not handled: STARTTLS,
AUTHENTICATE, mailboxes.
"""

from __future__ import annotations

from ..said import quoted
from .talk import LineTalk, octets


class Imap(LineTalk):
    """``login`` "": the greeting is enough."""

    def __init__(self, login: str, password: str) -> None:
        super().__init__()
        self._login = b"a LOGIN " + _string(login) + b" " + _string(password) + b"\r\n" if login else b""
        self._greeted = False

    def _line(self, line: bytes) -> bytes:
        tag, _, rest = line.partition(b" ")
        word = rest.partition(b" ")[0].upper()
        if not self._greeted:
            if tag != b"*" or word not in (b"OK", b"PREAUTH"):
                return self._bad(f"it said {quoted(line)} where its greeting should be * OK")
            self._greeted = True
            if word == b"PREAUTH" or not self._login:
                return self._good(b"b LOGOUT\r\n")
            self.awaits = "its answer to the login"
            return self._login
        if tag == b"*" and word != b"BYE":
            return b""
        if tag == b"a" and word == b"OK":
            return self._good(b"b LOGOUT\r\n")
        return self._bad(f"it refused the login: {quoted(line)}")


def _string(text: str) -> bytes:
    return octets('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
