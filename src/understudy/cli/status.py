"""``understudy status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .options import json_option, runtime_dir_option
from .terminal import print_json, say, wants_colour

if TYPE_CHECKING:
    from .client import Client


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
    on each line. Without --json, --watch refreshes in place on a terminal, and writes one text after the other elsewhere.

    \b
    Exit codes: 0 shown, or Ctrl-C while watching; 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy status
      understudy status --watch --every 0.5
      understudy status --json | jq -r '.groups[] | "\\(.name) \\(.holder)"'
    """
    from .client import Client

    client = Client(runtime_dir)
    if watch:
        _watch(client, every, as_json)
    elif as_json:
        print_json(client.get("/v1/status"))
    else:
        say(_text(client))


def _text(client: Client) -> str:
    from .render_text import Paint, status_text

    return status_text(client.get("/v1/status"), Paint(wants_colour()))


def _watch(client: Client, every: float, as_json: bool) -> None:
    from .terminal import watch

    watch(every, as_json, lambda: client.get("/v1/status"), lambda: _text(client))
