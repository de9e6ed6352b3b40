"""Up, late, lost: deadlines of silence, and that a node which was late itself accuses nobody."""

from __future__ import annotations

import pytest
from core_parts import BEAT, DEAD

from understudy.core.membership import Change, Membership, State
from understudy.units import MILLISECOND, NEVER, SECOND, Duration

LATE: Duration = 500 * MILLISECOND
"""Two heartbeats and a half."""


def membership() -> Membership:
    return Membership(("ha02", "arbiter"), BEAT, DEAD)


def up(at: int = 0) -> Membership:
    found = membership()
    assert found.heard("ha02", at, at) == Change("ha02", State.UNKNOWN, State.UP)
    return found


def test_never_heard_is_unknown_and_has_no_deadline() -> None:
    found = membership()
    assert found.state("ha02") is State.UNKNOWN
    assert not found.alive("ha02")
    assert found.next_deadline() == NEVER
    assert found.expire(100 * SECOND) == []


def test_late_after_two_and_a_half_heartbeats_lost_after_the_dead_time() -> None:
    found = up()
    assert found.next_deadline() == LATE
    assert found.expire(LATE - 1) == []
    assert found.expire(LATE) == [Change("ha02", State.UP, State.LATE, LATE)]
    assert found.expire(LATE) == []
    assert found.alive("ha02")
    assert found.next_deadline() == DEAD
    assert found.expire(DEAD - 1) == []
    assert found.expire(DEAD) == [Change("ha02", State.LATE, State.LOST, DEAD)]
    assert not found.alive("ha02")
    assert found.members["ha02"].lost_at == DEAD
    assert found.next_deadline() == NEVER
    assert found.expire(DEAD + 1) == []


def test_silence_that_is_found_late_goes_straight_to_lost() -> None:
    assert up().expire(3 * DEAD) == [Change("ha02", State.UP, State.LOST, 3 * DEAD)]


def test_late_comes_before_lost_even_with_the_longest_heartbeat() -> None:
    found = Membership(("ha02",), DEAD // 3, DEAD)
    assert found.late_after < DEAD
    slow = Membership(("ha02",), DEAD, DEAD)
    assert slow.late_after == DEAD - 1


@pytest.mark.parametrize("at", [LATE, DEAD])
def test_a_word_brings_it_back(at: int) -> None:
    found = up()
    found.expire(at)
    before = found.state("ha02")
    assert found.heard("ha02", at, at) == Change("ha02", before, State.UP)
    assert found.heard("ha02", at + 1, at + 1) is None
    assert found.members["ha02"].lost_at is None
    assert found.next_deadline() == at + 1 + LATE


def test_up_since_survives_being_late_but_not_being_lost() -> None:
    found = up(5)
    found.expire(5 + LATE)
    found.heard("ha02", LATE + 10, LATE + 10)
    assert found.members["ha02"].up_since == 5
    found.expire(3 * SECOND)
    found.heard("ha02", 4 * SECOND, 4 * SECOND)
    assert found.members["ha02"].up_since == 4 * SECOND


def test_a_restart_counts_as_up_since_now() -> None:
    found = up()
    found.restarted("ha02", 7)
    assert found.members["ha02"].up_since == 7


def test_an_older_arrival_does_not_shorten_the_deadline() -> None:
    found = up()
    found.heard("ha02", 100, 100)
    found.heard("ha02", 50, 101, via="arbiter")
    assert found.members["ha02"].heard_at == 100
    assert found.members["ha02"].via == "arbiter"
    assert found.next_deadline() == 100 + LATE


def test_each_member_has_its_own_deadline() -> None:
    found = up()
    found.heard("arbiter", BEAT, BEAT)
    assert found.next_deadline() == LATE
    assert [change.node for change in found.expire(DEAD)] == ["ha02", "arbiter"]
    assert (found.state("ha02"), found.state("arbiter")) == (State.LOST, State.LATE)
    assert found.next_deadline() == BEAT + DEAD


# A node that was itself late


def test_after_a_stall_everybody_gets_one_heartbeat_and_a_half_from_now() -> None:
    found = up()
    found.stalled(DEAD)
    excuse = DEAD + BEAT + BEAT // 2
    assert found.expire(DEAD) == [Change("ha02", State.UP, State.LATE, DEAD)]
    assert found.alive("ha02")
    assert found.next_deadline() == excuse, "not the deadline that has passed: that would spin"
    assert found.expire(excuse - 1) == []
    assert found.expire(excuse) == [Change("ha02", State.LATE, State.LOST, excuse)]


def test_a_word_within_the_excuse_saves_the_peer() -> None:
    found = up()
    found.stalled(DEAD)
    found.expire(DEAD)
    found.heard("ha02", DEAD + BEAT, DEAD + BEAT)
    assert found.expire(DEAD + 2 * BEAT) == []
    assert found.state("ha02") is State.UP


def test_an_excuse_never_shortens_a_deadline_or_an_earlier_excuse() -> None:
    found = up()
    found.stalled(0)
    found.expire(LATE)
    assert found.next_deadline() == DEAD
    found.stalled(DEAD)
    found.stalled(DEAD - BEAT)
    assert found.expire(DEAD + BEAT) == []


def test_a_node_that_is_always_late_finds_a_silent_peer_lost_after_a_second_dead_time() -> None:
    found = up()
    for now in range(DEAD, 2 * DEAD, BEAT):
        found.stalled(now)
        found.expire(now)
        assert found.alive("ha02")
        assert now < found.next_deadline() <= 2 * DEAD
    found.stalled(2 * DEAD - 1)
    assert found.next_deadline() == 2 * DEAD
    assert found.expire(2 * DEAD) == [Change("ha02", State.LATE, State.LOST, 2 * DEAD)]


def test_a_single_long_stall_is_an_excuse_too() -> None:
    """A machine that was suspended received nothing meanwhile; whoever lives is heard within a heartbeat."""
    found = up()
    found.stalled(10 * DEAD)
    found.expire(10 * DEAD)
    assert found.alive("ha02")


def test_each_silence_has_an_excuse_of_its_own() -> None:
    found = up()
    found.stalled(DEAD)
    found.expire(DEAD)
    found.heard("ha02", DEAD + 1, DEAD + 1)
    found.stalled(10 * DEAD)
    found.expire(10 * DEAD)
    assert found.alive("ha02")
    assert found.next_deadline() == 10 * DEAD + BEAT + BEAT // 2
