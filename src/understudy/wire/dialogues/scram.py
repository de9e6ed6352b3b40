"""SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding, as PostgreSQL speaks it.

Names are not sent: PostgreSQL takes the one of its start-up packet. Of SASLprep (RFC 4013) only the normal form KC is applied.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata

MOST_ROUNDS = 100_000
"""Of the key's derivation. The server says how many, and they are calculated while others wait: some 50 ms for so many."""

_FIRST = re.compile(rb"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,8})(?:,.*)?")


class Scram:
    """One login. ``nonce``: printable, without a comma."""

    def __init__(self, password: str, nonce: bytes) -> None:
        self._password = password
        self._nonce = nonce
        self._proves = b""

    def first(self) -> bytes:
        return b"n,,n=,r=" + self._nonce

    def final(self, said: bytes) -> bytes | str:
        """Our proof, in answer to the server's first message; or a sentence why there is none."""
        found = _FIRST.fullmatch(said)
        if found is None or not found[1].startswith(self._nonce) or len(found[1]) == len(self._nonce):
            return "its SCRAM challenge cannot be read, or is not for us"
        rounds = int(found[3])
        if rounds > MOST_ROUNDS:
            return f"it wants {rounds} rounds of SCRAM, which is more than {MOST_ROUNDS}"
        try:
            salt = base64.b64decode(found[2], validate=True)
        except binascii.Error:
            return "its SCRAM challenge cannot be read, or is not for us"
        password = unicodedata.normalize("NFKC", self._password).encode("utf-8", "surrogateescape")
        salted = hashlib.pbkdf2_hmac("sha256", password, salt, rounds)
        key = _seal(salted, b"Client Key")
        bare = b"c=biws,r=" + found[1]
        whole = b"n=,r=" + self._nonce + b"," + said + b"," + bare
        signature = _seal(hashlib.sha256(key).digest(), whole)
        self._proves = base64.b64encode(_seal(_seal(salted, b"Server Key"), whole))
        return bare + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))

    def proven(self, said: bytes) -> bool:
        """Whether the server's last message shows that it knows the password, too."""
        verifier = said.partition(b",")[0]
        return bool(self._proves) and hmac.compare_digest(verifier, b"v=" + self._proves)


def _seal(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
