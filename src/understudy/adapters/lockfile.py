"""One process for one job: a lock file that tells who holds it.

A POSIX record lock belongs to a living process and vanishes with it, and the kernel names its holder (``F_GETLK``). So there is
no stale file to mend after ``kill -9``, and no process number that somebody else has by now. The file's content means nothing.

Only the standard library; used by the supervisor, the pulse and the manager.
"""

from __future__ import annotations

import fcntl
import os
import struct

# struct flock of <fcntl.h>: type, whence, start, length, process.
_FLOCK = struct.Struct("@hhqqi")


def take(path: str) -> int | None:
    """Lock ``path`` (made if missing, mode 0600) for this process until it ends.

    Returns a descriptor that must stay open, or None when another process holds the lock. A process must open the file only
    once: closing any descriptor of it gives the lock up. Raises OSError when the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    return descriptor


def holder(path: str) -> int:
    """The number of the process that holds the lock on ``path``; 0 when nobody does.

    Not for use by the holder itself (opening and closing the file would give its lock up).
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _whence, _start, _length, process = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, request))
        return 0 if kind == fcntl.F_UNLCK else max(process, 0)
    except OSError:
        return 0
    finally:
        os.close(descriptor)


def attach(path: str) -> tuple[int, int] | None:
    """The holder's process number and a pidfd of exactly that process; None when nobody holds the lock.

    The lock is looked at again after the pidfd was opened: a number that was reused in between would not hold it.
    """
    for _ in range(8):
        process = holder(path)
        if not process:
            return None
        try:
            descriptor = os.pidfd_open(process)
        except ProcessLookupError:
            continue
        if holder(path) == process:
            return process, descriptor
        os.close(descriptor)
    return None
