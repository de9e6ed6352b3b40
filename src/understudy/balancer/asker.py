"""What every way of asking offers to the engine, and gets from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..wire.search import Search

Over = Callable[[str, int | None], None]
"""An asking has ended: the failure as a sentence, "" for a good answer; the weight, of what gives one."""

Ours = Callable[[str], None]
"""An asking could not be made for a trouble of our own, which is this sentence."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Who hears how an asking ended; exactly one of both is called, once. ``anew``: its time limit begins anew."""

    over: Over
    ours: Ours
    anew: Callable[[], None]


class Talk(Protocol):
    """What a connection needs of a dialogue, of ours and of those of services (``spoken.py``)."""

    @property
    def verdict(self) -> str | None: ...

    @property
    def wants_tls(self) -> bool: ...

    @property
    def stage(self) -> str: ...

    @property
    def search(self) -> Search | None: ...

    def searched(self, good: bool) -> None: ...

    def begin(self) -> bytes: ...

    def feed(self, data: bytes) -> bytes: ...

    def closed(self) -> None: ...


class Asker(Protocol):
    """Asks one question, again and again, one asking at a time."""

    def ask(self) -> None:
        """Begin. The answer may come before this returns."""

    def expire(self) -> None:
        """Time is over: tell how far it came."""

    def cancel(self) -> None:
        """Nobody wants to know any more; harmless when nothing is being asked."""
