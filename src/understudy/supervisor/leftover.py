"""What may still run here after a stop that was not clean: for the log, so that somebody can look after it.

Read from what the kernel and the runtime directory say, when there is nobody left to ask.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from ..adapters import own_unit

_UNSEEN = "it was not seen to stop"
_THEN = (
    "Look now: where nothing proves that it has stopped, another machine may start the group after its stop_timeout; "
    "`systemctl start {unit}` here takes charge again"
)
_ASKED_KINDS = ("ocf", "script", "lsb", "resource_d", "systemd")


def leftovers(runtime_dir: str, node: str = "") -> list[str]:
    """A sentence for each group of which something is here, or may be. ``node``: a witness has nothing."""
    tree = _configuration(os.path.join(runtime_dir, "running.toml"))
    former = _configuration(os.path.join(runtime_dir, "former.toml")).get("groups", {})  # a reload may not be over
    if node in tree.get("witness", {}):
        return []
    local, programs = local_addresses(), living_programs(runtime_dir)
    found = []
    unseen = _THEN.format(unit=own_unit.supervised_by(runtime_dir))
    groups = tree.get("groups", {})
    for name in dict.fromkeys((*groups, *former)):
        now, before = (part.get(name, {}).get("resources", []) for part in (groups, former))
        parts = [
            text
            for item in (*now, *(item for item in before if item not in now))
            if (text := _part(item, local, programs))
        ]
        if parts:
            then = f". {unseen}" if any(part.endswith(_UNSEEN) for part in parts) else ""
            found.append(f"group {name}: {'; '.join(parts)}{then}")
    return found


def _part(item: dict[str, Any], local: frozenset[str], programs: list[tuple[list[str], int]]) -> str:
    name = item.get("name")
    if "address" in item:
        address = str(item["address"]).partition("/")[0]
        return f"{address} is still on {item.get('device')}" if _packed(address) in local else ""
    if "command" in item:
        pids = [str(pid) for argv, pid in programs if argv == item["command"]]
        return f"{name or item['command'][0]} runs (process {', '.join(pids)})" if pids else ""
    if "notify" in item:
        return ""
    if "mount" in item:
        directory = str(item.get("at"))
        there = any(line.split()[4:5] == [directory] for line in _lines("/proc/self/mountinfo"))
        return f"{directory} is mounted" if there else ""
    if "realserver" in item:
        return f"{item['realserver']} may still be on {item.get('device', 'lo')}, with its ARP settings"
    if "route" in item or "source_address" in item:
        return f"{name or 'the route to ' + str(item.get('route') or item.get('of_route'))} may be set"
    agent = next((item[kind] for kind in _ASKED_KINDS if kind in item), None)
    return f"{name or agent} may run: {_UNSEEN}"


def _configuration(path: str) -> dict[str, Any]:
    import tomllib  # only here: the supervisor is to stay small

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return {}


def living_programs(runtime_dir: str) -> list[tuple[list[str], int]]:
    """Command line and process number of every program that the manager has on record and that still runs."""
    found = []
    directory = os.path.join(runtime_dir, "programs")
    for name in os.listdir(directory) if os.path.isdir(directory) else ():
        try:
            with open(os.path.join(directory, name), "rb") as file:
                record = json.load(file)
            pid, started, argv = int(record["pid"]), int(record["started"]), list(record["argv"])
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b") ")[2].split()
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if int(fields[19]) == started and fields[0] not in (b"Z", b"X"):  # proc(5): start time, state
            found.append((argv, pid))
    return found


def local_addresses() -> frozenset[str]:
    """All addresses of this machine (of this network namespace), packed, in hexadecimal digits."""
    found = set()
    last = ""
    for line in _lines("/proc/net/fib_trie"):  # "|-- 192.0.2.1" and below it "/32 host LOCAL"
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.add(_packed(last))
    found.update(line.split()[0] for line in _lines("/proc/net/if_inet6"))
    return frozenset(found)


def _packed(address: str) -> str:
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address).hex()
    except OSError:
        return address


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except OSError:
        return []
