"""The answer to ``GET /v1/whatif``, and the same for a file without a daemon. Plain functions of their arguments."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ..core import whatif
from ..core.placement import NodeView, View
from ..errors import UsageError
from ..model import Cluster
from .api import nearest

UNHEARD = ("lost", "unknown")
"""States of nodes that count as down in what is asked of a living cluster."""


def read_names(text: str, cluster: Cluster, nodes_only: bool = False) -> tuple[str, ...]:
    """``ha01,ha02`` as names of the file, each once. Raises UsageError with the nearest name."""
    known = tuple(member.name for member in cluster.nodes) if nodes_only else cluster.names
    found: list[str] = []
    for name in filter(None, (item.strip() for item in text.split(","))):
        if name in cluster.names and name not in known:
            raise UsageError(f"{name!r} is a witness: it runs nothing and has no standby", nearest(name, known))
        if name not in known:
            raise UsageError(f"there is no machine {name!r}", nearest(name, known))
        if name not in found:
            found.append(name)
    return tuple(found)


def read_targets(text: str, cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """``192.168.58.1@ha01,192.168.58.2``, ping targets of groups or of a pair, as (target, node); without a node on all.

    Raises UsageError with the nearest name.
    """
    found: dict[tuple[str, str], None] = {}
    targets = tuple(dict.fromkeys((*cluster.reach_targets, *cluster.ping)))
    for item in filter(None, (item.strip() for item in text.split(","))):
        target, at, name = item.partition("@")
        try:
            target = str(ipaddress.ip_address(target))
        except ValueError:
            pass  # then it is none that the file has
        if not targets:
            hint = "they stand in [groups.NAME.stays_where], those of a pair in [cluster]"
            raise UsageError("there are no ping targets", hint)
        if target not in targets:
            raise UsageError(f"there is no ping target {target!r}", f"there are: {', '.join(targets)}")
        names = read_names(name, cluster, nodes_only=True) if at else tuple(node.name for node in cluster.nodes)
        if not names:
            raise UsageError(f"{item!r} names no node", f"write {target}@NODE, or {target} for all nodes")
        found |= dict.fromkeys((target, node) for node in names)
    return tuple(found)


def answer(
    cluster: Cluster, status: Mapping[str, Any] | None, down: str, standby: str, unreachable: str = ""
) -> dict[str, Any]:
    """``status`` is the answer of /v1/status, or None: then all machines are up and fit, all ping targets answer, and
    everything is where it likes to be.

    Raises UsageError for an unknown name.
    """
    cut = read_targets(unreachable, cluster)
    view = at_its_best(cluster) if status is None else view_of(cluster, status)
    unheard = [] if status is None else [node["name"] for node in status["nodes"] if node["state"] in UNHEARD]
    gone = (*read_names(down, cluster), *unheard)
    resting = read_names(standby, cluster, nodes_only=True)
    reaches = said_of_targets(cluster, status, cut)
    view = with_targets(cluster, view, reaches, {*gone, *resting})
    outcome = whatif.ask(cluster, view, gone, resting, cut_off(cluster, reaches, cut))
    verdict = outcome.verdict
    groups = [
        {
            "name": name,
            "before": outcome.before.get(name),
            "node": decision.node,
            "why": decision.why,
            "not_on": dict(decision.not_on),
        }
        for name, decision in outcome.decisions.items()
    ]
    votes = {"have": verdict.have, "of": verdict.of, "needed": verdict.needed, "quorate": verdict.quorate}
    return {
        "ok": True,
        "live": status is not None,
        "down": sorted(set(gone)),
        "unreachable": [f"{target}@{node}" for target, node in cut],
        "votes": {**votes, "text": verdict.text},
        "groups": groups,
    }


def at_its_best(cluster: Cluster) -> View:
    """Every machine up and fit, and every group where it then comes to rest."""
    view = whatif.all_up(cluster)
    found = whatif.come_to_rest(cluster, view)
    return replace(view, holders={name: item.node for name, item in found.items() if item.node is not None})


def said_of_targets(
    cluster: Cluster, status: Mapping[str, Any] | None, cut: Collection[tuple[str, str]]
) -> dict[str, frozenset[str] | None]:
    """For each node the ping targets that answer there, less those that are ``cut``; None: it does not say."""
    if status is None:
        said: dict[str, Collection[str] | None] = {node.name: cluster.reach_targets for node in cluster.nodes}
    else:
        said = {node["name"]: node.get("reaches") for node in status["nodes"] if node["role"] != "witness"}
    return {
        name: None if targets is None else frozenset(item for item in targets if (item, name) not in cut)
        for name, targets in said.items()
    }


def cut_off(
    cluster: Cluster, reaches: Mapping[str, frozenset[str] | None], cut: Collection[tuple[str, str]]
) -> frozenset[str]:
    """The nodes on which no ping target of the cluster answers, as far as that is said. Of one that no group has, too, a status
    does not tell.
    """

    def silent(target: str, node: str) -> bool:
        said = reaches.get(node)
        return (target, node) in cut or (said is not None and target in cluster.reach_targets and target not in said)

    if not cluster.ping:
        return frozenset()
    return frozenset(node.name for node in cluster.nodes if all(silent(target, node.name) for target in cluster.ping))


def with_targets(
    cluster: Cluster, view: View, reaches: Mapping[str, frozenset[str] | None], gone: Collection[str]
) -> View:
    """The view with who is behind for which group, as ``core.reach`` has it, once that has lasted for the damping time.

    ``gone``: nodes that are not there to be compared with.
    """
    nodes = dict(view.nodes)
    for group in cluster.groups:
        if group.stays_where is None:
            continue
        wanted = frozenset(group.stays_where.ping)
        counts = {name: len(wanted & targets) for name, targets in reaches.items() if targets is not None}
        able = (name for name, node in view.nodes.items() if not node.bar and group.name not in node.unfit)
        most = max((counts[name] for name in able if name in counts and name not in gone), default=0)
        for name, node in nodes.items():
            if name not in counts:
                nodes[name] = replace(node, able_for={**node.able_for, group.name: 0})
            elif counts[name] < most:
                nodes[name] = replace(node, behind={**node.behind, group.name: group.stays_where.damping})
    return replace(view, nodes=nodes)


def view_of(cluster: Cluster, status: Mapping[str, Any]) -> View:
    """What the planner needs, from a status. Failbacks that are due some time count as due now."""
    nodes = {}
    for node in status["nodes"]:
        if node["role"] == "witness":
            continue
        name = node["name"]
        unfit = {group["name"]: group["unfit"][name] for group in status["groups"] if name in group["unfit"]}
        bar = "it is in standby" if node["standby"] else "it is being stopped" if node.get("leaving") else ""
        nodes[name] = NodeView(name, bar, whatif.LONG_UP, unfit, drains=node["draining"])
    holders = {group["name"]: group["holder"] for group in status["groups"] if group["holder"] in nodes}
    pinned = frozenset(group["name"] for group in status["groups"] if group["pinned"])
    stopped = {wish["group"]: f"stopped by {wish['by']}" for wish in status["wishes"] if wish["kind"] == "stopped"}
    kept = {
        wish["group"]: f"in maintenance for {wish['by']}" for wish in status["wishes"] if wish["kind"] == "maintenance"
    }
    whole = kept.pop("", "")
    maintained = {group.name: kept.get(group.name) or whole for group in cluster.groups if group.name in kept or whole}
    within = frozenset(group.name for group in cluster.groups)
    return View(nodes, holders, pinned, stopped=stopped, maintained=maintained, within=within)
