"""The benchmark of virtual routers: ours beside Debian's keepalived, taking turns. ``python -m understudy.lab.bench vrrp``.

Parts: ``failover`` (power off), ``stop`` (a clean one), ``deleted`` (the address, by hand), ``double`` (what a short double
mastership leaves behind), ``thousand`` (addresses), ``starved`` (busy loops), ``frozen`` (and killed daemons), ``many`` (virtual
routers in one process). Ratios are of medians. Where an outage begins by chance between two adverts it counts from the last one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .old_bench import Judged
from .vrrp_pair import OLD, UNDERSTUDY
from .vrrp_trial import VrrpSpec

CONTENDERS = (UNDERSTUDY, OLD)
PARTS = ("failover", "stop", "deleted", "double", "thousand", "starved", "frozen", "many")
_SELDOM = 3
"""Every third run only of what takes long and is no question of milliseconds."""

Trial = Callable[[str, VrrpSpec], list[dict[str, Any]]]
Runs = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``key``: the figure, in milliseconds; ``ratio_at_most``: of ours to keepalived's median.

    ``least``: what keepalived's median must be for the ratio to say something. ``shown``: more figures, told as medians.
    """

    part: str
    name: str
    spec: VrrpSpec
    key: str
    ratio_at_most: float
    least: float = 0.0
    shown: tuple[str, ...] = ()


_BOTH = ("late_ms", "outage_ms")

ROWS = (
    Row("failover", "power off, advert_int 1", VrrpSpec("power-off", advert="1"), "whole_ms", 1.0, shown=_BOTH),
    Row("failover", "power off, advert_int 0.1", VrrpSpec("power-off"), "whole_ms", 1.0, shown=_BOTH),
    Row(
        "failover", "power off, advert_int 0.01", VrrpSpec("power-off", advert="0.01"), "whole_ms", 1.1,
        shown=_BOTH,
    ),
    Row("stop", "clean stop, advert_int 1", VrrpSpec("stop", advert="1"), "outage_ms", 0.25, shown=("answer_ms",)),
    Row("stop", "clean stop, advert_int 0.1", VrrpSpec("stop"), "outage_ms", 0.25, shown=("answer_ms",)),
    Row("deleted", "address deleted, advert_int 1", VrrpSpec("deleted", advert="1"), "outage_ms", 0.5),
    Row("deleted", "address deleted, advert_int 0.1", VrrpSpec("deleted"), "outage_ms", 0.5),
    Row("double", "after 0.1 s of two masters", VrrpSpec("double", seconds=9.0), "outage_ms", 0.05, 500.0, ("double_ms",)),
    Row(
        "thousand", "1000 addresses, all answer", VrrpSpec("thousand", advert="1", count=1000), "last_ms", 0.5,
        shown=("all_ms", "gap_ms"),
    ),
)  # fmt: skip
"""What is promised beside keepalived, as ratios."""

STARVED = tuple(
    VrrpSpec("starved", advert=advert, seconds=20.0, real_time=real_time, burners=8)
    for real_time in (True, False)
    for advert in ("0.1", "0.01")
)
DEATHS = (VrrpSpec("frozen", seconds=4.0), VrrpSpec("killed", seconds=4.0))
MANY = VrrpSpec("many", advert="1", count=500, seconds=30.0)


