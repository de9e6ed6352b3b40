"""One group on this machine: start in order, stop in reverse, adopt what runs, and what failures lead to."""

from __future__ import annotations

from itertools import count

import pytest
from core_parts import address, group, of, program, script

from understudy.core.execution import (
    ADDRESS_LIMIT,
    GAVE_UP_PAUSE,
    SLACK,
    STOP_RETRY,
    STOP_RETRY_MOST,
    Execution,
    Fact,
    State,
    Wanted,
)
from understudy.effects import Action, AddAddresses, Effect, RemoveAddresses, RunAgent
from understudy.events import Outcome
from understudy.messages import Phase
from understudy.model import Resource
from understudy.units import MINUTE, NEVER, SECOND, Duration, Instant

OK, NOT_RUNNING, FAILED, UNKNOWN = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED, Outcome.UNKNOWN


class Walk:
    """An execution, told things in short words."""

    def __init__(self, *resources: Resource, present: tuple[str, ...] = (), manager: bool = True) -> None:
        self.execution = Execution(group("site", *resources, stop=30 * SECOND), count(1).__next__, frozenset(present))
        self.now: Instant = 100
        if manager:
            self.execution.manager_changed(True, self.now)

    def want(self, wanted: Wanted, ballot: int = 41) -> str:
        self.execution.want(wanted, self.now, ballot)
        return self.go()

    def go(self) -> str:
        """The next operation, as "start httpd" or "add 1 2"; "" if none is due."""
        return text(self.execution.advance(self.now))

    def end(self, outcome: Outcome = OK, why: str = "") -> str:
        """The operation under way ends; returns the next."""
        operation = self.execution.operation
        assert operation is not None, "nothing is under way"
        assert self.execution.finished(operation.op, outcome, why, self.now)
        return self.go()

    def later(self, span: Duration) -> str:
        self.now += span
        self.execution.expire(self.now)
        return self.go()

    def states(self) -> list[str]:
        return [state.value for _, state, _ in self.execution.states()]

    def facts(self) -> list[Fact]:
        found, self.execution.facts = self.execution.facts, []
        return found

    def running(self) -> Walk:
        """Everything was started and answered."""
        todo = self.want(Wanted.RUN)
        while todo:
            todo = self.end(NOT_RUNNING if todo.startswith("monitor") else OK)
        self.facts()
        return self


def text(effects: list[Effect]) -> str:
    words = []
    for effect in effects:
        match effect:
            case AddAddresses(_, _, addresses, why):
                words.append("add " + " ".join(item.id[-1] for item in addresses))
            case RemoveAddresses(_, _, addresses, why):
                words.append("remove " + " ".join(item.id[-1] for item in addresses))
            case RunAgent(_, _, resource, action, _, _, why):
                words.append(f"{action.value} {resource}")
            case _:
                pytest.fail(f"an execution does not wish for {effect}")
        assert why, "what acts says why"
    return ", ".join(words)


def site(**words: object) -> Walk:
    return Walk(address(1), address(2), program("disk"), program("httpd"), address(3), **words)  # type: ignore[arg-type]


# Start, stop, adopt


def test_starts_in_order_and_addresses_side_by_side_in_one_batch() -> None:
    walk = site()
    assert walk.want(Wanted.RUN) == "add 1 2"
    assert walk.go() == "", "one operation at a time"
    assert walk.states() == ["starting", "starting", "unknown", "unknown", "stopped"]
    assert walk.end() == "monitor disk", "nothing is started whose state is unknown"
    assert walk.end(NOT_RUNNING) == "start disk"
    assert walk.end() == "monitor httpd"
    assert walk.end(NOT_RUNNING) == "start httpd"
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
    late = walk.execution.operation
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
        if walk.execution.operation:
            walk.end()
    assert walk.execution.start_again_at == walk.now + GAVE_UP_PAUSE


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
    pause = STOP_RETRY
    for _ in range(7):
        assert walk.end(FAILED, "busy") == ""
        assert walk.execution.phase() is Phase.FAILED
        assert not walk.execution.stopped()
        assert "did not stop (busy)" in walk.facts()[0].why
        timeout = 100 + 30 * SECOND
        due = walk.now + pause
        assert walk.execution.next_deadline() == (timeout if walk.now < timeout < due else due)
        assert walk.later(pause - 1) == ""
        assert walk.later(1) == "stop httpd"
        pause = min(2 * pause, STOP_RETRY_MOST)
    assert pause == STOP_RETRY_MOST
    walk.end()
    assert walk.execution.stopped()
    walk.running()
    walk.want(Wanted.STOP)
    walk.end(UNKNOWN)
    assert walk.execution.next_deadline() == walk.now + STOP_RETRY, "a stop that worked begins the pauses anew"


def test_what_stands_on_something_that_does_not_stop_keeps_it_from_being_stopped() -> None:
    walk = Walk(program("disk"), program("httpd")).running()
    walk.want(Wanted.STOP)
    assert walk.end(FAILED) == ""
    assert walk.states() == ["running", "failed"]


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


