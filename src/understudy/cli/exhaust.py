"""``understudy exhaust``: every order of everything, for three voters and one group, up to a stated depth."""

from __future__ import annotations

import click


@click.command(name="exhaust", short_help="Try every order of events with three voters and one group.")
@click.option(
    "--states", default=1_200_000, show_default=True, type=click.IntRange(1), help="Stop after so many states."
)
@click.option("--depth", default=60, show_default=True, type=click.IntRange(1), help="Stop after so many steps.")
@click.option(
    "--scope",
    type=click.Choice(["crashes", "clocks", "releases", "all"]),
    default="all",
    show_default=True,
    help="What may happen besides bids, heartbeats and every fate of a datagram.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(states: int, depth: int, scope: str, as_json: bool) -> None:
    """Search the real lease code breadth first through all states that it can get into.

    Three voters, one group; datagrams that are lost, late, copied and taken in in every order; timers that come as late as they
    like; and, by scope, a daemon that dies and starts again with its kernel lease still running, a clock that gains or
    loses a tick, a release to a successor. No state in which two machines serve may be among them. What is left out
    stands in docs/exhaustive.md.

    A million states need about a minute and two gigabytes of memory.

    \b
    Example:
      understudy exhaust --scope crashes --states 3000000

    Exit code: 0 if no bad state was found, 1 otherwise.
    """
    from .exhaust_run import run

    raise SystemExit(run(states, depth, scope, as_json))
