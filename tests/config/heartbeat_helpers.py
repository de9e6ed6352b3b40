"""What the tests of Heartbeat's files share: machines that nobody has, cases of three files, and what was read as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

import ldirectord_helpers

from understudy.config.heartbeat import Found, HeartbeatReading, Texts, read_heartbeat
from understudy.config.heartbeat_machine import Machine, Network
from understudy.config.ldirectord import LdirectordReading, read_ldirectord
from understudy.config.ldirectord_files import Find
from understudy.heartbeat_files import HeartbeatFiles
from understudy.units import format_duration

SPANS = frozenset(
    {"keepalive", "deadtime", "warntime", "initdead", "deadping", "max_resend_delay", "start", "stop", "damping"}
)
CF = "keepalive 1\ndeadtime 10\ninitdead 30\nauto_failback on\nbcast eth0\nserial /dev/ttyS0\nnode ha01 ha02\n"
RESOURCES = "ha01 192.168.58.100/24/eth0 httpd\n"
KEYS = "auth 1\n1 sha1 brown-fox-42\n"

HA01 = Machine(
    host="ha01",
    devices=frozenset({"lo", "eth0", "eth1"}),
    networks=(Network("eth0", "192.168.58.101", 24), Network("eth1", "192.168.107.101", 24)),
    hosts={"ha01": "127.0.1.1", "ha02": "192.168.107.102", "router": "192.168.58.1"},
    users=frozenset({"root", "hacluster"}),
    groups=frozenset({"root", "haclient"}),
    scripts={"httpd": "/etc/init.d/httpd", "test1": "/etc/ha.d/resource.d/test1", "own": "/srv/ha.d/resource.d/own"},
    units=frozenset({"apache2.service", "httpd.service", "ldirectord.service"}),
    agents=frozenset({"MailTo", "apache", "Delay", "SendArp", "IPaddr2", "portblock", "WAS", "ids"}),
    is_program=lambda path: path == "/usr/local/bin/watcher",
    exists=lambda path: path in ("/dev/ttyS0", "/dev/watchdog"),
)
"""The first node of the standard files."""

VIRTUAL = {
    "apache-pair": ("192.168.58.100/24/eth0",),
    "apache-nfs-serial": ("9.22.7.46/24/eth0",),
    "lvs-pair": ("192.168.2.254/24/eth0",),
}
"""What the published files leave to the machine."""


def finder(files: Mapping[str, str]) -> Find:
    """Who reads these files of ldirectord, and no others."""

    def find(name: str) -> LdirectordReading | None:
        return read_ldirectord(files[name], name, ldirectord_helpers.NAMES) if name in files else None

    return find


def texts(
    cf: str = CF,
    haresources: str = RESOURCES,
    authkeys: str = KEYS,
    mode: int = 0o600,
    balanced: Mapping[str, str] | None = None,
) -> Texts:
    """Three files as they come from the disk; ``balanced``: those of ldirectord, by name."""
    return Texts(
        "/etc/ha.d",
        Found("ha.cf", cf.encode()),
        Found("haresources", haresources.encode()),
        Found("authkeys", authkeys.encode(), mode),
        finder(balanced or {}),
    )


def folder(path: Path) -> Texts:
    """The files of a folder, the keys with the mode that Heartbeat wants."""
    cf, haresources, authkeys = (
        Found(name, (path / name).read_bytes()) for name in ("ha.cf", "haresources", "authkeys")
    )
    balanced = {file.name: file.read_text() for file in path.glob("*.cf") if file.name != "ha.cf"}
    return Texts(path.name, cf, haresources, authkeys, finder(balanced))


def case_texts(text: str) -> tuple[Texts, Machine | None, bool]:
    """A case: ha.cf first, then ``@haresources``, ``@authkeys [MODE]``; ``@on ha01``: looked at on that machine. What is missing
    is the standard file; a line ``+`` stands for the standard file's lines. Any other ``@NAME`` is a file of ldirectord.
    """
    parts: dict[str, str] = {}
    options: dict[str, str] = {}
    name = "ha.cf"
    for line in text.splitlines(keepends=True):
        if line.startswith("@"):
            name, _, option = line[1:].strip().partition(" ")
            options[name] = option
            parts.setdefault(name, "")
        else:
            parts[name] = parts.get(name, "") + line
    standard = {"ha.cf": CF, "haresources": RESOURCES, "authkeys": KEYS}
    files = {
        name: (parts[name] if parts.get(name, "").strip() else text if options.get(name) != "empty" else "").replace(
            "+\n", text
        )
        for name, text in standard.items()
    }
    mode = options.get("authkeys", "")
    balanced = {name: text for name, text in parts.items() if name not in (*standard, "on")}
    modes = int(mode, 8) if mode.isdigit() else 0o600
    made = texts(files["ha.cf"], files["haresources"], files["authkeys"], modes, balanced)
    return made, HA01 if "on" in options else None, "on" in options


def read_case(text: str) -> HeartbeatReading:
    made, machine, here = case_texts(text)
    return read_heartbeat(made, machine, here)


def meaning(files: HeartbeatFiles) -> str:
    """Every field that is not empty, one a line; of resources what differs from the default."""
    lines = []
    for item in fields(files):
        value = getattr(files, item.name)
        if item.name == "groups":
            for group in value:
                lines.append(f"group {group.group.name}: key {group.key} of {group.node}, {_rest(group.group)}")
                lines += [f"    {resource.id}: {_rest(resource)}" for resource in group.group.resources]
        elif item.name == "services":
            lines += [] if value is None else ldirectord_helpers.meaning(value).splitlines()
        elif item.name == "keys":
            lines.append("keys: " + ", ".join(f"{key.index} {key.method} {key.key!r}" for key in value))
        elif isinstance(value, tuple):
            lines += [f"{item.name}: {_text(item.name, entry)}" for entry in value]
        elif value != "":
            lines.append(f"{item.name}: {_text(item.name, value)}")
    return "\n".join(lines) + "\n"


def _rest(thing: object) -> str:
    left = ("id", "name", "resources", "restarts")
    found = [(item, getattr(thing, item.name)) for item in fields(thing) if item.name not in left]  # type: ignore[arg-type]
    return ", ".join(
        f"{item.name}={_text(item.name, value)}" for item, value in found if value not in ((), None, item.default)
    )


def _text(name: str, value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, int) and not isinstance(value, bool) and (name in SPANS or name.endswith(("time", "timeout"))):
        return format_duration(value)
    if name == "limits":
        return "/".join(format_duration(getattr(value, word)) for word in ("start", "stop", "monitor", "interval"))
    if is_dataclass(value):
        pairs = [(item.name, getattr(value, item.name)) for item in fields(value) if item.init]
        return " ".join(f"{word}={_text(word, part)}" for word, part in pairs if part not in ("", (), 0, None, False))
    return str(value)
