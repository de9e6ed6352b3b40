"""Two nodes that have lost each other hear each other again: who keeps what.

The old program gives everything up on both sides and starts anew. Of an old peer that was cut off we know that it will do so in
seconds: so we keep what we have, and somebody serves. One that was merely frozen does not; then it keeps, and we give up.
Its sequence numbers tell which of both it was: a frozen machine has counted nothing in the meantime.

Two of us say what they hold and what they took only because the other was silent. Who took gives up, the other keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...effects import Level
from ...old_pair import RememberGeneration
from ...units import NEVER, SECOND, Duration, Instant
from . import beginning, standby
from .peers import Peer
from .states import Holding, Presence, Stage, Standby

if TYPE_CHECKING:
    from .node import OldNode

RESTART_WAIT: Duration = 5 * SECOND
"""An old node that was cut off says after two seconds that it gives everything up. It is given some more."""


@dataclass(slots=True)
class Watch:
    """``until``: so long an old peer may still give up by itself."""

    until: Instant = NEVER


def returned(node: OldNode, peer: Peer, skipped: int, silent: Duration, now: Instant) -> None:
    """A peer that was dead is heard, and has not started anew."""
    node.note(f"Cluster node {peer.name} returning after partition.", Level.WARNING, peer.name)
    peer.gone, peer.reported, peer.returning = False, False, False
    peer.held |= node.took.swapped()
    node.fencing.unwant(peer.name, "heartbeat")
    if peer.version:
        node.report(now)
        return
    frozen = skipped * node.pair.keepalive * 2 < silent
    if not frozen:
        node.healing.until = now + RESTART_WAIT
        node.note(f"{peer.name} was cut off and gives everything up; {node.me} keeps what it has", node=peer.name)
        return
    node.note(f"{peer.name} stood still and does not know what has happened meanwhile", Level.WARNING, peer.name)
    _give_back(node, peer, node.took, now)
    node.report(now)


def restarts(node: OldNode) -> None:
    """It says that it gives everything up."""
    node.healing.until = NEVER


def look(node: OldNode, now: Instant) -> None:
    if node.healing.until != NEVER:
        node.wake(node.healing.until)


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only: it did not give up after all, so we do."""
    if now < node.healing.until:
        return
    node.healing.until = NEVER
    peer = node.live_peer
    if peer is None:
        return
    _give_back(node, peer, node.took, now)
    node.report(now)
    compare(node, peer, now)


def compare(node: OldNode, peer: Peer, now: Instant) -> None:
    """The peer has said what it holds. What both hold, one gives up."""
    both = node.held & peer.held.swapped()
    if not node.stable or node.handover.state is not Standby.IDLE or node.healing.until != NEVER or not peer.reported:
        return
    if not both:
        if peer.alive:
            node.took = Holding.NONE
        return
    lost = Holding.NONE
    for part in (Holding.LOCAL, Holding.FOREIGN):
        if both & part and not _keeps(node, peer, part):
            lost |= part
    if lost:
        _give_back(node, peer, lost, now)
        node.report(now)
    elif peer.version:
        node.report(now)


def _keeps(node: OldNode, peer: Peer, part: Holding) -> bool:
    """Of what both hold: whether we keep it. Each side comes to the opposite answer, unless one does not hear the other."""
    if not peer.version or peer.hears_us is False:
        return False
    we_took, they_took = bool(node.took & part), bool(peer.took.swapped() & part)
    return they_took if we_took != they_took else part is Holding.LOCAL


def _give_back(node: OldNode, peer: Peer, what: Holding, now: Instant) -> None:
    what &= node.held
    if what:
        node.held &= ~what
        node.took &= ~what
        node.beginning.told &= ~what
        node.note(f"{node.me} and {peer.name} both held the {what.word} groups: {peer.name} keeps them", Level.ERROR)
        node.holdings.drop(node.holdings.of(what), f"{peer.name} keeps it", now)


def lapsed(node: OldNode, now: Instant) -> None:
    """This machine itself stood still for a dead time, so its peer may have everything by now. It begins anew, with the next
    generation: an old peer takes that for a restart, and goes on serving. Nothing follows when nobody can have taken anything.
    """
    peer = node.live_peer
    if peer is None or node.stage in (Stage.YIELDING, Stage.LEAVING, Stage.GONE):
        return
    node.note(f"{node.me} stood still for its own dead time; {peer.name} may have everything by now", Level.ERROR)
    standby.cancel(node, f"{node.me} begins anew", now)
    if node.stage is not Stage.SILENT:
        node.move("its right lapsed while a peer may have been listening")
    node.holdings.drop(node.holdings.of(Holding.ALL), "the right to it has lapsed", now)
    node.held = node.took = Holding.NONE
    node.beginning = beginning.Progress()
    node.succession.reset()
    node.healing.until = NEVER
    node.outbox.renew()
    node.holdings.generation = node.outbox.generation
    node.emit(RememberGeneration(node.me, node.outbox.generation))
    peer.reported = peer.stable = False
    node.started_at = now
    node.presence = Presence.INIT
    node.beat(now)
    node.presence = Presence.UP
    node.beat(now)
