"""``understudy move``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_group, complete_node, json_option, runtime_dir_option, wait_options


@click.command()
@click.argument("group", shell_complete=complete_group)
@click.argument("node", shell_complete=complete_node)
@wait_options
@json_option
@runtime_dir_option
def command(group: str, node: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Move GROUP to NODE.

    The node that holds the group decides: it stops what must not run twice, gives its lease up in favour of NODE, and NODE takes
    it. It works from any node. Refused, with the reason, when NODE is not up, is in standby, or cannot run the group.

    It stays there, also where the configuration prefers another node and says that the group fails back by itself: until it is
    moved again, or NODE fails, is stopped or goes into standby. To give it back to the rules, move it to the node they prefer.

    \b
    Exit codes: 0 moved (with --no-wait: accepted), 2 unknown group or node, 3 no daemon answers here,
    4 refused, 5 not seen to be done in time (the outcome is unknown; look with "understudy status").

    \b
    Examples:
      understudy move site ha02
      understudy move site ha02 --timeout 2m
    """
    from .client import Client
    from .terminal import print_json, say
    from .wait import find, wait_for

    client = Client(runtime_dir)
    answer = client.post("/v1/move", {"group": group, "node": node})
    spent: float | None = None

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        found = find(status["groups"], group)
        state, holder = found.get("state", "unknown"), found.get("holder")
        text = f"{group} is {state} on {holder}" if holder else f"{group} is {state}"
        return holder == node and state == "started", text

    if wait:
        spent = wait_for(client, look, limit)
    if as_json:
        print_json({**answer, "waited_ms": spent})
    elif spent is None:
        say(answer["text"])
    else:
        say(f"{group} runs on {node} ({spent:.0f} ms): {answer['text']}")
