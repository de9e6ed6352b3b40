"""PostgreSQL: a login and a statement that gives at least one row (frontend/backend protocol 3.0, chapter "Message Flow").

Passwords in clear text, as MD5 and with SCRAM-SHA-256. With ``question.tls`` TLS is asked for first (SSLRequest), and refused
if there is none. Not handled: GSSAPI, channel binding, COPY.
"""

from __future__ import annotations

import base64
import hashlib

from ..said import quoted
from .scram import Scram
from .talk import MOST_SAID, Talk, octets

_VERSION, _TLS_REQUEST = 196_608, 80_877_103
_OK, _CLEAR, _MD5, _SASL, _SASL_CONTINUE, _SASL_FINAL = 0, 3, 5, 10, 11, 12
_METHODS = {2: "Kerberos V5", 6: "SCM credentials", 7: "GSSAPI", 8: "GSSAPI", 9: "SSPI"}
_PASSING = frozenset((b"S", b"K", b"N", b"A"))
"""ParameterStatus, BackendKeyData, NoticeResponse, NotificationResponse: may come at any time."""


class Pgsql(Talk):
    """``database`` "": the one named like the login. ``random``: 18 bytes, unpredictable."""

    def __init__(self, login: str, password: str, database: str, statement: str, tls: bool, random: bytes) -> None:
        super().__init__("its answer to the login")
        self._login = login
        self._password = password
        self._database = database
        self._statement = statement
        self._asks_tls = tls
        self._scram = Scram(password, base64.b64encode(random[:18]))
        self._asked_scram = False
        self._proven = True
        self._logged_in = self._asked = False
        self._data = b""

    def begin(self) -> bytes:
        if self._asks_tls:
            self.awaits = "its answer to the wish for TLS"
            return _sized(_TLS_REQUEST.to_bytes(4, "big"))
        return self._start()

    def begin_tls(self) -> bytes:
        self.wants_tls = False
        self.awaits = "its answer to the login"
        return self._start()

    def _start(self) -> bytes:
        pairs = ["user", self._login, "application_name", "understudy"]
        if self._database:
            pairs += ["database", self._database]
        return _sized(_VERSION.to_bytes(4, "big") + octets("".join(f"{text}\0" for text in pairs)) + b"\0")

    def _heard(self, data: bytes) -> bytes:
        if self._asks_tls:
            self._asks_tls = False
            if data != b"S":  # bytes in clear text behind the S would be somebody else's (CVE-2021-23222)
                return self._bad(
                    "it offers no TLS" if data == b"N" else f"it answered the wish for TLS with {quoted(data)}"
                )
            self.wants_tls = True
            return b""
        self._data += data
        at = 0
        said = b""
        while self.verdict is None and len(self._data) >= at + 5:
            kind, size = self._data[at : at + 1], int.from_bytes(self._data[at + 1 : at + 5], "big")
            if not kind.isalnum() or size < 4:
                return self._bad(f"it does not answer in PostgreSQL's protocol: {quoted(self._data[at:])}")
            if kind == b"D" and self._asked:
                return said + self._good(b"X" + _sized(b""))  # long before a great row is whole; Terminate
            if size > MOST_SAID:
                return self._bad(
                    f"it does not answer in PostgreSQL's protocol, or with too much: {quoted(self._data[at:])}"
                )
            end = at + 1 + size
            if end > len(self._data):
                break
            said += self._message(kind, self._data[at + 5 : end])
            at = end
        self._data = self._data[at:]
        return said

    def _message(self, kind: bytes, content: bytes) -> bytes:
        if kind == b"E":
            return self._bad(f"it refused the {'statement' if self._asked else 'login'}: {_error(content)}")
        if kind in _PASSING:
            return b""
        if not self._logged_in and kind == b"R" and len(content) >= 4:
            return self._authenticate(int.from_bytes(content[:4], "big"), content[4:])
        if self._logged_in and not self._asked and kind == b"Z":
            self._asked = True
            self.awaits = "its answer to the statement"
            return b"Q" + _sized(octets(self._statement) + b"\0")
        if self._asked and kind in b"TCI":
            return b""
        if self._asked and kind == b"Z":
            return self._bad("the statement gave no row")
        return self._bad(f"it answered with {quoted(kind)} where {self.awaits} was awaited")

    def _authenticate(self, method: int, content: bytes) -> bytes:
        if method == _OK:
            if not self._proven:
                return self._bad("it accepted the login without showing that it knows the password")
            self._logged_in = True
            return b""
        if method == _CLEAR:
            return _password(octets(self._password) + b"\0")
        if method == _MD5 and len(content) == 4:
            return _password(md5_proof(self._login, self._password, content) + b"\0")
        if method == _SASL and not self._asked_scram:
            if b"SCRAM-SHA-256" not in content.split(b"\0"):
                return self._bad(
                    f"it wants a login with {quoted(content.rstrip(bytes(1)).replace(bytes(1), b', '))}, which is not known here"
                )
            self._asked_scram, self._proven = True, False
            return _password(b"SCRAM-SHA-256\0" + _counted(self._scram.first()))
        if method == _SASL_CONTINUE and self._asked_scram:
            proof = self._scram.final(content)
            return self._bad(proof) if isinstance(proof, str) else _password(proof)
        if method == _SASL_FINAL and self._asked_scram:
            self._proven = self._scram.proven(content)
            return b"" if self._proven else self._bad("it does not know the password: its SCRAM signature is wrong")
        return self._bad(f"it wants a login with {_METHODS.get(method, f'method {method}')}, which is not known here")


def md5_proof(login: str, password: str, salt: bytes) -> bytes:
    """ "md5" and MD5(MD5(password + login) + salt), in hexadecimal digits."""
    inner = hashlib.md5(octets(password) + octets(login), usedforsecurity=False).hexdigest().encode()
    return b"md5" + hashlib.md5(inner + salt, usedforsecurity=False).hexdigest().encode()


def _sized(content: bytes) -> bytes:
    return (4 + len(content)).to_bytes(4, "big") + content


def _counted(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _password(content: bytes) -> bytes:
    return b"p" + _sized(content)


def _error(content: bytes) -> str:
    """The message (M) of an ErrorResponse and its SQLSTATE (C)."""
    fields = {part[:1]: part[1:] for part in content.split(b"\0")}
    return f"{quoted(fields.get(b'M', b''))} ({quoted(fields.get(b'C', b''), 10)})"
