"""The work of ``understudy sim``: seeds spread over processes, progress, and what is printed at the end."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import click

from ..core.node import Node
from ..sim.run import Verdict, run_seed
from ..sim.text import Story, moment
from ..units import SECOND

SHOWN_FINDINGS = 5
SHOWN_SEEDS = 10


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
            rate = len(verdicts) / (time.monotonic() - began)
            click.echo(f"\r{len(verdicts)}/{seeds} seeds, {rate:.1f}/s, {failed} failed ", nl=False, err=True)
    if progress:
        click.echo("\r\033[K", nl=False, err=True)
    verdicts.sort(key=lambda item: item.seed)
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json.dumps(_as_json(verdicts, seconds), indent=2))
    else:
        _print(verdicts, seconds)
    return 1 if any(item.findings for item in verdicts) else 0


def _verdicts(numbers: Iterable[int], processes: int) -> Iterator[Verdict]:
    if processes == 1:
        yield from map(one, numbers)
        return
    with multiprocessing.Pool(processes) as pool:
        yield from pool.imap_unordered(one, numbers, chunksize=2)


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
        click.echo(f"  repeat: understudy sim --seed {item.seed} --story")
    if len(failed) > SHOWN_SEEDS:
        click.echo(
            f"and {len(failed) - SHOWN_SEEDS} more failed: {' '.join(str(i.seed) for i in failed[SHOWN_SEEDS:])}"
        )
    width = max((len(name) for name in _coverage(verdicts)), default=0)
    click.echo("what happened:")
    for name, count in _coverage(verdicts).items():
        click.echo(f"  {name:<{width}} {count:>9}")
    virtual = sum(item.virtual for item in verdicts) / SECOND
    click.echo(
        f"{len(verdicts)} seeds, {len(failed)} failed; {virtual:.0f} virtual seconds in {seconds:.1f} s "
        f"({len(verdicts) / max(seconds, 1e-9):.1f} seeds/s)"
    )


def tell_story(seed: int, since: float) -> int:
    """Run one seed and print its timeline; returns the exit code."""

    def write(line: str) -> None:
        if float(line.split(maxsplit=1)[0]) >= since:
            click.echo(line)

    verdict = run_seed(seed, Node, (Story(write),))
    click.echo(f"\nseed {seed}: {verdict.shape}; trace {verdict.trace}")
    for finding in verdict.findings:
        click.echo(f"{moment(finding.at)} s  {finding.kind}: {finding.text}")
    if not verdict.findings:
        click.echo("nothing wrong")
    return 1 if verdict.findings else 0
