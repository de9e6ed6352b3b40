"""The groups of haresources on this machine: taken and given up as two sets, each walked by ``core.execution``.

The right to serve is held in the kernel as well, with an end: a dead time after our newest heartbeat left, less a margin. The
peer takes over no earlier than a dead time after it *received* that heartbeat; so a machine whose daemon is frozen or gone has
stopped serving when the other begins, which two old programs cannot promise each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ...effects import Announce, Effect, KernelLease, Level, Note
from ...events import Outcome
from ...messages import Phase
from ...model import AddressResource, Cluster, Group
from ...units import NEVER, SECOND, Duration, Instant
from ..announce import Announcements
from ..execution import Execution
from ..parts import State, Wanted
from ..probing import Question
from .states import Holding

NOTED_EVERY: Duration = 10 * SECOND
OLD_ANNOUNCEMENTS: Duration = 6 * SECOND
"""Its send_arp repeats an announcement ten times, every half second (3.0.6, IPaddr)."""


class Owned:
    """One group here. ``gave_up_until``: it failed too often on this machine; until then it had better be elsewhere.

    With ``auto_failback legacy``: ``ask_again_at`` is NEVER unless the peer was asked for it; ``asked_as`` is its key while
    the peer waits for it.
    """

    def __init__(self, group: Group, execution: Execution, local: bool) -> None:
        self.group = group
        self.execution = execution
        self.part_of = Holding.LOCAL if local else Holding.FOREIGN
        self.announcements = Announcements()
        self.question = Question(group.name, group.addresses)
        self.lease: Instant = 0
        self.since: Instant | None = None
        self.why = ""
        self.gave_up_until: Instant = 0
        self.ask_again_at: Instant = NEVER
        self.asked_as = ""
        self.retired = False
        """It is in no line of haresources any more: it only stops."""

    @property
    def wanted(self) -> bool:
        return self.execution.wanted is Wanted.RUN


class Holdings:
    """All groups of ``cluster`` on node ``me``. ``emit`` takes effects in order."""

    def __init__(
        self,
        cluster: Cluster,
        me: str,
        next_op: Callable[[], int],
        present: frozenset[str],
        emit: Callable[[Effect], None],
    ) -> None:
        self.me = me
        self.emit = emit
        self.dead_time: Duration = cluster.dead_time
        self.generation = 0
        self.right_until: Instant = 0
        self.noted: dict[str, Instant] = {}
        """Until when no more is said of others that claim an address."""
        self.groups = {
            group.name: Owned(group, Execution(group, next_op, present), group.prefer[:1] == (me,))
            for group in cluster.groups
        }

    def of(self, what: Holding) -> list[Owned]:
        """The groups of a set, in the order of the file."""
        return [owned for owned in self.groups.values() if owned.part_of & what]

    def note(self, why: str, group: str, level: Level = Level.INFO) -> None:
        self.emit(Note(why, level, group, self.me))

    # Taking and giving

    def take(self, owned: Iterable[Owned], why: str, now: Instant) -> None:
        """Run them here: the kernel's lease first, then their resources."""
        for each in owned:
            if each.wanted or each.retired:
                continue
            each.why, each.since = why, now
            self._lease(each, why)
            each.execution.right_until = self.right_until
            each.execution.want(Wanted.RUN, now, self.generation)
            self.note(f"runs here from now on: {why}", each.group.name)
            self._announce(each, now, "held from now on", burst=True)

    def give(self, owned: Iterable[Owned], why: str, now: Instant) -> None:
        """Stop them in order; the kernel's lease ends when everything has stopped."""
        for each in owned:
            each.announcements.stop()
            if each.execution.wanted is Wanted.OBSERVE and each.execution.stopped() and not each.lease:
                continue
            if each.execution.wanted is not Wanted.STOP:
                each.execution.want(Wanted.STOP, now, self.generation)
                each.why = why
                self.note(f"is given up: {why}", each.group.name)

    def drop(self, owned: Iterable[Owned], why: str, now: Instant) -> None:
        """As ``give``, but the addresses go at once: another machine has them."""
        for each in owned:
            if each.lease:
                each.lease = 0
                self.emit(KernelLease(each.group.name, None, why))
            self.give((each,), why, now)
            for effect in each.execution.remove_addresses(now, why):
                self.emit(effect)

    def stopped(self, what: Holding, now: Instant) -> bool:
        """Whether nothing of the set serves here any more, and the kernel knows it."""
        return all(each.execution.safe_to_release(now) and not each.lease for each in self.of(what))

    def settled(self, what: Holding) -> bool:
        """Whether everything of the set has started, or has failed to for now."""
        return all(
            each.execution.phase() in (Phase.STARTED, Phase.FAILED, Phase.STUCK)
            for each in self.of(what)
            if not each.retired
        )

    def resumed(self) -> Holding:
        """The sets that an earlier life of this daemon left here, all of their addresses in place."""
        found = Holding.NONE
        for part in (Holding.LOCAL, Holding.FOREIGN):
            groups = self.of(part)
            if groups and all(each.lease for each in groups):
                found |= part
        return found

    # The right

    def renew(self, sent_at: Instant) -> None:
        """A heartbeat leaves at ``sent_at``: what is held may be served until shortly before the peer could count us dead."""
        margin = max(self.dead_time // 100, 1_000_000)
        self.right_until = max(self.right_until, sent_at + self.dead_time - margin)
        for each in self.groups.values():
            if each.lease:
                each.execution.right_until = self.right_until
                self._lease(each, "a heartbeat was sent")

    def _lease(self, each: Owned, why: str) -> None:
        each.lease = self.right_until
        self.emit(KernelLease(each.group.name, each.lease, why))

    # The walk

    def advance(self, now: Instant) -> None:
        """Begin what may begin. Where the right to run a group has lapsed, nothing: it is being asked for."""
        for each in self.groups.values():
            if not each.wanted or now < each.lease:
                self._advance(each, now)

    def _advance(self, each: Owned, now: Instant) -> None:
        if each.execution.wanted is Wanted.OBSERVE and not each.lease and self._left_running(each):
            self.give((each,), "an earlier life of this daemon left it running, without a right to it", now)
        for effect in each.execution.advance(now):
            self.emit(effect)
        self.facts(each, now)
        if each.lease and each.execution.wanted is Wanted.STOP and each.execution.safe_to_release(now):
            each.lease, each.since = 0, None
            self.emit(KernelLease(each.group.name, None, each.why))
        if each.execution.wanted is Wanted.STOP and each.execution.stopped():
            each.execution.want(Wanted.OBSERVE, now)

    @staticmethod
    def _left_running(each: Owned) -> bool:
        """Whether a part that must not run twice was seen to run, which may be ours: the other machine may have it by now."""
        seen = any(part.exclusive and state is State.RUNNING for part, state, _ in each.execution.states())
        return seen and each.execution.exclusive_may_run()

    def facts(self, each: Owned, now: Instant) -> None:
        facts, each.execution.facts = each.execution.facts, []
        for fact in facts:
            if fact.announce:
                self._announce(each, now, "taken over here", burst=True)
            if fact.why:
                level = Level.ERROR if fact.gave_up_for else Level.WARNING if fact.failed else Level.INFO
                self.note(fact.why, each.group.name, level)
            if fact.gave_up_for:
                each.gave_up_until = now + fact.gave_up_for

    def finished(self, op: int, outcome: Outcome, text: str, now: Instant) -> None:
        for each in self.groups.values():
            if each.execution.finished(op, outcome, text, now):
                self.facts(each, now)
                return

    def expire(self, now: Instant) -> None:
        """For ``TimerDue`` only."""
        for each in self.groups.values():
            each.execution.expire(now)
            self.facts(each, now)
            self._announce(each, now, "repeated")
            if each.gave_up_until and now >= each.gave_up_until:
                each.gave_up_until = 0
                each.execution.forget_failures()

    def next_deadline(self) -> Instant:
        due = NEVER
        for each in self.groups.values():
            due = min(due, each.execution.next_deadline(), each.announcements.next_deadline())
            if each.gave_up_until:
                due = min(due, each.gave_up_until)
        return due

    # Addresses

    def announce(self, now: Instant, why: str) -> None:
        """Draw the clients of everything that is served here."""
        for each in self.groups.values():
            self._announce(each, now, why, burst=True)

    def _announce(self, each: Owned, now: Instant, why: str, burst: bool = False) -> None:
        running = self._running(each)
        if not running or not each.wanted or now >= each.lease:
            return
        if burst:
            each.announcements.burst(now)
        if each.announcements.take(now):
            self.emit(Announce(running, why))

    def _running(self, each: Owned) -> tuple[AddressResource, ...]:
        states = each.execution.states()
        return tuple(part for part, state, _ in states if isinstance(part, AddressResource) and state is State.RUNNING)

    def rival(self, address: str, mac: str, device: str, old_peer: bool, now: Instant) -> None:
        """Somebody else claims an address. If it is one that we serve, clients are drawn back, and that is noted now and then.

        An old peer that has just given it says for five seconds longer that it has it: its announcements run on by themselves.
        """
        for each in self.groups.values():
            if not any(item.address == address for item in self._running(each)) or not each.wanted:
                continue
            self._announce(each, now, "another machine has claimed it", burst=True)
            if now < self.noted.get(address, 0):
                return
            self.noted[address] = now + NOTED_EVERY
            echo = old_peer and each.since is not None and now < each.since + OLD_ANNOUNCEMENTS
            level = Level.INFO if echo else Level.ERROR
            why = f"{mac} on {device} claims {address}, which {self.me} serves"
            text = f"{why}: so the other node does for some seconds after it gave it" if echo else why
            self.emit(Note(text, level, each.group.name, self.me))
            return
