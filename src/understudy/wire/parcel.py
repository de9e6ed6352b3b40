"""A new cluster key on its way from one manager to another, so that only the one who asked can read it.

The way itself is sealed with the cluster's key, and what goes over it is kept by the recorders of both pulses: so the key is
wrapped once more, with a secret that both agree on for this one parcel (X25519, RFC 7748; HKDF-SHA256, RFC 5869; AES-256-GCM) and
that nobody keeps. Who has only listened, or finds a recording and an old key later, learns nothing from it.

Randomness comes in as data: 32 bytes of the kernel's for each ``private``, used once.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRIVATE = 32
"""Bytes of a private number."""

_KEY = 32
_ONCE = bytes(12)
"""The nonce: each secret wraps one parcel only."""


def public(private: bytes) -> bytes:
    """What the other end needs to know: 32 bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def wrap(key: bytes, private: bytes, theirs: bytes, label: str) -> bytes | None:
    """``key`` for whoever has the private number of ``theirs``; None when ``theirs`` is no public number.

    ``label`` names cluster, giver, taker and key: a parcel for one purpose does not open for another.
    """
    secret = _secret(private, theirs, public(private) + theirs, label)
    return None if secret is None else AESGCM(secret).encrypt(_ONCE, key, None)


def unwrap(parcel: bytes, private: bytes, theirs: bytes, label: str) -> bytes | None:
    """The key in the parcel, or None when it is not for us, not from ``theirs``, or spoilt."""
    secret = _secret(private, theirs, theirs + public(private), label)
    if secret is None:
        return None
    try:
        key = AESGCM(secret).decrypt(_ONCE, parcel, None)
    except (InvalidTag, ValueError):
        return None
    return key if len(key) == _KEY else None


def _secret(private: bytes, theirs: bytes, both: bytes, label: str) -> bytes | None:
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        return None  # of another length, or a point of low order
    info = b"understudy key parcel\x00" + both + label.encode()
    return HKDF(SHA256(), _KEY, None, info).derive(shared)
