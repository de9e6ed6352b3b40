"""Where the history's entries are printed: as fields to the journal, as JSON lines, or as lines for people.

The journal is spoken to in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) when our standard error leads to it, which
``JOURNAL_STREAM`` says (systemd.exec(5)). So ``journalctl UNDERSTUDY_GROUP=site`` finds what concerns one group.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from typing import Any

from ..logline import PRIORITY, Form, form, json_line, text_line, wall_text
from .entry import Entry

JOURNAL = "/run/systemd/journal/socket"


def leads_to_journal(stream: Any, environment: Mapping[str, str]) -> bool:
    """Whether ``stream`` is the one that systemd has connected with the journal: device and inode are those it names."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return environment.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def journal_message(fields: Mapping[str, str]) -> bytes:
    """One datagram of the journal's protocol. A value with a line break goes with its length in front."""
    data = b""
    for name, value in fields.items():
        raw = value.encode("utf-8", "replace")
        if b"\n" in raw:
            data += name.encode() + b"\n" + struct.pack("<Q", len(raw)) + raw + b"\n"
        else:
            data += name.encode() + b"=" + raw + b"\n"
    return data


class Log:
    """``stream`` is standard error, or None: nothing is printed. Used by one thread, which may wait for the stream."""

    def __init__(self, stream: Any, environment: Mapping[str, str] = os.environ, journal: str = JOURNAL) -> None:
        self._stream = stream
        self._form = form(environment)
        self._with_priority = stream is not None and not stream.isatty()
        self._journal = journal if self._form is Form.TEXT and leads_to_journal(stream, environment) else ""
        self._socket: socket.socket | None = None

    def write(self, entry: Entry) -> None:
        """Print an entry. Never raises; a journal that does not take it gets a line on standard error instead."""
        if self._stream is None or (self._journal and self._sent(entry)):
            return
        level = entry.level.value
        if self._form is Form.JSON:
            line = json_line(entry.at, level, "manager", entry.text, entry.group, entry.node)
        else:
            where = f"[{entry.group}] " if entry.group else ""
            at = "" if self._with_priority else f"{wall_text(entry.at)} "
            line = text_line(level, entry.text, f"{at}{where}", self._with_priority)
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def _sent(self, entry: Entry) -> bool:
        where = f"[{entry.group}] " if entry.group else ""
        fields = {
            "MESSAGE": f"{where}{entry.text}",
            "PRIORITY": str(PRIORITY[entry.level.value]),
            "SYSLOG_IDENTIFIER": "understudy",
            "UNDERSTUDY_AT": wall_text(entry.at),
            "UNDERSTUDY_GROUP": entry.group,
            "UNDERSTUDY_NODE": entry.node,
        }
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.sendto(
                journal_message({name: value for name, value in fields.items() if value}), self._journal
            )
        except OSError:
            return False
        return True
