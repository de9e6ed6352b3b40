"""The directories of one node, and the lock by which there is one supervisor for them."""

from __future__ import annotations

import contextlib
import os

from ..adapters import lockfile, own_unit
from .child import EXIT_BUSY, EXIT_CONFIG
from .notify import log

LAST_SCRIPT = "last_script.json"
"""In the runtime directory: what the manager wants to be run last (``manager.router_last``)."""


def forget_last_script(runtime_dir: str) -> None:
    """It was an earlier supervisor's."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(runtime_dir, LAST_SCRIPT))


def last_script(runtime_dir: str, given: str) -> str:
    """What is to be run when all has ended, as JSON: the manager's words, else ``given``, which counted at the start."""
    try:
        with open(os.path.join(runtime_dir, LAST_SCRIPT), encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return given


def occupy(runtime_dir: str, state_dir: str) -> int:
    """Make both directories and take the supervisor's lock; returns the descriptor that must stay open.

    Raises SystemExit with 2 when they cannot be used and 75 when another supervisor is there, after saying so.
    """
    try:
        os.makedirs(runtime_dir, mode=0o755, exist_ok=True)
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        lock = lockfile.take(os.path.join(runtime_dir, "supervisor.lock"))
    except OSError as error:
        log(
            f"cannot use {error.filename}: {error.strerror}; choose --runtime-dir and --state-dir that I may write to",
            "error",
        )
        raise SystemExit(EXIT_CONFIG) from None
    if lock is None:
        unit = own_unit.own_unit(runtime_dir)
        text = f"another supervisor runs for {runtime_dir} (systemctl status {unit}); stop it first, or give this node its own"
        log(f"{text} --runtime-dir", "error")
        raise SystemExit(EXIT_BUSY)
    return lock
