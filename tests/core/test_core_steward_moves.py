"""The groups of one node: moves and releases, taking up again after a restart, failures, and a machine alone in a pair."""

from __future__ import annotations

import pytest
from core_parts import (
    BEAT,
    DEAD,
    START,
    Core,
    address,
    cluster,
    group,
    holding,
    incarnation_of,
    messages,
    notes,
    of,
    program,
    right_of,
)

from understudy.core.surroundings import PINGS_KEPT
from understudy.effects import (
    Action,
    AddAddresses,
    Announce,
    Effect,
    KernelLease,
    ProbeAddresses,
    RemoveAddresses,
    Reply,
    RunAgent,
)
from understudy.events import (
    AdminRequest,
    Finished,
    LeaseRefused,
    LinkChanged,
    ManagerChanged,
    Outcome,
    PingsSeen,
    ResourceFailed,
    ShutdownAsked,
)
from understudy.messages import Bid, GroupReport, Heartbeat, Hold, Phase, Release
from understudy.model import Quorum
from understudy.units import MILLISECOND, SECOND

BALLOT = 1_800_000 << 8 | 2
"""A ballot of ha02: members in the order of their names are arbiter, ha01, ha02."""


def preferring(*prefer: str, quorum: Quorum = Quorum.MAJORITY) -> Core:
    witnesses = () if quorum is Quorum.PAIR else ("arbiter",)
    return Core(cluster(group("site", address(100), prefer=prefer), quorum=quorum, witnesses=witnesses))


def started(effects: list[Effect]) -> list[str]:
    return [item.resource for item in of(RunAgent, effects) if item.action is Action.START]


# Moves and releases


def move(core: Core, node: str = "ha02") -> list[Effect]:
    return core.tell(AdminRequest(9, "move", "site", node, "anna"))


def test_a_move_stops_everything_and_only_then_releases_to_the_successor() -> None:
    core = holding(address(100), program("httpd"))
    ballot = core.node.steward.claims.claims["site"].ballot
    found = move(core)
    assert not messages(Release, found)
    assert [item.action for item in of(RunAgent, found)] == [Action.STOP]
    found = core.finish(found)
    assert not messages(Release, found)
    found = core.finish(found)
    release = messages(Release, found)[0]
    assert (release.node, release.ballot, release.successor, release.stopped) == ("ha01", ballot, "ha02", True)
    assert [item.until for item in of(KernelLease, found)] == [None]
    assert core.node.voter.promised("site", core.now) is None


def test_the_successor_is_let_try_first() -> None:
    core = holding()
    core.finish_all(move(core))
    released_at = core.now
    bids = messages(Bid, core.pass_time(3 * DEAD, "ha02", "arbiter"))
    assert bids[0].sent_at >= released_at + DEAD // 2, "it may be on its way"
    assert bids[0].after == 0


def test_a_move_to_a_node_that_cannot_is_refused_and_one_that_becomes_impossible_is_off() -> None:
    core = holding(address(100), program("httpd"))
    core.words["ha02"] = {"groups": (GroupReport("site", Phase.STOPPED, False, "eth0 has no carrier"),)}
    core.beat_of("ha02")
    assert "ha02 cannot run site: eth0 has no carrier" in of(Reply, move(core))[0].text
    core.words["ha02"] = {}
    core.beat_of("ha02")
    move(core)
    core.words["ha02"] = {"standby": True}
    found = core.beat_of("ha02")
    assert "the move to ha02 is off: it is in standby" in notes(found)
    core.finish_all(of(RunAgent, core.effects)[-1:])
    assert not messages(Release, core.effects)
    assert started(core.effects)[-1] == "httpd", "it goes on here"


def named(core: Core, stopped: bool = True) -> list[Effect]:
    """ha02 releases the group to us."""
    core.hear(Bid("ha02", incarnation_of("ha02"), "site", BALLOT, core.now), "ha02")
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    return core.hear(Release("ha02", incarnation_of("ha02"), "site", BALLOT, "ha01", stopped), "ha02")


def test_who_is_named_bids_at_once_with_the_released_ballot() -> None:
    core = preferring("ha02")
    core.settle("ha02", "arbiter")
    bid = messages(Bid, named(core))[0]
    assert (bid.after, bid.group) == (BALLOT, "site")
    assert bid.ballot > BALLOT