def test_a_program_without_an_interval_is_not_monitored() -> None:
    walk = Walk(program("httpd", interval=0)).running()
    assert walk.execution.next_deadline() == NEVER
    assert walk.later(MINUTE) == ""


def test_a_monitor_without_an_answer_is_a_failure() -> None:
    walk = Walk(script("httpd")).running()
    walk.later(10 * SECOND)
    assert walk.later(MINUTE) == "stop httpd"


# Changes of mind


def test_a_stop_does_not_wait_for_a_start_that_is_under_way() -> None:
    walk = Walk(address(1), program("httpd"))
    walk.want(Wanted.RUN)
    walk.end()
    walk.end(NOT_RUNNING)
    assert walk.want(Wanted.STOP) == "stop httpd"
    assert walk.end() == "remove 1"


def test_a_stop_waits_for_addresses_that_are_being_added() -> None:
    walk = Walk(address(1))
    walk.want(Wanted.RUN)
    assert walk.want(Wanted.STOP) == ""
    assert walk.end() == "remove 1"


def test_a_run_waits_for_a_stop_that_is_under_way() -> None:
    walk = Walk(program("httpd")).running()
    walk.want(Wanted.STOP)
    assert walk.want(Wanted.RUN) == ""
    assert walk.states() == ["stopping"]
    assert walk.end() == "start httpd"


def test_a_stop_of_something_never_asked_is_a_stop_of_everything() -> None:
    walk = Walk(address(1), program("httpd"))
    assert walk.want(Wanted.STOP) == "stop httpd"
    walk.end()
    assert walk.states() == ["stopped", "stopped"]


# The manager


def test_without_a_manager_addresses_come_and_programs_wait() -> None:
    walk = Walk(address(1), program("httpd"), manager=False)
    assert walk.want(Wanted.RUN) == "add 1"
    assert walk.end() == ""
    assert walk.execution.phase() is Phase.UNKNOWN
    walk.execution.manager_changed(True, walk.now)
    assert walk.go() == "monitor httpd"


def test_a_lost_manager_leaves_a_start_unknown_and_a_monitor_without_meaning() -> None:
    walk = Walk(script("httpd"))
    walk.want(Wanted.RUN)
    walk.end(NOT_RUNNING)
    walk.execution.manager_changed(False, walk.now)
    assert walk.states() == ["unknown"]
    assert "lost during its start" in walk.execution.states()[0][2]
    assert walk.later(MINUTE) == ""
    walk.execution.manager_changed(True, walk.now)
    assert walk.go() == "monitor httpd"
    walk.end(OK)
    walk.later(10 * SECOND)
    walk.execution.manager_changed(False, walk.now)
    assert walk.states() == ["running"]
    assert walk.later(MINUTE) == ""
    assert walk.facts() == [], "nothing that nobody could answer counts against the program"


def test_a_new_manager_is_asked_what_runs() -> None:
    walk = Walk(program("disk"), program("httpd", interval=0)).running()
    walk.execution.manager_changed(True, walk.now)
    assert walk.go() == "monitor disk"
    assert walk.end(OK) == "monitor httpd"
    assert walk.end(OK) == ""


def test_a_stop_without_a_manager_waits_for_one() -> None:
    walk = Walk(address(1), program("httpd")).running()
    walk.execution.manager_changed(False, walk.now)
    assert walk.want(Wanted.STOP) == ""
    walk.execution.manager_changed(True, walk.now)
    assert walk.go() == "stop httpd"


def test_addresses_do_not_depend_on_the_manager() -> None:
    walk = Walk(address(1))
    walk.want(Wanted.RUN)
    walk.execution.manager_changed(False, walk.now)
    assert walk.execution.operation is not None
    walk.end()
    assert walk.states() == ["running"]


# Exclusive programs wait for proof


def test_only_exclusive_programs_wait() -> None:
    walk = Walk(address(1), program("httpd"), program("db", exclusive=True), program("cron"))
    walk.execution.hold_programs_until = walk.now + 30 * SECOND
    walk.want(Wanted.RUN)
    assert walk.end() == "monitor httpd"
    walk.end(NOT_RUNNING)
    assert walk.end() == "monitor db", "whether it runs here may be asked"
    assert walk.end(NOT_RUNNING) == ""
    assert walk.execution.next_deadline() == walk.now + 30 * SECOND
    assert walk.later(30 * SECOND - 1) == ""
    assert walk.later(1) == "start db"


def test_an_exclusive_program_that_runs_here_already_is_adopted_at_once() -> None:
    walk = Walk(program("db", exclusive=True))
    walk.execution.hold_programs_until = NEVER
    walk.want(Wanted.RUN)
    walk.end(OK)
    assert walk.states() == ["running"]


