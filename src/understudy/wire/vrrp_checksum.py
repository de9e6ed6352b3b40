"""The checksums of VRRP: one field, and four readings of what is summed, all of which are on the wire.

no-pseudo-header                 version 2 over IPv4 (RFC 3768 section 5.3.8); version 3 over IPv4 by RFC 9568 section 5.2.8
pseudo-header                    version 3 over IPv4 as keepalived sends it (RFC 5798 section 5.2.8, read strictly)
pseudo-header-with-224.0.0.18    the same of keepalived up to 1.3.6 to unicast peers: the group in place of the peer
ipv6-pseudo-header               both versions over IPv6 (RFC 8200 section 8.1); the kernel fills it in (RFC 3542 section 3.1)
"""

from __future__ import annotations

from enum import StrEnum

from ..vrrp_files import Checksum
from .checksum import checksum, holds, pseudo_header

PROTOCOL = 112
"""The number of VRRP in IP headers (RFC 9568 section 5.1.1.4)."""

GROUP_IPV4 = bytes((224, 0, 0, 18))
GROUP_IPV6 = bytes.fromhex("ff020000000000000000000000000012")


class Variant(StrEnum):
    """Under which reading a checksum is right."""

    PLAIN = "no-pseudo-header"
    PSEUDO = "pseudo-header"
    OLD_UNICAST = "pseudo-header-with-224.0.0.18"
    IPV6 = "ipv6-pseudo-header"


def is_group(address: bytes) -> bool:
    """Whether a packed address is one of multicast (RFC 1112 section 4, RFC 4291 section 2.7)."""
    return address[0] >> 4 == 14 if len(address) == 4 else address[0] == 255


def variant(version: int, destination: bytes, habit: Checksum) -> Variant:
    """How an advert of this version to this packed address is summed. ``habit`` matters for version 3 over IPv4 alone."""
    if len(destination) == 16:
        return Variant.IPV6
    if version == 2 or habit is Checksum.PLAIN:
        return Variant.PLAIN
    return Variant.OLD_UNICAST if habit is Checksum.OLD_UNICAST and not is_group(destination) else Variant.PSEUDO


def filled(body: bytes, source: bytes, destination: bytes, kind: Variant) -> bytes:
    """The body (its field at byte 6 is 0) with its checksum. Addresses are packed."""
    total = checksum(_before(source, destination, len(body), kind) + body)
    return body[:6] + total.to_bytes(2, "big") + body[8:]


def found(version: int, body: bytes, source: bytes, destination: bytes) -> Variant | None:
    """The reading under which this body's checksum is right, keepalived's first; None when there is none.

    A version 3 body over IPv4 may be summed in any way: who stands on this wire does not know what the others read in the RFC.
    """
    if len(destination) == 16:
        kinds: tuple[Variant, ...] = (Variant.IPV6,)
    elif version == 2:
        kinds = (Variant.PLAIN,)
    elif is_group(destination):
        kinds = (Variant.PSEUDO, Variant.PLAIN)
    else:
        kinds = (Variant.PSEUDO, Variant.PLAIN, Variant.OLD_UNICAST)
    for kind in kinds:
        if holds(_before(source, destination, len(body), kind) + body):
            return kind
    return None


def _before(source: bytes, destination: bytes, length: int, kind: Variant) -> bytes:
    if kind is Variant.PLAIN:
        return b""
    return pseudo_header(source, GROUP_IPV4 if kind is Variant.OLD_UNICAST else destination, length, PROTOCOL)
