"""For any order of wishes, answers and losses: the rules of execution, checked on every operation by a pretend machine.

The machine knows what really runs. It answers or does not, truthfully or with "unknown", in any order with changes of mind,
lost managers and deaths. What must hold: one operation at a time where there are no stages, beside those that nothing waits
for; nothing is started while anything before it is not running or anything of it may still run, and no program beneath others
that may; nothing is stopped while something after it may still run, unless that has had the stop timeout; and there is always a
deadline ahead. Members of one stage have no order: none of them is asked anything here because of another one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    replace(
        group("site", address(1), program("disk"), script("db", exclusive=True), script("httpd")), stages=(0, 1, 1, 2)
    ),
    replace(
        group("site", script("one"), address(1), address(2), program("two", most=1), address(3), stop=5 * SECOND),
        stages=(0, 0, 0, 1, 1),
    ),
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
        self.refused: set[str] = set()  # a stop of it failed, and nothing said since that it has stopped
        self.stage = dict(zip(self.order, self.group.stage_numbers, strict=True))
        self.under_way: dict[int, tuple[Action, tuple[str, ...]]] = {}
        self.now: Instant = 1000
        self.manager = True
        self.stop_since: Instant | None = None
        self.over: set[str] = set()  # given up on while the stop that is under way was begun
        self.execution.manager_changed(True, self.now)

    def want(self, wanted: Wanted) -> None:
        if wanted is not self.execution.wanted:
            self.stop_since = self.now if wanted is Wanted.STOP else None
        self.execution.want(wanted, self.now, 41)

    def go(self) -> None:
        for op in self.under_way.keys() - self.execution.operations.keys():
            action, names = self.under_way.pop(op)
            if action is Action.START:
                self.runs |= set(names)  # no answer, or abandoned: it may well have worked
            elif action is Action.STOP:
                self.refused |= set(names)
        for effect in self.execution.advance(self.now):
            self.check(effect)
        assert self.execution.advance(self.now) == [], "what may begin begins at once"
        busy = {names[0] for action, names in self.under_way.values() if action is Action.STOP}
        self.over = {name for name in busy if name in self.over or self.given_up_on(name)}
        counts = [names for action, names in self.under_way.values() if not self.aside(action, names)]
        assert len(counts) <= 1 or self.group.stages, "two operations at once"

    def aside(self, action: Action, names: tuple[str, ...]) -> bool:
        """What may be under way beside anything: addresses that are put back, looks, more stops of what was given up on."""
        if names[0] in self.addresses:
            return action is Action.START
        given_up = names[0] in self.over or self.given_up_on(names[0])
        return names[0] in self.refused and (action is Action.MONITOR or given_up)

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
        stages = [self.stage[name] for name in names]
        busy = {name for _, others in self.under_way.values() for name in others}
        assert not busy & set(names), "two operations of one resource at once"
        self.beside(action, names, stages)
        if action is Action.START:
            assert places == sorted(places), "in order"
            for name in (name for name in self.order if self.stage[name] < stages[0]):
                assert states[name] is State.RUNNING, f"{names} is started before {name}"
            for name in (name for name in self.order if self.stage[name] > stages[-1]):
                assert states[name] is State.STOPPED or {name, names[0]} & self.addresses, (
                    f"{names} is started under {name}, which is {states[name]}"
                )
            if names[0] not in self.addresses:
                assert not self.runs & set(names), "started although it runs"
        if action is Action.STOP:
            assert places == sorted(places, reverse=True), "in reverse"
            for name in (name for name in self.order if self.stage[name] > stages[0]):
                over = states[name] is State.STOPPED or self.given_up_on(name)
                assert over, f"{names} is stopped under {name}, which is {states[name]}"
        self.under_way[op] = (action, names)

    def beside(self, action: Action, names: tuple[str, ...], stages: list[int]) -> None:
        """What may be under way in other stages when this begins."""
        for other, items in self.under_way.values():
            if self.aside(other, items) and action is Action.STOP and self.given_up_on(items[0]):
                continue
            for item in items:
                if action is Action.STOP:
                    assert self.stage[item] <= max(stages), f"{names} is stopped while something goes on with {item}"
                elif action is Action.START and self.stage[item] < stages[0]:
                    assert other is Action.MONITOR, f"{names} is started before {item} has ended"
                elif action is Action.START and self.stage[item] > stages[-1]:
                    free = {item, names[0]} & self.addresses
                    assert free, f"{names} is started while something goes on with {item}"

    def given_up_on(self, name: str) -> bool:
        """What may run on two machines holds a stop up for the stop timeout only."""
        resource = self.group.resources[self.order.index(name)]
        since = self.stop_since
        return since is not None and self.now >= since + self.group.stop_timeout and not resource.exclusive

    def states(self) -> list[State]:
        return [state for _, state, _ in self.execution.states()]

    def answer(self, outcome: Outcome, which: int = 0) -> None:
        if not self.under_way:
            return
        op = sorted(self.under_way)[which % len(self.under_way)]
        action, names = self.under_way.pop(op)
        if action is Action.START:
            if outcome is Outcome.NOT_RUNNING:
                outcome = Outcome.FAILED
            if outcome in (Outcome.OK, Outcome.UNKNOWN):
                self.runs |= set(names)
            self.refused -= set(names)
        elif action is Action.STOP and outcome in (Outcome.OK, Outcome.NOT_RUNNING):
            self.runs -= set(names)
            self.refused -= set(names)
        elif action is Action.STOP:
            self.refused |= set(names)
        elif action is Action.MONITOR and outcome in (Outcome.OK, Outcome.NOT_RUNNING):
            outcome = Outcome.OK if names[0] in self.runs else Outcome.NOT_RUNNING
        self.execution.finished(op, outcome, "", self.now)

    def step(self, step: Step) -> None:
        execution = self.execution
        match step.kind:
            case "answer":
                self.answer(step.outcome, step.index)
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
        self.go()
        due = execution.next_deadline()
        assert due > self.now, "a deadline in the past keeps the daemon spinning"
        assert not execution.operations or due < NEVER, "an operation without an end"


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
    while not done() or execution.operations:
        if machine.under_way:
            machine.answer(Outcome.OK)
        else:
            machine.now = execution.next_deadline()
            assert machine.now < end, f"nothing more happens: {machine.states()}"
            execution.expire(machine.now)
        machine.go()
    assert machine.runs == (set(machine.order) if wanted is Wanted.RUN else set())
