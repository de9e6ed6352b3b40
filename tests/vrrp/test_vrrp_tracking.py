"""Tracked interfaces, scripts, files and processes: faults, weights, priorities, and who is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from vrrp_parts import Segment, address, files, pair, router

from understudy.events import LinkChanged
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import Advertisement, DevicesMissing, SourceKnown, TrackSaid
from understudy.vrrp_files import Notified, SyncGroup, Track, TrackedScript, VirtualMac

CHECK = Track("script", "chk")


def alone(priority: int = 100, *tracks: Track, **changes: Any) -> Segment:
    found = Segment()
    found.add("a", "192.0.2.11", replace(router(priority=priority), tracks=tracks, **changes))
    found.start()
    return found


def said(segment: Segment, good: bool, kind: str = "script", name: str = "chk", value: int = 0) -> None:
    segment.tell("a", TrackSaid(kind, name, good, value))


def priority(segment: Segment) -> int:
    return segment.hosts["a"].view("VI_1", segment.now).priority


@pytest.mark.parametrize(
    ("weight", "reverse", "good", "expected"),
    [
        (20, False, True, 120),
        (20, False, False, 100),
        (-20, False, True, 100),
        (-20, False, False, 80),
        (20, True, True, 100),
        (20, True, False, 120),
        (-20, True, True, 80),
        (-20, True, False, 100),
        (253, False, True, 254),
        (-253, False, False, 1),
    ],
)
@pytest.mark.parametrize("kind", ["script", "process", "interface"])
def test_a_weight_moves_the_priority(kind: str, weight: int, reverse: bool, good: bool, expected: int) -> None:
    segment = alone(100, Track(kind, "chk", weight, reverse))
    if kind == "interface":
        segment.tell("a", LinkChanged("chk", good))
    else:
        said(segment, good, kind)
    assert segment.state("a") == "BACKUP"
    assert priority(segment) == expected


def test_in_fault_who_was_heard_last_is_known() -> None:
    segment = alone(100, CHECK)
    said(segment, False)
    segment.hear("a", Advertisement(2, 51, 90, ("192.0.2.100",)), "192.0.2.77")
    view = segment.hosts["a"].view("VI_1", segment.now)
    assert (view.state, view.master, view.master_priority) == ("FAULT", "192.0.2.77", 90)
    segment.run(10 * SECOND)
    assert segment.hosts["a"].view("VI_1", segment.now).master == ""


@pytest.mark.parametrize(
    ("changes", "theirs", "expected"),
    [
        ({}, 150, "192.0.2.77 is master with priority 150, which is higher than our 100"),
        ({}, 100, "192.0.2.77 is master with priority 100, as ours is, and was there first"),
        (
            {"preempt": False},
            90,
            "192.0.2.77 is master with priority 90; ours is 100, but it does not preempt (nopreempt)",
        ),
        (
            {"preempt_delay": 3 * SECOND},
            90,
            "192.0.2.77 is master with priority 90; ours is 100: it takes over in 6.6s (preempt_delay)",
        ),
        ({}, 90, "192.0.2.77 is master with priority 90; ours is 100: it takes over in 2.6s"),
        ({}, 0, "the master has said goodbye: it takes over in 600ms"),
        ({}, None, "it hears no master, and takes over in 2.6s"),
    ],
)
def test_why_it_is_a_backup_now(changes: dict[str, Any], theirs: int | None, expected: str) -> None:
    segment = alone(100, **changes)
    segment.run(SECOND)
    if theirs is not None:
        segment.hear("a", Advertisement(2, 51, theirs, ("192.0.2.100",)), "192.0.2.77")
    assert segment.hosts["a"].view("VI_1", segment.now).outlook == expected


def test_a_device_that_is_not_there_is_no_device_without_carrier() -> None:
    segment = alone(100, Track("interface", "eth7"))
    segment.tell("a", LinkChanged("eth7", False))
    assert segment.hosts["a"].view("VI_1", segment.now).faults == ("eth7 has no carrier",)
    segment.tell("a", DevicesMissing(("eth7", "eth0")))
    segment.tell("a", LinkChanged("eth0", False))
    segment.tell("a", SourceKnown("VI_1", ""))
    wanted = ("there is no interface eth0", "there is no interface eth7")
    assert segment.hosts["a"].view("VI_1", segment.now).faults == wanted
    segment.tell("a", DevicesMissing(()))
    assert segment.hosts["a"].view("VI_1", segment.now).faults[0] == "eth0 has no carrier"


def test_weights_are_added_and_the_sum_is_clamped() -> None:
    segment = alone(100, Track("script", "x", 100), Track("script", "y", 100), Track("script", "z", -30))
    for name in "xyz":
        said(segment, name != "z", name=name)
    assert priority(segment) == 254  # of 270
    said(segment, False, name="x")
    assert priority(segment) == 170


@pytest.mark.parametrize(
    ("weight", "value", "reverse", "expected"),
    [
        (1, 7, False, 107),
        (1, -7, False, 93),
        (2, 7, False, 114),
        (-1, 7, False, 93),
        (1, 7, True, 93),
        (1, 0, False, 100),
    ],
)
def test_a_file_s_number_times_its_weight_is_added(weight: int, value: int, reverse: bool, expected: int) -> None:
    segment = alone(100, Track("file", "f", weight, reverse))
    said(segment, True, "file", "f", value)
    assert priority(segment) == expected


def test_a_file_without_weight_is_a_fault_when_it_is_not_0() -> None:
    segment = alone(100, Track("file", "f", 0))
    said(segment, True, "file", "f", 0)
    assert segment.state("a") == "BACKUP"
    said(segment, True, "file", "f", 1)
    assert segment.state("a") == "FAULT"
    said(segment, True, "file", "f", 0)
    assert segment.state("a") == "BACKUP"


def test_a_file_at_minus_254_is_a_fault_whatever_its_weight() -> None:
    segment = alone(200, Track("file", "f", 2))
    said(segment, True, "file", "f", -126)
    assert segment.state("a") == "BACKUP"
    said(segment, True, "file", "f", -127)
    assert segment.state("a") == "FAULT"


def test_the_owner_s_priority_is_not_altered() -> None:
    segment = alone(255, Track("script", "chk", -20), begins_as_master=True)
    said(segment, False)
    assert priority(segment) == 255


def test_tracking_does_not_reach_the_owner_s_priority() -> None:
    segment = alone(254, Track("script", "chk", 20))
    said(segment, True)
    assert priority(segment) == 254


def test_without_a_weight_it_waits_for_the_first_answer() -> None:
    segment = alone(100, CHECK)
    segment.run(20 * SECOND)
    assert segment.state("a") == "INIT"
    assert "script chk has said nothing yet" in segment.hosts["a"].view("VI_1", segment.now).why
    said(segment, True)
    assert segment.state("a") == "BACKUP"


def test_what_begins_as_failed_is_a_fault_at_once() -> None:
    segment = Segment()
    host = segment.add("a", "192.0.2.11", router(tracks=(CHECK,)))
    host.files = files(*host.files.routers, scripts=(TrackedScript("chk", ("/bin/true",), begins_failed=True),))
    segment.start()
    assert segment.state("a") == "FAULT"


def test_a_script_that_cannot_be_run_is_as_if_nobody_tracked_it() -> None:
    segment = alone(100, CHECK)
    segment.tell("a", TrackSaid("script", "chk", False, text="it is missing", counts=False))
    assert segment.state("a") == "BACKUP"
    assert segment.hosts["a"].view("VI_1", segment.now).tracks == (("script chk", "not asked: it is missing"),)


def test_a_failure_without_weight_says_goodbye_and_the_other_takes_over_at_once() -> None:
    segment = pair(tracks=(CHECK,), start=False)
    segment.start()
    for name in "ab":
        segment.tell(name, TrackSaid("script", "chk", True))
    segment.run(5 * SECOND)
    segment.tell("a", TrackSaid("script", "chk", False, text="exit 1"))
    assert segment.state("a") == "FAULT"
    assert [priority for _, priority in segment.sent("a")][-2:] == [0, 0]
    segment.run(5 * MILLISECOND)
    assert segment.masters() == "b"
    assert segment.hosts["a"].view("VI_1", segment.now).faults == ("script chk fails: exit 1",)
    segment.tell("a", TrackSaid("script", "chk", True))
    segment.run(3 * SECOND)
    assert segment.masters() == "b", "a full Master_Down first"
    segment.run(SECOND)
    assert segment.masters() == "a"


def test_a_lowered_master_goes_on_until_the_other_takes_over() -> None:
    """As recorded with keepalived: exactly the other's Master_Down after the last advertisement with the old priority."""
    segment = pair(tracks=(Track("script", "chk", -60),), start=False)
    segment.start()
    for name in "ab":
        segment.tell(name, TrackSaid("script", "chk", True))
    segment.run(5500 * MILLISECOND)
    segment.tell("a", TrackSaid("script", "chk", False))
    old = [at for at, priority in segment.sent("a") if priority == 150][-1]
    assert segment.run_until(lambda: segment.masters() == "b", 5 * SECOND)
    assert 3 * SECOND + 609 * MILLISECOND < segment.now - old < 3 * SECOND + 611 * MILLISECOND
    assert {priority for at, priority in segment.sent("a") if at > old} == {90}


