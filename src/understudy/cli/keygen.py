"""``understudy keygen``: make the secret that all machines of a cluster share, or replace it without an interruption."""

from __future__ import annotations

import os
from typing import NoReturn

import click


@click.command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--rotate", is_flag=True, help="Take the next of the three steps that replace the key in FILE.")
@click.option("--force", is_flag=True, help="Replace a FILE that exists; machines with the old key are then strangers.")
def command(file: str, rotate: bool, force: bool) -> None:
    """Write a new cluster key to FILE, readable by its owner only.

    The same file belongs on every machine of the cluster, and nowhere else: whoever has it can take part.

    To replace a key while the cluster runs, call `--rotate` three times. After each, copy the file to every machine (the
    witness too) and restart the daemon on one after the other before the next call (docs/runbook.md has the commands, and what
    a missed step looks like):

    \b
      1st  a new key is added; everybody accepts it, nobody uses it yet
      2nd  the new key is used; the old one is still accepted
      3rd  the old key is taken away

    \b
    Exit codes:
      0  the file was written
      1  it was not, with the reason
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
    _write(file, (_new_key(),))
    click.echo(f"Wrote a new key to {file} (mode 0600).")
    click.echo(
        f"Next: copy it to the same place on every other machine of the cluster, as in  scp -p {file} root@ha02:{file}"
    )
    click.echo("and name it in the configuration: key_file. The witness needs it too. Keep it secret.")


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
    click.echo("Next: copy the file to every machine, the witness too, and restart the daemon on one after the other.")
    if len(after) == 2:
        click.echo(f"When all of them run with it:  understudy keygen --rotate {file}")


def _new_key() -> bytes:
    """32 bytes from the kernel (getrandom)."""
    return os.urandom(32)


def _write(file: str, keys: tuple[bytes, ...], waiting: bool = False) -> None:
    """All or nothing: a new file beside the old one, on the disk before it takes the name."""
    from ..config.keys import format_keys

    target = os.path.realpath(file) if os.path.islink(file) else file
    directory = os.path.dirname(os.path.abspath(target))
    draft = os.path.join(directory, f".{os.path.basename(target)}.{os.getpid()}.new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            os.write(descriptor, format_keys(keys, waiting).encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(draft, target)
        directory_descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory_descriptor)
        finally:
            os.close(directory_descriptor)
    except OSError as error:
        try:
            os.unlink(draft)
        except OSError:
            pass
        _fail(f"cannot write {file}: {error.strerror}. Check the directory, and run this as root.")


def _fail(text: str) -> NoReturn:
    raise click.ClickException(text)
