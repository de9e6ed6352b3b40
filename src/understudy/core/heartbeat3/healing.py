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
from ...events import Outcome
from ...old_pair import RememberGeneration
from ...units import NEVER, SECOND, Duration, Instant
from ..probing import Question
from . import beginning, standby
from .peers import Peer
from .states import Holding, Presence, Stage, Standby

if TYPE_CHECKING:
    from .node import OldNode

RESTART_WAIT: Duration = 5 * SECOND
"""An old node that was cut off says after two seconds that it gives everything up. It is given some more."""


@dataclass(slots=True)
class Watch:
    """``until``: so long an old peer may still give up by itself. ``question``: our right has lapsed while nobody was heard, and
    the network is asked whether somebody serves by now; until the answer nothing is renewed, taken or started.
    """

    until: Instant = NEVER
    question: Question | None = None


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
    """What has become possible."""
    question = node.healing.question
    if question is not None:
        node.wake(question.deadline)
        if node.live_peer is not None:  # it will say what it holds
            _anew(node, now)
    if node.healing.until != NEVER:
        node.wake(node.healing.until)


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only: it did not give up after all, so we do; and a question without an answer."""
    question = node.healing.question
    if question is not None and question.op is not None and now >= question.deadline:
        answered(node, question.op, Outcome.UNKNOWN, "no answer in time", now)
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


def lapsed(node: OldNode, stalled: bool, now: Instant) -> None:
    """This machine itself stood still for a dead time, so its peer may have everything by now: the right is asked for like
    anybody's. A peer that is heard says what it holds. Else the network is asked, before anything is renewed: while somebody
    answers, this machine begins anew; when nobody does, it goes on with what it has, and nothing is restarted.

    ``stalled``: it stood still just now, so silence until now is no answer.
    """
    peer = node.peer
    if peer is None or node.stage in (Stage.YIELDING, Stage.GONE):
        return
    late = [each for each in node.holdings.groups.values() if each.lease]
    if node.stage is Stage.LEAVING:
        node.holdings.drop(late, "the right to it has lapsed", now)
        return
    if node.healing.question is None and (late or node.live_peer is not None):
        node.note(f"{node.me} stood still for its own dead time; {peer.name} may have everything by now", Level.ERROR)
    elif not stalled:
        return
    addresses = tuple(item for each in late if each.wanted for item in each.group.addresses)
    if node.live_peer is not None or (late and not addresses):
        _anew(node, now)
    elif late:
        node.holdings.drop((each for each in late if not each.wanted), "the right to it has lapsed", now)
        for each in late:
            each.announcements.stop()
        node.healing.question = question = Question("", addresses)
        for effect in question.ask(node.cluster, node.next_op, now):
            node.emit(effect)


def answered(node: OldNode, op: int, outcome: Outcome, text: str, now: Instant) -> bool:
    """The network's answer about what we served before we stood still; False if ``op`` is another question."""
    question, peer = node.healing.question, node.peer
    if question is None or peer is None or question.op != op:
        return False
    if outcome is not Outcome.OK:
        reason = text or "the network could not be asked"
        node.note(f"not served again although {peer.name} is silent: {reason}", Level.WARNING)
        node.fencing.returned(peer.name, now)  # whatever switched it off before: it may be on again
        peer.gone = False
        _anew(node, now)
        return True
    node.healing.question = None
    node.note(f"{peer.name} is silent, and nobody answers for what {node.me} served: it goes on")
    node.beat(now)
    node.holdings.announce(now, "served again")
    return True


def _anew(node: OldNode, now: Instant) -> None:
    """Nothing is held any more, and the next generation begins: an old peer takes that for a restart, and goes on serving."""
    standby.cancel(node, f"{node.me} begins anew", now)
    if node.stage is not Stage.SILENT:
        node.move("its right lapsed while a peer may have been listening")
    node.holdings.drop(node.holdings.of(Holding.ALL), "the right to it has lapsed", now)
    node.held = node.took = Holding.NONE
    node.beginning = beginning.Progress()
    node.succession.reset()
    node.healing = Watch()
    node.outbox.renew()
    node.holdings.generation = node.outbox.generation
    node.emit(RememberGeneration(node.me, node.outbox.generation))
    if node.peer is not None:
        node.peer.reported = node.peer.stable = False
    node.started_at = now
    node.presence = Presence.INIT
    node.beat(now)
    node.presence = Presence.UP
    node.beat(now)
