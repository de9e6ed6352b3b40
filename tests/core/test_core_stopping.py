"""A stop that failed: one look decides whether the part is gone, and nothing but a clear "not running" says so."""

from __future__ import annotations

import pytest
from core_parts import address, program, script
from execution_walk import FAILED, NOT_RUNNING, OK, UNKNOWN, Walk

from understudy.core.execution import SLACK
from understudy.core.parts import STOP_RETRY, Wanted
from understudy.core.stopping import FAILED_STOPS
from understudy.effects import RunAgent
from understudy.events import Outcome
from understudy.messages import Phase
from understudy.units import SECOND


def failed_once(exclusive: bool = True) -> Walk:
    """The stop of "db" has just failed, and its monitor is under way."""
    walk = Walk(program("disk"), script("db", exclusive=exclusive)).running()
    assert walk.want(Wanted.STOP) == "stop db"
    assert walk.end(FAILED, "exit code 1") == "monitor db"
    return walk


def test_what_does_not_run_counts_as_stopped_and_it_is_said_why() -> None:
    walk = failed_once()
    walk.facts()
    assert walk.end(NOT_RUNNING, "exit code 7 (not running)") == "stop disk"
    (fact,) = walk.facts()
    words = (
        "db does not run, says its monitor (exit code 7 (not running)): it counts as stopped, although its stop failed"
    )
    assert fact.why == words
    assert (fact.failed, fact.recovered) == (False, False)
    assert walk.end() == ""
    assert walk.execution.stopped()
    assert not walk.execution.exclusive_may_run(), "that is its own word, and the proof for others"
    assert walk.execution.stuck() == ()


@pytest.mark.parametrize("outcome", [OK, FAILED, UNKNOWN])
def test_any_other_answer_of_the_monitor_changes_nothing(outcome: Outcome) -> None:
    walk = failed_once()
    assert walk.end(outcome, "who knows") == ""
    assert walk.states() == ["running", "failed"]
    assert walk.execution.exclusive_may_run()
    assert not walk.execution.safe_to_release(walk.now + 3600 * SECOND)
    assert walk.later(STOP_RETRY - 1) == "", "it is asked once, and the pause is the same"
    assert walk.later(1) == "stop db"


def test_a_stop_without_an_answer_is_followed_by_a_look_too() -> None:
    walk = Walk(script("db", exclusive=True)).running()
    assert walk.want(Wanted.STOP) == "stop db"
    assert walk.later(20 * SECOND + SLACK) == "monitor db"
    assert walk.end(NOT_RUNNING) == ""
    assert walk.execution.stopped()


def test_a_look_that_hangs_delays_no_stop() -> None:
    walk = Walk(script("db", exclusive=True)).running()
    walk.want(Wanted.STOP)
    operation = walk.execution.operation
    assert operation is not None
    walk.execution.finished(operation.op, FAILED, "exit code 1", walk.now)
    (look,) = walk.execution.advance(walk.now)
    assert isinstance(look, RunAgent)
    assert look.limit == STOP_RETRY, "the manager kills it when the pause is over"
    assert walk.execution.next_deadline() == walk.now + STOP_RETRY
    assert walk.later(STOP_RETRY) == "stop db", "which cuts the look short"
    assert not walk.execution.finished(look.op, NOT_RUNNING, "", walk.now), "its late answer counts for nothing"
    assert walk.states() == ["stopping"]


def test_the_machine_is_not_switched_off_while_it_is_looked_at_but_that_is_put_off_only_once() -> None:
    walk = failed_once()
    walk.end(UNKNOWN)
    assert walk.later(STOP_RETRY) == "stop db"
    assert walk.end(FAILED) == "monitor db"
    assert walk.execution.phase() is Phase.FAILED, "the second stop failed; the look comes first"
    assert walk.later(2 * STOP_RETRY) == "stop db", "a look that hung"
    assert walk.execution.phase() is Phase.STUCK
    assert walk.end(FAILED) == "monitor db"
    assert walk.execution.phase() is Phase.STUCK, "a monitor that hangs must not feed the watchdog for ever"
    walk.facts()
    assert walk.end(NOT_RUNNING) == "stop disk"
    assert walk.execution.phase() is Phase.STOPPING
    assert [fact.recovered for fact in walk.facts()] == [True], f"this node is able again, after {FAILED_STOPS} stops"


def test_without_a_manager_or_with_another_one_nothing_is_looked_at() -> None:
    """Another manager has not seen the stop fail, so it might ask leniently."""
    walk = failed_once()
    walk.execution.manager_changed(False, walk.now)
    assert walk.go() == ""
    walk.execution.manager_changed(True, walk.now)
    assert walk.go() == ""
    assert walk.states() == ["running", "failed"]
    assert walk.later(STOP_RETRY) == "stop db"


def test_a_manager_that_dies_while_a_stuck_part_is_looked_at_leaves_it_stuck() -> None:
    walk = failed_once()
    walk.end(UNKNOWN)
    walk.later(STOP_RETRY)
    walk.end(FAILED)
    assert walk.execution.phase() is Phase.FAILED
    walk.execution.manager_changed(False, walk.now)
    assert walk.execution.phase() is Phase.STUCK


def test_a_look_goes_on_when_the_group_is_to_leave_meanwhile() -> None:
    walk = Walk(script("db", exclusive=True)).running()
    walk.execution.restart()
    assert walk.go() == "stop db"
    assert walk.end(FAILED) == "monitor db"
    assert walk.want(Wanted.STOP) == "", "it is still under way"
    assert walk.end(NOT_RUNNING) == ""
    assert walk.execution.stopped()


def test_what_was_restarted_by_a_look_starts_again_here() -> None:
    walk = Walk(script("db", exclusive=True)).running()
    walk.execution.restart()
    assert walk.go() == "stop db"
    assert walk.end(FAILED) == "monitor db"
    assert walk.end(NOT_RUNNING) == "start db"


def test_addresses_are_not_looked_at() -> None:
    walk = Walk(address(1)).running()
    assert walk.want(Wanted.STOP) == "remove 1"
    assert walk.end(FAILED) == ""
    assert walk.later(STOP_RETRY) == "remove 1"


def test_what_did_not_stop_and_then_proves_to_run_or_not_is_no_longer_stuck() -> None:
    """The manager was lost during a stop, and the group is to stay: it is asked, and what it says is what counts."""
    for outcome, then in ((OK, Phase.STARTED), (NOT_RUNNING, Phase.STARTING)):
        walk = Walk(script("db", exclusive=True)).running()
        walk.want(Wanted.STOP)
        for _ in range(2):
            walk.end(FAILED)
            walk.end(UNKNOWN)
            walk.later(walk.execution.next_deadline() - walk.now)
        assert walk.execution.phase() is Phase.STUCK
        walk.execution.manager_changed(False, walk.now)
        walk.execution.manager_changed(True, walk.now)
        assert walk.want(Wanted.RUN) == "monitor db"
        walk.end(outcome)
        assert walk.execution.phase() is then
        assert walk.execution.stuck() == ()
