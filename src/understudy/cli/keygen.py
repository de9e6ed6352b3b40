"""``understudy keygen``: make the secret that all machines of a cluster share, or replace it without an interruption."""

from __future__ import annotations

import os
from typing import NoReturn

import click


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--rotate", is_flag=True, help="Take the next of the three steps that replace the key in FILE.")
@click.option(
    "--force", is_flag=True, help="Replace a key that there is; machines with the old one are then strangers."
)
def command(file: str, rotate: bool, force: bool) -> None:
    """Write a new cluster key to FILE, readable by its owner only.

    The same file belongs on every machine of the cluster, and nowhere else: whoever has it can take part.

    To replace a key while the cluster runs, `understudy key rotate` does it all. By hand, call `--rotate` three times. After
    each, copy the file to every machine (the witness too) and take it up there with `understudy reload`, which restarts nothing,
    before the next call (docs/runbook.md has the commands, and what a missed step looks like):

    \b
      1st  a new key is added; everybody accepts it, nobody uses it yet
      2nd  the new key is used; the old one is still accepted
      3rd  the old key is taken away

    \b
    Exit codes:
      0  the file was written
      1  it was not, with the reason: FILE exists, or this machine's cluster has a key already
      2  the command line is wrong

    \b
    Examples:
      understudy keygen /etc/understudy/cluster.key
      understudy keygen --rotate /etc/understudy/cluster.key
    """
    if rotate and force:
        raise click.UsageError("--rotate keeps the old key and --force throws it away: use one of them.")
    if rotate:
        _rotate(file)
        return
    # Not os.path.exists: a dangling link is there as well, and replacing it may surprise its owner.
    if os.path.lexists(file) and not force:
        hint = "Use --rotate to replace the key step by step, or --force to do it at once."
        _fail(f"{file} exists already. {hint}")
    if not force:
        _guard(file)
    _write(file, (_new_key(),))
    click.echo(f"Wrote a new key to {file} (mode 0600).")
    click.echo(
        f"Next: copy it to the same place on every other machine of the cluster, as in  scp -p {file} root@ha02:{file}"
    )
    click.echo("and name it in the configuration: key_file. The witness needs it too. Keep it secret.")


def _guard(file: str) -> None:
    """Somebody who has lost a key wants the cluster's own, not a new one, with which this machine would be a stranger to it."""
    from ..adapters import running

    runs_with = os.path.join(os.environ.get("UNDERSTUDY_RUNTIME_DIR", "/run/understudy"), running.KEYS)
    if os.path.lexists(runs_with):
        hint = f"Copy it: install -m 600 {runs_with} {file}. For another cluster: --force."
        _fail(f"this machine's cluster has a key already, in {runs_with}. {hint}")
    configuration = os.path.join(os.path.dirname(file), "cluster.toml")
    try:
        with open(configuration, encoding="utf-8", errors="replace") as text:
            named = os.path.basename(file) in text.read()
    except OSError:
        return
    if named:
        click.echo(
            f"{configuration} names this key: if its cluster runs on other machines, copy theirs instead, as in  "
            f"scp -p root@OTHER:{file} {file}",
            err=True,
        )


def _rotate(file: str) -> None:
    from ..config.keys import is_waiting, parse_keys, rotated
    from ..config.load import read_key_text
    from ..errors import Problem

    data = read_key_text(file)
    keys = data if isinstance(data, Problem) else parse_keys(data, file)
    if isinstance(data, Problem) or isinstance(keys, Problem):
        _fail(str(data if isinstance(data, Problem) else keys))
    after, waiting = rotated(keys, is_waiting(data), _new_key())
    _write(file, after, waiting)
    if waiting:
        click.echo(f"Step 1 of 3: added a new key to {file}; it is accepted, and the old one is still used.")
    elif len(after) == 2:
        click.echo(f"Step 2 of 3: the new key in {file} is used now; the old one is still accepted.")
    else:
        click.echo(f"Step 3 of 3: took the old key out of {file}.")
    click.echo("Next: copy the file to every machine, the witness too, and on each: understudy reload")
    if len(after) == 2:
        click.echo(f"When all of them run with it:  understudy keygen --rotate {file}")


def _new_key() -> bytes:
    """32 bytes from the kernel (getrandom)."""
    return os.urandom(32)


def _write(file: str, keys: tuple[bytes, ...], waiting: bool = False) -> None:
    from ..adapters.safe_file import write_file
    from ..config.keys import format_keys

    try:
        write_file(file, format_keys(keys, waiting).encode("ascii"), 0o600, replace=True)
    except OSError as error:
        _fail(f"cannot write {file}: {error.strerror}. Check the directory, and run this as root.")


def _fail(text: str) -> NoReturn:
    raise click.ClickException(text)
