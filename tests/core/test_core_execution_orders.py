"""For any order of wishes, answers and losses: the rules of execution, checked on every operation by a pretend machine.

The machine knows what really runs. It answers or does not, truthfully or with "unknown", in any order with changes of mind,
lost managers and deaths. What must hold: one operation at a time; nothing is started while anything before it is not
running or anything of it may still run; nothing is stopped while something after it may still run, unless that has had the
stop timeout; and there is always a deadline ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from core_parts import address, group, program, script
from hypothesis import example, given, settings
from hypothesis import strategies as st

from understudy.core.execution import Execution
from understudy.core.parts import State, Wanted
from understudy.effects import Action, AddAddresses, Effect, RemoveAddresses, RunAgent
from understudy.events import Outcome
from understudy.model import AddressResource
from understudy.units import HOUR, MINUTE, NEVER, SECOND, Instant

pytestmark = pytest.mark.slow

GROUPS = (
    group("site", address(1), address(2), program("disk"), script("httpd"), address(3)),
    group("site", program("disk", most=1), script("db", exclusive=True), stop=5 * SECOND),
    group("site", address(1)),
)


@dataclass(frozen=True)
class Step:
    kind: str
    index: int
    outcome: Outcome
    span: int


STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(("answer", "answer", "answer", "time", "time", "run", "stop", "death", "manager", "take")),
        index=st.integers(0, 4),
        outcome=st.sampled_from((Outcome.OK, Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED, Outcome.UNKNOWN)),
        span=st.sampled_from((1, SECOND, 3 * SECOND, MINUTE)),
    ),
    max_size=60,
)


class Machine:
    """What really runs, and the rules."""

    def __init__(self, number: int) -> None:
        self.group = GROUPS[number]
        self.execution = Execution(self.group, count(1).__next__, frozenset())
        self.order = [resource.id for resource in self.group.resources]
        self.addresses = {item.id for item in self.group.addresses}
        self.runs: set[str] = set()
        self.under_way: tuple[int, Action, tuple[str, ...]] | None = None
        self.now: Instant = 1000
        self.began: Instant = self.now
        self.manager = True
        self.stop_since: Instant | None = None
        self.execution.manager_changed(True, self.now)

    def want(self, wanted: Wanted) -> None:
        if wanted is not self.execution.wanted:
            self.stop_since = self.now if wanted is Wanted.STOP else None
        self.execution.want(wanted, self.now, 41)

    def go(self) -> None:
        for effect in self.execution.advance(self.now):
            self.check(effect)
        assert self.execution.advance(self.now) == [] or self.under_way is not None, "two operations at once"

    def check(self, effect: Effect) -> None:
        match effect:
            case AddAddresses(op, _, addresses):
                self.begin(op, Action.START, tuple(item.id for item in addresses))
            case RemoveAddresses(op, _, addresses):
                self.begin(op, Action.STOP, tuple(item.id for item in addresses))
            case RunAgent(op, _, resource, action):
                assert self.manager, "nobody is there to run it"
                self.begin(op, action, (resource,))

    def begin(self, op: int, action: Action, names: tuple[str, ...]) -> None:
        states = {resource.id: state for resource, state, _ in self.execution.states()}
        places = [self.order.index(name) for name in names]
        if action is Action.START:
            assert places == sorted(places), "in order"
            for name in self.order[: places[0]]:
                assert states[name] is State.RUNNING, f"{names} is started before {name}"
            for name in self.order[places[-1] + 1 :]:
                before = states[name] in (State.STOPPED, State.UNKNOWN) or self.in_place(states)
                assert before, f"{names} is started under {name}, which is {states[name]}"
            if names[0] not in self.addresses:
                assert not self.runs & set(names), "started although it runs"
        if action is Action.STOP:
            assert places == sorted(places, reverse=True), "in reverse"
            for name in self.order[places[0] + 1 :]:
                over = states[name] is State.STOPPED or self.given_up_on(name)
                assert over, f"{names} is stopped under {name}, which is {states[name]}"
        self.under_way = (op, action, names)
        self.began = self.now

    def given_up_on(self, name: str) -> bool:
        """What may run on two machines holds a stop up for the stop timeout only."""
        resource = self.group.resources[self.order.index(name)]
        since = self.stop_since
        return since is not None and self.now >= since + self.group.stop_timeout and not resource.exclusive

    def states(self) -> list[State]:
        return [state for _, state, _ in self.execution.states()]

    def in_place(self, states: dict[str, State]) -> bool:
        """An address that somebody removed is put back without a restart of what stands on it."""
        return any(states[name] is State.STARTING for name in self.addresses)

    def answer(self, outcome: Outcome) -> None:
        if self.under_way is None:
            return
        op, action, names = self.under_way
        self.under_way = None
        if action is Action.START:
            if outcome is Outcome.NOT_RUNNING:
                outcome = Outcome.FAILED
            if outcome in (Outcome.OK, Outcome.UNKNOWN):
                self.runs |= set(names)
        elif action is Action.STOP and outcome in (Outcome.OK, Outcome.NOT_RUNNING):
            self.runs -= set(names)
        elif action is Action.MONITOR and outcome in (Outcome.OK, Outcome.NOT_RUNNING):
            outcome = Outcome.OK if names[0] in self.runs else Outcome.NOT_RUNNING
        self.execution.finished(op, outcome, "", self.now)

    def step(self, step: Step) -> None:
        execution = self.execution
        match step.kind:
            case "answer":
                self.answer(step.outcome)
            case "time":
                self.now += step.span
                execution.expire(self.now)
            case "run":
                self.want(Wanted.RUN)
            case "stop":
                self.want(Wanted.STOP)
            case "death":
                name = self.order[step.index % len(self.order)]
                if name not in self.addresses and name in self.runs:
                    self.runs.discard(name)
                    execution.failed(name, "died", self.now)
            case "manager":
                self.manager = not self.manager
                execution.manager_changed(self.manager, self.now)
            case "take":
                resource = self.group.resources[step.index % len(self.order)]
                if isinstance(resource, AddressResource) and resource.id in self.runs:
                    self.runs.discard(resource.id)
                    execution.address_gone(resource.address)
        operation = execution.operation
        if operation is None or self.under_way is None or operation.op != self.under_way[0]:
            if self.under_way is not None and self.under_way[1] is Action.START:
                self.runs |= set(self.under_way[2])  # no answer, or abandoned: it may well have worked
            self.under_way = None
        self.go()
        due = execution.next_deadline()
        assert due > self.now, "a deadline in the past keeps the daemon spinning"
        assert execution.operation is None or due < NEVER, "an operation without an end"


@given(st.integers(0, len(GROUPS) - 1), STEPS)
@settings(max_examples=300)
def test_the_rules_hold_in_any_order(number: int, steps: list[Step]) -> None:
    machine = Machine(number)
    for step in steps:
        machine.step(step)


DIES_WHILE_THE_GROUP_STOPS = [
    Step(kind, 0, Outcome.OK, 1) for kind in (*("answer",) * 3, "run", "answer", "stop", "death")
]


@given(st.integers(0, len(GROUPS) - 1), STEPS, st.sampled_from((Wanted.RUN, Wanted.STOP)))
@example(1, DIES_WHILE_THE_GROUP_STOPS, Wanted.RUN)
@settings(max_examples=200)
def test_when_everything_works_again_it_comes_to_what_is_wanted(number: int, steps: list[Step], wanted: Wanted) -> None:
    """Woken at its own deadlines only."""
    machine = Machine(number)
    for step in steps:
        machine.step(step)
    if not machine.manager:
        machine.step(Step("manager", 0, Outcome.OK, 0))
    execution = machine.execution
    machine.want(wanted)
    machine.go()
    end = machine.now + HOUR
    done = execution.stopped if wanted is Wanted.STOP else lambda: set(machine.states()) == {State.RUNNING}
    while not done() or execution.operation is not None:
        if machine.under_way is not None:
            machine.answer(Outcome.OK)
        else:
            machine.now = execution.next_deadline()
            assert machine.now < end, f"nothing more happens: {machine.states()}"
            execution.expire(machine.now)
        machine.go()
    assert machine.runs == (set(machine.order) if wanted is Wanted.RUN else set())
