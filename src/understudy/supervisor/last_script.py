"""The last thing that a supervisor does: one program, when everything else has ended (keepalived's ``shutdown_script``)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import Any

from .notify import log

_PATIENCE = 2.0
"""Seconds between SIGTERM and SIGKILL."""


def run_last(words: str) -> None:
    """``words``: JSON with ``argv``, ``uid``, ``groups`` and ``limit`` (seconds), or without for nothing. Never raises."""
    try:
        given: dict[str, Any] = json.loads(words or "{}")
    except ValueError:
        given = {}
    if not given:
        return
    argv, groups = [str(word) for word in given["argv"]], [int(number) for number in given["groups"]]
    switch = os.geteuid() == 0 and (given["uid"] != 0 or groups[0] != os.getegid())
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=2,
            cwd="/",
            env=environment,
            start_new_session=True,
            user=given["uid"] if switch else None,
            group=groups[0] if switch else None,
            extra_groups=groups if switch else None,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log(f"shutdown_script, {argv[0]}, cannot be run: {error}", "error")
        return
    try:
        status = process.wait(given["limit"])
    except subprocess.TimeoutExpired:
        log(f"shutdown_script, {argv[0]}, is not done after {given['limit']:g} s, and is ended", "error")
        for number, span in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, 1.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(span)
        return
    if status:
        log(f"shutdown_script, {argv[0]}, ended with {status}", "warning")
