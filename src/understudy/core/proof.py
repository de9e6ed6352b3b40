"""Proof of stop: may an exclusive program start here, or might it still run on another machine?

A lease ends by time, and a virtual address with it. A program does not. For groups with exclusive parts this file keeps the
machines on which the group *may still run*: any that held it, or whose word we never had, until its own word is
"stopped". For what remains when the lease is ours, ``awaiting`` says what else is proof: fencing, a watchdog, time.

Files may differ for a while (a rolling reload): a group has the same name there and may be other programs. Where a group of ours
has gained an exclusive part, "stopped" counts only from a machine that has our file: what we are to start may still run there,
or be started there, as part of another group.

Time is no proof against a machine whose last word was that a part has failed and has not stopped: see ``tried_and_failed``.

A majority that grants a bid also names all who were granted one before and never said that they had stopped. So a holder that we
never heard of cannot be overlooked, and a machine that nobody names and that said "stopped" need not be waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..changes import rest, same_run
from ..messages import NodeState, Phase
from ..model import Group, Resource
from ..units import SECOND, Duration, Instant

WATCHDOG_SLACK: Duration = SECOND
"""A watchdog may fire a little late (softdog counts jiffies, devices whole seconds); at least this, and 1 % of clock rate."""

_BROKEN, _SOUND = (Phase.FAILED, Phase.STUCK), (Phase.STOPPED, Phase.STARTED)


class Proof:
    """``others``: the other nodes. Only groups with exclusive parts are tracked.

    ``file``: what our digest says of all but the voters. Who counts one set of them more or fewer may well have our file.
    """

    def __init__(self, groups: Iterable[Group], others: Iterable[str], digest: str = "") -> None:
        names = self.others = tuple(others)
        self.groups = {group.name: group for group in groups if group.exclusive}
        self.file = rest(digest)
        self.watchdogs: dict[str, Duration] = {}
        self.said = -1
        """The newest state that we have said; then, for groups that wait, the one that a word must have come after."""
        self.floors: dict[str, int] = {}
        self.stopped_at: dict[tuple[str, str], Instant] = {}
        self.may_run: dict[str, set[str]] = {name: set(names) for name in self.groups}
        self.with_our_file: dict[str, set[str]] = {}
        """For groups that gained an exclusive part: who has not been heard since with the file that says so."""
        self.named: dict[tuple[str, str], Instant] = {}
        """Since when a machine with our file has named a group in its reports."""
        self.failed: set[tuple[str, str]] = set()
        self.gone: set[tuple[str, str]] = set()
        """(group, machine): was taken out of the cluster unheard; what it took after its last word to us may run on."""

    def follow(self, groups: Iterable[Group], digest: str) -> tuple[str, ...]:
        """These are the groups now. Returns those that gained an exclusive part: nobody has proved anything of it yet."""
        before, self.groups = self.groups, {group.name: group for group in groups if group.exclusive}
        if rest(digest) != self.file:
            self.file = rest(digest)
            self.named.clear()
        for name in [name for name in self.may_run if name not in self.groups]:
            del self.may_run[name]
            self.floors.pop(name, None)
            self.with_our_file.pop(name, None)
        self.failed = {(name, machine) for name, machine in self.failed if name in self.groups}
        self.gone = {(name, machine) for name, machine in self.gone if name in self.groups}
        gained = tuple(name for name, group in self.groups.items() if _gains(group, before))
        for name in gained:
            self.may_run[name] = set(self.others)
            self.with_our_file[name] = set(self.others)
        return gained

    def join(self, node: str) -> None:
        """A new member: nobody has proved yet that nothing runs on it."""
        self.others = (*self.others, node)
        self.gone = {(name, machine) for name, machine in self.gone if machine != node}
        for machines in (*self.may_run.values(), *self.with_our_file.values()):
            machines.add(node)

    def part(self, node: str, alive: bool = True) -> None:
        """No member any more. What may run on it may go on running, and is waited for by time; not if a stop had failed there.

        ``alive``: it is heard, so its last word is its word on what it does now.
        """
        self.others = tuple(name for name in self.others if name != node)
        if not alive:
            self.gone |= {(group, node) for group in self.groups}

    def heard(self, state: NodeState, named: int, now: Instant) -> bool:
        """A node's own word about its machine. ``named``: the newest of our states that it had heard when it said that.

        While we wait for proof only a word counts that was said after we had begun to: a slow path may bring an old "stopped".
        Returns whether it is news about who may still run what.
        """
        self.watchdogs[state.node] = state.watchdog
        if not self.may_run:
            return False
        before = sum(map(len, self.may_run.values()))
        held = {hold.group for hold in state.holds if not hold.bidding}
        our_file = rest(state.digest) == self.file
        names = {report.group for report in state.groups} if our_file else set()
        for group in self.may_run:
            if group not in names:
                self.named.pop((group, state.node), None)
        for report in state.groups:
            machines = self.may_run.get(report.group)
            if machines is None:
                continue
            if our_file:
                self.named.setdefault((report.group, state.node), now)
                self.with_our_file.get(report.group, set()).discard(state.node)
            if report.phase in _BROKEN:
                self.failed.add((report.group, state.node))
            elif report.phase in _SOUND:
                self.failed.discard((report.group, state.node))
            if report.phase is Phase.STOPPED and report.group not in held:
                if state.node in self.with_our_file.get(report.group, ()):
                    continue
                if named > self.floors.get(report.group, -1):
                    machines.discard(state.node)
                    self.stopped_at[report.group, state.node] = now
            else:
                machines.add(state.node)
        return sum(map(len, self.may_run.values())) != before

    def released(self, group: str, node: str, stopped: bool, now: Instant) -> None:
        """``node`` gave the group up, and everything had stopped. While we wait its next word has to say so again."""
        if node in self.with_our_file.get(group, ()):
            return
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
        """How long after its last right the watchdog of ``node`` has reset it at the latest, by its last word; 0: it has none."""
        timeout = self.watchdogs.get(node, 0)
        return self.slack(timeout) if timeout else 0

    @staticmethod
    def slack(timeout: Duration) -> Duration:
        """A watchdog's time-out, and how late it may be; twice, as the kernel feeds it once more when all of its holders die."""
        return 2 * (timeout + max(WATCHDOG_SLACK, timeout // 100))

    def missing(self, group: str, node: str | None = None) -> bool:
        """Whether the proof of ``node`` (None: of any machine) is still missing."""
        machines = self.may_run.get(group, set())
        return bool(machines) if node is None else node in machines

    def proved(self, group: str, nodes: Iterable[str]) -> None:
        """There is proof for ``nodes``, other than their own word."""
        if group in self.may_run:
            self.may_run[group].difference_update(nodes)
            self.failed.difference_update((group, node) for node in nodes)
            self.gone.difference_update((group, node) for node in nodes)

    def tried_and_failed(self, group: str, node: str) -> bool:
        """Whether the last word of ``node`` is that a part of ``group`` has failed, or did not stop, and has not stopped since.

        Such a machine does not stop its programs by itself, however long it is given: when it goes away, time proves nothing.
        """
        return (group, node) in self.failed

    def failed_on(self, node: str) -> bool:
        """Whether any group has failed there, by its last word, and has not stopped since."""
        return any(machine == node for _, machine in self.failed)

    def names(self, group: str, node: str) -> Instant | None:
        """Since when ``node`` has named ``group`` with our file; None: by its last word it has another file, or names it not.

        Only from such a machine may anybody expect that it says soon what became of the group.
        """
        return self.named.get((group, node))


def _gains(group: Group, before: Mapping[str, Group]) -> bool:
    """Whether ``group`` has an exclusive part that it did not have, or that was another group's: it may run elsewhere as that.

    One that is changed and keeps its name runs nowhere else yet: it is stopped here as it was, and started as it is.
    """
    old = {item.id for item in _exclusive(before[group.name])} if group.name in before else set()
    others = [item for name, other in before.items() if name != group.name for item in _exclusive(other)]
    return any(item.id not in old or any(same_run(other, item) for other in others) for item in _exclusive(group))


def _exclusive(group: Group) -> list[Resource]:
    return [item for item in group.resources if item.exclusive]
