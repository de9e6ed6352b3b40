"""``understudy confirm-off``."""

from __future__ import annotations

import click

from .options import complete_node, json_option, runtime_dir_option


@click.command()
@click.argument("node", shell_complete=complete_node)
@click.option("--yes", is_flag=True, help="Do not ask to type the name of NODE.")
@json_option
@runtime_dir_option
def command(node: str, yes: bool, as_json: bool, runtime_dir: str) -> None:
    """Say that you have seen NODE to be off, so that what waits for it can go on.

    Where a fence device would have to confirm it, your word counts as much: groups that may still have run on NODE are started
    elsewhere, and with quorum "fence" it stands for the vote of NODE. If NODE is not off, the same group may run twice and damage
    its data. Unplug it, or look at its power light; that it does not answer is not enough.

    Refused while NODE is heard. Who said it goes into the history.

    \b
    Exit codes: 0 done, 2 unknown node, 3 no daemon answers here, 4 refused, 5 no answer in time.

    \b
    Example:
      understudy confirm-off ha02
    """
    from .client import Client
    from .fence import confirm
    from .terminal import print_json, say

    confirm(node, f"You say that {node} has no power. If it has, its groups may run twice and damage their data.", yes)
    answer = Client(runtime_dir).post("/v1/confirm-off", {"node": node})
    if as_json:
        print_json(answer)
    else:
        say(answer["text"])
