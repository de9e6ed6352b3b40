"""One-time codes of ``understudy invite``, and what they allow: pure, so that time and tries can be tested.

A code is 30 letters and digits: 96 bits of the fingerprint of the inviter's certificate, 44 bits of a secret for one member,
10 bits against typing errors. The fingerprint tells the joining machine that it speaks with the inviter and nobody between;
only then it says the secret, inside the encrypted connection. So nothing that could be tried out offline ever crosses the
network, and online a few wrong tries end the invitation (docs/decisions/0015-joining-by-code.md).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

FINGERPRINT_BITS, SECRET_BITS, CHECK_BITS = 96, 44, 10
MOST_WRONG = 3
"""Wrong codes until the invitation ends. Three guesses at 44 bits succeed once in six million million."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O and U, which are read as 1, 1, 0 and V."""

_MISREAD = str.maketrans("ILOU", "110V", "- ")
_LENGTH = (FINGERPRINT_BITS + SECRET_BITS + CHECK_BITS) // 5
_GROUP = 5


@dataclass(frozen=True, slots=True)
class Code:
    """What a code says: the first bits of SHA-256 of the certificate, and the secret."""

    fingerprint: int
    secret: int


def fingerprint(certificate: bytes) -> int:
    """Of a certificate in DER form."""
    return int.from_bytes(hashlib.sha256(certificate).digest(), "big") >> (256 - FINGERPRINT_BITS)


def format_code(code: Code) -> str:
    """Six groups of five, as in ``ABCDE-FGHJK-...``."""
    value = code.fingerprint << SECRET_BITS | code.secret
    whole = value << CHECK_BITS | _check(value)
    text = "".join(_ALPHABET[whole >> 5 * place & 31] for place in reversed(range(_LENGTH)))
    return "-".join(text[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP))


def read_code(text: str) -> Code:
    """Small letters, other groups and the usual misreadings are accepted. Raises ValueError with what is wrong."""
    plain = text.upper().translate(_MISREAD)
    for character in plain:
        if character not in _ALPHABET:
            raise ValueError(f"{character!r} is no part of a code")
    if len(plain) != _LENGTH:
        raise ValueError(f"a code has {_LENGTH} letters and digits, and this one has {len(plain)}")
    whole = 0
    for character in plain:
        whole = whole << 5 | _ALPHABET.index(character)
    value = whole >> CHECK_BITS
    if whole & (1 << CHECK_BITS) - 1 != _check(value):
        raise ValueError("a letter or digit of the code is wrong: compare it with what the inviting machine shows")
    return Code(value >> SECRET_BITS, value & (1 << SECRET_BITS) - 1)


def _check(value: int) -> int:
    size = (FINGERPRINT_BITS + SECRET_BITS + 7) // 8
    return int.from_bytes(hashlib.sha256(value.to_bytes(size, "big")).digest(), "big") >> (256 - CHECK_BITS)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a machine may not join, and what to do."""

    text: str
    hint: str


@dataclass(slots=True)
class Invitation:
    """``secrets``: member to secret. ``ends``: on the caller's monotonic clock, in seconds."""

    secrets: Mapping[str, int]
    ends: float
    wrong: int = 0
    used: dict[str, str] = field(default_factory=dict)
    """Member to the address from which its code came."""

    @property
    def closed(self) -> bool:
        """No code can succeed any more, whatever the time."""
        return self.wrong >= MOST_WRONG or len(self.used) == len(self.secrets)

    def judge(self, secret: int, host: str, peer: str, now: float) -> str | Refusal:
        """The member whose code this is, which is used up with it; or a Refusal. ``host``: what the machine calls itself."""
        again = "On the inviting machine, start another one: understudy invite"
        if now >= self.ends:
            return Refusal("the invitation is over: its time has passed", again)
        if self.wrong >= MOST_WRONG:
            return Refusal("the invitation is over: too many wrong codes", again)
        member = self._member(secret)
        if member is None:
            self.wrong += 1
            left = MOST_WRONG - self.wrong
            rest = f"{left} more wrong one{'' if left == 1 else 's'} will end the invitation." if left else again
            return Refusal("this code is wrong", rest)
        if member in self.used:
            return Refusal(f"this code was used already, from {self.used[member]}", again)
        if member not in (host, host.partition(".")[0]):
            hint = f"Type it on {member}; or, if this machine is to be {member}, add --node {member}."
            return Refusal(f"this code is for {member}, and this machine is called {host}", hint)
        self.used[member] = peer
        return member

    def _member(self, secret: int) -> str | None:
        found = None
        size = (SECRET_BITS + 7) // 8
        for member, own in self.secrets.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(own.to_bytes(size, "big"), secret.to_bytes(size, "big")):
                found = member
        return found