def test_what_was_moved_here_stays_although_another_is_preferred() -> None:
    core = preferring("ha02")
    core.settle("ha02", "arbiter")
    bid = messages(Bid, named(core))[0]
    core.finish_all(core.grant(bid))
    core.pass_time(20 * DEAD, "ha02", "arbiter")
    assert core.node.steward.claims.held("site") is not None
    assert "an operator moved it here" in core.node.decisions["site"].why


def test_a_pin_ends_when_the_group_leaves() -> None:
    core = preferring("ha02")
    core.settle("ha02", "arbiter")
    core.finish_all(core.grant(messages(Bid, named(core))[0]))
    core.pass_time(BEAT, "ha02", "arbiter")
    assert core.node.steward.charges["site"].pinned
    core.finish_all(move(core))
    assert not core.node.steward.charges["site"].pinned


def test_the_word_stopped_in_a_release_is_proof_enough() -> None:
    core = Core(cluster(group("site", address(1), program("db", exclusive=True), prefer=("ha02",))))
    core.words["ha02"] = {"groups": (GroupReport("site", Phase.STARTED, True),), "holds": (Hold("site", BALLOT),)}
    core.settle("ha02", "arbiter")
    release = Release("ha02", incarnation_of("ha02"), "site", BALLOT, "ha01", True)
    bid = messages(Bid, core.hear(release, "ha02"))[0]
    found = core.grant(bid)
    assert started([*found, *core.finish_all(found)]) == ["db"]


def test_a_release_to_a_node_in_standby_changes_nothing_there() -> None:
    core = preferring("ha02")
    core.settle("ha02", "arbiter")
    core.tell(AdminRequest(9, "standby", "", "ha01", "anna"))
    core.node.steward.claims.not_before["site"] = core.now + DEAD
    assert not messages(Bid, named(core))
    assert core.node.steward.claims.not_before == {"site": core.now + DEAD}
    assert core.node.steward.charges["site"].question.good_until == 0


def test_a_release_is_no_invitation_for_ever() -> None:
    core = preferring("ha02")
    core.settle("ha02", "arbiter")
    core.tell(AdminRequest(9, "standby", "", "ha01", "anna"))
    named(core)
    core.words["ha02"] = {"standby": True}
    core.pass_time(2 * DEAD, "ha02", "arbiter")
    assert not messages(Bid, core.effects)
    core.tell(AdminRequest(9, "online", "", "ha01", "anna"))
    core.pass_time(2 * DEAD, "ha02", "arbiter")
    assert messages(Bid, core.effects)[0].after == 0


def test_what_came_here_by_failback_is_not_pinned() -> None:
    core = preferring("ha01")
    core.words["ha02"] = {"holds": (Hold("site", BALLOT),)}
    core.settle("ha02", "arbiter")
    core.words["ha02"] = {}
    bid = messages(Bid, core.hear(Release("ha02", incarnation_of("ha02"), "site", BALLOT, "ha01", True), "ha02"))[0]
    core.finish_all(core.grant(bid))
    core.pass_time(DEAD, "ha02", "arbiter")
    assert not core.node.steward.charges["site"].pinned


def test_released_to_another_we_wait_but_not_for_ever() -> None:
    core = Core(cluster(nodes=("ha01", "ha02", "ha03"), witnesses=()))
    core.words["ha02"] = {"holds": (Hold("site", BALLOT),)}
    core.settle("ha02", "ha03")
    core.words["ha02"] = {}
    released_at = core.now
    core.hear(Release("ha02", incarnation_of("ha02"), "site", BALLOT, "ha03", True), "ha02")
    bids = messages(Bid, core.pass_time(3 * DEAD, "ha02", "ha03"))
    assert bids[0].sent_at >= released_at + DEAD // 2


# Taking up again what an earlier life held


def restarted(*, left: int = 500 * MILLISECOND) -> tuple[Core, list[Effect]]:
    core = Core(cluster(group("site", address(100), program("httpd"))))
    core.start(leases=(("site", left),), present=("192.0.2.100",))
    core.tell(ManagerChanged(True))
    core.beat_of("arbiter")
    return core, core.effects


