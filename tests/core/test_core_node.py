"""The switchboard: what each event leads to, in which order, and that only TimerDue expires anything."""

from __future__ import annotations

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
    incarnation_of,
    messages,
    notes,
    of,
    program,
    right_of,
    settled,
)

from understudy.core.membership import State
from understudy.core.node import Node
from understudy.effects import (
    Action,
    AddAddresses,
    Announce,
    Effect,
    KernelLease,
    Note,
    Quit,
    RemoveAddresses,
    RunAgent,
    Send,
)
from understudy.errors import InternalError
from understudy.events import (
    AddressGone,
    Finished,
    LeaseRefused,
    LinkChanged,
    ManagerChanged,
    Outcome,
    ResourceFailed,
    RivalSeen,
    ShutdownAsked,
    Stalled,
    TimerDue,
)
from understudy.messages import Bid, BidAnswer, Echo, Heartbeat, Release, Vote
from understudy.units import MILLISECOND, SECOND

BALLOT = 1_800_000 << 8 | 2
"""A ballot of ha02: members in the order of their names are arbiter, ha01, ha02."""


# The start


def test_the_first_event_is_started_and_comes_once() -> None:
    core = Core(cluster())
    with pytest.raises(InternalError):
        core.tell(TimerDue())
    core = Core(cluster())
    core.start()
    with pytest.raises(InternalError):
        core.start()


def test_a_start_sends_a_heartbeat_at_once_that_says_quiet() -> None:
    found = Core(cluster()).start()
    sent = [effect for effect in of(Send, found) if isinstance(effect.message, Heartbeat)]
    assert [(item.to, item.link) for item in sent] == [(None, None)], "to everybody over every link"
    own = messages(Heartbeat, found)[0].state
    assert (own.node, own.incarnation, own.sent_at, own.quiet, own.digest) == ("ha01", OURS, START, True, "d1")


@pytest.mark.parametrize("quiet", [0, 3 * DEAD])
def test_the_quiet_time_is_the_longest_dead_time_in_force(quiet: int) -> None:
    core = Core(cluster())
    core.start(quiet=quiet)
    longest = max(quiet, DEAD)
    assert core.node.voter.quiet(START + longest - 1)
    assert not core.node.voter.quiet(START + longest)


