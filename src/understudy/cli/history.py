"""``understudy history``."""

from __future__ import annotations

import click

from .options import json_option, runtime_dir_option


@click.command()
@click.option("-n", "--lines", default=50, show_default=True, type=click.IntRange(1, 2000), help="How many entries.")
@json_option
@runtime_dir_option
def command(lines: int, as_json: bool, runtime_dir: str) -> None:
    """Show what happened lately on this node, the newest last.

    One sentence for each event, cause first, with the time in UTC. Everything is also in history.jsonl in the state directory
    and in the journal.

    \b
    Exit codes: 0 shown, 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy history -n 20
      understudy history --json | jq -r '.[] | select(.level == "error") | .text'
    """
    from .client import Client
    from .render_text import Paint, history_line
    from .terminal import print_json, say, wants_colour

    entries = Client(runtime_dir).get(f"/v1/history?lines={lines}")["entries"]
    if as_json:
        print_json(entries)
        return
    paint = Paint(wants_colour())
    for entry in entries:
        say(history_line(entry, paint))
