"""The right to serve, and the kernel's lease that ends with it, whatever becomes of the daemon and its advertisements."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vrrp_parts import Host, after_the_next, pair, router

from understudy.core.vrrp import timing
from understudy.effects import KernelLease
from understudy.units import MILLISECOND, SECOND, Duration
from understudy.vrrp import AdvertHeard, AdvertUnsent, RouterEffect, SendAdvert


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("interval", [10 * MILLISECOND, 100 * MILLISECOND, SECOND, 40_950 * MILLISECOND])
@pytest.mark.parametrize("adverts", [1, 3, 10])
def test_our_right_ends_before_anybody_s_master_down(version: int, interval: Duration, adverts: int) -> None:
    """Also when two clocks differ by one part in a thousand."""
    if version == 2 and interval < SECOND:
        return
    spec = router(version=version, interval=interval, down_adverts=adverts)
    earliest = min(timing.master_down(spec, priority, interval) for priority in range(1, 256))
    assert timing.right(spec) * 1001 < earliest * 1000
    assert timing.right(spec) > adverts * interval * 9 // 10


def test_the_lease_is_renewed_with_every_advertisement_and_never_alone() -> None:
    segment = pair()
    effects = segment.hosts["a"].effects
    for index, (at, effect) in enumerate(effects):
        if isinstance(effect, KernelLease) and effect.until is not None:
            assert isinstance(effects[index - 1][1], SendAdvert)
            spec = segment.hosts["a"].files.routers[0]
            assert effect.until == at + timing.right(spec) - timing.spare(spec)


@pytest.mark.parametrize("how", ["freeze", "kill"])
def test_a_frozen_or_killed_daemon_does_not_serve_beside_another(how: str) -> None:
    segment = pair()
    if how == "freeze":
        segment.freeze("a", 20 * SECOND)
    else:
        segment.kill("a")
    segment.run(10 * SECOND)
    assert segment.masters() == "b"
    assert segment.hosts["a"].addresses, "nobody has removed them, and yet they are not served"
    assert not segment.doubles


@pytest.mark.parametrize("apart", [0, MILLISECOND])
def test_several_advertisements_of_one_turn_that_do_not_leave_give_no_right(apart: Duration) -> None:
    """Answers to two lower masters: whether they left is told at the end of the turn."""
    segment = pair()
    segment.crash("b")
    node, r, now = segment.node("a"), segment.node("a").by_name["VI_1"], segment.now
    good = r.right_until
    for _ in range(8):
        effects: list[RouterEffect] = []
        for priority in (100, 90):
            advert = replace(r.advert(priority), priority=priority)
            effects += node.handle(AdvertHeard("VI_1", advert, f"192.0.2.{priority}", now), now)
            now += apart
        sent = [effect for effect in effects if isinstance(effect, SendAdvert)]
        for effect in sent:
            effects += node.handle(AdvertUnsent("VI_1", "operation not permitted", effect.number), now)
        assert r.right_until <= good
        now += SECOND // 2
    assert r.state.value == "BACKUP"


def test_a_master_that_is_late_by_less_than_its_right_stays_and_says_so() -> None:
    segment = pair()
    after_the_next(segment, "a")
    segment.freeze("a", 2500 * MILLISECOND)
    segment.run(2400 * MILLISECOND)
    assert segment.masters() == "", "its newest advertisement may have been lost, and then another one serves soon"
    segment.run(SECOND)
    assert segment.masters() == "a"
    assert segment.states("a") == ["BACKUP", "MASTER"]
    assert any("it answered for no address" in note for note in segment.hosts["a"].notes)


def test_a_daemon_that_is_started_again_in_time_goes_on() -> None:
    segment = pair()
    segment.kill("a")
    segment.run(SECOND)
    left = segment.hosts["a"].leases["VI_1"] - segment.now
    told = len(segment.hosts["b"].told)
    segment.start("a", kernel_leases=(("VI_1", left),))
    assert segment.state("a") == "MASTER"
    segment.run(5 * SECOND)
    assert segment.masters() == "a"
    assert len(segment.hosts["b"].told) == told, "the other one has seen nothing"


def test_what_an_earlier_run_left_is_removed_at_the_start() -> None:
    segment = pair()
    segment.kill("a")
    segment.run(10 * SECOND)
    segment.start("a")
    assert not segment.hosts["a"].addresses


def test_advertisements_that_do_not_leave_give_no_right() -> None:
    segment = pair()
    before = segment.hosts["a"].leases["VI_1"]

    def refuse(host: Host, effect: RouterEffect) -> None:
        if isinstance(effect, SendAdvert) and host.name == "a":
            segment.tell("a", AdvertUnsent("VI_1", "operation not permitted", effect.number))

    segment.taps.append(refuse)
    segment.cut.add(("a", "b"))
    segment.run(4 * SECOND)
    assert segment.state("a") == "BACKUP"
    assert segment.hosts["a"].leases["VI_1"] <= before
    assert segment.masters() == "b"
    assert any("operation not permitted" in note for note in segment.hosts["a"].notes)
