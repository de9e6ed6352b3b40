"""The benchmark: ``python -m understudy.lab.bench failover|vrrp|checks|dataplane [--runs N] [--only PART,...] [--json]``.

Measures what a client sees, on this machine, in namespaces made for it, beside Debian's keepalived in namespaces made the same
way. Every run of ``failover`` is a fresh cluster in a world of its own; contenders take turns, so that a busy minute of the
machine hits all of them; the phase of the fault is drawn from a seed. Results are judged by their limits and by ratios of
medians, not by the speed of this machine. Exit status: 0, or 1 when a limit is broken (each is named).

Parts: ``failover`` (power off), ``move`` (planned moves), ``kill`` (pulse and manager killed), ``idle`` (memory and CPU), ``old``
(with Heartbeat's files, beside Debian's heartbeat). ``vrrp``, ``checks`` and ``dataplane`` have parts of their own, see
``vrrp_bench``, ``checks_bench`` and ``plane_bench``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from . import checks_bench, old_bench, plane_bench, vrrp_bench
from .checks_trial import ChecksSpec
from .farm_trial import FarmSpec
from .old_trial import OldSpec
from .trial import Spec
from .vrrp_trial import VrrpSpec

SCHEMA = 1
PARTS = ("failover", "move", "kill", "idle", "old")
_MODULES = {
    Spec: "understudy.lab.trial",
    OldSpec: "understudy.lab.old_trial",
    VrrpSpec: "understudy.lab.vrrp_trial",
    ChecksSpec: "understudy.lab.checks_trial",
    FarmSpec: "understudy.lab.farm_trial",
}
_LONGEST_TRIAL = 900.0
"""Fifty addresses take heartbeat half a minute, and many times that where others compute."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the failover table. Limits in milliseconds; ``against`` names the line whose median is the measure."""

    name: str
    spec: Spec
    never_above: float | None = None
    median_at_most: float | None = None
    against: str = ""
    ratio_at_most: float | None = None


CONTENDERS = (
    Contender("understudy 1s / 200ms", Spec("power-off", dead_time="1s", heartbeat="200ms"), never_above=1030.0),
    Contender(
        "understudy 300ms / 60ms",
        Spec("power-off", dead_time="300ms", heartbeat="60ms"),
        never_above=330.0,
        against="keepalived 0.1",
        ratio_at_most=1.0,
    ),
    Contender("keepalived 0.1", Spec("power-off", contender="keepalived", advert="0.1")),
    Contender(
        "understudy 40ms / 10ms",
        Spec("power-off", dead_time="40ms", heartbeat="10ms"),
        median_at_most=45.0,
        against="keepalived 0.01",
        ratio_at_most=1.1,
    ),
    Contender("keepalived 0.01", Spec("power-off", contender="keepalived", advert="0.01")),
)
"""Dead time / heartbeat, and the limits that this project promises (issue "a site stays up")."""

MOVE_MEDIAN = 10.0
PULSE_MEMORY, ALL_MEMORY, ALL_CPU = 40.0, 100.0, 1.0