def test_a_restart_within_the_lease_takes_the_group_up_at_once() -> None:
    core, found = restarted()
    bid = messages(Bid, found)[0]
    assert core.node.voter.quiet(core.now)
    found = core.grant(bid)
    assert of(KernelLease, found)[0].until == bid.sent_at + core.cluster.silence - core.cluster.margin
    assert "took up again what this machine held" in notes(found)
    assert not of(RemoveAddresses, core.effects)
    assert not of(AddAddresses, core.effects)
    assert of(Announce, found), "clients may have learned another machine's address meanwhile"


def test_a_program_of_the_earlier_life_is_adopted_and_not_started_again() -> None:
    core, _ = restarted()
    core.finish(of(RunAgent, core.effects))
    core.grant(core.last_bid())
    core.finish([item for item in of(RunAgent, core.effects) if item.action is Action.MONITOR])
    assert not started(core.effects)


def test_a_bid_is_never_withdrawn_while_the_kernel_may_still_serve() -> None:
    core, found = restarted()
    bid = messages(Bid, found)[0]
    core.beat_of("ha02", votes=())
    core.refuse(bid, "arbiter")
    core.refuse(bid, "ha02")
    core.words = {"arbiter": {"groups": (), "votes": ()}, "ha02": {"votes": ()}}
    core.pass_time(500 * MILLISECOND - 1, "arbiter", "ha02")
    assert not messages(Release, core.effects), "it would free the promises behind the lease"
    core.pass_time(BEAT, "arbiter", "ha02")
    assert messages(Release, core.effects), "the lease is over, and so is the reason to insist"


def test_a_higher_ballot_is_answered_with_a_higher_bid_while_adopting() -> None:
    core, found = restarted()
    bid = messages(Bid, found)[0]
    core.beat_of("ha02", votes=())
    core.refuse(bid, "arbiter", highest=bid.ballot + 512)
    again = messages(Bid, core.effects)[-1]
    assert again.ballot > bid.ballot + 512
    core.refuse(again, "arbiter", highest=again.ballot + 512)
    found = core.refuse(again, "ha02", highest=again.ballot + 512)
    assert messages(Bid, found)[0].ballot > again.ballot + 512


def test_a_bid_below_what_a_voter_has_seen_is_raised_at_once_and_only_once() -> None:
    core = Core(cluster())
    core.start()
    core.pass_time(4 * SECOND, "ha02", "arbiter")
    bid = messages(Bid, core.effects)[-1]
    found = core.refuse(bid, "arbiter", highest=bid.ballot + 512)
    (again,) = messages(Bid, found)
    assert again.ballot > bid.ballot + 512
    assert not messages(Bid, core.refuse(again, "arbiter", highest=again.ballot + 512))


def test_after_the_kernel_lease_what_was_not_taken_up_is_stopped() -> None:
    core = Core(cluster(group("site", address(100), prefer=("ha02",))))
    core.start(leases=(("site", 300 * MILLISECOND),), present=("192.0.2.100",))
    assert not of(RemoveAddresses, core.pass_time(300 * MILLISECOND - 1))
    assert of(RemoveAddresses, core.pass_time(BEAT))


@pytest.mark.parametrize("leases", [(("site", 0),), (("other", SECOND),), ()])
def test_a_lease_that_is_over_or_of_an_unknown_group_is_not_taken_up(leases: tuple[tuple[str, int], ...]) -> None:
    core = Core(cluster())
    core.start(leases=leases)
    core.beat_of("arbiter")
    core.beat_of("ha02")
    assert not messages(Bid, core.effects)
    assert core.now == START


# Failures


def test_a_group_that_fails_too_often_moves_and_says_why_not_here() -> None:
    core = holding(address(100), program("httpd", most=0))
    found = core.tell(ResourceFailed("site", "httpd", "exit code 9"))
    assert "this node gives up" in notes(found)
    found = core.finish_all(found)
    assert messages(Release, found)[0].successor == "ha02"
    report = messages(Heartbeat, core.effects)[-1].state.groups[0]
    assert not report.fit
    assert report.why.startswith("failed there: httpd failed (exit code 9)")
    core.pass_time(600 * SECOND, "ha02", "arbiter")
    core.words["ha02"] = {"holds": (Hold("site", BALLOT),)}
    core.beat_of("ha02")
    assert core.node.steward.charges["site"].unfit_until == 0, "after a while it may run here again"


