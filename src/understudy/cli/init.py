"""``understudy init``: the first configuration of a cluster, and its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .where import CONFIGURATION

if TYPE_CHECKING:
    from ..config.draft import Draft
    from .interview import Flags

ADMIN_GROUP = "understudy"
"""The Unix group that the package makes."""


@click.command()
@click.option("--config", default=CONFIGURATION, show_default=True, metavar="FILE", help="The configuration to write.")
@click.option("--cluster", default="", metavar="NAME", help="Name of the cluster.  [proposal: site]")
@click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="NAME=ADDRESS[,ADDRESS]",
    help="A machine that runs groups, with the addresses of its heartbeats; once for each. This machine is one by itself.",
)
@click.option(
    "--witness",
    default="",
    metavar="NAME=ADDRESS[,ADDRESS]",
    help="A machine that only votes: the third voice of two nodes.",
)
@click.option(
    "--pair", is_flag=True, help="Two nodes and no third machine, which is less safe; see `understudy check`."
)
@click.option("--group", default="", metavar="NAME", help="Name of the first group.  [proposal: web]")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="ADDRESS/LENGTH",
    help="A virtual address of the group. The length may be left out on a network of this machine.",
)
@click.option(
    "--device", default="", metavar="DEVICE", help="The interface that shall carry it.  [proposal: found by network]"
)
@click.option("--program", metavar="COMMAND", help='A program to run where the address is, as one line; "" for none.')
@click.option(
    "--ping",
    multiple=True,
    metavar="ADDRESS",
    help="With --pair: an address outside, such as the router.  [proposal: the router]",
)
@click.option("--dead-time", default="", metavar="TIME", help="The outage that a client may see.  [proposal: 1s]")
@click.option("--yes", is_flag=True, help="Ask nothing: take the proposals where no option says otherwise.")
@click.option("--force", is_flag=True, help="Replace a configuration that exists. A key that exists is always kept.")
@click.option(
    "--serve", is_flag=True, help="Afterwards invite the other machines at once, as `understudy invite` does."
)
@click.pass_context
def command(
    context: click.Context,
    config: str,
    cluster: str,
    nodes: tuple[str, ...],
    witness: str,
    pair: bool,
    group: str,
    addresses: tuple[str, ...],
    device: str,
    program: str | None,
    ping: tuple[str, ...],
    dead_time: str,
    yes: bool,
    force: bool,
    serve: bool,
) -> None:
    """Write the first configuration of a cluster and its key.

    Asks for what the options do not say, with proposals from this machine's name, interfaces and addresses. For two nodes and a
    witness, three nodes, or (`--pair`) two nodes alone. The answers are judged as `understudy check` does it, and only a good
    configuration is written: the file, and beside it a new key that only its owner can read. Nothing is ever half written, and
    nothing that exists is replaced without `--force`.

    Without a terminal nothing is asked: options must say everything, or `--yes` must accept the proposals.

    Afterwards `understudy invite` here and `understudy join` on the other machines bring both files there.

    \b
    Exit codes:
      0  both files are there
      1  the answers do not fit together, a file exists, or it cannot be written
      2  the command line is wrong or says too little
      5  with --serve: not all machines have joined in time

    \b
    Files:
      /etc/understudy/cluster.toml  the configuration, the same on every machine
      /etc/understudy/cluster.key   the key, mode 0600, the same on every machine

    \b
    Examples:
      understudy init
      understudy init --yes --node ha02=192.168.58.102 --witness arbiter=192.168.58.9 --address 192.168.58.100
      understudy init --yes --node ha02=10.0.0.2 --node ha03=10.0.0.3 --address 10.0.0.100/24
      understudy init --yes --node ha02=10.0.0.2 --pair --ping 10.0.0.1 --address 10.0.0.100/24
    """
    import os

    from .interview import Flags

    if os.path.lexists(config) and not force:
        hint = f"Look at it with: understudy check {config}\n  --force replaces it (the key beside it is kept)."
        raise click.ClickException(f"{config} exists already. {hint}")
    flags = Flags(cluster, nodes, witness, pair, dead_time, group, addresses, device, program, ping)
    draft = _draft(flags, config, yes)
    write(draft, config, force)
    _tell(context, config, draft, serve)


def _draft(flags: Flags, config: str, yes: bool) -> Draft:
    """The answers, from a person or from flags and proposals. Raises UsageError naming the flags that are missing."""
    import grp
    import os
    import sys
    from dataclasses import replace

    from ..errors import UsageError
    from .interview import Nobody, Person, interview
    from .this_machine import look

    machine = look()
    asked = sys.stdin.isatty() and not yes
    voice: Person | Nobody = Person() if asked else Nobody(agreed=yes)
    draft = interview(flags, machine, voice)
    if isinstance(voice, Nobody) and voice.missing:
        lines = [f"    {flag}\n        {'; '.join(questions)}" for flag, questions in voice.missing.items()]
        if yes:
            why = "--yes asks nothing, and has no proposal for this:"
        else:
            why = "there is no terminal to ask at. --yes takes the proposals (shown with ?), options say the rest:"
        raise UsageError("\n".join([why, *lines]))
    try:
        grp.getgrnam(ADMIN_GROUP)
        group = ADMIN_GROUP
    except KeyError:
        group = ""
    stem = os.path.splitext(os.path.basename(config))[0]
    return replace(draft, key_file=f"{stem}.key", admin_group=group)


def write(draft: Draft, config: str, force: bool) -> None:
    """Judge the draft, then write key and configuration. Ends the command with 1 when either cannot be; then nothing is left."""
    import os

    from ..adapters.safe_file import write_file
    from ..config.draft import draft_text
    from ..config.keys import format_keys
    from ..config.load import read_key_file
    from ..config.validate import read
    from ..errors import ConfigError, Problem

    text = draft_text(draft)
    reading = read(text, config, os.path.abspath(config))
    if reading.cluster is None:
        raise ConfigError([problem for problem in reading.problems if problem.severity == "error"])
    directory = os.path.dirname(os.path.abspath(config))
    key = os.path.join(directory, draft.key_file)
    made_key = False
    try:
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o755)
        if not os.path.lexists(key):
            write_file(key, format_keys((os.urandom(32),)).encode("ascii"), 0o600, replace=False)
            made_key = True
        else:
            found = read_key_file(key)
            if isinstance(found, Problem):
                raise ConfigError([found])
        write_file(config, text.encode("utf-8"), 0o644, replace=force)
    except OSError as error:
        if made_key:
            os.unlink(key)
        reason = "it exists already" if isinstance(error, FileExistsError) else error.strerror
        hint = "" if isinstance(error, FileExistsError) else " Check the directory, and run this as root."
        raise click.ClickException(
            f"cannot write {error.filename2 or error.filename or config}: {reason}.{hint}"
        ) from None
    click.echo(f"Wrote {config}.")
    click.echo(f"Wrote a new key to {key} (mode 0600)." if made_key else f"Kept the key in {key}.")


def _tell(context: click.Context, config: str, draft: Draft, serve: bool) -> None:
    """The judgement in the words of ``understudy check``, and the next steps."""
    import socket

    from . import check, invite

    click.echo("")
    context.invoke(check.command, paths=(config,), node=None, as_json=False)
    click.echo("")
    host = socket.gethostname()
    others = [member.name for member in draft.members if member.name not in (host, host.partition(".")[0])]
    if len(others) == len(draft.members):
        click.echo(f"This machine is called {host}, which is none of them: start it with  understudy run --node NAME")
    if serve:
        context.invoke(invite.command, names=(), config=config, listen=(), port=invite.PORT, life="15m")
        return
    flag = "" if config == CONFIGURATION else f" --config {config}"
    click.echo(f"Next: understudy invite{flag}    # here; it says what to type on the others ({', '.join(others)})")
    click.echo("      systemctl enable --now understudy    # then, on every machine")