@dataclass(slots=True)
class VrrpReport:
    """What came out, part by part."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    said: Judged = field(default_factory=Judged)


def measure(name: str, spec: VrrpSpec, runs: int, seed: int, trial: Trial) -> dict[str, list[dict[str, Any]]]:
    """``trial`` runs one, and gives its results or none. The contenders take turns, and each turn has one phase of the fault."""
    found: dict[str, list[dict[str, Any]]] = {contender: [] for contender in CONTENDERS}
    for number in range(runs):
        for contender in CONTENDERS:
            found[contender] += trial(
                f"{name}, {contender}", replace(spec, contender=contender, seed=seed * 1000 + number)
            )
    return found


def _median(results: Sequence[Mapping[str, Any]], key: str) -> float:
    values = [float(result[key]) for result in results if result[key] is not None]
    return statistics.median(values) if values else float("nan")


def judge_row(row: Row, runs: Runs) -> Judged:
    """Both contenders must have results."""
    said = Judged()
    medians = {name: _median(results, row.key) for name, results in runs.items()}
    ours, theirs = medians[UNDERSTUDY], medians[OLD]
    ratio = ours / theirs if theirs else float("inf")
    more = "; ".join(f"{key} {_median(runs[UNDERSTUDY], key):.1f} / {_median(runs[OLD], key):.1f}" for key in row.shown)
    limit = f"{ratio:.3f} (limit {row.ratio_at_most})"
    said.lines.append(f"  {row.name:34}{ours:10.1f}{theirs:12.1f}   {limit:22}{more}")
    said.figures = {
        "median_ms": medians,
        "ratio": ratio,
        "limit": row.ratio_at_most,
        "all_ms": {name: [result[row.key] for result in results] for name, results in runs.items()},
        **{key: {name: _median(results, key) for name, results in runs.items()} for key in row.shown},
    }
    if theirs < row.least:
        said.broken.append(f"{row.name}: keepalived lost only {theirs:.0f} ms: nothing to compare with")
    elif not ratio <= row.ratio_at_most:
        said.broken.append(f"{row.name}: {ratio:.2f} of keepalived's, at most {row.ratio_at_most} promised")
    if row.part == "double":
        return said
    if two := sum(result["two_ms"] for result in runs[UNDERSTUDY]):
        said.broken.append(f"{row.name}: two machines answered in {two} sampled milliseconds")
    if row.part == "thousand":
        _judge_addresses(row, runs[UNDERSTUDY], said)
    return said


def _judge_addresses(row: Row, results: Sequence[Mapping[str, Any]], said: Judged) -> None:
    for result in results:
        for what in ("answering", "announced"):
            if result[what] != result["addresses"]:
                said.broken.append(f"{row.name}: {result[what]} of {result['addresses']} {what}")
        if result["gap_ms"] > 1.5 * float(row.spec.advert) * 1000:
            said.broken.append(f"{row.name}: {result['gap_ms']:.0f} ms between two adverts")


def judge_starved(spec: VrrpSpec, runs: Runs) -> Judged:
    """``spec``: of these runs, but for the contender."""
    said = Judged()
    what = f"{spec.burners} busy loops, advert_int {spec.advert}, {'real-time' if spec.real_time else 'no real-time'}"
    found = {}
    for name, results in runs.items():
        doubles = [length for result in results for length in result["doubles_ms"]]
        found[name] = {
            "transitions": sum(result["transitions"] for result in results),
            "two_ms": sum(result["two_ms"] for result in results),
            "longest_double_ms": max(doubles, default=0.0),
            "worst_outage_ms": max(result["outage_ms"] for result in results),
        }
        words = "  ".join(f"{key} {value:.0f}" for key, value in found[name].items())
        said.lines.append(f"  {what:52}{name:12}{words}")
    said.figures = found
    ours, theirs = found[UNDERSTUDY], found[OLD]
    if spec.real_time and ours["transitions"]:
        said.broken.append(f"{what}: {ours['transitions']} spurious transitions, none promised")
    if ours["transitions"] > theirs["transitions"]:
        said.broken.append(
            f"{what}: {ours['transitions']} spurious transitions, keepalived had {theirs['transitions']}"
        )
    if ours["longest_double_ms"] > spec.interval / 1e6:
        said.broken.append(f"{what}: two machines answered for {ours['longest_double_ms']:.0f} ms")
    return said


def judge_deaths(spec: VrrpSpec, runs: Runs) -> Judged:
    """A frozen or killed daemon on a machine that lives on."""
    said = Judged()
    found = {name: [result["two_after_ms"] for result in results] for name, results in runs.items()}
    outages = {name: max(result["outage_ms"] for result in results) for name, results in runs.items()}
    said.figures = {"two_after_ms": found, "worst_outage_ms": outages}
    words = "  ".join(
        f"{name}: {max(times)} ms of {spec.seconds:.0f} s (outage {outages[name]:.0f} ms)"
        for name, times in found.items()
    )
    said.lines.append(f"  daemon {spec.kind:8} two machines answer once the lease is over   {words}")
    if two := max(found[UNDERSTUDY]):
        said.broken.append(f"daemon {spec.kind}: two machines answered for {two} ms after the lease was over")
    return said


def judge_many(runs: Runs) -> Judged:
    """Hundreds of virtual routers in one process."""
    said = Judged()
    for name, results in runs.items():
        figures = {
            key: _median(results, key)
            for key in ("cpu_percent", "pss_mb", "rss_mb", "missed", "longest_step_ms", "rivals")
        }
        said.figures[name] = figures
        said.lines.append(
            f"  {MANY.count} virtual routers, advert_int {MANY.advert}   {name:12}{figures['cpu_percent']:6.2f} % of a core  "
            f"{figures['pss_mb']:6.1f} MB proportional ({figures['rss_mb']:.1f} resident)  "
            f"missed adverts {figures['missed']:.0f}, longest step {figures['longest_step_ms']:.0f} ms"
        )
    for key, what in (("missed", "adverts missed"), ("rivals", "virtual routers taken by the other one")):
        if worst := max(result[key] for result in runs[UNDERSTUDY]):
            said.broken.append(f"{MANY.count} virtual routers: {worst} {what}, none promised")
    return said


def run(parts: Sequence[str], runs: int, seed: int, trial: Trial) -> VrrpReport:
    """Measure and judge the ``parts``."""
    report = VrrpReport()

    def take(name: str, spec: VrrpSpec, times: int, judge: Callable[[Runs], Judged]) -> None:
        found = measure(name, spec, times, seed, trial)
        report.runs |= {f"{name}, {contender}": results for contender, results in found.items()}
        if not all(found.values()):
            return
        said = judge(found)
        report.said.lines += said.lines
        report.said.figures[name] = said.figures
        report.said.broken += said.broken

    rows = [row for row in ROWS if row.part in parts]
    if rows:
        report.said.lines += [
            f"virtual routers, median ms of {runs}; ratio of medians",
            f"  {'':34}{UNDERSTUDY:>10}{OLD:>12}   {'ratio':22}ours / keepalived's",
        ]
    for row in rows:
        take(row.name, row.spec, runs, lambda found, row=row: judge_row(row, found))  # type: ignore[misc]
    seldom = max(1, runs // _SELDOM)
    for spec in STARVED if "starved" in parts else ():
        name = f"starved, advert_int {spec.advert}, {'real-time' if spec.real_time else 'no real-time'}"
        take(name, spec, seldom, lambda found, spec=spec: judge_starved(spec, found))  # type: ignore[misc]
    for spec in DEATHS if "frozen" in parts else ():
        take(spec.kind, spec, seldom, lambda found, spec=spec: judge_deaths(spec, found))  # type: ignore[misc]
    if "many" in parts:
        take("many", MANY, seldom, judge_many)
    return report
