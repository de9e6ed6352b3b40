"""``understudy check`` of virtual routers: what was read, in lines and as JSON, and what this machine lacks for them."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from typing import Any

from ..units import format_duration
from ..vrrp_files import RouterFiles, SyncGroup, VirtualRouter


def summary(files: RouterFiles) -> list[str]:
    """A line for each virtual router, group and tracked thing."""
    lines = [_router(router) for router in files.routers]
    lines += [f"sync group {group.name}: {', '.join(group.members)}" for group in files.sync_groups]
    lines += [
        f"script {script.name}: {' '.join(script.command)}, every {format_duration(script.interval)}"
        for script in files.scripts
    ]
    lines += [f"track file {item.name}: {item.path}" for item in files.files]
    lines += [f"track process {item.name}: {' '.join(item.process)}" for item in files.processes]
    lines += [f"kept, not served yet: {text.partition(' {')[0].strip()}" for text in files.services]
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
        "services": len(files.services),
    }


def look_here(files: RouterFiles) -> Iterator[str]:
    """Sentences about interfaces and programs that this machine does not have."""
    devices = {name for _, name in socket.if_nameindex()}
    made = {router.virtual_mac.name for router in files.routers if router.virtual_mac is not None}
    for router in files.routers:
        wanted = [router.device, *(item.device for item in router.addresses)]
        wanted += [track.name for track in router.tracks if track.kind == "interface"]
        for device in dict.fromkeys(wanted):
            if device not in devices | made:
                more = (
                    "it is waited for in FAULT"
                    if files.settings.dynamic_interfaces
                    else "keepalived does not start then"
                )
                yield f"{router.name}: there is no network interface {device} ({more})"
    for name, command in _commands(files):
        path = command[0] if command[0].startswith("/") else shutil.which(command[0])
        if path is None or not os.path.exists(path):
            yield f"{name}: there is no program {command[0]}; keepalived leaves the script out"
        elif not os.access(path, os.X_OK) or os.path.isdir(path):
            yield f"{name}: {command[0]} cannot be run; keepalived leaves the script out"


def _commands(files: RouterFiles) -> Iterator[tuple[str, tuple[str, ...]]]:
    for script in files.scripts:
        yield script.name, script.command
    owners: tuple[VirtualRouter | SyncGroup, ...] = (*files.routers, *files.sync_groups)
    for item in owners:
        told = item.notified
        for command in (told.master, told.backup, told.fault, told.stop, told.deleted, told.lower_priority, told.any):
            if command:
                yield item.name, command
