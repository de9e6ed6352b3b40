"""The rules of RFC 3768 (version 2) and RFC 9568 (version 3), by section; keepalived's departures that we share are named."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from vrrp_parts import START, VIP, Segment, address, pair, router

from understudy.core.vrrp import timing
from understudy.effects import AddAddresses, Announce, KernelLease, RemoveAddresses
from understudy.events import LinkChanged
from understudy.units import MICROSECOND, MILLISECOND, SECOND
from understudy.vrrp import Advertisement, AdvertRefused, RouterState, SendAdvert

ALONE = "192.0.2.11"
BELOW, ABOVE = "192.0.2.5", "192.0.2.200"
ADVERT = Advertisement(2, 51, 100, (VIP,))


def alone(priority: int = 100, **changes: object) -> Segment:
    found = Segment()
    found.add("a", ALONE, replace(router(priority=priority), **changes))  # type: ignore[arg-type]
    found.start()
    return found


def master(priority: int = 100, **changes: object) -> Segment:
    found = alone(priority, **changes)
    found.run(5 * SECOND)
    assert found.state("a") == "MASTER"
    return found


def hear(segment: Segment, priority: int, source: str = BELOW, **changes: Any) -> None:
    segment.hear("a", replace(ADVERT, priority=priority, **changes), source)


# RFC 3768 section 6.1 and RFC 9568 section 6.1: timers


@pytest.mark.parametrize(
    ("version", "priority", "interval", "skew"),
    [
        (2, 100, SECOND, 609_375 * MICROSECOND),
        (2, 87, SECOND, 660_156 * MICROSECOND),
        (2, 1, SECOND, 996_093 * MICROSECOND),
        (2, 100, 3 * SECOND, 609_375 * MICROSECOND),  # of version 2 a part of a second, whatever the interval
        (3, 100, 250 * MILLISECOND, 152_343 * MICROSECOND),
        (3, 128, 400 * MILLISECOND, 200_000 * MICROSECOND),
        (3, 19, 2570 * MILLISECOND, 2_379_257 * MICROSECOND),
        (3, 254, 10 * MILLISECOND, 78 * MICROSECOND),
        (2, 255, SECOND, 3_906 * MICROSECOND),
    ],
)
def test_skew_time_6_1(version: int, priority: int, interval: int, skew: int) -> None:
    """Skew_Time; in version 3 a part of Master_Adver_Interval. keepalived's whole microseconds."""
    assert timing.skew(version, priority, interval) == skew


@pytest.mark.parametrize(("priority", "adverts"), [(100, 3), (254, 3), (1, 3), (100, 1), (100, 10)])
def test_master_down_interval_6_1(priority: int, adverts: int) -> None:
    spec = router(priority=priority, down_adverts=adverts)
    assert timing.master_down(spec, priority, SECOND) == adverts * SECOND + timing.skew(2, priority, SECOND)


# RFC 9568 section 6.4.1: Initialize


def test_the_owner_is_master_at_once_6_4_1() -> None:
    segment = alone(255, begins_as_master=True)
    assert segment.state("a") == "MASTER"
    kinds = [type(effect) for _, effect in segment.hosts["a"].effects]
    assert kinds.index(SendAdvert) < kinds.index(KernelLease) < kinds.index(AddAddresses)
    assert segment.sent("a") == [(START, 255)]


