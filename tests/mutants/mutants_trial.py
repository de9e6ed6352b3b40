"""One mutant, in a process of its own whose ``understudy`` is the mutated copy: which scenario, or which seed, notices it?

    python trial.py SCENARIOS_FOLDER MOST_SEEDS SECONDS [HINT...]

Prints one JSON object: ``{"by": "scenario NAME" | "seed N" | null, "seeds": how many were run}``. A hint is what caught it before.
"""

# ruff: noqa: E501

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def notices(scenario: Path) -> bool:
    from understudy.core.node import Node
    from understudy.sim.script import Script

    text = scenario.read_text()
    try:
        rendered = Script(Node).render(text)
    except Exception:
        return True
    return rendered.text != text or bool(rendered.failures)


def fails(seed: int) -> bool:
    from understudy.core.node import Node
    from understudy.sim.run import run_seed

    return bool(run_seed(seed, Node).findings)


def search(folder: Path, most: int, seconds: float, hints: list[str]) -> tuple[str | None, int]:
    scenarios = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    for hint in hints:
        kind, _, name = hint.partition(" ")
        if kind == "seed" and fails(int(name)):
            return hint, 1
        if kind == "scenario" and name in scenarios and notices(scenarios[name]):
            return hint, 0
    for name, path in scenarios.items():
        if notices(path):
            return f"scenario {name}", 0
    end = time.monotonic() + seconds
    for seed in range(most):
        if fails(seed):
            return f"seed {seed}", seed + 1
        if time.monotonic() > end:
            return None, seed + 1
    return None, most


if __name__ == "__main__":
    by, seeds = search(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
    print(json.dumps({"by": by, "seeds": seeds}))
