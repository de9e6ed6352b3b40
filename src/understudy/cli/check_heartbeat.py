"""``understudy check`` of a folder with Heartbeat's files: the same form as for native files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..heartbeat_files import HeartbeatFiles, Medium, MediumKind
from ..units import format_duration

if TYPE_CHECKING:
    from ..config.heartbeat import HeartbeatReading


def examine_folder(path: str, here: bool) -> HeartbeatReading:
    """The three files by themselves; and by what this machine has, when it is one of the nodes or ``here`` says so."""
    from ..config.heartbeat import read_heartbeat
    from ..config.load import heartbeat_folder
    from ..manager.heartbeat_machine import look

    texts, machine = heartbeat_folder(path), look(path)
    alone = read_heartbeat(texts)
    if not here and not is_node(alone, machine.name):
        return _with_services(alone)
    found = _with_services(read_heartbeat(texts, machine, here=True))
    return _with_names(found, path, texts.cf.path) if here else found


def _with_services(reading: HeartbeatReading) -> HeartbeatReading:
    """Also what the planes do of the services."""
    services = None if reading.files is None else reading.files.services
    if services is None:
        return reading
    from .check_services import judge

    return replace(reading, problems=(*reading.problems, *judge(", ".join(services.sources), services)))


def look_here(path: str, reading: HeartbeatReading, here: bool) -> tuple[str, ...]:
    """Sentences about what this machine lacks for the services, when it is one of the nodes or ``here`` says so.

    What it lacks for the rest stands among the problems: it is one of a line.
    """
    services = None if reading.files is None else reading.files.services
    if services is None:
        return ()
    from ..manager.heartbeat_machine import look
    from .check_ldirectord import look_here as look_for_services

    return look_for_services(services) if here or is_node(reading, look(path).name) else ()


def _with_names(reading: HeartbeatReading, path: str, file: str) -> HeartbeatReading:
    """Also whether the names in ha.cf have addresses here. May wait for a name server."""
    from ..manager.old_files import names, unknown

    if reading.files is None:
        return reading
    missing = tuple(unknown(file, reading.files, names(reading.files, path), "error"))
    return replace(reading, files=None if missing else reading.files, problems=(*reading.problems, *missing))


def is_node(reading: HeartbeatReading, host: str) -> bool:
    """Whether ha.cf names this host, as far as it could be read."""
    return any(word == "node" and host in value.lower().replace(",", " ").split() for word, value, _ in reading.given)


def summary(files: HeartbeatFiles) -> list[str]:
    """What was read, in a few lines."""
    spans = (("keepalive", files.keepalive), ("deadtime", files.deadtime), ("initdead", files.initdead))
    lines = [
        f"Heartbeat nodes {', '.join(files.nodes)}",
        ", ".join(f"{word} {format_duration(span)}" for word, span in spans)
        + f", auto_failback {files.auto_failback.value}",
        f"media: {', '.join(_medium(medium) for medium in files.media)}",
        f"signed with key {files.outgoing} ({_method(files)})",
    ]
    if files.ping_nodes:
        watched = "watched by the built-in ipfail" if files.ipfail else "watched by nobody"
        lines.append(f"ping nodes: {', '.join(node.name for node in files.ping_nodes)}, {watched}")
    for group in files.groups:
        runs = ", ".join(resource.id for resource in group.group.resources)
        lines.append(f"group {group.group.name} on {group.node} first: {runs or 'nothing'}")
    if files.services is None:
        return lines
    from .check_services import LDIRECTORD
    from .check_services import summary as services_summary

    return lines + services_summary(files.services, LDIRECTORD)


def as_json(files: HeartbeatFiles | None) -> dict[str, Any] | None:
    """What was read, for programs; no key."""
    if files is None:
        return None
    from .check_services import as_json as services_json

    return {
        "nodes": list(files.nodes),
        "media": [_medium(medium) for medium in files.media],
        "keepalive_ms": files.keepalive / 1e6,
        "deadtime_ms": files.deadtime / 1e6,
        "warntime_ms": files.warntime / 1e6,
        "initdead_ms": files.initdead / 1e6,
        "deadping_ms": files.deadping / 1e6,
        "auto_failback": files.auto_failback.value,
        "ping_nodes": [node.name for node in files.ping_nodes],
        "ipfail": files.ipfail,
        "signature": {"index": files.outgoing, "method": _method(files)},
        "groups": [{"key": group.key, "node": group.node, "resources": list(group.words)} for group in files.groups],
        "services": [] if files.services is None else services_json(files.services),
    }


def _method(files: HeartbeatFiles) -> str:
    key = files.key(files.outgoing)
    return "none" if key is None else key.method


def _medium(medium: Medium) -> str:
    if medium.kind is MediumKind.SERIAL:
        return f"serial {medium.device} at {medium.baud} baud"
    return " ".join(filter(None, (medium.kind.value, medium.device, medium.peer, f"port {medium.port}")))
