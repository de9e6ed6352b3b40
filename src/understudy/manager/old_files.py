"""A folder with Heartbeat's files, as this machine can run it: what they say, and what the machine says about them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import Problem
from ..heartbeat_files import HeartbeatFiles
from ..model import AddressResource

if TYPE_CHECKING:
    from ..config.heartbeat_copy import HeartbeatCopy
    from ..config.heartbeat_machine import Machine
    from ..model import Cluster

HOME = "/var/lib/heartbeat"
HOME_VARIABLE = "UNDERSTUDY_HEARTBEAT_DIR"
"""Another folder for hb_uuid and hb_generation than the old program's, which is best: a machine keeps its identity."""


def is_folder(path: str) -> bool:
    """Whether there is a folder with an ha.cf."""
    return os.path.exists(os.path.join(path, "ha.cf"))


@dataclass(frozen=True, slots=True)
class Read:
    """``cluster`` and ``copy`` are None when any problem is an error. ``node``: which one this machine is."""

    cluster: Cluster | None
    copy: HeartbeatCopy | None
    node: str
    problems: tuple[Problem, ...]


def read(folder: str, node: str | None, home: str, before: HeartbeatCopy | None = None) -> Read:
    """The folder as this machine can run it. May wait for a name server, for the hosts that ha.cf names by a word.

    ``before``: what runs already, whose addresses of names stay unless /etc/hosts says otherwise.
    """
    from ..config.heartbeat import read_heartbeat
    from ..config.heartbeat_copy import HeartbeatCopy, cluster_of
    from ..config.load import heartbeat_folder
    from .heartbeat_machine import look

    texts, machine = heartbeat_folder(folder), look(folder)
    if node is not None:
        machine = replace(machine, host=node, named=True)
    reading = read_heartbeat(texts, machine, here=True)
    if reading.files is None:
        return Read(None, None, machine.name, reading.problems)
    found = _objections(texts.cf.path, reading.files)
    problems = (*reading.problems, *found)
    if any(problem.severity == "error" for problem in found):
        return Read(None, None, machine.name, problems)
    data = (texts.cf.data, texts.haresources.data, texts.authkeys.data)
    copy = HeartbeatCopy(reading.files, data, machine.port, home, _hosts(reading.files, machine, before))
    problems += tuple(unknown(texts.cf.path, reading.files, copy.hosts))
    return Read(cluster_of(copy, os.path.abspath(folder)), copy, machine.name, problems)


def take(folder: str, node: str | None) -> tuple[Cluster | None, str, str, tuple[Problem, ...]]:
    """(cluster or None when anything is an error, the copy for the runtime directory, which node this is, all problems)."""
    from ..config.heartbeat_copy import write_copy

    found = read(folder, node, os.environ.get(HOME_VARIABLE) or HOME)
    return found.cluster, "" if found.copy is None else write_copy(found.copy), found.node, found.problems


def _hosts(files: HeartbeatFiles, machine: Machine, before: HeartbeatCopy | None = None) -> dict[str, str]:
    """The addresses of all names, of ping nodes and of the other machine: by /etc/hosts, else by whatever this one asks.

    What runs has asked: a name server that is away, or has several addresses in turn, makes no difference by itself.
    """
    from ..adapters import old_media
    from ..adapters.host_names import look_up

    pings = _named_pings(files)
    words = [*pings, *(medium.peer for medium in old_media.host_names(files.media))]
    found = {word: machine.hosts[word.lower()] for word in words if word.lower() in machine.hosts}
    asked: set[str] = set()
    if before is not None:
        asked = {*_named_pings(before.files), *(medium.peer for medium in old_media.host_names(before.files.media))}
        found = {word: before.hosts[word] for word in words if word in before.hosts} | found
    left = {word for word in words if word not in found and word not in asked}
    found |= look_up(word for word in pings if word in left)
    return found | old_media.look_up(medium for medium in files.media if medium.peer in left)


def _named_pings(files: HeartbeatFiles) -> list[str]:
    from ..adapters.host_names import is_address

    return [host for ping in files.ping_nodes for host in ping.hosts if not is_address(host)]


def names(files: HeartbeatFiles, folder: str) -> dict[str, str]:
    """The addresses of all names in ha.cf, as this machine knows them now. May wait for a name server."""
    from .heartbeat_machine import look

    return _hosts(files, look(folder))


def unknown(path: str, files: HeartbeatFiles, hosts: Mapping[str, str], severity: str = "warning") -> Iterator[Problem]:
    """The names in ha.cf of which nobody knows an address now."""
    from ..adapters.old_media import host_names

    again = "It is asked for again while the daemon runs. Write the address, or put the name into /etc/hosts."
    for name in dict.fromkeys(_named_pings(files)):
        if name not in hosts:
            text = f"nobody knows an address of the ping node {name}, so it does not answer"
            yield Problem(path, 0, 0, text, again, severity)
    for medium in host_names(files.media):
        if medium.peer not in hosts:
            text = f"nobody knows an address of {medium.peer}, so {medium.kind.value} {medium.device} carries nothing"
            yield Problem(path, 0, 0, text, again, severity)


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
                hint = f"Write {resource.address}/24/eth0 in haresources."
                found.append(Problem(path, 0, 0, text, hint, passing=True))
    return tuple(found)
