"""Other files while both run: lines of haresources, times, and when it is not the moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from heartbeat3_parts import DEADTIME, KEEPALIVE, MAIL, WEB, A, B, ByHand, Two, address, pair, up

from understudy.heartbeat_files import AutoFailback
from understudy.model import Cluster, Group, ScriptResource
from understudy.old_pair import OldPair, PairChanged
from understudy.units import MILLISECOND, SECOND, Duration

NEW = "IPaddr::10.77.1.102/24/eth0"
OWN = (A, B)


def node(two: Two, name: str):  # type: ignore[no-untyped-def]
    found = two.hosts[name].node
    assert found is not None
    return found


def take_up(two: Two, name: str, *groups: Group, **times: object) -> str:
    """Have ``name`` take other files up; returns the objection, if there is one."""
    before: Cluster = node(two, name).cluster
    settings: OldPair = replace(node(two, name).pair, **times)
    after = replace(before, groups=groups or before.groups, dead_time=settings.deadtime)
    objection: str = node(two, name).objection(after, settings)
    if not objection:
        two.tell(name, PairChanged(after, settings, (), tuple(two.hosts[name].addresses)))
        if not any(group.name == NEW for group in two.cluster.groups):
            two.cluster = replace(two.cluster, groups=(*two.cluster.groups, *(g for g in groups if g.name == NEW)))
    return objection


def new(ip: str = "10.77.1.102", owner: str = A) -> Group:
    return Group(NEW, (address(ip),), prefer=(owner,))


def dt(two: Two, name: str) -> int:
    said = [message.get("dt") for _, message in two.hosts[name].said if message.get("t") == "status"]
    return int(said[-1], 16)


def test_a_new_line_of_ours_is_taken_once_the_network_was_asked() -> None:
    two = up()
    two.run(6 * SECOND)
    assert take_up(two, A, *two.cluster.groups, new()) == ""
    assert two.hosts[A].addresses == {"10.77.1.100"}, "not before somebody has been asked"
    assert two.run_until(lambda: "10.77.1.102" in two.hosts[A].addresses, 2 * SECOND)
    assert not node(two, A).change.under_way
    assert any("nothing of the former files is left" in note for note in two.hosts[A].notes)
    two.crash(A)
    take_up(two, B, *two.cluster.groups)
    assert two.run_until(lambda: len(two.hosts[B].addresses) == 3, 30 * SECOND)
    assert not two.doubles


def test_a_new_line_of_the_other_node_is_only_known() -> None:
    two = up()
    two.run(6 * SECOND)
    assert take_up(two, A, *two.cluster.groups, new(owner=B)) == ""
    two.run(5 * SECOND)
    assert two.hosts[A].addresses == {"10.77.1.100"}
    assert take_up(two, B, *node(two, A).cluster.groups) == ""
    assert two.run_until(lambda: "10.77.1.102" in two.hosts[B].addresses, 2 * SECOND)


def test_an_address_that_somebody_has_is_not_taken_up_as_long_as_he_answers() -> None:
    """The other machine's file still says that it is its own."""
    two = up()
    two.run(6 * SECOND)
    assert take_up(two, A, *two.cluster.groups, new("10.77.1.101")) == ""
    two.run(10 * SECOND)
    assert "10.77.1.101" not in two.hosts[A].addresses
    assert any("what is new of it is not taken up: 10.77.1.101 is used" in note for note in two.hosts[A].notes)
    assert take_up(two, A) == "something of the configuration before the last reload has not stopped yet"


def test_a_line_that_is_gone_is_stopped_and_forgotten() -> None:
    two = up()
    two.run(6 * SECOND)
    (mail,) = (group for group in two.cluster.groups if group.name == MAIL)
    assert two.hosts[A].programs == {"test1"}
    assert take_up(two, A, mail) == ""
    assert two.run_until(lambda: not two.hosts[A].addresses and not two.hosts[A].programs, 5 * SECOND)
    two.run(SECOND)
    assert list(node(two, A).holdings.groups) == [MAIL]
    assert two.hosts[A].leases[WEB] == 0
    assert not node(two, A).change.under_way


