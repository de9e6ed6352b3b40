"""One group on this machine: start in order, stop in reverse, adopt what runs, and what failures lead to."""

from __future__ import annotations

import pytest
from core_parts import address, of, program, script
from execution_walk import FAILED, NOT_RUNNING, OK, UNKNOWN, Walk, only_operation, site

from understudy.core.execution import ADDRESS_LIMIT, SLACK, WATCH_INTERVAL
from understudy.core.failures import GAVE_UP_PAUSE
from understudy.core.parts import STOP_RETRY, Wanted
from understudy.core.stopping import FAILED_STOPS, STOP_RETRY_MOST
from understudy.effects import Action, RunAgent
from understudy.events import Outcome
from understudy.messages import Phase
from understudy.units import MINUTE, NEVER, SECOND

# Start, stop, adopt


def test_starts_in_order_and_addresses_side_by_side_in_one_batch() -> None:
    walk = site()
    assert walk.want(Wanted.RUN) == "add 1 2"
    assert walk.go() == "", "one operation at a time"
    assert walk.states() == ["starting", "starting", "unknown", "unknown", "stopped"]
    assert walk.end() == "monitor disk", "nothing is started whose state is unknown"
    assert walk.end(NOT_RUNNING) == "monitor httpd", "nor beneath what may run"
    assert walk.end(NOT_RUNNING) == "start disk"
    assert walk.end() == "start httpd"
    assert walk.end() == "add 3"
    assert walk.execution.phase() is Phase.STARTING
    assert walk.end() == ""
    assert walk.execution.phase() is Phase.STARTED


def test_stops_in_reverse() -> None:
    walk = site().running()
    assert walk.want(Wanted.STOP) == "remove 3"
    assert walk.execution.phase() is Phase.STOPPING
    assert walk.end() == "stop httpd"
    assert walk.end() == "stop disk"
    assert walk.end() == "remove 2 1"
    assert not walk.execution.stopped()
    assert walk.end() == ""
    assert walk.execution.stopped()
    assert walk.execution.phase() is Phase.STOPPED


def test_a_stop_that_finds_nothing_running_is_a_stop() -> None:
    walk = site().running()
    walk.want(Wanted.STOP)
    assert walk.end(NOT_RUNNING) == "stop httpd"


def test_a_start_that_came_too_late_to_be_begun_is_no_failure() -> None:
    walk = site()
    walk.want(Wanted.RUN)
    walk.end()
    walk.end(NOT_RUNNING)
    assert walk.end(NOT_RUNNING) == "start disk", "asked again, at once"
    assert not walk.execution.parts[2].failures


def test_what_runs_already_is_adopted_and_not_started_again() -> None:
    walk = Walk(address(1), program("httpd"), present=("192.0.2.1",))
    assert walk.states() == ["running", "unknown"]
    assert walk.want(Wanted.RUN) == "monitor httpd"
    assert walk.end(OK) == ""
    assert walk.states() == ["running", "running"]
    assert walk.execution.states()[1][2] == "was running already: adopted"


@pytest.mark.parametrize("outcome", [FAILED, UNKNOWN])
def test_what_cannot_be_found_out_is_stopped_before_it_is_started(outcome: Outcome) -> None:
    walk = Walk(program("httpd"))
    assert walk.want(Wanted.RUN) == "monitor httpd"
    assert walk.end(outcome) == "stop httpd"
    assert walk.end() == "start httpd"


def test_observe_asks_and_touches_nothing() -> None:
    walk = Walk(address(1), program("disk"), program("httpd"), present=("192.0.2.1",))
    assert walk.execution.phase() is Phase.UNKNOWN
    assert walk.go() == "monitor disk"
    assert walk.end(OK) == "monitor httpd"
    assert walk.end(NOT_RUNNING) == ""
    assert walk.states() == ["running", "running", "stopped"]
    assert walk.execution.phase() is Phase.UNKNOWN


