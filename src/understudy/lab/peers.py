"""The same faults against Debian's keepalived and heartbeat: ``python -m understudy.lab.peers [--json FILE]``.

keepalived: two routers with one address, version 3, adverts every 100 ms; heartbeat: 200 ms and 1 s over a cable of its own, all
else at its default: what people have. The same lab and observer. Each fault in a world of its own, one after the other.
(pacemaker wants a D-Bus and a home of its own on each machine; its numbers are not measured here.)
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..units import MILLISECOND, SECOND
from . import heartbeat, inside, kernel
from .netns import Machine
from .trial import Spec, Trial, start_keepalived

WINDOW = 12.0
"""Seconds that each fault is watched."""

FAULTS = ("power-off", "daemon-killed", "daemon-frozen", "cut-between-two")


def _is_keepalived(argv: tuple[str, ...]) -> bool:
    return argv[0].endswith("keepalived")


TOOLS: dict[str, tuple[Callable[[Machine], None], Callable[[tuple[str, ...]], bool], str, str]] = {
    "keepalived": (
        lambda machine: start_keepalived(machine, "0.1"),
        _is_keepalived,
        "service",
        "VRRP 3, advert_int 0.1",
    ),
    "heartbeat": (heartbeat.start_heartbeat, heartbeat.is_part, "heartbeat", "keepalive 200ms, deadtime 1"),
}
"""How it is started, which processes are its, the network on which its machines hear each other, its settings in words."""


def measure(tool: str, name: str) -> dict[str, Any]:
    """One fault; times in milliseconds."""
    start_tool, is_part, network, settings = TOOLS[tool]
    trial = Trial(replace(Spec("peers"), contender=tool), start_tool)
    stage = trial.stage
    machine = stage.room.machine("ha01")
    start = kernel.now()
    if name == "power-off":
        stage.do("power ha01 off")
    elif name == "cut-between-two":
        stage.do(f"cut ha01 ha02 {network} on")
    else:
        found = [process for process in machine.processes() if is_part(process.argv)]
        machine.signal(found, signal.SIGKILL if name == "daemon-killed" else signal.SIGSTOP)
    time.sleep(WINDOW)
    now = kernel.now()
    seen = stage.watchers.seen(start, now)
    last = stage.watchers.two(now - SECOND, now)
    stage.close()
    return {
        "tool": tool,
        "settings": settings,
        "fault": name,
        "outage_ms": None if seen.address is None else round(seen.address.length / MILLISECOND, 1),
        "mended": seen.address is not None and seen.address.mended,
        "two_ms": seen.two,
        "endless": len(last) > 500,
        "window_ms": int(WINDOW * 1000),
    }


def version(tool: str) -> str:
    """As Debian's package has it, without epoch and revision."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", tool], capture_output=True, text=True, check=False)
    return done.stdout.rpartition(":")[2].partition("-")[0] or "?"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the results there")
    parser.add_argument("--one", nargs=2, metavar=("TOOL", "FAULT"), help="this fault only, in this very process")
    options = parser.parse_args()
    if options.one:
        tool, name = options.one
        return inside.answer(lambda: measure(tool, name))
    rows = []
    for tool in TOOLS:
        for name in FAULTS:
            command = [sys.executable, "-m", "understudy.lab.peers", "--one", tool, name]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
            if done.returncode != 0:
                print(f"{tool} {name}: {done.stderr.strip()[-300:]}", file=sys.stderr)
                return 1
            rows.append({**json.loads(done.stdout.splitlines()[-1]), "version": version(tool)})
            print(json.dumps(rows[-1]), file=sys.stderr)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
