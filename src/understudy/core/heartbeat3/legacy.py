"""``auto_failback legacy``: nobody reports what he holds. A node that starts asks for each of its groups (``ip-request``), and
whoever has it stops it and answers (``ip-request-resp``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...heartbeat3 import OldMessage
from ...units import NEVER, SECOND, Duration, Instant
from . import saying
from .peers import ACTIVE, Peer
from .states import Holding, Stage

if TYPE_CHECKING:
    from .holdings import Owned
    from .node import OldNode

ASK_AGAIN: Duration = 10 * SECOND
"""The old program asks once. No answer, no take-over: that stays so, but the question is repeated."""


def begin(node: OldNode, now: Instant) -> None:
    """This node is active: its own groups are taken, or asked for."""
    if node.peer is None or node.live_peer is None:
        if node.peer is None:
            node.held = Holding.ALL
            node.holdings.take(node.holdings.of(Holding.ALL), "there is no other node", now)
        return  # a dead one's groups, and ours, are taken by ``succession``, which asks first
    if node.live_peer.fresh and node.beginning.listed and not node.live_peer.version:
        # As the old program does, which need not answer then. One of ours may have taken them while it did not hear us.
        why = f"{node.live_peer.name} has only just started, too"
        node.holdings.take(node.holdings.of(Holding.LOCAL), why, now)
    look(node, now)
    _all_answered(node)


def _all_answered(node: OldNode) -> None:
    """Our own groups are held once none of them is waited for."""
    if all(each.ask_again_at == NEVER for each in node.holdings.groups.values()):
        node.held |= Holding.LOCAL


def _ask(node: OldNode, each: Owned, now: Instant) -> None:
    peer = node.live_peer
    each.ask_again_at = now + (ASK_AGAIN if peer is not None and peer.status == ACTIVE else SECOND)
    node.say(saying.give_me(node.pair.key(each.group.name)), now)


def _group(node: OldNode, key: str) -> Owned | None:
    return next((each for name, each in node.holdings.groups.items() if node.pair.key(name) == key), None)


def requested(node: OldNode, peer: Peer, key: str, now: Instant) -> None:
    """The peer wants a group: stopped here if need be, then answered."""
    each = _group(node, key)
    if each is None or not node.legacy:
        return
    if not each.wanted and not each.lease:
        node.say(saying.given(peer.name, key, False), now)
        return
    each.asked_as = key
    node.held &= ~each.part_of
    node.took &= ~each.part_of
    node.holdings.give((each,), f"{peer.name} asks for it", now)


def answered(node: OldNode, message: OldMessage, now: Instant) -> None:
    """The peer has not got a group, or not any more."""
    each = _group(node, message.get("ipaddr"))
    if each is None or message.get("ok") != "OK" or each.ask_again_at == NEVER:
        return
    each.ask_again_at = NEVER
    node.holdings.take((each,), "the other node has given it", now)
    _all_answered(node)


def look(node: OldNode, now: Instant) -> None:
    """Answer what has stopped; forget questions to a peer that is away, and those for lines that a reload has taken out."""
    peer = None if node.leaving else node.live_peer
    for each in node.holdings.groups.values():
        if peer is None:
            each.ask_again_at, each.asked_as = NEVER, ""
        elif each.asked_as and each.execution.safe_to_release(now) and not each.lease:
            node.say(saying.given(peer.name, each.asked_as, True), now)
            each.asked_as = ""
        if each.retired and each.ask_again_at != NEVER:
            each.ask_again_at = NEVER
            _all_answered(node)
        if node.legacy and peer is not None and _lacks(node, each):
            _ask(node, each, now)
        node.wake(each.ask_again_at)


def _lacks(node: OldNode, each: Owned) -> bool:
    """Whether it is ours, and is neither wanted here nor asked for yet: at the start, and when we have lost it since."""
    idle = not each.wanted and not each.retired and each.ask_again_at == NEVER and not each.asked_as
    return idle and node.stage is Stage.STABLE and bool(each.part_of & Holding.LOCAL)


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only."""
    for each in node.holdings.groups.values():
        if now >= each.ask_again_at:
            _ask(node, each, now)
