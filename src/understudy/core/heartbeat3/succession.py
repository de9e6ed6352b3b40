"""The peer is dead, or has gone: may its groups be taken?

Gone by its own word (``shutdone``): at once. Dead, with a fence device: when that has confirmed it, however long it takes. Dead,
with none: when nobody on the service network answers for its addresses. The old program does not ask; so a cut heartbeat cable
makes two owners of it, and none of us.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...effects import Level
from ...events import Outcome
from ...units import Instant
from .. import probing
from . import beginning, peers, saying, standby
from .peers import DEAD, Peer
from .states import Holding, Presence, Stage, Succession, after

if TYPE_CHECKING:
    from .holdings import Owned
    from .node import OldNode

KEY = "heartbeat"
"""The reason for fencing, as ``core.fencing`` keeps reasons."""


@dataclass(slots=True)
class Plan:
    """``again_at``: when the network is asked next, after somebody has answered. ``failed``: tries of the device so far."""

    state: Succession = Succession.IDLE
    again_at: Instant = 0
    failed: int = 0

    def reset(self) -> None:
        self.state, self.again_at = Succession.IDLE, 0


def _holds_nothing(peer: Peer) -> bool:
    """By its own last word it held nothing, and was at rest."""
    return peer.gone or (peer.reported and peer.stable and peer.held is Holding.NONE)


def died(node: OldNode, peer: Peer, now: Instant) -> None:
    """It has been silent for its dead time."""
    if _holds_nothing(peer):
        node.say(saying.stonith(peer.name, "unneeded"), now)


def gone(node: OldNode, peer: Peer, now: Instant) -> None:
    """``shutdone``: it has released everything, and says so itself."""
    node.note(f"Received shutdown notice from '{peer.name}'.", node=peer.name)
    standby.cancel(node, f"{peer.name} has stopped", now)
    off(node)
    node.beginning.told = (
        Holding.ALL
    )  # said again also by a node that has had everything before: so the old program does
    peer.gone, peer.stable, peer.returning = True, False, False
    peer.held = peer.took = Holding.NONE


def off(node: OldNode) -> None:
    """It is heard again: nothing is taken from it now."""
    if node.succession.state is not Succession.IDLE:
        node.succession.state = Succession(after(node.succession.state, "it is heard again").value)
    node.succession.again_at = 0
    if node.peer is not None:
        node.fencing.unwant(node.peer.name, KEY)


def look(node: OldNode, now: Instant) -> None:
    """What has become possible."""
    peer, plan = node.peer, node.succession
    ready = node.presence is Presence.ACTIVE and node.stage in (Stage.STARTING, Stage.WAITING, Stage.STABLE)
    if peer is None or node.leaving or not ready:
        return
    if peer.gone and peer.status != DEAD:
        if node.held is not Holding.ALL:
            _take(node, peer, f"{peer.name} has released everything and stopped", False, now)
        return
    if peer.status != DEAD:
        _look_early(node, peer, now)
        return
    if node.held is Holding.ALL:
        return
    if plan.state is Succession.IDLE:
        _begin(node, peer, now)
    if node.fencing.off(peer.name):
        _off(node, peer, now)
    elif plan.state is Succession.FENCING:
        if node.fencing.failed > plan.failed:
            plan.failed = node.fencing.failed
            node.say(saying.stonith(peer.name, "bad"), now)
    elif nobody_answers(node, now):
        if not _holds_nothing(peer):
            node.say(saying.stonith(peer.name, "n_stnth"), now)
        _take(node, peer, f"{peer.name} is dead, and nobody answers for its addresses", True, now)


def _off(node: OldNode, peer: Peer, now: Instant) -> None:
    """A device, or a human, has confirmed it. A device that proves nothing only permits to ask the network."""
    doubted = not node.fencing.proved(peer.name)
    if doubted and not nobody_answers(node, now):
        return
    node.say(saying.stonith(peer.name, "OK"), now)
    also = ", and nobody answers for its addresses" if doubted else ""
    _take(node, peer, f"{peer.name} is dead, and confirmed to be off{also}", doubted, now)


def _begin(node: OldNode, peer: Peer, now: Instant) -> None:
    fences = node.fencing.able(peer.name) and not _holds_nothing(peer)
    cause = "the peer is dead, and has a fence device" if fences else "the peer is dead, and has none"
    node.succession.state = Succession(after(node.succession.state, cause).value)
    if fences:
        node.succession.failed = node.fencing.failed
        # Two of us that do not hear each other must not both be switched off. An old peer waits for nobody, so neither do we.
        second = peer.version and node.pair.nodes[-1] == node.me
        delay = node.cluster.fence_delay if second else 0
        node.fencing.want(peer.name, KEY, "it is silent, and may still hold its groups", now, delay)


def _wanted(node: OldNode) -> list[Owned]:
    return [each for each in node.holdings.of(Holding.ALL & ~node.held) if not each.wanted]


def nobody_answers(node: OldNode, now: Instant) -> bool:
    """Whether the service network said so for every group; asks it if need be."""
    wanted = _wanted(node)
    if all(each.question.answered_well(now) for each in wanted):
        return True
    if now < node.succession.again_at:
        node.wake(node.succession.again_at)
        return False
    for each in wanted:
        if not each.question.answered_well(now):
            for effect in each.question.ask(node.cluster, node.next_op, now):
                node.emit(effect)
        if each.question.op is not None:
            node.wake(each.question.deadline)
    return False


def _look_early(node: OldNode, peer: Peer, now: Instant) -> None:
    """Ask shortly before the dead time ends, so that the answer is there when it does."""
    if peer.heard_at is None or node.fencing.able(peer.name) or node.held is Holding.ALL:
        return
    begin = peer.heard_at + peer.dead_time - probing.limit(node.cluster) - node.cluster.heartbeat // 4
    if now < begin:
        node.wake(begin)
    elif now < peer.heard_at + peer.dead_time:
        nobody_answers(node, now)


def answered(node: OldNode, op: int, outcome: Outcome, text: str, now: Instant) -> bool:
    """The service network's answer; False if ``op`` is none of our questions."""
    for each in node.holdings.groups.values():
        if each.question.op == op:
            peer = node.peer.name if node.peer is not None else "the peer"
            for effect in each.question.finished(node.cluster, outcome, text, peer, node.me, now):
                node.emit(effect)
            if each.question.refusal:
                node.succession.again_at = now + node.pair.deadtime + node.rng.randrange(node.pair.deadtime)
            return True
    return False


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only: a question without an answer."""
    for each in node.holdings.groups.values():
        if each.question.op is not None and now >= each.question.deadline:
            answered(node, each.question.op, Outcome.UNKNOWN, "no answer in time", now)


def _take(node: OldNode, peer: Peer, why: str, silent: bool, now: Instant) -> None:
    """``silent``: nobody but the network said that it may be; if the peer comes back, this is given up again."""
    plan = node.succession
    if plan.state is Succession.FENCING:
        plan.state = Succession(after(plan.state, "it was confirmed to be off").value)
    elif plan.state is Succession.ASKING:
        plan.state = Succession(after(plan.state, "nobody answers for its addresses").value)
    needed = Holding.ALL & ~node.held
    node.note(f"Resources being acquired from {peer.name}.")
    if refused := peers.out_of_date(peer, now):
        node.note(f"its groups are taken although it may live and run them. {refused}", Level.ERROR, peer.name)
    beginning.peer_away(node)
    node.held = Holding.ALL
    if silent:
        node.took |= needed
    peer.held = Holding.NONE
    node.beginning.told = Holding.ALL
    node.holdings.take(node.holdings.of(Holding.ALL), why, now)
