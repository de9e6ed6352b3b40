"""Questions that need no answer from outside, and the one that is made of two."""

from __future__ import annotations

from collections.abc import Callable

from .asker import Asker, Ears


class Fixed:
    """Always up, or never."""

    def __init__(self, ears: Ears, up: bool) -> None:
        self._ears, self._up = ears, up

    def ask(self) -> None:
        self._ears.over("" if self._up else "the configuration says that it is never up", None)

    def expire(self) -> None:
        pass

    def cancel(self) -> None:
        pass


class Unaskable:
    """What cannot be asked at all."""

    def __init__(self, ears: Ears, text: str) -> None:
        self._ears, self._text = ears, text

    def ask(self) -> None:
        self._ears.ours(self._text)

    def expire(self) -> None:
        pass

    def cancel(self) -> None:
        pass


class Combined:
    """``seldom``, then ``each`` times ``often``, and so on; after a failure ``seldom`` until it is good (ldirectord)."""

    def __init__(self, ears: Ears, each: int, often: Callable[[Ears], Asker], seldom: Callable[[Ears], Asker]) -> None:
        self._outer, self._each = ears, max(each, 1)
        inner = Ears(self._over, self._ours, ears.anew)
        self._often, self._seldom = often(inner), seldom(inner)
        self._since = self._each
        """How often ``often`` was asked since ``seldom``."""
        self._now = self._often

    def ask(self) -> None:
        if self._since >= self._each:
            self._since, self._now = 0, self._seldom
        else:
            self._since, self._now = self._since + 1, self._often
        self._now.ask()

    def _over(self, failure: str, weight: int | None) -> None:
        if failure:
            self._since = self._each
        self._outer.over(failure, weight)

    def _ours(self, text: str) -> None:
        if self._now is self._seldom:
            self._since = self._each  # it was not asked
        self._outer.ours(text)

    def expire(self) -> None:
        self._now.expire()

    def cancel(self) -> None:
        self._now.cancel()
