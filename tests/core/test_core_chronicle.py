"""The order of several nodes' notes: causes first whatever the clocks say, nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.core.chronicle import Line, merge
from understudy.effects import Mark

HOUR = 3600 * 10**9
LIFE = 7


def line(hint: int, member: str, number: int, *others: tuple[str, int], counter: int = -1) -> Line:
    return Line(hint, Mark(member, LIFE, number, counter), tuple(Mark(name, LIFE, known, -1) for name, known in others))


def test_a_take_over_stands_behind_the_loss_although_the_taker_s_clock_is_hours_behind() -> None:
    logs = {
        "ha01": [line(10 * HOUR, "ha01", 40), line(10 * HOUR + 5, "ha01", 41)],
        "ha02": [line(2 * HOUR, "ha02", 7), line(2 * HOUR + 9, "ha02", 8, ("ha01", 42))],
    }
    assert merge(logs) == [("ha02", 0), ("ha01", 0), ("ha01", 1), ("ha02", 1)]


def test_datagrams_count_where_no_state_has_come_yet() -> None:
    """A release and a bid are no states."""
    released = Line(9, Mark("ha01", LIFE, 40, 900), ())
    taken = Line(1, Mark("ha02", LIFE, 7, 300), (Mark("ha01", LIFE, 40, 901),))
    assert merge({"ha01": [released], "ha02": [taken]}) == [("ha01", 0), ("ha02", 0)]
    unheard = Line(1, Mark("ha02", LIFE, 7, 300), (Mark("ha01", LIFE, 40, 900),))
    assert merge({"ha01": [released], "ha02": [unheard]}) == [("ha02", 0), ("ha01", 0)]


def test_what_the_manager_noted_keeps_its_place_and_so_does_an_earlier_life() -> None:
    before = Line(5, Mark("ha01", LIFE - 1, 90, -1))
    logs = {"ha01": [before, Line(0), line(1, "ha01", 3)], "ha02": [line(0, "ha02", 1, ("ha01", 4))]}
    assert merge(logs) == [("ha01", 0), ("ha01", 1), ("ha01", 2), ("ha02", 0)]


def test_a_new_life_that_was_heard_is_behind_all_of_the_old_one() -> None:
    old = [Line(HOUR, Mark("ha01", LIFE - 1, 90, -1)), Line(2 * HOUR, Mark("ha01", LIFE, 5, -1))]
    heard = line(0, "ha02", 1, ("ha01", 5))
    assert merge({"ha01": old, "ha02": [heard]}) == [("ha01", 0), ("ha02", 0), ("ha01", 1)]


def test_notes_that_contradict_each_other_are_all_there() -> None:
    logs = {"ha01": [line(5, "ha01", 1, ("ha02", 9))], "ha02": [line(4, "ha02", 1, ("ha01", 9))]}
    assert merge(logs) == [("ha02", 0), ("ha01", 0)]


@dataclass
class Machine:
    """Says states and datagrams, notes things, hears of others; its clock is as wrong as it likes."""

    name: str
    skew: int
    life: int = 1
    number: int = 0
    counter: int = 0
    states: dict[str, tuple[int, int]] = field(default_factory=dict)
    datagrams: dict[str, tuple[int, int]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    causes: list[set[tuple[str, int]]] = field(default_factory=list)
    knows: set[tuple[str, int]] = field(default_factory=set)

    def note(self, now: int) -> None:
        marks = []
        for name in {*self.states, *self.datagrams}:
            newest = max(life for life, _ in filter(None, (self.states.get(name), self.datagrams.get(name))))
            numbers = (table.get(name, (0, -1)) for table in (self.states, self.datagrams))
            marks.append(Mark(name, newest, *(count if life == newest else -1 for life, count in numbers)))
        self.causes.append(set(self.knows))
        self.knows.add((self.name, len(self.lines)))
        self.lines.append(Line(now + self.skew, Mark(self.name, self.life, self.number, self.counter), tuple(marks)))

    def restart(self) -> None:
        """Its notes are on disk; all it knew of others is not."""
        self.life, self.number, self.counter = self.life + 1, 0, 0
        self.states.clear()
        self.datagrams.clear()
        self.knows = {item for item in self.knows if item[0] == self.name}

    def beat(self) -> tuple[dict[str, tuple[int, int]], int, int, set[tuple[str, int]]]:
        self.number += 1
        self.counter += 1
        return {**self.states, self.name: (self.life, self.number)}, self.life, self.counter, set(self.knows)

    def hear(self, sender: str, said: tuple[dict[str, tuple[int, int]], int, int, set[tuple[str, int]]]) -> None:
        states, life, counter, knows = said
        for name, state in states.items():
            if name != self.name:
                self.states[name] = max(state, self.states.get(name, state))
        self.datagrams[sender] = max((life, counter), self.datagrams.get(sender, (0, 0)))
        self.knows |= knows


def live(seed: int, steps: int) -> dict[str, Machine]:
    """Machines that beat, lose and delay heartbeats, restart, and note things."""
    random = Random(seed)
    machines = {name: Machine(name, random.choice((0, -5 * HOUR, 24 * HOUR))) for name in ("a", "b", "c", "d")}
    under_way: list[tuple[str, str, tuple[dict[str, tuple[int, int]], int, int, set[tuple[str, int]]]]] = []
    for now in range(steps):
        machine = machines[random.choice(sorted(machines))]
        what = random.random()
        if what < 0.3:
            machine.note(now)
        elif what < 0.6:
            said = machine.beat()
            under_way += [(machine.name, other, said) for other in machines if other != machine.name]
        elif what < 0.62:
            machine.restart()
            machine.note(now)  # that it has started
        elif under_way:
            sender, receiver, said = under_way.pop(random.randrange(len(under_way)))
            if random.random() < 0.7:
                machines[receiver].hear(sender, said)
    return machines


def disorder(machines: dict[str, Machine], order: Sequence[tuple[str, int]]) -> list[str]:
    """Every cause that stands behind its effect."""
    place = {item: index for index, item in enumerate(order)}
    return [
        f"{cause} stands behind {(name, index)}"
        for name, machine in machines.items()
        for index, causes in enumerate(machine.causes)
        for cause in causes
        if place[cause] > place[name, index]
    ]


@given(st.integers(0, 2**32), st.integers(1, 300))
@settings(max_examples=150, deadline=None)
def test_no_effect_stands_before_its_cause_and_nothing_is_lost(seed: int, steps: int) -> None:
    machines = live(seed, steps)
    order = merge({name: machine.lines for name, machine in machines.items()})
    assert sorted(order) == sorted((name, index) for name, item in machines.items() for index in range(len(item.lines)))
    assert disorder(machines, order) == []


def test_by_the_clocks_alone_causes_would_stand_behind_their_effects() -> None:
    """So the search above can fail."""
    machines = live(1, 300)
    everything = [(item.hint, name, index) for name, each in machines.items() for index, item in enumerate(each.lines)]
    assert disorder(machines, [(name, index) for _, name, index in sorted(everything)])
