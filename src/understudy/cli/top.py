"""``understudy top``: the command; the screen itself is in ``top_view``, which alone loads textual."""

from __future__ import annotations

import click

from .options import runtime_dir_option


@click.command()
@click.option(
    "--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds between two looks."
)
@runtime_dir_option
def command(every: float, runtime_dir: str) -> None:
    """Show the cluster on the whole screen, with keys.

    Nodes, links with their ages and losses, groups, warnings and the last events, as this node sees them. Arrow keys and the
    tabulator choose a node or a group; m moves the chosen group, s puts the chosen node into standby or ends its standby. Both
    ask before anything is done, and what the cluster answers is shown. q or Ctrl-C ends it; nothing else does, also while no
    daemon answers.

    \b
    Exit codes: 0 ended by you, 2 there is no terminal, 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy top
      understudy top --every 0.2
    """
    import sys

    from .client import Client

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("top needs a terminal; for programs there is: understudy status --watch --json")
    client = Client(runtime_dir)
    client.get("/v1/status")
    from .top_view import Top

    Top(client, every).run()
