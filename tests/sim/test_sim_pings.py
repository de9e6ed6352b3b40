"""The check of moves for the sake of ping targets can fail, and allows for news that takes its time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fake_cores import Beating
from test_sim_world import cluster

from understudy.core.placement import MORE_ANSWER
from understudy.effects import Level, Note
from understudy.events import PingsSeen, Started
from understudy.probes import Reach
from understudy.sim.host import Host
from understudy.sim.pings import Pings
from understudy.sim.run import make_world
from understudy.sim.stops import settle_time
from understudy.sim.world import Habits
from understudy.units import SECOND

NEAR, FAR = "192.168.58.1", "192.168.58.2"
DAMPING = 10 * SECOND


class Watched:
    """Machines that are told, and say, what the test wants."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.pings = Pings(lambda _, kind, text: self.found.append(kind))
        file = cluster()
        groups = (replace(file.groups[0], stays_where=Reach((NEAR, FAR), DAMPING)), *file.groups[1:])
        self.group = groups[0].name
        self.world = make_world(replace(file, groups=groups), 1, Beating, Habits())
        self.one, self.other = self.world.hosts["n1"], self.world.hosts["n2"]

    def answers(self, host: Host, *targets: str) -> None:
        self.pings.told(host, PingsSeen(targets))

    def leaves(self, host: Host, target: Host, why: str = f"{MORE_ANSWER} on it") -> None:
        self.pings.wished(host, Note(f"leaves {host.name} for {target.name}: {why}", Level.INFO, self.group))

    def wait(self, span: int) -> None:
        self.world.run(self.world.now + span)


@pytest.mark.parametrize(
    ("here", "there", "found"),
    [
        ((), (NEAR,), []),
        ((NEAR,), (NEAR, FAR), []),
        ((), (), ["moved-for-nothing"]),
        ((NEAR,), (FAR,), ["moved-for-nothing"]),
        ((NEAR, FAR), (FAR,), ["moved-for-nothing"]),
    ],
)
def test_a_move_for_ping_targets_goes_where_more_of_them_answer(
    here: tuple[str, ...], there: tuple[str, ...], found: list[str]
) -> None:
    watched = Watched()
    watched.answers(watched.one, *here)
    watched.answers(watched.other, *there)
    watched.wait(SECOND)
    watched.leaves(watched.one, watched.other, "n2 is preferred")
    assert watched.found == []
    watched.leaves(watched.one, watched.other)
    assert watched.found == found


@pytest.mark.parametrize(("later", "found"), [(-1, []), (1, ["moved-for-nothing"])])
def test_what_was_so_a_moment_ago_counts(later: int, found: list[str]) -> None:
    watched = Watched()
    watched.answers(watched.one)
    watched.answers(watched.other, NEAR)
    watched.wait(SECOND)
    watched.answers(watched.other)
    watched.wait(settle_time(watched.world.cluster) + later)
    watched.leaves(watched.one, watched.other)
    assert watched.found == found


@pytest.mark.parametrize("anew", [False, True])
def test_a_machine_of_which_nobody_knows_is_no_better_place(anew: bool) -> None:
    watched = Watched()
    watched.answers(watched.one)
    watched.answers(watched.other, NEAR)
    watched.wait(SECOND)
    if anew:
        watched.pings.told(watched.other, Started(2, 1, 0))
    watched.wait(5 * SECOND if anew else 20 * SECOND)
    watched.leaves(watched.one, watched.other)
    assert watched.found == ["moved-for-nothing"]


@pytest.mark.parametrize("between", [False, True])
def test_it_is_not_sent_on_within_the_damping_unless_something_else_moved_it_meanwhile(between: bool) -> None:
    watched = Watched()
    watched.answers(watched.one)
    watched.answers(watched.other, NEAR)
    watched.wait(SECOND)
    watched.leaves(watched.one, watched.other)
    watched.answers(watched.one, NEAR)
    watched.answers(watched.other)
    watched.wait(3 * SECOND)
    if between:
        watched.leaves(watched.one, watched.other, "an operator moves it")
    watched.leaves(watched.other, watched.one)
    assert watched.found == ([] if between else ["moved-again"])


def test_it_is_sent_on_when_the_damping_is_over() -> None:
    watched = Watched()
    watched.answers(watched.one)
    watched.answers(watched.other, NEAR)
    watched.leaves(watched.one, watched.other)
    watched.answers(watched.one, NEAR)
    watched.answers(watched.other)
    watched.wait(DAMPING)
    watched.leaves(watched.other, watched.one)
    assert watched.found == []
