"""A voter's promises: exclusive until they end, none while quiet, none to a ballot that was overtaken."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from core_parts import DEAD
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.core.votes import Promise, Ruling, Voter
from understudy.messages import Unfinished, Vote
from understudy.units import NEVER, Duration, Instant

A, B = 0xA, 0xB
"""Incarnations of ha01 and ha02."""


def voter(quiet: Duration = 0, kept: frozenset[str] = frozenset(), me: str = "arbiter") -> Voter:
    found = Voter(me, DEAD)
    found.start(0, quiet, kept)
    return found


def promised(ballot: int = 41, echo: Instant = 0) -> Voter:
    """A voter that promised "site" to ha01 at 0."""
    found = voter()
    assert found.bid("site", "ha01", A, ballot, echo, 0).granted
    return found


# Bids


def test_a_first_bid_is_granted_for_a_dead_time() -> None:
    found = promised(echo=-7)
    assert found.promised("site", DEAD - 1) == Promise("ha01", A, 41, -7, DEAD, held=False)
    assert found.promised("site", DEAD) is None
    assert found.promised("other", 0) is None


def test_a_promise_is_exclusive_until_it_ends_and_says_for_how_long() -> None:
    found = promised()
    found.renew("site", "ha01", A, 41, 0, 0)
    ruling = found.bid("site", "ha02", B, 99, 0, DEAD // 2)
    assert ruling == Ruling(False, DEAD // 2, 41, "promised to ha01 for 500ms")
    assert found.bid("site", "ha02", B, 99, 0, DEAD - 1).wait == 1
    assert found.bid("site", "ha02", B, 99, 0, DEAD).granted


def test_nobody_is_told_to_wait_for_the_end_of_a_bid() -> None:
    """Bids that wait for each other's end keep each other alive for ever."""
    ruling = promised().bid("site", "ha02", B, 99, 0, DEAD // 2)
    assert (ruling.granted, ruling.wait) == (False, 0)
    found = promised()
    found.renew("site", "ha01", A, 41, 1, 1, held=False)
    assert found.bid("site", "ha02", B, 99, 0, DEAD // 2).wait == 0
    assert found.bid("site", "ha02", B, 99, 0, DEAD + 1).granted, "it still ends"


def test_groups_are_promised_apart() -> None:
    assert promised().bid("other", "ha02", B, 1, 0, 0).granted


def test_the_same_holder_may_bid_again_higher_but_not_lower() -> None:
    found = promised()
    assert found.bid("site", "ha01", A, 40, 0, 1) == Ruling(False, 0, 41, "a higher ballot was granted already")
    assert found.bid("site", "ha01", A, 42, 0, 1).granted
    assert found.promised("site", 1) == Promise("ha01", A, 42, 0, DEAD + 1, held=False)


def test_a_repeated_bid_is_granted_again_and_renews() -> None:
    found = promised()
    assert found.bid("site", "ha01", A, 41, 300, 300) == Ruling(True)
    assert found.promised("site", 300) == Promise("ha01", A, 41, 300, DEAD + 300, held=False)


def test_a_ballot_that_was_overtaken_never_comes_back() -> None:
    found = promised()
    assert found.bid("site", "ha02", B, 42, 0, DEAD).granted
    ruling = found.bid("site", "ha01", A, 41, 0, 3 * DEAD)
    assert (ruling.granted, ruling.highest) == (False, 42)
    assert found.bid("site", "ha01", A, 42, 0, 3 * DEAD).granted is False, "each ballot has one bidder"
    assert found.bid("site", "ha01", A, 43, 0, 3 * DEAD).granted


def test_a_restarted_machine_may_take_up_what_it_held() -> None:
    found = promised()
    assert found.bid("site", "ha01", A + 1, 42, 5, 5).granted
    assert found.promised("site", 5) == Promise("ha01", A + 1, 42, 5, DEAD + 5, held=False)


# The bid that carries a release


def test_a_bid_after_the_standing_ballot_is_its_release() -> None:
    found = promised()
    assert found.bid("site", "ha02", B, 42, 10, 10, after=41).granted
    assert found.promised("site", 10) == Promise("ha02", B, 42, 10, DEAD + 10, held=False)


@pytest.mark.parametrize("after", [0, 40, 42])
def test_a_bid_after_another_ballot_frees_nothing(after: int) -> None:
    assert not promised().bid("site", "ha02", B, 43, 10, 10, after=after).granted


def test_ballot_zero_frees_nothing() -> None:
    found = voter()
    found.renew("site", "ha01", A, 0, 0, 0)
    assert not found.bid("site", "ha02", B, 5, 0, 1, after=0).granted


# Renewals


def test_a_renewal_moves_the_end() -> None:
    found = promised()
    assert found.renew("site", "ha01", A, 41, 500, 600)
    assert found.promised("site", 0) == Promise("ha01", A, 41, 500, DEAD + 600, held=True)


def test_a_renewal_that_was_overtaken_on_the_way_keeps_the_newest_echo() -> None:
    found = promised(echo=500)
    assert found.renew("site", "ha01", A, 41, 400, 600)
    assert found.promised("site", 600) == Promise("ha01", A, 41, 500, DEAD + 600, held=True)


def test_the_echo_of_a_new_incarnation_is_its_own() -> None:
    found = promised(echo=500)
    assert found.renew("site", "ha01", A + 1, 41, 3, 600)
    assert found.promised("site", 600) == Promise("ha01", A + 1, 41, 3, DEAD + 600, held=True)


def test_a_renewal_by_another_waits_for_the_end() -> None:
    found = promised()
    assert not found.renew("site", "ha02", B, 99, 0, DEAD - 1)
    assert found.renew("site", "ha02", B, 40, 0, DEAD), (
        "a voter that was away may learn of a holder with a lower ballot"
    )
    assert found.promised("site", DEAD) == Promise("ha02", B, 40, 0, 2 * DEAD, held=True)


def test_a_renewal_with_the_holders_own_earlier_ballot_means_nothing() -> None:
    found = promised()
    assert not found.renew("site", "ha01", A, 40, 1, 1)
    assert found.promised("site", 1) == Promise("ha01", A, 41, 0, DEAD, held=False)


def test_a_renewal_makes_a_promise_where_there_is_none() -> None:
    found = voter()
    assert found.renew("site", "ha01", A, 41, 5, 6)
    assert found.promised("site", 6) == Promise("ha01", A, 41, 5, DEAD + 6, held=True)
    assert found.bid("site", "ha02", B, 41, 0, 6 + DEAD).highest == 41, "it counts among the highest ballots too"


# The quiet time


def test_a_voter_that_has_just_started_grants_nothing() -> None:
    found = voter(quiet=DEAD)
    assert found.quiet(DEAD - 1)
    assert not found.quiet(DEAD)
    ruling = found.bid("site", "ha01", A, 41, 0, DEAD - 5)
    assert (ruling.granted, ruling.wait) == (False, 5)
    assert not found.renew("site", "ha01", A, 41, 0, DEAD - 1)
    assert found.promises == {}
    assert found.renew("site", "ha01", A, 41, 0, DEAD)
    assert voter(quiet=DEAD).bid("site", "ha01", A, 41, 0, DEAD).granted


def test_not_even_to_itself() -> None:
    found = voter(quiet=DEAD, me="ha01")
    assert not found.bid("site", "ha01", A, 41, 0, 0).granted
    assert not found.renew("site", "ha01", A, 41, 0, 0)


def test_to_itself_only_where_its_own_kernel_lease_ran() -> None:
    found = voter(quiet=DEAD, kept=frozenset({"site"}), me="ha01")
    assert found.bid("site", "ha01", A, 41, 0, 0).granted
    assert found.renew("site", "ha01", A, 41, 1, 1)
    assert not found.bid("other", "ha01", A, 41, 0, 0).granted
    assert not found.renew("other", "ha01", A, 41, 0, 0)
    fresh = voter(quiet=DEAD, kept=frozenset({"site"}), me="ha01")
    assert not fresh.bid("site", "ha02", B, 41, 0, 0).granted
    assert not fresh.renew("site", "ha02", B, 41, 0, 0)


# Letting go


def test_a_release_frees_its_own_ballot_only() -> None:
    found = promised()
    assert not found.release("site", "ha01", 40, stopped=True)
    assert not found.release("site", "ha02", 41, stopped=True)
    assert not found.release("other", "ha01", 41, stopped=True)
    assert found.promised("site", 0) is not None
    assert found.release("site", "ha01", 41, stopped=False)
    assert found.promised("site", 0) is None
    assert found.bid("site", "ha02", B, 42, 0, 0).granted


def test_a_ballot_that_is_over_is_never_granted_not_even_to_one_who_bids_lower() -> None:
    found = voter()
    assert not found.release("site", "ha01", 41, stopped=True), "we had not heard of it"
    assert found.bid("site", "ha02", B, 41, 0, 0).highest == 41
    assert not found.bid("site", "ha02", B, 40, 0, 0).granted
    assert found.bid("site", "ha02", B, 42, 0, 0).granted


def test_the_highest_ballot_stays_the_highest_after_a_lower_holder_was_heard_of() -> None:
    found = promised(42)
    found.renew("site", "ha02", B, 40, 0, DEAD)
    assert not found.bid("site", "ha03", 0xC, 41, 0, 3 * DEAD).granted
    assert found.bid("site", "ha03", 0xC, 43, 0, 3 * DEAD).granted


def test_a_state_that_names_the_group_no_more_frees_it() -> None:
    found = promised(echo=10)
    assert found.not_named("ha01", A, 11, frozenset({"site"})) == []
    assert found.not_named("ha01", A, 10, frozenset()) == [], "made at the same moment as the bid behind the promise"
    assert found.not_named("ha01", A, 9, frozenset()) == []
    assert found.not_named("ha01", A + 1, 11, frozenset()) == [], "a restarted machine may take it up again"
    assert found.not_named("ha02", A, 11, frozenset()) == []
    assert found.promised("site", 0) is not None
    assert found.not_named("ha01", A, 11, frozenset({"other"})) == ["site"]
    assert found.promised("site", 0) is None


# What bidders are told about those before them


def ballot(number: int, member: int) -> int:
    """A ballot of the member with this place in the order of names."""
    return number << 8 | member


def holder_gone(number: int = 41, member: int = 0) -> Voter:
    """A voter that promised "site" to a member which has not been heard since."""
    found = voter()
    assert found.bid("site", "ha01", A, ballot(number, member), 0, 0).granted
    return found


def told(found: Voter, number: int = 90, member: int = 2) -> int:
    """What the next bidder hears, long after all promises have ended."""
    ruling = found.bid("site", "ha03", 0xC, ballot(number, member), 0, 100 * DEAD)
    assert ruling.granted
    return ruling.unfinished[0].ballot if ruling.unfinished else 0


def test_the_next_bidder_hears_of_a_holder_that_never_said_it_stopped() -> None:
    found = holder_gone()
    assert told(found) == ballot(41, 0)
    assert told(found) == ballot(41, 0), "a repeated bid gets the same answer: the first may have been lost"


def test_of_several_holders_all_are_named_and_none_that_said_it_has_stopped() -> None:
    found = holder_gone()
    found.renew("site", "ha02", B, ballot(42, 1), 0, DEAD)
    found.renew("site", "ha04", 0xD, ballot(43, 3), 0, 2 * DEAD)
    found.stopped("site", "ha02", B, 1)
    ruling = found.bid("site", "ha03", 0xC, ballot(90, 2), 0, 100 * DEAD)
    assert ruling.unfinished == (Unfinished(ballot(43, 3), "ha04"), Unfinished(ballot(41, 0), "ha01"))
    assert (ruling.granted, ruling.highest) == (True, 0), "the highest ballot is the word of a refusal"


def test_nobody_is_told_of_its_own_ballots() -> None:
    found = holder_gone()
    assert found.bid("site", "ha01", A, ballot(42, 0), 0, 1) == Ruling(True)


@pytest.mark.parametrize(("stopped", "highest"), [(True, 0), (False, ballot(41, 0))])
def test_a_release_says_whether_everything_has_stopped(stopped: bool, highest: int) -> None:
    found = holder_gone()
    found.release("site", "ha01", ballot(41, 0), stopped)
    assert told(found) == highest


def test_the_word_stopped_of_another_member_or_for_another_group_proves_nothing() -> None:
    found = holder_gone()
    found.release("site", "ha02", ballot(41, 1), stopped=True)
    found.release("mail", "ha01", ballot(41, 0), stopped=True)
    found.stopped("site", "ha02", B, 1)
    found.stopped("mail", "ha01", A, 1)
    assert told(found) == ballot(41, 0)


@pytest.mark.parametrize(
    ("incarnation", "sent_at", "proves"),
    [(A, 1, True), (A, 0, False), (A, -1, False), (A + 1, -5, True)],
    ids=["after its bid", "with its bid", "before its bid", "in a later life"],
)
def test_a_members_own_word_counts_when_it_was_said_after_its_bid(incarnation: int, sent_at: int, proves: bool) -> None:
    found = holder_gone()
    found.stopped("site", "ha01", incarnation, sent_at)
    assert told(found) == (0 if proves else ballot(41, 0))


def test_a_holder_that_was_only_renewed_is_told_of_too() -> None:
    found = voter()
    found.renew("site", "ha01", A, ballot(41, 0), 0, 0)
    assert told(found) == ballot(41, 0)


def test_a_bid_that_was_withdrawn_does_not_make_the_holder_before_it_forgotten() -> None:
    found = holder_gone()
    assert found.bid("site", "ha02", B, ballot(42, 1), 0, DEAD).unfinished == (Unfinished(ballot(41, 0), "ha01"),)
    found.release("site", "ha02", ballot(42, 1), stopped=True)
    assert told(found) == ballot(41, 0), "ha01 has still not said that it stopped"


def test_of_several_the_newest_is_told() -> None:
    found = holder_gone()
    found.bid("site", "ha02", B, ballot(42, 1), 0, DEAD)
    assert told(found) == ballot(42, 1)
    found.stopped("site", "ha02", B, 1)
    assert told(found, 91) == ballot(41, 0)


def test_a_release_that_was_overtaken_says_nothing_about_the_ballot_after_it() -> None:
    found = holder_gone()
    found.bid("site", "ha01", A, ballot(42, 0), 1, 1)
    found.release("site", "ha01", ballot(41, 0), stopped=True)
    assert told(found) == ballot(42, 0)


# What goes into messages


def test_votes_are_the_promises_in_force() -> None:
    found = promised(echo=3)
    found.bid("mail", "ha02", B, 50, 4, DEAD // 2)
    site, mail = Vote("site", "ha01", A, 41, 3), Vote("mail", "ha02", B, 50, 4)
    assert found.votes(DEAD // 2) == (site, mail)
    assert found.votes(DEAD) == (mail,)
    assert found.votes_for("ha01", A, DEAD - 1) == (site,)
    assert found.votes_for("ha01", A, DEAD) == ()
    assert found.votes_for("ha01", A + 1, 0) == ()
    assert found.votes_for("ha02", B, 0) == (mail,)


def test_deadline_is_the_next_end() -> None:
    found = voter(quiet=DEAD // 2)
    assert found.next_deadline(0) == DEAD // 2
    assert found.next_deadline(DEAD // 2) == NEVER
    found.renew("site", "ha01", A, 41, 0, DEAD)
    found.renew("mail", "ha01", A, 42, 0, DEAD + 9)
    assert found.next_deadline(DEAD + 9) == 2 * DEAD
    assert found.next_deadline(2 * DEAD) == 2 * DEAD + 9
    assert found.next_deadline(2 * DEAD + 9) == NEVER


# For any order of everything

NAMES = ("ha01", "ha02", "ha03")


@dataclass(frozen=True)
class Step:
    after: Duration
    kind: str
    who: str
    incarnation: int
    ballot: int
    lag: Duration
    released: int


STEPS = st.builds(
    Step,
    after=st.sampled_from((0, 1, DEAD // 3, DEAD - 1, DEAD)),
    kind=st.sampled_from(("bid", "bid", "renew", "renew", "release", "state", "restart")),
    who=st.sampled_from(NAMES),
    incarnation=st.integers(1, 2),
    ballot=st.integers(1, 8),
    lag=st.sampled_from((0, 1, DEAD // 3)),
    released=st.sampled_from((0, 0, 1, 2, 3, 4)),
)


@dataclass(frozen=True)
class Word:
    """What the voter has said yes to last, kept beside it."""

    who: str
    incarnation: int
    ballot: int
    echo: Instant
    end: Instant


@given(st.lists(STEPS, max_size=40), st.sampled_from(("arbiter", "ha01")), st.booleans())
@settings(max_examples=300)
def test_a_voter_never_helps_two_at_once(steps: list[Step], me: str, kept: bool) -> None:
    """A yes to one holder is followed by a yes to another only after a dead time, or after the first gave it up."""
    found = voter(DEAD, frozenset({"site"}) if kept else frozenset(), me)
    now, quiet_until = 0, DEAD
    word: Word | None = None
    for step in steps:
        now += step.after
        sent_at = now - step.lag
        if step.kind == "restart":
            # Its earlier promises may still be counted on; the quiet time must keep it from breaking them.
            found, quiet_until = voter(me=me), now + DEAD
            found.start(now, DEAD, frozenset())
        elif step.kind == "release":
            found.release("site", step.who, step.ballot, stopped=True)
            if word is not None and (word.who, word.ballot) == (step.who, step.ballot):
                word = None
        elif step.kind == "state":
            found.not_named(step.who, step.incarnation, sent_at, frozenset())
            if word is not None and (word.who, word.incarnation) == (step.who, step.incarnation):
                word = None if word.echo < sent_at else word
        else:
            if step.kind == "bid":
                ruling = found.bid("site", step.who, step.incarnation, step.ballot, sent_at, now, step.released)
                yes = ruling.granted
                if word is not None and step.released == word.ballot:
                    word = None if yes else word
            else:
                yes = found.renew("site", step.who, step.incarnation, step.ballot, sent_at, now)
            if not yes:
                continue
            assert now >= quiet_until or (step.who == me and "site" in found.kept), "a yes in the quiet time"
            assert word is None or word.who == step.who or now >= word.end, f"{word} was still in force at {now}"
            same = word is not None and (word.who, word.incarnation) == (step.who, step.incarnation)
            echo = max(sent_at, word.echo) if same and word is not None else sent_at
            word = Word(step.who, step.incarnation, step.ballot, echo, now + DEAD)
        if word is not None and now >= quiet_until and not found.quiet(now) and found.promises:
            promise = found.promises["site"]
            assert (promise.holder, promise.until) == (word.who, word.end), "the promise lasts a whole dead time"


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 9)), max_size=30))
def test_granted_ballots_grow(bids: list[tuple[str, int]]) -> None:
    """The fencing token of each new holder is higher than all before it on this voter."""
    found, now, last = voter(), 0, ("", 0)
    for who, ballot in bids:
        now += 2 * DEAD
        if found.bid("site", who, 1, ballot, now, now).granted:
            assert ballot > last[1] or (who, ballot) == last
            last = (who, ballot)
