"""``understudy drain``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_node, json_option, runtime_dir_option, wait_options
from .stop import ask


@click.command()
@click.argument("node", shell_complete=complete_node)
@wait_options
@json_option
@runtime_dir_option
def command(node: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Take all groups off NODE that another node can run, and keep them off, until "understudy online NODE".

    As standby, but what no other node can take goes on running on NODE, and moves as soon as one can. It survives a restart.

    \b
    Exit codes: 0 NODE runs nothing that another node could take (with --no-wait: accepted), 2 unknown node,
    3 no daemon answers here, 4 refused, 5 not seen to be done in time.

    \b
    Example:
      understudy drain ha01
    """

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        from .wait import find

        if find(status["nodes"], node).get("draining") is not True:
            return False, f"{node} does not drain yet"
        # The holder says of a group that it keeps why: nobody else can take it.
        left = [
            group["name"]
            for group in status["groups"]
            if group["holder"] == node and not (group["state"] == "started" and group["why"].startswith("stays on "))
        ]
        return not left, f"{node} still runs {', '.join(left)}"

    ask("drain", {"node": node}, look if wait else None, limit, as_json, runtime_dir)
