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


def test_who_counts_other_voters_for_a_while_may_have_our_file() -> None:
    found = Proof((DATABASE,), ("ha02", "ha03"), "0000000011111111")
    reports = (GroupReport("db", Phase.STARTED, True),)
    found.heard(state("ha02", digest="2222222211111111", groups=reports), 0, 5)
    found.heard(state("ha03", digest="0000000033333333", groups=reports), 0, 5)
    assert found.names("db", "ha02") == 5
    assert found.names("db", "ha03") is None, "its program may be another one"
    found.follow((DATABASE,), "2222222211111111")
    assert found.names("db", "ha02") == 5, "the old voters were dropped, and nothing else"
    found.follow((DATABASE,), "2222222244444444")
    assert found.names("db", "ha02") is None


def test_the_word_of_a_new_member_counts_only_with_our_file_when_a_group_has_gained_a_part() -> None:
    found = Proof((), ("ha02",), "0000000011111111")
    found.follow((DATABASE,), "0000000033333333")
    found.join("ha04")
    stopped = (GroupReport("db", Phase.STOPPED, True),)
    found.heard(state("ha04", digest="2222222211111111", groups=stopped), 0, 5)
    assert found.missing("db", "ha04")
    found.heard(state("ha04", digest="2222222233333333", groups=stopped), 0, 5)
    assert not found.missing("db", "ha04")
