"""The switchboard as a voter and a listener: bids, releases, echoes, relays and greetings."""

from __future__ import annotations

from dataclasses import replace

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
    right_of,
    settled,
    state,
)

from understudy.core.membership import State
from understudy.effects import KernelLease, Send
from understudy.events import (
    LinkChanged,
    Received,
)
from understudy.messages import Bid, BidAnswer, Echo, GroupReport, Heard, Heartbeat, Hold, Phase, Release, Vote

BALLOT = 1_800_000 << 8 | 2
"""A ballot of ha02: members in the order of their names are arbiter, ha01, ha02."""


# As a voter


def bid_of_ha02(core: Core, ballot: int = BALLOT, after: int = 0) -> Bid:
    return Bid("ha02", incarnation_of("ha02"), "site", ballot, core.now - 3, after)


def voting() -> Core:
    """A core that holds nothing and may grant: ha02 is first in prefer."""
    core = Core(cluster(group("site", address(100), prefer=("ha02",))))
    core.settle("ha02", "arbiter")
    return core


def test_a_bid_is_answered_at_once_on_its_link() -> None:
    core = voting()
    found = core.hear(bid_of_ha02(core), "ha02", "blue")
    sent = next(item for item in of(Send, found) if isinstance(item.message, BidAnswer))
    assert (sent.to, sent.link) == ("ha02", "blue")
    answer = messages(BidAnswer, found)[0]
    assert answer.granted
    assert (answer.voter, answer.voter_incarnation) == ("ha01", OURS)
    assert (answer.bidder, answer.bidder_incarnation) == ("ha02", incarnation_of("ha02"))
    assert (answer.group, answer.ballot, answer.echo) == ("site", BALLOT, core.now - 3)
    assert answer.dead_time == core.cluster.silence, "as long as the promise really lasts"


def test_a_refusal_says_who_and_why() -> None:
    core = Core(cluster())
    core.start()
    core.beat_of("ha02")
    answer = messages(BidAnswer, core.hear(bid_of_ha02(core), "ha02"))[0]
    assert not answer.granted
    assert answer.wait == START + DEAD - core.now
    assert answer.why.startswith("ha01: has just started")


@pytest.mark.parametrize("node, incarnation", [("arbiter", incarnation_of("ha02")), ("ha02", 1)])  # noqa: PT006
def test_nobody_bids_or_releases_for_another(node: str, incarnation: int) -> None:
    core = voting()
    assert not messages(BidAnswer, core.hear(Bid(node, incarnation, "site", BALLOT, 0), "ha02"))
    core.hear(bid_of_ha02(core), "ha02")
    core.hear(Release(node, incarnation, "site", BALLOT, None, True), "ha02")
    assert core.node.voter.promised("site", core.now) is not None


def test_a_holder_is_echoed_at_once_on_the_link_of_its_heartbeat() -> None:
    core = voting()
    core.hear(bid_of_ha02(core), "ha02")
    found = core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    sent = next(item for item in of(Send, found) if isinstance(item.message, Echo))
    assert (sent.to, sent.link) == ("ha02", "red")
    echo = messages(Echo, found)[0]
    assert (echo.voter, echo.incarnation, echo.dead_time) == ("ha01", OURS, core.cluster.silence)
    assert echo.votes == (Vote("site", "ha02", incarnation_of("ha02"), BALLOT, core.now),)


def test_a_copy_over_the_other_link_is_not_echoed_again() -> None:
    core = voting()
    said = Heartbeat(state("ha02", 500, core.now, holds=(Hold("site", BALLOT),)))
    first = core.tell(Received("red", "ha02", incarnation_of("ha02"), 5000, said, core.now))
    assert messages(Echo, first)
    assert core.tell(Received("blue", "ha02", incarnation_of("ha02"), 5000, said, core.now)) == []


def test_who_holds_nothing_is_not_echoed() -> None:
    core = voting()
    assert not messages(Echo, core.beat_of("ha02"))


def test_a_bid_that_is_only_named_makes_no_promise() -> None:
    core = voting()
    core.beat_of("ha02", holds=(Hold("site", BALLOT, bidding=True),))
    assert core.node.voter.promised("site", core.now) is None
    core.hear(bid_of_ha02(core), "ha02")
    core.now += BEAT
    core.beat_of("ha02", holds=(Hold("site", BALLOT, bidding=True),))
    promise = core.node.voter.promised("site", core.now)
    assert promise is not None
    assert (promise.until, promise.held) == (core.now + core.cluster.silence, False), "a standing bid is renewed"


def test_a_released_ballot_that_an_old_heartbeat_still_names_stays_over() -> None:
    core = voting()
    core.hear(bid_of_ha02(core), "ha02")
    core.hear(Release("ha02", incarnation_of("ha02"), "site", BALLOT, None, True), "ha02")
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    assert core.node.voter.promised("site", core.now) is None
    core.beat_of("ha02", holds=(Hold("site", BALLOT + 256),))
    assert core.node.voter.promised("site", core.now) is not None