def test_anybody_else_listens_for_master_down_6_4_1() -> None:
    """Also with ``state MASTER``, as in keepalived: what it says matters for the owner only."""
    segment = alone(100, begins_as_master=True)
    assert segment.state("a") == "BACKUP"
    segment.run(3 * SECOND + 609 * MILLISECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(MILLISECOND)
    assert segment.state("a") == "MASTER"


# RFC 9568 section 6.4.2: Backup


def test_a_backup_serves_nothing_and_says_nothing_6_4_2() -> None:
    segment = pair()
    other = segment.hosts["b"]
    assert segment.state("b") == "BACKUP"
    assert not other.addresses
    assert not other.sent
    assert not other.announced


def test_priority_zero_starts_skew_time_6_4_2() -> None:
    """``strict`` asks for the letter of the RFC; without it nobody better being known is reason to take over at once."""
    segment = alone(100, strict=True)
    hear(segment, 200)
    segment.run(SECOND)
    hear(segment, 0)
    segment.run(609 * MILLISECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(MILLISECOND)
    assert segment.state("a") == "MASTER"


@pytest.mark.parametrize("priority", [100, 101, 255])
def test_the_same_or_a_higher_priority_begins_master_down_anew_6_4_2(priority: int) -> None:
    segment = alone(100)
    segment.run(3 * SECOND)
    hear(segment, priority)  # from a lower address: between a backup and a master only the priority counts
    segment.run(3 * SECOND + 609 * MILLISECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(MILLISECOND)
    assert segment.state("a") == "MASTER"


def test_a_lower_priority_is_discarded_with_preempt_mode_6_4_2() -> None:
    segment = alone(100)
    segment.run(3 * SECOND)
    hear(segment, 99, ABOVE)
    segment.run(610 * MILLISECOND)
    assert segment.state("a") == "MASTER"


def test_without_preempt_mode_a_lower_priority_is_honoured_6_4_2() -> None:
    segment = alone(100, preempt=False)
    for _ in range(10):
        segment.run(SECOND)
        hear(segment, 50)
    assert segment.state("a") == "BACKUP"
    segment.run(4 * SECOND)
    assert segment.state("a") == "MASTER"


def test_master_adver_interval_is_learnt_in_version_3_6_4_2() -> None:
    changes = {"version": 3, "interval": SECOND}
    segment = alone(100, **changes)
    hear(segment, 200, version=3, interval=100 * MILLISECOND)
    segment.run(360 * MILLISECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(2 * MILLISECOND)  # 300 ms and 156/256 of 100 ms
    assert segment.state("a") == "MASTER"
    assert segment.hosts["a"].sent[-1][2].interval == SECOND  # and as master its own is said


def test_becoming_master_6_4_2() -> None:
    """An advertisement, the addresses, a gratuitous frame for each, and Adver_Timer; nothing twice."""
    segment = alone(addresses=(address(), address("192.0.2.101")))
    segment.run(3 * SECOND + 610 * MILLISECOND)
    effects = [effect for _, effect in segment.hosts["a"].effects]
    kinds = [type(effect) for effect in effects]
    assert kinds.index(SendAdvert) < kinds.index(AddAddresses)
    assert [effect.announce for effect in effects if isinstance(effect, AddAddresses)] == [True]
    assert [item for _, item in segment.hosts["a"].announced] == [VIP, "192.0.2.101"]
    assert Announce not in kinds
    segment.run(3 * SECOND)
    times = [at for at, _ in segment.sent("a")]
    assert [later - earlier for earlier, later in pairwise(times)] == [SECOND] * (len(times) - 1)


# RFC 9568 section 6.4.3: Active (Master)


def test_priority_zero_is_answered_with_an_advertisement_6_4_3() -> None:
    segment = master()
    before = segment.now
    hear(segment, 0)
    assert segment.sent("a", before) == [(before, 100)]
    assert segment.state("a") == "MASTER"
    segment.run(SECOND)
    assert segment.sent("a", before)[-1] == (before + SECOND, 100)  # Adver_Timer began anew


@pytest.mark.parametrize(
    ("priority", "source", "stays"),
    [(101, BELOW, False), (255, BELOW, False), (100, ABOVE, False), (100, BELOW, True), (99, ABOVE, True)],
)
def test_a_higher_priority_or_the_same_from_a_higher_address_wins_6_4_3(
    priority: int, source: str, stays: bool
) -> None:
    segment = master()
    hear(segment, priority, source)
    assert (segment.state("a") == "MASTER") == stays
    assert (VIP in segment.hosts["a"].addresses) == stays


def test_the_loser_waits_for_master_down_6_4_3() -> None:
    segment = master()
    hear(segment, 200)
    segment.run(3 * SECOND + 609 * MILLISECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(MILLISECOND)
    assert segment.state("a") == "MASTER"


def test_a_lower_priority_is_answered_at_once_6_4_3() -> None:
    segment = master()
    segment.run(300 * MILLISECOND)
    before = segment.now
    hear(segment, 50)
    assert segment.sent("a", before) == [(before, 100)]


def test_a_shutdown_says_priority_zero_6_4_3() -> None:
    segment = master()
    before = segment.now
    segment.stop("a")
    host = segment.hosts["a"]
    assert {priority for _, priority in segment.sent("a", before)} == {0}
    assert not host.addresses
    assert host.leases["VI_1"] == 0
    segment.run(SECOND)
    assert host.quit_at is not None


def test_a_backup_that_stops_says_nothing_6_4_2() -> None:
    segment = alone()
    segment.stop("a")
    segment.run(SECOND)
    assert not segment.sent("a")
    assert segment.hosts["a"].quit_at is not None


# RFC 9568 section 7.1: receiving


def test_the_order_of_the_addresses_does_not_matter_7_1() -> None:
    segment = alone(addresses=(address(), address("192.0.2.101")))
    segment.run(3 * SECOND)
    hear(segment, 200, addresses=("192.0.2.101", VIP))
    segment.run(SECOND)
    assert segment.state("a") == "BACKUP"


def test_an_excluded_address_is_never_advertised() -> None:
    """keepalived's ``virtual_ipaddress_excluded``: served and announced, but not in the packet."""
    segment = master(addresses=(address(), address("198.51.100.7", advertised=False)))
    assert segment.hosts["a"].sent[-1][2].addresses == (VIP,)
    assert "198.51.100.7" in segment.hosts["a"].addresses
    assert "198.51.100.7" in {item for _, item in segment.hosts["a"].announced}


# RFC 9568 section 6.3, 8.3.2: parameters and recommendations


def test_two_owners_5_2_4() -> None:
    """255 is of one router only (RFC 9568 section 5.2.4); who hears a second one is content with 254, as keepalived is."""
    segment = master(255, begins_as_master=True)
    hear(segment, 255, BELOW)
    assert segment.hosts["a"].view("VI_1", segment.now).priority == 254
    assert segment.state("a") == "MASTER"  # the other one sees our higher address, and 255 against 254 the next time
    hear(segment, 255, BELOW)
    assert segment.state("a") == "BACKUP"


def test_a_carrier_that_is_lost_is_a_fault_and_its_return_begins_anew() -> None:
    """keepalived's FAULT, which is Initialize of the RFC: section 6.4.1 again when it returns."""
    segment = master()
    segment.tell("a", LinkChanged("eth0", False))
    assert segment.state("a") == "FAULT"
    assert [priority for _, priority in segment.sent("a")][-2:] == [0, 0]
    assert any(isinstance(effect, RemoveAddresses) for _, effect in segment.hosts["a"].effects)
    assert not segment.hosts["a"].addresses
    hear(segment, 0)
    segment.run(10 * SECOND)
    assert segment.state("a") == "FAULT"
    segment.tell("a", LinkChanged("eth0", True))
    assert segment.state("a") == "BACKUP"
    segment.run(3 * SECOND + 610 * MILLISECOND)
    assert segment.state("a") == RouterState.MASTER.value


def test_nothing_that_is_heard_puts_off_our_own_advertisements() -> None:
    """keepalived's quirk, not copied: there, anything for the VRID restarts the timer, also what was refused."""
    segment = master()
    before = segment.now
    for _ in range(20):
        segment.run(200 * MILLISECOND)
        segment.tell("a", AdvertRefused("VI_1", "its password is wrong", BELOW, segment.now))
    assert len(segment.sent("a", before)) == 4
