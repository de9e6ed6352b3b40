"""``understudy cleanup``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_group, json_option, runtime_dir_option, wait_options
from .stop import ask


@click.command()
@click.argument("group", shell_complete=complete_group)
@wait_options
@json_option
@runtime_dir_option
def command(group: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Forget that GROUP has failed, on all nodes that can be asked.

    A node on which a group failed too often is left out for a while, twice as long each time. After this it may run the group
    again at once, and its failures are counted from zero. Nothing else changes: the group moves there only if the node is
    preferred.

    \b
    Exit codes: 0 no node leaves it out for its failures any more (with --no-wait: accepted), 2 unknown group,
    3 no daemon answers here, 4 refused, 5 not seen to be done in time.

    \b
    Example:
      understudy cleanup site
    """

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        from .wait import find

        unfit = find(status["groups"], group).get("unfit", {})
        left = [name for name, why in unfit.items() if why.startswith("failed there")]
        return not left, f"{' and '.join(left)} still leaves {group} out"

    ask("cleanup", {"group": group}, look if wait else None, limit, as_json, runtime_dir)