def test_effects_carry_ballot_limit_and_a_number_of_their_own() -> None:
    walk = Walk(program("httpd"))
    walk.execution.want(Wanted.RUN, 100, 77)
    asked = of(RunAgent, walk.execution.advance(100))[0]
    assert (asked.group, asked.ballot, asked.action, asked.limit) == ("site", 77, Action.MONITOR, 5 * SECOND)
    walk.execution.finished(asked.op, NOT_RUNNING, "", 100)
    started = of(RunAgent, walk.execution.advance(100))[0]
    assert (started.action, started.limit) == (Action.START, 20 * SECOND)
    assert started.op != asked.op
    walk.execution.want(Wanted.STOP, 100)
    stopped = of(RunAgent, walk.execution.advance(100))[0]
    assert (stopped.action, stopped.limit, stopped.ballot) == (Action.STOP, 10 * SECOND, 77)


# Without answers


def test_every_operation_has_a_deadline_and_no_answer_is_no_success() -> None:
    walk = Walk(address(1), program("httpd"))
    walk.want(Wanted.RUN)
    assert walk.execution.next_deadline() == 100 + ADDRESS_LIMIT
    assert walk.later(ADDRESS_LIMIT - 1) == ""
    assert walk.later(1) == "stop httpd", "what stands on it goes first, also when it is not known to run"
    assert walk.end() == "remove 1"
    assert walk.end() == "add 1"
    walk = Walk(program("httpd"))
    walk.want(Wanted.RUN)
    limit = walk.now + 5 * SECOND + SLACK
    assert walk.execution.next_deadline() == limit, "the manager kills at 5 s, then reports"
    assert walk.later(limit - walk.now) == "stop httpd"
    assert walk.execution.next_deadline() == walk.now + 10 * SECOND + SLACK


def test_a_late_answer_is_not_taken_for_another_operation() -> None:
    walk = Walk(program("httpd"))
    walk.want(Wanted.RUN)
    late = only_operation(walk.execution)
    assert late is not None
    walk.later(MINUTE)
    assert not walk.execution.finished(late.op, OK, "", walk.now)
    assert walk.states() == ["stopping"]


def test_a_start_without_an_answer_is_stopped_before_it_is_tried_again() -> None:
    walk = Walk(program("httpd"))
    walk.want(Wanted.RUN)
    walk.end(NOT_RUNNING)
    assert walk.later(MINUTE) == "stop httpd"
    assert walk.end() == "start httpd"
    assert "the outcome is unknown" in walk.facts()[0].why


# Failures


def test_a_failed_resource_takes_those_after_it_down_first() -> None:
    walk = site().running()
    walk.execution.failed("disk", "died", walk.now)
    assert walk.go() == "remove 3"
    assert walk.end() == "stop httpd"
    assert walk.end() == "stop disk"
    assert walk.end() == "start disk", "the addresses before it were not touched"
    assert walk.end() == "start httpd"
    assert walk.end() == "add 3"


def test_a_failure_counts_only_for_what_was_thought_to_run() -> None:
    walk = Walk(program("httpd"))
    walk.want(Wanted.RUN)
    walk.execution.failed("httpd", "died", walk.now)
    assert walk.states() == ["unknown"]
    assert walk.facts() == []
    walk = Walk(program("httpd")).running()
    walk.want(Wanted.STOP)
    walk.execution.failed("httpd", "died", walk.now)
    walk.execution.failed("other", "died", walk.now)
    assert walk.facts() == []


def test_restarted_so_often_and_then_given_up() -> None:
    walk = Walk(address(1), program("httpd", most=2)).running()
    for turn in (1, 2):
        walk.execution.failed("httpd", "died", walk.now)
        fact = walk.facts()[0]
        assert (fact.failed, fact.gave_up_for) == (True, 0)
        assert f"failure {turn} within 10m, 2 restarts allowed" in fact.why
        assert "restarted here" in fact.why
        assert walk.go() == "stop httpd"
        assert walk.end() == "start httpd", "a restart is not delayed"
        walk.end()
    walk.execution.failed("httpd", "died", walk.now)
    fact = walk.facts()[0]
    assert fact.gave_up_for == 10 * MINUTE
    assert "httpd failed (died): this node gives up" in fact.why
    assert walk.go() == "stop httpd"
    assert walk.end() == ""
    pause = 10 * MINUTE // 3
    assert walk.execution.next_deadline() == walk.now + pause
    assert walk.later(pause - 1) == ""
    assert walk.later(1) == "start httpd", "no other node took it: tried here again"


