"""Whose votes are counted while a voter is added or removed: one core, and what the others say."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from core_parts import BEAT, DEAD, Core, address, cluster, group, holding, messages, notes, of, program, state

from understudy.core.electorate import Electorate, complete
from understudy.core.leases import Claim, Claims, Stage
from understudy.effects import Reply, Send, Settled
from understudy.events import AdminRequest, Reconfigured
from understudy.messages import Answer, Ask, GroupReport, NodeState, Phase, Release
from understudy.model import Cluster, Quorum

OLD = replace(cluster(), digest="0000000011111111")
NEW = replace(cluster(nodes=("ha01", "ha02", "ha03")), digest="2222222233333333")


def joint() -> Electorate:
    """ha01's, with ha03 being added."""
    found = Electorate("ha01", OLD)
    found.sets = (frozenset(OLD.names), frozenset(NEW.names))
    found.halves = (OLD.digest[:8], NEW.digest[:8])
    found.goal = NEW
    return found


def said(first: str, joint: str = "") -> NodeState:
    return replace(state(digest=first), joint=joint)


@pytest.mark.parametrize(
    ("of", "theirs", "agrees", "helps", "helped"),
    [
        (Electorate("ha01", OLD), said("00000000aaaaaaaa"), True, True, True),
        (Electorate("ha01", OLD), said("00000000aaaaaaaa", "22222222"), True, True, True),
        (Electorate("ha01", OLD), said("22222222aaaaaaaa"), False, False, False),
        (joint(), said("00000000aaaaaaaa"), True, True, True),
        (joint(), said("22222222aaaaaaaa"), True, False, True),
        (Electorate("ha03", NEW), said("00000000aaaaaaaa", "22222222"), True, True, False),
    ],
    ids=["the same", "it is joint", "another", "we are joint", "it dropped ours", "we are new"],
)
def test_a_voter_helps_who_counts_its_base(
    of: Electorate, theirs: NodeState, agrees: bool, helps: bool, helped: bool
) -> None:
    assert (of.agrees(theirs), of.helps(theirs), of.helped_by(theirs)) == (agrees, helps, helped)


@pytest.mark.parametrize(
    ("echoed", "enough"),
    [
        (("ha01", "ha02"), False),
        (("ha01", "ha03", "ha02"), True),
        (("ha01", "ha03", "arbiter"), True),
        (("ha01", "ha03"), False),
    ],
)
def test_a_right_needs_a_majority_of_each_set(echoed: tuple[str, ...], enough: bool) -> None:
    claims = Claims(0, BEAT, DEAD, 0, Random(1))
    claim = Claim("site", 256, Stage.BIDDING, 0, 0, 0, echoes=dict.fromkeys(echoed, (1000, DEAD)))
    assert (claims.count(claim, 1, joint().sets) > 0) is enough


def test_only_the_new_majority_is_not_enough_and_neither_is_only_the_old_one() -> None:
    five = frozenset(("a", "b", "c", "d", "e"))
    claims = Claims(0, BEAT, DEAD, 0, Random(1))
    claim = Claim("site", 256, Stage.BIDDING, 0, 0, 0, echoes=dict.fromkeys(("a", "b", "e"), (1000, DEAD)))
    assert claims.count(claim, 1, (five - {"e"}, five)) == 0, "three of five, two of four"
    claim.echoes = dict.fromkeys(("a", "b"), (1000, DEAD))
    assert claims.count(claim, 1, (five - {"d", "e"}, five - {"e"})) == 0, "two of three, two of four"


def other(found: Cluster, **words: object) -> Cluster:
    return replace(found, **words)  # type: ignore[arg-type]


def core() -> Core:
    found = holding(address(100))
    assert found.node.cluster.names == OLD.names
    return found


def test_what_cannot_be_taken_up_is_said() -> None:
    found = core()
    node = found.node
    same = replace(NEW, digest="22222222", groups=node.cluster.groups)
    assert node.objection(same) == ""
    found.pass_time(2 * DEAD, "ha02")
    assert "only ha01, ha02 can be heard" in node.objection(same), (
        "three of four are needed, and a new one counts only later"
    )
    two = other(cluster(nodes=("ha01", "ha02", "ha03", "ha04")), digest="22222222")
    assert "all daemons stopped" in node.objection(two)
    assert "restart" in node.objection(other(same, dead_time=2 * DEAD))
    assert "restart" in node.objection(other(same, quorum=Quorum.PAIR))
    assert node.objection(other(node.cluster, groups=(group("more"),))) == ""