def test_of_a_line_that_changed_what_is_the_same_goes_on() -> None:
    two = up()
    two.run(6 * SECOND)
    web, mail = two.cluster.groups
    more = (*web.resources, address("10.77.1.102"), ScriptResource("test2", "/etc/init.d/test2", exclusive=True))
    starts: list[str] = []
    inside = two._agent

    def seen(host, effect) -> None:  # type: ignore[no-untyped-def]
        starts.append(f"{effect.action.value} {effect.resource}")
        inside(host, effect)

    two._agent = seen  # type: ignore[method-assign]
    assert take_up(two, A, replace(web, resources=more), mail) == ""
    assert two.run_until(lambda: "test2" in two.hosts[A].programs, 5 * SECOND)
    assert two.hosts[A].addresses == {"10.77.1.100", "10.77.1.102"}
    assert "stop test1" not in starts
    assert "start test1" not in starts
    assert two.run_until(lambda: not node(two, A).change.under_way, 5 * SECOND)


def rights(two: Two, name: str) -> Duration:
    """How long the kernel would go on serving from our last heartbeat on."""
    return max(two.hosts[name].leases.values()) - two.hosts[name].said[-1][0]


def test_while_either_dead_time_may_count_the_longer_is_announced_and_the_shorter_gives_the_right() -> None:
    two = up()
    two.run(6 * SECOND)
    slack = 2 * KEEPALIVE
    for longer in (True, False):
        target = 2 * DEADTIME if longer else DEADTIME
        assert take_up(two, A, deadtime=target) == ""
        assert dt(two, A) == 2 * DEADTIME // MILLISECOND
        two.run(KEEPALIVE)
        assert not longer or rights(two, A) <= DEADTIME + slack, "what was given before ends by itself"
        two.run(3 * DEADTIME)
        assert dt(two, A) == 2 * DEADTIME // MILLISECOND
        assert rights(two, A) <= DEADTIME + slack
        two.run(2 * DEADTIME)
        assert dt(two, A) == target // MILLISECOND
        assert target - slack <= rights(two, A) <= target + slack
    two.crash(B)
    assert two.run_until(lambda: two.owners() == (A, A), 10 * SECOND)


@pytest.mark.parametrize("target", [DEADTIME // 2, 3 * DEADTIME])
def test_a_machine_that_stands_still_in_the_middle_of_it_makes_no_second_owner(target: Duration) -> None:
    two = up(programs=False)
    two.run(6 * SECOND)
    assert take_up(two, A, deadtime=target) == ""
    two.run(KEEPALIVE // 2)
    two.freeze(A, 40 * SECOND)
    assert two.run_until(lambda: two.owners() == (B, B), 30 * SECOND)
    two.run(60 * SECOND)
    assert not two.doubles


def test_not_while_it_starts_and_never_another_protocol() -> None:
    two = Two()
    two.start(A)
    two.run(SECOND)
    assert "is starting or stopping" in take_up(two, A)
    two = up()
    two.run(6 * SECOND)
    assert "only a restart" in take_up(two, A, auto_failback=AutoFailback.LEGACY)
    assert take_up(two, A, auto_failback=AutoFailback.OFF) == ""
    assert pair(A).auto_failback is AutoFailback.ON


@pytest.mark.parametrize("asked", ["we", "the peer"])
def test_legacy_forgets_a_question_about_a_line_that_is_taken_out(asked: str) -> None:
    old = ByHand(auto_failback=AutoFailback.LEGACY)
    old.beats(SECOND)
    old.says(kind="repnodes", dest=A, nodelist="node-a node-b ", delnodelist=" ")
    old.beats(2 * SECOND)
    assert "ip-request" in " ".join(old.since(0))
    if asked == "we":
        old.says(kind="ip-request-resp", dest=A, ipaddr=WEB, ok="OK")
        old.beats(SECOND)
        old.says(kind="ip-request", dest=A, ipaddr=WEB)
    mark, ours = old.mark(), old.two.node(A)
    kept = tuple(group for group in old.two.cluster.groups if group.name != WEB)
    old.two.tell(A, PairChanged(replace(old.two.cluster, groups=kept), ours.pair, (), ()))
    old.beats(15 * SECOND)
    said = " ".join(old.since(mark))
    assert "ip-request " not in said + " "
    assert said.count("ip-request-resp") == (asked == "we")
    assert list(ours.holdings.groups) == [MAIL]
