"""Signatures of the old protocol: the three methods of ``authkeys``, and which key is right for which packet.

    crc   32 bits, polynomial 0x04C11DB7, highest bit first, start 0, inverted at the end; the length is not appended as cksum
          would (123456789 gives 765e7680). Hexadecimal without zeros in front. No key, so no protection.
    md5   HMAC-MD5 (RFC 2104), 32 digits
    sha1  HMAC-SHA1, 40 digits

A signature is written as ``<index> <digits>``. The index says which line of ``authkeys`` made it, and so which method and key
verify it. 3.0.6 has a defect there: for netstring packets it takes the method of the packet's index, but the key of its *own*
sending index. So machines with the same file but different sending indexes refuse each other, unless the text of both keys is the
same. We verify by the index of the packet; what we send must have the old peer's own index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from zlib import crc32

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.hazmat.primitives.hmac import HMAC

from ..errors import check
from .heartbeat3_values import Bad, OldReason

LAST_INDEX = 15
"""The highest index that 3.0.6 accepts; its manual begins at 1, the program at 0."""

_TOKEN = re.compile(rb"(0|1[0-5]?|[2-9]) ([0-9a-f]{1,40})")
_LIKE_A_TOKEN = re.compile(rb"\d{1,9} \S+")
_REVERSED = bytes(int(f"{number:08b}"[::-1], 2) for number in range(256))


class Method(StrEnum):
    """The methods of ``authkeys``, by the words in it."""

    CRC = "crc"
    MD5 = "md5"
    SHA1 = "sha1"


_DIGITS = {Method.MD5: 32, Method.SHA1: 40}


@dataclass(frozen=True, slots=True)
class Auth:
    """One line of ``authkeys``. ``index`` 0 to 15; ``secret``: the key's bytes, none for crc.

    Raises InternalError for another index, or for a key where there is none to be or the other way round.
    """

    index: int
    method: Method
    secret: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        check(0 <= self.index <= LAST_INDEX, "an index of authkeys is 0 to 15")
        check(bool(self.secret) is (self.method is not Method.CRC), "md5 and sha1 have a key, crc has none")

    def token(self, data: bytes) -> bytes:
        """The signature of these bytes, as it stands in a packet."""
        return b"%d %b" % (self.index, self._digest(data))

    def _digest(self, data: bytes) -> bytes:
        if self.method is Method.CRC:
            return b"%x" % crc(data)
        return self._hmac(data).finalize().hex().encode()

    def _hmac(self, data: bytes) -> HMAC:
        """Of the library that is loaded anyway: hashlib would bring a second copy of OpenSSL, of six megabytes. So would the
        library's ``constant_time``, which imports hmac.
        """
        digest = HMAC(self.secret, MD5() if self.method is Method.MD5 else SHA1())
        digest.update(data)
        return digest

    def made(self, token: bytes, data: bytes) -> bool:
        """Whether ``token``, in whose form ``token_index`` found nothing wrong, is the signature of these bytes."""
        digits = token.partition(b" ")[2].decode("ascii")
        if self.method is Method.CRC:
            return digits == f"{crc(data):x}"
        if len(digits) != _DIGITS[self.method]:
            return False
        try:
            self._hmac(data).verify(bytes.fromhex(digits))
        except InvalidSignature:
            return False
        return True


class Keys:
    """The lines of one ``authkeys``, and which of them signs what is sent.

    Raises InternalError when two have one index, or none has ``sending``.
    """

    def __init__(self, lines: Iterable[Auth], sending: int) -> None:
        given = tuple(lines)
        self._lines = {line.index: line for line in given}
        check(len(self._lines) == len(given), "an index of authkeys is there twice")
        check(sending in self._lines, "authkeys has no line for the index that signs")
        self.sending = self._lines[sending]

    def get(self, index: int) -> Auth | None:
        """The line with this index."""
        return self._lines.get(index)

    def verify(self, token: bytes, data: bytes) -> int:
        """The index of a signature that holds for ``data``. Raises Bad."""
        index = token_index(token)
        line = self._lines.get(index)
        if line is None:
            raise Bad(f"signed with index {index}, which authkeys does not have", OldReason.UNKNOWN_KEY)
        if not line.made(token, data):
            raise Bad(f"the {line.method} signature with index {index} is not that of our key", OldReason.BAD_SIGNATURE)
        return index


def token_index(token: bytes) -> int:
    """The index of a signature. Raises Bad for what is none: 3.0.6 compares text, so upper case and padding do not count."""
    match = _TOKEN.fullmatch(token)
    if match:
        return int(match[1])
    if _LIKE_A_TOKEN.fullmatch(token):
        raise Bad("a signature with an index or digits that nobody writes", OldReason.BAD_SIGNATURE)
    raise Bad("there is no signature", OldReason.UNSIGNED)


def crc(data: bytes) -> int:
    """The check sum of method crc. zlib's counts the bits of each byte from the other end: reversed going in and coming out,
    and without its inversion at the start, it is the same, at the speed of C.
    """
    return int(f"{crc32(data.translate(_REVERSED), 0xFFFFFFFF):032b}"[::-1], 2)
