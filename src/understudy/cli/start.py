"""``understudy start``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_group, json_option, reason_option, runtime_dir_option, wait_options
from .stop import ask


@click.command()
@click.argument("group", shell_complete=complete_group)
@reason_option
@wait_options
@json_option
@runtime_dir_option
def command(group: str, reason: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Let GROUP run again, after "understudy stop GROUP".

    It starts where it belongs: on the first node that its configuration prefers and that can run it.

    \b
    Exit codes: 0 it has started (with --no-wait: accepted), 2 unknown group, 3 no daemon answers here,
    4 refused, 5 not seen to be done in time (the cluster goes on with it; look with "understudy status").

    \b
    Example:
      understudy start site
    """

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        from .wait import find

        found = find(status["groups"], group)
        state, holder = found.get("state", "unknown"), found.get("holder")
        text = f"{group} is {state} on {holder}" if holder else f"{group} is {state}: {found.get('why', '')}"
        return holder is not None and state == "started", text

    ask("start", {"group": group, "reason": reason}, look if wait else None, limit, as_json, runtime_dir)
