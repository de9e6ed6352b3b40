"""``understudy install-compat``: launchers under the names of Heartbeat's tools."""

from __future__ import annotations

import os
import shlex
import stat
import sys

import click

from ..adapters.safe_file import write_file
from ..errors import UnderstudyError
from .options import json_option

MARK = '# Written by "understudy install-compat", which takes it away again with --remove.'

PLACES = {
    "bin/cl_status": "cl_status",
    "sbin/ldirectord": "ldirectord",
    "share/heartbeat/hb_standby": "hb_standby",
    "share/heartbeat/hb_takeover": "hb_takeover",
    "share/heartbeat/hb_addnode": "hb_addnode",
    "share/heartbeat/hb_delnode": "hb_delnode",
    "share/heartbeat/hb_setweight": "hb_setweight",
    "share/heartbeat/hb_setsite": "hb_setsite",
    "share/heartbeat/ResourceManager": "ResourceManager",
    "libexec/heartbeat/heartbeat": "heartbeat",
    "lib/heartbeat/heartbeat": "heartbeat",
}
"""Below the prefix, where Debian 12 has them with the prefix /usr; heartbeat also where older builds had it."""

FOLDERS = ("share/heartbeat", "libexec/heartbeat", "lib/heartbeat", "libexec")


@click.command()
@click.option(
    "--prefix",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Above bin, sbin, share/heartbeat, libexec/heartbeat and lib/heartbeat; Heartbeat's own was /usr.",
)
@click.option(
    "--remove", is_flag=True, help="Take the launchers below DIR away again, and folders that are empty then."
)
@json_option
def command(prefix: str, remove: bool, as_json: bool) -> None:
    """Install Heartbeat's command-line tools under their old names, for scripts and monitoring that call them.

    They are small launchers of cl_status, hb_standby, hb_takeover, hb_addnode, hb_delnode, hb_setweight, hb_setsite,
    ResourceManager and heartbeat, which ask this machine's daemon; words, streams and exit codes are those of Heartbeat 3.0.6.
    ldirectord FILE start, stop, restart, try-restart, reload, force-reload and status is there as well (docs/balancing.md).
    They work with a native cluster as well as with a pair under the old protocol. A file that understudy did not write is never
    replaced: then nothing is written at all.

    Debian's package heartbeat has its own tools below /usr: best choose /usr/local and leave it installed. Its removal (and its
    upgrade) stops heartbeat.service, which is our daemon where understudy-heartbeat is enabled, and leaves it stopped: the groups
    move. Then: systemctl start understudy-heartbeat, on one machine before the other is touched.

    \b
    Exit codes:
      0  done; what was written or taken away is listed
      1  other files are in the way, or the folder cannot be written
      2  the command line is wrong

    \b
    Examples:
      understudy install-compat --prefix /usr/local
      understudy install-compat --prefix /usr/local --remove
    """
    from .terminal import print_json, say

    root = os.path.abspath(prefix)
    try:
        found = take_away(root) if remove else install(root)
    except OSError as error:
        raise UnderstudyError(f"cannot change {error.filename}: {error.strerror}", "use sudo?") from None
    if as_json:
        print_json({"ok": True, "prefix": root, **found})
        return
    for what, paths in found.items():
        for path in paths:
            say(f"{path} is left as it is: not ours" if what == "left" else f"{what} {path}")
    if not any(found.values()):
        say(f"nothing of ours is below {root}")


def install(root: str) -> dict[str, list[str]]:
    """Raises UnderstudyError when a file of others is in the way (then nothing was written), OSError."""
    paths = {os.path.join(root, place): tool for place, tool in PLACES.items()}
    others = [path for path in paths if os.path.lexists(path) and not is_ours(path)]
    if others:
        hint = "Choose another --prefix, such as /usr/local; or remove the package that they belong to."
        if any(os.path.dirname(path).endswith("/heartbeat") for path in others):
            hint += (
                " Where understudy-heartbeat is enabled, apt-get remove heartbeat stops our daemon, too: "
                "systemctl start understudy-heartbeat afterwards, on one machine before the other is touched."
            )
        raise UnderstudyError(f"not ours, so nothing was written: {', '.join(others)}", hint)
    for path, tool in paths.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_file(path, os.fsencode(launcher(tool)), 0o755, replace=True)
    return {"wrote": list(paths)}


def take_away(root: str) -> dict[str, list[str]]:
    """Raises OSError."""
    removed, left = [], []
    for place in PLACES:
        path = os.path.join(root, place)
        if os.path.lexists(path) and is_ours(path):
            os.unlink(path)
            removed.append(path)
        elif os.path.lexists(path):
            left.append(path)
    for folder in FOLDERS if removed else ():
        path = os.path.join(root, folder)
        if os.path.isdir(path) and not os.listdir(path):
            os.rmdir(path)
    return {"removed": removed, "left": left}


def is_ours(path: str) -> bool:
    """A plain file with our line near its beginning. Raises OSError."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
    with open(path, "rb") as file:
        return MARK.encode() in file.read(500).splitlines()


def launcher(tool: str) -> str:
    """A script for sh(1), which does not limit the length of the interpreter's path."""
    code = "from understudy.cli.compat import main; main()"
    return f'#!/bin/sh\n{MARK}\nexec {shlex.quote(sys.executable)} -Ps -c {shlex.quote(code)} {tool} "$0" "$@"\n'
