"""Files, read as a whole."""

from __future__ import annotations

import os
import stat

from ..errors import Problem

MOST_BYTES = 8_000_000
"""A configuration is some kilobytes, one with ten thousand real servers a megabyte or two; whoever names a disk image by mistake
gets a message, not a hung daemon.
"""

_CHUNK = 1 << 18


def text_of(path: str) -> str:
    """A file of the system's; "" when it is not there."""
    found = read_file(path)
    return "" if isinstance(found, Problem) else found[0].decode("utf-8", "replace")


def read_file(path: str) -> tuple[bytes, int] | Problem:
    """Content and permission bits of a regular file."""
    try:
        # Not blocking: opening a named pipe that nobody writes would hang for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = "Check the path." if isinstance(error, FileNotFoundError) else "Check who may read it; run this as root."
        return Problem(path, 0, 0, f"cannot read the file: {reason}", hint)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode) and os.path.exists(os.path.join(path, "ha.cf")):
            hint = f"A node runs from them: understudy run --config {path}. The native form: understudy convert {path}"
            return Problem(path, 0, 0, "this is a folder with Heartbeat's files, not a native configuration", hint)
        if not stat.S_ISREG(status.st_mode):
            return Problem(path, 0, 0, "cannot read the file: it is not a regular file", "Name the file itself.")
        data = b""
        while len(data) <= MOST_BYTES and (chunk := os.read(descriptor, _CHUNK)):
            data += chunk
    except OSError as error:
        return Problem(path, 0, 0, f"cannot read the file: {error.strerror}", "")
    finally:
        os.close(descriptor)
    if len(data) > MOST_BYTES:
        return Problem(path, 0, 0, f"the file is larger than {MOST_BYTES} bytes", "Is it the right file?")
    return data, stat.S_IMODE(status.st_mode)
