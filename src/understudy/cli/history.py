"""``understudy history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .options import json_option, runtime_dir_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .client import Client

RETRY: float = 1.0
"""Seconds between two attempts to reach a daemon that went away while it was followed."""

_MOST = 2000


@click.command()
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(1, _MOST), help="How many entries.")
@click.option("-f", "--follow", is_flag=True, help="Go on with each new entry until Ctrl-C.")
@json_option
@runtime_dir_option
def command(lines: int, follow: bool, as_json: bool, runtime_dir: str) -> None:
    """Show what happened lately on this node, the newest last.

    One sentence for each event, cause first, with the time in UTC. Everything is also in history.jsonl in the state directory
    and in the journal.

    With --follow each new entry is shown at once; a daemon that goes away is waited for, and nothing that it kept is missed or
    shown twice. With --json too, each line is one object.

    \b
    Exit codes: 0 shown, or Ctrl-C while following; 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy history -n 20
      understudy history --follow
      understudy history --json | jq -r '.[] | select(.level == "error") | .text'
    """
    from .client import Client
    from .render_text import Paint, history_line
    from .terminal import print_json, say, wants_colour

    client = Client(runtime_dir)
    paint = Paint(wants_colour())
    if follow:
        _follow(
            client, lines, lambda entry: print_json(entry, compact=True) if as_json else say(history_line(entry, paint))
        )
        return
    entries = client.get(f"/v1/history?lines={lines}")["entries"]
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        say(history_line(entry, paint))


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
