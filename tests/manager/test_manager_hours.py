"""The manager's look at the clock on the wall: what it tells, when it tells anew, summer time, a clock that is set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from understudy.events import HoursSeen
from understudy.hours import Hours
from understudy.manager.hours import HoursWatch, Seen, look
from understudy.model import Cluster, Failback, FailbackKind, Group, Quorum
from understudy.pulse.manager_link import understand
from understudy.units import HOUR, SECOND

NIGHT = Hours(120, 240)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def wall(*when: int) -> float:
    return datetime(*when, tzinfo=BERLIN).timestamp()  # type: ignore[arg-type, misc]


def cluster(*hours: Hours) -> Cluster:
    groups = tuple(
        Group(f"g{number}", (), (), Failback(FailbackKind.WITHIN, hours=item)) for number, item in enumerate(hours)
    )
    return Cluster("test", "", SECOND // 5, SECOND, Quorum.MAJORITY, (), (*groups, Group("plain", ())))


class Clocks:
    """A clock on the wall, one that only runs, and what was told."""

    def __init__(self, at: float, *hours: Hours) -> None:
        self.wall, self.rested = at, 100.0
        self.told: list[Seen] = []
        self.watch = HoursWatch(cluster(*hours), self.told.append, lambda: self.wall, lambda: self.rested)

    def passes(self, seconds: float, clock_set_by: float = 0) -> float:
        self.rested += seconds
        self.wall += seconds + clock_set_by
        return self.watch.look_once()


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ((2026, 3, 28, 1), (False, 1)),
        ((2026, 3, 28, 3), (True, 1)),
        ((2026, 3, 29, 1), (False, 1)),  # at two o'clock it is three
        ((2026, 3, 29, 3), (True, 1)),
        ((2026, 10, 25, 1), (False, 1)),
        ((2026, 10, 25, 2), (True, 3)),  # two o'clock comes twice
        ((2026, 10, 25, 4), (False, 22)),
    ],
)
def test_hours_of_days_that_are_shorter_and_longer(when: tuple[int, ...], found: tuple[bool, int]) -> None:
    assert look((NIGHT,), wall(*when)) == (("02:00-04:00", found[0], found[1] * HOUR),)


def test_told_at_once_at_each_change_and_each_minute() -> None:
    clocks = Clocks(wall(2026, 5, 5, 1, 59, 50), NIGHT, Hours(120, 240), Hours(0, 60, (5,)))
    assert clocks.watch.look_once() == 5.0
    assert [(text, within) for text, within, _ in clocks.told[0]] == [
        ("02:00-04:00", False),
        ("sat 00:00-01:00", False),
    ]
    assert clocks.passes(5) == pytest.approx(5.0, abs=0.1)
    assert len(clocks.told) == 1
    clocks.passes(5.01)
    assert clocks.told[1][0][:2] == ("02:00-04:00", True)
    for _ in range(11):
        clocks.passes(5)
    assert len(clocks.told) == 2
    clocks.passes(5.5)
    assert len(clocks.told) == 3


def test_a_clock_that_is_set_is_news() -> None:
    clocks = Clocks(wall(2026, 5, 5, 1), NIGHT)
    clocks.watch.look_once()
    clocks.passes(5, clock_set_by=1)
    assert len(clocks.told) == 1, "a second is how clocks are kept right"
    clocks.passes(5, clock_set_by=-1800)
    assert clocks.told[1] == (("02:00-04:00", False, int(5389 * SECOND)),)
    clocks.passes(5, clock_set_by=7200)
    assert clocks.told[2][0][1] is True
    clocks.watch.again()
    assert len(clocks.told) == 4, "a new pulse knows nothing"


def test_another_configuration() -> None:
    clocks = Clocks(wall(2026, 5, 5, 3))
    clocks.watch.look_once()
    assert clocks.told == [], "nobody asked"
    clocks.watch.follow(cluster(NIGHT))
    assert clocks.told[0][0][:2] == ("02:00-04:00", True)


def test_what_the_pulse_makes_of_it() -> None:
    packet = {"t": "hours", "hours": [["02:00-04:00", True, 5], ["sat 00:00-01:00", False, 7]]}
    assert understand(packet) == HoursSeen((("02:00-04:00", True, 5), ("sat 00:00-01:00", False, 7)))
    for wrong in ([["x", True]], [[1, True, 5]], [["x", True, "5"]], 5, None):
        assert understand({"t": "hours", "hours": wrong}) is None
