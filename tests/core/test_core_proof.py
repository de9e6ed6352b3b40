"""Proof of stop: on which machines exclusive parts may still run, and what is known of their watchdogs."""

from __future__ import annotations

from dataclasses import replace

from core_parts import address, group, program, state

from understudy.core.proof import Proof
from understudy.messages import GroupReport, Hold, Phase
from understudy.units import SECOND

WAIT = 30 * SECOND
DATABASE = group("db", address(1), program("mariadbd", exclusive=True), stop=WAIT)
SITE = group("site", address(2), program("httpd"))


def proof() -> Proof:
    return Proof((DATABASE, SITE), ("ha02", "ha03"))


def says(found: Proof, node: str, phase: Phase, holds: tuple[Hold, ...] = ()) -> None:
    reports = (GroupReport("site", Phase.STOPPED, True), GroupReport("db", phase, True))
    found.heard(state(node, holds=holds, groups=reports), 0, 0)


def waits(found: Proof) -> tuple[str, ...]:
    machines = found.machines("db")
    assert found.missing("db") == bool(machines)
    return machines


def test_a_machine_whose_word_we_never_had_may_run_it() -> None:
    assert waits(proof()) == ("ha02", "ha03")


def test_only_the_word_stopped_is_a_proof() -> None:
    for phase in Phase:
        found = proof()
        says(found, "ha02", phase)
        assert waits(found) == (("ha03",) if phase is Phase.STOPPED else ("ha02", "ha03")), phase


def test_a_holder_that_has_not_started_yet_is_no_proof_but_a_bidder_is() -> None:
    found = proof()
    says(found, "ha02", Phase.STOPPED, (Hold("db", 41),))
    assert waits(found) == ("ha02", "ha03")
    says(found, "ha02", Phase.STOPPED, (Hold("db", 41, bidding=True), Hold("site", 42)))
    assert waits(found) == ("ha03",)


def test_a_machine_that_begins_again_must_say_stopped_again() -> None:
    found = proof()
    says(found, "ha02", Phase.STOPPED)
    says(found, "ha03", Phase.STOPPED)
    assert waits(found) == ()
    says(found, "ha03", Phase.STARTING)
    assert waits(found) == ("ha03",)


def test_a_release_is_a_proof_when_it_says_so() -> None:
    found = proof()
    found.released("db", "ha02", stopped=False, now=0)
    assert waits(found) == ("ha02", "ha03")
    found.released("db", "ha02", stopped=True, now=0)
    found.released("db", "ha02", stopped=True, now=0)
    assert waits(found) == ("ha03",)


def test_a_holder_that_voters_remember_must_be_waited_for() -> None:
    found = proof()
    found.proved("db", ("ha02", "ha03"))
    found.unfinished("db", None)
    assert waits(found) == ()
    found.unfinished("db", "ha02")
    assert waits(found) == ("ha02",)


def test_the_wait_is_the_proof() -> None:
    found = proof()
    found.proved("db", ("ha02",))
    assert waits(found) == ("ha03",), "about those who were waited for"
    assert found.missing("db", "ha03")
    assert not found.missing("db", "ha02")
    found.proved("db", ("ha03",))
    assert waits(found) == ()


def test_groups_whose_programs_may_run_twice_are_not_waited_for() -> None:
    found = proof()
    found.released("site", "ha02", stopped=True, now=0)
    found.unfinished("site", "ha02")
    found.proved("site", ("ha02",))
    assert not found.missing("site", "ha02")
    assert found.machines("site") == ()
    assert not found.missing("site")


def test_words_about_groups_that_we_do_not_know_are_passed_over() -> None:
    found = proof()
    found.heard(state("ha02", groups=(GroupReport("other", Phase.STARTED, True),)), 0, 0)
    assert waits(found) == ("ha02", "ha03")


def test_a_watchdog_is_a_proof_a_little_after_its_time_out() -> None:
    found = proof()
    assert found.watchdog("ha02") == 0, "a machine without one proves nothing by time"
    found.heard(replace(state("ha02"), watchdog=10 * SECOND), 0, 0)
    assert found.watchdog("ha02") == 22 * SECOND, "twice: the kernel feeds it once more when supervisor and pulse die"
    found.heard(replace(state("ha02"), watchdog=600 * SECOND), 0, 0)
    assert found.watchdog("ha02") == 1212 * SECOND, "a clock may run one per cent slow"
    found.heard(state("ha02"), 0, 0)
    assert found.watchdog("ha02") == 0, "its newest word counts"
