"""What the kernel says about processes: identity, process groups, exits; and small records of them on disk.

A process is named by its number *and* its start time, because numbers are used again. A process group keeps its number for as
long as any member lives, so a group whose leader is gone can still be named by the number alone; a living leader with
another start time proves that the number went to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..units import MILLISECOND, SECOND, Duration

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs that we start are looked for, and look themselves."""

_KILL_PATIENCE: Duration = SECOND
"""How long a killed process may take to go. SIGKILL waits only for uninterruptible sleep, which may last for ever."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process group leader: ``pid``, ``started`` (clock ticks after boot, proc(5) field 22), and the boot it belongs to."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """The kernel's name for this boot, or an empty string where /proc does not show it."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _stat(pid: int | str) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on (state, parent, group, session, ...), or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return None
    # The second field is the program's name in brackets and may itself contain brackets and blanks.
    return line[line.rfind(b")") + 2 :].decode("ascii", "replace").split()


def identify(pid: int) -> Identity | None:
    """Name a process for good, or None when there is none with this number (a zombie still counts)."""
    fields = _stat(pid)
    if fields is None or len(fields) < 20:
        return None
    return Identity(pid, int(fields[19]), boot_id())


def parent_of(pid: int) -> int:
    """0 when it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields is not None and len(fields) > 1 else 0


def is_alive(who: Identity) -> bool:
    """Whether this very process still runs; a zombie does not."""
    fields = _stat(who.pid)
    if fields is None or len(fields) < 20 or who.boot != boot_id():
        return False
    return int(fields[19]) == who.started and fields[0] not in "ZX"


def group_members(leader: Identity) -> tuple[int, ...]:
    """Living members of the leader's process group, without zombies; empty when the number belongs to others now."""
    if leader.boot != boot_id():
        return ()
    try:
        os.killpg(leader.pid, 0)
    except ProcessLookupError:
        return ()
    except PermissionError:
        pass
    fields = _stat(leader.pid)
    if fields is not None and len(fields) >= 20 and int(fields[19]) != leader.started:
        return ()
    wanted = str(leader.pid)
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(name)
            if fields is not None and len(fields) > 2 and fields[2] == wanted and fields[0] not in "ZX":
                found.append(int(name))
    return tuple(sorted(found))


def signal_group(leader: Identity, number: int) -> bool:
    """Send a signal to the whole group; False when nobody of it is left."""
    if not group_members(leader):
        return False
    try:
        os.killpg(leader.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


async def readable(descriptor: int) -> None:
    """Wait until the descriptor is readable; for a pidfd that is the end of its process. One waiter a descriptor."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not done.done():
            done.set_result(None)

    loop.add_reader(descriptor, ready)
    try:
        await done
    finally:
        loop.remove_reader(descriptor)


async def process_end(pid: int, limit: Duration) -> bool:
    """Wait for a process's end, at most ``limit``; True when it is over (or never was)."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        async with asyncio.timeout(max(limit, 0) / SECOND):
            await readable(descriptor)
        return True
    except TimeoutError:
        return False
    finally:
        os.close(descriptor)


async def group_end(leader: Identity, limit: Duration) -> bool:
    """Wait until no member of the group lives, at most ``limit``. Waits for the members' ends one after the other."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + max(limit, 0) / SECOND
    while members := group_members(leader):
        left = deadline - loop.time()
        if left <= 0:
            return False
        # A member can join between two looks at /proc, hence the loop; the pause keeps a fork storm from spinning here.
        await process_end(members[0], int(left * SECOND))
        await asyncio.sleep(0.001)
    return True


async def kill_group(leader: Identity, patience: Duration = _KILL_PATIENCE) -> bool:
    """SIGKILL to the whole group, again for members that were just being born; True when nobody is left."""
    tries = max(patience // (50 * MILLISECOND), 1)
    for _ in range(tries):
        if not signal_group(leader, signal.SIGKILL):
            return True
        if await group_end(leader, 50 * MILLISECOND):
            return True
    return not group_members(leader)


def describe_exit(status: int | None) -> str:
    """``exit code 3``, ``signal SIGKILL``; None is an exit that another parent has collected."""
    if status is None:
        return "unknown exit status: an earlier manager had started it"
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def file_stem(name: str) -> str:
    """A file name for a resource: readable, and never the same for two resources."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:60]
    if plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def write_record(path: str, record: Mapping[str, object]) -> str:
    """Replace a small JSON file in one step. Returns what went wrong, or an empty string.

    Not forced to the disk: a record speaks of processes and is worthless after a power cut anyway.
    """
    temporary = f"{path}.new"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.replace(temporary, path)
    except OSError as error:
        return f"cannot write {path}: {error.strerror}"
    return ""


def read_record(path: str) -> dict[str, Any] | None:
    """The record, or None when there is none or it makes no sense."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def remove_record(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def recorded_identity(record: Mapping[str, Any] | None) -> Identity | None:
    """The process that a record names, or None when the record is of no use."""
    if record is None:
        return None
    pid, started, boot = record.get("pid"), record.get("started"), record.get("boot")
    if not isinstance(pid, int) or not isinstance(started, int) or not isinstance(boot, str) or pid <= 1:
        return None
    return Identity(pid, started, boot)
