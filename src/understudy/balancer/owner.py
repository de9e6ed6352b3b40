"""Who wrote an entry of nf_tables: several balancers may write one table, from one machine's containers, too."""

from __future__ import annotations

import os
import re
import secrets
import zlib

from ..adapters.safe_file import write_file

NAME = "balancer_owner"
"""In the state directory: a random number, as text. Who has not this file takes nothing away that is left over."""

_KEPT = re.compile(rb"[0-9a-f]{16}\n")


def owner(runtime_dir: str, state_dir: str) -> tuple[str, str]:
    """The owner of what this balancer writes, a word of 24 digits, and a sentence when the next start cannot know it.

    Containers with the host's network have the same paths and one table: the random part tells them apart. Two daemons with
    one state directory are told apart by their runtime directories.
    """
    path = os.path.join(state_dir, NAME)
    number, trouble = _read(path), ""
    if not number:
        number = secrets.token_hex(8)
        try:
            write_file(path, f"{number}\n".encode(), 0o600, replace=True)
        except OSError as error:
            trouble = (
                f"{path} cannot be written ({error.strerror}): services that are taken out of the file while no balancer runs"
                " stay in nf_tables"
            )
    return f"{number}{zlib.crc32(os.path.realpath(runtime_dir).encode(errors='surrogateescape')):08x}", trouble


def _read(path: str) -> str:
    """ "" for what is not there, cannot be read or is no such number."""
    try:
        with open(path, "rb") as file:
            found = file.read(100)
    except OSError:
        return ""
    return found.decode().strip() if _KEPT.fullmatch(found) else ""
