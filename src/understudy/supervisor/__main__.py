"""``python -m understudy.supervisor --config F --node NAME --runtime-dir D --state-dir D``: see ``service``."""

from __future__ import annotations

import argparse
import math
import os
import sys

from ..adapters import lockfile
from .child import EXIT_BUSY, EXIT_CONFIG, Child, raise_priority
from .notify import log
from .service import Supervisor


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="understudy.supervisor", description="Keeps pulse and manager running.")
    parser.add_argument("--config", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--runtime-dir", required=True)
    parser.add_argument("--state-dir", required=True)
    parser.add_argument("--stop-limit", type=float, default=300.0, help="seconds that a clean stop may take")
    parser.add_argument(
        "--no-spare", action="store_true", help="keep no spare pulse: saves its memory, restarts take longer"
    )
    return parser.parse_args()


def _child(name: str, module: str, given: argparse.Namespace) -> Child:
    # -P and -s: nothing from the current directory or from somebody's home is ever imported by a root daemon.
    argv = (
        *(sys.executable, "-P", "-s", "-m", module),
        *("--config", os.path.abspath(given.config), "--node", given.node),
        *("--runtime-dir", os.path.abspath(given.runtime_dir), "--state-dir", os.path.abspath(given.state_dir)),
    )
    return Child(name, argv, os.path.join(given.runtime_dir, f"{name}.lock"))


def _spare(given: argparse.Namespace) -> Child:
    made = _child("spare", "understudy.pulse", given)
    made.due = math.inf  # not before the first pulse works
    return made


def main() -> int:
    given = _arguments()
    try:
        os.makedirs(given.runtime_dir, mode=0o755, exist_ok=True)
        os.makedirs(given.state_dir, mode=0o700, exist_ok=True)
        lock = lockfile.take(os.path.join(given.runtime_dir, "supervisor.lock"))
    except OSError as error:
        log(
            f"cannot use {error.filename}: {error.strerror}; choose --runtime-dir and --state-dir that I may write to",
            "error",
        )
        return EXIT_CONFIG
    if lock is None:
        log(
            f"another supervisor runs for {given.runtime_dir}; stop it first, or give this node its own --runtime-dir",
            "error",
        )
        return EXIT_BUSY
    raise_priority(0)  # a dead pulse is to be replaced at once on a busy machine, too
    return Supervisor(
        pulse=_child("pulse", "understudy.pulse", given),
        manager=_child("manager", "understudy.manager", given),
        spare=None if given.no_spare else _spare(given),
        stop_limit=given.stop_limit,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
