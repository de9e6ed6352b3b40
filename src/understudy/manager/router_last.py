"""``shutdown_script`` as words and numbers for the supervisor, which reads no configuration: at its start, and after a reload."""

from __future__ import annotations

import os
from typing import Any

from ..adapters.agent_proc import read_record, write_record
from ..adapters.track_users import Program, examine, user_of
from ..units import SECOND
from ..vrrp_files import RouterGlobals

FILE = "last_script.json"
"""In the runtime directory; ``supervisor.place`` prefers it to what it was started with."""


def edge_program(settings: RouterGlobals, argv: tuple[str, ...]) -> Program | str:
    """``startup_script`` or ``shutdown_script`` as it can be run, or why it cannot. Asks the name service and the disk."""
    security = settings.script_security
    return examine(argv, user_of("", settings.script_user, security), security)


def last_words(settings: RouterGlobals) -> tuple[dict[str, Any], str]:
    """``argv``, ``uid``, ``groups`` and ``limit`` (seconds), or nothing where nothing is run; and what is wrong, or ""."""
    if not settings.stopped:
        return {}, ""
    program = edge_program(settings, settings.stopped)
    if isinstance(program, str):
        return {}, f"shutdown_script will not be run: {program}"
    limit = settings.script_timeout / SECOND
    return {
        "argv": list(program.argv),
        "uid": program.user.uid,
        "groups": list(program.user.groups),
        "limit": limit,
    }, ""


def leave_last_words(runtime_dir: str, settings: RouterGlobals) -> str:
    """Write them down where they are others than before. What is wrong, or ""."""
    path = os.path.join(runtime_dir, FILE)
    words, trouble = last_words(settings)
    if words != (read_record(path) or {}):
        trouble = trouble or write_record(path, words)
    return trouble
