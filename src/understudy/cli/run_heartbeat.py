"""``understudy run`` of a folder with Heartbeat's files: what they say, and what this machine says about them, once for all."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import Problem
from ..heartbeat_files import HeartbeatFiles
from ..model import AddressResource

if TYPE_CHECKING:
    from ..config.heartbeat_machine import Machine
    from ..model import Cluster

HOME = "/var/lib/heartbeat"
HOME_VARIABLE = "UNDERSTUDY_HEARTBEAT_DIR"
"""Another folder for hb_uuid and hb_generation than the old program's, which is best: a machine keeps its identity."""


def is_folder(path: str) -> bool:
    """Whether there is a folder with an ha.cf."""
    return os.path.exists(os.path.join(path, "ha.cf"))


def take(folder: str, node: str | None) -> tuple[Cluster | None, str, str, tuple[Problem, ...]]:
    """(cluster or None when anything is an error, the copy for the runtime directory, which node this is, all problems).

    May wait for a name server, for the hosts that ha.cf names by a word.
    """
    from ..config.heartbeat import read_heartbeat
    from ..config.heartbeat_copy import HeartbeatCopy, cluster_of, write_copy
    from ..config.load import heartbeat_folder
    from .heartbeat_machine import look

    texts, machine = heartbeat_folder(folder), look(folder)
    if node is not None:
        machine = replace(machine, host=node)
    reading = read_heartbeat(texts, machine, here=True)
    if reading.files is None:
        return None, "", machine.name, reading.problems
    found = _objections(texts.cf.path, reading.files)
    problems = (*reading.problems, *found)
    if any(problem.severity == "error" for problem in found):
        return None, "", machine.name, problems
    home = os.environ.get(HOME_VARIABLE) or HOME
    data = (texts.cf.data, texts.haresources.data, texts.authkeys.data)
    copy = HeartbeatCopy(reading.files, data, machine.port, home, _hosts(reading.files, machine))
    return cluster_of(copy, os.path.abspath(folder)), write_copy(copy), machine.name, problems


def _hosts(files: HeartbeatFiles, machine: Machine) -> dict[str, str]:
    """The addresses of all names: of ping nodes by /etc/hosts alone, of the other machine by whatever this one asks."""
    from ..adapters.old_media import host_names, look_up

    words = [host for ping in files.ping_nodes for host in ping.hosts]
    words += [medium.peer for medium in host_names(files.media)]
    found = {word: machine.hosts[word.lower()] for word in words if word.lower() in machine.hosts}
    return look_up(files.media) | found


def _objections(path: str, files: HeartbeatFiles) -> tuple[Problem, ...]:
    """What cannot be done while the old protocol is spoken."""
    found = []
    if len(files.nodes) > 2:
        text = f"{len(files.nodes)} nodes: haresources works with one or two, as in Heartbeat"
        found.append(Problem(path, 0, 0, text, "Take out all but two; or write a native configuration."))
    for group in files.groups:
        for resource in group.group.resources:
            if isinstance(resource, AddressResource) and not resource.device:
                text = f"no interface of this machine is in the network of {resource.address}"
                found.append(Problem(path, 0, 0, text, f"Write {resource.address}/24/eth0 in haresources."))
    if files.stonith:
        text = "a STONITH device is configured, and this version cannot use it while the old protocol is spoken"
        hint = "Without it a dead machine's groups would be taken unfenced: write a native configuration (understudy convert)."
        found.append(Problem(path, 0, 0, text, hint))
    if files.watchdog:
        text = f"the watchdog {files.watchdog} is not used while the old protocol is spoken"
        found.append(
            Problem(path, 0, 0, text, "The kernel's leases end by themselves when the daemon hangs.", "warning")
        )
    for item in files.respawn:
        text = f"respawn {item.program} is not run by this version"
        found.append(Problem(path, 0, 0, text, "Run it as a unit of systemd.", "warning"))
    return tuple(found)
