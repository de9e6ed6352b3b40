"""The groups of one node: when it bids and for whom it waits, what a won or lost lease leads to, moves and releases."""

from __future__ import annotations

from itertools import pairwise

import pytest
from core_parts import (
    BEAT,
    DEAD,
    OURS,
    START,
    Core,
    address,
    cluster,
    group,
    holding,
    messages,
    notes,
    of,
    program,
    right_of,
    settled,
)

from understudy.effects import (
    Action,
    AddAddresses,
    Announce,
    Effect,
    KernelLease,
    RemoveAddresses,
    RunAgent,
    Send,
)
from understudy.events import (
    AdminRequest,
    LinkChanged,
    ManagerChanged,
    ResourceFailed,
)
from understudy.messages import Bid, GroupReport, Hold, Phase, Release
from understudy.model import Quorum
from understudy.units import MILLISECOND, SECOND

BALLOT = 1_800_000 << 8 | 2
"""A ballot of ha02: members in the order of their names are arbiter, ha01, ha02."""


def preferring(*prefer: str, quorum: Quorum = Quorum.MAJORITY) -> Core:
    witnesses = () if quorum is Quorum.PAIR else ("arbiter",)
    return Core(cluster(group("site", address(100), prefer=prefer), quorum=quorum, witnesses=witnesses))


def started(effects: list[Effect]) -> list[str]:
    return [item.resource for item in of(RunAgent, effects) if item.action is Action.START]


# Whose turn it is


def test_the_second_in_the_plan_gives_the_first_a_dead_time() -> None:
    core = preferring("ha02")
    core.settle("ha02", "arbiter")
    bid = messages(Bid, core.pass_time(2 * DEAD, "ha02", "arbiter"))[0]
    quiet_until = START + DEAD
    assert DEAD - BEAT <= bid.sent_at - quiet_until <= DEAD


def test_while_a_better_node_may_still_be_starting_nobody_hurries() -> None:
    core = Core(cluster())
    core.start()
    core.beat_of("arbiter")
    core.pass_time(2 * DEAD - 1, "arbiter")
    assert not messages(Bid, core.effects), "ha02 was never heard: is it starting?"
    core.pass_time(BEAT, "arbiter")
    assert messages(Bid, core.effects)


def test_a_bid_waits_for_the_end_of_our_own_promise() -> None:
    core = preferring("ha01")
    core.words["ha02"] = {"holds": (Hold("site", BALLOT),)}
    core.settle("ha02", "arbiter")
    last = core.now
    core.beat_of("ha02")
    core.pass_time(core.cluster.silence - 1, "arbiter")
    assert not messages(Bid, core.effects)
    core.pass_time(1, "arbiter")
    bids = messages(Bid, core.effects)
    assert [bid.sent_at for bid in bids] == [last + core.cluster.silence]
    assert bids[0].ballot > BALLOT


@pytest.mark.parametrize("trouble", ["standby", "no carrier"])
def test_a_node_that_may_run_nothing_does_not_bid(trouble: str) -> None:
    core = preferring("ha01")
    core.start(standby=trouble == "standby")
    if trouble == "no carrier":
        core.carrier(False)
    core.beat_of("ha02")
    core.pass_time(5 * DEAD, "ha02", "arbiter")
    assert not messages(Bid, core.effects)


def test_a_group_with_programs_is_not_bid_for_without_a_manager() -> None:
    core = Core(cluster(group("site", address(1), program("httpd"))))
    core.settle("ha02", "arbiter", manager=False)
    core.pass_time(5 * DEAD, "ha02", "arbiter")
    assert not messages(Bid, core.effects)
    core.finish_all(core.tell(ManagerChanged(True)))
    assert messages(Bid, core.effects)


# Bids that do not win


