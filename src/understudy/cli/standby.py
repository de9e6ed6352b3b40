"""``understudy standby`` and what ``understudy online`` shares with it."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_node, json_option, runtime_dir_option, wait_options


@click.command()
@click.argument("node", shell_complete=complete_node)
@wait_options
@json_option
@runtime_dir_option
def command(node: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Take all groups off NODE and keep them off, until "understudy online NODE".

    For maintenance. The groups move in order to the nodes that come next for them; one that no other node can run is stopped.
    NODE goes on voting, and its standby survives a restart. Groups in maintenance stay until that ends.

    \b
    Exit codes: 0 NODE runs no group (with --no-wait: accepted), 2 unknown node, 3 no daemon answers here,
    4 refused, 5 not seen to be done in time (the outcome is unknown).

    \b
    Examples:
      understudy standby ha01
      understudy standby ha01 && systemctl reboot
    """

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        from .wait import find

        untouched = {wish["group"] for wish in status["wishes"] if wish["kind"] == "maintenance"}
        held = [group["name"] for group in status["groups"] if group["holder"] == node]
        left = [name for name in held if not untouched & {name, ""}]  # the answer has told of those in maintenance
        standby = find(status["nodes"], node).get("standby") is True
        if (
            status["quorum"]["policy"] == "heartbeat"
        ):  # there the old program's standby: everything moves, and may come back
            return not left, f"{node} still runs {', '.join(left)}"
        return standby and not left, f"{node} still runs {', '.join(left)}" if left else f"{node} is not in standby yet"

    ask("standby", node, look if wait else None, limit, as_json, runtime_dir)


def ask(verb: str, node: str, look: Any, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Post the wish, wait if there is something to look for, and say what came of it."""
    from .client import Client
    from .terminal import print_json, say
    from .wait import wait_for

    client = Client(runtime_dir)
    answer = client.post(f"/v1/{verb}", {"node": node})
    spent = None if look is None else wait_for(client, look, limit)
    if as_json:
        print_json({**answer, "waited_ms": spent})
    else:
        say(answer["text"] if spent is None else f"{answer['text']} ({spent:.0f} ms)")
