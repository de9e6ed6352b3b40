"""``understudy check`` of virtual routers: what was read, in lines and as JSON, and what this machine lacks for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

from ..adapters.other_daemon import KEEPALIVED, advice, keepalived_here
from ..adapters.router_routes import understood
from ..adapters.track_users import Program, examine, find_user, user_of
from ..manager.router_told import every_call
from ..units import format_duration
from ..vrrp_files import RouterFiles, RouterGlobals, SyncGroup, VirtualRouter


def summary(files: RouterFiles) -> list[str]:
    """A line for each virtual router, group and tracked thing."""
    lines = [_router(router) for router in files.routers]
    lines += [f"sync group {group.name}: {', '.join(group.members)}" for group in files.sync_groups]
    owners: tuple[VirtualRouter | SyncGroup, ...] = (*files.routers, *files.sync_groups)
    used = {track.name for item in owners for track in item.tracks if track.kind == "script"}
    lines += [
        f"script {script.name}: {' '.join(script.command)}, "
        + (f"every {format_duration(script.interval)}" if script.name in used else "never: nobody tracks it")
        for script in files.scripts
    ]
    lines += [f"track file {item.name}: {item.path}" for item in files.files]
    lines += [f"track process {item.name}: {' '.join(item.process)}" for item in files.processes]
    return lines


def _router(router: VirtualRouter) -> str:
    where = f"to {', '.join(peer.address for peer in router.peers)}" if router.peers else f"multicast {router.group}"
    addresses = [f"{item.address}/{item.prefix}" for item in router.addresses]
    shown = ", ".join(addresses[:4]) + (f" and {len(addresses) - 4} more" if len(addresses) > 4 else "") or "no address"
    tracks = ", ".join(dict.fromkeys(track.name for track in router.tracks))
    return (
        f"virtual router {router.name}: id {router.vrid} on {router.device}, version {router.version}, "
        f"priority {_priority(router)}, every {format_duration(router.interval)}, {where}: {shown}"
        + (f"; tracks {tracks}" if tracks else "")
    )


def _priority(router: VirtualRouter) -> str:
    own = ", ".join(f"{number} on {node}" for node, number in router.priorities)
    return own or str(router.priority)


def as_json(files: RouterFiles) -> dict[str, Any]:
    """What was read, for programs; no password."""
    return {
        "virtual_routers": [
            {
                "name": router.name,
                "id": router.vrid,
                "device": router.device,
                "family": router.family,
                "version": router.version,
                "priority": router.priority,
                "interval_ms": router.interval / 1e6,
                "authentication": router.auth,
                "preempt": router.preempt,
                "peers": [peer.address for peer in router.peers],
                "addresses": [f"{item.address}/{item.prefix}" for item in router.addresses],
                "tracks": [{"kind": track.kind, "name": track.name, "weight": track.weight} for track in router.tracks],
            }
            for router in files.routers
        ],
        "groups": [{"name": group.name, "members": list(group.members)} for group in files.sync_groups],
        "scripts": [{"name": script.name, "command": list(script.command)} for script in files.scripts],
    }


def beside_keepalived() -> str:
    """What is to be said of a keepalived that runs here, too; "" when there is none."""
    process = keepalived_here()
    if not process:
        return ""
    text = f"keepalived runs on this machine (process {process}): both would be master, and neither hears the other"
    return f"{text}; {advice(KEEPALIVED)}"


def look_here(files: RouterFiles) -> Iterator[str]:
    """Sentences about interfaces and programs that this machine does not have, and about another daemon that it has."""
    other = beside_keepalived() if files.routers else ""
    if other:
        yield f"{other}. understudy run does not start before that"
    devices = {name for _, name in socket.if_nameindex()}
    made = {router.virtual_mac.name for router in files.routers if router.virtual_mac is not None}
    for router in files.routers:
        wanted = [router.device, *(item.device for item in router.addresses)]
        wanted += [track.name for track in router.tracks if track.kind == "interface"]
        for device in dict.fromkeys(wanted):
            if device not in devices | made:
                more = "" if files.settings.dynamic_interfaces else "; keepalived would not start"
                yield f"{router.name}: there is no network interface {device}: {_until(router, device)} until there is{more}"
        yield from _not_made(router)
    for script in files.scripts:
        program = _judged(script.command, script.user, files.settings)
        if isinstance(program, str):
            yield f"script {script.name} is not run, and counts for nothing, as in keepalived: {program}"
    owners: tuple[VirtualRouter | SyncGroup, ...] = (*files.routers, *files.sync_groups)
    for item in owners:
        for call in every_call(item.notified):
            program = _judged(call.argv, call.user, files.settings)
            if isinstance(program, str):
                more = _QUOTE if len(call.argv) == 1 and call.user and program.startswith("there is no") else ""
                yield f"{item.name}: its notify script {call.argv[0]} cannot be run: {program}{more}"


def _not_made(router: VirtualRouter) -> Iterator[str]:
    for is_rule, lines in ((False, router.routes), (True, router.rules)):
        for words in lines:
            found = understood(words, router.family, is_rule)
            if isinstance(found, str):
                yield f"{router.name}: {found}"


def _until(router: VirtualRouter, device: str) -> str:
    """What becomes of the virtual router without that device."""
    weights = {track.weight for track in router.tracks if (track.kind, track.name) == ("interface", device)}
    if weights and 0 not in weights and device != router.device:
        return "its weight counts as for one without carrier"
    return "it is in FAULT"


_QUOTE = "; the word behind a script is its user: put the program and its arguments between double quotes"


def _judged(argv: tuple[str, ...], user: str, settings: RouterGlobals) -> Program | str:
    """As the daemon will judge it, which is root, whoever asks here."""
    security = settings.script_security
    if os.geteuid() == 0:
        return examine(argv, user_of(user, settings.script_user, security), security)
    return examine(argv, find_user(user or settings.script_user or "root"), security)
