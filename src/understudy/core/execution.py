"""One group on this machine: start its resources in order, stop them in reverse, adopt what already runs.

What is wanted comes from outside: ``OBSERVE`` (look, touch nothing), ``RUN``, ``STOP``. What begins when is decided in
``walk``: one operation at a time, or all of a stage at once; consecutive addresses are one operation. Neither knows of leases.
Beside that go looks, further stops of what was given up on, and addresses that are put back: nothing waits for these.

Rules. Nothing is started whose state is unknown: it is asked first. No answer, or "unknown", is never success: a start
that ends so is stopped before it is tried again; a part whose stop failed is looked at once (``stopping``). A failed
resource takes those after it down first, because they were started on top of it. Every operation has a deadline here,
besides the limit that the manager enforces. While there is no manager nothing is asked of programs, and nothing that they
did not answer counts against them.
"""

from __future__ import annotations

from collections.abc import Callable

from ..effects import Action, AddAddresses, Effect, RemoveAddresses, RunAgent
from ..events import Outcome
from ..messages import Phase
from ..model import AddressResource, Group, Resource
from ..units import NEVER, SECOND, Duration, Instant
from . import walk
from .failures import IGNORED, judge, must_stop
from .parts import Fact, Operation, Part, State, Wanted, among
from .stopping import forget_stops, may_look, over, seen_stopped, stop_failed

ADDRESS_LIMIT: Duration = SECOND
"""How long the pulse's own netlink batch may take before it counts as unanswered (measured: 12 ms for 1000)."""

SLACK: Duration = 2 * SECOND
"""How much later than the agent's own limit an answer is waited for: the manager kills at the limit, then reports."""

WATCH_INTERVAL: Duration = 10 * SECOND
"""How often, in maintenance, a failed program that is not monitored otherwise is asked whether it runs again."""

_FAILED, _STOPPED, _RUNNING = State.FAILED, State.STOPPED, State.RUNNING
_RUN, _STOP = Wanted.RUN, Wanted.STOP


