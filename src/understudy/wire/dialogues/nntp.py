"""NNTP: the greeting begins with 2: 200 posting allowed, 201 not (RFC 3977 section 5.1). Not handled: anything behind it."""

from __future__ import annotations

from ..said import quoted
from .talk import LineTalk


class Nntp(LineTalk):
    """The greeting is enough."""

    def _line(self, line: bytes) -> bytes:
        if not line.startswith(b"2"):
            return self._bad(f"it said {quoted(line)} where its greeting should begin with 2")
        return self._good(b"QUIT\r\n")
