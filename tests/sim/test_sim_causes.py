"""History tells the cause of every move: five nodes and a virtual hour (or a day) of random operators and failures."""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest

from understudy.core.chronicle import Line, merge
from understudy.core.node import Node
from understudy.effects import Effect, Note
from understudy.events import Event
from understudy.model import AddressResource, Cluster, CommandResource, Failback, FailbackKind, Group, Quorum
from understudy.sim.causes import OF_THE_GROUP, OF_THE_MACHINE, Causes, Told
from understudy.sim.checks import Safety
from understudy.sim.run import make_world
from understudy.sim.shapes import SERVICE_DEVICE, make_members
from understudy.sim.world import Habits, World
from understudy.units import HOUR, SECOND, Duration, Instant

NODES = ("n1", "n2", "n3", "n4", "n5")
SKEWS = dict(zip(NODES, (0, -5 * HOUR, 3 * HOUR, 26 * HOUR, -40 * SECOND), strict=True))


def a_cluster() -> Cluster:
    """Long heartbeats, because a day has many of them."""

    def group(number: int, *prefer: str, failback: Failback, **more: object) -> Group:
        address = AddressResource(f"a{number}", f"192.168.58.{100 + number}", 24, SERVICE_DEVICE)
        found = Group(f"g{number}", (address, CommandResource(f"p{number}", ("program",))), prefer, failback)
        return replace(found, **more)  # type: ignore[arg-type]

    groups = (
        group(1, "n1", "n2", failback=Failback()),
        group(2, "n2", failback=Failback(FailbackKind.NEVER)),
        group(3, "n3", "n1", failback=Failback(FailbackKind.AFTER, 300 * SECOND)),
        group(4, failback=Failback(), together="g1"),
        group(5, "n5", failback=Failback(), apart=("g2",)),
    )
    return Cluster(
        "site", "key", 5 * SECOND, 20 * SECOND, Quorum.MAJORITY, make_members(NODES, ()), groups, digest="same"
    )


class Silent(Node):
    """A core whose history does not say why: the check must see it."""

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        words = (*OF_THE_GROUP, *OF_THE_MACHINE)
        found = super().handle(event, now)
        return [item for item in found if not (isinstance(item, Note) and any(word in item.why for word in words))]


OFTEN_ENDED = (
    *("stop", "start", "start", "start", "start"),
    "restart",
    "restart",
    "cleanup",
    "maintenance-on",
    "maintenance-off",
)
"""What keeps groups from moving is ended more often than begun."""


def trouble(world: World, random: Random) -> None:
    """One act of an operator, or of fate; seldom so much that no majority is left for long."""
    host = world.hosts[random.choice(NODES)]
    away = [each for each in world.hosts.values() if not each.awake]
    act = random.random()
    if away and (len(away) > 1 or act < 0.3):
        for each in away:
            each.power_on()
            each.start_pulse()
            each.thaw()
    elif act < 0.42:
        verb = random.choice(("move", "move", "move", "standby", "drain", "online", "online", "online"))
        target = random.choice(NODES)
        host.ask(random.getrandbits(31), verb, f"g{random.randint(1, 5)}" if verb == "move" else "", target)
    elif act < 0.5:
        verb = random.choice(OFTEN_ENDED)
        span = 300 * SECOND if verb == "maintenance-on" else 0
        host.ask(random.getrandbits(31), verb, f"g{random.randint(1, 5)}", "", "", span)
    elif act < 0.6:
        host.power_off()
    elif act < 0.7:
        host.kill_pulse()
    elif act < 0.75:
        host.freeze()
    elif act < 0.85:
        number = random.randint(1, 5)
        host.manager.kill(f"g{number}", f"p{number}")
    else:
        host.set_carrier(SERVICE_DEVICE, random.random() < 0.5)


def live(span: Duration, seed: int, core: type[Node] = Node) -> tuple[Causes, Safety]:
    random, safety = Random(seed), Safety()
    causes = Causes(safety.add)
    causes.notes = type(causes.notes)()  # all of them
    world = make_world(a_cluster(), seed, core, Habits(rate_error=1000), (safety, causes))
    for host in world.hosts.values():
        host.power_on()
    while world.now < span:
        world.run(world.now + int(random.uniform(5, 120) * SECOND))
        trouble(world, random)
    world.run(world.now + 200 * SECOND)
    return causes, safety


def told_in_order(causes: Causes) -> list[Told]:
    """The history of all nodes as ``understudy history --all`` puts it together, by clocks that are hours apart."""
    logs = {name: [told for told in causes.notes if told.host == name] for name in NODES}
    lines = {
        name: [Line(told.at + SKEWS[name], told.stamp[0], told.stamp[1:]) for told in log] for name, log in logs.items()
    }
    return [logs[name][index] for name, index in merge(lines)]


def judge(causes: Causes, safety: Safety, least: int) -> None:
    assert not safety.findings, safety.findings[:3]
    order = told_in_order(causes)
    place = {id(told): index for index, told in enumerate(order)}
    assert len(order) == len(causes.notes)
    assert len(causes.moves) > least, "a quiet time would prove nothing"
    for move in causes.moves:
        assert move.taken is not None, f"{move.holder} says nothing of {move.group}"
        assert move.cause is not None
        assert place[id(move.cause)] < place[id(move.taken)], (
            f"{move.cause.note.why} stands behind {move.taken.note.why}"
        )
    by_the_clocks = sorted(causes.notes, key=lambda told: told.at + SKEWS[told.host])
    wrong = {id(told): index for index, told in enumerate(by_the_clocks)}
    assert any(wrong[id(move.cause)] > wrong[id(move.taken)] for move in causes.moves), "the clocks were no hindrance"


def test_history_tells_the_cause_of_every_move_of_an_hour() -> None:
    judge(*live(HOUR, 1), least=20)


@pytest.mark.slow
def test_history_tells_the_cause_of_every_move_of_a_day() -> None:
    """Of three hours, without UNDERSTUDY_LONG=1."""
    hours = 24 if os.environ.get("UNDERSTUDY_LONG") == "1" else 3
    judge(*live(hours * HOUR, 2), least=8 * hours)


def test_a_core_that_keeps_its_reasons_to_itself_is_found_out() -> None:
    _, safety = live(HOUR, 1, Silent)
    assert "move-without-cause" in {finding.kind for finding in safety.findings}
