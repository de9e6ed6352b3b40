"""``understudy status``."""

from __future__ import annotations

import click

from .options import json_option, runtime_dir_option
from .terminal import print_json, say, wants_colour


@click.command()
@click.option("--watch", is_flag=True, help="Show it again every --every seconds until Ctrl-C.")
@click.option(
    "--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds between two looks."
)
@json_option
@runtime_dir_option
def command(watch: bool, every: float, as_json: bool, runtime_dir: str) -> None:
    """Show the cluster as this node sees it.

    First whether this node is in the partition with quorum: only there may groups run. Then the nodes, with the time since
    each was heard on each link; the groups, with the node that holds each, since when, why, and (on the holder itself) how
    long its lease runs without being renewed; and warnings.

    Every node has its own view; ask on another machine to see another one. What a frozen daemon said last is shown with its age.

    With --json the output follows docs/status-schema.json; its version is the field "schema". With --watch it is one object
    on each line.

    \b
    Exit codes: 0 shown, 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy status
      understudy status --watch --every 0.5
      understudy status --json | jq -r '.groups[] | "\\(.name) \\(.holder)"'
    """
    from .client import Client

    client = Client(runtime_dir)
    if not watch:
        _show(client.get("/v1/status"), as_json)
        return
    _watch(client, every, as_json)


def _show(status: dict[str, object], as_json: bool, compact: bool = False) -> None:
    from .render_text import Paint, status_text

    if as_json:
        print_json(status, compact)
    else:
        say(status_text(status, Paint(wants_colour())))


def _watch(client: object, every: float, as_json: bool) -> None:
    import sys
    import time

    from ..errors import NotRunning, TimedOut
    from .client import Client

    if not isinstance(client, Client):
        return
    clear = sys.stdout.isatty() and not as_json
    try:
        while True:
            try:
                status = client.get("/v1/status")
            except (NotRunning, TimedOut) as error:
                # Somebody who watches wants to see the daemon come back.
                if clear:
                    click.clear()
                click.echo(str(error), err=True)
            else:
                if clear:
                    click.clear()
                _show(status, as_json, compact=True)
                if not as_json and not clear:
                    say("")
            time.sleep(every)
    except KeyboardInterrupt:
        return
