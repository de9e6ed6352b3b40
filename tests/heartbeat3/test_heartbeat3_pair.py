"""Two of our cores under the old protocol: who holds what after each thing that operators and accidents do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from heartbeat3_parts import DEADTIME, KEEPALIVE, MAIL, START, WEB, A, B, Two, pings, up

from understudy.events import LinkChanged, Outcome, PingsSeen, ShutdownAsked
from understudy.fence_devices import FenceKind
from understudy.heartbeat_files import AutoFailback
from understudy.units import MILLISECOND, SECOND

OWN = (A, B)


def test_both_started_each_takes_its_own_and_nobody_waits_ten_seconds() -> None:
    two = up()
    assert two.owners() == OWN
    assert two.now - START < 10 * SECOND
    assert not two.doubles
    assert {"reqnodes dest=node-b", "repnodes dest=node-b nodelist=node-a node-b"} <= set(two.kinds(A))
    said = [word for word in two.kinds(A) if "nodes" not in word and "isstable=0" not in word]
    assert said == [
        "starting",
        "resource rsc_hold=local rtype=full isstable=1",
        "resource rsc_hold=local rtype=full isstable=1 info=req_our_resources()",
    ]
    assert any("runs Understudy" in note for note in two.hosts[A].notes)


def test_the_first_status_is_init_then_up_then_active() -> None:
    two = up()
    words = [message.get("st") for _, message in two.hosts[A].said if message.get("t") == "status"]
    assert words[:2] == ["init", "up"]
    assert words[-1] == "active"
    times = [message.get("dt") for _, message in two.hosts[A].said if message.get("t") == "status"]
    assert times[0] == "1388"
    two.run(5 * SECOND)
    assert two.hosts[A].said[-1][1].get("dt") in ("bb8", "")


def test_alone_it_takes_everything_after_initdead_and_shares_when_the_other_comes() -> None:
    two = Two()
    two.start(B)
    two.run(5900 * MILLISECOND)
    assert two.owners() == ("", "")
    two.run(SECOND)
    assert two.owners() == (B, B)
    assert "node node-a: is dead" in two.hosts[B].notes
    assert "Resources being acquired from node-a." in two.hosts[B].notes
    two.start(A)
    assert two.run_until(lambda: two.owners() == OWN, 10 * SECOND)
    assert not two.doubles


def test_without_failback_it_stays_where_it_is() -> None:
    two = Two(auto_failback=AutoFailback.OFF)
    two.start(B)
    two.run(8 * SECOND)
    two.start(A)
    two.run(30 * SECOND)
    assert two.owners() == (B, B)
    assert two.running()


@pytest.mark.parametrize(
    ("who", "which", "there"),
    [
        (A, "all", (B, B)),
        (A, "local", (B, B)),
        (A, "foreign", OWN),
        (B, "all", (A, A)),
        (B, "failback", OWN),
    ],
)
def test_hb_standby(who: str, which: str, there: tuple[str, str]) -> None:
    two = up()
    assert two.operator(who, "hb_standby", which)[0]
    two.run(5 * SECOND)
    assert two.owners() == there
    assert two.running()
    two.run(20 * SECOND)
    assert two.owners() == there, "what an operator moved does not fail back"
    assert not two.doubles


def test_hb_takeover_and_back() -> None:
    two = up()
    assert two.operator(B, "hb_takeover", "all")[0]
    two.run(5 * SECOND)
    assert two.owners() == (B, B)
    assert two.operator(A, "hb_takeover", "failback")[0]
    two.run(5 * SECOND)
    assert two.owners() == OWN
    assert not two.doubles


def test_a_graceful_stop_hands_over_at_once_and_the_way_back_fails_back() -> None:
    two = up()
    asked = two.now
    two.tell(A, ShutdownAsked())
    assert two.run_until(lambda: two.owners() == (B, B), 5 * SECOND)
    assert two.now - asked < 200 * MILLISECOND
    assert two.kinds(A, asked) == ["resource rsc_hold=none rtype=full isstable=0 info=shutdown", "shutdone st=dead"]
    assert two.run_until(lambda: two.hosts[A].stopped, 5 * SECOND)
    two.run(8 * SECOND)
    assert "stonith node=node-a result=unneeded" in two.kinds(B, asked)
    two.start(A)
    assert two.run_until(lambda: two.owners() == OWN, 10 * SECOND)
    assert not two.doubles


def test_a_crash_is_taken_over_in_the_dead_time_and_not_before() -> None:
    two = up()
    two.run(5 * SECOND)  # at first a longer dead time is announced
    before = two.now
    two.crash(A)
    assert two.run_until(lambda: two.owner(WEB) == B, 5 * SECOND)
    assert DEADTIME - KEEPALIVE <= two.now - before <= DEADTIME + 20 * MILLISECOND
    two.run(SECOND)
    assert two.kinds(B, before) == [
        "stonith node=node-a result=n_stnth",
        "resource rsc_hold=all rtype=full isstable=1 info=req_our_resources()",
        "resource rsc_hold=foreign info=mach_down",
    ]
    two.start(A)
    assert two.run_until(lambda: two.owners() == OWN, 10 * SECOND)


def test_with_a_fence_device_nothing_is_taken_before_it_has_confirmed() -> None:
    two = up(fence=True)
    two.hosts[B].fences = Outcome.FAILED
    two.links = dict.fromkeys(two.links, False)
    two.service = False
    two.hosts[A].fences = Outcome.FAILED
    two.run(10 * SECOND)
    assert two.owners() == OWN
    assert "stonith node=node-a result=bad" in two.kinds(B)
    two.hosts[B].fences = Outcome.OK
    assert two.run_until(lambda: two.owners() == (B, B), 90 * SECOND)
    assert "stonith node=node-a result=OK" in two.kinds(B)
    assert not two.doubles


def test_of_two_of_us_that_are_cut_off_the_second_waits_before_it_fences() -> None:
    two = up(fence=True)
    two.links = dict.fromkeys(two.links, False)
    two.service = False
    assert two.run_until(lambda: two.owners() == (A, A), 10 * SECOND)
    assert not any("stonith node=node-a" in kind for kind in two.kinds(B))


def test_a_device_that_proves_nothing_only_permits_to_ask_the_network() -> None:
    two = up(fence=True)
    ssh = tuple(replace(item, kind=FenceKind.STONITH, program="external/ssh") for item in two.cluster.fences)
    for name in (A, B):
        host = two.hosts[name]
        assert host.node is not None
        host.node.fencing.follow(replace(two.cluster, fences=ssh))
        host.lies = True
    two.links = dict.fromkeys(two.links, False)
    two.run(60 * SECOND)
    assert two.owners() == OWN, "both say that the other was reset; the network says that it lives"
    assert not two.doubles


def test_cut_heartbeat_cables_make_no_second_owner_while_the_service_network_works() -> None:
    two = up()
    two.links = dict.fromkeys(two.links, False)
    two.run(60 * SECOND)
    assert two.owners() == OWN
    assert not two.doubles
    assert any("not taken over although node-b is silent: 10.77.1.101 is used" in note for note in two.hosts[A].notes)
    two.links = dict.fromkeys(two.links, True)
    two.run(10 * SECOND)
    assert two.owners() == OWN
    assert two.running()
    assert "Cluster node node-b returning after partition." in two.hosts[A].notes
    assert not any("given up" in note for note in two.hosts[A].notes + two.hosts[B].notes), "nothing restarts"


def test_after_a_split_of_everything_the_address_stays_where_it_was() -> None:
    two = up()
    two.links, two.service = dict.fromkeys(two.links, False), False
    two.run(10 * SECOND)
    assert two.owner(WEB) == f"{A}+{B}"
    two.links, two.service = dict.fromkeys(two.links, True), True
    two.run(KEEPALIVE + 10 * MILLISECOND)
    two.doubles.clear()
    for _ in range(200):
        assert two.owners() == OWN
        two.run(100 * MILLISECOND)
    assert not two.doubles
    assert two.running()


def test_a_frozen_machine_has_lost_its_right_when_the_other_takes_over() -> None:
    two = up()
    two.freeze(A, 8 * SECOND)
    two.run(7 * SECOND)
    assert two.owner(WEB) == B
    two.hosts[A].programs.discard("test1")  # what stood still with it is not what this test is about
    two.doubles.clear()
    two.run(30 * SECOND)
    assert two.owners() == OWN
    assert not two.doubles


def test_a_cut_in_one_direction_ends_with_one_owner() -> None:
    two = up()
    two.deaf = {B}
    two.service = False
    two.run(20 * SECOND)
    assert two.owner(WEB) == B
    two.deaf = set()
    two.run(20 * SECOND)
    assert two.owners() == (B, B) or two.owners() == OWN
    assert two.running()


def test_lost_words_are_recovered() -> None:
    two = up()
    two.loss = 0.6
    two.links["eth1"] = False
    two.operator(A, "hb_standby", "local")
    assert two.run_until(lambda: two.owner(WEB) == B, 15 * SECOND)
    assert any(message.get("t") == "NS_rexmit" for host in two.hosts.values() for _, message in host.said)


def test_link_status() -> None:
    two = up()
    two.links["eth1"] = False
    two.run(4 * SECOND)
    assert "Link node-b:eth1 dead." in two.hosts[A].notes
    assert two.owners() == OWN
    two.links["eth1"] = True
    two.run(SECOND)
    assert "Link node-b:eth1 up." in two.hosts[A].notes


def test_late_heartbeats_are_said_in_the_old_words() -> None:
    two = up()
    two.cut_until = two.now + 2 * SECOND
    two.run(5 * SECOND)
    assert any(note.startswith("Late heartbeat: Node node-b: interval ") for note in two.hosts[A].notes)


def test_a_group_that_cannot_start_goes_to_the_other_side() -> None:
    two = up()
    two.hosts[A].broken.add("test1")
    two.operator(B, "hb_takeover", "all")
    two.run(3 * SECOND)
    two.operator(A, "hb_takeover", "local")
    assert two.run_until(lambda: two.owner(WEB) == A, 10 * SECOND)
    assert two.run_until(lambda: two.owner(WEB) == B, 120 * SECOND)
    assert "test1" in two.hosts[B].programs or two.run_until(lambda: "test1" in two.hosts[B].programs, 5 * SECOND)


def pinging(two: Two, **answering: tuple[str, ...]) -> None:
    """Tell both what answers, every second until the end of the test."""

    def tell(name: str, hosts: tuple[str, ...]) -> None:
        two.tell(name, PingsSeen(hosts))
        two.at(two.now + SECOND, lambda: tell(name, state[name]))

    state = {A: answering["a"], B: answering["b"]}
    two.state = state  # type: ignore[attr-defined]
    for name in (A, B):
        two.at(two.now, lambda name=name: tell(name, state[name]))  # type: ignore[misc]


def test_ipfail_moves_to_the_side_that_reaches_more_and_back() -> None:
    two = Two(ipfail=True, pings=pings("gw", "www"))
    both = ("gw", "www")
    pinging(two, a=both, b=both)
    two.start(A)
    two.start(B)
    assert two.run_until(two.settled, 15 * SECOND)
    two.run(3 * SECOND)
    two.state[A] = ("gw",)  # type: ignore[attr-defined]
    assert two.run_until(lambda: two.owners() == (B, B), 10 * SECOND)
    two.state[A] = both  # type: ignore[attr-defined]
    assert two.run_until(lambda: two.owners() == OWN, 15 * SECOND)
    assert not two.doubles


def test_ipfail_moves_nothing_when_both_lose_the_router() -> None:
    two = Two(ipfail=True, pings=pings("gw"))
    pinging(two, a=("gw",), b=("gw",))
    two.start(A)
    two.start(B)
    assert two.run_until(two.settled, 15 * SECOND)
    two.run(3 * SECOND)
    two.state[A] = ()  # type: ignore[attr-defined]
    two.run(600 * MILLISECOND)
    two.state[B] = ()  # type: ignore[attr-defined]
    for _ in range(300):
        two.run(100 * MILLISECOND)
        assert two.owners() == OWN


def test_a_pulled_service_cable_moves_what_was_there() -> None:
    two = up()
    two.tell(A, LinkChanged("eth0", False))
    assert two.run_until(lambda: two.owners() == (B, B), 10 * SECOND)
    two.tell(B, LinkChanged("eth0", False))
    two.run(30 * SECOND)
    assert two.owners() == (B, B), "the other side cannot serve either, and says no"


def test_legacy() -> None:
    two = Two(auto_failback=AutoFailback.LEGACY)
    two.start(A)
    two.start(B)
    two.run(10 * SECOND)
    assert two.owners() == OWN
    assert not two.operator(A, "hb_standby", "all")[0]
    two.crash(A)
    two.run(5 * SECOND)
    assert two.owners() == (B, B)
    two.start(A)
    assert two.run_until(lambda: two.owners() == OWN, 10 * SECOND)
    assert not any(word.startswith(("resource", "starting")) for word in two.kinds(A) + two.kinds(B))
    two.tell(A, ShutdownAsked())
    two.run(2 * SECOND)
    assert two.owners() == (B, B)
    assert not two.doubles


def test_what_operators_cannot_ask_is_said() -> None:
    two = up()
    assert two.operator(A, "move", WEB)[1].startswith("move is not possible while the pair speaks the protocol")
    assert "no set of groups" in two.operator(A, "hb_standby", "web")[1]
    two.crash(B)
    two.run(5 * SECOND)
    assert two.operator(A, "hb_standby") == (False, "there is no other active node")
    assert two.owner(MAIL) == A


def test_a_human_confirms_that_the_other_is_off() -> None:
    two = up(fence=True)
    two.hosts[A].fences = Outcome.FAILED
    two.crash(B)
    two.run(5 * SECOND)
    assert two.owner(MAIL) == ""
    assert two.operator(A, "confirm-off", "", B)[0]
    two.run(SECOND)
    assert two.owner(MAIL) == A
