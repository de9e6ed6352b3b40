"""The benchmark of checks: our engine, and Debian's ldirectord beside it, in turns. ``python -m understudy.lab.bench checks``.

Parts: ``saturated`` (checks for each second of CPU time), ``paced`` (CPU time of a check as a ratio, and how late checks begin),
``pulse`` (what a process with the pulse's priority notices of it), ``farm`` (a hundred services with ten thousand servers, of
which a thousand go and come back at once). Ratios are of medians.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .checks_trial import ChecksSpec
from .farm_trial import FarmSpec
from .old_bench import Judged

PARTS = ("saturated", "paced", "pulse", "farm")
OURS, OLD, NONE, FLOOR = "understudy", "ldirectord", "none", "floor"

LEAST_PER_CPU_SECOND = 15_000.0
RATIO_AT_MOST = 0.2
PULSE_DIFFERENCE_MS = 1.0
LOADED_WITHIN = 3.0
"""Seconds from the file to the whole table."""

_LOOK = 1.0
"""Reading ten thousand servers out of the kernel takes its time, too."""

SPECS: dict[str, tuple[ChecksSpec, ...]] = {
    "saturated": (
        ChecksSpec("saturated", servers=100, interval=1e-6, seconds=5.0),
        ChecksSpec("saturated", FLOOR, servers=100, seconds=5.0),
    ),
    "paced": (ChecksSpec("paced"), ChecksSpec("paced", OLD, servers=50)),
    "pulse": (ChecksSpec("pulse", NONE), ChecksSpec("pulse")),
    "farm": (FarmSpec("farm", servers=10_000, interval=10.0),),
}
"""ldirectord asks its servers one after the other, and its first round alone takes two minutes for a thousand."""

Trial = Callable[[str, ChecksSpec], list[dict[str, Any]]]
Runs = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(slots=True)
class ChecksReport:
    """What came out, part by part."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    said: Judged = field(default_factory=Judged)


def _median(results: Sequence[Mapping[str, Any]], key: str) -> float:
    return statistics.median(float(result[key]) for result in results)


def judge_saturated(runs: Runs) -> Judged:
    said = Judged()
    ours = runs[OURS]
    rate, cpu = _median(ours, "checks_per_cpu_second"), _median(ours, "cpu_us")
    floor = _median(runs[FLOOR], "cpu_us")
    wall, failures = _median(ours, "checks_per_second"), sum(result["failures"] for result in ours)
    said.lines.append(
        f"  saturated: {rate:.0f} checks for each second of CPU time ({cpu:.1f} us each), {wall:.0f} each second; "
        f"{failures} failed; nothing but the system calls of a check: {floor:.1f} us, {cpu / floor:.2f} times that"
    )
    said.figures = {"checks_per_cpu_second": rate, "cpu_us": cpu, "checks_per_second": wall, "floor_cpu_us": floor}
    if rate < LEAST_PER_CPU_SECOND:
        said.broken.append(
            f"{rate:.0f} checks for each second of CPU time, at least {LEAST_PER_CPU_SECOND:.0f} promised"
        )
    if failures:
        said.broken.append(f"saturated: {failures} checks of a good server failed")
    return said


