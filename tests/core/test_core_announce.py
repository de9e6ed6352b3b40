"""When a group's addresses are announced: a burst, slow repeats, and not in a flood when two answer each other."""

from __future__ import annotations

from understudy.core.announce import BURST, CALM, SLOW, Announcements
from understudy.units import MILLISECOND, NEVER, SECOND, Instant


def taken(found: Announcements, until: Instant) -> list[Instant]:
    """When it announces, if it is asked exactly when it wants to be, up to ``until``."""
    times = []
    while (due := found.next_deadline()) <= until:
        assert not found.take(due - 1)
        assert found.take(due)
        times.append(due)
    return times


def test_nothing_is_announced_before_the_first_burst() -> None:
    found = Announcements()
    assert found.next_deadline() == NEVER
    assert not found.take(SECOND)


def test_a_burst_repeats_within_the_first_second_and_then_each_minute() -> None:
    found = Announcements()
    found.burst(100)
    early = taken(found, 100 + 5 * SECOND)
    assert early == [100 + after for after in BURST]
    assert early[0] == 100, "the first frame leaves at once"
    assert sum(1 for at in early if at <= 100 + SECOND) >= 5, "one frame is often lost"
    assert taken(found, 100 + 200 * SECOND) == [early[-1] + SLOW * turn for turn in (1, 2, 3)]


def test_what_was_missed_is_made_good_by_one_announcement() -> None:
    found = Announcements()
    found.burst(0)
    assert found.take(600 * MILLISECOND)
    assert not found.take(600 * MILLISECOND)
    assert found.next_deadline() == SECOND
    assert found.take(5 * SECOND)
    assert found.next_deadline() == 5 * SECOND + SLOW, "counted from now, so that a frozen node does not burst"


def test_a_rival_begins_the_burst_again() -> None:
    found = Announcements()
    found.burst(0)
    taken(found, 10 * SECOND)
    found.burst(10 * SECOND)
    assert taken(found, 10 * SECOND + 10 * MILLISECOND) == [10 * SECOND, 10 * SECOND + 10 * MILLISECOND]


def test_two_that_answer_each_other_do_not_flood_the_network() -> None:
    found, sent = Announcements(), 0
    found.burst(0)
    for now in range(0, SECOND, MILLISECOND):
        sent += found.take(now)
        found.burst(now)
    assert sent <= 2 * SECOND // CALM, "a rival each millisecond: still no more than a burst each 20 ms"


def test_a_rival_just_after_the_burst_began_changes_nothing() -> None:
    found = Announcements()
    found.burst(0)
    found.take(0)
    found.burst(CALM - 1)
    assert found.next_deadline() == 10 * MILLISECOND
    found.burst(CALM)
    assert found.next_deadline() == CALM


def test_stop_is_the_end_and_the_next_burst_starts_at_once() -> None:
    found = Announcements()
    found.burst(0)
    found.take(0)
    found.stop()
    assert found.next_deadline() == NEVER
    assert not found.take(10 * SECOND)
    found.burst(1)
    assert found.take(1)
