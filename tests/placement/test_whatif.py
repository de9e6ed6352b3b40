"""What would happen: where groups come to rest, and what is left of the votes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from understudy.core.placement import View
from understudy.core.whatif import all_up, ask, votes
from understudy.fence_devices import FenceDevice, FenceKind
from understudy.model import Cluster, Failback, FailbackKind, Group, Member, Quorum, Role
from understudy.units import SECOND


def cluster(*groups: Group, nodes: int = 3, witness: bool = False, quorum: Quorum = Quorum.MAJORITY) -> Cluster:
    members = [Member(f"ha{number:02}", Role.NODE, ()) for number in range(1, nodes + 1)]
    if witness:
        members.append(Member("arbiter", Role.WITNESS, ()))
    return Cluster("test", "", SECOND // 5, SECOND, quorum, tuple(members), groups)


def group(name: str, *prefer: str, never: bool = False) -> Group:
    return Group(name, (), prefer, Failback(FailbackKind.NEVER) if never else Failback())


def test_a_group_goes_to_the_next_of_its_nodes() -> None:
    found = cluster(group("site", "ha02", "ha03"), group("mail"))
    outcome = ask(found, all_up(found), ["ha02"])
    assert outcome.before == {"site": "ha02", "mail": "ha01"}
    assert outcome.moved() == [("site", "ha02", "ha03")]
    assert outcome.verdict.text == "partition with quorum: 2 of 3 votes are left, 2 are needed"
    assert "ha02 cannot keep it (it is down)" not in outcome.decisions["site"].why, "said of where it is, at rest"


def test_without_a_majority_nothing_runs() -> None:
    found = cluster(group("site"), nodes=2, witness=True)
    outcome = ask(found, all_up(found), ["ha02", "arbiter"])
    assert outcome.verdict.quorate is False
    assert outcome.moved() == [("site", "ha01", None)]
    assert "1 of 3 votes are left, 2 are needed" in outcome.decisions["site"].why
    assert ask(found, all_up(found), ["arbiter"]).moved() == []


def test_a_chain_comes_to_rest() -> None:
    """db moves, web follows it, and mail, which stays apart from db, makes way."""
    found = cluster(
        group("db", "ha01", "ha02"),
        replace(group("web"), together="db"),
        replace(group("mail", "ha02"), apart=("db",)),
    )
    outcome = ask(found, all_up(found), ["ha01"])
    assert outcome.before == {"db": "ha01", "web": "ha01", "mail": "ha02"}
    assert outcome.moved() == [("db", "ha01", "ha03"), ("web", "ha01", "ha03")], "nothing that runs is displaced"


def test_standby_keeps_the_vote() -> None:
    found = cluster(group("site", "ha01"), nodes=2, witness=True)
    outcome = ask(found, all_up(found), [], ["ha01"])
    assert outcome.verdict.have == 3
    assert outcome.moved() == [("site", "ha01", "ha02")]


def test_what_is_held_now_is_where_it_begins() -> None:
    found = cluster(group("site", "ha01", never=True))
    outcome = ask(found, replace(all_up(found), holders={"site": "ha02"}), ["ha03"])
    assert outcome.moved() == []
    assert outcome.decisions["site"].node == "ha02"


@pytest.mark.parametrize(("quorum", "quorate"), [(Quorum.PAIR, True), (Quorum.FENCE, None)])
def test_two_nodes_alone(quorum: Quorum, quorate: bool | None) -> None:
    found = cluster(group("site", "ha01"), nodes=2, quorum=quorum)
    outcome = ask(found, all_up(found), ["ha01"])
    assert outcome.verdict.quorate is quorate
    assert outcome.moved() == [("site", "ha01", "ha02")]
    assert votes(found, []).quorate
    assert votes(found, ["ha01", "ha02"]).quorate is False


def test_a_pair_that_reaches_neither_the_other_nor_a_ping_target_lets_go() -> None:
    found = cluster(group("site", "ha01"), nodes=2, quorum=Quorum.PAIR)
    outcome = ask(found, all_up(found), ["ha02"], cut_off=["ha01"])
    assert outcome.verdict.quorate is False
    assert outcome.verdict.text == "ha01 reaches neither ha02 nor a ping target of the cluster, so it lets go"
    assert outcome.moved() == [("site", "ha01", None)]
    assert votes(found, ["ha02"], ["ha02"]).quorate, "who is down counts for nothing"
    assert votes(found, [], ["ha01", "ha02"]).quorate, "they hear each other"


def test_under_fence_it_says_what_it_waits_for() -> None:
    found = cluster(group("site"), nodes=2, quorum=Quorum.FENCE)
    assert "understudy confirm-off ha01" in votes(found, ["ha01"]).text
    device = FenceDevice("ipmi", FenceKind.AGENT, "fence_ipmilan", targets=(("ha01", ""),))
    assert "once ipmi has confirmed" in votes(replace(found, fences=(device,)), ["ha01"]).text


def test_an_unknown_machine_is_an_error() -> None:
    found = cluster(group("site"))
    with pytest.raises(KeyError):
        ask(found, View({}, {}), ["ha09"])
