"""``understudy reload``."""

from __future__ import annotations

import sys

import click

from .options import json_option, runtime_dir_option


@click.command()
@click.option("--dry-run", is_flag=True, help="Show the difference and what a reload would do; change nothing.")
@click.option(
    "--yes", is_flag=True, help="Do not ask. Needed where nobody can answer: without a terminal, or with --json."
)
@json_option
@runtime_dir_option
def command(dry_run: bool, yes: bool, as_json: bool, runtime_dir: str) -> None:
    """Take up the changed configuration file on this node.

    The file that the daemon was started with is read again. First the difference is shown, in words, with what will be stopped,
    started and restarted; then it is taken up, on this node only: reload each machine, one after the other. What is the same goes
    on untouched. In a group that changed, a changed resource and those that start after it are stopped and started again, where
    the group runs; a group that is gone is stopped. A file with errors changes nothing at all, and neither does one that asks for
    what only a restart of the daemons can do: other links, times, quorum or watchdogs.

    One node or witness more or fewer (quorum "majority") is taken up, too. Until every member has taken it up a majority of the
    old and of the new voters is needed; `understudy status` says who has not. A reload of the former file takes it back.

    SIGHUP to the supervisor (systemctl reload understudy) does the same without asking.

    \b
    Exit codes: 0 taken up, or nothing to do (with --dry-run: a reload would be accepted), 1 not wanted after all, 2 wrong use,
    3 no daemon answers here, 4 refused and nothing is changed, 5 not seen to be done in time.

    \b
    Examples:
      understudy reload --dry-run
      understudy reload --yes
    """
    from ..errors import Refused
    from .client import Client
    from .difference_text import lines
    from .terminal import print_json, say

    client = Client(runtime_dir)
    found = client.get("/v1/difference")
    if as_json and dry_run:
        print_json(found)
    elif not as_json:
        for line in lines(found):
            say(line)
    if not found["ok"]:
        raise Refused(f"a reload of {found['source']} would be refused; nothing is changed")
    if dry_run or (not found["changes"] and not as_json):
        return
    if not yes and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("nobody is here to be asked: say --yes, or --dry-run")
    if not yes and not click.confirm("Take it up now?"):
        say("Nothing is changed.")
        raise SystemExit(1)
    answer = client.post("/v1/reload", {"digest": found["digest"]})
    if as_json:
        print_json(answer)
    else:
        say(answer["text"])
