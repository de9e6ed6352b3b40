"""The work of ``understudy sim``: seeds spread over processes, progress, and what is printed at the end."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import click

from ..core.node import Node
from ..sim.coverage import missed
from ..sim.faults import KINDS
from ..sim.run import Verdict, run_seed
from ..sim.text import Story, moment
from ..units import SECOND

SHOWN_FINDINGS = 5
SHOWN_SEEDS = 10
BAR = 30


ENOUGH = 500
"""A search of at least so many seeds says what it should have met and did not."""


def one(seed: int) -> Verdict:
    """Run a seed with the real core."""
    return run_seed(seed, Node)


def run_many(first: int, seeds: int, jobs: int, as_json: bool) -> int:
    """Run ``seeds`` seeds from ``first`` on and print the result; returns the exit code."""
    numbers = range(first, first + seeds)
    processes = min(jobs or os.cpu_count() or 1, seeds)
    began = time.monotonic()
    verdicts: list[Verdict] = []
    progress = sys.stderr.isatty() and not as_json
    for verdict in _verdicts(numbers, processes):
        verdicts.append(verdict)
        if progress:
            failed = sum(1 for item in verdicts if item.findings)
            click.echo(_bar(len(verdicts), seeds, failed, time.monotonic() - began), nl=False, err=True)
    if progress:
        click.echo("\r\033[K", nl=False, err=True)
    verdicts.sort(key=lambda item: item.seed)
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json.dumps(_as_json(verdicts, seconds), indent=2))
    else:
        _print(verdicts, seconds)
    return 1 if any(item.findings for item in verdicts) else 0


def _bar(done: int, seeds: int, failed: int, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    full = done * BAR // seeds
    left = (seeds - done) / max(rate, 1e-9)
    bar = "#" * full + "-" * (BAR - full)
    return f"\r[{bar}] {done}/{seeds} seeds, {rate:.1f}/s, {failed} failed, {left:.0f} s left \033[K"


def _verdicts(numbers: Iterable[int], processes: int) -> Iterator[Verdict]:
    if processes == 1:
        yield from map(one, numbers)
        return
    with multiprocessing.Pool(processes, _collect_less) as pool:
        yield from pool.imap_unordered(one, numbers, chunksize=2)


def _collect_less() -> None:
    """A seed leaves little garbage and much that lives: with the usual thresholds looking for it takes 8 % of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def _coverage(verdicts: list[Verdict]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for verdict in verdicts:
        total.update(verdict.coverage)
    return dict(sorted(total.items()))


def _as_json(verdicts: list[Verdict], seconds: float) -> dict[str, object]:
    return {
        "schema": 1,
        "seeds": len(verdicts),
        "failed": [
            {
                "seed": item.seed,
                "shape": item.shape,
                "findings": [{"at_s": f.at / SECOND, "kind": f.kind, "text": f.text} for f in item.findings],
                "repeat": f"understudy sim --seed {item.seed} --story",
            }
            for item in verdicts
            if item.findings
        ],
        "seconds": round(seconds, 3),
        "virtual_seconds": sum(item.virtual for item in verdicts) / SECOND,
        "steps": sum(item.steps for item in verdicts),
        "coverage": _coverage(verdicts),
        "missed": missed(_coverage(verdicts), tuple(KINDS), len(verdicts)) if len(verdicts) >= ENOUGH else None,
        "traces": {str(item.seed): item.trace for item in verdicts},
    }


def _print(verdicts: list[Verdict], seconds: float) -> None:
    failed = [item for item in verdicts if item.findings]
    for item in failed[:SHOWN_SEEDS]:
        click.echo(f"seed {item.seed} failed ({item.shape}):")
        for finding in item.findings[:SHOWN_FINDINGS]:
            click.echo(f"  {moment(finding.at)} s  {finding.kind}: {finding.text}")
        if len(item.findings) > SHOWN_FINDINGS:
            click.echo(f"  and {len(item.findings) - SHOWN_FINDINGS} more")
        click.echo(f"  repeat: understudy sim --seed {item.seed} --story    (make it smaller: --shrink)")
    if len(failed) > SHOWN_SEEDS:
        click.echo(
            f"and {len(failed) - SHOWN_SEEDS} more failed: {' '.join(str(i.seed) for i in failed[SHOWN_SEEDS:])}"
        )
    width = max((len(name) for name in _coverage(verdicts)), default=0)
    click.echo("what happened:")
    for name, count in _coverage(verdicts).items():
        click.echo(f"  {name:<{width}} {count:>9}")
    absent = missed(_coverage(verdicts), tuple(KINDS), len(verdicts)) if len(verdicts) >= ENOUGH else []
    for name in absent:
        click.echo(f"never met: {name}")
    virtual = sum(item.virtual for item in verdicts) / SECOND
    click.echo(
        f"{len(verdicts)} seeds, {len(failed)} failed; {virtual:.0f} virtual seconds in {seconds:.1f} s "
        f"({len(verdicts) / max(seconds, 1e-9):.1f} seeds/s)"
    )


def make_smaller(seed: int, only: frozenset[int] | None) -> int:
    """Leave out what a failing seed does not need, and say how to see the rest; returns the exit code."""
    from ..sim.shrink import shrink

    def progress(kept: int, runs: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{kept} strikes left after {runs} runs \033[K", nl=False, err=True)

    found = shrink(seed, Node, only, progress)
    if sys.stderr.isatty():
        click.echo("\r\033[K", nl=False, err=True)
    if found is None:
        click.echo(f"seed {seed} does not fail: nothing to make smaller")
        return 0
    strikes = ",".join(str(number) for number in found.only) or "none"
    click.echo(f"seed {seed} fails with {len(found.only)} of {found.of} strikes ({found.runs} runs): {strikes}")
    for finding in found.verdict.findings[:SHOWN_FINDINGS]:
        click.echo(f"  {moment(finding.at)} s  {finding.kind}: {finding.text}")
    click.echo(f"  repeat: understudy sim --seed {seed} --only {strikes} --story")
    return 1


def tell_story(seed: int, since: float, only: frozenset[int] | None = None) -> int:
    """Run one seed and print its timeline; returns the exit code."""

    def write(line: str) -> None:
        if float(line.split(maxsplit=1)[0]) >= since:
            click.echo(line)

    verdict = run_seed(seed, Node, (Story(write),), only)
    click.echo(f"\nseed {seed}: {verdict.shape}; trace {verdict.trace}")
    for finding in verdict.findings:
        click.echo(f"{moment(finding.at)} s  {finding.kind}: {finding.text}")
    if not verdict.findings:
        click.echo("nothing wrong")
    return 1 if verdict.findings else 0
