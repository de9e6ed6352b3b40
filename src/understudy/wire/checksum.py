"""The Internet checksum (RFC 1071), and the pseudo-headers that some protocols put in front of what they sum.

Sixteen-bit ones' complement addition is arithmetic modulo 65535, and Python divides a long integer by a short one at the speed of
C: 40 bytes cost 0.2 µs, so that nothing here needs RFC 1624's patching of a sum that is known already.
"""

from __future__ import annotations

import struct

_MODULUS = 0xFFFF
_IPV4 = struct.Struct("!4s4sxBH")
_IPV6 = struct.Struct("!16s16sI3xB")


def checksum(data: bytes) -> int:
    """What belongs into the checksum field (0 to 65535) of ``data``, in which that field is 0. An odd last byte is padded."""
    total = int.from_bytes(data, "big") << (8 if len(data) & 1 else 0)
    return (_MODULUS - total % _MODULUS) % _MODULUS if total else _MODULUS


def holds(data: bytes) -> bool:
    """Whether the checksum in ``data`` is right. 0 and 65535 in the field are one number; nothing but zeros is never right."""
    total = int.from_bytes(data, "big") << (8 if len(data) & 1 else 0)
    return total != 0 and total % _MODULUS == 0


def pseudo_header(source: bytes, destination: bytes, length: int, protocol: int) -> bytes:
    """Of IPv4 (RFC 9293 section 3.1) for addresses of 4 bytes, of IPv6 (RFC 8200 section 8.1) for 16. ``length``: behind it."""
    form = _IPV4 if len(source) == 4 else _IPV6
    return form.pack(source, destination, *((protocol, length) if len(source) == 4 else (length, protocol)))
