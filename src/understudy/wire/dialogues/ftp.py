"""FTP: a login, and a file if one is asked for, over a passive connection (RFC 959; EPSV for IPv6, RFC 2428).

The second connection goes to the server's own address: behind NAT what PASV names is often another, and a server that could
send us anywhere would be a tool. The file comes in ASCII, which is what a session begins with (RFC 959 section 5.1).
Not handled: ACCT, active mode, TLS. ``to_search``: the file's lines, each with its newline.
"""

from __future__ import annotations

import re

from ..said import quoted
from .talk import MOST_SAID, ReplyTalk, octets

_PASSIVE = re.compile(rb"[0-9]{1,3},[0-9]{1,3},[0-9]{1,3},[0-9]{1,3},([0-9]{1,3}),([0-9]{1,3})")
_EXTENDED = re.compile(rb"\((.)\1\1([0-9]{1,5})\1\)")


class Ftp(ReplyTalk):
    """``login`` "": anonymous. ``path`` "": the login is enough. ``keep``: the file is wanted, not only that it comes."""

    def __init__(self, address: str, login: str, password: str, path: str, keep: bool) -> None:
        super().__init__()
        self._address = address
        self._login = login or "anonymous"
        self._password = password if login or password else "anonymous@"
        self._path = path
        self._keep = keep
        self._step = self._greeting
        self._file = bytearray()
        self._file_over = False
        self._told_over = False
        self.to_search = ()

    def _reply(self, code: int, line: bytes) -> bytes:
        return self._step(code, line)

    def _refused(self, what: str, line: bytes) -> bytes:
        return self._bad(f"it refused {what}: {quoted(line)}")

    def _greeting(self, code: int, line: bytes) -> bytes:
        if code == 120:  # ready in some minutes
            return b""
        if code != 220:
            return self._bad(f"it said {quoted(line)} where its greeting should be 220")
        self._step, self.awaits = self._named, "its answer to the name"
        return _say("USER", self._login)

    def _named(self, code: int, line: bytes) -> bytes:
        if code == 331:
            self._step, self.awaits = self._logged_in, "its answer to the password"
            return _say("PASS", self._password)
        return self._logged_in(code, line)

    def _logged_in(self, code: int, line: bytes) -> bytes:
        if code not in (202, 230):
            return self._refused("the login", line)
        if not self._path:
            return self._good(b"QUIT\r\n")
        self._step, self.awaits = self._passive, "its answer to PASV"
        return b"EPSV\r\n" if ":" in self._address else b"PASV\r\n"

    def _passive(self, code: int, line: bytes) -> bytes:
        if code == 227 and (found := _PASSIVE.search(line, 4)):
            port = int(found[1]) * 256 + int(found[2])
        elif code == 229 and (found := _EXTENDED.search(line, 4)):
            port = int(found[2])
        else:
            return self._refused("a passive connection", line)
        if not 0 < port < 65536:
            return self._bad(f"it named an impossible port for the file: {quoted(line)}")
        self.wants_connection = (self._address, port)
        self._step, self.awaits = self._sending, "the file"
        return _say("RETR", self._path)

    def _sending(self, code: int, line: bytes) -> bytes:
        if code in (125, 150):
            return b""
        if code not in (226, 250):
            return self._refused("the file", line)
        self._told_over = True
        return self._ended()

    def feed_second(self, data: bytes) -> bytes:
        if self.verdict is None and self._keep and not self._file_over:
            self._file += data[: MOST_SAID + 1 - len(self._file)]
            if len(self._file) > MOST_SAID:
                self._bad(f"the file is longer than {MOST_SAID} bytes, which is as much as is searched")
        return b""

    def closed_second(self) -> bytes:
        self._file_over = True
        return self._ended()

    def _ended(self) -> bytes:
        if self.verdict is not None or not (self._told_over and self._file_over):
            return b""
        text = bytes(self._file).replace(b"\r\n", b"\n").decode("utf-8", "replace")
        self.to_search = tuple(re.findall(r"[^\n]*\n|[^\n]+", text))
        return self._good(b"QUIT\r\n")


def _say(word: str, what: str) -> bytes:
    return octets(f"{word} {what}\r\n")
