"""``understudy pool``."""

from __future__ import annotations

from typing import Any

import click

from .options import json_option, runtime_dir_option
from .terminal import print_json, say, wants_colour

VERBS = ("drain", "weight", "enable", "disable")
_LONGEST_HINT = 200


def _complete(context: click.Context, _parameter: click.Parameter, start: str) -> list[str]:
    """Verbs and services, or servers after a verb, as the balancer knows them."""
    from ..errors import UnderstudyError
    from .balancer_client import ask, meant
    from .where import RUNTIME_DIR

    given = context.params.get("words") or ()
    try:
        services = ask(meant(context.params.get("runtime_dir") or RUNTIME_DIR), 0.5, do="pool")["services"]
    except (UnderstudyError, KeyError):
        services = []
    names = [each["name"] for each in services]
    if not given:
        names = [*VERBS, *names]
    elif len(given) == 1 and given[0] in VERBS:
        names = list(dict.fromkeys(server["name"] for each in services for server in each["servers"]))
    return [name for name in names if name.startswith(start)]


@click.command()
@click.argument("words", metavar="[SERVICE] | VERB SERVER [WEIGHT] [SERVICE]", nargs=-1, shell_complete=_complete)
@click.option("--watch", is_flag=True, help="Show it again every --every seconds until Ctrl-C.")
@click.option(
    "--every", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Seconds between two looks."
)
@json_option
@runtime_dir_option
def command(words: tuple[str, ...], watch: bool, every: float, as_json: bool, runtime_dir: str) -> None:
    """Show the services that this machine balances and their real servers, or take a server out and in again.

    Of each server: its state, its weight in the kernel's table (and in brackets the one that is wanted, where it differs),
    connections that are open, all that were made, new ones each second, since when it is so, and what its probe said when it
    failed. It works while the manager is away, and on the machine that stands by, which probes as well.

    \b
    The verbs, for one SERVER (ADDRESS:PORT) in all services, or in SERVICE alone:
      drain    no new connections; those that are there go on (for as long as
               the service's "drain" says), then it is taken out
      disable  taken out at once
      enable   back as configured; ends drain, disable and weight
      weight   another WEIGHT (0 to 65535) until "enable"
    They hold here, on this machine, also after a restart; tell the other
    balancer as well.

    Where the daemon balances nothing, the one that "ldirectord FILE start" (install-compat) began is asked, and named
    on standard error; of several choose with --runtime-dir.

    \b
    Exit codes: 0 done, 2 unknown service or server, or wrong words, 3 no balancer answers here, 4 refused, or you may not ask.

    \b
    Examples:
      understudy pool
      understudy pool web --watch
      understudy pool drain 192.168.58.11:80
      understudy pool weight 192.168.58.11:80 5 web
      understudy pool --json | jq -r '.services[].servers[] | select(.state != "up").name'
    """
    if words and words[0] in VERBS:
        _wish(words, as_json, runtime_dir)
        return
    if len(words) > 1:
        raise click.UsageError(f"one service, or first one of {', '.join(VERBS)}")
    name = words[0] if words else ""
    if watch:
        _watch(name, every, as_json, runtime_dir)
    elif as_json:
        print_json(_answer(name, _where(runtime_dir)))
    else:
        say(_text(name, _where(runtime_dir)))


def _where(runtime_dir: str, said: str = "") -> str:
    """Who is asked; said where it is another directory than the given one, and than ``said``."""
    from .balancer_client import meant

    found = meant(runtime_dir)
    if found not in (runtime_dir, said):
        click.echo(f"understudy: asked is the balancer of {found}", err=True)
    return found


def _wish(words: tuple[str, ...], as_json: bool, runtime_dir: str) -> None:
    import getpass

    from ..errors import UsageError
    from .balancer_client import ask

    verb, *rest = words
    value = 0
    if verb == "weight":
        if len(rest) < 2 or not rest[1].isdigit() or int(rest[1]) > 65535:
            raise click.UsageError("write: understudy pool weight SERVER WEIGHT [SERVICE], a WEIGHT from 0 to 65535")
        value = int(rest.pop(1))
    if len(rest) not in (1, 2):
        raise click.UsageError(f"write: understudy pool {verb} SERVER{' WEIGHT' if verb == 'weight' else ''} [SERVICE]")
    try:
        by = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        by = "somebody"
    service = rest[1] if len(rest) == 2 else ""
    runtime_dir = _where(runtime_dir)
    try:
        answer = ask(runtime_dir, 10.0, do="wish", verb=verb, server=rest[0], service=service, value=value, by=by)
    except UsageError as error:
        raise UsageError(error.text, _nearest(rest[0], service, runtime_dir)) from None
    if as_json:
        print_json(answer)
    else:
        say(str(answer["text"]))


def _nearest(server: str, service: str, runtime_dir: str) -> str:
    """Which server or service was probably meant; "" where there are too many to name them."""
    from ..manager.api import nearest
    from .balancer_client import ask

    having: dict[str, list[str]] = {}
    for each in ask(runtime_dir, do="pool")["services"]:
        having[each["name"]] = [real["name"] for real in each["servers"] if real["state"] != "fallback"]
    if service and service not in having:
        hint = nearest(service, list(having))
    elif elsewhere := [name for name, servers in having.items() if server in servers]:
        hint = f"it is a server of {', '.join(elsewhere)}"
    else:
        servers = having[service] if service else [name for names in having.values() for name in names]
        hint = nearest(server, list(dict.fromkeys(servers)))
    return hint if len(hint) <= _LONGEST_HINT else ""


def _answer(name: str, runtime_dir: str) -> dict[str, Any]:
    import difflib

    from ..errors import UsageError
    from .balancer_client import ask

    answer = ask(runtime_dir, do="pool", service=name)
    if name and not answer["services"]:
        known = [each["name"] for each in ask(runtime_dir, do="pool")["services"]]
        close = difflib.get_close_matches(name, (*known, *VERBS), 1, 0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known) or 'none'}"
        raise UsageError(f"there is no service {name!r}", hint)
    return answer


def _text(name: str, runtime_dir: str) -> str:
    from .render_pool import pool_text
    from .render_text import Paint

    return pool_text(_answer(name, runtime_dir), Paint(wants_colour()))


def _watch(name: str, every: float, as_json: bool, runtime_dir: str) -> None:
    from .terminal import watch

    asked = ""

    def where() -> str:
        nonlocal asked
        asked = _where(runtime_dir, asked)
        return asked

    watch(every, as_json, lambda: _answer(name, where()), lambda: _text(name, where()))