def test_a_higher_priority_shortens_the_wait_that_is_under_way() -> None:
    segment = alone(100, Track("script", "chk", 100))
    segment.run(SECOND)
    said(segment, True)
    segment.run(2 * SECOND + 219 * MILLISECOND)
    assert segment.state("a") == "MASTER"


def test_faults_are_reckoned_anew_and_never_counted() -> None:
    """Told twice, in any order, of several things at once: what is true now decides."""
    segment = alone(100, CHECK, Track("interface", "eth1"), Track("process", "p"))
    said(segment, True)
    said(segment, True, "process", "p")
    for _ in range(3):
        segment.tell("a", LinkChanged("eth1", False))
        said(segment, False)
        segment.tell("a", SourceKnown("VI_1", ""))
    assert len(segment.hosts["a"].view("VI_1", segment.now).faults) == 3
    said(segment, True)
    segment.tell("a", LinkChanged("eth1", True))
    assert segment.state("a") == "FAULT"
    segment.tell("a", SourceKnown("VI_1", "192.0.2.11"))
    assert segment.state("a") == "BACKUP"


@pytest.mark.parametrize(
    ("changes", "device", "fault"),
    [
        ({}, "eth0", True),
        ({"tracks_device": False}, "eth0", False),
        ({"addresses": (address(device="eth5"),)}, "eth5", True),
        ({"addresses": (address(device="eth5", tracked=False),)}, "eth5", False),
        ({"addresses": (address(device="vrrp.51"),), "virtual_mac": VirtualMac("vrrp.51")}, "vrrp.51", False),
        ({}, "eth7", False),
    ],
)
def test_which_device_matters(changes: dict[str, Any], device: str, fault: bool) -> None:
    segment = alone(100, **changes)
    segment.tell("a", LinkChanged(device, False))
    assert (segment.state("a") == "FAULT") == fault


