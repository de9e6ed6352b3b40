"""The checks can fail: each finds a core that does what must never be done."""

from __future__ import annotations

import pytest
from fake_cores import Beating, Greedy, Raising, Stuck
from test_sim_world import cluster

from understudy.effects import KernelLease
from understudy.model import AddressResource, Quorum
from understudy.sim.checks import Safety
from understudy.sim.faults import KINDS
from understudy.sim.run import make_world, run_seed
from understudy.sim.shapes import draw_shape
from understudy.sim.world import Habits, World
from understudy.units import SECOND


def kinds(seed: int, core: type[Beating]) -> set[str]:
    return {finding.kind for finding in run_seed(seed, core).findings}


def test_two_holders_are_found() -> None:
    found = set.union(*(kinds(seed, Greedy) for seed in range(8)))
    assert "two-holders" in found


def test_a_group_that_nobody_takes_is_found() -> None:
    assert kinds(0, Beating) == {"no-holder"}


def test_a_core_that_raises_is_found() -> None:
    assert kinds(0, Raising) == {"exception"}


def test_a_core_that_spins_is_found() -> None:
    assert kinds(0, Stuck) == {"exception"}


def watched() -> tuple[World, Safety]:
    safety = Safety()
    world = make_world(cluster(), 1, Beating, Habits(), (safety,))
    for host in world.hosts.values():
        host.power_on()
    return world, safety


@pytest.mark.parametrize(("gap", "found"), [(-1, True), (0, False), (SECOND, False)])
def test_rights_may_touch_but_not_overlap(gap: int, found: bool) -> None:
    world, safety = watched()
    one, other = world.hosts["n1"], world.hosts["n2"]
    end = one.clock.when(one.reading + SECOND)
    one.perform(KernelLease("site", one.reading + SECOND, "test"))
    world.run(end + gap)
    other.perform(KernelLease("site", other.reading + SECOND, "test"))
    assert bool(safety.findings) is found


def test_a_renewal_into_the_right_of_another_is_found() -> None:
    world, safety = watched()
    one, other = world.hosts["n1"], world.hosts["n2"]
    one.perform(KernelLease("site", one.reading + SECOND, "test"))
    one.freeze()
    world.run(2 * SECOND)
    other.perform(KernelLease("site", other.reading + SECOND, "test"))
    assert not safety.findings
    one.perform(KernelLease("site", one.reading + SECOND, "test"))
    assert [finding.kind for finding in safety.findings] == ["two-holders"]


def test_power_ends_a_right() -> None:
    world, safety = watched()
    one, other = world.hosts["n1"], world.hosts["n2"]
    one.perform(KernelLease("site", one.reading + SECOND, "test"))
    one.power_off()
    other.perform(KernelLease("site", other.reading + SECOND, "test"))
    assert not safety.findings


def test_shapes_vary() -> None:
    shapes = [draw_shape(seed, tuple(KINDS)).cluster for seed in range(100)]
    assert {len(shape.members) for shape in shapes} == {2, 3, 5, 7}
    assert {shape.quorum for shape in shapes} == set(Quorum)
    assert any(shape.fences for shape in shapes if shape.quorum is Quorum.MAJORITY)
    assert any(node.watchdog for shape in shapes for node in shape.nodes)
    with_address = [any(isinstance(r, AddressResource) for r in g.resources) for s in shapes for g in s.groups]
    assert with_address.count(True) > 5 * with_address.count(False) > 0
    assert any(r.exclusive for s in shapes for g in s.groups for r in g.resources)
