"""An execution told things in short words, answering in short words: "start httpd", "add 1 2"."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from core_parts import address, group, program

from understudy.core.execution import Execution
from understudy.core.parts import Fact, Operation, Wanted
from understudy.effects import AddAddresses, Effect, RemoveAddresses, RunAgent
from understudy.events import Outcome
from understudy.model import Resource
from understudy.units import SECOND, Duration, Instant

OK, NOT_RUNNING, FAILED, UNKNOWN = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED, Outcome.UNKNOWN


class Walk:
    """An execution, told things in short words."""

    def __init__(
        self, *resources: Resource, present: tuple[str, ...] = (), manager: bool = True, stages: tuple[int, ...] = ()
    ) -> None:
        site = replace(group("site", *resources, stop=30 * SECOND), stages=stages)
        self.execution = Execution(site, count(1).__next__, frozenset(present))
        self.now: Instant = 100
        if manager:
            self.execution.manager_changed(True, self.now)

    def want(self, wanted: Wanted, ballot: int = 41) -> str:
        self.execution.want(wanted, self.now, ballot)
        return self.go()

    def go(self) -> str:
        """The next operation, as "start httpd" or "add 1 2"; "" if none is due."""
        return text(self.execution.advance(self.now))

    def end(self, outcome: Outcome = OK, why: str = "") -> str:
        """The operation under way ends; returns the next."""
        operation = only_operation(self.execution)
        assert operation is not None, "nothing is under way"
        assert self.execution.finished(operation.op, outcome, why, self.now)
        return self.go()

    def ended(self, name: str, outcome: Outcome = OK, why: str = "") -> str:
        """As ``end``, of the operation of this resource, where several are under way."""
        under_way = self.execution.operations.values()
        op = next(item.op for item in under_way if any(one.id.endswith(name) for one in item.resources))
        assert self.execution.finished(op, outcome, why, self.now)
        return self.go()

    def later(self, span: Duration) -> str:
        self.now += span
        self.execution.expire(self.now)
        return self.go()

    def states(self) -> list[str]:
        return [state.value for _, state, _ in self.execution.states()]

    def facts(self) -> list[Fact]:
        found, self.execution.facts = self.execution.facts, []
        return found

    def running(self) -> Walk:
        """Everything was started and answered."""
        todo = self.want(Wanted.RUN)
        while todo:
            todo = self.end(NOT_RUNNING if todo.startswith("monitor") else OK)
        self.facts()
        return self


def only_operation(execution: Execution) -> Operation | None:
    """What is under way, where no stages are."""
    assert len(execution.operations) <= 1, "two operations at once"
    return next(iter(execution.operations.values()), None)


def text(effects: list[Effect]) -> str:
    words = []
    for effect in effects:
        match effect:
            case AddAddresses(_, _, addresses, why):
                words.append("add " + " ".join(item.id[-1] for item in addresses))
            case RemoveAddresses(_, _, addresses, why):
                words.append("remove " + " ".join(item.id[-1] for item in addresses))
            case RunAgent(_, _, resource, action, _, _, why):
                words.append(f"{action.value} {resource}")
            case _:
                pytest.fail(f"an execution does not wish for {effect}")
        assert why, "what acts says why"
    return ", ".join(words)


def site(**words: object) -> Walk:
    return Walk(address(1), address(2), program("disk"), program("httpd"), address(3), **words)  # type: ignore[arg-type]
