"""``understudy stop``, and what ``understudy start`` shares with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from .options import complete_group, json_option, reason_option, runtime_dir_option, wait_options


@click.command()
@click.argument("group", shell_complete=complete_group)
@reason_option
@wait_options
@json_option
@runtime_dir_option
def command(group: str, reason: str, wait: bool, limit: int, as_json: bool, runtime_dir: str) -> None:
    """Stop GROUP wherever it runs, and keep it stopped until "understudy start GROUP".

    The node that holds it stops its parts in order and gives its lease up; no node takes it after that. All nodes and witnesses
    keep it in mind, also over a restart of everything; one that was away learns it before it may take a group. The status and
    "understudy why" say who has asked for it, when and why.

    \b
    Exit codes: 0 it runs nowhere (with --no-wait: accepted), 2 unknown group, 3 no daemon answers here,
    4 refused, 5 not seen to be done in time (the cluster goes on with it; look with "understudy status").

    \b
    Examples:
      understudy stop site
      understudy stop site --reason "new disks, ticket 4711"
    """

    def look(status: dict[str, Any]) -> tuple[bool, str]:
        from .wait import find

        found = find(status["groups"], group)
        state, holder = found.get("state", "unknown"), found.get("holder")
        if holder is not None:
            return False, f"{group} is {state} on {holder}"
        return state == "stopped" and not ignorant(status, group), ignorant(status, group) or f"{group} is {state}"

    stands = f"it stays stopped, also when that comes later, until: understudy start {group}"
    ask("stop", {"group": group, "reason": reason}, look if wait else None, limit, as_json, runtime_dir, stands)


def ignorant(status: dict[str, Any], group: str) -> str:
    """The members that are heard and have not said yet that they know what was asked for ``group``, as a sentence."""
    names = [name for wish in status.get("wishes", ()) if wish["group"] == group for name in wish["unknown_to"]]
    return f"{', '.join(names)} has not heard of it yet" if names else ""


def ask(
    verb: str,
    body: Mapping[str, str | int],
    look: Callable[[dict[str, Any]], tuple[bool, str]] | None,
    limit: int,
    as_json: bool,
    runtime_dir: str,
    stands: str = "",
) -> None:
    """Post what is asked, wait if there is something to look for, and say what came of it. ``stands``: what holds all the same
    when that is not seen in time.
    """
    from ..errors import TimedOut
    from .client import Client
    from .terminal import print_json, say
    from .wait import wait_for

    client = Client(runtime_dir)
    answer = client.post(f"/v1/{verb}", body)
    try:
        spent = None if look is None else wait_for(client, look, limit)
    except TimedOut as error:
        raise TimedOut(error.text, f"{stands}\n    {error.hint}" if stands else error.hint) from None
    if as_json:
        print_json({**answer, "waited_ms": spent})
    else:
        say(answer["text"] if spent is None else f"{answer['text']} ({spent:.0f} ms)")