def test_without_an_address_to_speak_from_it_is_a_fault() -> None:
    segment = alone()
    segment.tell("a", SourceKnown("VI_1", ""))
    assert segment.hosts["a"].view("VI_1", segment.now).faults == ("eth0 has no address to speak from",)


def test_unicast_without_a_peer_is_a_fault_where_that_is_asked_for() -> None:
    assert alone(fault_without_peer=True).state("a") == "FAULT"


def test_priority_changes_are_told_where_that_is_asked_for() -> None:
    segment = alone(100, Track("script", "chk", 20), notified=Notified(priority_changes=True))
    said(segment, True)
    segment.run(5 * SECOND)
    said(segment, False)
    assert segment.states("a") == ["BACKUP", "BACKUP_PRIORITY", "MASTER", "MASTER_PRIORITY"]


# preempt_delay


def hear(segment: Segment, priority: int) -> None:
    segment.hear("a", Advertisement(2, 51, priority, ("192.0.2.100",)), "192.0.2.5")


def test_preempt_delay_counts_from_the_first_lower_advertisement() -> None:
    """Recorded: 3 s of honouring, and Master_Down after the last that was honoured (6.4 s after the first)."""
    segment = alone(150, preempt_delay=3 * SECOND)
    segment.run(SECOND)
    first = segment.now
    while segment.state("a") == "BACKUP":
        hear(segment, 100)
        segment.run(SECOND)
    took = segment.sent("a")[0][0] - first
    assert 2 * SECOND + 3414 * MILLISECOND <= took <= 2 * SECOND + 3415 * MILLISECOND


def test_preempt_delay_begins_anew_after_a_better_master() -> None:
    segment = alone(150, preempt_delay=3 * SECOND)
    for priority in (100, 100, 200, 100, 100, 100):
        hear(segment, priority)
        segment.run(SECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(2 * SECOND)
    assert segment.state("a") == "BACKUP"


def test_a_dead_master_is_not_waited_for() -> None:
    segment = alone(150, preempt_delay=1000 * SECOND)
    hear(segment, 100)
    segment.run(3415 * MILLISECOND)
    assert segment.state("a") == "MASTER"


def test_a_fault_of_a_whole_group_is_told_once_and_with_the_script_s_words() -> None:
    segment = Segment()
    members = (router("VI_1"), router("VI_2", vrid=52))
    segment.add("a", "192.0.2.11", *members, groups=(SyncGroup("VG", ("VI_1", "VI_2"), (CHECK,)),))
    segment.start()
    segment.tell("a", TrackSaid("script", "chk", False, text="connection refused"))
    view = segment.hosts["a"].view("VI_1", segment.now)
    assert view.faults == ("script chk fails: connection refused",)
    assert view.tracks == (("script chk", "down: connection refused"),)
    assert view.group == "VG"


def test_a_sync_group_takes_weights_from_its_members() -> None:
    """In a sync group a member's own weights are none (a failure is FAULT), unless ``sync_group_tracking_weight``."""
    for own, expected in ((False, "FAULT"), (True, "BACKUP")):
        segment = Segment()
        segment.add(
            "a",
            "192.0.2.11",
            router("VI_1", tracks=(Track("script", "chk", -20),)),
            router("VI_2", vrid=52),
            groups=(SyncGroup("VG", ("VI_1", "VI_2"), own_weights=own),),
        )
        segment.start()
        said(segment, False)
        assert segment.state("a") == segment.state("a", "VI_2") == expected
