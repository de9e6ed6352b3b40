"""Bids and rights: when a right ends, which echoes count, when a bid is repeated, hopeless or given up."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from core_parts import BEAT, DEAD, MARGIN, OURS
from hypothesis import given
from hypothesis import strategies as st

from understudy.core.leases import Claim, Claims, Stage
from understudy.messages import BidAnswer, Hold, Unfinished
from understudy.units import MILLISECOND, NEVER, Duration, Instant


def claims(index: int = 1, beat: Duration = BEAT) -> Claims:
    return Claims(index, beat, DEAD, MARGIN, random.Random(7))


def bidding(now: Instant = 0) -> tuple[Claims, Claim]:
    found = claims()
    return found, found.begin("site", now)


def answer(
    claim: Claim, voter: str, granted: bool = False, wait: Duration = 0, highest: int = 0, echo: Instant = 0
) -> BidAnswer:
    said = (voter, 9, "ha01", OURS, claim.group, claim.ballot, echo, granted, DEAD, wait)
    unfinished = (Unfinished(highest, "ha05"),) if granted and highest else ()
    return BidAnswer(*said, 0 if granted else highest, f"{voter}: no", unfinished)


# Ballots


def test_ballots_begin_at_the_wall_clock_and_name_their_bidder() -> None:
    found = claims(index=0x2A)
    found.start(1_700_000)
    assert found.begin("site", 0).ballot == (1_700_001 << 8) | 0x2A
    assert found.begin("site", 0).ballot == (1_700_002 << 8) | 0x2A


def test_a_ballot_is_above_all_that_were_seen() -> None:
    found = claims()
    found.start(5)
    found.saw_ballot((900 << 8) | 0xFF)
    found.saw_ballot((3 << 8) | 2)
    found.start(6)
    assert found.begin("site", 0).ballot > (900 << 8) | 0xFF


# The right


def test_the_right_ends_a_margin_before_the_promise_of_the_last_voter_that_is_needed() -> None:
    found, claim = bidding()
    found.echo("site", claim.ballot, "ha01", 300, DEAD)
    assert found.count(claim, 2) == 0, "one echo is no majority of three"
    found.echo("site", claim.ballot, "arbiter", 100, DEAD)
    assert found.count(claim, 2) == 100 + DEAD - MARGIN
    found.echo("site", claim.ballot, "ha02", 200, DEAD)
    assert found.count(claim, 2) == 200 + DEAD - MARGIN
    assert claim.until == 200 + DEAD - MARGIN


def test_a_voter_with_a_shorter_dead_time_counts_for_less_one_with_a_longer_not_for_more() -> None:
    found, claim = bidding()
    found.echo("site", claim.ballot, "arbiter", 0, DEAD // 2)
    assert found.count(claim, 1) == DEAD // 2 - MARGIN
    found, claim = bidding()
    found.echo("site", claim.ballot, "arbiter", 0, 2 * DEAD)
    assert found.count(claim, 1) == DEAD - MARGIN


def test_a_right_never_shrinks() -> None:
    found, claim = bidding()
    found.echo("site", claim.ballot, "ha01", 500, DEAD)
    right = found.count(claim, 1)
    assert found.count(claim, 2) == right, "a policy that now wants more votes does not take back what stands"
    found.echo("site", claim.ballot, "ha02", 100, DEAD)
    assert found.count(claim, 2) == right


def test_an_older_echo_does_not_replace_a_newer() -> None:
    found, claim = bidding()
    found.echo("site", claim.ballot, "arbiter", 500, DEAD)
    found.echo("site", claim.ballot, "arbiter", 400, 10 * DEAD)
    assert claim.echoes == {"arbiter": (500, DEAD)}


def test_echoes_of_other_ballots_and_groups_mean_nothing() -> None:
    found, claim = bidding()
    found.echo("site", claim.ballot - 256, "arbiter", 500, DEAD)
    found.echo("mail", claim.ballot, "arbiter", 500, DEAD)
    assert claim.echoes == {}


@given(
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4000), st.integers(1, 2000), st.booleans()), max_size=40),
)
def test_the_right_is_never_later_than_the_promises_of_a_majority(
    votes: int, echoes: list[tuple[int, int, int, bool]]
) -> None:
    """At every count at least ``votes`` voters have promised until the right ends and a margin more, by our own clock."""
    found = Claims(0, 20, 1000, 10, random.Random(1))
    claim = found.begin("site", 0)
    promised: dict[int, list[int]] = {}
    for voter, sent_at, dead_time, foreign in echoes:
        found.echo("site", claim.ballot + (256 if foreign else 0), str(voter), sent_at, dead_time)
        if not foreign:
            promised.setdefault(voter, []).append(sent_at + min(1000, dead_time))
        before = claim.until
        until = found.count(claim, votes)
        assert until >= before
        behind = sum(1 for ends in promised.values() if any(end - 10 >= until for end in ends))
        assert until == before == 0 or behind >= votes


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4000)), min_size=1, max_size=40), st.integers(1, 5))
def test_the_right_is_not_earlier_than_it_need_be(echoes: list[tuple[int, int]], votes: int) -> None:
    found = Claims(0, 20, 1000, 10, random.Random(1))
    claim, newest = found.begin("site", 0), dict[int, int]()
    for voter, sent_at in echoes:
        found.echo("site", claim.ballot, str(voter), sent_at, 1000)
        newest[voter] = max(sent_at, newest.get(voter, 0))
    ranked = sorted(newest.values(), reverse=True)
    expected = ranked[votes - 1] + 1000 - 10 if len(ranked) >= votes else 0
    assert found.count(claim, votes) == expected


# A bid's life


def test_a_bid_stands_two_heartbeats_and_a_half_and_is_repeated_each_heartbeat() -> None:
    found, claim = bidding(100)
    assert (claim.stage, claim.since) == (Stage.BIDDING, 100)
    assert claim.give_up_at == 100 + 5 * BEAT // 2
    assert claim.resend_at == found.next_deadline() == 100 + BEAT


def test_a_refusal_whose_promise_ends_soon_is_asked_again_just_then() -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", wait=70 * MILLISECOND), 10)
    assert claim.ask_again == {"arbiter": 10 + 70 * MILLISECOND}
    assert found.next_deadline() == 10 + 70 * MILLISECOND
    assert claim.refusals == {"arbiter": "arbiter: no"}


def test_a_bid_waits_for_the_answer_to_the_second_question() -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", wait=5 * BEAT // 2), 10)
    assert claim.give_up_at == 10 + 5 * BEAT // 2 + BEAT
    found.answered(claim, answer(claim, "ha02", wait=1), 20)
    assert claim.give_up_at == 10 + 5 * BEAT // 2 + BEAT, "a short wait does not shorten a long one"


@pytest.mark.parametrize("wait", [0, 5 * BEAT // 2 + 1])
def test_a_refusal_for_good_or_for_long_is_not_asked_again(wait: Duration) -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", wait=wait), 0)
    assert claim.ask_again == {}
    assert claim.give_up_at == 5 * BEAT // 2


def test_a_grant_takes_the_voters_refusal_back() -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", wait=BEAT), 0)
    found.answered(claim, answer(claim, "arbiter", granted=True, echo=BEAT), BEAT)
    assert (claim.ask_again, claim.refusals) == ({}, {})
    assert claim.echoes == {"arbiter": (BEAT, DEAD)}


def test_a_refusal_that_comes_after_the_grant_asks_nobody_again() -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", granted=True, echo=1), 1)
    found.answered(claim, answer(claim, "arbiter", wait=BEAT), 2)
    assert claim.ask_again == {}


def test_the_unfinished_ballots_of_all_grants_are_kept() -> None:
    found, claim = bidding()
    for voter, highest in (("arbiter", 41), ("ha02", 57), ("ha03", 0)):
        found.answered(claim, answer(claim, voter, granted=True, highest=highest, echo=1), 1)
    found.answered(claim, answer(claim, "ha04", highest=99), 1)
    assert claim.unfinished == {Unfinished(41, "ha05"), Unfinished(57, "ha05")}, "none from a refusal"
    assert not claim.newest_only


def test_that_one_voter_may_know_of_more_is_kept() -> None:
    found, claim = bidding()
    found.answered(claim, replace(answer(claim, "arbiter", granted=True, highest=41), newest_only=True), 1)
    found.answered(claim, answer(claim, "ha02", granted=True, highest=57), 1)
    assert claim.newest_only


def test_a_refusal_teaches_the_ballot_to_beat() -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", highest=(77 << 8) | 9), 0)
    assert found.begin("site", 0).ballot > (77 << 8) | 9


@pytest.mark.parametrize(
    ("voters", "votes", "refused", "hopeless"),
    [(3, 2, 1, False), (3, 2, 2, True), (5, 3, 2, False), (5, 3, 3, True), (2, 2, 1, True), (2, 3, 0, True)],
)
def test_hopeless_when_those_left_are_too_few(voters: int, votes: int, refused: int, hopeless: bool) -> None:
    found, claim = bidding()
    for number in range(refused):
        found.answered(claim, answer(claim, f"voter {number}"), 0)
    assert found.hopeless(claim, voters, votes) is hopeless


def test_one_that_will_be_asked_again_is_not_given_up() -> None:
    found, claim = bidding()
    found.answered(claim, answer(claim, "arbiter", wait=BEAT), 0)
    found.answered(claim, answer(claim, "ha02", wait=BEAT), 0)
    assert not found.hopeless(claim, 3, 2)


@given(st.integers(0, 2**32))
def test_back_off_is_half_to_one_and_a_half_heartbeats(seed: int) -> None:
    found = Claims(0, BEAT, DEAD, MARGIN, random.Random(seed))
    found.begin("site", 0)
    assert found.fail("site", 1000).group == "site"
    assert BEAT // 2 <= found.not_before["site"] - 1000 < BEAT // 2 + BEAT
    assert (found.claims, found.failed_bids) == ({}, 1)


def test_back_off_is_drawn_and_never_nothing() -> None:
    found = claims(beat=1)
    drawn = set()
    for _ in range(20):
        found.begin("site", 0)
        found.fail("site", 0)
        drawn.add(found.not_before["site"])
    assert len(drawn) > 10, "two who bid at once must not go on doing so"
    assert min(drawn) >= MILLISECOND


# Holds


def test_what_is_held_and_what_is_named() -> None:
    found, claim = bidding()
    assert found.held("site") is None
    assert found.holds() == (Hold("site", claim.ballot, bidding=True),)
    claim.stage, claim.until = Stage.HELD, 100
    assert found.held("site") is claim
    assert found.holds() == (Hold("site", claim.ballot),)
    assert found.held("mail") is None


def test_a_hold_lapses_at_its_end_and_is_named_until_that_was_dealt_with() -> None:
    found, claim = bidding()
    assert found.lapsed(10 * DEAD) == [], "a bid has no right that could lapse"
    claim.stage, claim.until = Stage.HELD, 100
    assert found.next_deadline() == 100
    assert found.lapsed(99) == []
    assert found.lapsed(100) == [claim]
    assert found.holds() == (Hold("site", claim.ballot),)
    assert found.drop("site") is claim
    assert (found.holds(), found.next_deadline(), found.drop("site")) == ((), NEVER, None)
