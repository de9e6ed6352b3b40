"""``understudy why``."""

from __future__ import annotations

import click

from .options import complete_group_or_router, json_option, runtime_dir_option

KEYS = ("name", "state", "holder", "since", "for_ms", "why", "not_on", "prospects")


@click.command()
@click.argument("groups", metavar="[GROUP|ROUTER]...", nargs=-1, shell_complete=complete_group_or_router)
@json_option
@runtime_dir_option
def command(groups: tuple[str, ...], as_json: bool, runtime_dir: str) -> None:
    """Say why each GROUP (all, if none is named) runs where it does and since when, why not on each other node, and what
    would move it: time, a failure, an operator. When it runs nowhere: what it waits for, and what would end the wait.

    Of a virtual ROUTER, or all of a sync group: why it is in its state, who is master, what makes its priority, and what would
    change it.

    The sentences are those of the node that you ask; it decides with nothing else.

    \b
    Exit codes: 0 said, 2 unknown group, 3 no daemon answers here, 4 you may not ask.

    \b
    Examples:
      understudy why
      understudy why site
      understudy why site --json
      understudy why VI_1
    """
    import difflib

    from ..errors import UsageError
    from .client import Client
    from .render_pool import service_line
    from .render_routers import groups_of, router_why, routers_of
    from .render_text import Paint, why_text
    from .terminal import print_json, say, wants_colour

    status = Client(runtime_dir).get("/v1/status")
    known = {group["name"]: group for group in status["groups"]}
    routers = {router["name"]: router for router in routers_of(status)}
    together = groups_of(tuple(routers.values()))
    everything = list(dict.fromkeys((*known, *routers, *together)))
    for name in groups:
        if name not in everything:
            close = difflib.get_close_matches(name, everything, 1, 0.5)
            raise UsageError(
                f"there is no group {name!r}" if known or not routers else f"there is no virtual router {name!r}",
                f"did you mean {close[0]!r}?" if close else f"known: {', '.join(everything) or 'none'}",
            )
    names = list(groups) or [*known, *routers]
    members = {name: [each["name"] for each in routers.values() if each.get("group") == name] for name in together}
    heads = [text for name, text in together.items() if name in names and name not in (*known, *routers)]
    found = [item for name in names for item in ((name,) if name in known or name in routers else members[name])]
    names = list(dict.fromkeys(found))
    if as_json:
        forms = [{key: known[name].get(key) for key in KEYS} for name in names if name in known]
        print_json([*forms, *(routers[name] for name in names if name in routers)])
        return
    paint = Paint(wants_colour())
    for text in status["warnings"][:1] if status["stale_ms"] is not None else ():
        click.echo(text, err=True)
    texts = heads + [why_text(known[name], paint) for name in names if name in known]
    texts += [router_why(routers[name], paint) for name in names if name in routers]
    texts += [service_line(each) for each in status.get("services", ()) if not groups or each["group"] in names]
    say("\n".join(texts) if texts else "no groups are configured")
