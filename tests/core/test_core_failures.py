"""What follows from a failure: the file's on_failure, restarts and on_stop_failure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import address, script
from execution_walk import FAILED, OK, Walk

from understudy.core.failures import judge, must_stop
from understudy.core.parts import Wanted
from understudy.messages import Phase
from understudy.model import OnFailure, OnStopFailure, Restarts, ScriptResource
from understudy.units import MINUTE, SECOND


def with_policy(resource: ScriptResource, **words: object) -> ScriptResource:
    return replace(resource, restarts=replace(resource.restarts, **words))  # type: ignore[arg-type]


def test_failures_age() -> None:
    part = replace(script("db"), restarts=Restarts(1, MINUTE))
    first = judge(part, (), "exit 1", 0)
    assert first.gave_up_for == 0
    assert judge(part, first.recent, "exit 1", 30 * SECOND).gave_up_for == MINUTE
    late = judge(part, first.recent, "exit 1", 61 * SECOND)
    assert late.gave_up_for == 0
    assert late.recent == (61 * SECOND,)


def test_move_allows_no_restart() -> None:
    found = judge(with_policy(script("db"), on_failure=OnFailure.MOVE), (), "exit 1", 0)
    assert found.gave_up_for
    assert "0 restarts allowed" in found.why


@pytest.mark.parametrize(
    ("exclusive", "wish", "stays"),
    [
        (True, None, True),
        (False, None, False),
        (False, OnStopFailure.FENCE, True),
        (True, OnStopFailure.FENCE, True),
        (False, OnStopFailure.GO_ON, False),
    ],
)
def test_what_must_have_stopped_before_its_group_leaves(
    exclusive: bool, wish: OnStopFailure | None, stays: bool
) -> None:
    assert must_stop(with_policy(replace(script("db"), exclusive=exclusive), on_stop=wish)) is stays


def running(**words: object) -> Walk:
    """An address and the script "db" with this policy, both running."""
    return Walk(address(1), with_policy(script("db"), **words)).running()


def test_what_is_ignored_counts_as_running_and_is_said_once() -> None:
    walk = running(on_failure=OnFailure.IGNORE)
    assert walk.later(10 * SECOND) == "monitor db"
    assert walk.end(FAILED, "exit 1") == ""
    assert walk.states() == ["running", "running"]
    (fact,) = walk.facts()
    assert fact.why == "db failed (monitor: exit 1): ignored, as its on_failure says"
    assert walk.later(10 * SECOND) == "monitor db"
    assert walk.end(FAILED, "exit 1") == ""
    assert walk.facts() == [], "said already"
    assert walk.later(10 * SECOND) == "monitor db"
    walk.end(OK, "")
    assert walk.execution.states()[1][2] == ""


def test_who_is_to_be_fenced_says_so_and_touches_nothing() -> None:
    walk = running(on_failure=OnFailure.FENCE, most=0)
    walk.later(10 * SECOND)
    assert walk.end(FAILED, "exit 1") == "", "neither stopped nor started"
    assert walk.execution.phase() is Phase.STUCK
    (fact,) = walk.facts()
    assert "this machine is to be switched off for it" in fact.why
    assert not fact.gave_up_for
    assert walk.states() == ["running", "failed"]


def test_when_nobody_fences_it_the_group_moves() -> None:
    walk = running(on_failure=OnFailure.FENCE, most=0)
    walk.later(10 * SECOND)
    walk.end(FAILED, "exit 1")
    walk.facts()
    assert walk.execution.next_deadline() == walk.now + 30 * SECOND, "the group's stop timeout"
    assert walk.later(30 * SECOND) == "stop db"
    (fact,) = walk.facts()
    assert fact.gave_up_for
    assert "nobody has switched this machine off" in fact.why


def test_an_operator_need_not_wait_for_it() -> None:
    walk = running(on_failure=OnFailure.FENCE, most=0)
    walk.later(10 * SECOND)
    walk.end(FAILED, "exit 1")
    walk.execution.forget_failures()
    assert walk.go() == "stop db"
    assert walk.execution.phase() is not Phase.STUCK


def test_a_stop_that_fails_keeps_the_group_here_where_the_file_says_so() -> None:
    walk = running(on_stop=OnStopFailure.FENCE)
    assert walk.want(Wanted.STOP) == "stop db"
    walk.end(FAILED, "exit 1")
    assert walk.execution.phase() is Phase.FAILED, "it is asked once more"
    assert "stop db" in walk.later(10 * SECOND)
    assert walk.end(FAILED, "exit 1") == "monitor db"
    assert walk.execution.phase() is Phase.FAILED, "looked at before anybody's power is cut"
    walk.end(FAILED, "exit 1")
    assert walk.execution.phase() is Phase.STUCK
    walk.later(3600 * SECOND)
    assert not walk.execution.safe_to_release(walk.now)
