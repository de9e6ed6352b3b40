"""Telling systemd how we are (sd_notify(3)), and lines on the log: both in a few lines of standard library."""

from __future__ import annotations

import os
import socket
import sys
import time

from ..logline import Form, form, json_line, text_line


def tell_systemd(text: str) -> None:
    """Send ``READY=1``, ``STATUS=...``, ``WATCHDOG=1`` or the like; silently nothing when systemd did not start us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as handle:
        try:
            handle.sendto(text.encode(), address)
        except OSError:
            pass


def watchdog_interval() -> float | None:
    """Half of systemd's watchdog time, in seconds; None when it does not watch us."""
    text = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 2_000_000 if text.isdigit() and int(text) > 0 and for_us else None


def log(text: str, level: str = "info") -> None:
    """One line on standard error: with the journal's level prefix when that is not a terminal, or as JSON."""
    if form(os.environ) is Form.JSON:
        line = json_line(time.time_ns(), level, "supervisor", text)
    else:
        line = text_line(level, text, "understudy: ", not sys.stderr.isatty())
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except OSError:
        pass
