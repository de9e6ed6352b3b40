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
from ..units import SECOND, Duration, Instant

WATCHDOG_SLACK: Duration = SECOND
"""A watchdog may fire a little late (softdog counts jiffies, devices whole seconds); at least this, and 1 % of clock rate."""


class Proof:
    """``others``: the other nodes. Only groups with exclusive parts are tracked."""

    def __init__(self, groups: Iterable[Group], others: Iterable[str]) -> None:
        names = self.others = tuple(others)
        self.groups = {group.name: group for group in groups if group.exclusive}
        self.watchdogs: dict[str, Duration] = {}
        self.said = -1
        """The newest state that we have said; then, for groups that wait, the one that a word must have come after."""
        self.floors: dict[str, int] = {}
        self.stopped_at: dict[tuple[str, str], Instant] = {}
        self.may_run: dict[str, set[str]] = {name: set(names) for name in self.groups}

    def follow(self, groups: Iterable[Group]) -> tuple[str, ...]:
        """These are the groups now. Returns those that have exclusive parts only from now on: nobody has proved anything yet."""
        self.groups = {group.name: group for group in groups if group.exclusive}
        new = tuple(name for name in self.groups if name not in self.may_run)
        for name in [name for name in self.may_run if name not in self.groups]:
            del self.may_run[name]
            self.floors.pop(name, None)
        for name in new:
            self.may_run[name] = set(self.others)
        return new

    def join(self, node: str) -> None:
        """A new member: nobody has proved yet that nothing runs on it."""
        self.others = (*self.others, node)
        for machines in self.may_run.values():
            machines.add(node)

    def part(self, node: str) -> None:
        """No member any more. What may run on it may go on running, and is waited for by time."""
        self.others = tuple(name for name in self.others if name != node)

    def heard(self, state: NodeState, named: int, now: Instant) -> bool:
        """A node's own word about its machine. ``named``: the newest of our states that it had heard when it said that.

        While we wait for proof only a word counts that was said after we had begun to: a slow path may bring an old "stopped".
        Returns whether it is news about who may still run what.
        """
        before = sum(map(len, self.may_run.values()))
        self.watchdogs[state.node] = state.watchdog
        held = {hold.group for hold in state.holds if not hold.bidding}
        for report in state.groups:
            machines = self.may_run.get(report.group)
            if machines is None:
                continue
            if report.phase is Phase.STOPPED and report.group not in held:
                if named > self.floors.get(report.group, -1):
                    machines.discard(state.node)
                    self.stopped_at[report.group, state.node] = now
            else:
                machines.add(state.node)
        return sum(map(len, self.may_run.values())) != before

    def released(self, group: str, node: str, stopped: bool, now: Instant) -> None:
        """``node`` gave the group up, and everything had stopped. While we wait its next word has to say so again."""
        if stopped and group in self.may_run and group not in self.floors:
            self.may_run[group].discard(node)
            self.stopped_at[group, node] = now

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
