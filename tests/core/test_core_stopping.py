"""A stop that failed: one look decides whether the part is gone, and nothing but a clear "not running" says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_parts import address, group, program, script
from execution_walk import FAILED, NOT_RUNNING, OK, UNKNOWN, Walk, only_operation

from understudy.core.execution import SLACK
from understudy.core.parts import STOP_RETRY, Fact, State, Wanted
from understudy.core.reload import change
from understudy.core.stopping import FAILED_STOPS
from understudy.core.stopping import outcome as told
from understudy.effects import Action, RunAgent
from understudy.events import Outcome
from understudy.messages import Phase
from understudy.model import Limits, Resource
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
    operation = only_operation(walk.execution)
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


def test_what_switches_the_machine_off_is_only_named_where_something_can() -> None:
    walk = failed_once()
    walk.end(FAILED)
    walk.later(STOP_RETRY)
    walk.facts()
    walk.end(FAILED, "exit code 1")
    (fact,) = walk.facts()
    assert told(fact, True) == f"{fact.why}, unless this machine is switched off for it"
    assert told(fact, False) == f"{fact.why}; nothing here can switch this machine off for it: end it by hand"
    assert told(Fact("db died"), False) == "db died"


def test_a_stop_that_is_due_above_does_not_come_before_the_look() -> None:
    """What was given up on is stopped again and again; a machine is not switched off for want of the question in between."""
    walk = Walk(script("db", exclusive=True), program("cache")).running()
    assert walk.want(Wanted.STOP) == "stop cache"
    cache = walk.execution.parts[1]
    while walk.states()[0] == "running":
        if walk.execution.operations:
            walk.end(FAILED)
        else:
            walk.later(walk.execution.next_deadline() - walk.now)
    assert walk.end(FAILED) == "monitor db"
    cache.stop_again_at = walk.now + 5 * SECOND
    assert walk.end(UNKNOWN) == ""
    assert walk.later(STOP_RETRY) == "stop db"
    walk.now = cache.stop_again_at
    assert walk.end(FAILED) == "monitor db, stop cache", "which was given up on: its stop goes beside"
    assert walk.execution.phase() is Phase.FAILED
    walk.ended("db", NOT_RUNNING)
    assert walk.execution.phase() is not Phase.STUCK


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_look_begins_beside_what_goes_on_elsewhere_in_the_group(reloaded: bool) -> None:
    walk = Walk(script("db", exclusive=True), program("cache"), stages=(0, 0))
    walk.want(Wanted.RUN)
    for name in ("db", "cache"):
        walk.ended(name, NOT_RUNNING)
        walk.ended(name)
    assert walk.want(Wanted.STOP) == "stop cache, stop db"
    walk.ended("db", FAILED)
    walk.ended("db", UNKNOWN)
    assert walk.later(STOP_RETRY) == "stop db"
    if reloaded:  # takes out what is still being stopped
        after = replace(group("site", script("db", exclusive=True), stop=30 * SECOND), stages=())
        change(walk.execution, after, frozenset(), frozenset(), walk.now)
        walk.execution.group = after
    assert walk.ended("db", FAILED) == "monitor db"
    assert walk.execution.phase() is not Phase.STUCK
    assert walk.later(2 * STOP_RETRY) == ("" if reloaded else "stop db")
    assert walk.execution.phase() is Phase.STUCK, "put off until the next stop was due, and no longer"


def hanging(*above: Resource, limit: int, stages: tuple[int, ...] = ()) -> Walk:
    """An address, what must stop, what is given, and web above them, which may run twice; a monitor of each may take so long."""
    web = replace(program("web"), limits=Limits(stop=20 * SECOND, monitor=limit * SECOND))
    walk = Walk(address(1), program("disk", exclusive=True, interval=10 * SECOND), *above, web, stages=stages)
    walk.want(Wanted.RUN)
    hang(walk, "", 3)
    assert set(walk.states()) == {"running"}
    return walk


def hang(walk: Walk, name: str, seconds: int) -> list[str]:
    """What is begun meanwhile, with the second it is begun in; those of ``name`` end at their limit, all others work."""
    done = []
    for second in range(seconds + 1):
        todo = walk.later(SECOND) if second else walk.go()
        while todo:
            done += [f"{second} {item}" for item in todo.split(", ")]
            for item in [item for item in walk.execution.operations.values() if item.resources[0].id != name]:
                asked = item.action is Action.MONITOR and walk.execution.part(item.resources[0]).state is State.UNKNOWN
                walk.execution.finished(item.op, NOT_RUNNING if asked else OK, "", walk.now)
            todo = walk.go()
    return done


@pytest.mark.parametrize("limit", [5, 20, 60])
@pytest.mark.parametrize("stages", [(), (0, 1, 2)])
def test_what_hangs_in_stops_and_looks_holds_the_rest_up_for_the_stop_timeout(
    limit: int, stages: tuple[int, ...]
) -> None:
    """Its looks fill every pause between two stops: there is no moment in which nothing is under way."""
    walk = hanging(limit=limit, stages=stages)
    walk.want(Wanted.STOP)
    done = hang(walk, "web", 31)
    assert [item for item in done if "web" not in item] == ["30 stop disk", "30 remove 1"]
    assert walk.execution.safe_to_release(walk.now)
    more = hang(walk, "web", 300)
    assert "stop web" in " ".join(more), "it is stopped again and again"
    assert "monitor web" in " ".join(more), "and asked: that is how it is seen to be gone in the end"


@pytest.mark.parametrize("stages", [(), (0, 1, 2, 3)])
def test_what_stands_between_is_stopped_once_before_what_is_beneath(stages: tuple[int, ...]) -> None:
    """The stop timeout is over for it too when it is asked for the first time, and it stands on what is stopped after it."""
    walk = hanging(program("db"), limit=60, stages=stages)
    walk.want(Wanted.STOP)
    done = hang(walk, "web", 29)
    assert not [item for item in done if "web" not in item]
    assert walk.later(2 * SECOND) == "stop db"
    assert walk.later(SECOND) == ""
    assert walk.ended("db", FAILED) == "monitor db, stop disk"


@pytest.mark.parametrize("stages", [(), (0, 1, 2)])
def test_what_hangs_after_a_failure_keeps_nothing_else_unwatched_or_without_its_address(
    stages: tuple[int, ...],
) -> None:
    walk = hanging(limit=60, stages=stages)
    walk.execution.failed("web", "died", walk.now)
    assert hang(walk, "web", 15)[0] == "0 stop web"
    assert walk.execution.address_gone("192.0.2.1")
    assert walk.go() == "add 1", "beside the stop that hangs"
    walk.ended("1")
    done = hang(walk, "web", 200)
    asked = [item for item in done if item.endswith("monitor disk")]
    assert len(asked) >= 10
    assert not [item for item in done if item not in asked and "web" not in item]


@pytest.mark.parametrize("stages", [(), (0, 1, 2)])
def test_what_a_reload_took_out_and_hangs_keeps_the_rest_back_for_the_stop_timeout(stages: tuple[int, ...]) -> None:
    walk = hanging(limit=60, stages=stages)
    after = replace(walk.execution.group, resources=(*walk.execution.group.resources[:2], program("new")))
    change(walk.execution, after, frozenset(), frozenset(), walk.now)
    walk.execution.group = after
    done = hang(walk, "web", 40)
    assert [item for item in done if "new" in item] == ["30 monitor new", "30 start new"]
    assert [item for item in done if "monitor disk" in item], "what runs is watched"
    assert walk.states() == ["running", "running", "running", "stopping"]