def test_the_end_of_giving_up_is_a_deadline() -> None:
    core = holding()
    core.finish_all(core.tell(LeaseRefused("site", "no nf_tables here")))
    charge = core.node.steward.charges["site"]
    core.now = charge.unfit_until - MILLISECOND
    for name in ("ha02", "arbiter"):
        core.beat_of(name)
    core.tick()
    assert core.node.next_deadline() == charge.unfit_until


def test_a_node_whose_stop_works_after_all_is_able_again() -> None:
    core = holding(address(100), program("httpd"))
    found = core.finish(move(core), Outcome.FAILED, "busy")
    charge = core.node.steward.charges["site"]
    for _ in range(2):
        assert not charge.unfit_until
        found = core.pass_time(3 * SECOND, "ha02", "arbiter")
        core.finish(of(RunAgent, found), Outcome.FAILED, "busy")
    assert charge.unfit_until, "three failed stops in a row"
    found = of(RunAgent, core.pass_time(5 * SECOND, "ha02", "arbiter"))
    assert "httpd has stopped after all" in notes(core.finish(found))
    assert charge.unfit_until == 0


# Pair


def alone() -> Core:
    core = preferring("ha01", quorum=Quorum.PAIR)
    core.settle()
    return core


def asked(core: Core) -> ProbeAddresses:
    """The next question to the service network, just asked."""
    for _ in range(50):
        found = of(ProbeAddresses, core.pass_time(BEAT // 2))
        if found:
            return found[0]
    pytest.fail("the network was not asked")


def test_a_survivor_asks_the_service_network_before_it_takes_an_address() -> None:
    core = alone()
    probe = asked(core)
    assert probe.addresses == (address(100),)
    assert not messages(Bid, core.effects)
    found = core.tell(Finished(probe.op, Outcome.OK))
    assert messages(Bid, found)
    assert of(KernelLease, found)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN])
def test_who_gets_an_answer_or_cannot_ask_takes_nothing_and_asks_again_later(outcome: Outcome) -> None:
    core = alone()
    probe = asked(core)
    found = core.tell(Finished(probe.op, outcome, "02:bb answers for 192.0.2.100"))
    assert not messages(Bid, found)
    assert "not taken over although ha02 is silent: 02:bb answers" in notes(found)
    refused_at = core.now
    assert not of(ProbeAddresses, core.pass_time(DEAD - 1))
    assert of(ProbeAddresses, core.pass_time(BEAT))
    assert refused_at < core.now
    assert not messages(Bid, core.effects)


def test_a_question_without_an_answer_is_given_up_and_asked_again() -> None:
    core = alone()
    core.pass_time(10 * DEAD)
    assert len(of(ProbeAddresses, core.effects)) >= 2
    assert not messages(Bid, core.effects)


def test_a_restart_does_not_take_up_alone_what_a_peer_that_was_not_heard_yet_may_have_taken() -> None:
    """Its addresses may be there and its kernel lease run: the peer may not hear the answers of this kernel."""
    core = Core(cluster(witnesses=(), quorum=Quorum.PAIR))
    core.start(leases=(("site", 500 * MILLISECOND),), present=("192.0.2.100",))
    assert not of(KernelLease, [*core.effects, *core.pass_time(400 * MILLISECOND)])


def test_what_was_released_to_us_long_ago_is_asked_about() -> None:
    """The release may have come late (we were frozen, or it was delayed), and the peer may have taken the group again since."""
    core = preferring("ha02", quorum=Quorum.PAIR)
    core.words["ha02"] = {"holds": (Hold("site", BALLOT),)}
    core.settle("ha02")
    release = Release("ha02", incarnation_of("ha02"), "site", BALLOT, "ha01", True)
    found = core.hear(release, "ha02")
    assert messages(Bid, found)[0].after == BALLOT
    while core.node.membership.alive("ha02"):
        found += core.pass_time(MILLISECOND)
    probe = next(item for _ in range(20) for item in of(ProbeAddresses, core.pass_time(BEAT)))
    assert not of(KernelLease, core.effects)
    assert of(KernelLease, core.tell(Finished(probe.op, Outcome.OK)))


