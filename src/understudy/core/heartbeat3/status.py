"""What a node of an old pair knows, as a ``Snapshot`` like any other, and in the words of ``cl_status``. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...snapshot import (
    GroupStatus,
    HeartbeatNode,
    HeartbeatView,
    LinkStatus,
    NodeStatus,
    QuorumStatus,
    ResourceStatus,
    Snapshot,
)
from ...units import MILLISECOND, Duration, Instant
from ..parts import State
from .holdings import Owned
from .peers import DEAD, Peer, one_uuid, out_of_date
from .states import Holding, Presence, Stage, Standby, Succession

if TYPE_CHECKING:
    from .node import OldNode


def rsc_status(node: OldNode) -> str:
    """The word of ``cl_status rscstatus``."""
    if node.legacy:
        return "none"
    return node.held.word if node.stable and node.handover.state is Standby.IDLE else "transition"


def old_words(node: OldNode) -> dict[str, tuple[str, str, tuple[tuple[str, str], ...]]]:
    """For each node and ping node: (status, type, its links with their status), as ``cl_status listnodes -v`` has them."""
    found: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {node.me: (node.presence.value, "normal", ())}
    if node.peer is not None:
        links = ((link, "dead" if link in node.peer.dead_links else "up") for link in node.peer.links)
        found[node.peer.name] = (node.peer.status, "normal", tuple(links))
    for ping in node.pings:
        word = "ping" if ping.up else "dead"
        found[ping.node.name] = (word, "ping", ((ping.node.name, "up" if ping.up else "dead"),))
    return found


def snapshot(node: OldNode, now: Instant) -> Snapshot:
    """Everything, at one moment."""
    members = [node.me] + ([node.live_peer.name] if node.live_peer is not None else [])
    both = len(members) == len(node.pair.nodes)
    text = "partition with quorum" if both else f"{node.me} is alone; a pair under the old protocol has no quorum"
    quorum = QuorumStatus("heartbeat", 1, len(node.pair.nodes), len(members), True, text, tuple(members))
    return Snapshot(
        node=node.me,
        role="node",
        cluster=node.cluster.name,
        digest=node.cluster.digest,
        quorum=quorum,
        nodes=_nodes(node, now),
        groups=tuple(_group(node, each, now) for each in node.holdings.groups.values()),
        warnings=tuple(_warnings(node, now)),
        rejected=dict(node.rejected),
        counters={"ping_nodes": len(node.pings), "ping_nodes_up": sum(ping.up for ping in node.pings)},
        standby=node.leaving,
        heartbeat=HeartbeatView(
            rsc_status(node),
            tuple(
                HeartbeatNode(name, kind, word, dict(links)) for name, (word, kind, links) in old_words(node).items()
            ),
            {name: node.pair.key(name) for name in node.holdings.groups},
        ),
    )


def _ms(span: Duration) -> float:
    return span / MILLISECOND


def _nodes(node: OldNode, now: Instant) -> tuple[NodeStatus, ...]:
    mine = NodeStatus(node.me, "node", "up", "direct", f"{node.outbox.generation:x}", 0.0, False, False, ())
    return (mine,) if node.peer is None else (mine, _other(node, node.peer, now))


def _other(node: OldNode, peer: Peer, now: Instant) -> NodeStatus:
    unheard = peer.heard_at is None
    state = "lost" if peer.status == DEAD else "unknown" if unheard else "up"
    links = tuple(
        LinkStatus(link, link not in peer.dead_links, _ms(now - at)) for link, at in sorted(peer.links.items())
    )
    return NodeStatus(
        name=peer.name,
        role="node",
        state=state,
        via=None if unheard else "direct",
        incarnation=None if unheard else f"{peer.track.generation:x}",
        age_ms=None if peer.heard_at is None else _ms(now - peer.heard_at),
        standby=peer.gone,
        config_differs=False,
        links=links,
        hears_us=peer.hears_us,
        fencing=node.fencing.sentence(peer.name, now),
    )


def _group(node: OldNode, each: Owned, now: Instant) -> GroupStatus:
    peer = node.live_peer
    theirs = peer is not None and bool(peer.held.swapped() & each.part_of)
    holder = node.me if each.wanted else peer.name if peer is not None and theirs else None
    elsewhere = f"here; {holder} has it" if theirs and not each.wanted else ""
    parts = tuple(
        ResourceStatus(
            part.id,
            type(part).__name__.removesuffix("Resource").lower(),
            state.value,
            text or (elsewhere if state is State.STOPPED else ""),
        )
        for part, state, text in each.execution.states()
    )
    phase = each.execution.phase().value if each.wanted or each.lease else "started" if theirs else "stopped"
    return GroupStatus(
        name=each.group.name,
        holder=holder,
        state=phase,
        for_ms=None if each.since is None else _ms(now - each.since),
        ballot=None,
        lease_left_ms=_ms(each.lease - now) if each.lease else None,
        why=each.why,
        not_on={},
        resources=parts,
        up=phase == "started" if each.wanted else None,
        preferred=next(iter(each.group.prefer), None),
    )


def _warnings(node: OldNode, now: Instant) -> list[str]:
    found = []
    peer = node.peer
    if node.presence is Presence.UP:
        found.append("not active yet: it waits for nodes that were not heard")
    if node.stage in (Stage.STARTING, Stage.WAITING):
        found.append("what the other node holds is not known yet")
    if peer is not None and node.succession.state is Succession.FENCING:
        found.append(f"{peer.name} is dead; its groups are taken when it was confirmed to be off")
    if peer is not None and node.succession.state is Succession.ASKING and node.held is not Holding.ALL:
        refusals = sorted({each.question.refusal for each in node.holdings.groups.values() if each.question.refusal})
        found.append(f"the groups of {peer.name} are not taken: {'; '.join(refusals) or 'the network is being asked'}")
    for name in node.change.waiting:
        refusal = node.holdings.groups[name].question.refusal
        found.append(f"what is new of {name} is not taken up: {refusal or 'the network is being asked'}")
    if peer is not None and node.outbox.congested((peer.name,)):
        found.append(f"{peer.name} has acknowledged nothing for long")
    if peer is not None and (refused := out_of_date(peer, now)):
        found.append(refused)
    if peer is not None and (shared := one_uuid(peer, node.pair.uuid, node.me)):
        found.append(shared)
    if peer is not None and peer.version:
        found.append(
            f"both nodes run Understudy ({peer.name}: {peer.version}): the pair can go over to the native protocol"
        )
    return found