def test_the_change_is_told_counted_and_taken_back() -> None:
    found = core()
    before = found.node.cluster
    after = replace(cluster(nodes=("ha01", "ha02", "ha03")), digest="22222222")
    found.tell(Reconfigured(after))
    assert "ha03 is added: until every member" in notes(found.effects)
    shown = found.node.snapshot(found.now).quorum
    assert (shown.text, shown.needs) == ("partition with quorum", "2 of 3 and 3 of 4")
    assert found.node.others == ("ha02", "arbiter", "ha03")
    assert found.node.steward.joint == found.node.electorate.sets
    assert "under way" in found.node.objection(replace(cluster(nodes=("ha01", "ha02", "ha04")), digest="44444444"))
    assert found.node.objection(before) == ""
    found.tell(Reconfigured(before))
    assert found.node.others == ("ha02", "arbiter")
    assert not found.node.steward.joint
    assert found.node.cluster.names == before.names


def test_a_node_that_is_taken_out_by_its_own_file_lets_go_and_says_so() -> None:
    found = core()
    gone = replace(cluster(nodes=("ha02",)), digest="22222222")
    assert found.node.objection(gone) == ""
    found.finish_all(found.tell(Reconfigured(gone)))
    found.pass_time(BEAT, "ha02", "arbiter")
    assert "ha01 is no longer in the cluster" in notes(found.effects)
    assert [item.message.group for item in of(Send, found.effects) if isinstance(item.message, Release)] == ["site"]
    shown = found.node.snapshot(found.now)
    assert [text for text in shown.warnings if "no longer in the cluster" in text]
    assert ":" not in shown.quorum.text, "the long text stands once, among the warnings"
    found.pass_time(10 * DEAD, "ha02", "arbiter")
    assert found.node.electorate.out
    assert not of(Settled, found.effects), "it never counts without itself"


def test_a_node_that_others_take_out_is_told_so() -> None:
    found = Electorate("ha01", OLD)
    assert found.drops(replace(said("00000000aaaaaaaa", "22222222"), member="ha01"))
    assert found.drops(replace(said("22222222aaaaaaaa"), member="ha01", left="00000000"))
    assert not found.drops(replace(said("00000000aaaaaaaa", "22222222"), member="ha02"))
    new = Electorate("ha03", NEW)
    assert not new.drops(replace(said("00000000aaaaaaaa", "22222222"), member="ha03"))
    assert not new.drops(replace(said("22222222aaaaaaaa"), member="ha03", left="00000000"))


def parted(failed: bool) -> Core:
    """ha03 was lost and has been taken out; ``failed``: by its last word a stop had failed there."""
    found = Core(cluster(group("db", program("mariadbd", exclusive=True)), nodes=("ha01", "ha02", "ha03")))
    found.settle("ha02", "arbiter")
    phase = Phase.STUCK if failed else Phase.STOPPED
    found.beat_of("ha03", groups=(GroupReport("db", phase, True),))
    found.pass_time(3 * DEAD, "ha02", "arbiter")
    found.tell(Reconfigured(replace(found.node.cluster, members=cluster().members, digest="22222222")))
    complete(found.node, "they all do")
    assert "ha03" not in found.node.others
    return found


def test_a_machine_that_was_taken_out_while_a_stop_had_failed_there_can_still_be_confirmed_off() -> None:
    found = parted(failed=True)
    reply = of(Reply, found.tell(AdminRequest(5, "confirm-off", "", "ha03", "anna")))
    assert reply
    assert reply[0].ok, reply[0].text
    assert found.node.steward.fencing.off("ha03")


def test_nobody_is_asked_of_a_machine_that_is_no_member_and_left_nothing() -> None:
    found = parted(failed=False)
    reply = of(Reply, found.tell(AdminRequest(5, "confirm-off", "", "ha03", "anna")))
    assert reply
    assert "not a node of this cluster" in reply[0].text
    said = found.hear(Ask("ha02", "ha01", 77, "confirm-off", "", "ha03", "anna"))
    assert ["not a node" in item.text for item in messages(Answer, said)] == [True], "asked by one who counts it still"
