"""Proof of stop: on which machines exclusive parts may still run, and until when the new holder must wait for that."""

from __future__ import annotations

from core_parts import DEAD, address, group, program, state

from understudy.core.proof import Proof
from understudy.messages import GroupReport, Hold, Phase
from understudy.units import SECOND

WAIT = 30 * SECOND
DATABASE = group("db", address(1), program("mariadbd", exclusive=True), stop=WAIT)
SITE = group("site", address(2), program("httpd"))
AT = 1000 * SECOND


def proof() -> Proof:
    return Proof((DATABASE, SITE), ("ha02", "ha03"))


def says(found: Proof, node: str, phase: Phase, holds: tuple[Hold, ...] = ()) -> None:
    reports = (GroupReport("site", Phase.STOPPED, True), GroupReport("db", phase, True))
    found.heard(state(node, holds=holds, groups=reports))


def waits(found: Proof) -> tuple[str, ...]:
    until, machines = found.wait_until("db", AT)
    assert until == (AT + WAIT if machines else 0)
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
    found.released("db", "ha02", stopped=False)
    assert waits(found) == ("ha02", "ha03")
    found.released("db", "ha02", stopped=True)
    found.released("db", "ha02", stopped=True)
    assert waits(found) == ("ha03",)


def test_a_holder_that_voters_remember_must_be_waited_for() -> None:
    found = proof()
    found.waited("db", ("ha02", "ha03"))
    found.unfinished("db", None)
    assert waits(found) == ()
    found.unfinished("db", "ha02")
    assert waits(found) == ("ha02",)


def test_the_wait_is_the_proof() -> None:
    found = proof()
    found.waited("db", ("ha02",))
    assert waits(found) == ("ha03",), "about those who were waited for"
    assert found.missing("db", "ha03")
    assert not found.missing("db", "ha02")
    found.waited("db", ("ha03",))
    assert waits(found) == ()


def test_groups_whose_programs_may_run_twice_are_not_waited_for() -> None:
    found = proof()
    found.released("site", "ha02", stopped=True)
    found.unfinished("site", "ha02")
    found.waited("site", ("ha02",))
    assert not found.missing("site", "ha02")
    assert found.wait_until("site", AT) == (0, ())
    assert not found.missing("site")


def test_words_about_groups_that_we_do_not_know_are_passed_over() -> None:
    found = proof()
    found.heard(state("ha02", groups=(GroupReport("other", Phase.STARTED, True),)))
    assert waits(found) == ("ha02", "ha03")


def test_the_wait_counts_from_the_lease() -> None:
    assert proof().wait_until("db", DEAD)[0] == DEAD + WAIT