def test_the_pause_after_giving_up_is_at_least_five_seconds() -> None:
    walk = Walk(program("httpd", most=1000)).running()
    for _ in range(1001):
        walk.execution.failed("httpd", "died", walk.now)
        walk.go()
        walk.end()
        if only_operation(walk.execution):
            walk.end()
    assert walk.execution.parts[-1].start_again_at == walk.now + GAVE_UP_PAUSE


def test_failures_are_forgotten_after_a_while_or_when_asked() -> None:
    walk = Walk(program("httpd", most=1)).running()
    walk.execution.failed("httpd", "died", walk.now)
    walk.go()
    walk.end()
    walk.end()
    walk.later(10 * MINUTE)
    walk.execution.failed("httpd", "died", walk.now)
    assert [fact.gave_up_for for fact in walk.facts()] == [0, 0]
    walk.go()
    walk.end()
    walk.end()
    walk.execution.forget_failures()
    walk.execution.failed("httpd", "died", walk.now)
    assert walk.facts()[-1].gave_up_for == 0


def test_a_start_that_fails_is_a_failure() -> None:
    walk = Walk(program("httpd"))
    walk.want(Wanted.RUN)
    walk.end(NOT_RUNNING)
    assert walk.end(FAILED, "exit code 1") == "stop httpd"
    assert "start: exit code 1" in walk.facts()[0].why
    assert walk.execution.phase() is Phase.STOPPING or walk.execution.phase() is Phase.STARTING
    assert walk.end() == "start httpd"


def test_a_stop_that_fails_is_tried_again_after_ever_longer_pauses() -> None:
    walk = Walk(program("httpd")).running()
    assert walk.want(Wanted.STOP) == "stop httpd"
    pause, gave_up = STOP_RETRY, []
    for _ in range(7):
        assert walk.end(FAILED, "busy") == "monitor httpd"
        assert walk.end(OK) == "", "it runs, so it did not stop"
        assert walk.execution.phase() is Phase.FAILED
        assert not walk.execution.stopped()
        fact = walk.facts()[0]
        assert "did not stop (busy)" in fact.why
        gave_up.append(fact.gave_up_for)
        timeout = 100 + 30 * SECOND
        due = walk.now + pause
        assert walk.execution.next_deadline() == (timeout if walk.now < timeout < due else due)
        assert walk.later(pause - 1) == ""
        assert walk.later(1) == "stop httpd"
        pause = min(2 * pause, STOP_RETRY_MOST)
    assert pause == STOP_RETRY_MOST
    assert gave_up == [0] * (FAILED_STOPS - 1) + [10 * MINUTE] * (8 - FAILED_STOPS), "after a few this node is not able"
    assert walk.execution.stuck() == ("httpd",)
    walk.end()
    assert walk.execution.stuck() == ()
    assert walk.execution.stopped()
    walk.running()
    walk.want(Wanted.STOP)
    walk.end(UNKNOWN)
    assert walk.execution.next_deadline() == walk.now + STOP_RETRY, "a stop that worked begins the pauses anew"


@pytest.mark.parametrize("exclusive", [False, True])
def test_what_does_not_stop_holds_the_rest_up_for_the_stop_timeout_if_exclusive_for_ever(exclusive: bool) -> None:
    walk = Walk(program("disk"), program("httpd", exclusive=exclusive)).running()
    walk.want(Wanted.STOP)
    while walk.now < 100 + 30 * SECOND - 1:
        if only_operation(walk.execution) is not None:
            assert walk.end(FAILED) == "monitor httpd"
            assert walk.end(UNKNOWN) == ""
        assert walk.states()[0] == "running"
        walk.later(min(walk.execution.next_deadline(), 100 + 30 * SECOND - 1) - walk.now)
    assert only_operation(walk.execution) is None
    assert walk.later(1) == ("" if exclusive else "stop disk")


