"""The fault matrix: ``python -m understudy.lab.matrix [--only FAULT,...] [--policy POLICY,...] [--write docs/faults.md]``.

Every fault against every quorum policy, each in namespaces of its own with real daemons, and an observer outside that asks each
machine separately, every millisecond, by its MAC address, whether it serves the address (ICMP and ARP). Exit status 1 when a
row is not as the policy promises.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .faults import FAULTS, NOT_HERE, POLICIES, Fault

LONGEST = 120.0
NOT_PROMISED = "not promised"


def run_row(item: Fault, policy: str) -> dict[str, Any]:
    """One row, in a process of its own; ``error`` says why there is no result."""
    command = [sys.executable, "-m", "understudy.lab.fault_row", item.name, policy]
    empty = {"fault": item.name, "policy": policy, "error": ""}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return {**empty, "error": f"not done within {LONGEST:.0f} s"}
    if done.returncode != 0:
        return {**empty, "error": (done.stderr.strip().splitlines() or ["no word"])[-1][:300]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def verdict(item: Fault, row: dict[str, Any]) -> tuple[bool, str]:
    """Whether the row is as promised, and the words for the table."""
    if row.get("error"):
        return False, f"NO RESULT: {row['error']}"
    if row["asked"] < 300:
        return False, f"NO RESULT: the client asked only {row['asked']} times"
    if item.proof:
        return row["two_ms"] > 0, "two were seen: the observer can see" if row["two_ms"] else "THE OBSERVER IS BLIND"
    if row["two_ms"] and row["policy"] not in item.not_promised:
        return False, f"BROKEN: {row['two_ms']} ms with two"
    if row["expected"] == "stays" and row["moves"] and row["policy"] not in item.not_promised:
        return False, f"BROKEN: moved {row['moves']} times, and should not have"
    if not row["as_expected"]:
        return False, f"BROKEN: {row['after'] or 'nobody'} serves at the end, expected: {row['expected']}"
    if row["policy"] in item.not_promised:
        return True, f"{NOT_PROMISED} (see below)"
    return True, "as promised"


def table(rows: Sequence[dict[str, Any]], peers: Sequence[dict[str, Any]]) -> str:
    """The page, in Markdown."""
    lines = ["| fault | policy | outage, ms | ms with two | moves | verdict |", "|---|---|---|---|---|---|"]
    for item in FAULTS:
        for row in (row for row in rows if row["fault"] == item.name):
            _, words = verdict(item, row)
            if row.get("error"):
                lines.append(f"| {item.name}: {item.says} | {row['policy']} | | | | {words} |")
                continue
            outage = "-" if row["outage_ms"] is None else f"{row['outage_ms']:.0f}"
            outage += "" if row["mended"] else " and on"
            cells = (f"{item.name}: {item.says}", row["policy"], outage, str(row["two_ms"]), str(row["moves"]), words)
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Not made in namespaces:", ""]
    lines += [f"- {name}: {why}." for name, why in NOT_HERE.items()]
    if peers:
        lines += ["", "| tool | fault | outage, ms | ms with two | |", "|---|---|---|---|---|"]
        for peer in peers:
            end = "without end" if peer.get("endless") else ""
            tool = f"{peer['tool']} {peer['version']} ({peer['settings']})"
            outage = "-" if peer["outage_ms"] is None else f"{peer['outage_ms']:.0f}"
            outage += "" if peer.get("mended", True) else " and on"
            lines.append(f"| {tool} | {peer['fault']} | {outage} | {peer['two_ms']} | {end} |")
    return "\n".join(lines) + "\n"


def write_page(path: Path, text: str) -> None:
    """Replace what stands between the marks of the page."""
    begin, end = "<!-- table -->", "<!-- end of table -->"
    page = path.read_text(encoding="utf-8")
    before, rest = page.split(begin, 1)
    after = rest.split(end, 1)[1]
    path.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="FAULT,...", help="these faults only")
    parser.add_argument("--policy", default="", metavar="POLICY,...", help=f"of: {', '.join(POLICIES)}")
    parser.add_argument("--peers", default="docs/peers-faults.json", help="other tools' numbers, to stand beside")
    parser.add_argument("--write", metavar="FILE", help="put the table into this page")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    names, policies = options.only.split(","), options.policy.split(",")
    unknown = [name for name in names if name and name not in {item.name for item in FAULTS}]
    unknown += [name for name in policies if name and name not in POLICIES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; faults: {', '.join(item.name for item in FAULTS)}")
    rows, broken = [], 0
    for item in FAULTS:
        for policy in item.only:
            if (options.only and item.name not in names) or (options.policy and policy not in policies):
                continue
            row = run_row(item, policy)
            good, words = verdict(item, row)
            broken += not good
            rows.append({**row, "verdict": words, "good": good})
            seen = "" if row.get("error") else f"{row['outage_ms']} ms, {row['two_ms']} with two, "
            print(f"{item.name:<26} {policy:<9} {seen}{words}", file=sys.stderr, flush=True)
            if not good:
                print(f"   to repeat: ./dev faults --only {item.name} --policy {policy}", file=sys.stderr)
    peers_file = Path(options.peers)
    peers = json.loads(peers_file.read_text(encoding="utf-8")) if peers_file.exists() else []
    if options.json:
        print(json.dumps({"rows": rows, "broken": broken}, indent=2))
    if options.write:
        write_page(Path(options.write), table(rows, peers))
    print(f"{len(rows)} rows, {broken} not as promised", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
