"""What RFC 2338 put into version 2 over IPv4 against accidents, and keepalived kept: a password, or an Authentication Header.

PASS is readable by everybody on the segment; AH (RFC 4302 with HMAC-MD5-96 of RFC 2403) is not forged without the password, but
its key has 8 bytes. RFC 3768 section 5.3.6 took both away. Neither keeps out who means harm: they tell clusters apart.
"""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.hashes import MD5
from cryptography.hazmat.primitives.hmac import HMAC

from .vrrp_checksum import PROTOCOL, is_group

AH = 51
"""The number of the Authentication Header in IP headers (RFC 4302 section 2)."""

AH_LENGTH = 24
PASSWORD_LENGTH = 8
ICV_LENGTH = 12

_AH = struct.Struct("!BBH4sI12s")
_PAYLOAD_LENGTH = 4
"""The header's length in units of four bytes, less two (RFC 4302 section 2.2)."""

_NO_ICV = bytes(ICV_LENGTH)


def secret(password: str) -> bytes:
    """The 8 bytes that a password is: cut off behind them or filled up with zeros (RFC 2338 section 5.3.10)."""
    return password.encode("utf-8", "surrogateescape")[:PASSWORD_LENGTH].ljust(PASSWORD_LENGTH, b"\0")


def same(one: bytes, other: bytes) -> bool:
    """Whether they are equal, in a time that does not tell where they differ (``hmac`` would load a second OpenSSL)."""
    return len(one) == len(other) and int.from_bytes(one, "big") ^ int.from_bytes(other, "big") == 0


def header(key: bytes, ipv4: bytes, sequence: int, body: bytes) -> bytes:
    """The Authentication Header of a packet with this IPv4 header (20 bytes, complete but for its checksum).

    Its SPI is the source address, as keepalived has it. ``sequence``: 0 to 2³² - 1.
    """
    source = ipv4[12:16]
    blank = _AH.pack(PROTOCOL, _PAYLOAD_LENGTH, 0, source, sequence, _NO_ICV)
    return blank[:ICV_LENGTH] + icv(key, ipv4, blank, body)


def icv(key: bytes, ipv4: bytes, ah: bytes, body: bytes) -> bytes:
    """The first 12 bytes of the HMAC over the three, with what changes on the way taken as 0 (RFC 4302 section 3.3.3.1).

    keepalived keeps the TTL of multicast, which no router forwards, and takes it as 0 for unicast.
    """
    ttl = ipv4[8:9] if is_group(ipv4[16:20]) else b"\0"
    digest = HMAC(key, MD5())
    digest.update(b"".join((ipv4[:1], b"\0", ipv4[2:6], b"\0\0", ttl, ipv4[9:10], b"\0\0", ipv4[12:])))
    digest.update(ah[:ICV_LENGTH] + _NO_ICV + body)
    return digest.finalize()[:ICV_LENGTH]
