"""Powering other nodes off: who is to be fenced and why, with which devices, and what came of it.

Fencing turns "nobody knows" into "it is off". It has succeeded only when every device of one level said so in time, for an
operation that began after the wish did; anything else (failure, silence, an answer after the deadline, a node that came back
meanwhile) is no proof, and the next try or the next level follows. The wish stands until its reason is gone.

A confirmation stands until the node is heard again with a new incarnation. A node that is heard although a device confirmed that
it is off shows that the device cannot be trusted; that is said, and the confirmation is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..effects import Effect, Fence, FenceAction, Level, Note, Reply
from ..events import Outcome
from ..fence_devices import FenceDevice
from ..model import Cluster
from ..units import MINUTE, NEVER, SECOND, Duration, Instant, format_duration

SLACK: Duration = 5 * SECOND
"""How much later than its devices' own limits an answer is waited for: the manager kills at the limit, and then reports."""

PAUSE: Duration = 2 * SECOND
PAUSE_MOST: Duration = MINUTE
"""After all levels have failed they are tried again after two seconds, then after twice as long each time, up to a minute."""

OPERATOR = " operator"
"""A reason that is no group's name."""


@dataclass(slots=True)
class _Operation:
    op: int
    devices: tuple[FenceDevice, ...]
    began: Instant
    deadline: Instant


@dataclass(slots=True)
class Target:
    """One node that can be fenced, or was. ``reasons``: for each wish its sentence. ``replies``: operators who wait.

    ``ballots``: for each group the newest ballot that we promised it before it was confirmed off.
    """

    node: str
    levels: tuple[tuple[FenceDevice, ...], ...]
    reasons: dict[str, str] = field(default_factory=dict)
    replies: list[int] = field(default_factory=list)
    operation: _Operation | None = None
    level: int = 0
    tries: int = 0
    pause: Duration = PAUSE
    not_before: Instant = 0
    confirmed_at: Instant | None = None
    confirmed_by: str = ""
    proved: bool = False
    came_back_at: Instant = 0
    trouble: str = ""
    switching_on: int | None = None
    ballots: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """``node`` was off at some moment not before ``began``; ``by`` says who or what confirmed it."""

    node: str
    began: Instant
    by: str


