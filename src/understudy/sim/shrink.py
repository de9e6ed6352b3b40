"""Leave out of a failing seed what is not needed for the failure (delta debugging, Zeller and Hildebrandt 2002)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .run import Verdict, run_seed
from .world import MakeCore


@dataclass(frozen=True, slots=True)
class Shrunk:
    """``only``: the strikes that are needed; ``of``: how many there were. ``verdict`` is that of the smallest run."""

    only: tuple[int, ...]
    of: int
    verdict: Verdict
    runs: int


def shrink(
    seed: int,
    make_core: MakeCore,
    only: frozenset[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    most_runs: int = 400,
) -> Shrunk | None:
    """The smallest set of strikes found that still leads to a finding of the same kind; None if the seed does not fail."""
    first = run_seed(seed, make_core, only=only)
    if not first.findings:
        return None
    kind = first.findings[0].kind
    kept = sorted(only) if only is not None else list(range(first.strikes))
    best, runs, parts = first, 1, 2
    while kept and runs < most_runs:
        size = max(1, (len(kept) + parts - 1) // parts)
        for start in range(0, len(kept), size):
            trial = kept[:start] + kept[start + size :]
            verdict = run_seed(seed, make_core, only=frozenset(trial))
            runs += 1
            if progress is not None:
                progress(len(kept), runs)
            if verdict.findings and verdict.findings[0].kind == kind:
                kept, best, parts = trial, verdict, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(kept), 2 * parts)
    return Shrunk(tuple(kept), first.strikes, best, runs)