def test_a_bid_that_becomes_a_lone_one_while_it_stands_asks_the_network_first() -> None:
    """The peer restarts meanwhile: it is quiet, so one vote is enough now, and its refusal makes us count."""
    core = preferring("ha01", quorum=Quorum.PAIR)
    core.settle("ha02")
    bid = core.last_bid()
    core.beat_of("ha02", quiet=True, votes_for_us=False)
    found = core.refuse(bid, "ha02", wait=DEAD)
    assert not of(KernelLease, [*found, *core.effects])
    core.words["ha02"] = {"quiet": True, "votes": ()}
    probe = next(item for _ in range(20) for item in of(ProbeAddresses, core.pass_time(BEAT, "ha02")))
    assert not of(KernelLease, core.effects)
    assert of(KernelLease, core.tell(Finished(probe.op, Outcome.OK)))


def test_a_right_that_is_over_does_not_come_back_by_our_own_vote() -> None:
    """Alone in a pair one vote is enough to keep a group; the kernel has let go of it all the same."""
    core = alone()
    core.finish_all([asked(core)])
    until = right_of(core)
    core.now = until + MILLISECOND
    found = core.tell(LinkChanged("eth7", True))
    assert messages(Heartbeat, found)
    assert right_of(core) == until
    assert not of(KernelLease, found)
    found = core.tick()
    assert of(RemoveAddresses, found)


def test_after_a_healed_split_the_lower_ballot_lets_go_at_once() -> None:
    core = alone()
    core.finish_all([asked(core)])
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    lower = (claim.ballot >> 8) - 1 << 8 | 1
    core.beat_of("ha02", holds=(Hold("site", lower),))
    assert core.node.steward.claims.held("site") is not None
    core.beat_of("ha02", holds=(Hold("site", claim.ballot + 256, bidding=True),))
    assert core.node.steward.claims.held("site") is not None, "a bid is no hold"
    found = core.beat_of("ha02", holds=(Hold("site", claim.ballot + 256),))
    assert core.node.steward.claims.held("site") is None
    assert of(RemoveAddresses, found)
    assert "holds it too, with the higher ballot" in notes(found)


def test_who_sees_neither_peer_nor_ping_target_lets_go() -> None:
    core = Core(cluster(witnesses=(), quorum=Quorum.PAIR, ping=("192.0.2.1",)))
    core.settle("ha02")
    core.finish_all(core.grant(core.last_bid(), "ha02"))
    core.tell(PingsSeen(("192.0.2.1",)))
    core.pass_time(3 * DEAD)
    assert core.node.steward.claims.held("site") is not None
    core.tell(PingsSeen(()))
    found = core.pass_time(2 * DEAD)
    assert core.node.steward.claims.held("site") is None
    assert of(RemoveAddresses, found)


def test_shutdown_of_a_node_that_nobody_can_follow_stops_everything() -> None:
    core = holding()
    core.pass_time(DEAD // 2)
    core.words["ha02"] = {"standby": True}
    core.beat_of("ha02")
    found = core.finish_all(core.tell(ShutdownAsked()))
    release = messages(Release, found)[0]
    assert (release.successor, release.stopped) == (None, True)


def test_the_word_about_ping_targets_does_not_count_for_ever() -> None:
    """A manager that died says nothing more; the last thing that it said must not keep an isolated machine serving."""
    core = Core(cluster(witnesses=(), quorum=Quorum.PAIR, ping=("192.0.2.1",)))
    core.settle("ha02")
    core.finish_all(core.grant(core.last_bid(), "ha02"))
    core.tell(PingsSeen(("192.0.2.1",)))
    core.pass_time(PINGS_KEPT)
    assert core.node.steward.claims.held("site") is not None
    found = core.pass_time(2 * DEAD)
    assert core.node.steward.claims.held("site") is None
    assert of(RemoveAddresses, found)


def test_failback_counts_from_when_the_better_node_could_run_it() -> None:
    core = Core(cluster(group("site", address(100), prefer=("ha02", "ha01"))))
    core.words["ha02"] = {"groups": (GroupReport("site", Phase.STOPPED, False, "eth0 has no carrier"),)}
    core.settle("ha02", "arbiter")
    core.hold("arbiter")
    core.pass_time(20 * DEAD, "ha02", "arbiter")
    core.words["ha02"] = {}
    core.beat_of("ha02")
    settle = DEAD + 2 * BEAT
    assert not of(RemoveAddresses, core.pass_time(settle - 1, "ha02", "arbiter"))
    assert of(RemoveAddresses, core.pass_time(BEAT, "ha02", "arbiter"))
