"""From the first heartbeat to a settled pair, and the way out: who holds what is agreed before anything is taken.

Two things are better than in the old program, and neither can surprise it. A pair of which both have just said that they hold
nothing does not wait ten seconds; and a peer that does not answer the question for its list of nodes keeps nobody out of service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...effects import Level
from ...events import Started
from ...heartbeat3 import OldMessage
from ...messages import Phase
from ...units import SECOND, Duration, Instant
from . import legacy, saying, standby, succession
from .peers import ACTIVE, DEAD, Peer
from .states import Holding, Presence, Stage, Standby, Succession, after

if TYPE_CHECKING:
    from .node import OldNode

ASK_EVERY: Duration = SECOND
MOST_QUESTIONS = 10
"""So many times the peer is asked for its list of nodes; then this node goes on without."""

START_WAIT: Duration = 10 * SECOND
"""How long two nodes that start at once, and cannot say what they hold, wait for each other; as long as the old program."""

LINGER: Duration = SECOND
"""How long a node that has said its last word stays to say it again to a peer that missed it."""

MISSING_WAIT: Duration = 2 * SECOND
"""How long our own groups are nobody's before they are taken: a hand-over may be at its end."""


@dataclass(slots=True)
class Progress:
    """``ask_at``, ``asked``, ``listed``: the lists of nodes. ``since``: when the first report after our ``starting`` was sent or
    heard. ``told``: the sets that were taken, of which it is still to be said that they run.
    """

    ask_at: Instant = 0
    asked: int = 0
    listed: bool = False
    say_again_at: Instant = 0
    since: Instant | None = None
    missing_since: Instant | None = None
    told: Holding = Holding.NONE
    resumed: Holding = Holding.NONE


def resume(node: OldNode, event: Started, now: Instant) -> None:
    """What an earlier life of this daemon left: kept where the kernel's leases still run, put away elsewhere."""
    left = {name: span for name, span in event.kernel_leases if span > 0}
    for name, each in node.holdings.groups.items():
        each.lease = now + left[name] if name in left else 0
    resumed = node.holdings.resumed()
    node.beginning.resumed = node.held = resumed
    for each in node.holdings.groups.values():
        if each.part_of & resumed:
            node.holdings.take((each,), "this machine served it before its daemon began anew", now)
        elif each.lease or each.execution.phase() not in (Phase.STOPPED, Phase.UNKNOWN):
            node.holdings.drop((each,), "found here at the start, without a right to it", now)


# Up to active


def look(node: OldNode, now: Instant) -> None:
    """What has become possible without waiting for time."""
    if node.stage is Stage.YIELDING and node.holdings.stopped(Holding.ALL, now):
        node.move("everything has stopped")
    if node.stage is Stage.SILENT and not node.leaving:
        _look_up(node, now)
    if node.stable:
        _look_missing(node, now)
        _tell(node, now)


def _look_up(node: OldNode, now: Instant) -> None:
    peer = node.peer
    unheard = [ping for ping in node.pings if not ping.up and now < node.initdead]
    if unheard or (peer is not None and peer.heard_at is None and peer.status != DEAD):
        return
    progress = node.beginning
    if node.live_peer is not None and node.live_peer.flow and not progress.listed:
        if now < progress.ask_at:
            node.wake(progress.ask_at)
            return
        if progress.asked < MOST_QUESTIONS:
            progress.asked += 1
            progress.ask_at = now + ASK_EVERY
            node.wake(progress.ask_at)
            node.say(saying.ask_for_nodes(node.live_peer.name), now)
            return
        node.note(f"{node.live_peer.name} does not say which nodes there are; {node.me} goes on without", Level.WARNING)
    state = after(node.presence, "every node was heard or is dead, and the lists of nodes were exchanged")
    node.presence = Presence(state.value)
    node.beat(now)
    node.move("this node is active")
    if node.pair.ipfail and not node.legacy:
        node.say(saying.client("join", "signon"), now)
    if node.legacy:
        node.move("legacy")
        legacy.begin(node, now)
        return
    _say_starting(node, now)
    _settle_start(node, "", now)


def _say_starting(node: OldNode, now: Instant) -> None:
    if node.peer is not None and node.peer.status != DEAD:
        node.peer.reported = False
    node.beginning.since = None
    node.beginning.say_again_at = now + START_WAIT
    node.say(saying.starting(), now)
    if node.live_peer is None:
        _settle_start(node, "", now)


def listed(node: OldNode, message: OldMessage, now: Instant) -> None:
    """The peer's list of nodes. A difference is said, not followed: what is configured here counts."""
    names = tuple(message.get("nodelist").lower().split())
    if set(names) != set(node.pair.nodes):
        theirs = ", ".join(names) or "none"
        node.note(f"the peer knows other nodes ({theirs}) than {node.me} ({', '.join(node.pair.nodes)})", Level.ERROR)
    node.beginning.listed = True


# Who holds what


def peer_starts(node: OldNode, peer: Peer, now: Instant) -> None:
    """It came up and asks what we hold."""
    standby.cancel(node, f"{peer.name} starts", now)
    peer.gone = False
    peer.held, peer.took, peer.reported, peer.stable = Holding.NONE, Holding.NONE, False, False
    peer.returning = True
    node.report(now)
    if node.stage in (Stage.STARTING, Stage.WAITING) and node.beginning.since is None:
        node.beginning.since = now


def heard_report(node: OldNode, peer: Peer, info: str, now: Instant) -> None:
    """While this node starts: what the peer holds."""
    if node.beginning.since is None:
        node.beginning.since = now
    _settle_start(node, info, now)


