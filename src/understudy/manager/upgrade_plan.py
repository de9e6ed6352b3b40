"""What an upgrade of a Heartbeat pair would run with, and what is in its way on this node. Touches the disk; changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address

from ..adapters import running
from ..adapters.addresses import links_and_addresses
from ..adapters.agent_script import script_path
from ..config.digest import common
from ..config.heartbeat import NAMES, HeartbeatReading
from ..config.heartbeat_cf import read_cf
from ..config.heartbeat_copy import HeartbeatCopy, cluster_of
from ..config.heartbeat_lines import text_of
from ..config.heartbeat_native import Wanted, convert
from ..config.keys import parse_keys
from ..config.load import read_key_text
from ..config.report import Report
from ..config.validate import read
from ..core import saved_wishes
from ..errors import Problem
from ..heartbeat_files import HeartbeatFiles, MediumKind
from ..model import Cluster, ResourceDResource
from ..units import MILLISECOND, Duration, format_duration
from ..wire.native import key_name
from .old_access import NAMELESS_GROUP, access_of
from .old_fifo import NAME as FIFO
from .old_pair import drift

FOLDER = "/etc/ha.d"
NATIVE_CONFIG = "/etc/understudy/cluster.toml"
VARIABLE = "UNDERSTUDY_NATIVE_CONFIG"
"""Another path for the native file than the usual one."""

SHORTEST_DEAD_TIME: Duration = 800 * MILLISECOND
"""Half of it is the time for the other node to follow: below that a busy machine may be too slow."""

MOST_PARTS = 20

Obstacle = tuple[str, str]
"""What is in the way, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``text``: the native file. ``notes``: what changes with it, or is lost. ``there``: it stands on the disk already."""

    cluster: Cluster
    text: str
    notes: tuple[str, ...]
    there: bool = False

    @property
    def parts(self) -> dict[str, str]:
        """A short hash for each part of what must agree, so that a difference can be named."""
        cluster = self.cluster
        scalars = {word: value for word, value in common(cluster).items() if word not in ("groups", "members")}
        found = {"times, quorum and ping targets": _hash(scalars)}
        found |= {f"the addresses of {member.name}": _hash(asdict(member)) for member in cluster.members}
        if len(cluster.groups) > MOST_PARTS:
            return found | {"haresources": _hash([asdict(group) for group in cluster.groups])}
        return found | {f"the group {group.name}": _hash(asdict(group)) for group in cluster.groups}


def _hash(meaning: object) -> str:
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, default=str).encode()).hexdigest()[:8]


def config_path() -> str:
    return os.environ.get(VARIABLE) or NATIVE_CONFIG


def key_beside(config: str) -> str:
    return os.path.join(os.path.dirname(config), "cluster.key")


def own_addresses(files: HeartbeatFiles) -> tuple[str, ...]:
    """This machine's addresses on the devices that carry its heartbeats; virtual ones are none of them."""
    virtual = {item.address for group in files.groups for item in group.group.addresses}
    links, addresses = links_and_addresses()
    names = {link.index: link.name for link in links}
    found: dict[str, None] = {}
    for medium in files.media:
        six = medium.kind in (MediumKind.UNICAST6, MediumKind.MULTICAST6)
        for item in addresses:
            address = ip_address(item.packed)
            plain = not (address.is_loopback or address.is_link_local or item.prefix == address.max_prefixlen)
            here = medium.kind is not MediumKind.SERIAL and names.get(item.index) == medium.device
            if here and plain and (address.version == 6) is six and str(address) not in virtual:
                found[str(address)] = None
    return tuple(found)


def obstacles(copy: HeartbeatCopy, runtime_dir: str, state_dir: str) -> list[Obstacle]:
    """What this node by itself has against an upgrade."""
    files = copy.files
    found = [(text, "put the files back, or restart this node with them first") for text in drift(runtime_dir)]
    if len(files.nodes) != 2:
        hint = f"stop it, and start it with the native form: understudy convert {files.folder}"
        found.append(("there is no second node: nothing could be upgraded without an interruption", hint))
    if files.stonith:
        text = "ha.cf has a STONITH device, which the conversion does not carry over: the pair would lose its fencing"
        found.append((text, "stop both nodes, and start them with a native file with [fence.NAME]; docs/fencing.md"))
    if files.watchdog:
        hint = (
            "take it out of ha.cf on both nodes, restart one after the other, upgrade, and put it into the native file"
        )
        found.append((f"ha.cf has a watchdog, {files.watchdog}, which cannot change hands while it counts", hint))
    if files.deadtime < SHORTEST_DEAD_TIME:
        text = f"deadtime is {format_duration(files.deadtime)}: too short for the other node to follow in half of it"
        hint = f"write at least {format_duration(SHORTEST_DEAD_TIME)} in ha.cf on both nodes, and restart one after the other"
        found.append((text, hint))
    if not own_addresses(files):
        text = "no network of ha.cf gives an address for heartbeats here, and the native protocol takes no serial line"
        found.append((text, "add a ucast, bcast or mcast line to ha.cf on both nodes, and restart one after the other"))
    for path in _left_wishes(state_dir):
        text = f"{path} is left from an earlier life under the native protocol, and would count again"
        found.append((text, f"if that is over: rm {path}"))
    return found


