"""What ``status`` shows of a core: quorum, nodes and links with their ages, groups with reasons, warnings. Changes nothing."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from core_parts import (
    BEAT,
    DEAD,
    OURS,
    Core,
    address,
    cluster,
    group,
    holding,
    incarnation_of,
    program,
    settled,
    state,
)

from understudy.core.status import RECENT
from understudy.events import AddressGone, ManagerChanged, PingsSeen, Received, RivalSeen, ShutdownAsked, Stalled
from understudy.messages import GroupReport, Heard, Heartbeat, Hold, Phase
from understudy.model import Quorum, Reach
from understudy.snapshot import GroupStatus, LinkStatus, NodeStatus, Snapshot
from understudy.units import SECOND

BALLOT = 1_800_000 << 8 | 2


def shown(core: Core) -> Snapshot:
    return core.node.snapshot(core.now)


def node(core: Core, name: str) -> NodeStatus:
    return next(item for item in shown(core).nodes if item.name == name)


def site(core: Core) -> GroupStatus:
    return shown(core).groups[0]


def pair(ping: tuple[str, ...] = ()) -> Core:
    core = Core(cluster(witnesses=(), quorum=Quorum.PAIR, ping=ping))
    core.start()
    return core


def waiting() -> Core:
    """A core that wants nothing for itself: ha02 is first in prefer."""
    core = Core(cluster(group("site", address(100), prefer=("ha02",))))
    core.settle("ha02", "arbiter")
    return core


# Quorum


def test_quorum_counts_those_who_hear_us_too() -> None:
    core = Core(cluster())
    core.start()
    quorum = shown(core).quorum
    assert (quorum.policy, quorum.votes, quorum.of, quorum.have) == ("majority", 2, 3, 1)
    assert (quorum.quorate, quorum.text) == (False, "partition WITHOUT quorum")
    core.beat_of("ha02")
    quorum = shown(core).quorum
    assert (quorum.have, quorum.quorate, quorum.text) == (2, True, "partition with quorum")
    core.pass_time(BEAT)
    deaf = state("ha02", 90, core.now, names=OURS + 1)
    core.hear(Heartbeat(deaf), "ha02")
    assert shown(core).quorum.have == 1, "it hears an earlier life of ours"


def test_a_member_that_is_lost_is_no_longer_counted() -> None:
    core = settled()
    assert shown(core).quorum.have == 3
    core.pass_time(3 * DEAD, "arbiter")
    assert shown(core).quorum.have == 2


def test_a_pair_alone_is_quorate_when_the_peer_is_silent_and_says_what_that_is_worth() -> None:
    core = pair()
    core.beat_of("ha02")
    assert shown(core).quorum.votes == 2
    core.pass_time(3 * DEAD)
    quorum = shown(core).quorum
    assert (quorum.votes, quorum.have, quorum.quorate) == (1, 1, True)
    assert "not safe if the other node lives" in quorum.text
    assert any("a witness mends that" in warning for warning in shown(core).warnings)


def test_a_pair_without_a_ping_target_has_no_quorum_however_silent_the_peer() -> None:
    core = pair(ping=("192.0.2.1",))
    core.beat_of("ha02")
    core.tell(PingsSeen(()))
    core.pass_time(3 * DEAD)
    quorum = shown(core).quorum
    assert (quorum.votes, quorum.of, quorum.quorate) == (2, 2, False)
    core.tell(PingsSeen(("192.0.2.1",)))
    assert shown(core).quorum.quorate


# Nodes


def test_this_node_itself() -> None:
    core = settled()
    own = node(core, "ha01")
    assert (own.state, own.via, own.incarnation, own.age_ms) == ("up", "direct", f"{OURS:016x}", 0.0)
    assert (own.standby, own.config_differs, own.links) == (False, False, ())


def test_a_member_never_heard() -> None:
    core = Core(cluster())
    core.start()
    other = node(core, "ha02")
    assert (other.state, other.via, other.incarnation, other.age_ms) == ("unknown", None, None, None)
    assert other.links == (LinkStatus("blue", False, None), LinkStatus("red", False, None))
    assert node(core, "arbiter").role == "witness"


def test_a_member_by_its_links_with_ages() -> None:
    core = settled()
    core.now += 1
    said = Heartbeat(state("ha02", 500, core.now))
    core.tell(Received("red", "ha02", incarnation_of("ha02"), 5000, said, core.now))
    core.now += DEAD
    core.tell(Received("blue", "ha02", incarnation_of("ha02"), 5001, said, core.now))
    other = node(core, "ha02")
    seen = tuple(replace(link, loss=None) for link in other.links)
    assert seen == (LinkStatus("blue", True, 0.0), LinkStatus("red", True, 1000.0))
    core.now += 1_500_000
    assert node(core, "ha02").age_ms == 1.5
    assert [item.up for item in node(core, "ha02").links] == [True, False], "silent for longer than the dead time"
    assert node(core, "ha02").incarnation == f"{incarnation_of('ha02'):016x}"


def test_a_member_lost_and_one_heard_through_another() -> None:
    core = settled()
    core.pass_time(2 * DEAD, "arbiter")
    assert (node(core, "ha02").state, node(core, "ha02").via) == ("lost", None)
    relayed = state("ha02", 800, core.now)
    core.hear(Heartbeat(state("arbiter", 800, core.now, groups=()), (relayed,)), "arbiter")
    assert (node(core, "ha02").state, node(core, "ha02").via) == ("up", "arbiter")


def test_standby_and_another_configuration_are_shown() -> None:
    core = settled()
    core.beat_of("ha02", standby=True, digest="d2")
    other = node(core, "ha02")
    assert (other.standby, other.config_differs) == (True, True)
    assert "ha02 runs with a different configuration file" in shown(core).warnings
    core.pass_time(3 * DEAD)
    assert not [text for text in shown(core).warnings if "different configuration" in text], "only of the living"


@pytest.mark.parametrize("leaving", [False, True])
def test_our_own_standby(leaving: bool) -> None:
    core = Core(cluster())
    core.start(standby=not leaving)
    core.pass_time(BEAT)
    if leaving:
        core.tell(ShutdownAsked())
    own = node(core, "ha01")
    assert (own.standby, own.leaving) == (not leaving, leaving)
    assert shown(core).standby is not leaving


def test_a_member_that_was_stopped_cleanly_is_not_in_standby() -> None:
    core = settled()
    core.beat_of("ha02", leaving=True, groups=())
    other = node(core, "ha02")
    assert (other.state, other.standby, other.leaving) == ("up", False, True)
    assert shown(core).groups[0].not_on["ha02"] == "it is being stopped"
    core.pass_time(3 * DEAD, "arbiter")
    other = node(core, "ha02")
    assert (other.state, other.standby, other.leaving) == ("lost", False, True)
    assert shown(core).groups[0].not_on["ha02"].startswith("its daemon was stopped, silent for")


def test_a_member_that_died_while_it_was_stopped_is_lost() -> None:
    core = settled()
    core.beat_of("ha02", leaving=True, groups=(GroupReport("site", Phase.STOPPING, True),))
    core.pass_time(3 * DEAD, "arbiter")
    assert (node(core, "ha02").state, node(core, "ha02").leaving) == ("lost", False)


def test_which_ping_targets_of_groups_answer_where() -> None:
    asking = replace(group("site", address(100)), stays_where=Reach(("192.0.2.1", "192.0.2.2"), SECOND))
    core = Core(cluster(asking))
    core.start()
    assert node(core, "ha01").reaches is None, "not known yet"
    core.tell(PingsSeen(("192.0.2.2",)))
    core.hear(Heartbeat(replace(state("ha02"), reaches=("192.0.2.1",))), "ha02")
    core.hear(Heartbeat(state("arbiter", groups=())), "arbiter")
    assert [item.reaches for item in shown(core).nodes] == [("192.0.2.2",), ("192.0.2.1",), None]
    core.pass_time(3 * DEAD)
    assert node(core, "ha02").reaches is None, "a lost node's word counts no more"
    plain = settled()
    plain.tell(PingsSeen(()))
    assert {item.reaches for item in shown(plain).nodes} == {None}, "no group asks"


# Groups


def test_a_group_that_we_hold() -> None:
    core = holding(address(100), program("httpd"))
    core.now += 1_000_000
    found = site(core)
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    assert (found.holder, found.state, found.ballot) == ("ha01", "started", claim.ballot)
    assert found.lease_left_ms == round((claim.until - core.now) / 1_000_000, 3)
    assert found.for_ms is not None
    assert found.for_ms > 0
    assert "ha01 is the first node of the file that can run it" in found.why
    assert set(found.not_on) == {"ha02"}
    assert [(item.id, item.kind, item.state) for item in found.resources] == [
        ("address-100", "address", "running"),
        ("httpd", "command", "running"),
    ]


def test_a_group_that_another_holds_in_its_own_words() -> None:
    core = waiting()
    words = (GroupReport("site", Phase.STARTING, True, "an operator moves it to ha02"),)
    core.beat_of("ha02", holds=(Hold("site", BALLOT),), groups=words)
    core.now += 2_000_000
    core.beat_of("ha02", holds=(Hold("site", BALLOT),), groups=words)
    found = site(core)
    assert (found.holder, found.state, found.ballot, found.lease_left_ms) == ("ha02", "starting", BALLOT, None)
    assert found.why == "an operator moves it to ha02"
    assert found.for_ms == 2.0
    assert "ha02" not in found.not_on
    core.hear(Heartbeat(state("ha02", 900, core.now, holds=(Hold("site", BALLOT, bidding=True),))), "ha02")
    assert site(core).holder is None, "a bid is no hold"


def test_a_new_hold_counts_from_when_it_was_first_seen() -> None:
    core = waiting()
    core.beat_of("ha02", holds=(Hold("site", BALLOT, bidding=True),))
    core.now += 3_000_000
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    assert site(core).for_ms == 0.0, "not from the bid"
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    core.now += 5_000_000
    core.beat_of("ha02", holds=(Hold("site", BALLOT + 256),))
    assert site(core).for_ms == 0.0


def test_a_lost_holder_holds_nothing() -> None:
    core = waiting()
    core.beat_of("ha02", holds=(Hold("site", BALLOT),))
    core.pass_time(3 * DEAD)
    assert site(core).holder is None


def test_a_bid_says_what_it_waits_for() -> None:
    core = settled()
    assert site(core).why == "bidding: asking for votes"
    core.refuse(core.last_bid(), "arbiter", wait=BEAT)
    assert site(core).why == "bidding: arbiter: no"


def test_a_group_that_nobody_holds_is_stopped() -> None:
    core = Core(cluster())
    core.start()
    core.pass_time(2 * DEAD)
    assert (site(core).holder, site(core).state, site(core).for_ms) == (None, "stopped", None)


def test_waiting_for_proof_is_the_reason_shown() -> None:
    core = Core(cluster(group("site", address(1), program("db", exclusive=True), stop=30 * SECOND)))
    core.settle("arbiter")
    core.hold("arbiter")
    assert site(core).why == "waits for proof of stop: ha02 (30s until its stop timeout has passed)"


def test_a_witness_only_votes() -> None:
    core = Core(cluster(), me="arbiter")
    core.start()
    assert site(core).why == "this node only votes"
    assert not [text for text in shown(core).warnings if "manager" in text]


# Warnings and counters


def test_warnings_of_the_moment() -> None:
    core = Core(cluster())
    core.start()
    core.now += 400_000_000
    found = "\n".join(shown(core).warnings)
    assert "the manager is not connected" in found
    assert "ha01 has just started and grants nothing for another 600ms" in found
    core.tell(ManagerChanged(True))
    core.pass_time(2 * DEAD)
    assert shown(core).warnings == ()


def test_a_trouble_that_is_over_is_named_for_a_while() -> None:
    core = holding()
    core.tell(RivalSeen("192.0.2.100", "eth0", "02:aa"))
    core.finish(core.tell(AddressGone("192.0.2.100")))
    removed = "192.0.2.100 was removed here by somebody else and put back"
    core.now += 2 * SECOND + 999_999_999
    assert shown(core).warnings == (f"{removed}, once; last 2s ago", "02:aa claims 192.0.2.100, last 2s ago")
    core.now -= 3 * SECOND
    core.pass_time(BEAT, "ha02", "arbiter")
    core.finish(core.tell(AddressGone("192.0.2.100")))
    assert f"{removed}, 2 times; last 0s ago" in shown(core).warnings
    core.now += RECENT
    assert not [text for text in shown(core).warnings if "192.0.2.100" in text]


def test_another_machine_with_our_name_is_warned_of() -> None:
    core = settled()
    core.tell(Received("red", "ha01", OURS + 1, 1, Heartbeat(state("ha01", incarnation=OURS + 1)), core.now))
    assert any("another machine uses the name ha01" in text for text in shown(core).warnings)
    core.now += RECENT
    assert not [text for text in shown(core).warnings if "another machine" in text]


def test_counters_and_refused_datagrams() -> None:
    core = settled()
    core.tell(Stalled(DEAD))
    core.tell(Received("red", "mallory", 1, 1, Heartbeat(state("mallory")), core.now))
    core.tell(Received("red", "mallory", 1, 2, Heartbeat(state("mallory")), core.now))
    found = shown(core)
    assert found.counters["stalls"] == 1
    assert found.rejected == {"unknown-member": 2}
    bid = core.last_bid()
    core.refuse(bid, "arbiter")
    core.refuse(bid, "ha02")
    assert shown(core).counters["failed_bids"] == 1


def test_a_snapshot_changes_nothing() -> None:
    core = holding(address(100), program("httpd"))
    core.beat_of("ha02", heard=(Heard("arbiter", 5, -1),))
    twin = copy.deepcopy(core)
    for _ in range(3):
        core.node.snapshot(core.now + 10 * DEAD)
    assert core.node.next_deadline() == twin.node.next_deadline()
    assert core.pass_time(3 * DEAD, "ha02") == twin.pass_time(3 * DEAD, "ha02")


def test_the_json_form_is_complete() -> None:
    found = shown(holding()).to_json()
    assert found["schema"] == 1
    assert found["node"] == "ha01"
    assert {item["name"] for item in found["nodes"]} == {"ha01", "ha02", "arbiter"}
