"""ICMP and ICMPv6 echo (RFC 792, RFC 4443 section 4): the requests of ours, and what replies to them."""

from __future__ import annotations

import struct

from .checksum import checksum

_ECHO = struct.Struct("!BBHHH")
_PAYLOAD = b"understudy".ljust(16, b"\0")


def echo_request(version: int, identifier: int, sequence: int) -> bytes:
    """An ICMP or ICMPv6 echo request. The kernel computes the checksum of ICMPv6 itself (RFC 3542, section 3.1)."""
    kind = 8 if version == 4 else 128
    plain = _ECHO.pack(kind, 0, 0, identifier, sequence) + _PAYLOAD
    if version == 6:
        return plain
    return _ECHO.pack(kind, 0, checksum(plain), identifier, sequence) + _PAYLOAD


def echo_reply(version: int, raw: bool, data: bytes) -> tuple[int, int] | None:
    """(identifier, sequence) of a received echo reply, None for anything else. ``raw``: IPv4 comes with its header."""
    if version == 4 and raw:
        data = data[(data[0] & 0x0F) * 4 :] if data else data
    if len(data) < _ECHO.size:
        return None
    kind, code, _, identifier, sequence = _ECHO.unpack_from(data)
    return (identifier, sequence) if kind == (0 if version == 4 else 129) and code == 0 else None


def is_answer(version: int, raw: bool, data: bytes, identifier: int) -> bool:
    """Whether a received packet is an echo reply to us."""
    reply = echo_reply(version, raw, data)
    # Unprivileged sockets get only their own replies, with an identifier that the kernel chose.
    return reply is not None and (reply[0] == identifier or not raw)
