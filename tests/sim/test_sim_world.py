"""The pretend world keeps its own promises: clocks, order, repeatability, frozen processes, kernels that outlive them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_cores import Beating

from understudy.effects import Action, Effect, KernelLease, Note, ProbeAddresses, RunAgent, SaveStandby, Send
from understudy.events import Finished, LinkChanged, Outcome, Received, Stalled, Started, TimerDue
from understudy.model import AddressResource, Cluster, CommandResource, Group, Limits, Quorum
from understudy.sim.host import Host
from understudy.sim.network import Weather
from understudy.sim.run import make_world, run_seed
from understudy.sim.shapes import SERVICE_DEVICE, make_members
from understudy.sim.strike import Strike
from understudy.sim.world import Clock, Habits, Listeners, Observer, World
from understudy.units import MILLISECOND, SECOND


def cluster() -> Cluster:
    """Two nodes and a witness, 200 ms and 1 s, with a group that has a program."""
    program = CommandResource("httpd", ("httpd",), limits=Limits(2 * SECOND, 2 * SECOND, SECOND, 3 * SECOND))
    site = Group("site", (AddressResource("address", "192.168.58.100", 24, SERVICE_DEVICE), program))
    members = make_members(("n1", "n2"), ("w1",))
    return Cluster("sim", "key", SECOND // 5, SECOND, Quorum.MAJORITY, members, (site,), digest="simulate0")


def started(habits: Habits | None = None) -> tuple[World, Host, Host]:
    world = make_world(cluster(), 1, Beating, habits or Habits())
    for host in world.hosts.values():
        host.power_on()
    return world, world.hosts["n1"], world.hosts["n2"]


def core(host: Host) -> Beating:
    assert isinstance(host.core, Beating)
    return host.core


@pytest.mark.parametrize("rate", [-1000, -1, 0, 3, 1000])
def test_clock_when_is_the_first_moment_that_shows_the_reading(rate: int) -> None:
    clock = Clock(since=5_000, reading=70_000_000_000, parts_per_million=rate)
    for elapsed in (0, 1, 999, 1_000_003, 3_600 * SECOND):
        instant = clock.read(5_000 + elapsed)
        when = clock.when(instant)
        assert clock.read(when) >= instant
        assert when == 5_000 or clock.read(when - 1) < instant


def test_machines_read_different_clocks() -> None:
    _, one, other = started()
    assert abs(one.reading - other.reading) > SECOND


def test_same_seed_same_trace_other_seed_other_trace() -> None:
    assert run_seed(3, Beating).trace == run_seed(3, Beating).trace
    assert run_seed(3, Beating).trace != run_seed(4, Beating).trace


class Told(Observer):
    """Counts what it is told."""

    def __init__(self) -> None:
        self.count = 0

    def wished(self, host: Host, effect: Effect) -> None:
        self.count += 1


class Sends(Told):
    """Heeds one kind of effect."""

    heeds = (Send,)


def test_an_observer_is_told_of_the_effects_that_it_heeds_or_of_all() -> None:
    every, some, none = Told(), Sends(), Observer()
    listeners = Listeners((every, some, none))
    assert listeners.heeding(Send) == [every.wished, some.wished]
    assert listeners.heeding(Note) == [every.wished]


def test_real_bytes_arrive_on_every_common_network() -> None:
    world, one, _ = started()
    world.run(SECOND // 10)
    links = [(event.sender, event.link) for _, event in core(one).received()]
    assert sorted(links) == [("n2", "heartbeat"), ("n2", "service"), ("w1", "service")]


def test_a_wrong_seal_is_counted_and_not_told() -> None:
    world, one, _ = started()
    world.run(SECOND // 10)
    before = len(core(one).log)
    one.datagram("service", b"USDY" + bytes(100))
    assert len(core(one).log) == before
    assert sum(one.rejected.values()) == 1


def test_frozen_pulse_hears_that_it_was_late_then_packets_then_facts_then_its_timer() -> None:
    world, one, _ = started()
    world.run(SECOND)
    one.freeze()
    begin = len(core(one).log)
    world.run(2 * SECOND)
    one.set_carrier("eth0", False)
    assert len(core(one).log) == begin, "a frozen process was told something"
    one.thaw()
    world.run(world.now)
    kinds = [type(event) for _, event in core(one).log[begin:]]
    assert kinds.count(Received) > 10
    first_fact = kinds.index(LinkChanged)
    assert kinds[0] is Stalled
    assert set(kinds[1:first_fact]) == {Received}
    assert kinds[first_fact:] == [LinkChanged, TimerDue]


def test_packets_that_waited_carry_the_time_of_their_arrival() -> None:
    world, one, _ = started()
    world.run(SECOND)
    one.freeze()
    begin = len(core(one).log)
    world.run(2 * SECOND)
    one.thaw()
    waited = [(now, event) for now, event in core(one).log[begin:] if isinstance(event, Received)]
    assert all(event.arrival <= now for now, event in waited)
    assert 700 * MILLISECOND < waited[0][0] - waited[0][1].arrival < SECOND


def test_socket_buffer_of_a_frozen_pulse_is_bounded() -> None:
    world, one, _ = started()
    world.run(SECOND)
    one.freeze()
    begin = len(core(one).log)
    world.run(200 * SECOND)
    one.thaw()
    assert sum(isinstance(event, Received) for _, event in core(one).log[begin:]) == 256


def test_kernel_lease_outlives_the_pulse_ends_by_itself_and_goes_with_the_power() -> None:
    world, one, _ = started()
    one.perform(KernelLease("site", one.reading + SECOND, "test"))
    one.kill_pulse()
    world.run(world.now + SECOND // 2)
    assert one.serves("site")
    one.start_pulse()
    event = core(one).log[0][1]
    assert isinstance(event, Started)
    ((group, left),) = event.kernel_leases
    assert group == "site"
    assert 490 * MILLISECOND < left < 510 * MILLISECOND
    world.run(world.now + SECOND)
    assert not one.serves("site")
    assert one.kernel.running(one.reading) == ()
    one.perform(KernelLease("site", one.reading + SECOND, "test"))
    one.power_off()
    one.power_on()
    assert not one.serves("site")
    event = core(one).log[0][1]
    assert isinstance(event, Started)
    assert event.kernel_leases == ()


def test_a_lease_that_is_over_before_it_is_performed_is_never_granted() -> None:
    _, one, _ = started()
    one.perform(KernelLease("site", one.reading, "test"))
    assert not one.serves("site")


def probe(world: World, one: Host) -> Finished:
    group = world.cluster.groups[0]
    begin = len(core(one).log)
    one.perform(ProbeAddresses(77, group.name, group.addresses, SECOND // 10, "test"))
    world.run(world.now + SECOND // 5)
    found = [event for _, event in core(one).log[begin:] if isinstance(event, Finished)]
    assert len(found) == 1
    return found[0]


def test_address_probe_finds_a_server_that_can_be_reached_and_no_other() -> None:
    world, one, other = started()
    world.run(SECOND)
    item = world.cluster.groups[0].addresses[0]
    other.kernel.add((item,))
    assert probe(world, one).outcome is Outcome.OK, "an address without a running lease answered"
    other.perform(KernelLease(world.cluster.groups[0].name, other.reading + 3600 * SECOND, "test"))
    assert probe(world, one).outcome is Outcome.FAILED
    world.network.part(("n1",), ("n2",), ("heartbeat",))
    assert probe(world, one).outcome is Outcome.FAILED
    world.network.part(("n1",), ("n2",), ("service",))
    assert probe(world, one).outcome is Outcome.OK
    one.set_carrier("eth0", False)
    assert probe(world, one).outcome is Outcome.UNKNOWN


def agent(world: World, host: Host, action: Action, op: int) -> list[Finished]:
    group = next(g for g in world.cluster.groups if any(hasattr(r, "argv") for r in g.resources))
    resource = next(r.id for r in group.resources if hasattr(r, "argv"))
    begin = len(core(host).log)
    result = host.perform(RunAgent(op, group.name, resource, action, SECOND, 1, "test"))
    assert result is None
    world.run(world.now + 2 * SECOND)
    return [event for _, event in core(host).log[begin:] if isinstance(event, Finished)]


def test_agents_answer_once_fail_lose_their_answer_and_hang() -> None:
    world, one, _ = started()
    world.run(SECOND)
    group = next(g for g in world.cluster.groups if any(hasattr(r, "argv") for r in g.resources))
    resource = next(r.id for r in group.resources if hasattr(r, "argv"))
    temper = one.manager.temper(group.name, resource)
    assert [f.outcome for f in agent(world, one, Action.MONITOR, 1)] == [Outcome.NOT_RUNNING]
    assert [f.outcome for f in agent(world, one, Action.START, 2)] == [Outcome.OK]
    assert [f.outcome for f in agent(world, one, Action.MONITOR, 3)] == [Outcome.OK]
    temper.fails[Action.STOP] = 1
    assert [f.outcome for f in agent(world, one, Action.STOP, 4)] == [Outcome.FAILED]
    temper.loses[Action.STOP] = 1
    assert agent(world, one, Action.STOP, 5) == []
    assert not one.manager.running[group.name, resource], "the stop whose answer was lost did not happen"
    temper.hangs[Action.START] = 1
    assert [f.outcome for f in agent(world, one, Action.START, 6)] == [Outcome.UNKNOWN]


def test_an_answer_meant_for_a_dead_pulse_is_not_given_to_the_next() -> None:
    world, one, _ = started()
    world.run(SECOND)
    group = next(g for g in world.cluster.groups if any(hasattr(r, "argv") for r in g.resources))
    resource = next(r.id for r in group.resources if hasattr(r, "argv"))
    one.perform(RunAgent(9, group.name, resource, Action.START, SECOND, 1, "test"))
    one.kill_pulse()
    one.start_pulse()
    world.run(world.now + SECOND)
    assert not any(isinstance(event, Finished) for _, event in core(one).log)
    assert one.manager.running[group.name, resource]


def test_a_strike_kills_between_two_effects() -> None:
    world, one, _ = started()
    world.run(SECOND)
    one.strike = Strike(1, None)
    world.run(2 * SECOND)
    assert one.core is None
    assert one.power


def test_cuts_are_one_way_and_per_network() -> None:
    world, one, other = started()
    world.run(SECOND)
    world.network.cut(("n2",), ("n1",), ("heartbeat",))
    one_begin, other_begin = len(core(one).log), len(core(other).log)
    world.run(2 * SECOND)
    mine = {
        event.link for _, event in core(one).log[one_begin:] if isinstance(event, Received) and event.sender == "n2"
    }
    theirs = {
        event.link for _, event in core(other).log[other_begin:] if isinstance(event, Received) and event.sender == "n1"
    }
    assert mine == {"service"}
    assert theirs == {"heartbeat", "service"}


def test_weather_loses_duplicates_and_delays() -> None:
    world, one, _ = started()
    world.network.weather = Weather(loss=0.5, delay=SECOND, duplicates=0.5)
    world.run(60 * SECOND)
    counts = world.network.counts
    assert 0.4 < counts.lost / counts.sent < 0.6
    assert counts.duplicated > counts.sent // 10
    counters = [event.counter for _, event in core(one).received() if event.sender == "n2"]
    assert counters != sorted(counters), "nothing was overtaken"


def test_replay_delivers_old_datagrams_again() -> None:
    world, one, _ = started()
    world.network.recording = True
    world.run(5 * SECOND)
    before = len(core(one).received())
    world.network.replay(60)
    assert len(core(one).received()) > before


def test_a_reboot_forgets_everything_but_the_disk() -> None:
    world, one, _ = started(replace(Habits(), rate_error=1000))
    item = world.cluster.groups[0].addresses[0]
    one.kernel.add((item,))
    one.perform(SaveStandby(True))
    one.power_off()
    world.run(SECOND)
    one.power_on()
    event = core(one).log[0][1]
    assert isinstance(event, Started)
    assert event.addresses == ()
    assert event.standby
