"""``understudy maintenance``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_group, duration, json_option, reason_option, runtime_dir_option, wait_options
from .stop import ask, ignorant


@click.command()
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@click.argument("group", metavar="[GROUP]", default="", shell_complete=complete_group)
@click.option(
    "--for",
    "span",
    default="0s",
    metavar="TIME",
    callback=duration,
    help='With "on": it ends by itself after this, as 90m or 2h; without, only by "off".',
)
@reason_option
@wait_options
@json_option
@runtime_dir_option
def command(
    switch: str, group: str, span: int, reason: str, wait: bool, limit: int, as_json: bool, runtime_dir: str
) -> None:
    """Watch GROUP, or all groups, and touch nothing.

    While it lasts nothing is started, stopped, restarted, moved or given back. NOBODY TAKES OVER WHEN THE HOLDER FAILS: the
    status warns of that for as long as it lasts. Programs and mounts are still looked at, and what fails is only noted. When it
    ends, by "off" or after --for, what has failed meanwhile is dealt with as always.

    The holder keeps its lease and its addresses, and its daemon may be started again within the dead time. What the lease itself
    asks for is not suspended: a holder that loses the majority of votes, or whose daemon is stopped, stops the group, and nobody
    starts it before the end of the maintenance.

    \b
    Exit codes: 0 every member that is heard knows (with --no-wait: this node), 2 unknown group, 3 no daemon answers here,
    4 refused, 5 not seen to be done in time (the cluster goes on with it; look with "understudy status").

    \b
    Examples:
      understudy maintenance on site --for 1h --reason "new switches"
      understudy maintenance on
      understudy maintenance off site
    """
    from ..units import SECOND

    if switch == "off" and span:
        raise click.UsageError('--for goes with "on"')
    if span and span < SECOND:
        raise click.UsageError("--for is at least one second")

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        there = any(wish["group"] == group and wish["kind"] == "maintenance" for wish in status["wishes"])
        if there is (switch == "off"):
            return False, f"{group or 'the cluster'} is {'still' if there else 'not yet'} in maintenance"
        return not ignorant(status, group), ignorant(status, group)

    body: dict[str, str | int] = {"group": group, "reason": reason}
    if span:
        body["seconds"] = -(-span // SECOND)
    ask(f"maintenance/{switch}", body, look if wait else None, limit, as_json, runtime_dir)
