"""One group on this machine, disturbed: changes of mind, a lost manager, proof of stop, releases, addresses that come and go."""

from __future__ import annotations

from itertools import count

import pytest
from core_parts import address, group, program, script
from execution_walk import FAILED, NOT_RUNNING, OK, UNKNOWN, Walk, only_operation, site, text

from understudy.core.execution import Execution
from understudy.core.parts import State, Wanted
from understudy.messages import Phase
from understudy.units import MINUTE, NEVER, SECOND

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
    assert only_operation(walk.execution) is not None
    walk.end()
    assert walk.states() == ["running"]


# Exclusive programs wait for proof


def test_only_exclusive_programs_wait() -> None:
    walk = Walk(address(1), program("httpd"), program("db", exclusive=True), program("cron"))
    walk.execution.hold_programs_until = walk.now + 30 * SECOND
    walk.want(Wanted.RUN)
    assert walk.end() == "monitor httpd"
    assert walk.end(NOT_RUNNING) == "monitor db", "whether it runs here may be asked"
    assert walk.end(NOT_RUNNING) == "monitor cron"
    assert walk.end(NOT_RUNNING) == "start httpd"
    assert walk.end() == ""
    assert walk.execution.next_deadline() == walk.now + 30 * SECOND
    assert walk.later(30 * SECOND - 1) == ""
    assert walk.later(1) == "start db"


def test_an_exclusive_program_that_runs_here_already_is_adopted_at_once() -> None:
    walk = Walk(program("db", exclusive=True))
    walk.execution.hold_programs_until = NEVER
    walk.want(Wanted.RUN)
    walk.end(OK)
    assert walk.states() == ["running"]


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
    assert not execution.safe_to_release(began + 30 * SECOND), "not before it is known to be gone"
    walk.end()
    assert not execution.safe_to_release(began + 30 * SECOND - 1)
    assert execution.safe_to_release(began + 30 * SECOND) is not exclusive
    walk.later(SECOND)
    if only_operation(execution) is not None:
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
    assert walk.states() == ["stopping", "stopping", "running", "running", "stopping"]
    assert walk.want(Wanted.STOP) == "", "the rest after them"
    assert walk.end() == "stop httpd"
    assert walk.execution.remove_addresses(walk.now, "the lease ended") == []


def test_addresses_that_cannot_be_taken_off_are_not_over() -> None:
    walk = Walk(address(1)).running()
    walk.want(Wanted.STOP)
    walk.end(UNKNOWN)
    assert not walk.execution.stopped()
    assert walk.execution.phase() in (Phase.FAILED, Phase.STOPPING)
    assert "address-1 did not stop" in walk.facts()[0].why


def test_addresses_that_cannot_be_taken_off_are_tried_again_after_a_pause() -> None:
    """The kernel's answer comes in the same turn: without a pause the real-time process would do nothing else."""
    walk = Walk(address(1)).running()
    assert walk.want(Wanted.STOP) == "remove 1"
    assert walk.end(FAILED, "not permitted") == ""
    assert walk.later(SECOND) == "remove 1"


def test_a_lost_lease_does_not_wait_for_what_is_under_way() -> None:
    walk = Walk(address(1), program("httpd"))
    walk.want(Wanted.RUN)
    adding = only_operation(walk.execution)
    assert adding is not None
    assert text(walk.execution.remove_addresses(walk.now, "the lease ended")) == "remove 1"
    assert not walk.execution.finished(adding.op, OK, "", walk.now), "the answer to the add comes after the removal"
    walk = Walk(address(1), program("httpd")).running()
    assert walk.want(Wanted.STOP) == "stop httpd"
    assert text(walk.execution.remove_addresses(walk.now, "the lease ended")) == "remove 1"
    assert walk.states() == ["stopping", "unknown"]
    assert walk.end() == "stop httpd", "asked again: the answer to the first is not waited for any more"
    walk.end()
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
