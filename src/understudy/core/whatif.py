"""What would happen if machines failed: the same plan that every node follows, asked until nothing moves any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..model import Cluster, Quorum
from .placement import Decision, NodeView, View, plan

LONG_UP = 1 << 62
"""Nodes count as up for ever, and all hours as right: failbacks that are due some time are shown as if they were due now."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left of the votes. ``quorate`` None: it depends on a fence device, or on a human; ``text`` says on what."""

    have: int
    of: int
    needed: int
    quorate: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where everything comes to rest. ``before``: where it is now, or would be with all machines up."""

    verdict: Verdict
    before: Mapping[str, str]
    decisions: Mapping[str, Decision]

    def moved(self) -> list[tuple[str, str | None, str | None]]:
        """(group, from, to) of all that does not stay where it was, in the order of the file."""
        found = []
        for name, decision in self.decisions.items():
            there = self.before.get(name)
            if decision.node != there:
                found.append((name, there, decision.node))
        return found


def all_up(cluster: Cluster) -> View:
    """Every machine up and fit, nothing held yet."""
    nodes = {node.name: NodeView(node.name, up_for=LONG_UP) for node in cluster.nodes}
    return View(nodes, {}, within=frozenset(group.name for group in cluster.groups))


def come_to_rest(cluster: Cluster, view: View) -> dict[str, Decision]:
    """The plan once every group is where the plan wants it, over and over.

    Twice as many rounds as groups are more than any file has needed (tests/placement searches for one); if they were not
    enough the last plan is given.
    """
    found = plan(cluster, view)
    for _ in range(2 * len(cluster.groups) + 2):
        holders = {name: item.node for name, item in found.items() if item.node is not None}
        if holders == view.holders:
            break
        view = replace(view, holders=holders)
        found = plan(cluster, view)
    return {group.name: found[group.name] for group in cluster.groups}


def ask(
    cluster: Cluster, view: View, down: Iterable[str], standby: Iterable[str] = (), cut_off: Iterable[str] = ()
) -> Outcome:
    """The outcome when the members ``down`` have failed and the nodes ``standby`` are in standby. ``cut_off``: as in ``votes``.

    A ``view`` in which nothing is held is settled first, with all its machines. Raises KeyError for an unknown name.
    """
    gone, resting = set(down), set(standby)
    for name in gone | resting:
        cluster.member(name)
    if not view.holders:
        first = come_to_rest(cluster, view)
        view = replace(view, holders={name: item.node for name, item in first.items() if item.node is not None})
    before = dict(view.holders)
    nodes = {}
    for name, node in view.nodes.items():
        bar = "it is down" if name in gone else "it is in standby" if name in resting else node.bar
        nodes[name] = replace(node, bar=bar, drains=node.drains and name not in gone)
    verdict = votes(cluster, gone, cut_off)
    # In maintenance the plan asks nobody whether the holder can keep a group; but who is down holds nothing.
    there = {name: node for name, node in view.holders.items() if name not in view.maintained or node not in gone}
    after = replace(view, nodes=nodes, holders=there)
    if verdict.quorate is False:
        nothing = {
            group.name: Decision(group.name, None, verdict.text, dict.fromkeys(nodes, verdict.text), ())
            for group in cluster.groups
        }
        return Outcome(verdict, before, nothing)
    return Outcome(verdict, before, come_to_rest(cluster, after))


def votes(cluster: Cluster, down: Iterable[str], cut_off: Iterable[str] = ()) -> Verdict:
    """Whether the members that are left may go on serving without ``down``.

    ``cut_off``: nodes that reach none of the ping targets that the policy ``pair`` asks for.
    """
    gone = sorted(set(down), key=cluster.names.index)
    of = len(cluster.members)
    have = of - len(gone)
    if cluster.quorum is Quorum.MAJORITY:
        needed = cluster.majority
        text = "partition with quorum" if have >= needed else "partition WITHOUT quorum"
        return Verdict(have, of, needed, have >= needed, f"{text}: {have} of {of} votes are left, {needed} are needed")
    if not gone or not have:
        text = "both nodes are up" if have else "no machine is left"
        return Verdict(have, of, 1, bool(have), text)
    peer = gone[0]
    if cluster.quorum is Quorum.PAIR:
        if left := sorted(set(cluster.names).intersection(cut_off).difference(gone)):
            text = f"{left[0]} reaches neither {peer} nor a ping target of the cluster, so it lets go"
            return Verdict(have, of, 2, False, text)
        return Verdict(have, of, 1, True, f"the other node goes on alone when {peer} is silent on every path")
    able = cluster.fence_levels(peer)
    how = " and ".join(device.name for device in able[0]) if able else f"`understudy confirm-off {peer}`"
    return Verdict(have, of, 1, None, f"what {peer} held is taken once {how} has confirmed that {peer} is off")