def test_a_standing_bid_is_repeated_and_then_withdrawn() -> None:
    core = settled()
    first = core.last_bid()
    core.words["arbiter"]["votes"] = core.words["ha02"] = {}
    core.words["arbiter"] = {"groups": (), "votes": ()}
    core.words["ha02"] = {"votes": ()}
    found = core.pass_time(5 * BEAT // 2, "ha02", "arbiter")
    bids = [bid for bid in messages(Bid, found) if bid.ballot == first.ballot]
    assert [bid.sent_at - first.sent_at for bid in bids] == [BEAT, 2 * BEAT]
    release = messages(Release, found)[0]
    assert (release.ballot, release.successor, release.stopped) == (first.ballot, None, True)
    assert core.node.voter.promised("site", core.now) is None, "a standing promise would lock others out"
    assert "no majority answered" in notes(found)
    found = core.pass_time(2 * BEAT, "ha02", "arbiter")
    assert messages(Bid, found)[0].ballot > first.ballot, "and tried again"


def test_a_hopeless_bid_is_withdrawn_at_once_with_the_reasons() -> None:
    core = settled()
    bid = core.last_bid()
    assert not messages(Release, core.refuse(bid, "arbiter"))
    found = core.refuse(bid, "ha02")
    assert messages(Release, found)
    assert "arbiter: no; ha02: no" in notes(found)
    assert not messages(Bid, found)


def test_a_voter_whose_promise_ends_soon_is_asked_again_just_then_and_alone() -> None:
    core = settled()
    bid = core.last_bid()
    core.refuse(bid, "arbiter", wait=70 * MILLISECOND)
    found = core.pass_time(70 * MILLISECOND - 1)
    assert not messages(Bid, found)
    found = core.pass_time(1)
    bids = [item for item in of(Send, found) if isinstance(item.message, Bid)]
    assert [item.to for item in bids] == ["arbiter"]
    assert messages(Bid, found)[0].ballot == bid.ballot


def test_answers_to_an_earlier_bid_or_life_mean_nothing() -> None:
    core = settled()
    bid = core.last_bid()
    old = Bid(bid.node, OURS + 1, "site", bid.ballot, bid.sent_at)
    assert not of(KernelLease, core.grant(old))
    old = Bid(bid.node, OURS, "site", bid.ballot - 256, bid.sent_at)
    assert not of(KernelLease, core.grant(old))
    assert of(KernelLease, core.grant(bid))


def test_a_grant_in_the_name_of_another_voter_means_nothing() -> None:
    core = settled()
    bid = core.last_bid()
    assert not of(KernelLease, core.hear(core.answer(bid, "ha02", True), "arbiter"))


def test_a_bid_is_withdrawn_when_the_group_cannot_run_here_any_more() -> None:
    core = settled()
    found = core.carrier(False)
    assert [release.successor for release in messages(Release, found)] == [None]
    assert core.node.steward.claims.claims == {}


# Holding


def test_the_kernel_is_told_when_the_right_has_grown_by_a_quarter_of_a_heartbeat() -> None:
    core = holding()
    before = of(KernelLease, core.effects)[-1].until
    assert before is not None
    leases = of(KernelLease, core.pass_time(10 * BEAT, "ha02", "arbiter"))
    ends = [before, *(item.until for item in leases if item.until is not None)]
    assert all(later - sooner >= BEAT // 4 for sooner, later in pairwise(ends))
    assert ends[-1] > core.now + core.cluster.silence - 2 * BEAT - BEAT // 4
    assert ends[-1] <= right_of(core), "never longer than our right"


def test_an_address_that_arrives_after_the_right_is_over_is_not_announced() -> None:
    core = settled()
    found = core.grant(core.last_bid(), "arbiter")
    core.now = right_of(core)
    assert not of(Announce, core.finish(of(AddAddresses, found)))


def test_a_lapsed_right_is_never_taken_for_one() -> None:
    core = holding(address(100), program("httpd"))
    core.now = right_of(core)
    for event in (ResourceFailed("site", "httpd", "died"), LinkChanged("eth7", True)):
        found = core.tell(event)
        assert not of(RunAgent, found)
        assert not of(Announce, found)
    assert of(RemoveAddresses, core.tick())


def test_after_a_lost_lease_everything_is_stopped() -> None:
    core = holding(address(100), program("httpd"))
    core.pass_time(right_of(core) - core.now - 1)
    core.now += 1
    found = core.finish(of(RemoveAddresses, core.tick()))
    assert [item.action for item in of(RunAgent, found)] == [Action.STOP]
    core.finish_all(found)
    assert core.node.steward.charges["site"].execution.stopped()


def test_addresses_found_at_the_start_without_a_lease_are_taken_off() -> None:
    core = Core(cluster(group("site", address(100), prefer=("ha02",))))
    core.start(present=("192.0.2.100",))
    assert of(RemoveAddresses, core.effects)


# Proof of stop


def exclusive() -> Core:
    return Core(cluster(group("site", address(1), program("db", exclusive=True), stop=30 * SECOND)))


def test_exclusive_programs_wait_for_a_machine_that_was_never_heard() -> None:
    core = exclusive()
    core.settle("arbiter")
    found = core.hold("arbiter")
    assert of(AddAddresses, found), "the address waits for nothing"
    assert not started(found)
    wait = "exclusive parts wait: no proof that they stopped on ha02 (30s until its stop timeout has passed)"
    assert wait in notes(core.effects)
    held_at = core.node.steward.charges["site"].since
    assert held_at is not None
    found = core.pass_time(held_at + 30 * SECOND - 1 - core.now, "arbiter")
    assert not started(found)
    found = core.pass_time(1, "arbiter")
    assert started(found) == ["db"]
    assert "the stop timeout has passed: that is the proof of stop" in notes(found)


def test_a_machines_own_word_ends_the_wait() -> None:
    core = exclusive()
    core.settle("arbiter")
    core.hold("arbiter")
    assert started(core.beat_of("ha02")) == [], "it may have said so before we had begun to wait"
    core.serve(2 * BEAT, "arbiter")
    found = core.beat_of("ha02")
    assert started(found) == ["db"]
    assert "ha02 said itself that it has stopped" in notes(found)


def test_where_everybody_said_stopped_nothing_waits() -> None:
    core = exclusive()
    core.settle("ha02", "arbiter")
    assert started(core.hold("ha02", "arbiter")) == ["db"]


def test_a_holder_that_only_the_voters_remember_is_waited_for() -> None:
    """ha02 told us that it has stopped, and took the group after that, when we were cut off."""
    core = exclusive()
    core.settle("ha02", "arbiter")
    core.finish_all(core.grant(core.last_bid(), "arbiter", highest=BALLOT))
    assert core.node.steward.claims.held("site") is not None
    assert not started(core.effects)
    assert "no proof that they stopped on ha02" in notes(core.effects)


def test_the_wait_for_proof_ends_with_the_lease() -> None:
    core = exclusive()
    core.settle("arbiter")
    core.hold("arbiter")
    core.serve(2 * DEAD)
    assert core.node.steward.claims.held("site") is None
    core.serve(6 * DEAD, "ha02", "arbiter")
    assert core.node.steward.claims.held("site") is not None
    assert started(core.effects) == ["db"], "now that ha02 has said it"


def still_running() -> Core:
    """We hold the group; ha02 lives and says that parts of it have not stopped there; its stop timeout ends in a moment."""
    core = exclusive()
    core.words["ha02"] = {"groups": (GroupReport("site", Phase.STOPPING, False, "db does not stop"),)}
    core.settle("ha02", "arbiter")
    core.hold("ha02", "arbiter")
    until = core.node.steward.charges["site"].proof_due["ha02"]
    assert until == core.now + 30 * SECOND
    core.pass_time(until - core.now - 1, "ha02", "arbiter")
    return core


def test_the_timeout_is_no_proof_about_a_machine_that_lives_and_says_otherwise() -> None:
    core = still_running()
    assert not started(core.pass_time(60 * SECOND, "ha02", "arbiter"))
    core.words["ha02"] = {}
    assert started(core.pass_time(BEAT, "ha02", "arbiter")) == ["db"]


def test_only_those_who_live_are_waited_for_after_the_timeout() -> None:
    core = Core(
        cluster(
            group("site", address(1), program("db", exclusive=True), stop=5 * SECOND),
            nodes=("ha01", "ha02", "ha03"),
            witnesses=(),
        )
    )
    core.words["ha02"] = {"groups": (GroupReport("site", Phase.FAILED, False, "db does not stop"),)}
    core.settle("ha02")
    core.hold("ha02")
    charge = core.node.steward.charges["site"]
    assert charge.waiting_for == ("ha02", "ha03")
    core.serve(6 * SECOND, "ha02")
    assert charge.waiting_for == ("ha02",), "ha03 was never heard: it has had its time"
    core.words["ha02"] = {}
    core.serve(DEAD, "ha02")
    assert started(core.effects) == ["db"]


def test_nor_is_it_when_another_event_comes_before_the_timer() -> None:
    core = still_running()
    core.now += 1
    assert not started(core.tell(LinkChanged("eth7", True)))


def test_a_stop_that_is_under_way_is_no_proof_about_another_machine() -> None:
    core = Core(cluster(group("site", address(1), program("web"), program("db", exclusive=True), stop=30 * SECOND)))
    core.settle("arbiter")
    core.hold("arbiter")
    core.tell(AdminRequest(1, "standby", "", "ha01", "anna"))
    core.pass_time(BEAT, "arbiter")
    assert core.node.steward.proof.missing("site")
    assert "the stop timeout has passed" not in notes(core.effects)