class Fencing:
    """The other nodes of ``cluster``, as targets of node ``me``. ``emit`` takes effects in order."""

    def __init__(self, cluster: Cluster, me: str, next_op: Callable[[], int], emit: Callable[[Effect], None]) -> None:
        self.me = me
        self.next_op = next_op
        self.emit = emit
        others = [node.name for node in cluster.nodes if node.name != me]
        self.targets = {name: Target(name, cluster.fence_levels(name)) for name in others}
        self.news: list[Confirmed] = []
        self.wished: set[tuple[str, str]] = set()
        """All that was wished for since ``sweep`` last looked."""
        self.failed = 0
        self.done = 0

    def follow(self, cluster: Cluster) -> None:
        """The devices are those of ``cluster`` now. What one was told already goes on to its end."""
        for target in self.targets.values():
            target.levels = cluster.fence_levels(target.node)
            target.level = target.level if target.level < len(target.levels) else 0
            if not target.levels:
                target.reasons.clear()
                text = f"{target.node} has no fence device any more: the configuration was changed; {_by_hand(target.node)}"
                self._reply(target, False, text)

    def part(self, node: str) -> None:
        """``node`` is no member any more."""
        target = self.targets.pop(node, None)
        if target is not None:
            self._reply(target, False, f"{node} is not in the configuration any more; {_by_hand(node)}")

    def able(self, node: str) -> bool:
        """Whether there is any device for ``node``."""
        return node in self.targets and bool(self.targets[node].levels)

    def comes_back(self, node: str) -> bool:
        """Whether a device switches ``node`` on again after it has switched it off."""
        return node in self.targets and any(one.reboot for level in self.targets[node].levels for one in level)

    def proved(self, node: str) -> bool:
        """Whether what has confirmed that ``node`` is off can also tell it from a node that it cannot reach."""
        return node in self.targets and self.targets[node].proved

    def off(self, node: str) -> bool:
        """Whether ``node`` was confirmed to be off and was not heard again since."""
        return node in self.targets and self.targets[node].confirmed_at is not None

    # Wishes

    def want(self, node: str, key: str, why: str, now: Instant, delay: Duration = 0) -> None:
        """Have ``node`` fenced for the reason ``key`` (a group's name), after ``delay``. Wished already: nothing new."""
        target = self.targets.get(node)
        if target is None or not target.levels:
            return
        self.wished.add((node, key))
        if key in target.reasons:
            return
        if not target.reasons:
            target.level, target.tries, target.pause = 0, 0, PAUSE
            target.not_before = max(target.not_before, now + delay)
        target.reasons[key] = why
        wait = f", in {format_duration(delay)} unless it is heard before" if delay else ""
        self._note(target, f"{node} is to be fenced{wait}: {why}", Level.WARNING)
        self._go(target, now)

    def unwant(self, node: str, key: str) -> None:
        """The reason is gone. What a device was told already is not taken back."""
        target = self.targets.get(node)
        if target is not None and target.reasons.pop(key, None) is not None and not target.reasons:
            target.trouble = ""
            self._note(target, f"{node} need not be fenced any more", Level.INFO)

    def sweep(self, lasting: Callable[[str, str], bool]) -> None:
        """All reasons have just been said: what nobody wishes for any more, and is not ``lasting``, is withdrawn."""
        for node, target in self.targets.items():
            for key in tuple(target.reasons):
                if key != OPERATOR and (node, key) not in self.wished and not lasting(node, key):
                    self.unwant(node, key)
        self.wished.clear()

    def wanted_by(self, node: str) -> Iterable[str]:
        """The reasons for which ``node`` is to be fenced."""
        return self.targets[node].reasons.keys()

    def ask(self, node: str, op: int, by: str, now: Instant) -> str:
        """An operator wants ``node`` fenced now. Returns why not, or "": then a ``Reply`` follows when it is done."""
        target = self.targets.get(node)
        if target is None:
            return f"{node} cannot fence itself; ask another node" if node == self.me else f"{node} is not a node"
        if not target.levels:
            return f"there is no fence device for {node} in the configuration; {_by_hand(node)}"
        target.replies.append(op)
        target.not_before = 0
        self.want(node, OPERATOR, f"{by} asked for it", now)
        self._go(target, now)
        return ""

    def confirm(self, node: str, by: str, now: Instant) -> None:
        """A human has seen that ``node`` is off."""
        target = self.targets[node]
        self._confirmed(target, now, now, by)

    # Operations

    def _go(self, target: Target, now: Instant) -> None:
        if target.operation is not None or not target.reasons or now < target.not_before:
            return
        devices = target.levels[target.level]
        limit = max(device.timeout for device in devices)
        spent = sum((device.timeout for device in devices), SLACK)
        op = self.next_op()
        target.operation = _Operation(op, devices, now, now + spent)
        why = next(iter(target.reasons.values()))
        names = tuple(device.name for device in devices)
        self.emit(Fence(op, target.node, names, FenceAction.OFF, limit, why))

    def finished(self, op: int, outcome: Outcome, text: str, now: Instant) -> bool:
        """A device's answer; False if ``op`` is none of ours. One after its deadline is none of ours any more."""
        for target in self.targets.values():
            if target.switching_on == op:
                target.switching_on = None
                if outcome is not Outcome.OK:
                    self._note(target, f"{target.node} was not switched on again: {text}", Level.WARNING)
                return True
            if target.operation is not None and target.operation.op == op:
                self._ended(target, target.operation, outcome, text, now)
                return True
        return False

    def _ended(self, target: Target, operation: _Operation, outcome: Outcome, text: str, now: Instant) -> None:
        target.operation = None
        names = " and ".join(device.name for device in operation.devices)
        if outcome is Outcome.OK and target.came_back_at < operation.began:
            self._confirmed(target, operation.began, now, names)
            target.proved = all(device.proves for device in operation.devices)
            if any(device.reboot for device in operation.devices):
                self._switch_on(target, operation)
            return
        if outcome is Outcome.OK:
            text = "it came back while the device was at it"
        self.failed += 1
        target.trouble = f"{names}: {text or outcome.value}"
        retries = max(device.retries for device in operation.devices)
        target.tries += 1
        then = "tried again"
        if target.tries > retries:
            target.tries = 0
            target.level += 1
            then = "the next level follows"
        if target.level >= len(target.levels):  # also when a reload has taken them away meanwhile
            target.level = 0
            target.not_before = now + target.pause
            then = f"all levels have failed, tried again in {format_duration(target.pause)}"
            target.pause = min(2 * target.pause, PAUSE_MOST)
            self._reply(target, False, f"{target.node} could not be fenced: {target.trouble}; {_by_hand(target.node)}")
            target.reasons.pop(OPERATOR, None)
        self._note(target, f"fencing of {target.node} failed ({target.trouble}); {then}", Level.ERROR)
        self._go(target, now)

    def _switch_on(self, target: Target, operation: _Operation) -> None:
        devices = tuple(device for device in operation.devices if device.reboot)
        target.switching_on = self.next_op()
        names = tuple(device.name for device in devices)
        limit = max(device.timeout for device in devices)
        why = "it was off; its devices are set to switch it on again"
        self.emit(Fence(target.switching_on, target.node, names, FenceAction.ON, limit, why))

    def _confirmed(self, target: Target, began: Instant, now: Instant, by: str) -> None:
        target.confirmed_at, target.confirmed_by, target.proved, target.trouble = now, by, True, ""
        target.reasons.clear()
        target.ballots.clear()
        target.level, target.tries, target.pause, target.not_before = 0, 0, PAUSE, 0
        self.done += 1
        self.news.append(Confirmed(target.node, began, by))
        self._note(target, f"{target.node} is off: confirmed by {by}", Level.WARNING)
        self._reply(target, True, f"{target.node} is off: confirmed by {by}")

    def _reply(self, target: Target, ok: bool, text: str) -> None:
        for op in target.replies:
            self.emit(Reply(op, ok, text))
        target.replies.clear()

    def returned(self, node: str, now: Instant) -> None:
        """``node`` is heard with a new incarnation: it is on."""
        target = self.targets.get(node)
        if target is not None:
            target.came_back_at = now
            target.confirmed_at = None

    def heard(self, node: str, arrival: Instant, silence: Duration) -> None:
        """``node`` is heard without having started anew, ``silence`` after it should have been off: it never was."""
        target = self.targets.get(node)
        if target is None or target.confirmed_at is None or arrival < target.confirmed_at + silence:
            return
        by = target.confirmed_by
        target.confirmed_at = None
        text = f"{node} is alive although {by} confirmed that it is off: do not rely on that again before you know why"
        target.trouble = text
        self._note(target, text, Level.ERROR)

    def expire(self, now: Instant) -> None:
        """For ``TimerDue`` only."""
        for target in self.targets.values():
            operation = target.operation
            if operation is not None and now >= operation.deadline:
                self._ended(target, operation, Outcome.UNKNOWN, "no answer in time", now)
            self._go(target, now)

    def next_deadline(self) -> Instant:
        due = NEVER
        for target in self.targets.values():
            if target.operation is not None:
                due = min(due, target.operation.deadline)
            elif target.reasons:
                due = min(due, target.not_before)
        return due

    def sentence(self, node: str, now: Instant) -> str:
        """What is to be said of fencing ``node``, or ""."""
        target = self.targets.get(node)
        if target is None:
            return ""
        if target.confirmed_at is not None:
            return f"off, confirmed by {target.confirmed_by} {_ago(now - target.confirmed_at)} ago"
        failed = f"; failed before: {target.trouble}" if target.trouble else ""
        if target.operation is not None:
            names = " and ".join(device.name for device in target.operation.devices)
            return f"being fenced with {names}{failed}"
        if target.reasons:
            wait = format_duration(max(0, target.not_before - now))
            return f"to be fenced in {wait}: {next(iter(target.reasons.values()))}{failed}"
        return target.trouble

    def _note(self, target: Target, why: str, level: Level) -> None:
        self.emit(Note(why, level, "", target.node))


def _by_hand(node: str) -> str:
    return f"switch it off by hand, look, then `understudy confirm-off {node}`"


def _ago(span: Duration) -> str:
    return format_duration(span // SECOND * SECOND)
