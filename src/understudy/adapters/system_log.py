"""One line for syslog, as syslog(3) writes it: a datagram for the socket on which the daemon listens.

It never waits: a line that the daemon does not take at once is lost, as a full disk's would be.
"""

from __future__ import annotations

import os
import socket
import time

PATH = "/dev/log"

_NAMES = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp"
FACILITIES = {name: number for number, name in enumerate(_NAMES.split())}
FACILITIES |= {f"local{number}": 16 + number for number in range(8)} | {"security": FACILITIES["auth"]}
"""RFC 5424, 6.2.1, under the names of syslog.conf(5)."""

_SEVERITIES = {"error": 3, "warning": 4}
_INFORMATIONAL = 6


def write(facility: str, level: str, text: str, path: str = PATH) -> bool:
    """Whether it was taken. ``facility``: one that is not known is daemon. ``level``: error, warning, or anything else (info)."""
    number = FACILITIES.get(facility, FACILITIES["daemon"]) * 8 + _SEVERITIES.get(level, _INFORMATIONAL)
    line = f"<{number}>{time.strftime('%b %e %H:%M:%S')} understudy[{os.getpid()}]: {text}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as opened:
            opened.sendto(line.encode("utf-8", "replace"), path)
    except OSError:
        return False
    return True
