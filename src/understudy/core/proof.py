"""Proof of stop: may an exclusive program start here, or might it still run on another machine?

A lease ends by time, and a virtual address with it. A program does not. For groups with exclusive parts this file keeps the
machines on which the group *may still run*: any that held it, or whose word we never had, until its own word is
"stopped". What remains after the group's lease is ours is waited out: the group's stop timeout.

A majority that grants a bid also tells the last ballot whose holder never said that it had stopped; a ballot names its
bidder. So a holder that we never heard of cannot be overlooked. Fencing and watchdogs are further proofs; not in this version.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..messages import NodeState, Phase
from ..model import Group
from ..units import Instant


class Proof:
    """``others``: the other nodes. Only groups with exclusive parts are tracked."""

    def __init__(self, groups: Iterable[Group], others: Iterable[str]) -> None:
        names = tuple(others)
        self.groups = {group.name: group for group in groups if group.exclusive}
        self.may_run: dict[str, set[str]] = {name: set(names) for name in self.groups}

    def heard(self, state: NodeState) -> None:
        """A node's own word about its machine."""
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

    def wait_until(self, group: str, acquired_at: Instant) -> tuple[Instant, tuple[str, ...]]:
        """Until when exclusive parts must wait (0: not at all), and for which machines."""
        machines = self.may_run.get(group)
        if not machines:
            return 0, ()
        return acquired_at + self.groups[group].stop_timeout, tuple(sorted(machines))

    def missing(self, group: str, node: str | None = None) -> bool:
        """Whether the proof of ``node`` (None: of any machine) is still missing."""
        machines = self.may_run.get(group, set())
        return bool(machines) if node is None else node in machines

    def waited(self, group: str, nodes: Iterable[str]) -> None:
        """The wait for ``nodes`` is over: that was the proof."""
        if group in self.may_run:
            self.may_run[group].difference_update(nodes)
