"""``./dev mutants``: break the core in one place at a time; the scenarios, or at most 2 000 seeds, must notice each.

Unit tests do not count here: what is asked is whether the search would have found the mistake. The result is written to
``results.md`` beside this file, with what caught each; that is tried first the next time. Ends with 1 if a mutant
survived for which no reason is written down, or if the text that one replaces is not there any more.
"""

# ruff: noqa: E501

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from mutants_core import LEASE, Mutant
from mutants_groups import GROUPS
from mutants_health import HEALTH
from mutants_proof import PROOF
from mutants_rest import REST
from mutants_stops import STOPS
from mutants_voters import VOTERS

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MUTANTS = (*LEASE, *PROOF, *REST, *GROUPS, *HEALTH, *STOPS, *VOTERS)
RESULTS = HERE / "results.md"
CORE = Path("src/understudy/core")
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \| [^|]* \| [^|]* \| (scenario|seed) ([^| ]+)")


@dataclass(frozen=True, slots=True)
class Result:
    mutant: Mutant
    by: str | None
    seeds: int
    seconds: float


def problems(root: Path = ROOT) -> list[str]:
    """What is wrong with the list itself: texts that are not there exactly once, names used twice."""
    found = []
    names = [mutant.name for mutant in MUTANTS]
    found += [f"{name} is in the list twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for mutant in MUTANTS:
        count = (root / CORE / mutant.file).read_text().count(mutant.old)
        if count != 1:
            found.append(f"{mutant.name}: its text occurs {count} times in core/{mutant.file}")
        if mutant.old == mutant.new:
            found.append(f"{mutant.name} changes nothing")
    return found


def hints() -> dict[str, str]:
    """What caught each mutant the last time."""
    if not RESULTS.exists():
        return {}
    rows = (_ROW.match(line) for line in RESULTS.read_text().splitlines())
    return {row[1]: f"{row[2]} {row[3]}" for row in rows if row is not None}


def healthy(source: Path) -> bool:
    """Whether the unbroken copy passes: otherwise every mutant would seem to be caught."""
    command = [sys.executable, str(HERE / "mutants_trial.py"), str(source.parent / "scenarios"), "20", "600"]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode == 0 and json.loads(ended.stdout.splitlines()[-1])["by"] is None:
        return True
    print(f"the core as it is does not pass: {ended.stdout or ended.stderr}", file=sys.stderr)
    return False


def trial(mutant: Mutant, source: Path, most: int, seconds: float, hint: str | None) -> Result:
    """Run one mutant from a copy of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(source, copy)
        path = copy / "understudy" / "core" / mutant.file
        path.write_text(path.read_text().replace(mutant.old, mutant.new))
        command = [
            sys.executable,
            str(HERE / "mutants_trial.py"),
            str(source.parent / "scenarios"),
            str(most),
            str(seconds),
        ]
        environment = {**os.environ, "PYTHONPATH": str(copy)}
        ended = subprocess.run(
            [*command, *([hint] if hint else [])], env=environment, capture_output=True, text=True, check=False
        )
    seconds_used = time.monotonic() - began
    if ended.returncode != 0:
        return Result(mutant, "scenario it-does-not-even-start", 0, seconds_used)
    answer = json.loads(ended.stdout.splitlines()[-1])
    return Result(mutant, answer["by"], answer["seeds"], seconds_used)


def known_rows(page: str) -> dict[str, str]:
    """The rows of a page, by mutant; of those that are still in the list."""
    names = {mutant.name for mutant in MUTANTS}
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    return {name: row for name, row in rows.items() if name in names}


def table(results: list[Result], rows: dict[str, str]) -> str:
    """The page; ``rows`` of mutants that were not tried this time stay as they are."""
    lines = [
        "# Mutants",
        "",
        "Deliberate faults in `src/understudy/core/`, one at a time, and what noticed each: a scenario of `tests/scenarios`, or a",
        "seed of `understudy sim` (at most 2 000 were tried). Written by `./dev mutants`; unit tests do not count here.",
        "",
        "| mutant | in | what it breaks | noticed by |",
        "|---|---|---|---|",
    ]
    rows = dict(rows)
    for result in results:
        by = result.by or f"**survived** {result.seeds} seeds: {result.mutant.reason or 'no reason known'}"
        rows[result.mutant.name] = f"| `{result.mutant.name}` | {result.mutant.file} | {result.mutant.breaks} | {by} |"
    order = sorted(MUTANTS, key=lambda mutant: (mutant.file, mutant.name))
    lines += [rows[mutant.name] for mutant in order if mutant.name in rows]
    survived = sum("| **survived**" in row for row in rows.values())
    lines += ["", f"{len(rows)} mutants, {len(rows) - survived} caught, {survived} survived."]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--seeds", type=int, default=2000, help="at most so many seeds for each (2000)")
    parser.add_argument(
        "--seeds-known", type=int, default=500, help="for those that are known to survive, and why (500)"
    )
    parser.add_argument("--seconds", type=float, default=1200, help="at most so long for each (1200)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="forget what caught each the last time")
    parser.add_argument("--no-write", action="store_true", help="leave results.md as it is")
    options = parser.parse_args()
    wrong = problems()
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    chosen = [m for m in MUTANTS if not options.only or m.name in options.only.split(",")]
    known = {} if options.fresh else hints()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(options.jobs) as pool:
        source = Path(folder) / "src"  # the tree may change while this runs
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests" / "scenarios", Path(folder) / "scenarios")
        if not healthy(source):
            return 1
        waiting = [
            pool.submit(
                trial,
                mutant,
                source,
                options.seeds_known if mutant.reason else options.seeds,
                options.seconds,
                known.get(mutant.name),
            )
            for mutant in chosen
        ]
        for done in as_completed(waiting):
            result = done.result()
            results.append(result)
            said = result.by or f"SURVIVED {result.seeds} seeds" + (
                " (a reason is known)" if result.mutant.reason else ""
            )
            print(f"{len(results)}/{len(chosen)} {result.mutant.name}: {said}, {result.seconds:.0f} s", flush=True)
    survivors = [result for result in results if result.by is None]
    if not options.no_write:
        RESULTS.write_text(table(results, known_rows(RESULTS.read_text() if RESULTS.exists() else "")))
    print(f"{len(results)} mutants, {len(results) - len(survivors)} caught")
    for result in survivors:
        print(
            f"survived: {result.mutant.name} ({result.mutant.breaks}); {result.mutant.reason or 'NO REASON IS KNOWN'}"
        )
    return 1 if any(not result.mutant.reason for result in survivors) else 0


if __name__ == "__main__":
    raise SystemExit(main())
