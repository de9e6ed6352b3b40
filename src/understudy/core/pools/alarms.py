"""Deadlines in a heap. One that was moved stays in it until it comes up, and is passed over then."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TypeAlias

from ...units import NEVER, Instant

Key: TypeAlias = tuple[str, object]
"""What is to be done, and with what; the second is compared by identity."""


class Alarms:
    """Each key has at most one deadline."""

    def __init__(self) -> None:
        self._at: dict[Key, Instant] = {}
        self._heap: list[tuple[Instant, int, Key]] = []
        self._count = 0

    def set(self, key: Key, at: Instant) -> None:
        """Move the deadline of ``key``; NEVER takes it away."""
        if at >= NEVER:
            self._at.pop(key, None)
            return
        if self._at.get(key) == at:
            return
        self._at[key] = at
        self._count += 1
        heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 4 * len(self._at) + 64:  # a server that flaps moves its deadline again and again
            self._heap = [(at, count, key) for at, count, key in self._heap if self._at.get(key) == at]
            heapify(self._heap)

    def next(self) -> Instant:
        """The earliest deadline, or NEVER."""
        heap = self._heap
        while heap and self._at.get(heap[0][2]) != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def due(self, now: Instant) -> list[Key]:
        """What has come, in order; each is told once."""
        found = []
        while self.next() <= now:
            key = heappop(self._heap)[2]
            if self._at.pop(key, None) is not None:
                found.append(key)
        return found