# Monitors


def test_a_program_is_monitored_at_its_interval_and_restarted_when_that_fails() -> None:
    walk = Walk(script("httpd", interval=10 * SECOND)).running()
    assert walk.execution.next_deadline() == walk.now + 10 * SECOND
    assert walk.later(10 * SECOND - 1) == ""
    assert walk.later(1) == "monitor httpd"
    assert walk.states() == ["running"]
    assert walk.end(OK, "42 workers") == ""
    assert walk.execution.states()[0][2] == "42 workers"
    assert walk.later(10 * SECOND) == "monitor httpd"
    assert walk.end(NOT_RUNNING) == "stop httpd"
    assert "monitor: not running" in walk.facts()[0].why
    assert walk.end() == "start httpd"


@pytest.mark.parametrize("maintenance", [False, True])
def test_monitors_that_take_as_long_as_their_interval_leave_none_out(maintenance: bool) -> None:
    walk = Walk(*(program(name, interval=SECOND) for name in ("a", "b", "c"))).running()
    walk.execution.watching = maintenance
    todo = [walk.later(SECOND)]
    for _ in range(8):
        walk.now += SECOND
        todo.append(walk.end())
    assert {word: todo.count(word) for word in todo} == {"monitor a": 3, "monitor b": 3, "monitor c": 3}


def test_a_program_without_an_interval_is_not_monitored() -> None:
    walk = Walk(program("httpd", interval=0)).running()
    assert walk.execution.next_deadline() == NEVER
    assert walk.later(MINUTE) == ""


def test_a_monitor_without_an_answer_is_the_managers_fault_not_the_programs() -> None:
    """The manager kills an agent at its limit and says "unknown" itself, which does count."""
    walk = Walk(script("httpd")).running()
    walk.later(10 * SECOND)
    assert walk.later(MINUTE) == ""
    assert (walk.states(), walk.facts()) == (["running"], [])
    assert walk.later(10 * SECOND) == "monitor httpd", "and it goes on being asked"
    assert walk.end(UNKNOWN) == "stop httpd"


@pytest.mark.parametrize("outcome", [UNKNOWN, FAILED])
def test_in_maintenance_a_program_that_could_not_be_asked_is_asked_again(outcome: Outcome) -> None:
    """A new daemon finds it in maintenance, and one monitor takes too long: the end of the maintenance would stop it."""
    walk = Walk(program("web"))
    walk.execution.watching = True
    assert walk.want(Wanted.RUN) == "monitor web"
    for _ in range(2):
        assert walk.end(outcome) == ""
        assert walk.states() == ["failed"]
        assert walk.execution.next_deadline() == walk.now + WATCH_INTERVAL
        assert walk.later(WATCH_INTERVAL) == "monitor web"
    assert walk.end() == ""
    assert [fact.why for fact in walk.facts()] == ["web runs again"]
    walk.execution.watching = False
    assert walk.go() == ""
    assert walk.states() == ["running"]


def test_what_did_not_stop_before_the_maintenance_and_was_mended_in_it_is_left_alone_after_it() -> None:
    walk = Walk(program("web", interval=20 * SECOND, exclusive=True)).running()
    walk.execution.failed("web", "died", walk.now)
    assert walk.go() == "stop web"
    assert walk.end(FAILED) == "monitor web"
    assert walk.end(UNKNOWN) == ""
    assert walk.later(SECOND) == "stop web"
    assert walk.end(FAILED) == "monitor web"
    assert walk.end(UNKNOWN) == ""
    assert walk.execution.phase() is Phase.STUCK
    walk.execution.watching = True
    assert walk.go() == ""
    assert walk.later(20 * SECOND) == "monitor web"
    assert walk.end() == ""
    assert walk.execution.phase() is Phase.STARTED
    walk.execution.watching = False
    assert walk.go() == ""