def _left_wishes(state_dir: str) -> list[str]:
    """What operators had asked of this node once; nobody thinks of it any more."""
    paths = (os.path.join(state_dir, name) for name in ("standby", "draining"))
    found = [path for path in paths if os.path.exists(path)]
    wishes = os.path.join(state_dir, "wishes.json")
    with suppress(OSError), open(wishes, encoding="utf-8", errors="replace") as file:
        if saved_wishes.read(file.read(1 << 20), time.time_ns() // MILLISECOND):
            found.append(wishes)
    return found


def plan(copy: HeartbeatCopy, addresses: Mapping[str, tuple[str, ...]]) -> tuple[Plan | None, list[Obstacle]]:
    """The native form of what runs here, and what is in its way. ``addresses``: of heartbeats, for both nodes."""
    cf = os.path.join(copy.files.folder, NAMES[0])
    draft = read_cf(Report(cf), text_of(copy.texts[0]), cf, copy.port)
    given = tuple((word, value, place.line) for word, value, place in draft.given)
    reading = HeartbeatReading(replace(copy.files, ping_nodes=copy.pings), (), given)
    made = convert(reading, cf, Wanted(dict(addresses)))
    if made.text is None:
        return None, [(item.text, item.hint) for item in made.problems if item.severity == "error"]
    path = config_path()
    cluster = read(made.text, path, path).cluster
    if cluster is None:
        return None, [("the native form is refused", "see: understudy convert")]
    found = _differences(cluster, cluster_of(copy, path))
    there = _is_there(path, cluster.digest)
    if there is False:
        hint = f"if nothing uses it: mv {path} {path}.old (on both nodes)"
        found.append((f"{path} exists, and is not the native form of what runs here", hint))
    return Plan(cluster, made.text, (*made.notes, *_left_behind(copy, cluster)), bool(there)), found


def _left_behind(copy: HeartbeatCopy, native: Cluster) -> list[str]:
    """What of Heartbeat's files is still needed, and what scripts and users of this machine lose."""
    found = []
    if scripts := scripts_in(copy.files.folder, native):
        found.append(f"{', '.join(scripts)}: the native file still calls that: keep it when {FOLDER} is removed")
    fifo = os.path.join(copy.home, FIFO)
    if os.path.lexists(fifo):
        found.append(
            f"{fifo}: nobody reads it any more, and what writes to it waits for ever: use understudy move, standby and online"
        )
    if native.admin_group is None and access_of(copy.files.api_access).anybody:
        who = "those of apiauth" if copy.files.api_access else f"the members of {NAMELESS_GROUP}"
        found.append(
            f"only root may ask this daemon then, and {who} no longer: later write admin_group into {config_path()} on both, "
            "and say understudy reload (its members may command, too)"
        )
    return found


def scripts_in(folder: str, native: Cluster) -> list[str]:
    """Those in Heartbeat's folder that the native file runs."""
    parts = [part for group in native.groups for part in group.resources if isinstance(part, ResourceDResource)]
    found = {script_path(part.resource_script) or "" for part in parts}
    return sorted(path for path in found if path.startswith((f"{folder}/", f"{FOLDER}/")))


def _differences(native: Cluster, old: Cluster) -> list[Obstacle]:
    """What would not be taken over as it runs: the name is that of the kernel's tables, the groups are what is held."""
    found = []
    if native.name != old.name:
        text = f"the cluster's name {old.name!r} cannot be used natively"
        found.append((text, "write another one in ha.cf (letters, digits, dots, dashes), and restart both nodes"))
    before = {group.name: group for group in old.groups}
    for group in native.groups:
        was = before.get(group.name)
        if was is None or was.resources != group.resources or was.prefer != group.prefer:
            text = f"the group {group.name} does not mean the same natively, so what runs could not be kept"
            found.append((text, "stop both nodes, and start them with the native form"))
    return found


def _is_there(path: str, digest: str) -> bool | None:
    """Whether the native file stands there already; None: there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(1_000_000)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return False
    found = read(text, path, path).cluster
    return found is not None and found.digest == digest


def known_key(config: str) -> tuple[str, bytes, Obstacle | None]:
    """(name, key, what is wrong) of the key file beside the native file; an empty name: there is none."""
    path = key_beside(config)
    if not os.path.lexists(path):
        return "", b"", None
    data = read_key_text(path)
    keys = data if isinstance(data, Problem) else parse_keys(data, path)
    if isinstance(data, Problem) or isinstance(keys, Problem):
        problem = data if isinstance(data, Problem) else keys
        return "", b"", (str(problem), f"mend or remove {path}")
    if len(keys) > 1:
        return "", b"", (f"{path} has two keys", "leave the one that both nodes are to use")
    return key_name(keys[0]), keys[0], None


def weak(files: HeartbeatFiles) -> str:
    """Why the old signatures prove nothing, or "": then two nodes may agree on a key over the old protocol."""
    crc = [str(key.index) for key in files.keys if key.method == "crc"]
    return f"key {crc[0]} of authkeys is crc, which anybody can sign with" if crc else ""


def source(runtime_dir: str) -> str:
    """The folder that this node was started with."""
    return os.path.abspath(running.source(runtime_dir) or "/etc/ha.d")