@dataclass(slots=True)
class Report:
    """What came out. ``broken``: the limits that did not hold, one sentence each."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class Bench:
    """Runs the parts and judges them."""

    def __init__(self, runs: int, seed: int, progress: bool) -> None:
        self._runs, self._seed, self._progress = runs, seed, progress
        self.report = Report()

    def _tell(self, text: str) -> None:
        if self._progress:
            print(text, file=sys.stderr, flush=True)

    def _trial(self, name: str, spec: Spec | OldSpec | VrrpSpec | ChecksSpec) -> list[dict[str, Any]]:
        """Run one trial in its own process; a failure is told, counted as broken, and gives no results."""
        return self._process(name, [_MODULES[type(spec)], json.dumps(asdict(spec))])

    def _process(self, name: str, words: Sequence[str]) -> list[dict[str, Any]]:
        command = [sys.executable, "-m", *words]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LONGEST_TRIAL, check=False
            )
            results: list[dict[str, Any]] = json.loads(done.stdout)["results"] if done.returncode == 0 else []
            complaint = done.stderr.strip()
        except subprocess.TimeoutExpired:
            results, complaint = [], f"no end after {_LONGEST_TRIAL:.0f} s"
        if not results:
            self._tell(complaint)
            self.report.broken.append(f"{name}: a run failed: {complaint.splitlines()[0] if complaint else 'no word'}")
        return results

    def failover(self, only: str) -> None:
        """Power off, the contenders taking turns."""
        wanted = [contender for contender in CONTENDERS if only in contender.name]
        runs: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in wanted}
        for number in range(self._runs):
            for contender in wanted:
                spec = replace(contender.spec, seed=self._seed * 1000 + number)
                results = self._trial(contender.name, spec)
                runs[contender.name] += results
                for result in results:
                    self._tell(
                        f"  {number + 1}/{self._runs} {contender.name:24} {result['outage_ms']:8.1f} ms"
                        f"  two at once: {result['two']} ms  (client itself late: {result['client_late_ms']:.1f} ms)"
                    )
        self.report.runs |= runs
        self._judge_failover(wanted, runs)

    def _judge_failover(self, wanted: Sequence[Contender], runs: dict[str, list[dict[str, Any]]]) -> None:
        medians = {
            name: statistics.median(result["outage_ms"] for result in results)
            for name, results in runs.items()
            if results
        }
        lines = self.report.lines
        lines.append(f"power off, outage at the client in ms ({self._runs} runs each)")
        lines.append(f"  {'':26}{'min':>8}{'median':>9}{'max':>9}{'two':>5}   ratio of medians")
        for contender in wanted:
            if contender.name not in medians:
                continue
            outages = [result["outage_ms"] for result in runs[contender.name]]
            two = sum(result["two"] for result in runs[contender.name])
            median = medians[contender.name]
            ratio = median / medians[contender.against] if contender.against in medians else None
            text = f"{ratio:.2f} of {contender.against} (limit {contender.ratio_at_most})" if ratio is not None else ""
            lines.append(f"  {contender.name:26}{min(outages):8.1f}{median:9.1f}{max(outages):9.1f}{two:5}   {text}")
            self._limits(contender, outages, median, ratio, two)
            self.report.figures[contender.name] = {
                "min_ms": min(outages), "median_ms": median, "max_ms": max(outages), "ratio": ratio, "two_ms": two,
            }  # fmt: skip

    def _limits(
        self, contender: Contender, outages: Sequence[float], median: float, ratio: float | None, two: int
    ) -> None:
        broken, name = self.report.broken, contender.name
        if contender.never_above is not None and max(outages) > contender.never_above:
            broken.append(f"{name}: {max(outages):.1f} ms, never more than {contender.never_above:.0f} ms promised")
        if contender.median_at_most is not None and median > contender.median_at_most:
            broken.append(f"{name}: median {median:.1f} ms, at most {contender.median_at_most:.0f} ms promised")
        if ratio is not None and contender.ratio_at_most is not None and ratio > contender.ratio_at_most:
            broken.append(f"{name}: {ratio:.2f} times {contender.against}, at most {contender.ratio_at_most} promised")
        if two and contender.spec.contender == "understudy":
            broken.append(f"{name}: two machines answered in {two} sampled milliseconds")

    def move(self) -> None:
        """Planned moves of an address with a service that runs on both machines."""
        results = self._trial("planned move", Spec("move", repeat=self._runs, seed=self._seed))
        self.report.runs["planned move"] = results
        if not results:
            return
        outages = [result["outage_ms"] for result in results]
        median, two = statistics.median(outages), sum(result["two"] for result in results)
        self.report.lines.append(
            f"planned move, outage at the client in ms ({len(outages)} moves): min {min(outages):.1f}, median {median:.1f}, "
            f"max {max(outages):.1f} (limit for the median {MOVE_MEDIAN:.0f}); two at once {two} ms"
        )
        self.report.figures["planned move"] = {
            "min_ms": min(outages), "median_ms": median, "max_ms": max(outages), "two_ms": two,
        }  # fmt: skip
        if median > MOVE_MEDIAN:
            self.report.broken.append(f"planned move: median {median:.1f} ms, at most {MOVE_MEDIAN:.0f} ms promised")
        if two:
            self.report.broken.append(f"planned move: two machines answered in {two} sampled milliseconds")

    def kill(self) -> None:
        """kill -9 of the pulse and of the manager of the machine that serves."""
        results = self._trial("killed", Spec("kill", repeat=max(1, self._runs // 2), seed=self._seed))
        self.report.runs["killed"] = results
        for part in ("pulse", "manager"):
            found = [result for result in results if result["part"] == part]
            if not found:
                continue
            lost, asked = (sum(result[key] for result in found) for key in ("lost_10ms", "asked_10ms"))
            strangers, two = (sum(result[key] for result in found) for key in ("strangers", "two"))
            longest = max(result["outage_ms"] for result in found)
            self.report.lines.append(
                f"kill -9 of the {part} ({len(found)} times): {lost} of {asked} requests lost at one per 10 ms; longest time "
                f"between answers at one per ms {longest:.1f} ms; answered by the other machine {strangers}; two at once {two} ms"
            )
            self.report.figures[f"{part} killed"] = {"lost": lost, "asked": asked, "longest_ms": longest, "two_ms": two}
            if lost or strangers or two:
                self.report.broken.append(
                    f"{part} killed: {lost} lost, {strangers} from the other machine, {two} ms two at once"
                )

    def idle(self) -> None:
        """Memory and CPU time at 200 ms heartbeats.

        Resident memory counts a page again in every process that shares it, so the sum of all parts, the spare pulse included, is
        judged by its proportional size; pulse and manager also by the plain sum.
        """
        results = self._trial("idle", Spec("idle"))
        self.report.runs["idle"] = results
        if not results:
            return
        rss = {result["part"]: result["rss_mb"] for result in results}
        pss = sum(result["pss_mb"] for result in results)
        cpu = sum(result["cpu_percent"] for result in results)
        for result in results:
            self.report.lines.append(
                f"idle {result['part']:10} {result['rss_mb']:6.1f} MB resident ({result['pss_mb']:.1f} MB proportional), "
                f"{result['cpu_percent']:.2f} % of a core"
            )
        both = rss["pulse"] + rss["manager"]
        self.report.lines.append(
            f"idle all: {pss:.1f} MB proportional; pulse and manager {both:.1f} MB resident; {cpu:.2f} %"
        )
        self.report.figures["idle"] = {"rss_mb": rss, "pss_mb": pss, "cpu_percent": cpu}
        if rss["pulse"] > PULSE_MEMORY:
            self.report.broken.append(f"the pulse has {rss['pulse']:.1f} MB, at most {PULSE_MEMORY:.0f} MB promised")
        if max(both, pss) > ALL_MEMORY:
            self.report.broken.append(
                f"pulse and manager have {both:.1f} MB resident, all parts {pss:.1f} MB proportional; "
                f"at most {ALL_MEMORY:.0f} MB promised"
            )
        if cpu >= ALL_CPU:
            self.report.broken.append(f"idle CPU time {cpu:.2f} % of a core, under {ALL_CPU:.0f} % promised")

    def _told_trial(self, name: str, spec: OldSpec) -> list[dict[str, Any]]:
        results = self._trial(name, spec)
        for result in results:
            last = result.get("last_ms", result["page_ms"])
            self._tell(
                f"  {name:20} address {result['address_ms']:8.1f} ms after the dead time, the last part {last:8.1f} ms"
            )
        return results

    def old(self) -> None:
        """With Heartbeat's files, ours and heartbeat taking turns."""
        for kind, judge in (("apache", old_bench.judge_apache), ("many", old_bench.judge_many)):
            runs = old_bench.measure(kind, max(1, self._runs // 3), self._told_trial)
            self.report.runs |= {f"{kind}, {name}": results for name, results in runs.items()}
            if not all(runs.values()):
                continue
            said = judge(runs)
            self.report.lines += said.lines
            self.report.figures[f"old {kind}"] = said.figures
            self.report.broken += said.broken

    def vrrp(self, parts: Sequence[str]) -> None:
        """Virtual routers, ours and keepalived taking turns."""
        found = vrrp_bench.run(parts, self._runs, self._seed, self._told_router)
        self.report.runs |= found.runs
        self.report.lines += found.said.lines
        self.report.figures |= found.said.figures
        self.report.broken += found.said.broken

    def dataplane(self) -> None:
        """Load balancing: the kernel's way and haproxy's, taking turns."""
        found, said = plane_bench.run(self._runs, lambda: self._process("dataplane", ["understudy.lab.plane_bench"]))
        self.report.runs["dataplane"] = found
        self.report.lines += said.lines
        self.report.figures["dataplane"] = said.figures
        self.report.broken += said.broken

    def _told_router(self, name: str, spec: VrrpSpec) -> list[dict[str, Any]]:
        results = self._trial(name, spec)
        for result in results:
            figures = "  ".join(f"{key} {value:.1f}" for key, value in result.items() if isinstance(value, float))
            self._tell(f"  {name:40} {figures}  two {result['two_ms']} ms")
        return results

    def checks(self, parts: Sequence[str]) -> None:
        """Checks of real servers, ours and ldirectord's taking turns."""
        found = checks_bench.run(parts, self._runs, self._told_checks)
        self.report.runs |= found.runs
        self.report.lines += found.said.lines
        self.report.figures |= found.said.figures
        self.report.broken += found.said.broken

    def _told_checks(self, name: str, spec: ChecksSpec) -> list[dict[str, Any]]:
        results = self._trial(name, spec)
        for result in results:
            figures = "  ".join(f"{key} {value:.2f}" for key, value in result.items())
            self._tell(f"  {name:28} {figures}")
        return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the outage that a client sees.")
    parser.add_argument(
        "what",
        nargs="?",
        default="failover",
        choices=("failover", "vrrp", "checks", "dataplane"),
        help="power off, moves, killed processes, idle cost; virtual routers beside keepalived; checks of real servers beside "
        "ldirectord; balancing beside haproxy",
    )
    parser.add_argument("--runs", type=int, default=10, help="runs of each contender (default 10)")
    parser.add_argument(
        "--only",
        default="",
        metavar="PART",
        help=f"comma-separated, of: {', '.join(PARTS)}; with vrrp: {', '.join(vrrp_bench.PARTS)}; with checks: "
        f"{', '.join(checks_bench.PARTS)}",
    )
    parser.add_argument(
        "--contender", default="", metavar="TEXT", help="only lines of failover whose name has TEXT in it"
    )
    parser.add_argument("--seed", type=int, default=1, help="draws the phase of the faults (default 1)")
    parser.add_argument(
        "--json", action="store_true", help="print the figures and every run as JSON; progress on stderr"
    )
    parser.add_argument("--write", metavar="FILE", help="write the same JSON there, whatever is printed")
    given = parser.parse_args()
    known = {"vrrp": vrrp_bench.PARTS, "checks": checks_bench.PARTS}.get(given.what, PARTS)
    parts = given.only.split(",") if given.only else list(known)
    if not set(parts) <= set(known) or given.runs < 1:
        parser.error(f"--only knows {', '.join(known)}; --runs is at least 1")
    bench = Bench(given.runs, given.seed, progress=True)
    if given.what == "vrrp":
        bench.vrrp(parts)
    if given.what == "checks":
        bench.checks(parts)
    if given.what == "dataplane":
        bench.dataplane()
    for part in PARTS if given.what == "failover" else ():
        if part in parts:
            print(f"{part} ...", file=sys.stderr, flush=True)
            bench.failover(given.contender) if part == "failover" else getattr(bench, part)()
    sys.exit(_tell_all(bench.report, given.json, given.write))


def _tell_all(report: Report, as_json: bool, file: str | None) -> int:
    """Print and write it; the exit status."""
    told = {"schema": SCHEMA, "ok": not report.broken, "load": os.getloadavg(), **asdict(report)}
    text = json.dumps(told, indent=2)
    if file is not None:
        with open(file, "w", encoding="utf-8") as out:
            out.write(text + "\n")
    if as_json:
        print(text)
    else:
        print("\n" + "\n".join(report.lines))
        print("\n" + ("every limit holds" if not report.broken else "limits broken:"))
        for sentence in report.broken:
            print(f"  {sentence}")
    return 1 if report.broken else 0


if __name__ == "__main__":
    main()
