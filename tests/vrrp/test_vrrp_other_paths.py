"""What else than its own advertisements a virtual router goes by: a second path to the other, and a group of the cluster."""

from __future__ import annotations

import pytest
from vrrp_parts import VIP, pair

from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import MayServe, PeerLives

# A second path


def test_silence_of_the_interface_alone_is_no_death() -> None:
    segment = pair()
    segment.cut.add(("a", "b"))
    for _ in range(20):
        segment.tell("b", PeerLives("VI_1", 150, segment.now + 3 * SECOND))
        segment.run(SECOND)
    assert segment.masters() == "a"
    assert any("by another path the master says that it lives" in note for note in segment.hosts["b"].notes)
    assert any("silent" in text for text in segment.snapshot("b").warnings)
    segment.crash("a")
    segment.run(4 * SECOND)
    assert segment.masters() == "b", "when that path is silent, too, it is"


def test_a_second_path_does_not_keep_a_worse_master_that_is_heard() -> None:
    segment = pair(100, 150, start=False)
    segment.start("a")
    segment.run(5 * SECOND)
    segment.start("b")
    for _ in range(6):
        segment.tell("b", PeerLives("VI_1", 100, segment.now + 3 * SECOND))
        segment.run(SECOND)
    assert segment.masters() == "b"


def test_a_goodbye_counts_more_than_the_second_path() -> None:
    segment = pair()
    segment.tell("b", PeerLives("VI_1", 150, segment.now + 30 * SECOND))
    segment.stop("a")
    segment.run(10 * MILLISECOND)
    assert segment.masters() == "b"


def test_a_goodbye_by_the_second_path_alone_is_answered() -> None:
    segment = pair()
    segment.part("a", "b")
    for _ in range(6):
        segment.tell("b", PeerLives("VI_1", 150, segment.now + 3 * SECOND))
        segment.run(SECOND)
    assert segment.masters() == "a"
    segment.stop("a")
    segment.tell("b", PeerLives("VI_1", 0, segment.now + 3 * SECOND))
    segment.run(10 * MILLISECOND)
    assert segment.masters() == "b"


def test_two_masters_that_are_cut_find_out_by_the_second_path() -> None:
    segment = pair()
    segment.part("a", "b")
    segment.run(5 * SECOND)
    assert segment.masters() == "a+b"
    segment.tell("b", PeerLives("VI_1", 150, segment.now + 3 * SECOND))
    assert segment.masters() == "a"


# A group of the cluster


def test_who_follows_a_lease_is_master_only_while_it_may() -> None:
    segment = pair(lease_group="site")
    segment.run(5 * SECOND)
    assert segment.masters() == ""
    segment.tell("b", MayServe("VI_1", segment.now + 2 * SECOND, "holds site"))
    segment.run(10 * MILLISECOND)
    assert segment.masters() == "b", "also the one with the lower priority"
    segment.tell("b", MayServe("VI_1", segment.now + 2 * SECOND, "holds site"))
    segment.run(1990 * MILLISECOND)
    assert segment.masters() == "b"
    segment.run(20 * MILLISECOND)
    assert segment.masters() == ""
    assert segment.state("b") == "BACKUP"


def test_a_lease_that_moves_takes_the_mastership_along() -> None:
    segment = pair(lease_group="site")
    segment.tell("a", MayServe("VI_1", segment.now + 60 * SECOND, "holds site"))
    segment.run(5 * SECOND)
    assert segment.masters() == "a"
    segment.tell("a", MayServe("VI_1", None, "site has moved"))
    assert segment.sent("a")[-1][1] == 0
    segment.tell("b", MayServe("VI_1", segment.now + 60 * SECOND, "holds site"))
    segment.run(10 * MILLISECOND)
    assert segment.masters() == "b"
    assert not segment.doubles


@pytest.mark.parametrize("told", ["in time", "not", "late"])
def test_a_daemon_that_follows_a_lease_goes_on_when_it_is_told_in_time(told: str) -> None:
    segment = pair(lease_group="site")
    segment.tell("a", MayServe("VI_1", segment.now + 60 * SECOND, "holds site"))
    segment.run(5 * SECOND)
    segment.kill("a")
    segment.run(SECOND)
    left = segment.hosts["a"].leases["VI_1"] - segment.now
    segment.start("a", kernel_leases=(("VI_1", left),))
    assert segment.state("a") == "INIT"
    assert segment.masters() == "a"
    segment.run(500 * MILLISECOND if told == "in time" else left)
    if told != "not":
        segment.tell("a", MayServe("VI_1", None if told == "not" else segment.now + 60 * SECOND, "holds site"))
    segment.run(10 * MILLISECOND)
    assert segment.masters() == ("a" if told == "in time" else "")
    assert (VIP in segment.hosts["a"].addresses) == (told == "in time")
