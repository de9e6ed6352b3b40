"""A few seeds against the real core: those that once failed, and some that each show a kind of trouble."""

from __future__ import annotations

import pytest

from understudy.core.node import Node
from understudy.sim.host import Host
from understudy.sim.run import run_seed
from understudy.sim.world import Observer


@pytest.mark.parametrize("seed", [*range(1000, 1006), 2653])
def test_seed(seed: int) -> None:
    verdict = run_seed(seed, Node)
    assert not verdict.findings, f"understudy sim --seed {seed} --story"


def test_the_real_core_is_repeatable() -> None:
    assert run_seed(1001, Node).trace == run_seed(1001, Node).trace


def test_a_few_seeds_get_through_all_that_matters() -> None:
    """A search in which nothing happens proves nothing."""
    total: dict[str, int] = {}
    for seed in range(1000, 1006):
        for name, count in run_seed(seed, Node).coverage.items():
            total[name] = total.get(name, 0) + count
    for name in (
        "message: bid",
        "message: grant",
        "message: release",
        "lease begins",
        "lease ends early",
        "datagrams: cut",
    ):
        assert total.get(name, 0) > 0, f"no {name} in six seeds: {total}"


class _AsksAgain(Observer):
    """Has every deadline that a core remembers found anew."""

    def turn_ended(self, host: Host) -> None:
        if isinstance(host.core, Node):
            remembered, host.core.due = host.core.next_deadline(), None
            assert host.core.next_deadline() == remembered


@pytest.mark.parametrize("seed", [1001, 1004])
def test_the_deadline_that_is_remembered_is_that_which_would_be_found(seed: int) -> None:
    assert not run_seed(seed, Node, (_AsksAgain(),)).findings
