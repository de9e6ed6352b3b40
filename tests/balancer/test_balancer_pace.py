"""When a check is asked next."""

from __future__ import annotations

import itertools

from understudy.balance import CheckAnswered
from understudy.balancer.pace import Pace, spread
from understudy.core.pools.members import Probe
from understudy.core.pools.probing import count
from understudy.service_checks import Check, FixedQuestion, Target
from understudy.units import SECOND

TARGET = Target("192.0.2.1")


def pace(part: float = 0.5, **words: object) -> Pace:
    return Pace(Check(FixedQuestion(True), TARGET, **{"interval": 10 * SECOND, **words}), part)  # type: ignore[arg-type]


def settled(**words: object) -> Pace:
    """After its first asking, which began at 0."""
    one = pace(**words)
    one.begun(0)
    one.answered(True, 1)
    return one


def test_many_are_spread_evenly() -> None:
    parts = sorted(spread(number) for number in range(1, 1001))
    gaps = [after - before for before, after in itertools.pairwise(parts)]
    assert parts[0] >= 0
    assert parts[-1] < 1
    assert max(gaps) < 3 / 1000


def test_the_first_asking_comes_soon_and_the_second_at_its_own_part() -> None:
    one = pace(0.25)
    assert one.first(100, 7) == 107
    one.begun(107)
    assert one.answered(True, 200) == 107 + 10 * SECOND // 4
    one.begun(107 + 10 * SECOND // 4)
    assert one.answered(True, 3 * SECOND) == 107 + 10 * SECOND // 4 + 10 * SECOND


def test_a_warm_up_is_itself_the_part() -> None:
    one = pace(0.25, warmup=8 * SECOND)
    assert one.first(0, 7) == 2 * SECOND
    one.begun(2 * SECOND)
    assert one.answered(True, 3 * SECOND) == 12 * SECOND


def test_lateness_is_not_handed_on() -> None:
    one = settled()
    one.begun(20 * SECOND)  # due then; that it began later is nobody's business
    assert one.answered(True, 24 * SECOND) == 30 * SECOND


def test_beats_that_are_over_are_left_out() -> None:
    one = settled()
    one.begun(20 * SECOND)
    assert one.answered(True, 47 * SECOND) == 50 * SECOND
    one.begun(50 * SECOND)
    assert one.answered(True, 60 * SECOND) == 60 * SECOND


def test_a_pause_counts_from_the_end() -> None:
    one = settled(pause=True)
    one.begun(20 * SECOND)
    assert one.answered(True, 47 * SECOND) == 57 * SECOND


def test_retries_come_sooner_while_it_is_up() -> None:
    one = settled(fall=3, retry_delay=SECOND, starts_up=True)
    one.begun(20 * SECOND)
    assert one.answered(False, 22 * SECOND) == 23 * SECOND
    one.begun(23 * SECOND)
    assert one.answered(False, 24 * SECOND) == 25 * SECOND
    one.begun(25 * SECOND)
    assert one.up
    assert one.answered(False, 26 * SECOND) == 35 * SECOND
    assert not one.up
    one.begun(35 * SECOND)
    assert one.answered(False, 36 * SECOND) == 45 * SECOND, "who is down is not asked sooner"


def test_a_good_answer_ends_the_row_of_failures() -> None:
    one = settled(fall=2, retry_delay=SECOND, starts_up=True)
    for start, good, due in ((20, False, 21), (21, True, 31), (31, False, 32), (32, False, 42)):
        one.begun(start * SECOND)
        assert one.answered(good, start * SECOND) == due * SECOND
    assert not one.up


def test_it_rises_after_as_many_as_it_must() -> None:
    one = pace(rise=2)
    one.begun(0)
    one.answered(False, 1)
    assert one.up is False
    one.answered(True, 1)
    assert one.up is False
    one.answered(True, 1)
    assert one.up


def test_of_what_nothing_is_known_the_first_good_answer_makes_it_up() -> None:
    one = pace(rise=2, fall=2)
    one.begun(0)
    one.answered(False, 1)
    assert one.up is None
    one.answered(True, 1)
    assert one.up


def test_retries_come_sooner_while_nothing_is_known() -> None:
    """The pool keeps one that it found in the table until ``fall`` failures."""
    one = pace(interval=60 * SECOND, fall=4, retry_delay=SECOND)
    one.begun(0)
    for start in range(3):
        assert one.answered(False, start * SECOND) == (start + 1) * SECOND
        one.begun((start + 1) * SECOND)
    assert one.answered(False, 3 * SECOND) == 33 * SECOND
    assert one.up is False
    one.begun(33 * SECOND)
    assert one.answered(False, 34 * SECOND) == 93 * SECOND, "who is down is not asked sooner"


def test_it_counts_as_the_pool_does() -> None:
    for starts_up, answers in itertools.product((True, False), itertools.product((True, False), repeat=7)):
        check = Check(FixedQuestion(True), TARGET, fall=2, rise=2, starts_up=starts_up)
        probe, one = Probe(check, up=starts_up or None), Pace(check, 0.5)
        for good in answers:
            count(probe, CheckAnswered(1, "" if good else "refused"))
            one.answered(good, 1)
            assert one.up == probe.up
