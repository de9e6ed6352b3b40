"""What every dialogue offers to the one who has the connection."""

from __future__ import annotations

from typing import Protocol


class Dialogue(Protocol):
    """One conversation, from the connection on. ``verdict``: None while it is not over, "" when all is well, else why not.

    ``wants_tls``: TLS is to be begun now, on the same connection; when it stands, ``feed(b"")`` asks how it goes on.
    """

    @property
    def verdict(self) -> str | None: ...

    @property
    def wants_tls(self) -> bool: ...

    def begin(self) -> bytes:
        """What is said first, b"" for nothing."""

    def feed(self, data: bytes) -> bytes:
        """What is said to ``data``; over UDP it is one datagram."""

    def closed(self) -> None:
        """The other side has ended the connection; there is a verdict now."""
