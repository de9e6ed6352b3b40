"""Proof of stop: may an exclusive program start here, or might it still run on another machine?

A lease ends by time, and a virtual address with it. A program does not. For groups with exclusive parts this file keeps the
machines on which the group *may still run*: any that held it, or whose word we never had, until its own word is
"stopped". For what remains when the lease is ours, ``awaiting`` says what else is proof: fencing, a watchdog, time.

A majority that grants a bid also tells the last ballot whose holder never said that it had stopped; a ballot names its
bidder. So a holder that we never heard of cannot be overlooked.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..messages import NodeState, Phase
from ..model import Group
from ..units import SECOND, Duration

WATCHDOG_SLACK: Duration = SECOND
"""A watchdog may fire a little late (softdog counts jiffies, devices whole seconds); at least this, and 1 % of clock rate."""


class Proof:
    """``others``: the other nodes. Only groups with exclusive parts are tracked."""

    def __init__(self, groups: Iterable[Group], others: Iterable[str]) -> None:
        names = tuple(others)
        self.groups = {group.name: group for group in groups if group.exclusive}
        self.watchdogs: dict[str, Duration] = {}
        self.may_run: dict[str, set[str]] = {name: set(names) for name in self.groups}

    def heard(self, state: NodeState) -> None:
        """A node's own word about its machine."""
        self.watchdogs[state.node] = state.watchdog
        held = {hold.group for hold in state.holds if not hold.bidding}
        for report in state.groups:
            machines = self.may_run.get(report.group)
            if machines is None:
                continue
            if report.phase is Phase.STOPPED and report.group not in held:
                machines.discard(state.node)
            else:
                machines.add(state.node)

    def released(self, group: str, node: str, stopped: bool) -> None:
        if stopped and group in self.may_run:
            self.may_run[group].discard(node)

    def unfinished(self, group: str, node: str | None) -> None:
        """A voter granted our bid and remembers that ``node`` held the group and never said that it stopped.

        A living node clears itself with its next heartbeat; what it said before may be older than what it took.
        """
        if node is not None and group in self.may_run:
            self.may_run[group].add(node)

    def machines(self, group: str) -> tuple[str, ...]:
        """The machines on which exclusive parts of ``group`` may still run."""
        return tuple(sorted(self.may_run.get(group, ())))

    def watchdog(self, node: str) -> Duration:
        """How long after its last right the watchdog of ``node`` has reset it, by its last word; 0 when it has none."""
        timeout = self.watchdogs.get(node, 0)
        return self.slack(timeout) if timeout else 0

    @staticmethod
    def slack(timeout: Duration) -> Duration:
        """A watchdog's time-out, and how late it may be."""
        return timeout + max(WATCHDOG_SLACK, timeout // 100)

    def missing(self, group: str, node: str | None = None) -> bool:
        """Whether the proof of ``node`` (None: of any machine) is still missing."""
        machines = self.may_run.get(group, set())
        return bool(machines) if node is None else node in machines

    def proved(self, group: str, nodes: Iterable[str]) -> None:
        """There is proof for ``nodes``, other than their own word."""
        if group in self.may_run:
            self.may_run[group].difference_update(nodes)
