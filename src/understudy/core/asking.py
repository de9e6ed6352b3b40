"""Asking the service network before an address is taken whose holder only seems to be dead (``pair``, ``fence``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level
from ..events import Outcome
from ..model import Quorum
from ..units import Duration, Instant
from . import probing
from .charge import Charge
from .placement import Decision

if TYPE_CHECKING:
    from .steward import Steward


def early(steward: Steward, charge: Charge, decision: Decision, now: Instant) -> None:
    """Ask shortly before the peer's promise ends, so that the answer is there when it does."""
    promise = steward.voter.promised(charge.group.name, now)
    if steward.cluster.quorum is not Quorum.PAIR or promise is None or steward.me not in decision.order:
        return
    begin = promise.until - probing.limit(steward.cluster)
    if now < begin:
        steward.wake(begin)
    else:
        asked(steward, charge, now)


def asked(steward: Steward, charge: Charge, now: Instant) -> bool:
    """Whether the service network said that nobody uses the addresses; asks it if need be."""
    question = charge.question
    if question.answered_well(now) or kept(steward, charge.group.name, now):
        return True
    if now >= steward.claims.not_before.get(charge.group.name, 0):
        for effect in question.ask(steward.cluster, steward.next_op, now):
            steward.emit(effect)
    if question.op is not None:
        steward.wake(question.deadline)
    return False


def kept(steward: Steward, group: str, now: Instant) -> bool:
    """Whether a group whose kernel lease of our earlier life still runs is kept rather than taken, as far as the policy goes.

    Not under ``pair``: the peer has not heard this daemon yet, its promise to the former one is about to end, and where the
    answers of our kernel do not reach it, it takes the group then.
    """
    return steward.adopting(group, now) and steward.cluster.quorum is Quorum.FENCE


def answered(steward: Steward, op: int, outcome: Outcome, text: str, now: Instant) -> bool:
    """The service network's answer; False if ``op`` is none of our questions."""
    for name, charge in steward.charges.items():
        if charge.question.op != op:
            continue
        peer = next(member for member in steward.cluster.names if member != steward.me)
        for effect in charge.question.finished(steward.cluster, outcome, text, peer, steward.me, now):
            steward.emit(effect)
        if charge.question.refusal:
            steward.claims.not_before[name] = _again_at(steward, name, now)
        return True
    return False


def _again_at(steward: Steward, group: str, now: Instant) -> Instant:
    """When the peer's promise ends, its kernel may have let go of the addresses. After that at leisure, and by chance:
    two that ask at the same moment hear each other.
    """
    promise = steward.voter.promised(group, now)
    if promise is not None and promise.holder != steward.me:
        return promise.until
    return now + steward.cluster.dead_time + steward.claims.rng.randrange(steward.cluster.dead_time)


def for_a_vote(steward: Steward, charge: Charge, now: Instant) -> None:
    """``fence``: this node would take the group, and the peer whose vote that needs is lost, or deaf: have it fenced.

    Not by a node that has not met its peer since it started: a machine that was fenced and comes back while the path
    between them is still cut would shoot the one that serves, again and again. And not while somebody on the service
    network still answers for the group's addresses: then the peer serves, and only the heartbeat paths are cut.
    """
    peer = next(name for name in steward.cluster.names if name != steward.me)
    name = charge.group.name
    if peer in steward.alive - steward.deaf or steward.fencing.off(peer):
        return
    if peer not in steward.met:
        if not charge.unmet:
            charge.unmet = True
            steward.note(
                f"it needs the vote of {peer}, which was not heard since {steward.me} started: {steward.me} does not fence a "
                f"node that it has not met. If {peer} is off: understudy confirm-off {peer}",
                name,
                Level.WARNING,
            )
        return
    if name in steward.fencing.wanted_by(peer):
        return
    # It may hold another group still, and answer for that one's addresses.
    held = [steward.charges[other] for other in steward.last_held.get(peer, ()) if other in steward.charges]
    answers = [asked(steward, item, now) for item in (charge, *held)]  # all are asked, not only up to the first
    if not all(answers):
        return
    what = "it does not hear what it is asked" if peer in steward.deaf else "nothing is heard of it"
    steward.fencing.want(peer, name, f"{name} needs its vote, and {what}", now, _delay(steward, peer))


def _delay(steward: Steward, peer: str) -> Duration:
    """How long to wait before the peer is fenced, so that two that want to fence each other do not do it at once.

    No time where it held everything by its last word: then it has no reason to fence us. What it may have given up since, we
    cannot know; so the first of the file waits too, and who has just handed something over comes after the one it was for.
    """
    if steward.last_held.get(peer, frozenset()) == frozenset(steward.charges):
        return 0
    names = [member.name for member in steward.cluster.nodes]
    return steward.cluster.fence_delay * (2 if names.index(steward.me) > names.index(peer) else 1)


def unmet(steward: Steward) -> str:
    """For the sentence of a take-over: the nodes of which this one knows nothing yet. One of them may have held the group."""
    names = [node.name for node in steward.cluster.nodes if node.name != steward.me and node.name not in steward.met]
    return f"; not heard since {steward.me} started: {', '.join(names)}" if names else ""
