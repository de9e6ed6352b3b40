"""The directives of ha.cf that name programs, users and devices that switch machines off."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from ..heartbeat_files import ApiAccess, OldStonith, Respawn
from .heartbeat_lines import Word
from .report import Report, suggestion
from .tree import Place

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

API_CLIENTS = ("dopd", "ccm", "hbagent", "mgmtd", "cibd")
"""Programs of Heartbeat and its companions that speak with it through its API socket."""


@dataclass(slots=True)
class Programs:
    """What was read, with its places."""

    respawn: list[tuple[Respawn, Place]] = field(default_factory=list)
    ipfail: Place | None = None
    """Where a respawned ipfail stands, which is built in."""
    access: dict[str, tuple[ApiAccess, Place]] = field(default_factory=dict)
    stonith: list[tuple[OldStonith, Place]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


def read_respawn(report: Report, draft: Programs, name: Word, values: list[Word]) -> None:
    """``respawn USER /PROGRAM ARGUMENTS...`` and the same of ``failfast``. An ipfail, wherever it lies, is the built-in one."""
    if len(values) < 2:
        hint = f'Write "{name.text} hacluster /usr/lib/heartbeat/ipfail".'
        report.error(values[0].place, f'"{name.text}" takes a user and a program', hint)
        return
    user, program, *arguments = values
    if not program.text.startswith("/"):
        report.error(program.place, f'"{program.text}" is not the full path of a program', "Begin it with /.")
        return
    if posixpath.basename(program.text) == "ipfail":
        draft.ipfail = program.place
        return
    if (base := posixpath.basename(program.text)) in API_CLIENTS:
        text = f"{base} asks the old program's API, which is gone: it will not find it, and end again and again"
        hint = 'Take the line away, and its "apiauth" with it.'
        if base == "dopd":
            hint += (
                " DRBD's drbd-peer-outdater works through dopd only: give fence-peer another handler, or take it out."
            )
        report.warning(program.place, text, hint)
    entry = Respawn(user.text, program.text, tuple(item.text for item in arguments), name.text == "failfast")
    draft.respawn.append((entry, user.place))


def read_apiauth(report: Report, draft: Programs, values: list[Word]) -> None:
    """``apiauth CLIENT [uid=A,B] [gid=C,D]``; a client may be named once."""
    client, *rest = values
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    for item in rest:
        word, sign, names = item.text.partition("=")
        if word not in ("uid", "gid") or not sign:
            hint = suggestion(word, ("uid", "gid"), "It takes")
            report.error(item.place, f'"{item.text}" in "apiauth"', hint)
            return
        found = tuple(name for name in names.split(",") if name)
        users, groups = (found, groups) if word == "uid" else (users, found)
    if client.text in draft.access:
        text = f'"apiauth" names {client.text} twice, first on line {draft.access[client.text][1].line}'
        report.error(client.place, text, "Put both into one line: uid=A,B gid=C,D.")
        return
    draft.access[client.text] = (ApiAccess(client.text, users, groups), client.place)


def read_env(report: Report, draft: Programs, values: list[Word]) -> None:
    """``env NAME=VALUE``: programs find it as ``HA_NAME``."""
    for item in values:
        name, sign, value = item.text.partition("=")
        if not sign or not _VARIABLE.fullmatch(name):
            report.error(item.place, f'"env" takes NAME=VALUE, not "{item.text}"', "Names have letters, digits and _.")
            continue
        draft.environment[f"HA_{name}"] = value


def read_stonith(report: Report, draft: Programs, name: Word, values: list[Word]) -> None:
    """``stonith TYPE FILE``: the device of every node."""
    if len(values) != 2:
        hint = 'Write "stonith external/ipmi /etc/ha.d/ipmi.conf", or use stonith_host.'
        report.error(values[0].place, '"stonith" takes the type of a device and a file of parameters', hint)
        return
    _add(report, draft, OldStonith("*", values[0].text, (), values[1].text), name.place)


def read_stonith_host(report: Report, draft: Programs, name: Word, values: list[Word]) -> None:
    """``stonith_host HOST TYPE PARAMETERS...``; HOST ``*`` for all nodes."""
    if len(values) < 2:
        hint = 'Write "stonith_host * external/ssh ha01 ha02".'
        report.error(values[0].place, '"stonith_host" takes a node, the type of a device and its parameters', hint)
        return
    host, kind, *arguments = (value.text for value in values)
    _add(report, draft, OldStonith(host.lower(), kind, tuple(arguments)), name.place)


def _add(report: Report, draft: Programs, device: OldStonith, place: Place) -> None:
    known = next((first for other, first in draft.stonith if other.host == device.host), None)
    if known is not None:
        whose = "all nodes" if device.host == "*" else device.host
        text = f"a second STONITH device for {whose}, the first is on line {known.line}"
        report.error(place, text, "Heartbeat knows one device for each node; native files may have any number.")
        return
    draft.stonith.append((device, place))
