"""Why a group comes or goes, for the programs that are told: what the core has said of it lately."""

from __future__ import annotations

from collections import defaultdict, deque

from ..units import MINUTE, Duration, Instant

LATELY: Duration = MINUTE
_MOST = 3
_LONGEST = 500
"""Characters: it becomes an environment variable."""


class Reasons:
    """Sentences of the core by group; one that names no group (a machine is lost) concerns them all."""

    def __init__(self, groups: tuple[str, ...]) -> None:
        self._groups = groups
        self._heard: dict[str, deque[tuple[Instant, str]]] = defaultdict(lambda: deque(maxlen=_MOST))

    def heard(self, group: str, sentence: str, now: Instant) -> None:
        for name in (group,) if group else self._groups:
            self._heard[name].append((now, sentence))

    def of(self, group: str, otherwise: str, now: Instant) -> str:
        """The last sentences of the last minute in the order in which they were said; ``otherwise`` when there are none."""
        lately = [sentence for at, sentence in self._heard[group] if now - at < LATELY]
        return ("; ".join(lately) or otherwise)[:_LONGEST]
