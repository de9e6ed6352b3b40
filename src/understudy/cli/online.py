"""``understudy online``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_node, json_option, runtime_dir_option, wait_options
from .standby import ask


@click.command()
@click.argument("node", shell_complete=complete_node)
@wait_options
@json_option
@runtime_dir_option
def command(node: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Let NODE run groups again, after "understudy standby NODE".

    Groups that prefer NODE come back as their fail-back setting says; nothing else moves.

    \b
    Exit codes: 0 done (with --no-wait: accepted), 2 unknown node, 3 no daemon answers here, 4 refused,
    5 not seen to be done in time (the outcome is unknown).

    \b
    Example:
      understudy online ha01
    """

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        from .wait import find

        return find(status["nodes"], node).get("standby") is False, f"{node} is still in standby"

    ask("online", node, look if wait else None, limit, as_json, runtime_dir)
