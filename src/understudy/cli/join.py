"""``understudy join``: fetch configuration and key from a machine that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .invite import PORT
from .where import CONFIGURATION

if TYPE_CHECKING:
    from .invitation import Code


@click.command()
@click.argument("address")
@click.option(
    "--code", default="", metavar="CODE", help="The code that `understudy invite` shows. Asked for, if not given."
)
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(1, 65535), help="The port of the invitation."
)
@click.option("--node", metavar="NAME", help="Which member this machine is to be. Default: the host name.")
@click.option("--config", default=CONFIGURATION, show_default=True, metavar="FILE", help="The configuration to write.")
@click.option("--force", is_flag=True, help="Replace a configuration and a key that exist.")
@click.pass_context
def command(
    context: click.Context, address: str, code: str, port: int, node: str | None, config: str, force: bool
) -> None:
    """Fetch configuration and key from the machine at ADDRESS, where `understudy invite` waits.

    Type the line that the inviting machine shows. The code proves each side to the other: this machine says nothing before it
    has seen that the other one made the code, and everything is encrypted. Both files are judged as `understudy check` does
    it before they are written, wholly or not at all; nothing that exists is replaced without `--force`.

    \b
    Exit codes:
      0  both files are there
      1  a file exists, is not good, or cannot be written
      2  the command line is wrong, or the code is mistyped
      3  nobody invites at ADDRESS
      4  refused: the code is wrong, used up, over, or for another machine; or ADDRESS is not the machine that made it
      5  the connection broke after the code was said; it may be used up

    \b
    Files:
      /etc/understudy/cluster.toml  the configuration, as on the inviting machine
      /etc/understudy/cluster.key   the key, mode 0600

    \b
    Examples:
      understudy join 192.168.58.101 --code F0ZZA-8M2QK-P7N4W-1C9YB-RD6TE-GX35H
    """
    import os
    import socket

    from . import check
    from .handover import Visit

    known = _code(code)
    key = f"{os.path.splitext(config)[0]}.key"
    for path in (config, key):
        if os.path.lexists(path) and not force:
            raise click.ClickException(f"{path} exists already. --force replaces it.")
    with Visit(address, port, known) as visit:
        _write(visit.ask(node or socket.gethostname()), config, force)
        visit.done()
    click.echo("")
    context.invoke(check.command, paths=(config,), node=node, as_json=False)
    click.echo("")
    if node:
        click.echo(f"This machine is to be {node}: start it as  understudy run --node {node}  (packaging/README.md).")
    click.echo("Next: systemctl enable --now understudy")


def _code(text: str) -> Code:
    import sys

    from .invitation import read_code

    if not text:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask for the code at; say it with --code.")
        text = click.prompt("Code")
    try:
        return read_code(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--code") from None


def _write(answer: dict[str, Any], config: str, force: bool) -> None:
    """Judge what came and write it: the key first, because a configuration without its key is refused."""
    import os

    from ..adapters.safe_file import write_file
    from ..config.keys import parse_keys
    from ..config.validate import read
    from ..errors import ConfigError, Problem

    text, secret, mode = str(answer.get("config", "")), str(answer.get("key", "")), answer.get("mode")
    reading = read(text, config, os.path.abspath(config))
    if reading.cluster is None:
        raise ConfigError([problem for problem in reading.problems if problem.severity == "error"])
    directory = os.path.dirname(os.path.abspath(config))
    key = os.path.join(directory, reading.cluster.key_file)
    keys = parse_keys(secret.encode("latin-1", "replace"), key)
    if isinstance(keys, Problem):
        raise ConfigError([keys])
    made_key = False
    try:
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o755)
        write_file(key, secret.encode("ascii"), 0o600, replace=force)
        made_key = True
        write_file(config, text.encode("utf-8"), 0o600 if mode == 0o600 else 0o644, replace=force)
    except OSError as error:
        if made_key and not force:
            os.unlink(key)
        reason = "it exists already; --force replaces it" if isinstance(error, FileExistsError) else error.strerror
        raise click.ClickException(f"cannot write {error.filename2 or error.filename or config}: {reason}.") from None
    click.echo(f"Wrote {config} and {key} (mode 0600).")
