"""``python -m understudy.supervisor --config F --node NAME --runtime-dir D --state-dir D``: see ``service``."""

from __future__ import annotations

import argparse
import os
import sys

from ..adapters import lockfile
from .child import EXIT_BUSY, EXIT_CONFIG, Child
from .notify import log
from .service import Supervisor

_PRIORITY = 10


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="understudy.supervisor", description="Keeps pulse and manager running.")
    parser.add_argument("--config", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--runtime-dir", required=True)
    parser.add_argument("--state-dir", required=True)
    parser.add_argument("--stop-limit", type=float, default=300.0, help="seconds that a clean stop may take")
    return parser.parse_args()


def _child(name: str, module: str, given: argparse.Namespace) -> Child:
    # -P and -s: nothing from the current directory or from somebody's home is ever imported by a root daemon.
    argv = (
        *(sys.executable, "-P", "-s", "-m", module),
        *("--config", os.path.abspath(given.config), "--node", given.node),
        *("--runtime-dir", os.path.abspath(given.runtime_dir), "--state-dir", os.path.abspath(given.state_dir)),
    )
    return Child(name, argv, os.path.join(given.runtime_dir, f"{name}.lock"))


def _raise_priority() -> None:
    """So that a dead pulse is started again at once on a busy machine, too; children start ordinary (reset on fork)."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError:
        pass  # the pulse asks for the same and reports the refusal


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
    _raise_priority()
    return Supervisor(
        pulse=_child("pulse", "understudy.pulse", given),
        manager=_child("manager", "understudy.manager", given),
        stop_limit=given.stop_limit,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
