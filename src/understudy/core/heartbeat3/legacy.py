"""``auto_failback legacy``: nobody reports what he holds. A node that starts asks for each of its groups (``ip-request``), and
whoever has it stops it and answers (``ip-request-resp``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...heartbeat3 import OldMessage
from ...units import SECOND, Duration, Instant
from . import saying
from .peers import Peer
from .states import Holding

if TYPE_CHECKING:
    from .holdings import Owned
    from .node import OldNode

ASK_AGAIN: Duration = 10 * SECOND
"""The old program asks once. No answer, no take-over: that stays so, but the question is repeated."""


@dataclass(slots=True)
class Asked:
    """``waiting``: groups that were asked for, and when to ask again. ``giving``: groups that the peer waits for."""

    waiting: dict[str, Instant] = field(default_factory=dict)
    giving: set[str] = field(default_factory=set)


def begin(node: OldNode, now: Instant) -> None:
    """This node is active: its own groups are taken, or asked for."""
    if node.peer is None or node.live_peer is None:
        if node.peer is None:
            node.held = Holding.ALL
            node.holdings.take(node.holdings.of(Holding.ALL), "there is no other node", now)
        return  # a dead one's groups, and ours, are taken by ``succession``, which asks first
    for each in node.holdings.of(Holding.LOCAL):
        if node.live_peer.fresh:
            node.holdings.take((each,), f"{node.live_peer.name} has only just started, too", now)
        else:
            _ask(node, each, now)
    if not node.asked_for.waiting:
        node.held |= Holding.LOCAL


def _ask(node: OldNode, each: Owned, now: Instant) -> None:
    node.asked_for.waiting[each.group.name] = now + ASK_AGAIN
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
    node.asked_for.giving.add(each.group.name)
    node.held &= ~each.part_of
    node.took &= ~each.part_of
    node.holdings.give((each,), f"{peer.name} asks for it", now)


def answered(node: OldNode, message: OldMessage, now: Instant) -> None:
    """The peer has not got a group, or not any more."""
    each = _group(node, message.get("ipaddr"))
    if each is None or message.get("ok") != "OK" or node.asked_for.waiting.pop(each.group.name, None) is None:
        return
    node.holdings.take((each,), "the other node has given it", now)
    if not node.asked_for.waiting:
        node.held |= Holding.LOCAL


def look(node: OldNode, now: Instant) -> None:
    """Answer what has stopped; forget questions to a peer that is away."""
    asked, peer = node.asked_for, node.live_peer
    if peer is None or node.leaving:
        asked.waiting.clear()
        asked.giving.clear()
        return
    for name in sorted(asked.giving):
        each = node.holdings.groups[name]
        if each.execution.safe_to_release(now) and not each.lease:
            asked.giving.discard(name)
            node.say(saying.given(peer.name, node.pair.key(name), True), now)
    for at in asked.waiting.values():
        node.wake(at)


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only."""
    for name, at in list(node.asked_for.waiting.items()):
        if now >= at:
            _ask(node, node.holdings.groups[name], now)