def test_a_bid_after_a_ballot_makes_that_ballot_over_for_its_holder() -> None:
    """The bid may be all that we hear of the release."""
    core = Core(cluster(group("site", prefer=("ha03",)), nodes=("ha01", "ha02", "ha03"), witnesses=()))
    core.settle("ha02", "ha03")
    old = 1_800_000 << 8 | 2  # of ha03
    core.beat_of("ha03", holds=(Hold("site", old),))
    core.hear(Bid("ha02", incarnation_of("ha02"), "site", old + 255, core.now, after=old), "ha02")
    core.beat_of("ha03", holds=(Hold("site", old),))
    promise = core.node.voter.promised("site", core.now)
    assert promise is not None
    assert promise.holder == "ha02"
    core.hear(Release("ha02", incarnation_of("ha02"), "site", old + 255, None, True), "ha02")
    core.beat_of("ha03", holds=(Hold("site", old),))
    assert core.node.voter.promised("site", core.now) is None, "given up for ever"


def test_a_heartbeat_that_no_longer_names_a_group_frees_it() -> None:
    core = voting()
    core.hear(bid_of_ha02(core), "ha02")
    core.now += 1
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    core.now += 1
    core.beat_of("ha02")
    assert core.node.voter.promised("site", core.now) is None


def test_the_word_stopped_in_a_heartbeat_ends_what_a_voter_remembers() -> None:
    core = voting()
    core.hear(bid_of_ha02(core), "ha02")

    def remembered() -> list[int]:
        core.now += 1
        return [item.ballot for item in core.node.voter.unfinished["site"].values()]

    core.beat_of("ha02", holds=(Hold("site", BALLOT),), groups=(GroupReport("site", Phase.STOPPED, True),))
    assert remembered() == [BALLOT], "a holder that has not begun is not stopped"
    core.beat_of("ha02", groups=(GroupReport("site", Phase.STOPPING, True),))
    assert remembered() == [BALLOT]
    core.beat_of("ha02")
    assert remembered() == []


def test_what_a_holder_that_was_overtaken_says_is_no_proof_of_stop() -> None:
    core = Core(cluster(group("site", prefer=("ha02", "ha03")), nodes=("ha01", "ha02", "ha03"), witnesses=()))
    core.settle("ha02", "ha03")
    of_ha02, of_ha03 = 1_800_000 << 8 | 1, 1_800_001 << 8 | 2
    core.hear(Bid("ha02", incarnation_of("ha02"), "site", of_ha02, core.now), "ha02")
    core.now += DEAD
    core.hear(Bid("ha03", incarnation_of("ha03"), "site", of_ha03, core.now), "ha03")
    core.beat_of("ha02", holds=(Hold("site", of_ha02),))
    remembered = [item.ballot for item in core.node.voter.unfinished["site"].values()]
    assert remembered == [of_ha02, of_ha03], "it still names the group, so its word stopped is not the last"


# Members that count other voters

OTHER = "d1d1d1d1" + "0" * 8


def strict(core: Core) -> Core:
    """Both sides of a digest: the first eight digits stand for the voters, the rest for everything."""
    core.words = {name: {**core.words.get(name, {}), "digest": "d1"} for name in core.cluster.names}
    return core


def test_no_votes_are_exchanged_with_a_member_that_counts_other_voters() -> None:
    core = strict(voting())
    found = core.beat_of("ha02", digest=OTHER)
    assert "ha02 counts other voters" in notes(found)
    assert not messages(BidAnswer, core.hear(bid_of_ha02(core), "ha02"))
    found = core.beat_of("ha02", digest=OTHER, holds=(Hold("site", BALLOT),))
    assert not messages(Echo, found)
    assert core.node.voter.promised("site", core.now) is None
    assert "counts other voters" not in notes(found), "said once"
    found = core.beat_of("ha02")
    assert "ha02 runs with the same configuration again" in notes(found)
    assert messages(BidAnswer, core.hear(bid_of_ha02(core), "ha02"))[0].granted


def test_its_echoes_and_grants_do_not_count_for_us() -> None:
    core = strict(settled())
    bid = core.last_bid()
    core.beat_of("arbiter", digest=OTHER, votes_for_us=False)
    assert not of(KernelLease, core.grant(bid))
    core.beat_of("arbiter", digest=OTHER)
    core.hear(Echo("arbiter", incarnation_of("arbiter"), DEAD, core.votes_for_us()), "arbiter")
    assert core.node.steward.claims.held("site") is None


def test_while_such_a_member_lives_nobody_here_takes_anything() -> None:
    core = Core(cluster())
    core.words["ha02"] = {"digest": OTHER}
    core.settle("ha02", "arbiter")
    core.pass_time(5 * DEAD, "ha02", "arbiter")
    assert not messages(Bid, core.effects)
    core.pass_time(5 * DEAD, "arbiter")
    assert messages(Bid, core.effects), "once it is lost it counts for nothing"


