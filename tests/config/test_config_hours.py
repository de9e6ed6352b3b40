"""Hours of the day: how they are written, and what they mean at each second of a week."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.config.hours import read_hours
from understudy.hours import DAYS, Hours


@pytest.mark.parametrize(
    ("text", "hours", "again"),
    [
        ("02:00-04:00", Hours(120, 240), "02:00-04:00"),
        ("2:00 - 4:30", Hours(120, 270), "02:00-04:30"),
        ("sat,sun 22:00-06:00", Hours(1320, 360, (5, 6)), "sat,sun 22:00-06:00"),
        ("Sun, Sat 22:00-00:00", Hours(1320, 0, (5, 6)), "sat,sun 22:00-00:00"),
        ("mon-wed 02:00-04:00", Hours(120, 240, (0, 1, 2)), "mon,tue,wed 02:00-04:00"),
        ("sat-mon,wed 02:00-04:00", Hours(120, 240, (0, 2, 5, 6)), "mon,wed,sat,sun 02:00-04:00"),
        ("mon-sun 02:00-04:00", Hours(120, 240), "02:00-04:00"),
    ],
)
def test_written(text: str, hours: Hours, again: str) -> None:
    assert read_hours(text) == hours
    assert str(hours) == again
    assert read_hours(again) == hours


def test_start_in_a_sentence() -> None:
    assert Hours(120, 240).start == "02:00"
    assert Hours(120, 240, (5,)).start == "02:00 on sat"
    assert Hours(1325, 240, (0, 4, 5)).start == "22:05 on mon, fri and sat"


@pytest.mark.parametrize(
    ("weekday", "time", "found"),
    [
        ("fri", (1, 59, 59), (False, 1)),
        ("fri", (2, 0, 0), (True, 7200)),
        ("fri", (3, 59, 59), (True, 1)),
        ("fri", (4, 0, 0), (False, 22 * 3600)),
    ],
)
def test_every_day(weekday: str, time: tuple[int, int, int], found: tuple[bool, int]) -> None:
    assert Hours(120, 240).look(DAYS.index(weekday), time[0] * 3600 + time[1] * 60 + time[2]) == found


def test_past_midnight_belongs_to_the_day_on_which_it_began() -> None:
    hours = Hours(22 * 60, 6 * 60, (6,))
    assert hours.look(6, 23 * 3600) == (True, 7 * 3600)
    assert hours.look(0, 3600) == (True, 5 * 3600), "Monday night, over the end of the week"
    assert hours.look(6, 3600) == (False, 21 * 3600), "the night to Sunday began on Saturday"


@given(
    st.lists(st.integers(0, 1439), min_size=2, max_size=2, unique=True),
    st.sets(st.integers(0, 6), max_size=6),
    st.integers(0, 6),
    st.integers(0, 86399),
)
def test_it_stays_so_until_the_change_and_no_longer(times: list[int], days: set[int], day: int, second: int) -> None:
    hours = Hours(times[0], times[1], tuple(sorted(days)))
    within, left = hours.look(day, second)
    for step, expected in ((left - 1, within), (left, not within)):
        at = (day * 86400 + second + step) % (7 * 86400)
        assert hours.look(at // 86400, at % 86400)[0] is expected
