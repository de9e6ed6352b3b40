"""How outages and two servers are read off the samples; no namespaces needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.lab.samples import Sample, Samples, last_answer, longest_gap, sampled_together, unanswered

MS = 1_000_000


def column(answered: dict[int, int], first: int, last: int, late: dict[int, int] | None = None) -> list[Sample]:
    """Questions at each millisecond; ``answered`` maps the number of some to the machine that answered 0.1 ms later."""
    late = late or {}
    samples = []
    for number in range(first, last + 1):
        sent = number * MS + late.get(number, 0)
        who = answered.get(number, -1)
        samples.append(Sample(number, sent, sent + MS // 10 if who >= 0 else 0, who))
    return samples


def test_gap_between_two_machines() -> None:
    answered = dict.fromkeys(range(100, 150), 0) | dict.fromkeys(range(190, 300), 1)
    gap = longest_gap(column(answered, 100, 299), 100 * MS, 299 * MS + MS // 2)
    assert gap is not None
    assert gap.length == 41 * MS  # from the answer to 149 to the answer to 190
    assert (gap.lost, gap.mended, gap.own_lateness) == (40, True, 0)


def test_gap_that_never_ends() -> None:
    gap = longest_gap(column(dict.fromkeys(range(100, 150), 0), 100, 299), 100 * MS, 300 * MS)
    assert gap is not None
    assert not gap.mended
    assert gap.length == 300 * MS - (149 * MS + MS // 10)


def test_late_asker_is_told_apart_from_a_late_service() -> None:
    samples = [
        sample for sample in column(dict.fromkeys(range(100, 200), 0), 100, 199) if not 120 < sample.sequence < 150
    ]
    gap = longest_gap(samples, 100 * MS, 199 * MS)
    assert gap is not None
    assert gap.length == 30 * MS
    assert gap.own_lateness == 29 * MS
    assert gap.lost == 0


def test_nothing_asked_is_no_gap() -> None:
    assert longest_gap([], 0, 10) is None


def test_last_answer_and_unanswered() -> None:
    samples = column({5: 1, 6: 0}, 1, 10)
    last = last_answer(samples)
    assert last is not None
    assert last.sequence == 6
    assert unanswered(samples) == 8
    assert last_answer(column({}, 1, 3)) is None


def test_two_at_once_needs_the_same_question() -> None:
    one, other = column({1: 0, 2: 0, 3: 0}, 1, 9), column({4: 0, 5: 0}, 1, 9)
    assert sampled_together([one, other]) == []
    assert sampled_together([one, other, column({3: 0, 9: 0}, 1, 9)]) == [3]


def test_ring_keeps_the_newest(tmp_path: Path) -> None:
    ring = Samples.create(str(tmp_path / "ring"), 10, MS)
    for number in range(25):
        ring.asked(number, number * MS)
    ring.answered(20, 20 * MS + 5, 1)
    ring.answered(3, 99 * MS, 0)  # overwritten long ago by 13 and 23: must not be taken for them
    ring.answered(20, 21 * MS, 0)  # a duplicate: the first answer counts
    reader = Samples.open(str(tmp_path / "ring"))
    kept = list(reader.between(0, 24 * MS))
    assert [sample.sequence for sample in kept] == list(range(15, 25))
    assert [(sample.answered, sample.who) for sample in kept if sample.answered] == [(20 * MS + 5, 1)]
    assert [sample.sequence for sample in reader.between(17 * MS + 1, 19 * MS)] == [18, 19]


def test_open_before_the_asker_is_ready(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Samples.open(str(tmp_path / "ring"))
    (tmp_path / "ring").write_bytes(b"")
    with pytest.raises(ValueError, match="not ready"):
        Samples.open(str(tmp_path / "ring"))