def _settle_start(node: OldNode, info: str, now: Instant) -> None:
    """Go on from the start if enough is known."""
    peer = node.peer
    if node.stage not in (Stage.STARTING, Stage.WAITING):
        return
    if peer is None:
        node.move("the peer is dead or has gone")
        node.held = Holding.ALL
        node.holdings.take(node.holdings.of(Holding.ALL), "there is no other node", now)
        return
    if not peer.alive or not peer.reported:
        return  # a dead one's groups are taken by ``succession``, which asks first
    if peer.stable:
        node.report(now, stable=False)
        node.move("a report of a stable peer")
    elif peer.held is Holding.NONE and peer.returning and not info:
        node.move("a report of a peer that starts too, and holds nothing")
    elif node.stage is Stage.STARTING:
        node.move("a report of a peer that is not stable, and holds something")
        return
    else:
        return
    stable(node, peer, now)


def stable(node: OldNode, peer: Peer, now: Instant) -> None:
    """It is known what the peer holds: ours are the local groups that it has not, and what we have kept."""
    theirs = peer.held.swapped()
    lost = node.held & theirs
    if lost:
        node.holdings.drop(node.holdings.of(lost), f"{peer.name} has it", now)
    node.held = (node.held | Holding.LOCAL) & ~theirs
    node.beginning.told |= node.held & Holding.LOCAL
    node.report(now)
    node.holdings.take(node.holdings.of(node.held), f"{peer.name} does not hold it", now)


def peer_away(node: OldNode) -> None:
    """The peer is dead or has gone: nobody is waited for any more."""
    if node.stage in (Stage.STARTING, Stage.WAITING):
        node.move("the peer is dead or has gone")


def _look_missing(node: OldNode, now: Instant) -> None:
    """Groups that nobody holds, by the newest word of a stable peer. The old program only logs that: so its own are taken by
    us, after the network was asked for them; those of another Understudy are its own affair.
    """
    peer, progress = node.live_peer, node.beginning
    idle = node.handover.state is Standby.IDLE and node.succession.state is Succession.IDLE and not node.leaving
    if peer is None or node.legacy or not idle or not (peer.stable and peer.reported):
        progress.missing_since = None
        return
    missing = ~node.held & ~peer.held.swapped() & (Holding.LOCAL if peer.version else Holding.ALL)
    if not missing:
        progress.missing_since = None
        return
    if progress.missing_since is None:
        progress.missing_since = now
    due = progress.missing_since + max(MISSING_WAIT, 2 * node.pair.keepalive)
    if now < due:
        node.wake(due)
        return
    if missing & Holding.FOREIGN and not succession.nobody_answers(node, now):
        return
    progress.missing_since = None
    node.note(f"nobody holds the {missing.word} groups: {node.me} takes them", Level.WARNING)
    node.held |= missing & Holding.FOREIGN
    stable(node, peer, now)


def _tell(node: OldNode, now: Instant) -> None:
    """Say once that what was taken runs, as the old scripts do."""
    told = node.beginning.told
    if told and node.holdings.settled(told):
        node.beginning.told = Holding.NONE
        if told & Holding.LOCAL:
            node.report(now, "req_our_resources()")
        if told & Holding.FOREIGN and not node.legacy:
            node.say(saying.taken_over(), now)
        node.note("Local Resource acquisition completed.")


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only."""
    progress, peer = node.beginning, node.live_peer
    if node.stage not in (Stage.STARTING, Stage.WAITING) or peer is None:
        return
    if progress.since is not None and now >= progress.since + START_WAIT and node.stage is Stage.WAITING:
        node.move("the wait is over")
        stable(node, peer, now)
    elif now >= progress.say_again_at:
        progress.say_again_at = now + START_WAIT
        if peer.status == ACTIVE:
            node.say(saying.starting(), now)


# The way out


def leave(node: OldNode, now: Instant) -> None:
    """Asked to stop. A hand-over that is under way is finished first, as in the old program."""
    if node.leaving:
        return
    node.leaving = True
    node.note(f"{node.me} was asked to stop and hands everything over")


def look_away(node: OldNode, now: Instant) -> None:
    """The last thing that is looked at: may a node that was asked to stop go on with that?"""
    if node.stage in (Stage.STARTING, Stage.WAITING) and node.live_peer is not None:
        at = node.beginning.since
        node.wake(node.beginning.say_again_at if at is None or node.stage is Stage.STARTING else at + START_WAIT)
    if not node.leaving or node.stage is Stage.GONE:
        return
    if node.stage is not Stage.LEAVING:
        if (
            node.handover.state in (Standby.RELEASING, Standby.RELEASED, Standby.ACQUIRING)
            and node.live_peer is not None
        ):
            return
        standby.cancel(node, f"{node.me} stops", now)
        node.move("asked to stop")
        node.succession.reset()
        node.held = Holding.NONE
        node.report(now, "shutdown", stable=False)
        node.holdings.give(node.holdings.of(Holding.ALL), f"{node.me} stops", now)
        node.holdings.advance(now)
    if node.holdings.stopped(Holding.ALL, now):
        node.move("everything has stopped")
        if node.pair.ipfail and not node.legacy and node.presence is Presence.ACTIVE:
            node.say(saying.client("leave", "disconnect"), now)
        node.say(saying.shut_down(), now)
        node.note("Heartbeat shutdown complete.")
        node.go_at = now + (0 if node.live_peer is None else LINGER)
