"""A second writer of datagrams, made from docs/protocol.md alone, with other libraries where there is a choice.

It writes what the program itself never would: other versions, unknown sections, broken bodies under a good seal.
Nothing here uses the program's own writer, so that a mistake in it cannot agree with itself.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CLUSTER = "site"
KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))
MEMBERS = ("ha01", "ha02", "arbiter")
INCARNATION = 0x0123456789ABCDEF


def master(key: bytes) -> bytes:
    return hmac.digest(b"understudy datagrams", key, "sha256")


def expand(secret: bytes, info: bytes, length: int) -> bytes:
    return hmac.digest(secret, info + b"\x01", "sha256")[:length]


def section(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + len(content).to_bytes(2, "big") + content


def seal(
    body: bytes,
    *,
    cluster: str = CLUSTER,
    key: bytes = KEY,
    sender: bytes = b"ha01",
    incarnation: int = INCARNATION,
    counter: int = 1,
    version: int = 1,
    newest: int = 1,
    flags: int = 0,
    magic: bytes = b"USDY",
) -> bytes:
    name = cluster.encode()
    header = magic + bytes((version, newest, flags, len(sender)))
    header += hashlib.sha256(name).digest()[:4]
    header += expand(master(key), b"key id", 4)
    header += incarnation.to_bytes(8, "big") + counter.to_bytes(8, "big") + sender
    info = b"seal\x00" + len(name).to_bytes(2, "big") + name
    info += bytes((len(sender),)) + sender + incarnation.to_bytes(8, "big")
    cipher = AESGCM(expand(master(key), info, 32))
    return header + cipher.encrypt(bytes(4) + counter.to_bytes(8, "big"), body, header)
