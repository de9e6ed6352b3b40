"""Sync groups: master together or not at all; and in which order everybody is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vrrp_parts import Segment, address, router

from understudy.events import LinkChanged
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import Advertisement, TrackSaid
from understudy.vrrp_files import SyncGroup, Track

GROUP = SyncGroup("VG1", ("VI_1", "VI_2"))
SECOND_ADDRESS = "198.51.100.100"


def world(group: SyncGroup = GROUP, one: int = 150, other: int = 100, start: bool = True) -> Segment:
    """Two machines on two networks: VI_1 on eth0, VI_2 on eth1."""
    found = Segment()
    for name, source, priority in (("a", "192.0.2.11", one), ("b", "192.0.2.12", other)):
        first = router("VI_1", priority)
        second = replace(router("VI_2", priority), vrid=52, device="eth1", addresses=(address(SECOND_ADDRESS, "eth1"),))
        found.add(name, source, first, second, groups=(group,))
    if start:
        found.start()
        found.run(5 * SECOND)
    return found


def both(segment: Segment) -> tuple[str, str]:
    return segment.masters("VI_1"), segment.masters("VI_2")


def test_both_become_master_together() -> None:
    segment = world()
    assert both(segment) == ("a", "a")
    assert segment.sent("a")[0][0] == segment.sent("a", which="VI_2")[0][0]


def test_a_member_whose_master_lives_holds_the_others_back() -> None:
    segment = world(start=False)
    segment.start("a")
    advert = Advertisement(2, 52, 200, (SECOND_ADDRESS,))
    for _ in range(10):
        segment.run(SECOND)
        segment.hear("a", advert, "198.51.100.9")
    assert both(segment) == ("", "")
    assert "not every member of its sync group is ready" in "\n".join(segment.snapshot("a").warnings)
    segment.run(8 * SECOND)
    assert both(segment) == ("a", "a")


def test_one_member_that_is_beaten_takes_the_others_along() -> None:
    segment = world()
    segment.crash("b")
    segment.hear("a", Advertisement(2, 52, 200, (SECOND_ADDRESS,)), "198.51.100.9")
    assert both(segment) == ("", "")
    assert segment.sent("a")[-1][1] == 0, "whoever waits for VI_1 need not wait for Master_Down"


def test_a_fault_of_one_is_a_fault_of_all_and_the_other_machine_takes_both_over_at_once() -> None:
    segment = world()
    before = segment.now
    segment.tell("a", LinkChanged("eth1", False))
    assert {segment.state("a"), segment.state("a", "VI_2")} == {"FAULT"}
    assert [priority for _, priority in segment.sent("a", before)] == [0, 0]
    assert [priority for _, priority in segment.sent("a", before, "VI_2")] == [0, 0]
    segment.run(5 * MILLISECOND)
    assert both(segment) == ("b", "b")
    assert segment.hosts["a"].view("VI_1", segment.now).faults == ("VI_2 of its sync group: eth1 has no carrier",)
    segment.tell("a", LinkChanged("eth1", True))
    segment.run(5 * SECOND)
    assert both(segment) == ("a", "a")


def test_a_graceful_stop_moves_both_at_once() -> None:
    segment = world()
    segment.stop("a")
    segment.run(5 * MILLISECOND)
    assert both(segment) == ("b", "b")


def test_a_late_machine_gives_both() -> None:
    segment = world()
    segment.freeze("a", 8 * SECOND)
    segment.run(9 * SECOND)
    assert both(segment) == ("b", "b")
    segment.run(10 * SECOND)
    assert both(segment) == ("a", "a")
    assert sum(segment.doubles.values()) <= 2 * MILLISECOND


def test_what_the_group_tracks_counts_for_every_member() -> None:
    segment = world(replace(GROUP, tracks=(Track("script", "chk", -60),)))
    segment.tell("a", TrackSaid("script", "chk", False))
    for name in ("VI_1", "VI_2"):
        assert segment.hosts["a"].view(name, segment.now).priority == 90
    segment.run(5 * SECOND)
    assert both(segment) == ("b", "b")


def test_who_is_told_and_in_which_order() -> None:
    """The group's line comes before the instance's at the start, later after them."""
    segment = world()
    told = [(what, name, state) for _, what, name, state in segment.hosts["a"].told]
    assert told == [
        ("GROUP", "VG1", "BACKUP"),
        ("INSTANCE", "VI_1", "BACKUP"),
        ("INSTANCE", "VI_2", "BACKUP"),
        ("INSTANCE", "VI_1", "MASTER"),
        ("INSTANCE", "VI_2", "MASTER"),
        ("GROUP", "VG1", "MASTER"),
    ]
    segment.stop("a")
    told = [(what, name, state) for _, what, name, state in segment.hosts["a"].told[6:]]
    assert told == [("INSTANCE", "VI_1", "STOP"), ("INSTANCE", "VI_2", "STOP"), ("GROUP", "VG1", "STOP")]


# Two machines that could beat each other for ever


def crossed(priorities: dict[str, tuple[int, int]], addresses: dict[str, tuple[int, int]], seed: int = 1) -> Segment:
    """Of each machine, for VI_1 and VI_2: the priority, and the last number of the address that it speaks from."""
    found = Segment(seed)
    for name, (one, other) in priorities.items():
        first = router("VI_1", one)
        second = replace(router("VI_2", other), vrid=52, device="eth1", addresses=(address(SECOND_ADDRESS, "eth1"),))
        host = found.add(name, f"192.0.2.{addresses[name][0]}", first, second, groups=(GROUP,))
        host.sources["VI_2"] = f"198.51.100.{addresses[name][1]}"
    return found


def one_has_both(segment: Segment) -> bool:
    first, second = both(segment)
    return len(first) == 1 and first == second


SAME = {"a": (100, 100), "b": (100, 100)}
TURNED = {"a": (11, 12), "b": (12, 11)}


@pytest.mark.parametrize("after", [0, 1, 10, 100, 500, 1500])
@pytest.mark.parametrize(
    ("priorities", "addresses"),
    [(SAME, TURNED), ({"a": (150, 100), "b": (100, 150)}, {"a": (11, 11), "b": (12, 12)})],
    ids=["addresses", "priorities"],
)
def test_crossed_ranks_do_not_beat_each_other_for_ever(
    after: int, priorities: dict[str, tuple[int, int]], addresses: dict[str, tuple[int, int]]
) -> None:
    """One is better on the first network, the other on the second, and they start within Master_Down of each other."""
    segment = crossed(priorities, addresses)
    segment.start("a")
    segment.run(after * MILLISECOND)
    segment.start("b")
    segment.run(15 * SECOND)
    assert one_has_both(segment)
    before = {name: len(host.told) for name, host in segment.hosts.items()}
    segment.run(20 * SECOND)
    assert {name: len(host.told) for name, host in segment.hosts.items()} == before, "something still moves"


@pytest.mark.parametrize("seed", range(4))
def test_crossed_successors_of_a_clean_stop_come_to_an_end(seed: int) -> None:
    priorities, addresses = (
        {"a": (200, 200), "b": (150, 100), "c": (100, 150)},
        {"a": (11, 11), "b": (12, 13), "c": (13, 12)},
    )
    for ranks in (priorities, {"a": (200, 200), "b": (100, 100), "c": (100, 100)}):
        segment = crossed(ranks, addresses, seed)
        segment.start()
        segment.run(6 * SECOND)
        assert both(segment) == ("a", "a")
        segment.stop("a")
        segment.run(12 * SECOND)
        assert one_has_both(segment)


def test_a_tie_is_decided_by_the_first_member() -> None:
    """Machines of equal rank that were cut from each other: one stays as it is, and the other one leaves both."""
    segment = crossed(SAME, TURNED)
    segment.start()
    segment.run(15 * SECOND)
    segment.part("a", "b")
    segment.run(10 * SECOND)
    assert both(segment) == ("a+b", "a+b")
    segment.join()
    joined = segment.now
    segment.run(2 * SECOND)
    assert both(segment) == ("b", "b")
    assert "BACKUP" not in segment.states("b", since=joined) + segment.states("b", "VI_2", joined)


def test_where_the_first_member_hears_nothing_the_others_decide_a_tie_by_themselves() -> None:
    segment = crossed(SAME, {"a": (11, 11), "b": (12, 12)})
    segment.start("a")
    segment.run(5 * SECOND)
    for _ in range(4):
        segment.hear("a", Advertisement(2, 52, 100, (SECOND_ADDRESS,)), "198.51.100.12")
        segment.run(SECOND)
    assert both(segment) == ("", "")


def test_a_group_whose_right_is_over_says_no_goodbye() -> None:
    """Another machine is master by then, and whoever listens would take it for the end of that one."""
    segment = world()
    before = segment.now
    segment.freeze("a", 10 * SECOND)
    segment.run(11 * SECOND)
    assert both(segment) == ("b", "b")
    assert not [
        priority for _, priority in segment.sent("a", before) + segment.sent("a", before, "VI_2") if not priority
    ]
