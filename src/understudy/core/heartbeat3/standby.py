"""``hb_standby``: one node gives a set of groups to the other, in words that both must say before anything moves.

The giver says ``done`` only after everything has stopped, and the taker starts nothing before it hears that. A word that is lost
is asked for again by its number; a word for which nobody waits any more is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...effects import Level
from ...heartbeat3 import OldMessage
from ...units import HOUR, NEVER, SECOND, Duration, Instant
from ..parts import Wanted
from . import ipfail, saying
from .peers import ACTIVE, Peer
from .states import WORDS, Holding, Standby, Succession, after

if TYPE_CHECKING:
    from .node import OldNode

ANSWER_WAIT: Duration = 10 * SECOND
WORK_WAIT: Duration = HOUR
"""How long stopping or starting may take; the old program waits as long."""

AGAIN: Duration = SECOND
"""How long after a hand-over failed the next failback is tried."""


@dataclass(slots=True)
class Handover:
    """The one that is under way. ``what``: relative to this node. ``not_before``: the next try of a failback.

    ``opened``: the number of the peer's word that opened it; a "done" from before belongs to another.
    """

    state: Standby = Standby.IDLE
    what: Holding = Holding.NONE
    until: Instant = NEVER
    not_before: Instant = 0
    why: str = ""
    opened: int = 0


def _move(node: OldNode, cause: str, until: Instant) -> None:
    state = after(node.handover.state, cause)
    node.handover.state = Standby(state.value)
    node.handover.until = until


def objection(node: OldNode) -> str:
    """Why no hand-over can begin now, or ""."""
    peer = node.live_peer
    if node.legacy:
        return "standby only implemented when auto_failback is on or off"
    if node.leaving:
        return f"{node.me} stops"
    if peer is None or peer.status != ACTIVE:
        return "there is no other active node"
    if not node.stable:
        return f"{node.me} is not stable yet"
    if not peer.stable:
        return f"{peer.name} is not stable yet"
    if node.handover.state is not Standby.IDLE:
        return "another hand-over is under way"
    if node.succession.state is not Succession.IDLE:
        return f"{peer.name} was dead a moment ago"
    return ""


def begin(node: OldNode, what: Holding, why: str, now: Instant) -> str:
    """Ask the peer to take the set ``what`` of ours. Returns why not, or ""."""
    refused = objection(node)
    if not refused:
        _move(node, "an operator, failback or ipfail", now + ANSWER_WAIT)
        node.handover.what, node.handover.why = what, why
        node.note(f"{node.me} wants to go standby [{what.word}]: {why}")
        node.say(saying.standby(what, "me"), now)
    return refused


def heard(node: OldNode, peer: Peer, message: OldMessage, count: int, now: Instant) -> None:
    """``ask_resources``, from the peer."""
    what = WORDS.get(message.get("rsc_hold"), Holding.ALL)  # an old "failback" ends up so, too
    if not what:
        return
    handover = node.handover
    match message.get("info"):
        case "me":
            _asked(node, peer, what, count, now)
        case "other":
            if handover.state is Standby.ASKED and what == handover.what:
                peer.report = max(peer.report, count)
                _release(node, now)
        case "done":
            if handover.state is Standby.OFFERED and what.swapped() == handover.what and count > handover.opened:
                peer.report = max(peer.report, count)
                _acquire(node, peer, now)
            elif handover.state is Standby.RELEASED and what == handover.what:
                peer.report = max(peer.report, count)
                peer.held |= what.swapped()
                _end(node, "the peer has it", now)
                node.note(f"Standby resource acquisition done [{what.word}].")
                node.report(now)
        case _:
            pass


def _asked(node: OldNode, peer: Peer, what: Holding, count: int, now: Instant) -> None:
    """The peer wants to go standby with ``what`` of its own."""
    node.note(f"{peer.name} wants to go standby [{what.word}]", node=peer.name)
    if node.handover.state is Standby.OFFERED:
        _move(node, "the peer asks again", now + WORK_WAIT)
    else:
        refused = objection(node) or ipfail.unfit(node)
        if refused:
            node.note(f"standby request of {peer.name} ignored: {refused}", Level.WARNING)
            return
        _move(node, "the peer asks, and both are stable", now + WORK_WAIT)
    node.handover.what, node.handover.opened = what.swapped(), count
    node.handover.why = f"{peer.name} gives it"
    node.say(saying.standby(what, "other"), now)


def _release(node: OldNode, now: Instant) -> None:
    """The peer agrees: give up, and say so when everything has stopped."""
    what = node.handover.what
    _move(node, "the peer agrees", now + WORK_WAIT)
    node.held &= ~what
    node.took &= ~what
    node.beginning.told &= ~what
    node.report(now, "standby", stable=False)
    node.holdings.give(node.holdings.of(what), node.handover.why, now)


def _acquire(node: OldNode, peer: Peer, now: Instant) -> None:
    """The peer has stopped everything and said so."""
    what = node.handover.what
    _move(node, "the peer has released", NEVER)
    node.held |= what
    peer.held &= ~what.swapped()
    node.holdings.take(node.holdings.of(what), node.handover.why, now)


def look(node: OldNode, now: Instant) -> None:
    """What has become possible."""
    handover, peer = node.handover, node.live_peer
    if handover.state is Standby.RELEASING and node.holdings.stopped(handover.what, now):
        _move(node, "everything has stopped", now + WORK_WAIT)
        if peer is not None:
            peer.held |= handover.what.swapped()
        node.say(saying.standby(handover.what, "done"), now)
    elif handover.state is Standby.ACQUIRING and node.holdings.settled(handover.what):
        what = handover.what
        _end(node, "everything has started, or failed", now)
        node.say(saying.standby(what.swapped(), "done"), now)
        node.report(now)
        if peer is not None and what & Holding.LOCAL:
            peer.returning = False
    if handover.state is Standby.IDLE:
        _look_failback(node, now)
        _look_failed(node, now)
    if handover.state is not Standby.IDLE:
        node.wake(handover.until)


def _look_failback(node: OldNode, now: Instant) -> None:
    """``auto_failback on``: a peer that began anew gets its own groups."""
    peer = node.live_peer
    if (
        peer is None
        or not peer.returning
        or node.pair.auto_failback.value != "on"
        or not (peer.stable and peer.reported)
    ):
        return
    if not node.held & Holding.FOREIGN or not node.stable:
        peer.returning = not node.stable
        return
    if now < node.handover.not_before:
        node.wake(node.handover.not_before)
    elif not begin(node, Holding.FOREIGN, f"{peer.name} is back", now):
        node.handover.not_before = now + ANSWER_WAIT + AGAIN


def _look_failed(node: OldNode, now: Instant) -> None:
    """A group that failed here too often goes to the peer with its set."""
    for each in node.holdings.groups.values():
        if each.gave_up_until and each.wanted and node.held & each.part_of and now >= node.handover.not_before:
            if not begin(node, each.part_of, f"{each.group.name} failed here too often", now):
                each.gave_up_until = 0
            node.handover.not_before = now + ANSWER_WAIT + AGAIN
            return


def _end(node: OldNode, cause: str, now: Instant) -> None:
    _move(node, cause, NEVER)
    node.handover.what = Holding.NONE
    node.handover.not_before = max(node.handover.not_before, now + AGAIN)


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only."""
    handover = node.handover
    if now < handover.until or handover.state is Standby.IDLE:
        return
    peer = node.peer.name if node.peer is not None else "the peer"
    if handover.state is Standby.ASKED:
        node.note(
            f"No reply to standby request: {peer} does not take {handover.what.word}; it stays here", Level.WARNING
        )
        _end(node, "no answer within 10 s", now)
        if node.live_peer is not None and node.live_peer.version:
            node.report(now)  # its answer may have been lost: then it waits for us
        return
    node.note(f"the hand-over [{handover.what.word}] with {peer} has lasted an hour and is given up", Level.ERROR)
    if handover.state is Standby.RELEASING:
        _keep(node, "the hand-over lasted too long", now)
    _end(node, "it lasts longer than an hour", now)


