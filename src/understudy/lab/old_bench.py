"""The part of the benchmark with Heartbeat's files: our take-over beside that of Debian's heartbeat 3.0.6, taking turns.

What is judged: with an address and httpd, that nothing but the dead time and Apache itself costs more than 20 ms; with fifty
addresses in one line, that ours are there a hundred times sooner after the end of the dead time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .old_trial import OldSpec

CONTENDERS = ("understudy", "heartbeat")
EXTRA = 20.0
"""Milliseconds beside dead time and Apache's own start."""
RATIO = 100.0

Runs = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(slots=True)
class Judged:
    """As ``bench.Report``: what is printed, what is kept, which limits did not hold."""

    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


def measure(
    kind: str, runs: int, trial: Callable[[str, OldSpec], list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """``trial`` runs one, and gives its results or none. The contenders take turns."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(runs):
        for name in CONTENDERS:
            found[name] += trial(f"{kind}, {name}", OldSpec(kind, name))
    return found


def _median(results: Sequence[Mapping[str, Any]], key: str) -> float:
    return statistics.median(float(result[key]) for result in results)


def _two(runs: Runs, broken: list[str]) -> None:
    two = sum(result["two"] for result in runs["understudy"])
    if two:
        broken.append(f"with Heartbeat's files: two machines answered in {two} sampled milliseconds")


def judge_apache(runs: Runs) -> Judged:
    """An address and httpd, ``keepalive 2``, ``deadtime 5``; both contenders must have results."""
    said = Judged()
    keys = ("address_ms", "script_ms", "apache_ms", "page_ms", "page_outage_ms")
    said.lines += [
        "power off just after a heartbeat, address and httpd, deadtime 5: median ms after the end of the dead time",
        f"  {'':12}{'address':>10}{'httpd called':>14}{'its start':>11}{'page':>9}{'page, all in all':>18}",
    ]
    for name, results in runs.items():
        medians = {key: _median(results, key) for key in keys}
        address, script, apache, page, whole = medians.values()
        said.lines.append(f"  {name:12}{address:10.1f}{script:14.1f}{apache:11.1f}{page:9.1f}{whole:18.1f}")
        said.figures[name] = {**medians, "worst_address_ms": max(result["address_ms"] for result in results)}
    ours, theirs = said.figures["understudy"], said.figures["heartbeat"]
    work = {key: theirs[key] / max(ours[key], 0.1) for key in ("address_ms", "page_ms")}
    said.figures["ratio"] = work
    whole = theirs["page_outage_ms"] / ours["page_outage_ms"]
    said.lines.append(
        f"  heartbeat's work after the dead time is {work['address_ms']:.0f} times ours for the address, "
        f"{work['page_ms']:.1f} times for the page; its whole outage {whole:.2f} times"
    )
    if ours["worst_address_ms"] > EXTRA:
        said.broken.append(
            f"with Heartbeat's files: the address was back {ours['worst_address_ms']:.1f} ms late, {EXTRA:.0f} promised"
        )
    if ours["script_ms"] > EXTRA:
        said.broken.append(
            f"with Heartbeat's files: httpd was called {ours['script_ms']:.1f} ms late (median), {EXTRA:.0f} promised"
        )
    _two(runs, said.broken)
    return said


def judge_many(runs: Runs) -> Judged:
    """Many addresses in one line; both contenders must have results."""
    said = Judged()
    count = runs["understudy"][0]["addresses"]
    medians = {name: _median(results, "last_ms") for name, results in runs.items()}
    ratio = medians["heartbeat"] / max(medians["understudy"], 0.1)
    said.lines.append(
        f"power off, {count} addresses in one line of haresources: the last answers {medians['understudy']:.1f} ms after the end "
        f"of the dead time, with heartbeat {medians['heartbeat']:.0f} ms: {ratio:.0f} times (at least {RATIO:.0f} promised)"
    )
    said.figures = {"addresses": count, "last_ms": medians, "ratio": ratio}
    if ratio < RATIO:
        said.broken.append(f"{count} addresses: {ratio:.0f} times faster than heartbeat, {RATIO:.0f} promised")
    _two(runs, said.broken)
    return said
