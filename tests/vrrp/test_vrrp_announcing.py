"""Gratuitous frames: how many, when, and never in the way of an advertisement."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from vrrp_parts import START, VIP, Segment, address, pair, router

from understudy.core.vrrp import announcing
from understudy.effects import AddAddresses, Announce
from understudy.events import Finished, Outcome, TimerDue
from understudy.units import MICROSECOND, MILLISECOND, SECOND, Instant
from understudy.vrrp_files import Announcing

MANY = tuple(address(f"10.9.{n // 250}.{n % 250 + 1}", advertised=n < 20) for n in range(1000))


def master(**changes: Any) -> Segment:
    found = Segment()
    found.add("a", "192.0.2.11", replace(router(), **changes))
    found.start()
    assert found.run_until(lambda: found.masters() == "a", 60 * SECOND)
    return found


def times(segment: Segment, text: str = VIP) -> list[Instant]:
    began = segment.sent("a")[0][0]
    return [at - began for at, item in segment.hosts["a"].announced if item == text]


def test_the_first_second_then_the_second_block() -> None:
    segment = master()
    segment.run(8 * SECOND)
    found = times(segment)
    assert found[:5] == [0, 10 * MILLISECOND, 50 * MILLISECOND, 200 * MILLISECOND, 500 * MILLISECOND]
    assert found[5:] == [5 * SECOND + n * 10 * MILLISECOND for n in range(5)]


@pytest.mark.parametrize(("repeat", "delay", "expected"), [(1, 0, 1), (3, 0, 3), (3, 2, 6), (10, 8, 20)])
def test_as_many_as_asked_for(repeat: int, delay: int, expected: int) -> None:
    segment = master(announcing=Announcing(repeat=repeat, delay=delay * SECOND))
    segment.run(9 * SECOND)
    assert len(times(segment)) == expected


def test_a_refresh_as_often_as_asked_for() -> None:
    segment = master(announcing=Announcing(repeat=1, delay=0, refresh=2 * SECOND, refresh_repeat=2))
    segment.run(9 * SECOND)
    gap = 10 * MILLISECOND
    assert times(segment) == [
        0,
        *(at for n in (2, 4, 6, 8) for at in (n * SECOND + (n // 2 - 1) * gap, n * SECOND + n // 2 * gap)),
    ]


def test_a_contest_that_nobody_heard_of_is_healed_by_the_slow_refresh() -> None:
    segment = master()
    segment.run(60 * SECOND)
    assert max(later - earlier for earlier, later in pairwise(times(segment))) <= announcing.REFRESH


def test_nothing_is_announced_before_the_addresses_are_there() -> None:
    segment = Segment()
    segment.address_time = 300 * MILLISECOND
    segment.add("a", "192.0.2.11", router())
    segment.start()
    segment.run(5 * SECOND)
    assert times(segment)[0] == 300 * MILLISECOND


def test_frames_with_a_pause_between_them_do_not_go_along_with_the_addresses() -> None:
    for changes, expected in (({}, True), ({"arp_interval": MILLISECOND}, False), ({"repeat": 0}, False)):
        segment = master(announcing=replace(Announcing(), **changes))
        added = [effect for _, effect in segment.hosts["a"].effects if isinstance(effect, AddAddresses)]
        assert [effect.announce for effect in added] == [expected]


def test_a_loser_does_not_even_finish_its_pass() -> None:
    segment = pair(addresses=MANY)
    segment.crash("a")
    segment.run_until(lambda: len(segment.hosts["b"].announced) > 1100, 10 * SECOND)
    advert = replace(segment.hosts["b"].sent[0][2], priority=200)
    segment.hear("b", advert, "192.0.2.99")
    before = len(segment.hosts["b"].announced)
    assert before < 2000
    segment.run(2 * SECOND)
    assert len(segment.hosts["b"].announced) == before


def test_a_thousand_addresses_are_announced_in_slices_between_which_an_advertisement_may_leave() -> None:
    segment = master(addresses=MANY, version=3, interval=10 * MILLISECOND)
    began = segment.now
    segment.run(100 * MILLISECOND)
    host = segment.hosts["a"]
    slices = [effect for _, effect in host.effects if isinstance(effect, Announce)]
    assert max(len(item.addresses) for item in slices) <= announcing.SLICE
    later = host.announced[1000:]  # the first pass goes along with the addresses
    turns = Counter(at for at, _ in later)
    assert max(turns.values()) <= announcing.SLICE
    sent = [at for at, _ in segment.sent("a") if at >= began]
    assert all(then - before == 10 * MILLISECOND for before, then in pairwise(sent))
    for whole in (host.announced[:1000], later[:1000]):
        assert len({text for _, text in whole}) == 1000, "a whole pass before anything twice"
    assert later[999][0] - later[0][0] <= 20 * MILLISECOND


def test_an_interval_between_frames_is_kept_on_each_device() -> None:
    """``garp_interval``, for two devices at once."""
    both = tuple(address(f"10.9.{n}.{m}", f"eth{n}") for m in range(1, 6) for n in (0, 1))
    spaced = Announcing(repeat=2, delay=0, arp_interval=5 * MILLISECOND)
    segment = master(addresses=both, announcing=spaced)
    segment.run(2 * SECOND)
    for device in ("10.9.0.", "10.9.1."):
        found = [at for at, text in segment.hosts["a"].announced if text.startswith(device)]
        assert len(found) == 10
        assert min(later - earlier for earlier, later in pairwise(found)) >= 5 * MILLISECOND


def test_an_interval_of_microseconds_is_kept_on_the_average() -> None:
    segment = master(addresses=MANY[:100], announcing=Announcing(repeat=1, delay=0, arp_interval=100 * MICROSECOND))
    segment.run(2 * SECOND)
    found = [at for at, _ in segment.hosts["a"].announced]
    assert len(found) == 100
    assert found[-1] - found[0] >= 9 * MILLISECOND


def test_addresses_that_cannot_be_put_there_are_tried_again_and_that_is_said_once() -> None:
    segment = Segment()
    segment.add("a", "192.0.2.11", router())
    segment.start()
    node, now, asked = segment.node("a"), START, 0
    while now < START + 10 * SECOND:
        now = node.next_deadline()
        for effect in node.handle(TimerDue(), now):
            if isinstance(effect, AddAddresses):
                asked += 1
                notes = [str(item) for item in node.handle(Finished(effect.op, Outcome.FAILED, "no such device"), now)]
                assert any("no such device" in item for item in notes) == (asked == 1)
    assert asked > 4
    assert any("no such device" in text for text in node.snapshot(now).warnings)


def test_the_end_of_a_removal_is_not_taken_for_that_of_a_later_addition() -> None:
    segment = master()
    segment.run(5 * SECOND)
    segment.address_time = 5 * SECOND
    segment.hear("a", replace(segment.hosts["a"].sent[0][2], priority=200), "192.0.2.99")
    count = len(segment.hosts["a"].announced)
    assert segment.run_until(lambda: segment.state("a") == "MASTER", 5 * SECOND)
    segment.run(2 * SECOND)  # the removal has ended meanwhile, the addition has not
    assert len(segment.hosts["a"].announced) == count
    segment.run(4 * SECOND)
    assert len(segment.hosts["a"].announced) > count
