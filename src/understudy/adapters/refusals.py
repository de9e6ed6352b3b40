"""What the system says when it refuses something, and whether that is our own machine's trouble."""

from __future__ import annotations

import errno
import os
import ssl

OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""What the kernel says when this machine, or this process, is at its limits: no fault of what is asked."""


def sentence(error: OSError) -> str:
    """What the system says. The event loops put other words, or the address, into the error's own text."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)
