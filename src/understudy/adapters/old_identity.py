"""Who this node is in the old protocol: the files hb_uuid and hb_generation of Linux-HA Heartbeat 3, in its formats.

Both are read and written at the start, before anything is sent; they wait for the disk. A machine that is moved from 3.0.6
keeps its identity, and goes back with it: 3.0.6 reads what is written here.

The generation must grow with every start: a node that sends a lower one is taken for a replay and ignored by its peers. So a
file that cannot be read is not guessed at, but an error.

Not done: ``uuidfrom nodename``, where 3.0.6 draws the bytes from the C library's rand() with the name as its seed. That is
another result on another C library; the file is used instead, and peers accept a changed UUID for a known name.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UnderstudyError
from ..old_pair import GENERATIONS
from .safe_file import write_file

UUID_FILE = "hb_uuid"
GENERATION_FILE = "hb_generation"
LARGEST_GENERATION = 999_999_999_999_999
"""Of 15 columns; 3.0.6 itself keeps a C long."""

_MODE = 0o644
_UUID_BYTES = 16
_GENERATION_COLUMNS = 15


@dataclass(frozen=True, slots=True)
class OldIdentity:
    """``uuid``: 16 bytes as they are on the wire. ``generation``: of this start. ``notes``: sentences about what was new."""

    uuid: bytes
    generation: int
    notes: tuple[str, ...] = ()


def read_identity(folder: str, seconds: Callable[[], int], by_time: bool = False) -> OldIdentity:
    """Read or make the UUID, and count the generation up. ``seconds``: the clock on the wall, since 1970.

    ``by_time`` is ``hbgenmethod time``: the generation is the time, and nothing is kept. ``folder`` is made when it is missing.
    Raises UnderstudyError when a file cannot be read or written, or says what no generation is.
    """
    try:
        os.makedirs(folder, mode=0o755, exist_ok=True)
        own, notes = _own_uuid(os.path.join(folder, UUID_FILE))
        if by_time:
            return OldIdentity(own, seconds(), notes)
        generation, more = _next_generation(os.path.join(folder, GENERATION_FILE), seconds)
    except OSError as error:
        text = f"{error.filename or folder}: {error.strerror}; the old protocol's identity is kept there"
        raise UnderstudyError(text, "It must be a folder on a disk, and writable.") from error
    return OldIdentity(own, generation, notes + more)


def _own_uuid(path: str) -> tuple[bytes, tuple[str, ...]]:
    data = _read(path)
    if data is not None and len(data) == _UUID_BYTES and any(data):
        return data, ()
    made = uuid.uuid4().bytes
    write_file(path, made, _MODE, replace=True)
    if data is None:
        return made, (f"{path} is missing: this node has a new UUID",)
    return made, (f"{path} does not hold {_UUID_BYTES} bytes of a UUID: this node has a new one",)


def _next_generation(path: str, seconds: Callable[[], int]) -> tuple[int, tuple[str, ...]]:
    """One more than the file says, or than the time where there is none; on the disk when this returns."""
    data = _read(path)
    notes: tuple[str, ...] = ()
    if data is None:
        last = seconds()
        notes = (f"{path} is missing: this node's generation starts at {last + 1}",)
    else:
        text = data.strip()
        if not (text.isdigit() and len(text) <= _GENERATION_COLUMNS and int(text) < LARGEST_GENERATION):
            shown = text[:40].decode("ascii", "backslashreplace")
            hint = "Remove it: the generation then starts at the time, which is more than any counted one."
            raise UnderstudyError(f'{path} says "{shown}", which is no generation', hint)
        last = int(text)
    write_file(path, f"{last + 1:>{_GENERATION_COLUMNS}}\n".encode(), _MODE, replace=True)
    return last + 1, notes


def keep_generation(folder: str, generation: int) -> None:
    """The file says at least ``generation`` from now on: the node went on to it while it ran. Raises OSError."""
    path = os.path.join(folder, GENERATION_FILE)
    text = (_read(path) or b"").strip()
    if not text.isdigit() or int(text) < generation:
        write_file(path, f"{generation:>{_GENERATION_COLUMNS}}\n".encode(), 0o600, replace=True)


def generations(state_dir: str) -> dict[str, int]:
    """What ``GENERATIONS`` says; nothing when it cannot be read. Whoever loses it accepts recordings once more."""
    try:
        with open(os.path.join(state_dir, GENERATIONS), encoding="ascii") as file:
            return {str(name): int(number) for name, number in json.loads(file.read(4096)).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _read(path: str) -> bytes | None:
    """The beginning of a file; None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except FileNotFoundError:
        return None