def test_another_configuration_with_the_same_voters_is_only_said() -> None:
    core = Core(replace(cluster(group("site", address(100), prefer=("ha02",))), digest="aaaaaaaa11111111"))
    core.words = {"ha02": {"digest": "aaaaaaaa11111111"}, "arbiter": {"digest": "aaaaaaaa11111111", "groups": ()}}
    core.settle("ha02", "arbiter")
    found = core.beat_of("ha02", digest="aaaaaaaa22222222")
    assert "ha02 runs with another configuration" in notes(found)
    assert messages(BidAnswer, core.hear(bid_of_ha02(core), "ha02"))[0].granted


# Relays


def test_a_relayed_word_is_heard_through_the_other_and_renews_promises() -> None:
    core = voting()
    core.hear(bid_of_ha02(core), "ha02")
    core.now += 4 * BEAT
    relayed = state("ha02", 700, core.now - BEAT, holds=(Hold("site", BALLOT),))
    said = state("arbiter", 900, core.now, groups=())
    core.hear(Heartbeat(said, (relayed,)), "arbiter")
    assert core.node.membership.members["ha02"].via == "arbiter"
    promise = core.node.voter.promised("site", core.now)
    assert promise is not None
    assert promise.until == core.now + core.cluster.silence
    assert promise.echo == core.now - BEAT


def test_a_relayed_echo_counts_like_a_direct_one() -> None:
    core = holding()
    core.pass_time(BEAT)
    relayed = state("arbiter", 900, core.now, votes=core.votes_for_us(), groups=())
    core.hear(Heartbeat(state("ha02", 700, core.now), (relayed,)), "ha02")
    assert right_of(core) == core.sent_at + core.cluster.silence - core.cluster.margin


def test_a_state_under_a_foreign_name_is_not_the_senders() -> None:
    core = voting()
    found = core.hear(Heartbeat(state("arbiter", 900, core.now, holds=(Hold("site", BALLOT),))), "ha02")
    assert not messages(Echo, found)
    assert core.node.voter.promised("site", core.now) is None


def test_states_are_relayed_to_those_who_do_not_hear_them() -> None:
    core = settled()
    core.pass_time(BEAT, "ha02", "arbiter")
    deaf = (Heard("arbiter", incarnation_of("arbiter"), -1),)
    core.beat_of("ha02", heard=deaf)
    found = core.pass_time(BEAT, "arbiter")
    relayed = {item.node for beat in messages(Heartbeat, found) for item in beat.relayed}
    assert "arbiter" in relayed, "ha02 does not hear the arbiter, and we do"
    both = (Heard("arbiter", incarnation_of("arbiter"), 0),)
    core.beat_of("ha02", heard=both)
    core.beat_of("arbiter", heard=(Heard("ha02", incarnation_of("ha02"), 0),))
    found = core.tell(LinkChanged("eth7", True))
    assert [beat.relayed for beat in messages(Heartbeat, found)] == [()]


# Greetings


def test_a_late_heartbeat_of_an_earlier_life_does_not_replace_the_living_one() -> None:
    """It names us, but nothing that we said since the living one was last heard."""
    core = settled()
    core.pass_time(2 * BEAT, "ha02", "arbiter")
    core.beat_of("ha02", turn=False)
    earlier, number = 0xE, core.node.number
    late = state("ha02", 1, core.now, incarnation=earlier, knows=number)
    core.hear(Heartbeat(late), "ha02", incarnation=earlier)
    assert core.node.links.current("ha02") == incarnation_of("ha02")
    core.tell(LinkChanged("eth7", True))
    assert core.node.number > number
    later = state("ha02", 2, core.now, incarnation=earlier, knows=core.node.number)
    core.hear(Heartbeat(later), "ha02", incarnation=earlier)
    assert core.node.links.current("ha02") == earlier, "and this one was made after that"


def test_nobody_is_introduced_by_anothers_words_about_itself() -> None:
    core = Core(cluster())
    core.start()
    core.hear(Heartbeat(state("arbiter", 1, core.now, groups=())), "ha02")
    assert core.node.links.current("ha02") is None
    assert core.node.links.current("arbiter") is None


def test_a_stranger_in_time_is_greeted_alone_and_believed_when_it_names_us() -> None:
    core = Core(cluster())
    core.start()
    found = core.hear(Heartbeat(state("ha02", 1, names=None)), "ha02", "blue")
    sent = [item for item in of(Send, found) if isinstance(item.message, Heartbeat)]
    assert [(item.to, item.link) for item in sent] == [("ha02", "blue")]
    assert core.node.membership.state("ha02") is State.UNKNOWN
    heard = messages(Heartbeat, found)[0].state.heard
    assert [(item.node, item.incarnation) for item in heard] == [("ha02", incarnation_of("ha02"))]
    found = core.hear(Heartbeat(state("ha02", 2)), "ha02")
    assert core.node.membership.state("ha02") is State.UP
    assert "ha02 is up, heard directly" in notes(found)
