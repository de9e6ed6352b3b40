"""The checks about exclusive programs can fail: two at once, one too early, a word that is not true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_cores import Beating

from understudy.effects import AddAddresses, KernelLease, Send
from understudy.messages import GroupReport, Heartbeat, Hold, NodeState, Phase, Release
from understudy.model import AddressResource, Cluster, Group, Quorum, ScriptResource
from understudy.sim.checks import Safety
from understudy.sim.host import Host
from understudy.sim.run import make_world
from understudy.sim.shapes import SERVICE_DEVICE, make_members
from understudy.sim.stops import settle_time
from understudy.sim.world import Habits, World
from understudy.units import MILLISECOND, SECOND

ADDRESS = AddressResource("address", "192.168.58.100", 24, SERVICE_DEVICE)
DISK = ScriptResource("disk", "/disk", exclusive=True)
WEB = ScriptResource("web", "/web")
STOP_TIMEOUT = 3 * SECOND


def watched(quorum: Quorum = Quorum.MAJORITY) -> tuple[World, Safety, Host, Host]:
    group = Group("site", (ADDRESS, DISK, WEB), ("n1", "n2"), stop_timeout=STOP_TIMEOUT)
    witnesses = ("w1",) if quorum is Quorum.MAJORITY else ()
    members = make_members(("n1", "n2"), witnesses)
    cluster = Cluster("sim", "key", SECOND // 5, SECOND, quorum, members, (group,), digest="sim")
    safety = Safety()
    world = make_world(cluster, 1, Beating, Habits(), (safety,))
    for host in world.hosts.values():
        host.power_on()
    return world, safety, world.hosts["n1"], world.hosts["n2"]


def kinds(safety: Safety) -> list[str]:
    return [finding.kind for finding in safety.findings]


def hold(host: Host) -> None:
    host.kernel.addresses[ADDRESS.address] = ADDRESS.device
    host.perform(KernelLease("site", host.reading + SECOND, "test"))


def say(host: Host, phase: Phase, holds: tuple[Hold, ...] = ()) -> None:
    """As if the core had wished for it: observers see effects before they are performed."""
    state = NodeState(host.name, 1, 1, host.reading, SECOND, "sim", False, False, holds)
    effect = Send(Heartbeat(replace(state, groups=(GroupReport("site", phase, True),))))
    for wished in host.world.listeners.wished:
        wished(host, effect)


def test_a_second_program_is_found_however_long_the_starter_has_waited() -> None:
    world, safety, one, other = watched()
    one.manager.set_running("site", "disk", True)
    hold(other)
    world.run(2 * STOP_TIMEOUT)
    other.manager.set_running("site", "disk", True)
    assert kinds(safety) == ["two-programs"]


@pytest.mark.parametrize(
    ("text", "excused"),
    [
        ("start disk: ok", False),
        ("stop web: ok", False),
        ("start disk: not running", False),
        ("start web: failed", False),
        ("fence n2 off: unknown", False),
        ("operator: stop site", False),
        ("program disk dies", False),
        ("power off for 40 ms", False),
        ("stop disk: failed", True),
        ("stop disk: unknown", True),
        ("stop web: ok (the answer is lost)", True),
        ("start web: unknown", True),
        ("manager killed", True),
        ("kill, started again after 40 ms", True),
        ("starving ends", True),
    ],
)
def test_only_what_hinders_a_stop_excuses_a_second_program_for_a_while(text: str, excused: bool) -> None:
    world, safety, one, other = watched()
    one.manager.set_running("site", "disk", True)
    hold(other)
    world.run(STOP_TIMEOUT)
    world.tell(one, text)
    world.run(world.now + 2 * STOP_TIMEOUT - MILLISECOND)
    other.manager.set_running("site", "disk", True)
    assert kinds(safety) == ([] if excused else ["two-programs"])


def test_programs_that_may_run_twice_are_nobodys_business() -> None:
    _, safety, one, other = watched()
    one.manager.set_running("site", "web", True)
    other.manager.set_running("site", "web", True)
    assert not safety.findings


@pytest.mark.parametrize(("waited", "found"), [(STOP_TIMEOUT - SECOND, ["started-too-early"]), (STOP_TIMEOUT, [])])
def test_a_frozen_machine_excuses_a_second_program_only_after_the_stop_timeout(waited: int, found: list[str]) -> None:
    world, safety, one, other = watched()
    one.manager.set_running("site", "disk", True)
    one.freeze()
    hold(other)
    world.run(waited)
    other.manager.set_running("site", "disk", True)
    assert kinds(safety) == found


def test_a_renewal_and_a_gap_do_not_begin_the_wait_anew_but_another_holder_does() -> None:
    for between, found in (((), []), (("n1",), ["started-too-early"])):
        world, safety, one, other = watched()
        one.manager.set_running("site", "disk", True)
        one.freeze()
        hold(other)
        world.run(STOP_TIMEOUT - SECOND)
        for name in between:
            hold(world.hosts[name])
        world.run(world.now + 2 * SECOND)
        hold(other)
        other.manager.set_running("site", "disk", True)
        assert kinds(safety) == found


def test_without_a_word_it_is_too_early_even_when_the_first_program_ended_by_itself() -> None:
    _, safety, one, other = watched()
    one.manager.set_running("site", "disk", True)
    one.manager.set_running("site", "disk", False)
    hold(other)
    other.manager.set_running("site", "disk", True)
    assert kinds(safety) == ["started-too-early"]


@pytest.mark.parametrize("again", [False, True])
def test_a_word_counts_until_the_program_runs_again(again: bool) -> None:
    world, safety, one, other = watched()
    one.manager.set_running("site", "disk", True)
    one.manager.set_running("site", "disk", False)
    world.run(MILLISECOND)
    say(one, Phase.STOPPED)
    if again:
        world.run(2 * MILLISECOND)
        one.manager.set_running("site", "disk", True)
        one.manager.set_running("site", "disk", False)
    hold(other)
    other.manager.set_running("site", "disk", True)
    assert kinds(safety) == (["started-too-early"] if again else [])


def test_the_word_stopped_of_a_holder_that_has_not_begun_is_no_word() -> None:
    _, safety, one, other = watched()
    one.manager.set_running("site", "disk", True)
    one.manager.set_running("site", "disk", False)
    say(one, Phase.STOPPED, (Hold("site", 7),))
    hold(other)
    other.manager.set_running("site", "disk", True)
    assert kinds(safety) == ["started-too-early"]


@pytest.mark.parametrize("there", ["address", "disk", "web", ""])
def test_nobody_may_say_stopped_of_what_is_there(there: str) -> None:
    for release in (False, True):
        _, safety, one, _ = watched()
        if there == "address":
            one.perform(AddAddresses(1, "site", (ADDRESS,), "test"))
        elif there:
            one.manager.set_running("site", there, True)
        if release:
            effect = Send(Release("n1", 1, "site", 7, None, True))
            for wished in one.world.listeners.wished:
                wished(one, effect)
        else:
            say(one, Phase.STOPPED)
        assert kinds(safety) == (["false-word"] if there else [])


@pytest.mark.parametrize(
    ("networks", "direction", "excused"),
    [((), "both", True), ((), "one", True), (("heartbeat",), "both", False), (("service",), "both", False)],
)
def test_a_pair_may_serve_twice_only_while_nothing_passes(
    networks: tuple[str, ...], direction: str, excused: bool
) -> None:
    world, safety, one, other = watched(Quorum.PAIR)
    hold(one)
    if direction == "both":
        world.network.part(("n1",), ("n2",), networks)
    else:
        world.network.cut(("n1",), ("n2",), networks)
    hold(other)
    assert kinds(safety) == ([] if excused else ["two-holders"])


@pytest.mark.parametrize(("late", "found"), [(-MILLISECOND, []), (0, ["two-holders"])])
def test_a_pair_must_settle_within_the_stated_time(late: int, found: list[str]) -> None:
    world, safety, one, other = watched(Quorum.PAIR)
    world.network.part(("n1",), ("n2",))
    hold(one)
    hold(other)
    world.network.heal()
    world.run(world.now + settle_time(world.cluster) + late)
    hold(one)
    hold(other)
    assert kinds(safety) == found


def test_blocked_heartbeats_do_not_excuse_a_pair_nor_does_a_machine_that_was_off() -> None:
    world, safety, one, other = watched(Quorum.PAIR)
    one.power_off()
    world.run(SECOND)
    one.power_on()
    world.network.block("n1", "n2")
    hold(one)
    hold(other)
    assert kinds(safety) == ["two-holders"]


@pytest.mark.parametrize(("quorum", "found"), [(Quorum.PAIR, []), (Quorum.MAJORITY, ["two-holders"])])
def test_what_is_left_of_a_dead_daemon_without_its_address_is_no_holder_of_a_pair(
    quorum: Quorum, found: list[str]
) -> None:
    _, safety, one, other = watched(quorum)
    hold(one)
    del one.kernel.addresses[ADDRESS.address]
    one.kill_pulse()
    hold(other)
    assert kinds(safety) == found


def test_two_holders_of_a_pair_that_is_apart_each_wait_for_themselves() -> None:
    world, safety, one, other = watched(Quorum.PAIR)
    world.network.part(("n1",), ("n2",))
    other.manager.set_running("site", "disk", True)
    hold(one)
    world.run(SECOND // 2)
    hold(other)
    for _ in range(8):
        hold(one)
        world.run(world.now + STOP_TIMEOUT // 8)
    one.manager.set_running("site", "disk", True)
    assert not safety.findings