def reported(node: OldNode, peer: Peer, state: str, count: int, now: Instant) -> None:
    """The peer, one of ours, has said what it holds, and that it is in no hand-over any more.

    It had asked, and our answer did not come in time; or it had agreed, took us for dead meanwhile, and waits no more.
    """
    if state != Standby.IDLE.value:
        return
    if node.handover.state is Standby.OFFERED and count > node.handover.opened:
        node.note(f"the hand-over [{node.handover.what.word}] is off: {peer.name} has given up waiting", Level.WARNING)
        _end(node, "the peer says that it has given up waiting", now)
    if node.handover.state is not Standby.RELEASED:
        return
    what = node.handover.what & ~peer.held.swapped()
    if not what:
        node.note(f"Standby resource acquisition done [{node.handover.what.word}].")
        _end(node, "the peer has it", now)
        node.report(now)
        return
    _end(node, "the peer says that it has given up waiting", now)
    node.note(f"the hand-over [{what.word}] is off: {peer.name} has given up waiting", Level.WARNING)
    node.held |= what
    node.holdings.take(node.holdings.of(what), f"{peer.name} did not take it", now)
    node.report(now)


def _keep(node: OldNode, why: str, now: Instant) -> None:
    """What was being released runs here again; nobody has been told that it is free."""
    what = node.handover.what
    node.held |= what
    node.holdings.take((each for each in node.holdings.of(what) if each.execution.wanted is not Wanted.RUN), why, now)
    node.report(now)


def cancel(node: OldNode, why: str, now: Instant) -> None:
    """The peer is dead, gone or began anew, or we stop."""
    state = node.handover.state
    if state is Standby.IDLE:
        return
    node.note(f"the hand-over [{node.handover.what.word}] is off: {why}", Level.WARNING)
    cause = "the peer is dead, gone or began anew, or this node stops"
    what = node.handover.what
    keep = state is Standby.RELEASING and not node.leaving
    _end(node, cause, now)
    if keep:
        node.held |= what
        node.holdings.take(node.holdings.of(what), f"the hand-over is off: {why}", now)
