"""What watches over programs that must not run twice: the watchdog of this machine, and the fencing of others that are stuck.

The watchdog is fed with each heartbeat, and only while every group with exclusive parts that may be running here has a right that
stands. So it fires at most its time-out after the last such right has ended, and others may count on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..messages import Phase
from ..units import Instant
from . import awaiting

if TYPE_CHECKING:
    from .node import Node


def feed_until(node: Node, now: Instant) -> Instant:
    """Until when the watchdog may be fed, by what is known now; 0: not at all."""
    until = now + node.cluster.silence
    for name, charge in node.steward.charges.items():
        execution = charge.execution
        if not execution.exclusive_may_run():
            continue
        claim = node.steward.claims.held(name)
        right = claim.until if claim is not None else charge.adopting_until
        until = 0 if execution.does_not_stop() else min(until, right)
    return until


def exclusive_may_run(node: Node) -> bool:
    """Whether anything that must not run twice may be running on this machine."""
    return any(charge.execution.exclusive_may_run() for charge in node.steward.charges.values())


def told(node: Node) -> None:
    """Pass on to the steward what became of fencing and what others say of their groups."""
    steward = node.steward
    news, steward.fencing.news = steward.fencing.news, []
    for item in news:
        awaiting.confirmed(steward, item)
    stuck: dict[str, set[str]] = {}
    for name, state in node.states.items():
        steward.last_held[name] = frozenset([hold.group for hold in state.holds if not hold.bidding])
        for report in state.groups:
            if report.phase is Phase.STUCK and not steward.fencing.off(name):
                stuck.setdefault(report.group, set()).add(name)
    steward.stuck = {group: frozenset(names) for group, names in stuck.items()}


def fence_stuck(node: Node, holders: Mapping[str, str], now: Instant) -> None:
    """A holder that says it cannot stop its group is fenced by the node that would run the group next."""
    steward = node.steward
    for group, names in steward.stuck.items():
        holder = holders.get(group)
        decision = node.decisions.get(group)
        if holder is None or holder not in names or decision is None:
            continue
        if node.wishes.maintained(group) is not None or node.wishes.stopped(group) is not None:
            continue  # nobody is to take it over
        order = [name for name in decision.order if name != holder]
        # Not in a partition that could not take the group without it: whoever can will see to the rest, or nobody would serve.
        if order[:1] == [node.me] and awaiting.can_spare(steward, holder):
            steward.fencing.want(holder, group, f"{group} does not stop on it", now)
    _sweep(node)


def _sweep(node: Node) -> None:
    """Withdraw every wish for fencing that nothing asks for any more: the plan was followed, so all reasons were said anew.

    A wish for the peer's vote (``asking``) is said once, when the network has answered; it lasts while the peer is silent and
    this node may take the group.
    """
    steward = node.steward

    def lasting(name: str, group: str) -> bool:
        decision = node.decisions.get(group)
        untouched = node.wishes.maintained(group) is not None or node.wishes.stopped(group) is not None
        silent = name not in steward.alive - steward.deaf
        able = decision is not None and node.me in decision.order
        return silent and able and not untouched and steward.claims.held(group) is None

    steward.fencing.sweep(lasting)
