"""What the client and the observer saw, one slot for each question, in a file that the director reads while it grows.

A question is asked at every tick of ``interval`` nanoseconds; its sequence number is the tick's number since boot, so questions
of different askers with one interval are comparable. A slot holds (sequence, sent, answered, who); times are CLOCK_BOOTTIME
nanoseconds, ``answered`` 0 means no answer (yet), ``who`` indexes the names of those who may answer. The ring keeps the
last ``capacity`` questions. Writer and readers share pages on one machine: a slot is written in one piece and read without a
lock; a torn read costs one sample.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..units import Duration, Instant

_HEADER = struct.Struct("<8sqqq")
_MAGIC = b"USAMPLE1"
_SLOT = struct.Struct("<qqqq")
_START = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """One question. ``answered`` 0: nobody has answered."""

    sequence: int
    sent: Instant
    answered: Instant
    who: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time without an answer. ``mended`` False: there was still no answer at the end of the time looked at.

    ``lost``: questions sent in it that nobody answered. ``own_lateness``: the most that the asker itself was late in it, which
    says how far the length can be trusted.
    """

    start: Instant
    end: Instant
    lost: int
    mended: bool
    own_lateness: Duration

    @property
    def length(self) -> Duration:
        return self.end - self.start


class Samples:
    """The ring. The asker creates it; the director opens it."""

    def __init__(self, path: str, file: int, capacity: int, interval: Duration) -> None:
        self.path, self.capacity, self.interval = path, capacity, interval
        self._map = mmap.mmap(file, _START + capacity * _SLOT.size)
        os.close(file)

    @classmethod
    def create(cls, path: str, capacity: int, interval: Duration) -> Samples:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.ftruncate(file, _START + capacity * _SLOT.size)
        samples = cls(path, file, capacity, interval)
        samples._map[: _HEADER.size] = _HEADER.pack(_MAGIC, capacity, interval, 0)
        return samples

    @classmethod
    def open(cls, path: str) -> Samples:
        """Raises FileNotFoundError or ValueError while the asker has not created it."""
        file = os.open(path, os.O_RDWR)
        header = os.pread(file, _HEADER.size, 0)
        if len(header) < _HEADER.size or not header.startswith(_MAGIC):
            os.close(file)
            raise ValueError(f"{path} is not ready")
        _, capacity, interval, _ = _HEADER.unpack(header)
        return cls(path, file, capacity, interval)

    def asked(self, sequence: int, sent: Instant) -> None:
        _SLOT.pack_into(self._map, self._at(sequence), sequence, sent, 0, -1)

    def answered(self, sequence: int, when: Instant, who: int) -> None:
        """Note the first answer; later ones (duplicates), and answers to questions no longer kept, are ignored."""
        at = self._at(sequence)
        kept, sent, already, _ = _SLOT.unpack_from(self._map, at)
        if kept == sequence and not already:
            _SLOT.pack_into(self._map, at, sequence, sent, when, who)

    def _at(self, sequence: int) -> int:
        return _START + (sequence % self.capacity) * _SLOT.size

    def between(self, start: Instant, end: Instant) -> Iterator[Sample]:
        """The questions of the ticks from ``start`` to ``end``, in order; ticks at which none was asked are left out."""
        first = max(-(-start // self.interval), end // self.interval - self.capacity + 1)
        for sequence in range(first, end // self.interval + 1):
            slot = _SLOT.unpack_from(self._map, self._at(sequence))
            if slot[0] == sequence:
                yield Sample(*slot)

    def close(self) -> None:
        self._map.close()


def longest_gap(samples: Sequence[Sample], start: Instant, end: Instant) -> Gap | None:
    """The longest time between two answers one after the other in [start, end], by when they arrived.

    The edges count too: from ``start`` to the first answer, and from the last answer to ``end`` (then ``mended`` is False).
    Give a ``start`` at which the service was well. None when nothing was asked.
    """
    if not samples:
        return None
    times = sorted(sample.answered for sample in samples if start <= sample.answered <= end)
    edges = [start, *times, end]
    length, at = max((after - before, index) for index, (before, after) in enumerate(pairwise(edges)))
    low, high = edges[at], edges[at] + length
    inside = [sample for sample in samples if low <= sample.sent <= high]
    lost = sum(not sample.answered for sample in inside)
    return Gap(low, high, lost, at + 1 < len(edges) - 1, _lateness(samples, low, high))


def _lateness(samples: Sequence[Sample], low: Instant, high: Instant) -> Duration:
    """How far two questions that touch [low, high] were apart at most, beyond the usual step (the median of all)."""
    steps = sorted(after.sent - before.sent for before, after in pairwise(samples))
    touching = [
        after.sent - before.sent for before, after in pairwise(samples) if after.sent >= low and before.sent <= high
    ]
    return max(0, max(touching) - steps[len(steps) // 2]) if touching else 0


def last_answer(samples: Sequence[Sample]) -> Sample | None:
    """The sample that was answered last."""
    return max((sample for sample in samples if sample.answered), key=lambda sample: sample.answered, default=None)


def unanswered(samples: Sequence[Sample]) -> int:
    """How many questions got no answer."""
    return sum(not sample.answered for sample in samples)


def sampled_together(columns: Sequence[Sequence[Sample]], least: int = 2) -> list[int]:
    """The sequence numbers at which at least ``least`` of the columns (one for each machine asked) were answered."""
    counts: dict[int, int] = {}
    for column in columns:
        for sample in column:
            if sample.answered:
                counts[sample.sequence] = counts.get(sample.sequence, 0) + 1
    return sorted(sequence for sequence, count in counts.items() if count >= least)
