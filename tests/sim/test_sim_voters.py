"""Members that come and go while everything else goes wrong, too: in three, five, and six nodes with a witness."""

from __future__ import annotations

from collections import Counter

from understudy.core.node import Node
from understudy.sim.faults import KINDS
from understudy.sim.run import run_seed
from understudy.sim.shapes import VOTERS, draw_shape

SEEDS = (67, 70, 121, 238)


def test_nothing_happens_that_must_not_and_the_changes_come_to_their_end() -> None:
    coverage: Counter[str] = Counter()
    for seed in SEEDS:
        assert VOTERS in draw_shape(seed, tuple(KINDS)).kinds, "another kind of trouble shifts the seeds: choose others"
        verdict = run_seed(seed, Node)
        assert not verdict.findings, f"understudy sim --seed {seed} --story"
        coverage.update(verdict.coverage)
    for name in (
        "trouble: voters",
        "voters: two sets are counted",
        "voters: the old set is dropped",
        "voters: taken back",
    ):
        assert coverage[name], name
