"""``understudy history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import complete_group, complete_node, json_option, runtime_dir_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .client import Client

RETRY: float = 1.0
"""Seconds between two attempts to reach a daemon that went away while it was followed."""

LEVELS = ("info", "warning", "error")

_MOST = 2000


@click.command()
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(1, _MOST), help="How many entries.")
@click.option("--all", "everybody", is_flag=True, help="Of all members that are there, in one order, causes first.")
@click.option("--group", default="", metavar="GROUP", shell_complete=complete_group, help="Only of this group.")
@click.option(
    "--node",
    default="",
    metavar="NODE",
    shell_complete=complete_node,
    help="Only what concerns NODE, or was noted by it.",
)
@click.option("--level", default="info", show_default=True, type=click.Choice(LEVELS), help="At least this level.")
@click.option("--since", default="", metavar="TIME", help="Such as 90m, 2h, or 2026-01-31T12:00 (UTC).")
@click.option("-f", "--follow", is_flag=True, help="Go on with each new entry until Ctrl-C.")
@json_option
@runtime_dir_option
def command(
    lines: int,
    everybody: bool,
    follow: bool,
    as_json: bool,
    runtime_dir: str,
    **filters: str,
) -> None:
    """Show what happened lately on this node, the newest last.

    One sentence for each event, cause first, with the time in UTC. Everything is also in history.jsonl in the state directory
    and in the journal.

    With --all the entries of all members that are there, each with the name of the one that noted it. No effect stands before its
    cause, also when clocks differ: the order is that in which the nodes heard of each other. Who does not answer is named.

    With --follow each new entry of this node is shown at once; a daemon that goes away is waited for, and nothing that it kept is
    missed or shown twice. With --json too, each line is one object.

    \b
    Exit codes: 0 shown, or Ctrl-C while following; 2 unknown name or time, 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy history -n 20
      understudy history --all --group site --since 1h
      understudy history --follow --level warning
      understudy history --json | jq -r '.[] | select(.level == "error") | .text'
    """
    from urllib.parse import urlencode

    from .client import Client
    from .render_text import Paint, history_line
    from .terminal import print_json, say, wants_colour

    client = Client(runtime_dir)
    paint = Paint(wants_colour())

    def show(entry: dict[str, Any]) -> None:
        if as_json:
            print_json(entry, compact=True)
        else:
            say(history_line(entry, paint))

    if follow:
        if everybody or filters["since"]:
            raise click.UsageError("--follow shows this node's entries as they come: leave out --all and --since")
        client.get("/v1/history?" + urlencode({"lines": 1, **filters}))  # refuses a name that nobody has
        _follow(client, lines, lambda entry: show(entry) if _fits(entry, **filters) else None)
        return
    asked = urlencode({"lines": lines, "scope": "cluster" if everybody else "node", **filters})
    found = client.get(f"/v1/history?{asked}", 30.0 if everybody else 5.0)
    if as_json:
        print_json(found["entries"])
    else:
        for entry in found["entries"]:
            show(entry)
    _name_the_missing(found)


def _name_the_missing(found: dict[str, Any]) -> None:
    for trouble in found.get("missing", {}).values():
        click.echo(f"understudy: {trouble}: what only it has noted is missing here", err=True)


def _fits(entry: dict[str, Any], group: str, node: str, level: str, since: str) -> bool:
    """Whether an entry of this node's stream is wanted; what a reader must know of the stream itself always is.

    ``since`` does not go with a stream.
    """
    if not entry.get("node"):
        return True
    if (group and entry.get("group") != group) or (node and entry.get("node") != node):
        return False
    return LEVELS.index(entry.get("level", "info")) >= LEVELS.index(level)


def _follow(client: Client, lines: int, show: Callable[[dict[str, Any]], None]) -> None:
    """Show what comes. After a break the daemon is asked for all it has, and what was shown before is skipped."""
    import time

    from ..errors import NotRunning, TimedOut

    last: dict[str, Any] | None = None
    began = False
    try:
        while True:
            try:
                for entry in client.stream(f"/v1/events?lines={lines}") if last is None else _unseen(client, last):
                    began = True
                    if entry is not None:
                        show(entry)
                        last = entry
                click.echo("understudy: the manager ended; waiting for the next one", err=True)
            except (NotRunning, TimedOut) as error:
                if not began:
                    raise
                click.echo(f"understudy: {error.text}; trying again", err=True)
            time.sleep(RETRY)
    except KeyboardInterrupt:
        return


def _unseen(client: Client, last: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """The stream from behind ``last`` on; from its start when the daemon does not know that entry any more."""
    left = client.get(f"/v1/history?lines={_MOST}")["entries"].count(last)
    skipped = 0
    for entry in client.stream(f"/v1/events?lines={_MOST}"):
        if left and entry is not None and skipped < _MOST:
            left -= entry == last
            skipped += 1
        else:
            yield entry
