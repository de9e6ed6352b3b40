"""``understudy restart``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_group, json_option, runtime_dir_option, wait_options
from .stop import ask

_NOTICED: float = 2.0
"""Seconds after which a group that was never seen to be stopped is believed to have been restarted between two looks."""


@click.command()
@click.argument("group", shell_complete=complete_group)
@wait_options
@json_option
@runtime_dir_option
def command(group: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Stop GROUP and start it again on the node that holds it.

    Its parts are stopped in order and started in order, the addresses too; the node keeps the lease, so nothing moves. That its
    parts have failed before is forgotten. It works from any node; the holder decides.

    \b
    Exit codes: 0 it has started again (with --no-wait: accepted), 2 unknown group, 3 no daemon answers here,
    4 refused: it runs nowhere, is in maintenance or about to leave, 5 not seen to be done in time.

    \b
    Example:
      understudy restart site
    """
    import time

    asked_at = time.monotonic()
    seen = False

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        nonlocal seen
        from .wait import find

        found = find(status["groups"], group)
        state, holder = found.get("state", "unknown"), found.get("holder")
        seen |= state != "started"
        noticed = seen or time.monotonic() - asked_at > _NOTICED
        return noticed and state == "started", f"{group} is {state} on {holder}" if holder else f"{group} is {state}"

    ask("restart", {"group": group}, look if wait else None, limit, as_json, runtime_dir)