class Execution:
    """The walk for one group. ``next_op`` draws operation numbers that are unique on this node."""

    def __init__(self, group: Group, next_op: Callable[[], int], present: frozenset[str]) -> None:
        self.group = group
        self.next_op = next_op
        self.wanted = Wanted.OBSERVE
        self.ballot = 0
        self.right_until: Instant = NEVER
        self.manager = False
        self.hold_programs_until: Instant = 0
        self.waits = ""
        self.fence_until: Instant = 0  # until then this machine is to be switched off, and the group is left as it is
        self.watching = False
        """In maintenance: what runs is asked, and nothing is started or stopped as long as the group is to run here."""
        self.restarting = False
        self.stop_since: Instant | None = None
        self.ends_since: Instant | None = None
        """Since when a restart, or what a reload ended, is being stopped although the group stays."""
        self.operations: dict[int, Operation] = {}
        """What is under way, by number: of one stage only, or a batch of addresses."""
        self.parts: list[Part] = []
        for stage, resource in zip(group.stage_numbers, group.resources, strict=True):
            state = State.UNKNOWN
            if isinstance(resource, AddressResource):
                state = State.RUNNING if resource.address in present else State.STOPPED
            self.parts.append(Part(resource, state, stage=stage))
        self.retired = False
        """No group of the configuration any more: all of it is as it was formerly."""
        self.ending: list[Part] = []
        """What a reload changed or removed, in the order of starts: stopped first, and then forgotten unless it is a part."""
        self.facts: list[Fact] = []
        self.at: Instant = 0

    # What the node asks

    def everything(self) -> list[Part]:
        """All parts, and what is still to be stopped because of a reload."""
        if not self.ending:
            return self.parts
        return [part for part in self.parts if not among(part, self.ending)] + self.ending

    def phase(self) -> Phase:
        if self.does_not_stop():
            return Phase.STUCK
        states = [part.state for part in self.everything()]
        if _FAILED in states:
            return Phase.FAILED
        if states.count(_STOPPED) == len(states):
            return Phase.STARTING if self.wanted is _RUN and states else self._empty_phase()
        if states.count(_RUNNING) == len(states):
            return Phase.STOPPING if self.wanted is _STOP else Phase.STARTED
        if self.wanted is Wanted.OBSERVE or (not self.operations and State.UNKNOWN in states and not self.manager):
            return Phase.UNKNOWN
        return Phase.STARTING if self.wanted is _RUN else Phase.STOPPING

    def _empty_phase(self) -> Phase:
        return Phase.STARTED if self.wanted is _RUN else Phase.STOPPED

    def does_not_stop(self) -> bool:
        """A part that has to stop did not when asked twice, or within the stop timeout; or this machine is to be switched off.

        Not yet while the first look at it since then is under way or has yet to begin, at most until the next stop is due.
        """
        if self.fence_until:
            return True
        stuck = [part for part in self.everything() if part.stuck]
        if not stuck:
            return False
        return any(must_stop(part.resource) and not (part.spared and may_look(part, self.at)) for part in stuck)

    def _looks_at(self, part: Part) -> bool:
        """Whether a monitor is under way that was asked because its stop failed."""
        operation = self.operation_of(part)
        return part.look and operation is not None and operation.action is Action.MONITOR

    def operation_of(self, part: Part) -> Operation | None:
        """What is under way with this part."""
        for operation in self.operations.values():
            for resource in operation.resources:
                if resource is part.resource:
                    return operation
        return None

    def exclusive_may_run(self) -> bool:
        """Whether a part that must not run twice was started or found here, and was not seen to have stopped since."""
        there = [part for part in self.everything() if part.touched and part.state is not State.STOPPED]
        return bool(there) and any(part.resource.exclusive for part in there)

    def suspect(self) -> None:
        """An earlier life of this process may have left exclusive parts running."""
        for part in self.parts:
            part.touched = True

    def stopped(self) -> bool:
        """All of it is over here, as far as its agents said so."""
        return not [part for part in self.everything() if part.state is not State.STOPPED]

    def seems_to_run(self) -> bool:
        """Whether any part is neither stopped nor unknown."""
        return bool([part for part in self.everything() if part.state not in (_STOPPED, State.UNKNOWN)])

    def safe_to_release(self, now: Instant) -> bool:
        """Stopped, or only parts are left that may run on two machines and have had the group's stop timeout."""
        left = [part for part in self.everything() if part.state is not State.STOPPED]
        if not left:
            return True
        if any(isinstance(part.resource, AddressResource) or must_stop(part.resource) for part in left):
            return False
        return self.stop_since is not None and now >= self.stop_since + self.group.stop_timeout

    def states(self) -> list[tuple[Resource, State, str]]:
        return [(part.resource, part.state, part.text) for part in self.everything()]

    def next_deadline(self) -> Instant:
        """When ``expire`` or ``advance`` may have something to do, or NEVER. What is past waits for something else."""
        past = self.at
        due = NEVER
        for part in self.everything():
            if past < part.monitor_at < due:
                due = part.monitor_at
            if past < part.stop_again_at < due:
                due = part.stop_again_at
            if past < part.start_again_at < due:
                due = part.start_again_at
        if self.stop_since is not None and past < self.stop_since + self.group.stop_timeout < due:
            due = self.stop_since + self.group.stop_timeout
        if self.ends_since is not None and past < self.ends_since + self.group.stop_timeout < due:
            due = self.ends_since + self.group.stop_timeout
        if past < self.hold_programs_until < due:
            due = self.hold_programs_until
        if past < self.fence_until < due:
            due = self.fence_until
        for operation in self.operations.values():
            if past < operation.deadline < due:
                due = operation.deadline
        return due

    # What the node tells

    def want(self, wanted: Wanted, now: Instant, ballot: int = 0) -> None:
        if wanted is not self.wanted:
            self.wanted, self.restarting = wanted, False
            self.fence_until = 0
            self.stop_since = now if wanted is Wanted.STOP else None
            if wanted is Wanted.STOP:
                self._abandon_start()
        self.ballot = ballot or self.ballot

    def restart(self) -> None:
        """Stop everything in order and start it again, here; for a group that is to run."""
        self.restarting = True
        self.ends_since = self.ends_since if self.ending else None
        self.forget_failures()
        self._abandon_start()

    def restarts(self, now: Instant) -> bool:
        """Whether a restart still stops things. When something did not stop within the stop timeout, the rest goes on running."""
        if self.restarting:
            self.ends_since = now if self.ends_since is None else self.ends_since
            late = now >= self.ends_since + self.group.stop_timeout
            stopped = all(part.state is State.STOPPED for part in self.parts)  # what a reload ended was given up on
            self.restarting = not stopped and not (late and any(part.failed_stops for part in self.parts))
        return self.restarting

    def _abandon_start(self) -> None:
        """A stop need not wait for a start or a monitor: the manager kills that when the stop arrives."""
        for operation in list(self.operations.values()):
            if operation.action is Action.STOP or isinstance(operation.resources[0], AddressResource):
                continue
            part = self.part(operation.resources[0])
            if not self._looks_at(part):
                del self.operations[operation.op]
                part.state = State.UNKNOWN

    def manager_changed(self, connected: bool, now: Instant) -> None:
        """With a new manager every program is asked again; without one, what was under way has an unknown end."""
        self.manager = connected
        for part in self.everything():
            part.look = False  # only the manager that saw the stop fail asks strictly enough
        for operation in list(self.operations.values()):
            if isinstance(operation.resources[0], AddressResource):
                continue
            del self.operations[operation.op]
            part = self.part(operation.resources[0])
            if operation.action is not Action.MONITOR:
                part.state, part.text = State.UNKNOWN, "the manager was lost during its " + operation.action.value
        if connected:
            for part in self.everything():
                if not isinstance(part.resource, AddressResource) and part.state is State.RUNNING:
                    part.monitor_at = now

    def finished(self, op: int, outcome: Outcome, text: str, now: Instant) -> bool:
        """The end of one of our operations; False if it is not under way (late answers are ignored)."""
        operation = self.operations.pop(op, None)
        if operation is None:
            return False
        if operation.action is Action.MONITOR:
            self._monitored(self.part(operation.resources[0]), outcome, text, now)
        elif operation.action is Action.START:
            self._started(operation, outcome, text, now)
        else:
            self._stopped(operation, outcome, text, now)
        return True

    def failed(self, resource: str, text: str, now: Instant) -> None:
        """A program died by itself, or says so: acted on only when it was thought to run.

        One that dies while it waits for its stop counts as no failure, but it does not run either should the group stay.
        """
        for part in self.parts:
            if part.resource.id == resource and part.state is State.RUNNING and self.wanted is Wanted.RUN:
                self._fail(part, text, now)
            elif part.resource.id == resource and part.state is State.RUNNING and self.wanted is Wanted.STOP:
                part.state, part.text = State.FAILED, text

    def address_gone(self, address: str) -> bool:
        """Somebody removed one of our addresses. Returns whether it should be there."""
        for part in self.everything():
            resource = part.resource
            there = part.state is State.RUNNING or (self.watching and part.state is State.FAILED)
            if isinstance(resource, AddressResource) and resource.address == address and there:
                part.state, part.removed = State.STOPPED, True
                return self.wanted is Wanted.RUN and among(part, self.parts)
        return False

    def expire(self, now: Instant) -> None:
        """For ``TimerDue`` only: an operation without an answer has an unknown end."""
        self.at = now
        if self.fence_until and now >= self.fence_until:
            self._not_fenced()
        for operation in [item for item in self.operations.values() if now >= item.deadline]:
            part = self.part(operation.resources[0])
            if operation.action is Action.MONITOR and part.state is State.RUNNING:
                # The manager kills at the limit and says so. Silence is its fault, not the program's.
                del self.operations[operation.op]
                self._runs(part, now, "the manager did not answer its monitor")
            else:
                limit = "no answer in time: the outcome is unknown"
                self.finished(operation.op, Outcome.UNKNOWN, limit, now)

    # The walk

    def advance(self, now: Instant) -> list[Effect]:
        """The operations that may begin now. Call after anything changed, and on time."""
        self.at = now
        effects = walk.look(self, now)
        busy = bool(self.under_way(now))
        if busy and not self.group.stages:
            return effects + walk.put_back(self, now)
        self._forget_ended()
        if busy and self.ending and self.wanted is not Wanted.RUN:
            return effects  # what a reload changed has none of the present stages: one after the other
        return effects + walk.due(self, now)

    def _forget_ended(self) -> None:
        """What a reload ended and has stopped. Its new form is asked again: it may have been taken for the old one."""
        over = {part.resource.id for part in self.ending if part.state is State.STOPPED}
        if over:
            self.ending = [part for part in self.ending if part.state is not State.STOPPED]
            for part in self.parts:
                taken_for_it = part.resource.id in over and part.state is State.RUNNING
                if taken_for_it and not isinstance(part.resource, AddressResource):
                    part.state = State.UNKNOWN
        if not self.ending and not self.restarting:
            self.ends_since = None

    def given_up_on(self, part: Part, now: Instant) -> bool:
        """Whether the stop goes on without this part: it may run on two machines, and had the group's stop timeout.

        Its first stop is waited for all the same: it may have been asked late, and mostly that is all it takes.
        """
        since = self.ends_since if self.stop_since is None and among(part, self.ending) else self.stop_since
        late = since is not None and now >= since + self.group.stop_timeout
        if not late or isinstance(part.resource, AddressResource) or must_stop(part.resource):
            return False
        return part.failed_stops > 0 or self.operation_of(part) is None

    def under_way(self, now: Instant) -> list[Operation]:
        """What others may have to wait for: neither a look after a stop that failed, nor what was given up on.

        These may hang in the kernel again and again, in every pause between two stops, and nothing stands on their end.
        """
        return [item for item in self.operations.values() if not self._aside(item, now)] if self.operations else []

    def _aside(self, operation: Operation, now: Instant) -> bool:
        part = self.part(operation.resources[0])
        return (part.look and operation.action is Action.MONITOR) or self.given_up_on(part, now)

    def stuck(self) -> tuple[str, ...]:
        """What has not stopped although it was asked to."""
        return tuple(part.resource.id for part in self.everything() if part.failed_stops)

    def remove_addresses(self, now: Instant, why: str) -> list[Effect]:
        """Take all addresses off at once, ahead of the orderly stop: the lease is gone. Pre-empts what is under way."""
        there = tuple(
            part
            for part in self.everything()
            if isinstance(part.resource, AddressResource) and part.state is not State.STOPPED
        )
        if not there:
            return []
        for operation in self.operations.values():
            for resource in operation.resources:
                self.part(resource).state = State.UNKNOWN
        self.operations.clear()
        return self.begin(Action.STOP, there, now, why)

    def begin(self, action: Action, parts: tuple[Part, ...], now: Instant, why: str) -> list[Effect]:
        """Begin an operation of one program, or of several addresses."""
        op = self.next_op()
        resources = tuple(part.resource for part in parts)
        first = parts[0].resource
        if action is Action.STOP:
            for part in parts:
                part.stop_began = now if part.stop_began is None else part.stop_began
        if action is not Action.MONITOR:
            for part in parts:
                part.state = State.STARTING if action is Action.START else State.STOPPING
                part.touched, part.look, part.removed = True, False, False
        if isinstance(first, AddressResource):
            self.operations[op] = Operation(op, action, resources, now + ADDRESS_LIMIT)
            addresses = tuple(_address(part) for part in parts)
            if action is Action.START:
                return [AddAddresses(op, self.group.name, addresses, why)]
            return [RemoveAddresses(op, self.group.name, addresses, why)]
        limit = {
            Action.START: first.limits.start,
            Action.STOP: first.limits.stop,
            Action.MONITOR: first.limits.monitor,
        }[action]
        deadline = now + limit + SLACK
        if action is Action.MONITOR and may_look(parts[0], now):
            deadline = min(deadline, parts[0].stop_again_at)  # the next stop cuts it short, in the manager too
            limit = min(limit, deadline - now)
        self.operations[op] = Operation(op, action, resources, deadline)
        parts[0].monitor_at = NEVER
        until = self.right_until if action is Action.START else NEVER
        former = self.retired or not among(parts[0], self.parts)
        return [RunAgent(op, self.group.name, first.id, action, limit, self.ballot, why, until, former)]

    # How operations end

    def _monitored(self, part: Part, outcome: Outcome, text: str, now: Instant) -> None:
        if outcome is Outcome.UNKNOWN and not self.manager:
            return
        look, part.look = part.look, False
        if look and outcome is Outcome.NOT_RUNNING:
            self.facts.append(seen_stopped(part, text))
        elif part.state is State.UNKNOWN:
            part.touched |= outcome is not Outcome.NOT_RUNNING
            if outcome is Outcome.OK:
                forget_stops(part)
                self._runs(part, now, "was running already: adopted")
            elif outcome is Outcome.NOT_RUNNING:
                self.facts.extend(over(part))
            else:
                part.state, part.text = State.FAILED, text or "its state could not be found out"
        elif part.state is State.RUNNING:
            if outcome is Outcome.OK:
                self._runs(part, now, text)
            else:
                self._fail(part, f"monitor: {text or outcome.value}", now)
        elif part.state is State.FAILED and self.watching and outcome is Outcome.OK:
            self.facts.append(Fact(f"{part.resource.id} runs again"))
            forget_stops(part)
            self._runs(part, now, text)

    def watch_pause(self, part: Part) -> Duration:
        """Until what failed is asked in maintenance whether it runs again."""
        return part.resource.limits.interval or WATCH_INTERVAL

    def _started(self, operation: Operation, outcome: Outcome, text: str, now: Instant) -> None:
        for resource in operation.resources:
            part = self.part(resource)
            if outcome is Outcome.OK:
                self._runs(part, now, "")
            elif outcome is Outcome.NOT_RUNNING:
                part.state, part.text = State.STOPPED, text  # it came too late to be begun: no failure of the program
            else:
                self._fail(part, f"start: {text or outcome.value}", now)
        if outcome is Outcome.OK and isinstance(operation.resources[0], AddressResource):
            addresses = tuple(item for item in operation.resources if isinstance(item, AddressResource))
            self.facts.append(Fact(announce=addresses))

    def _stopped(self, operation: Operation, outcome: Outcome, text: str, now: Instant) -> None:
        for resource in operation.resources:
            part = self.part(resource)
            part.monitor_at = NEVER
            if outcome is Outcome.OK or outcome is Outcome.NOT_RUNNING:
                self.facts.extend(over(part))
            else:
                self.facts.append(stop_failed(part, text or outcome.value, self.group.stop_timeout, now))

    def trust(self, part: Part, now: Instant) -> None:
        """It counts as running although nobody was asked."""
        self._runs(part, now, "")

    def _runs(self, part: Part, now: Instant, text: str) -> None:
        part.state, part.text, part.failure = State.RUNNING, text, ""
        interval = part.resource.limits.interval
        programs = not isinstance(part.resource, AddressResource)
        part.monitor_at = now + interval if programs and interval else NEVER

    def _fail(self, part: Part, text: str, now: Instant) -> None:
        found = judge(part.resource, part.failures, text, now)
        part.failures = found.recent
        if found.ignored:
            if not part.text.startswith(IGNORED):
                self.facts.append(Fact(found.why, failed=True))
            self._runs(part, now, f"{IGNORED} {text}")
            return
        part.state, part.text, part.failure = State.FAILED, text, text
        if self.watching:
            part.monitor_at = now + self.watch_pause(part)
            self.facts.append(Fact(f"{part.resource.id} failed ({text}): left so, in maintenance", failed=True))
            return
        part.stop_again_at = now
        part.start_again_at = max(part.start_again_at, now + found.pause) if found.pause else part.start_again_at
        if found.fence:
            self.fence_until = now + self.group.stop_timeout
        self.facts.append(Fact(found.why, gave_up_for=found.gave_up_for, failed=True))

    def _not_fenced(self) -> None:
        self.fence_until = 0
        for part in self.parts:
            if part.state is State.FAILED:
                why = f"{part.resource.id} failed ({part.text}), and nobody has switched this machine off: this node gives up"
                self.facts.append(Fact(why, gave_up_for=part.resource.restarts.within, failed=True))
                return

    def forget_failures(self) -> None:
        self.fence_until = 0
        for part in self.everything():
            part.failures, part.start_again_at, part.failure = (), 0, ""

    def part(self, resource: Resource) -> Part:
        return next(part for part in self.everything() if part.resource is resource)


def _address(part: Part) -> AddressResource:
    resource = part.resource
    if not isinstance(resource, AddressResource):
        raise TypeError(f"{resource.id} is not an address")
    return resource
