"""``python -m understudy.supervisor --config F --node NAME --runtime-dir D --state-dir D``: see ``service``."""

from __future__ import annotations

import argparse
import math
import os
import sys

from ..adapters.title import show
from .child import Child, raise_priority
from .place import forget_last_script, last_script, occupy
from .service import Supervisor


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="understudy.supervisor", description="Keeps pulse, manager and balancer running."
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--runtime-dir", required=True)
    parser.add_argument("--state-dir", required=True)
    parser.add_argument(
        "--lock-fd", type=int, default=-1, help="the supervisor's lock, taken by who became this process"
    )
    parser.add_argument("--stop-limit", type=float, default=300.0, help="seconds that a clean stop may take")
    parser.add_argument(
        "--no-spare", action="store_true", help="keep no spare pulse: saves its memory, restarts take longer"
    )
    parser.add_argument("--last-script", default="", help="what to run when all has ended, as JSON (see last_script)")
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
    show("supervisor")
    if given.lock_fd >= 0:
        os.set_inheritable(given.lock_fd, False)  # the lock is ours already, from before exec; no child needs it
    else:
        occupy(given.runtime_dir, given.state_dir)
    forget_last_script(given.runtime_dir)
    raise_priority(0)  # a dead pulse is to be replaced at once on a busy machine, too
    code = Supervisor(
        pulse=_child("pulse", "understudy.pulse", given),
        manager=_child("manager", "understudy.manager", given),
        spare=None if given.no_spare else _spare(given),
        stop_limit=given.stop_limit,
        node=given.node,
        balancer=_child("balancer", "understudy.balancer", given),
    ).run()
    if words := last_script(given.runtime_dir, given.last_script):
        from .last_script import run_last  # most nodes have none

        run_last(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
