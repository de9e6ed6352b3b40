"""RADIUS: a name and a password are accepted (RFC 2865). The request bears a Message-Authenticator (RFC 3579 section 3.2), which
servers ask for since answers without one were forged (CVE-2024-3596).

Not handled: challenges (an Access-Challenge is no acceptance), CHAP, EAP, repetition of a request that was lost: the next
asking is one.
"""

from __future__ import annotations

import hashlib
import hmac

from ..said import quoted
from .talk import Talk, octets

_REQUEST, _ACCEPT, _REJECT, _CHALLENGE = 1, 2, 3, 11
_USER, _PASSWORD, _REPLY_MESSAGE, _NAS, _SEAL = 1, 2, 18, 32, 80
_NOUGHT = bytes(16)
MOST_PASSWORD = 128
"""Bytes (RFC 2865 section 5.2)."""


class Radius(Talk):
    """``random``: 17 bytes, unpredictable: one for the number, the others hide the password. ``login`` has 253 bytes at most."""

    def __init__(self, login: str, password: str, secret: str, random: bytes) -> None:
        super().__init__("its answer to the Access-Request")
        self._secret = octets(secret)
        self._number = random[:1]
        self._nonce = random[1:17]
        user, hidden = octets(login), hide(octets(password), self._secret, self._nonce)
        fields = _field(_SEAL, _NOUGHT) + _field(_USER, user) + _field(_PASSWORD, hidden) + _field(_NAS, b"understudy")
        head = bytes((_REQUEST,)) + self._number + (20 + len(fields)).to_bytes(2, "big") + self._nonce
        self._request = head + fields.replace(_NOUGHT, _seal(self._secret, head + fields), 1)

    def begin(self) -> bytes:
        return self._request

    def _heard(self, data: bytes) -> bytes:
        size = int.from_bytes(data[2:4], "big")
        if len(data) < 20 or not 20 <= size <= len(data):
            return self._bad(f"it does not answer in RADIUS: {quoted(data)}")
        if data[1:2] != self._number:  # an answer to somebody else
            return b""
        data = data[:size]
        expected = _md5(data[:4] + self._nonce + data[20:] + self._secret).digest()
        if not hmac.compare_digest(expected, data[4:20]):
            return self._bad("its answer is not sealed with our secret: another secret there, or somebody else answers")
        fields = _fields(data[20:])
        if fields is None:
            return self._bad("the attributes of its answer cannot be read")
        if not self._sealed(data, fields):
            return self._bad("the Message-Authenticator of its answer is wrong")
        if data[0] == _ACCEPT:
            return self._good()
        said = b" ".join(value for kind, _, value in fields if kind == _REPLY_MESSAGE)
        more = f": {quoted(said)}" if said else ""
        words = {_REJECT: "it rejected the name or the password", _CHALLENGE: "it wants more than the password"}
        return self._bad(words.get(data[0], f"it answered with code {data[0]}") + more)

    def _sealed(self, data: bytes, fields: list[tuple[int, int, bytes]]) -> bool:
        """Whether a Message-Authenticator, if there is one, is right (RFC 3579 section 3.2)."""
        for kind, at, value in fields:
            if kind == _SEAL:
                at += 20
                body = data[20:at] + _NOUGHT + data[at + 16 :]
                if len(value) != 16 or not hmac.compare_digest(
                    _seal(self._secret, data[:4] + self._nonce + body), value
                ):
                    return False
        return True


def hide(password: bytes, secret: bytes, nonce: bytes) -> bytes:
    """User-Password (RFC 2865 section 5.2): of 16 to 128 bytes. A longer password is cut."""
    padded = password[:MOST_PASSWORD] or b"\0"
    padded += bytes(-len(padded) % 16)
    hidden = b""
    last = nonce
    for at in range(0, len(padded), 16):
        mask = _md5(secret + last).digest()
        last = bytes(a ^ b for a, b in zip(padded[at : at + 16], mask, strict=True))
        hidden += last
    return hidden


def _seal(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, _md5).digest()


def _md5(data: bytes = b"") -> hashlib._Hash:
    """Also where the machine allows MD5 for nothing that is to be secure."""
    return hashlib.md5(data, usedforsecurity=False)


def _field(kind: int, value: bytes) -> bytes:
    return bytes((kind, 2 + len(value))) + value


def _fields(data: bytes) -> list[tuple[int, int, bytes]] | None:
    """Type, where the value begins, and value of each; None for what does not come out even (RFC 2865 section 5)."""
    found = []
    at = 0
    while at < len(data):
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            return None
        found.append((data[at], at + 2, data[at + 2 : at + size]))
        at += size
    return found
