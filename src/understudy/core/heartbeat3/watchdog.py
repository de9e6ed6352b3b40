"""The watchdog of ha.cf: fed with each heartbeat, while every group whose programs may run here has a right that stands.

Heartbeat feeds it as long as its daemon turns. Here it also ends a machine whose program does not stop, or that still stops one
when another machine has it already. Nobody counts on that: the peer is told nothing of watchdogs in this protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import CloseWatchdog, FeedWatchdog
from ...units import Instant

if TYPE_CHECKING:
    from .node import OldNode


def feed(node: OldNode, now: Instant) -> None:
    """A heartbeat was sent."""
    until = now + node.holdings.dead_time
    for each in node.holdings.groups.values():
        if each.execution.exclusive_may_run():
            until = 0 if each.execution.does_not_stop() else min(until, each.lease)
    if node.watchdog and until > now:
        node.emit(FeedWatchdog(until))


def close(node: OldNode) -> None:
    """A clean end."""
    if node.watchdog and not any(each.execution.exclusive_may_run() for each in node.holdings.groups.values()):
        node.emit(CloseWatchdog("nothing that must not run twice is left here"))