def judge_paced(runs: Runs) -> Judged:
    said = Judged()
    ours, theirs = (_median(runs[name], "cpu_us") for name in (OURS, OLD))
    ratio = ours / theirs
    rates = [_median(runs[name], "checks_per_second") for name in (OURS, OLD)]
    worst = _median(runs[OURS], "late_worst_ms")
    starved = _median(runs[OURS], "starved_ms")
    over = sum(result["late_over"] for result in runs[OURS])
    checks = sum(result["checks"] for result in runs[OURS])
    said.lines += [
        f"  paced: {ours:.1f} us of CPU time for a check ({rates[0]:.0f} each second), ldirectord {theirs:.1f} us "
        f"({rates[1]:.0f} each second): {ratio:.3f} of it (limit {RATIO_AT_MOST})",
        f"  paced: the latest check of a run began {worst:.1f} ms late; {over} of {checks} by more than a tenth of their "
        f"interval; while the process waited for a processor for {starved:.0f} ms of a run",
    ]
    said.figures = {
        "cpu_us": ours,
        "ldirectord_cpu_us": theirs,
        "ratio": ratio,
        "late_worst_ms": worst,
        "late_over": over,
    }
    if ratio > RATIO_AT_MOST:
        said.broken.append(f"a check costs {ratio:.3f} of ldirectord's CPU time, at most {RATIO_AT_MOST} promised")
    if over:
        said.broken.append(f"{over} of {checks} checks began later than a tenth of their interval, none promised")
    if failures := sum(result["failures"] for result in runs[OURS]):
        said.broken.append(f"paced: {failures} checks of a good server failed")
    return said


def judge_pulse(runs: Runs) -> Judged:
    said = Judged()
    keys = ("median_late_ms", "p99_late_ms", "worst_late_ms")
    without, beside = ([_median(runs[name], key) for key in keys] for name in (NONE, OURS))
    said.figures = {
        "without_ms": dict(zip(keys, without, strict=True)),
        "beside_ms": dict(zip(keys, beside, strict=True)),
    }
    words = [f"{median:.3f} / {p99:.3f} / {worst:.3f}" for median, p99, worst in (without, beside)]
    said.lines.append(
        f"  a waking every 10 ms with the pulse's priority, late by ms (median / 99 % / worst): {words[0]} alone, {words[1]} "
        "beside 1000 checks a second"
    )
    if beside[0] - without[0] > PULSE_DIFFERENCE_MS:
        said.broken.append(f"beside checks the pulse wakes {beside[0] - without[0]:.2f} ms later in the median")
    return said


def judge_farm(runs: Runs) -> Judged:
    said = Judged()
    keys = ("loaded_s", "loaded_cpu_s", "out_s", "back_s", "interval_s", "starved_s", "pss_mib")
    said.figures = found = {key: _median(runs[OURS], key) for key in keys}
    said.lines += [
        f"  farm: the whole table stands {found['loaded_s']:.1f} s after the file was opened, with {found['loaded_cpu_s']:.1f} s "
        f"of CPU time; the balancer has {found['pss_mib']:.0f} MiB",
        f"  farm: of servers asked every {found['interval_s']:g} s a tenth is out {found['out_s']:.1f} s after it died, in again "
        f"{found['back_s']:.1f} s after it came back; the balancer waited for a processor for {found['starved_s']:.1f} s",
    ]
    if found["loaded_s"] > LOADED_WITHIN:
        said.broken.append(f"the whole table stands after {found['loaded_s']:.1f} s, {LOADED_WITHIN:g} promised")
    for key, what in (("out_s", "out"), ("back_s", "in again")):
        if found[key] > found["interval_s"] + _LOOK:
            said.broken.append(
                f"the tenth is {what} after {found[key]:.1f} s, one interval ({found['interval_s']:g} s) promised"
            )
    return said


JUDGES = {"saturated": judge_saturated, "paced": judge_paced, "pulse": judge_pulse, "farm": judge_farm}


def run(parts: Sequence[str], runs: int, trial: Trial) -> ChecksReport:
    """Measure and judge the ``parts``."""
    report = ChecksReport()
    report.said.lines.append(f"checks of real servers, medians of {runs}")
    for part in (name for name in PARTS if name in parts):
        found: dict[str, list[dict[str, Any]]] = {spec.contender: [] for spec in SPECS[part]}
        for _ in range(runs):
            for spec in SPECS[part]:
                found[spec.contender] += trial(f"{part}, {spec.contender}", spec)
        report.runs |= {f"{part}, {contender}": results for contender, results in found.items()}
        if not all(found.values()):
            continue
        said = JUDGES[part](found)
        report.said.lines += said.lines
        report.said.figures[part] = said.figures
        report.said.broken += said.broken
    return report
