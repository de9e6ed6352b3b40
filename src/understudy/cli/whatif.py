"""``understudy whatif``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_member, complete_node, json_option, runtime_dir_option


@click.command()
@click.option(
    "--down", default="", metavar="NAME[,NAME]", shell_complete=complete_member, help="Machines that have failed."
)
@click.option(
    "--standby", default="", metavar="NODE[,NODE]", shell_complete=complete_node, help="Nodes that are in standby."
)
@click.option(
    "--unreachable",
    default="",
    metavar="TARGET[@NODE][,...]",
    help="Ping targets (of groups, or of a pair) that do not answer, on that node or on all.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Ask this file instead of the living cluster: all its machines up, everything where it likes to be.",
)
@click.option("--all", "show_all", is_flag=True, help="Show groups that stay where they are, too.")
@json_option
@runtime_dir_option
@click.pass_context
def command(
    context: click.Context,
    down: str,
    standby: str,
    unreachable: str,
    config: str | None,
    show_all: bool,
    as_json: bool,
    runtime_dir: str,
) -> None:
    """Say where everything would run if machines failed or were in standby, and why. Nothing is changed.

    The answer is the plan that the nodes themselves follow, asked until nothing moves any more; so it also shows what makes way
    for what. It begins with the cluster as it is: machines that are not heard count as down, and what cannot run on
    a node now cannot run there then. A failback that is due some time is shown as if it were due now, and what nodes say of
    their ping targets as if it had lasted. First it says whether enough votes are left: without them nothing may run anywhere.

    \b
    Exit codes:
      0  every group would run somewhere
      1  some group would run nowhere, or the file has errors
      2  the command line is wrong
      3  no daemon answers here (with --config none is needed)

    \b
    Examples:
      understudy whatif --down ha01
      understudy whatif --standby ha01 --down arbiter
      understudy whatif --unreachable 192.168.58.1@ha01
      understudy whatif --config new.toml --down ha01,ha02 --json
    """
    from .terminal import print_json

    asked = {"down": down, "standby": standby, "unreachable": unreachable}
    found = _of_a_file(config, asked) if config else _of_the_cluster(runtime_dir, asked)
    if as_json:
        print_json(found)
    else:
        _show(found, show_all)
    if any(group["node"] is None for group in found["groups"]):
        context.exit(1)


def _of_a_file(path: str, asked: dict[str, str]) -> dict[str, Any]:
    from ..config.load import load
    from ..manager.whatif import answer

    return answer(load(path), None, **asked)


def _of_the_cluster(runtime_dir: str, asked: dict[str, str]) -> dict[str, Any]:
    from urllib.parse import urlencode

    from .client import Client

    return Client(runtime_dir).get(f"/v1/whatif?{urlencode({name: text for name, text in asked.items() if text})}")


def _show(found: dict[str, Any], show_all: bool) -> None:
    from .render_text import Paint
    from .terminal import say, wants_colour

    paint = Paint(wants_colour())
    quorate = found["votes"]["quorate"]
    colour = {True: "green", False: "red", None: "yellow"}[quorate]
    lines = [paint(found["votes"]["text"], colour)]
    if found["unreachable"]:
        lines.append(f"as if these ping targets did not answer: {', '.join(found['unreachable'])}")
    staying = [group for group in found["groups"] if group["before"] == group["node"] is not None]
    for group in found["groups"]:
        if group in staying and not show_all:
            continue
        lines.append(f"{paint(group['name'], 'white', bold=True)} {_move(group, paint)}: {group['why']}")
        if quorate is not False:
            lines += [f"  not on {other}: {why}" for other, why in group["not_on"].items()]
    if staying and not show_all:
        lines.append(f"{len(staying)} of {len(found['groups'])} groups stay where they are (--all shows them too)")
    say("\n".join(lines))


def _move(group: dict[str, Any], paint: Any) -> str:
    before, node = group["before"], group["node"]
    if node is None:
        return str(paint("would run nowhere", "red")) + (f" (now on {before})" if before else "")
    if before is None:
        return f"starts on {node}"
    return f"stays on {node}" if node == before else f"moves from {before} to {node}"
