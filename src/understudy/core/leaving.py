"""A clean stop: what has to be over before this node may go, and whom it waits for on its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import CloseWatchdog, Quit
from ..model import AddressResource, Quorum, Role
from ..units import NEVER, Instant
from . import wardens
from .parts import State

if TYPE_CHECKING:
    from .node import Node


def may_go(node: Node, now: Instant) -> bool:
    """Everything is handed over or stopped here, and nobody still needs our vote for what was handed over."""
    return _at_rest(node) and not _lingers(node, now)


def go(node: Node, now: Instant) -> None:
    """The last heartbeat and the end."""
    node.beat(now)
    node.gone = True
    node.next_beat = NEVER
    if node.watchdog and not wardens.exclusive_may_run(node):
        node.out.append(CloseWatchdog("nothing that must not run twice is left here"))
    node.out.append(Quit("everything was handed over or stopped"))


def _at_rest(node: Node) -> bool:
    """Without a manager nobody can say what programs do. Addresses are the pulse's own: they have to be gone."""
    steward = node.steward
    if node.role is Role.WITNESS or steward.at_rest():
        return True
    if node.manager or steward.claims.claims:
        return False
    return all(
        state is State.STOPPED
        for charge in steward.charges.values()
        for resource, state, _ in charge.execution.states()
        if isinstance(resource, AddressResource)
    )


def _lingers(node: Node, now: Instant) -> bool:
    """Two members count each other's vote to take a group, and none but their own to keep it. So who leaves stays to vote
    until its successor holds what was released to it; no longer than it is reserved for that one, in case nothing comes of it.
    """
    if node.cluster.quorum is Quorum.MAJORITY:
        return False
    lingers = False
    for name, charge in node.steward.charges.items():
        kept = charge.reserved
        if kept is None or now >= kept.until or kept.successor == node.me:
            continue
        if kept.successor in node.steward.alive and not _holds(node, kept.successor, name):
            node.steward.wake(kept.until)
            lingers = True
    return lingers


def _holds(node: Node, member: str, group: str) -> bool:
    """By its own word: a promise of ours to it may stand for a bid that fails."""
    state = node.states.get(member)
    return state is not None and any(item.group == group and not item.bidding for item in state.holds)
