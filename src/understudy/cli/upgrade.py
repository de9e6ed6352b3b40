"""``understudy upgrade``: a pair of two nodes that speak Heartbeat's protocol goes over to the native one."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from .options import json_option, runtime_dir_option

if TYPE_CHECKING:
    from .client import Client

LIMIT = 60.0
"""Seconds: the other node is asked a few times, and both speak for a second on the new links."""

SETTLE = 20.0
"""Seconds for the new managers to be there and to see each other's nodes."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Rehearse it: ask both nodes and try the links; change nothing.")
@click.option("--abandon", is_flag=True, help="Give up an upgrade that was prepared and not done, on both nodes.")
@click.option("--back", is_flag=True, help="On this stopped node: let the next start read Heartbeat's files again.")
@click.option(
    "--yes", is_flag=True, help="Do not ask. Needed where nobody can answer: without a terminal, or with --json."
)
@click.option(
    "--state-dir", default="/var/lib/understudy", envvar="UNDERSTUDY_STATE_DIR", metavar="DIR", help="For --back."
)
@json_option
@runtime_dir_option
def command(
    dry_run: bool, abandon: bool, back: bool, yes: bool, state_dir: str, as_json: bool, runtime_dir: str
) -> None:
    """Change a pair that speaks the protocol of Heartbeat 3 to the native protocol, without an interruption.

    Both nodes must run Understudy with Heartbeat's files (understudy run --config /etc/ha.d). Say it on one of them. First both
    are asked whether they are ready: at rest, the same files, the same native form, addresses and ports that let each other
    through. Every obstacle is named, with how to mend it. Then both write /etc/understudy/cluster.toml and the key beside it,
    and go over, one at once after the other: addresses stay on their devices, programs run on, no group moves. Who does not
    hear the other under the new protocol within half a deadtime goes back to the old one.

    The nodes agree on the key so that nobody who listens can read it; the signatures of authkeys (md5 or sha1, not crc) say who
    it is. Or copy a key of your own to both first: understudy keygen /etc/understudy/cluster.key

    Afterwards "run --config /etc/ha.d" starts the native form. The way back: stop both nodes, "understudy upgrade --back" on
    each, start them.

    \b
    Exit codes: 0 done (with --dry-run: it would be done), 1 not wanted after all, or --back cannot be done, 2 wrong use,
    3 no daemon answers here, 4 refused: the text says why, and what is so now, 5 no answer in time.

    \b
    Examples:
      understudy upgrade --dry-run
      understudy upgrade
    """
    from ..errors import Refused
    from .client import Client
    from .terminal import print_json, say

    if sum((dry_run, abandon, back)) > 1:
        raise click.UsageError("--dry-run, --abandon and --back are three different things: use one of them")
    if back:
        _back(runtime_dir, state_dir)
        return
    client = Client(runtime_dir)
    if abandon:
        answer = client.post("/v1/upgrade/abandon", {}, LIMIT)
        print_json(answer) if as_json else say(answer["text"])
        return
    found = client.get("/v1/upgrade", LIMIT)
    if as_json and (dry_run or not found["ok"]):
        print_json(found)
    elif not as_json:
        _show(found)
    if not found["ok"]:
        raise Refused("the pair cannot be upgraded now; nothing is changed")
    if dry_run:
        return
    if not yes and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("nobody is here to be asked: say --yes, or --dry-run")
    if not yes and not click.confirm("Upgrade the pair now?"):
        say("Nothing is changed.")
        raise SystemExit(1)
    answer = client.post("/v1/upgrade", {}, LIMIT)
    _settle(client)
    if as_json:
        print_json(answer)
    else:
        say(answer["text"])


def _show(found: dict[str, Any]) -> None:
    from .terminal import say

    for item in found["obstacles"]:
        where = f"{item['node']}: " if item["node"] else ""
        say(f"! {where}{item['text']}")
        say(f"    {item['hint']}")
    if found["notes"]:
        say("What changes with the native form, or has no equivalent there:")
    for note in found["notes"]:
        say(f"- {note}")
    if found["steps"]:
        say("What will happen:" if found["ok"] else "What would happen:")
    for number, step in enumerate(found["steps"], 1):
        say(f"{number}. {step}")


def _settle(client: Client) -> None:
    """Until the next manager answers, and sees both nodes. Raises TimedOut."""
    from ..errors import NotRunning, TimedOut

    end = time.monotonic() + SETTLE
    while time.monotonic() < end:
        try:
            status = client.get("/v1/status")
        except (NotRunning, TimedOut):
            status = {}
        nodes = status.get("nodes", [])
        if status and not status.get("heartbeat") and nodes and all(node["state"] == "up" for node in nodes):
            return
        time.sleep(0.1)
    raise TimedOut(
        "this node has gone over, but does not see both nodes under the native protocol yet",
        "look with: understudy status",
    )


def _back(runtime_dir: str, state_dir: str) -> None:
    import os

    from ..adapters import lockfile, upgrading

    for part in ("supervisor", "pulse", "manager"):
        if lockfile.holder(os.path.join(runtime_dir, f"{part}.lock")):
            raise click.ClickException(
                "the daemon runs: stop it first, on both nodes, so that they never speak two protocols."
            )
    record = upgrading.read_record(state_dir)
    if record is None:
        raise click.ClickException(f"no upgrade is on record in {state_dir}: nothing is to be taken back.")
    try:
        upgrading.forget_record(state_dir)
    except OSError as error:
        raise click.ClickException(f"cannot remove the record in {state_dir}: {error.strerror}.") from None
    click.echo(
        f"The next start with {record.folder} reads Heartbeat's files again. {record.config} and its key are left as they are."
    )
    click.echo("Say the same on the other node before either of them is started.")
