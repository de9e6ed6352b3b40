"""The notes of several nodes in one order, in which no effect stands before its cause, whatever their clocks say.

Each node's notes have an order of their own. Between nodes a note comes after all of another node's notes that it can have
known of: those made before the newest state, or the newest datagram, that had come from there (``stamps``). What is neither
before nor after is put in the order of the clocks, which is only a hint.

These orders cannot contradict each other, because a datagram is received after it was sent. Notes that were damaged on a disk
could; then the oldest by the clocks goes first, and nothing is left out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..effects import Mark


@dataclass(frozen=True, slots=True)
class Line:
    """A note as far as its place matters. ``hint`` is a wall-clock time in nanoseconds, as well as it is known.

    ``own``: when it was made, by its node's own count, and ``others``: what its node knew then; both empty for what the
    manager noted itself, which keeps its place among its node's notes.
    """

    hint: int
    own: Mark | None = None
    others: tuple[Mark, ...] = ()


class _Log:
    """One node's notes, and how far they have been put in order."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.place = 0
        self._marks: dict[int, tuple[list[int], list[int], list[int]]] = {}
        for index, line in enumerate(lines):
            if line.own is not None:
                places, numbers, counters = self._marks.setdefault(line.own.incarnation, ([], [], []))
                places.append(index)
                # What a node says only grows; a note that was kept back for a while must not make it shrink.
                numbers.append(max(line.own.number, numbers[-1] if numbers else -1))
                counters.append(max(line.own.counter, counters[-1] if counters else -1))

    def before(self, mark: Mark) -> int:
        """How many of these notes come before what ``mark`` names: all of earlier lives, and some of that one.

        Of a life that noted nothing it cannot be told which these are; but each notes its start.
        """
        if mark.incarnation not in self._marks:
            return 0
        places, numbers, counters = self._marks[mark.incarnation]
        count = max(bisect_left(numbers, mark.number), bisect_left(counters, mark.counter))
        return places[count - 1] + 1 if count else places[0]

    @property
    def head(self) -> Line | None:
        return self.lines[self.place] if self.place < len(self.lines) else None


def merge(logs: Mapping[str, Sequence[Line]]) -> list[tuple[str, int]]:
    """All notes, causes first, as (node, index into its notes)."""
    left = {name: _Log(lines) for name, lines in logs.items()}
    found: list[tuple[str, int]] = []
    while True:
        heads = [(line.hint, name) for name, log in left.items() if (line := log.head) is not None]
        if not heads:
            return found
        free = [item for item in heads if _may_come(left[item[1]].head, left)]
        _, name = min(free or heads)
        found.append((name, left[name].place))
        left[name].place += 1


def _may_come(line: Line | None, logs: Mapping[str, _Log]) -> bool:
    """Whether everything that ``line``'s node knew of stands already."""
    if line is None:
        return False
    return all(logs[mark.member].before(mark) <= logs[mark.member].place for mark in line.others if mark.member in logs)
