"""The cluster in the words of Heartbeat 3: nodes, links, which resources. Plain functions of the daemon's status.

Under the old protocol the daemon says these words itself (``heartbeat`` of the status); a native cluster is translated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..snapshot import HeartbeatNode

_STATUS = {"up": "active", "late": "active", "lost": "dead", "unknown": "init"}
"""A native member's state in the word of the old program."""

_MOVING = ("starting", "stopping")

SETS = ("all", "foreign", "local", "failback")
"""What hb_standby and hb_takeover take."""


@dataclass(frozen=True, slots=True)
class View:
    """``nodes``: in the order of the configuration, ping nodes last. ``resources``: the word of ``cl_status rscstatus``.

    ``old``: the pair speaks the protocol of Heartbeat 3.
    """

    me: str
    nodes: tuple[HeartbeatNode, ...]
    resources: str
    old: bool
    groups: tuple[dict[str, Any], ...] = ()
    keys: dict[str, str] = field(default_factory=dict)

    def node(self, name: str) -> HeartbeatNode | None:
        """Names are compared without regard to case, as the old program does."""
        return next((node for node in self.nodes if node.name.lower() == name.lower()), None)

    def key(self, group: str) -> str:
        """What haresources calls a group; its own name in a native cluster."""
        return self.keys.get(group, group)


def view(status: dict[str, Any], pings: tuple[str, ...] = ()) -> View:
    """``status``: as ``GET /v1/status`` answers. ``pings``: the ping targets that the native configuration names."""
    me, groups = str(status["node"]), tuple(status["groups"])
    said = status.get("heartbeat")
    if said is not None:
        nodes = tuple(HeartbeatNode(**node) for node in said["nodes"])
        return View(me, tuple(_with_own_links(nodes, me)), str(said["resources"]), True, groups, dict(said["keys"]))
    nodes = tuple(_native(node) for node in status["nodes"])
    own: dict[str, Any] = next((node for node in status["nodes"] if node["name"] == me), {})
    nodes = (*_with_own_links(nodes, me), *_pings(pings, own.get("reaches")))
    return View(me, nodes, native_resources(me, groups), False, groups)


def _native(node: dict[str, Any]) -> HeartbeatNode:
    links = {link["network"]: "up" if link["up"] else "dead" for link in node["links"]}
    return HeartbeatNode(node["name"], "normal", _STATUS.get(node["state"], "init"), links)


def _with_own_links(nodes: tuple[HeartbeatNode, ...], me: str) -> Iterator[HeartbeatNode]:
    """Our own links are those by which others are heard: up while any of them is heard there."""
    for node in nodes:
        if node.name != me or node.links:
            yield node
            continue
        links: dict[str, str] = {}
        for other in nodes:
            if other.kind == "normal":
                for name, word in other.links.items():
                    links[name] = "up" if "up" in (word, links.get(name)) else word
        yield HeartbeatNode(node.name, node.kind, node.status, links)


def _pings(targets: tuple[str, ...], reached: list[str] | None) -> Iterator[HeartbeatNode]:
    """``reached``: the targets that answer this node; None when that is not known, which the old program calls init."""
    for name in dict.fromkeys((*targets, *(reached or ()))):
        word = "init" if reached is None else "ping" if name in reached else "dead"
        yield HeartbeatNode(name, "ping", word, {name: "up" if word == "ping" else "dead"})


def native_resources(me: str, groups: tuple[dict[str, Any], ...]) -> str:
    """As the old program counts: local are the groups that name this node first, foreign all others."""
    mine = [group for group in groups if group["holder"] == me]
    if any(group["state"] in _MOVING for group in mine):
        return "transition"
    local = any(group["preferred"] == me for group in mine)
    foreign = any(group["preferred"] != me for group in mine)
    return "all" if local and foreign else "local" if local else "foreign" if foreign else "none"


def of_set(what: str, me: str, groups: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """The groups of a set as the node ``me`` counts them. ``what``: all, local or foreign."""
    return [group for group in groups if what == "all" or (group["preferred"] == me) == (what == "local")]
