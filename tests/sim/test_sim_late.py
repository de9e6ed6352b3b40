"""Machines that are late, busy, flooded, or have a wrong clock; kernels that refuse; recordings of daemons that have ended."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from fake_cores import Beating
from test_sim_world import core, started

from understudy.effects import AddAddresses, ProbeAddresses, RemoveAddresses
from understudy.events import Finished, LinkChanged, Outcome, Received, Stalled, Started, TimerDue
from understudy.sim.faults import schedule
from understudy.sim.host import SOCKET_BUFFER, Host
from understudy.sim.network import LAST_WORDS
from understudy.sim.world import Habits, World
from understudy.units import MILLISECOND, SECOND, Duration


def kinds(host: Host, begin: int) -> list[type]:
    return [type(event) for _, event in core(host).log[begin:]]


def told(host: Host, kind: type) -> list[int]:
    return [now for now, event in core(host).log if isinstance(event, kind)]


def test_a_starved_daemon_is_late_each_time_hears_of_it_and_recovers() -> None:
    world, one, _ = started()
    world.run(SECOND)
    one.starve(5 * SECOND, 600 * MILLISECOND)
    begin = len(core(one).log)
    world.run(world.now + 5 * SECOND)
    late = [event.duration for _, event in core(one).log[begin:] if isinstance(event, Stalled)]
    assert len(late) == 8
    assert all(400 * MILLISECOND <= each <= 600 * MILLISECOND for each in late)
    world.run(world.now + SECOND)
    after = len(core(one).log)
    world.run(world.now + 2 * SECOND)
    assert Stalled not in kinds(one, after)
    assert kinds(one, after).count(TimerDue) == 10


def test_a_flooded_daemon_still_hears_packets_at_once_but_its_timers_are_late_and_it_is_told_so() -> None:
    world, one, _ = started()
    world.run(SECOND)
    one.flood(5 * SECOND)
    before = one.reading
    world.run(world.now + 5 * SECOND)
    log = [(now, event) for now, event in core(one).log if now > before]
    assert all(event.arrival == now for now, event in log if isinstance(event, Received))
    timers = [now for now, event in log if isinstance(event, TimerDue)]
    gaps = [later - earlier for earlier, later in pairwise(timers)]
    assert 5 <= len(timers) <= 10
    assert all(SECOND // 5 + SECOND // 3 < gap < SECOND for gap in gaps)
    others = [type(event) for _, event in log if not isinstance(event, Received)]
    assert others[:5] == [TimerDue, Stalled, TimerDue, Stalled, TimerDue], "the first was armed before the flood"


def test_relief_ends_both() -> None:
    world, one, _ = started()
    one.starve(60 * SECOND, 600 * MILLISECOND)
    one.flood(60 * SECOND)
    one.relieve()
    world.run(2 * SECOND)
    begin = len(core(one).log)
    world.run(world.now + 2 * SECOND)
    assert Stalled not in kinds(one, begin)


def busy(cost: Duration) -> tuple[World, Host]:
    world, one, _ = started(replace(Habits(), event_cost=cost))
    world.run(SECOND)
    return world, one


def test_a_busy_daemon_takes_one_event_after_the_other() -> None:
    _, one = busy(5 * MILLISECOND)
    moments = [now for now, _ in core(one).log]
    assert all(later - earlier >= 5 * MILLISECOND for earlier, later in pairwise(moments))


def test_packets_come_before_a_timer_that_is_due_while_the_daemon_is_busy() -> None:
    """As the real loop drains before it lets time expire anything."""
    world, one = busy(5 * MILLISECOND)
    due = core(one).next
    world.run(one.clock.when(due) - MILLISECOND)
    begin = len(core(one).log)
    one.fact(LinkChanged("eth0", True))
    one.set_carrier("eth1", False)
    world.run(world.now + 40 * MILLISECOND)
    order = kinds(one, begin)
    assert order.count(LinkChanged) == 2
    assert LinkChanged not in order[order.index(TimerDue) :]


def test_an_overloaded_daemon_is_told_that_it_is_late() -> None:
    world, one = busy(60 * MILLISECOND)
    world.run(20 * SECOND)
    assert told(one, Stalled)
    assert len(told(one, TimerDue)) > 20, "time stands still"
    assert len(one._datagrams) <= SOCKET_BUFFER


def test_a_wrong_clock_lasts_for_the_boot_and_is_looked_at_when_the_daemon_starts() -> None:
    def clocks(habits: Habits) -> list[int]:
        world, one, _ = started(habits)
        found = []
        for _ in range(12):
            one.kill_pulse()
            one.start_pulse()
            event = core(one).log[0][1]
            assert isinstance(event, Started)
            found.append(event.wall_clock)
            one.power_off()
            world.run(world.now + SECOND)
            one.power_on()
        return found

    right = clocks(Habits())
    assert right == sorted(right)
    assert right[-1] - right[0] == 11_000
    wrong = clocks(replace(Habits(), wrong_clocks=0.5))
    assert min(wrong) >= 0
    assert len({clock // 10_000_000 for clock in wrong}) > 2
    assert any(clock // 10_000_000 == right[0] // 10_000_000 for clock in wrong)


def test_a_kernel_that_refuses_says_so_and_changes_nothing() -> None:
    world, one, _ = started()
    item = world.cluster.groups[0].addresses[0]
    one.kernel.refusals = 1
    failed = one.perform(AddAddresses(1, "site", (item,), "test"))
    assert failed is not None
    assert failed.outcome is Outcome.FAILED
    assert item.address not in one.kernel.addresses
    done = one.perform(AddAddresses(2, "site", (item,), "test"))
    assert done is not None
    assert done.outcome is Outcome.OK


def test_a_silent_kernel_has_done_it_or_not() -> None:
    world, one, _ = started()
    item = world.cluster.groups[0].addresses[0]
    one.kernel.add((item,))
    one.kernel.silences = 2
    assert one.perform(RemoveAddresses(1, "site", (item,), "test")) is None
    assert item.address in one.kernel.addresses
    assert one.perform(RemoveAddresses(2, "site", (item,), "test")) is None
    assert item.address not in one.kernel.addresses


def test_two_that_probe_for_one_address_are_in_conflict() -> None:
    """RFC 5227, section 2.1.1: a probe of another host for the address that one probes for is a conflict."""
    world, one, other = started()
    world.run(SECOND)
    group = world.cluster.groups[0]
    for host in (one, other):
        host.perform(ProbeAddresses(77, group.name, group.addresses, SECOND // 10, "test"))
    world.run(world.now + SECOND)
    for host in (one, other):
        found = [event.outcome for _, event in core(host).log if isinstance(event, Finished)]
        assert found == [Outcome.FAILED]


@pytest.mark.parametrize("claimed", [False, True])
def test_a_daemon_that_was_frozen_while_it_asked_counts_no_silence_that_it_did_not_hear(claimed: bool) -> None:
    world, one, other = started()
    world.run(SECOND)
    group = world.cluster.groups[0]
    one.perform(ProbeAddresses(77, group.name, group.addresses, SECOND // 10, "test"))
    one.freeze()
    world.run(world.now + SECOND // 2)
    if claimed:
        other.neighbours.announce(group.addresses)
    world.run(world.now + SECOND // 2)
    one.thaw()
    world.run(world.now)
    found = [event for _, event in core(one).log if isinstance(event, Finished)]
    assert [event.outcome for event in found] == ([Outcome.FAILED] if claimed else [])
    world.run(world.now + SECOND // 10)
    found = [event for _, event in core(one).log if isinstance(event, Finished)]
    assert [event.outcome for event in found] == [Outcome.FAILED if claimed else Outcome.OK]


def test_last_words_are_those_of_daemons_that_have_ended_and_can_be_played_again() -> None:
    world, one, other = started()
    world.network.recording = True
    world.run(2 * SECOND)
    first = told(one, Started)
    assert first
    world.network.replay_ended("n1", 100)
    assert world.network.counts.replayed == 0, "a living daemon has no last words"
    one.kill_pulse()
    world.run(3 * SECOND)
    begin = len(core(other).log)
    world.network.replay_ended("n1", 100)
    assert world.network.counts.replayed == LAST_WORDS
    again = [event for _, event in core(other).log[begin:] if isinstance(event, Received)]
    assert again
    assert {event.sender for event in again} == {"n1"}


def test_what_was_lost_on_its_way_was_heard_by_the_eavesdropper() -> None:
    world, one, _ = started()
    world.network.recording = True
    world.network.part(("n1",), ("n2", "w1"))
    world.run(2 * SECOND)
    one.kill_pulse()
    world.network.heal()
    world.network.replay_ended("n1", 100)
    assert world.network.counts.replayed > 0


def test_trouble_ends_for_good() -> None:
    """Whatever kinds a seed chose, nothing of them is left when it should be calm."""
    from understudy.sim.faults import KINDS
    from understudy.sim.shapes import Shape

    world, _, _ = started()
    shape = Shape(1, world.cluster, world.habits, tuple(KINDS), 50 * MILLISECOND, 20 * SECOND)
    schedule(world, shape)
    world.run(shape.trouble + 10 * SECOND)
    for host in world.hosts.values():
        assert isinstance(host.core, Beating)
        assert host.awake
        assert host.manager.up
        assert host.kernel.refusals == host.kernel.silences == 0
    begin = {host.name: len(core(host).log) for host in world.hosts.values()}
    world.run(world.now + 2 * SECOND)
    for host in world.hosts.values():
        assert Stalled not in kinds(host, begin[host.name])
    assert not world.network.cuts
    assert not world.network.blocks
