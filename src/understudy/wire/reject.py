"""Why a datagram was refused: a value that is counted and shown, never an exception.

The words are part of the status interface (``Snapshot.rejected``); docs/protocol.md lists them with their causes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Every reason that this package gives, in the order of the checks."""

    NOT_OURS = "not-ours"
    TOO_SHORT = "too-short"
    UNKNOWN_VERSION = "unknown-version"
    OTHER_CLUSTER = "other-cluster"
    UNKNOWN_KEY = "unknown-key"
    UNKNOWN_MEMBER = "unknown-member"
    BAD_SEAL = "bad-seal"
    UNKNOWN_MESSAGE = "unknown-message"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Reject:
    """A datagram that is forgotten. ``reason`` is one of the words of ``Reason``."""

    reason: str
