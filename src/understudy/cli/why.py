"""``understudy why``."""

from __future__ import annotations

import click

from .options import complete_group, json_option, runtime_dir_option

KEYS = ("name", "state", "holder", "since", "for_ms", "why", "not_on", "prospects")


@click.command()
@click.argument("groups", metavar="[GROUP]...", nargs=-1, shell_complete=complete_group)
@json_option
@runtime_dir_option
def command(groups: tuple[str, ...], as_json: bool, runtime_dir: str) -> None:
    """Say why each GROUP (all, if none is named) runs where it does and since when, why not on each other node, and what
    would move it: time, a failure, an operator. When it runs nowhere: what it waits for, and what would end the wait.

    The sentences are those of the node that you ask; it decides with nothing else.

    \b
    Exit codes: 0 said, 2 unknown group, 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy why
      understudy why site
      understudy why site --json
    """
    import difflib

    from ..errors import UsageError
    from .client import Client
    from .render_text import Paint, why_text
    from .terminal import print_json, say, wants_colour

    status = Client(runtime_dir).get("/v1/status")
    known = {group["name"]: group for group in status["groups"]}
    for name in groups:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1, 0.5)
            raise UsageError(
                f"there is no group {name!r}",
                f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}",
            )
    chosen = [known[name] for name in groups] if groups else list(known.values())
    if as_json:
        print_json([{key: group.get(key) for key in KEYS} for group in chosen])
        return
    paint = Paint(wants_colour())
    for text in status["warnings"][:1] if status["stale_ms"] is not None else ():
        click.echo(text, err=True)
    say("\n".join(why_text(group, paint) for group in chosen) if chosen else "no groups are configured")
