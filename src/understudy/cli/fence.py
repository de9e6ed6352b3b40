"""``understudy fence``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_node, json_option, runtime_dir_option

WAIT = 620.0
"""Seconds: a little longer than the daemon's own limit for all levels of devices."""


@click.command()
@click.argument("node", required=False, shell_complete=complete_node)
@click.option("--test", is_flag=True, help="Ask the devices of NODE for its status; nothing is switched.")
@click.option("--list", "listing", is_flag=True, help="Show all devices and what each said when it was last asked.")
@click.option("--yes", is_flag=True, help="Do not ask to type the name of NODE.")
@json_option
@runtime_dir_option
def command(node: str | None, test: bool, listing: bool, yes: bool, as_json: bool, runtime_dir: str) -> None:
    """Switch NODE off with its fence devices, now.

    The node that you ask has its devices do it, level by level, and waits until one level has confirmed it; what waits for proof
    that NODE has stopped goes on then on the node that was asked. It is not switched on again unless a device is set to "reboot".

    \b
    Exit codes: 0 NODE is off (with --test: every device works), 1 --test found a device that does not, 2 unknown node,
    3 no daemon answers here, 4 refused or failed, 5 no answer in time (the outcome is unknown).

    \b
    Examples:
      understudy fence --list
      understudy fence ha02 --test
      understudy fence ha02
    """
    from .client import Client
    from .terminal import print_json, say

    client = Client(runtime_dir)
    if listing or node is None:
        if not listing:
            raise click.UsageError("name a NODE, or use --list")
        _show(client.get("/v1/fence"), as_json, "no fence device is configured, for no node")
        return
    if test:
        answer = client.post("/v1/fence/test", {"node": node}, 60.0)
        _show(answer, as_json, f"no fence device is configured for {node}")
        if not answer["devices"] or not all(row["ok"] for row in answer["devices"]):
            raise SystemExit(1)
        return
    confirm(node, f"{node} will be switched off at once, with everything that runs on it.", yes)
    if not as_json and any(row["node"] == node for row in client.get("/v1/fence")["devices"]):
        click.echo(f"switching {node} off ...", err=True)
    answer = client.post("/v1/fence", {"node": node}, WAIT)
    if as_json:
        print_json(answer)
    else:
        say(answer["text"])


def _show(answer: dict[str, Any], as_json: bool, none: str) -> None:
    """``none``: what to say where there is no device."""
    from .terminal import print_json, say

    if as_json:
        print_json(answer)
        return
    if not answer["devices"]:
        say(none)
    for row in answer["devices"]:
        word = {True: "works", False: "DOES NOT WORK", None: "?"}[row["ok"]]
        ago = "" if row["age_s"] is None else f", {row['age_s']:.0f} s ago"
        say(f"{row['node']}: level {row['level']} {row['device']} ({row['program']}): {word}: {row['text']}{ago}")


def confirm(node: str, what: str, yes: bool) -> None:
    """Have the name typed, so that the wrong machine is not hit by a tired finger. Raises UsageError without a terminal."""
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask at: add --yes if you are sure")
    click.echo(what, err=True)
    typed = click.prompt(f"Type the name of the node ({node}) to go on", default="", show_default=False, err=True)
    if typed.strip() != node:
        click.echo("not done: that is another name", err=True)
        raise SystemExit(4)