def test_heartbeats_leave_at_their_interval_and_are_numbered() -> None:
    core = Core(cluster())
    core.start()
    core.pass_time(5 * BEAT)
    sent = [item.state for item in messages(Heartbeat, core.effects)]
    assert [(item.sent_at - START) // BEAT for item in sent[:4]] == [0, 1, 2, 3]
    numbers = [item.number for item in sent]
    assert numbers == sorted(set(numbers))


# Only TimerDue expires


def test_packets_after_a_freeze_come_before_any_verdict() -> None:
    core = settled()
    core.now += 10 * DEAD
    found = core.beat_of("ha02", turn=False)
    assert core.node.membership.state("arbiter") is State.UP, "the first packet must not check everybody's deadline"
    assert not notes(found)
    core.tick()
    assert core.node.membership.state("arbiter") is State.LOST
    assert core.node.membership.state("ha02") is State.UP


@pytest.mark.parametrize(
    "event",
    [
        Finished(999, Outcome.OK),
        LinkChanged("eth0", False),
        AddressGone("192.0.2.100"),
        RivalSeen("192.0.2.100", "eth0", "02:aa"),
        ManagerChanged(False),
        ResourceFailed("site", "httpd", "died"),
        Stalled(DEAD),
    ],
    ids=lambda event: type(event).__name__,
)
def test_no_other_event_ends_a_right_or_a_peer(event: object) -> None:
    core = holding()
    core.now = right_of(core) + DEAD
    found = core.tell(event)  # type: ignore[arg-type]
    assert core.node.steward.claims.held("site") is not None
    assert core.node.membership.state("ha02") is State.UP
    assert not of(AddAddresses, found), "nor is anything begun with a right that is over"
    assert not of(Announce, found)
    assert not of(RunAgent, found)
    core.tick()
    assert core.node.steward.claims.held("site") is None


def test_a_node_that_was_late_accuses_nobody_for_a_heartbeat_and_a_half() -> None:
    core = settled()
    core.now += DEAD
    assert "was late by 1s itself" in notes(core.tell(Stalled(DEAD)))
    core.tick()
    assert core.node.membership.alive("ha02")
    core.now += 3 * BEAT // 2
    core.tick()
    assert not core.node.membership.alive("ha02")


# Packets in batches


def test_the_plan_is_made_once_after_a_batch_of_packets() -> None:
    """Made for each packet it would cost a fail-over of many groups more than the dead time."""
    core = settled()
    bid = core.last_bid()
    core.now += 1
    found = core.drain(core.answer(bid, "arbiter", True), "arbiter")
    assert of(KernelLease, found), "the right itself does not wait"
    assert not of(AddAddresses, found)
    assert core.node.next_deadline() == core.now, "but it wants to be woken in the same turn"
    found = core.drain(core.answer(bid, "ha02", True), "ha02")
    assert not of(AddAddresses, found)
    assert of(AddAddresses, core.tick())
    assert core.node.next_deadline() > core.now


def test_a_heartbeat_with_nothing_new_wakes_nobody() -> None:
    core = holding()
    core.now += 1
    core.beat_of("ha02", turn=False)
    assert core.node.next_deadline() > core.now
    core.beat_of("ha02", turn=False, standby=True)
    assert core.node.next_deadline() == core.now


# Taking a group


def test_a_group_is_bid_for_when_the_quiet_time_is_over() -> None:
    core = Core(cluster())
    core.start()
    while core.node.voter.quiet(core.now):
        assert not messages(Bid, core.effects)
        core.pass_time(BEAT // 2, "ha02", "arbiter")
    assert [bid.group for bid in messages(Bid, core.effects)] == ["site"]


def test_no_bid_without_a_majority_in_sight() -> None:
    core = Core(cluster())
    core.start()
    core.pass_time(20 * DEAD)
    assert messages(Bid, core.effects) == []


def test_the_lease_comes_before_the_resources_and_the_address_before_its_announcement() -> None:
    core = settled()
    found = core.hold("ha02", "arbiter")
    acts = [type(item).__name__ for item in found if isinstance(item, KernelLease | AddAddresses | Announce)]
    assert acts == ["KernelLease", "AddAddresses", "Announce"]


def test_the_first_right_counts_from_the_bid() -> None:
    core = settled()
    bid = core.last_bid()
    core.now += 50 * MILLISECOND
    lease = of(KernelLease, core.grant(bid))[0]
    assert lease.until == bid.sent_at + core.cluster.silence - core.cluster.margin
    assert right_of(core) == lease.until


def test_a_heartbeat_leaves_before_the_kernel_is_told_of_the_right_that_it_renews() -> None:
    """Should the process die in between there must be no right that nobody heard of."""
    core = Core(cluster(nodes=("ha01",), witnesses=()))
    core.settle()
    core.finish_all(core.effects)
    seen = 0
    for _ in range(10):
        found = core.pass_time(BEAT)
        kinds = [type(item).__name__ for item in found if isinstance(item, KernelLease) or messages(Heartbeat, [item])]
        seen += kinds.count("KernelLease")
        assert kinds[:2] in ([], ["Send"], ["Send", "KernelLease"])
    assert seen, "our own vote renews the right with each heartbeat"


def test_the_right_grows_with_the_echoes_of_a_majority_only() -> None:
    core = holding()
    before = right_of(core)
    core.hear(Echo("arbiter", incarnation_of("arbiter"), DEAD, core.votes_for_us(echo=core.sent_at)), "arbiter")
    core.pass_time(BEAT)
    core.hear(Echo("arbiter", incarnation_of("arbiter"), DEAD, core.votes_for_us(echo=core.sent_at)), "arbiter")
    assert right_of(core) == core.sent_at + core.cluster.silence - core.cluster.margin > before


@pytest.mark.parametrize(
    "vote",
    [
        Vote("site", "ha02", OURS, 0, 0),
        Vote("site", "ha01", OURS + 1, 0, 0),
        Vote("mail", "ha01", OURS, 0, 0),
    ],
    ids=["for another", "for our earlier life", "for another group"],
)
def test_a_vote_that_is_not_for_this_life_and_group_gives_nothing(vote: Vote) -> None:
    core = holding()
    before = right_of(core)
    core.pass_time(BEAT)
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    vote = Vote(vote.group, vote.holder, vote.incarnation, claim.ballot, core.now)
    core.hear(Echo("arbiter", incarnation_of("arbiter"), DEAD, (vote,)), "arbiter")
    assert right_of(core) == before


def test_an_echo_in_the_name_of_another_voter_gives_nothing() -> None:
    core = holding()
    before = right_of(core)
    core.pass_time(BEAT)
    core.hear(Echo("ha02", incarnation_of("ha02"), DEAD, core.votes_for_us()), "arbiter")
    assert right_of(core) == before


def test_a_right_that_is_not_renewed_ends_and_takes_the_addresses_with_it() -> None:
    core = holding(address(100), program("httpd"))
    until = right_of(core)
    found = core.pass_time(until - core.now - 1)
    assert not of(RemoveAddresses, found)
    found = core.pass_time(1)
    assert [item.until for item in of(KernelLease, found)] == [None]
    found = [*found, *core.finish(of(RemoveAddresses, found))]
    kinds = [type(item).__name__ for item in found if isinstance(item, KernelLease | RemoveAddresses | RunAgent)]
    assert kinds == ["KernelLease", "RemoveAddresses", "RunAgent"], "the lease first, then the address, then the rest"
    assert "no majority has echoed in time" in notes(found)


# Things that happen here


def test_a_removed_address_is_back_at_once() -> None:
    core = holding()
    found = core.tell(AddressGone("192.0.2.100"))
    assert [item.addresses for item in of(AddAddresses, found)] == [(address(100),)]
    assert "removed on ha01 by somebody else: put back" in notes(found)
    assert of(Announce, core.finish(found))


def test_a_rival_is_answered_and_named_once_in_a_while() -> None:
    core = holding()
    found = core.tell(RivalSeen("192.0.2.100", "eth0", "02:aa"))
    assert of(Announce, found)
    assert "02:aa claims 192.0.2.100 on eth0" in notes(found)
    core.pass_time(9 * SECOND, "ha02", "arbiter")
    found = core.tell(RivalSeen("192.0.2.100", "eth0", "02:aa"))
    assert of(Announce, found)
    assert not notes(found), "said ten seconds ago at most"
    found = core.tell(RivalSeen("192.0.2.100", "eth0", "02:bb"))
    assert not notes(found), "made-up addresses must not fill the history"
    assert of(Announce, found) or core.node.rivals["192.0.2.100"][0] == "02:bb"
    core.pass_time(11 * SECOND, "ha02", "arbiter")
    assert "02:bb" in notes(core.tell(RivalSeen("192.0.2.100", "eth0", "02:bb")))


def test_a_rival_of_what_we_do_not_hold_is_not_answered() -> None:
    core = settled()
    assert core.tell(RivalSeen("192.0.2.100", "eth0", "02:aa")) == []


def test_a_lost_carrier_is_told_at_once_and_only_when_it_changes() -> None:
    core = holding()
    found = core.carrier(False)
    assert "eth0 of ha01 lost its carrier" in notes(found)
    beat = messages(Heartbeat, found)[-1].state
    assert [(item.fit, item.why) for item in beat.groups] == [(False, "eth0 has no carrier")]
    assert core.carrier(False) == []


def test_a_program_that_dies_is_restarted() -> None:
    core = holding(address(100), program("httpd"))
    found = core.tell(ResourceFailed("site", "httpd", "exit code 9"))
    assert [(item.resource, item.action.value) for item in of(RunAgent, found)] == [("httpd", "stop")]
    assert "httpd failed (exit code 9): restarted here" in notes(found)
    assert core.tell(ResourceFailed("other", "httpd", "")) == []


def test_a_refused_kernel_lease_moves_the_group() -> None:
    core = holding()
    found = core.tell(LeaseRefused("site", "no nf_tables here"))
    release = messages(Release, core.finish_all(found))[0]
    assert release.successor == "ha02"
    assert core.tell(LeaseRefused("other", "")) is not None, "an unknown group is passed over"
    report = messages(Heartbeat, core.effects)[-1].state.groups[0]
    assert (report.fit, report.why) == (False, "the kernel there refuses its lease: no nf_tables here")


def test_a_program_is_watched_again_after_a_new_manager() -> None:
    core = holding(address(100), program("httpd"))
    assert "the manager is gone" in notes(core.tell(ManagerChanged(False)))
    report = messages(Heartbeat, core.effects)[-1].state.groups[0]
    assert report.fit, "what is held goes on"
    found = core.tell(ManagerChanged(True))
    assert [item.action for item in of(RunAgent, found)] == [Action.MONITOR]


def test_notes_and_acts_say_why() -> None:
    core = holding(address(100), program("httpd"))
    for effect in core.effects:
        if isinstance(effect, KernelLease | AddAddresses | RemoveAddresses | Announce | RunAgent | Note | Quit):
            assert effect.why


# A clean stop


def test_a_clean_stop_hands_over_and_then_quits() -> None:
    core = holding(address(100), program("httpd"))
    found: list[Effect] = core.tell(ShutdownAsked())
    assert not of(Quit, found)
    found = core.finish_all(found)
    release = messages(Release, found)[0]
    assert (release.successor, release.stopped) == ("ha02", True)
    kinds = [type(item).__name__ for item in found if isinstance(item, KernelLease | Quit)]
    assert kinds == ["KernelLease", "Quit"]
    last = messages(Heartbeat, found)[-1].state
    assert (last.leaving, last.standby) == (True, False)
    core.now += 10 * DEAD
    assert core.tick() == [] or not messages(Heartbeat, core.effects[-1:]), "nothing is said after the end"


def test_a_witness_stops_at_once() -> None:
    core = Core(cluster(), me="arbiter")
    core.start()
    assert of(Quit, core.tell(ShutdownAsked()))


def test_a_witness_votes_and_runs_nothing() -> None:
    core = Core(cluster(), me="arbiter")
    core.start()
    core.beat_of("ha01")
    core.beat_of("ha02")
    core.pass_time(3 * DEAD, "ha01", "ha02")
    assert not messages(Bid, core.effects)
    own = messages(Heartbeat, core.effects)[-1].state
    assert (own.groups, own.holds) == ((), ())
    bid = Bid("ha01", incarnation_of("ha01"), "site", BALLOT, core.now)
    assert messages(BidAnswer, core.hear(bid, "ha01"))[0].granted


def test_two_cores_told_the_same_wish_the_same() -> None:
    def told() -> list[Effect]:
        core = Core(cluster(group("site", address(1), program("httpd"))))
        core.settle("ha02", "arbiter")
        core.hold("ha02", "arbiter")
        core.pass_time(5 * DEAD, "arbiter")
        core.pass_time(5 * DEAD)
        return core.effects

    assert told() == told()


def test_operation_numbers_are_never_used_twice() -> None:
    core = holding(address(100), program("httpd"))
    core.pass_time(5 * DEAD)
    ops = [item.op for item in of(AddAddresses | RemoveAddresses | RunAgent, core.effects)]  # type: ignore[arg-type]
    assert len(ops) == len(set(ops)) > 2


def test_an_unknown_member_cannot_be_built() -> None:
    with pytest.raises(KeyError):
        Node(cluster(), "mallory")
