"""What the old tools want to know of the configuration: parameters, ping targets, the lines of haresources.

``running.source`` in the runtime directory names what the daemon was started with: a folder with Heartbeat's files, or a native
file. The copy that counts is beside it. haresources is read afresh, as the old tools did. Only light parts are imported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .where import HEARTBEAT

VERSION_OF = "3.0.6"
"""Whose tools these stand in for."""

DEFAULTS = {
    "cluster": "linux-ha",
    "hopfudge": "1",
    "keepalive": "1000ms",
    "deadtime": "30000ms",
    "baud": "19200",
    "debug": "0",
    "auto_failback": "legacy",
    "hbgenmethod": "file",
    "realtime": "true",
    "msgfmt": "classic",
    "conn_logd_time": "60",
    "log_badpack": "true",
    "syslogmsgfmt": "true",
    "coredumps": "true",
    "pacemaker": "false",
    "crm": "false",
    "autojoin": "none",
    "uuidfrom": "file",
    "compression": "zlib",
    "compression_threshold": "2",
    "traditional_compression": "no",
    "max_rexmit_delay": "250",
    "memreserve": "6500",
    "udpport": "694",
}
"""Of 3.0.6 (``heartbeat -D``, and what its cl_status answers); the times that follow from others are worked out."""

_NO_VALUE = frozenset(
    {
        "node",
        "bcast",
        "ucast",
        "mcast",
        "ucast6",
        "mcast6",
        "serial",
        "ping",
        "ping6",
        "ping_group",
        "respawn",
        "failfast",
    }
    | {"apiauth", "stonith", "stonith_host", "nice_failback", "normalpoll", "env"}
)
"""Directives of which cl_status of 3.0.6 knows no value, whatever ha.cf says."""


@dataclass(frozen=True, slots=True)
class Source:
    """``folder``: with Heartbeat's files, or None. ``native``: the tables of the native file with which the daemon runs.

    ``copy``: where the daemon keeps what it runs with.
    """

    folder: str | None
    native: dict[str, Any] | None = None
    copy: str = ""

    def ha_cf(self) -> bytes | None:
        """The one that the daemon runs with if we may read its copy, else the one in the folder; None for neither."""
        kept = (_tables(self.copy) or {}).get("heartbeat", {})
        text = kept.get("ha.cf") if isinstance(kept, dict) else None
        if isinstance(text, str):
            return text.encode("latin-1", "replace")  # byte by byte, as it was written
        return _content(os.path.join(self.folder or "", "ha.cf"))


def source(runtime_dir: str, old: bool) -> Source:
    """``old``: the daemon says that it speaks the old protocol. Never raises: what cannot be read is not known."""
    from ..adapters import running

    path, copy = running.source(runtime_dir), running.configuration(runtime_dir)
    if old or os.path.isdir(path):
        return Source(path if os.path.isdir(path) else HEARTBEAT, copy=copy)
    return Source(None, _tables(copy), copy)


def _tables(path: str) -> dict[str, Any] | None:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return None


def parameter(found: Source, name: str) -> str | None:
    """The value as written in ha.cf, or Heartbeat's default; None where cl_status has none."""
    if name == "hbversion":
        return version()
    if name in _NO_VALUE:
        return None
    if found.folder is None:
        return _native_words(found.native).get(name)
    given = written(found.ha_cf())
    if given is None:
        return None
    return given.get(name) or DEFAULTS.get(name) or _derived(name, {**DEFAULTS, **given})


def version() -> str:
    from .. import __version__

    return f"{VERSION_OF} (understudy: {__version__})"


def written(data: bytes | None) -> dict[str, str] | None:
    """The last value of each directive of ha.cf; None when it cannot be read."""
    from ..config.heartbeat_lines import directives, split, text_of
    from ..config.heartbeat_words import WHOLE_LINE

    if data is None:
        return None
    found: dict[str, str] = {}
    for name, rest in directives(text_of(data), "ha.cf"):
        values = [rest] if name.text in WHOLE_LINE else split(rest, " \t,")
        if values:
            found[name.text] = values[-1].text
    return found


def _derived(name: str, given: dict[str, str]) -> str | None:
    """What follows from other directives where ha.cf leaves it out."""
    from ..config.heartbeat_words import old_time
    from ..heartbeat_files import default_initdead
    from ..units import MILLISECOND

    if name in ("logfile", "debugfile"):
        return "/dev/null" if "logfacility" in given else None
    deadtime = old_time(given["deadtime"])
    if isinstance(deadtime, str):
        return None
    times = {"deadping": deadtime, "warntime": deadtime // 2, "initdead": default_initdead(deadtime)}
    return f"{times[name] // MILLISECOND}ms" if name in times else None


def _native_words(native: dict[str, Any] | None) -> dict[str, str]:
    """A native configuration in the words of ha.cf, as far as it has them."""
    if native is None:
        return {}
    cluster = native.get("cluster", {})
    words = {"keepalive": "heartbeat", "deadtime": "dead_time", "initdead": "init_dead_time"}
    found = {old: text for old, word in words.items() if (text := _milliseconds(cluster.get(word)))}
    found["cluster"] = str(cluster.get("name", ""))
    groups = native.get("groups", {}).values()
    found["auto_failback"] = "off" if all(group.get("failback") == "never" for group in groups) else "on"
    return found


def _milliseconds(text: object) -> str | None:
    from ..units import MILLISECOND, parse_duration

    return f"{parse_duration(text) // MILLISECOND}ms" if isinstance(text, str) else None


def pings(found: Source) -> tuple[str, ...]:
    """The ping targets that a native configuration names, each once."""
    native = found.native or {}
    groups = native.get("groups", {}).values()
    return tuple(dict.fromkeys(target for group in groups for target in group.get("stays_where", {}).get("ping", ())))


def has_ipfail(found: Source) -> bool:
    """Whether something gives up when the other side reaches more ping nodes: the client ``ipfail`` of the old program."""
    if found.folder is None:
        return bool(pings(found))
    from ..config.heartbeat_lines import directives, text_of

    data = found.ha_cf()
    lines = () if data is None else directives(text_of(data), "ha.cf")
    return any(name.text == "respawn" and "/ipfail" in rest.text for name, rest in lines)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of haresources. ``words``: the resources as written, the key first."""

    node: str
    words: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.words[0]

    @property
    def text(self) -> str:
        """As the old scripts searched it."""
        return f"{self.node} {' '.join(self.words)} "


def haresources(folder: str) -> tuple[Line, ...]:
    """The lines of haresources; none when it cannot be read."""
    from ..config.heartbeat_lines import joined_lines, text_of
    from ..config.report import Report

    data = _content(os.path.join(folder, "haresources"))
    if data is None:
        return ()
    rows = joined_lines(text_of(data), "haresources", Report("haresources"))
    lines = ([word.text for word in row] for row in rows)
    return tuple(Line(row[0].lower(), tuple(row[1:])) for row in lines if len(row) > 1)


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(1_000_000)
    except OSError:
        return None
