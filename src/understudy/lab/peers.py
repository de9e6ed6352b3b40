"""The same faults against Debian's keepalived: ``python -m understudy.lab.peers [--json FILE]``.

Two routers with one address, version 3, adverts every 100 ms, everything else at its default: what people have. The same lab and
observer. Each fault in a world of its own, one after the other.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..units import MILLISECOND, SECOND
from . import inside, kernel
from .trial import Spec, Trial

WINDOW = 8.0
"""Seconds that each fault is watched."""

FAULTS = ("power-off", "daemon-killed", "daemon-frozen", "cut-between-two")


def measure(name: str) -> dict[str, Any]:
    """One fault; times in milliseconds."""
    trial = Trial(replace(Spec("peers"), contender="keepalived", advert="0.1"))
    stage = trial.stage
    machine = stage.room.machine("ha01")
    start = kernel.now()
    if name == "power-off":
        stage.do("power ha01 off")
    elif name == "cut-between-two":
        stage.do("cut ha01 ha02 service on")
    else:
        found = [process for process in machine.processes() if process.argv[0].endswith("keepalived")]
        machine.signal(found, signal.SIGKILL if name == "daemon-killed" else signal.SIGSTOP)
    time.sleep(WINDOW)
    now = kernel.now()
    seen = stage.watchers.seen(start, now)
    last = stage.watchers.two(now - SECOND, now)
    stage.close()
    return {
        "tool": "keepalived",
        "settings": "VRRP 3, advert_int 0.1",
        "fault": name,
        "outage_ms": None if seen.address is None else round(seen.address.length / MILLISECOND, 1),
        "two_ms": seen.two,
        "endless": len(last) > 500,
        "window_ms": int(WINDOW * 1000),
    }


def version() -> str:
    done = subprocess.run(["keepalived", "--version"], capture_output=True, text=True, check=False)
    words = (done.stderr + done.stdout).split()
    return next((word.strip("v") for word in words if word[:1] == "v" and word[1:2].isdigit()), "?")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--one", metavar="FAULT", choices=FAULTS, help="this fault only, in this very process")
    options = parser.parse_args()
    if options.one:
        name = options.one

        def work() -> int:
            print(json.dumps(measure(name)))
            return 0

        return inside.enter(work)
    rows = []
    for name in FAULTS:
        command = [sys.executable, "-m", "understudy.lab.peers", "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            print(f"{name}: {done.stderr.strip()[-300:]}", file=sys.stderr)
            return 1
        rows.append({**json.loads(done.stdout.splitlines()[-1]), "version": version()})
        print(json.dumps(rows[-1]), file=sys.stderr)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
