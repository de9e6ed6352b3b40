"""The answer to ``GET /v1/whatif``, and the same for a file without a daemon. Plain functions of their arguments."""

from __future__ import annotations

from collections.abc import Mapping
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


def answer(cluster: Cluster, status: Mapping[str, Any] | None, down: str, standby: str) -> dict[str, Any]:
    """``status`` is the answer of /v1/status, or None: then all machines are up and fit, and everything is where it likes to be.

    Raises UsageError for an unknown name.
    """
    view = whatif.all_up(cluster) if status is None else view_of(cluster, status)
    unheard = [] if status is None else [node["name"] for node in status["nodes"] if node["state"] in UNHEARD]
    gone = (*read_names(down, cluster), *unheard)
    outcome = whatif.ask(cluster, view, gone, read_names(standby, cluster, nodes_only=True))
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
        "votes": {**votes, "text": verdict.text},
        "groups": groups,
    }


def view_of(cluster: Cluster, status: Mapping[str, Any]) -> View:
    """What the planner needs, from a status. Failbacks that are due some time count as due now."""
    nodes = {}
    for node in status["nodes"]:
        if node["role"] == "witness":
            continue
        name = node["name"]
        unfit = {group["name"]: group["unfit"][name] for group in status["groups"] if name in group["unfit"]}
        bar = "it is in standby" if node["standby"] else ""
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