@pytest.mark.xfail(reason="a stop ends the wait for proof, and a change of mind does not bring it back", strict=True)
def test_a_change_of_mind_does_not_cut_the_wait_for_proof_short() -> None:
    walk = Walk(address(1), program("db", exclusive=True))
    walk.want(Wanted.RUN)
    walk.execution.hold_programs_until = walk.now + 30 * SECOND
    walk.end()
    walk.end(NOT_RUNNING)
    walk.want(Wanted.STOP)
    walk.want(Wanted.RUN)
    assert walk.end() == "add 1"
    assert walk.end() == "", "the same lease, and still no proof"


# Releasing


@pytest.mark.parametrize("exclusive", [False, True])
def test_parts_that_do_not_stop_hold_the_release_up_for_the_stop_timeout_exclusive_ones_for_ever(
    exclusive: bool,
) -> None:
    walk = Walk(address(1), program("httpd", exclusive=exclusive)).running()
    execution = walk.execution
    assert not execution.safe_to_release(walk.now)
    walk.now += SECOND
    walk.want(Wanted.STOP)
    began = walk.now
    walk.end(FAILED)
    assert not execution.safe_to_release(began + 30 * SECOND), "the address is still there"
    execution.remove_addresses(walk.now, "lost")
    assert not execution.safe_to_release(began + 30 * SECOND - 1)
    assert execution.safe_to_release(began + 30 * SECOND) is not exclusive
    walk.later(SECOND)
    walk.end(OK)
    assert execution.safe_to_release(walk.now)


def test_the_stop_timeout_counts_from_the_stop_that_was_asked_last() -> None:
    walk = Walk(program("httpd")).running()
    walk.want(Wanted.STOP)
    walk.end(FAILED)
    walk.want(Wanted.RUN)
    assert not walk.execution.safe_to_release(walk.now + MINUTE)
    walk.now += 20 * SECOND
    walk.want(Wanted.STOP)
    assert not walk.execution.safe_to_release(walk.now + 30 * SECOND - 1)
    assert walk.execution.safe_to_release(walk.now + 30 * SECOND)
    walk.want(Wanted.STOP)
    assert walk.execution.safe_to_release(walk.now + 30 * SECOND), "asked for again it is the same stop"


# Addresses


def test_an_added_address_is_announced() -> None:
    walk = Walk(address(1), address(2))
    walk.want(Wanted.RUN)
    walk.end()
    assert [[item.id for item in fact.announce] for fact in walk.facts()] == [["address-1", "address-2"]]
    walk.want(Wanted.STOP)
    walk.end()
    assert walk.facts() == []


def test_an_address_that_somebody_removed_is_put_back_alone() -> None:
    walk = site().running()
    assert walk.execution.address_gone("192.0.2.2")
    assert walk.go() == "add 2"
    assert walk.end() == ""
    assert not walk.execution.address_gone("192.0.2.77")
    walk.want(Wanted.STOP)
    assert not walk.execution.address_gone("192.0.2.1"), "it goes anyway"
    assert walk.end() == "stop httpd"
    walk.end()
    assert walk.end() == "remove 2"


@pytest.mark.xfail(reason="the pause after giving up holds for addresses before the failed program too", strict=True)
def test_an_address_is_put_back_also_while_a_failed_program_waits() -> None:
    walk = Walk(address(1), program("httpd", most=0)).running()
    walk.execution.failed("httpd", "died", walk.now)
    walk.go()
    assert walk.end() == ""
    walk.execution.address_gone("192.0.2.1")
    assert walk.go() == "add 1"


def test_a_lost_lease_takes_all_addresses_off_at_once() -> None:
    walk = site().running()
    assert text(walk.execution.remove_addresses(walk.now, "the lease ended")) == "remove 1 2 3"
    assert walk.states() == ["stopped", "stopped", "running", "running", "stopped"]
    assert walk.execution.remove_addresses(walk.now, "the lease ended") == []


def test_a_lost_lease_forgets_what_was_under_way_with_addresses_only() -> None:
    walk = Walk(address(1), program("httpd"))
    walk.want(Wanted.RUN)
    adding = walk.execution.operation
    assert adding is not None
    assert text(walk.execution.remove_addresses(walk.now, "the lease ended")) == "remove 1"
    assert not walk.execution.finished(adding.op, OK, "", walk.now), "the answer to the add comes after the removal"
    walk = Walk(address(1), program("httpd")).running()
    walk.want(Wanted.STOP)
    walk.execution.remove_addresses(walk.now, "the lease ended")
    assert walk.end() == ""
    assert walk.execution.stopped()


def test_a_group_of_nothing_is_started_when_it_is_wanted() -> None:
    execution = Execution(group("site"), count(1).__next__, frozenset())
    execution.parts = []
    assert execution.phase() is Phase.STOPPED
    execution.want(Wanted.RUN, 0)
    assert execution.phase() is Phase.STARTED
    assert execution.advance(0) == []


def test_phase_of_something_that_failed() -> None:
    walk = Walk(program("disk"), program("httpd")).running()
    walk.execution.parts[0].state = State.FAILED
    assert walk.execution.phase() is Phase.FAILED
