"""What is said to a server, and what must be in its answer: a dialogue of one sentence."""

from __future__ import annotations

from ..service_checks import SayQuestion
from .heard import quoted
from .search import Search, found

MOST_ANSWER = 64 * 1024
"""Bytes of an answer that are looked at."""


class SayTalk:
    """``search``: to be sought by whoever has the means, and told to ``searched``. ``half_close``: when all is said."""

    __slots__ = ("_closed", "_heard", "_question", "_sought", "half_close", "search", "verdict")

    wants_tls = False

    def __init__(self, question: SayQuestion) -> None:
        self._question = question
        self._heard = bytearray()
        self._sought = 0
        self._closed = False
        self.half_close = question.half_close
        self.verdict: str | None = None
        self.search: Search | None = None

    def begin(self) -> bytes:
        if not self._question.send and self._question.expect is None:
            self.verdict = ""
        return self._question.send

    @property
    def stage(self) -> str:
        """What has been heard, for the sentence when time is over."""
        if self.search is not None:
            return f"the regular expression {self.search.pattern.text!r} takes too long"
        if not self._heard:
            return "connected, but nothing was said"
        return f"connected, but only {quoted(bytes(self._heard))} was said"

    def feed(self, data: bytes) -> bytes:
        self._heard += data[: MOST_ANSWER - len(self._heard)]
        if data and self._question.expect is None:
            self.verdict = ""
        elif data and self.search is None:
            self._seek()
        return b""

    def closed(self) -> None:
        self._closed = True
        if self.verdict is not None or self.search is not None:
            return
        if self._question.expect is None or not self._heard:
            self.verdict = "the connection was closed without an answer"
        else:
            self._seek()

    @property
    def _over(self) -> bool:
        return self._closed or len(self._heard) >= MOST_ANSWER

    def _seek(self) -> None:
        expect = self._question.expect
        if expect is None or (expect.absent and not self._over):
            return  # that something is absent is known at the end
        self._sought = len(self._heard)
        self.search = Search(expect, bytes(self._heard), self._question.lines)
        if self.search.quick:
            self.searched(found(self.search))

    def searched(self, good: bool) -> None:
        """What became of ``search``."""
        if self.search is None:
            return
        pattern, self.search = self.search.pattern, None
        if good:
            self.verdict = ""
        elif len(self._heard) > self._sought:
            self._seek()
        elif self._over:
            heard = quoted(bytes(self._heard))
            self.verdict = (
                f"{pattern.text!r} is in the answer {heard}"
                if pattern.absent
                else f"{heard} instead of {pattern.text!r}"
            )
