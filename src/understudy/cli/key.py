"""``understudy key``: the cluster's key replaced on all members while everything runs."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_member, json_option, runtime_dir_option

LIMIT = 30.0
"""Seconds for one step: members that do not answer are asked three times."""

STEPS = ("add", "use", "drop")


@click.command()
@click.argument("action", metavar="show|rotate|abandon", type=click.Choice(["show", "rotate", "abandon"]))
@click.option("--step", "single", is_flag=True, help="With rotate: take only the next step, and stop.")
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_member,
    help="Leave this member out, because it is away; it needs the new key file before it comes back. May be given again.",
)
@json_option
@runtime_dir_option
def command(action: str, single: bool, without: tuple[str, ...], as_json: bool, runtime_dir: str) -> None:
    """Replace the cluster's key on all members while everything runs: no heartbeat is lost, nothing moves.

    "rotate" makes a new key and takes three steps, each on every member (witnesses too) before the next: the new key is known,
    then it is used, then the old one is gone. Each daemon writes its own key file and takes it up without a restart; the key
    travels between the daemons so that nobody who listens can read it. If it stops half-way, ask again: it goes on where it is.

    "show" says which keys each member uses and knows, by names of eight digits that are no secret. "abandon" gives up a new key
    that nobody uses yet.

    Not for a key that became known to others: until the last step whoever has the old key can take part. Stop all daemons then,
    make a new key with "understudy keygen --force", copy it to all, and start them.

    \b
    Exit codes: 0 done (show: nothing is in the way), 1 show found something in the way, 2 wrong use, 3 no daemon answers here,
    4 refused, with the reason; what is done so far stays and cuts nobody off, 5 no answer in time.

    \b
    Examples:
      understudy key show
      understudy key rotate
      understudy key rotate --step
      understudy key rotate --without ha03
    """
    from .client import Client
    from .terminal import print_json

    if action != "rotate" and single:
        raise click.UsageError('--step goes with "rotate"')
    if action == "show" and without:
        raise click.UsageError('--without goes with "rotate" and "abandon"')
    client = Client(runtime_dir)
    if action == "show":
        found = client.get("/v1/key", LIMIT)
        if as_json:
            print_json(found)
        else:
            _show(found)
        raise SystemExit(0 if found["ok"] else 1)
    left_out = ",".join(without)
    if action == "abandon":
        steps = ["abandon"]
    else:
        following = client.get("/v1/key", LIMIT)["next"] or "add"
        steps = list(STEPS[STEPS.index(following) :][: 1 if single else None])
    answers = []
    for step in steps:
        answer = client.post("/v1/key/rotate", {"step": step, "without": left_out}, LIMIT)
        answers.append(answer)
        if not as_json:
            place = f"{STEPS.index(step) + 1}/{len(STEPS)} " if step in STEPS else ""
            click.echo(f"{place}{answer['text']}: {', '.join(row['name'] for row in answer['members'])}")
    if as_json:
        print_json({"ok": True, "steps": answers})
    elif without:
        click.echo(f"Before {', '.join(without)} comes back: copy the key file of this machine to it.")


def _show(found: dict[str, Any]) -> None:
    from .terminal import say

    for row in found["members"]:
        knows = f", knows {', '.join(row['knows'])}" if row["knows"] else ""
        say(f"{row['name']}: uses {row['uses']}{knows}" if row["uses"] else f"{row['name']}: {row['trouble']}")
    for text in found["troubles"]:
        say(f"! {text}")
    if found["next"]:
        say(f"A rotation to {found['key']} is under way; the next step is {found['next']!r}: understudy key rotate")
