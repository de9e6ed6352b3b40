"""The simulator's checks of what operators ask: they find a core that knows a wish and does not heed it, or tells nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from understudy.core.node import Node
from understudy.core.wishes import Wishes
from understudy.messages import Wish
from understudy.model import Cluster
from understudy.sim.checks import Asked, Liveness, Movements, Safety
from understudy.sim.run import make_world
from understudy.sim.script import render
from understudy.sim.script_shapes import read_cluster, read_group
from understudy.sim.world import Habits, MakeCore, World
from understudy.units import SECOND


class Deaf(Wishes):
    """Shows what is in force, and heeds nothing."""

    def stopped(self, group: str) -> Wish | None:
        return None

    def maintained(self, group: str) -> Wish | None:
        return None


class Heedless(Node):
    def __init__(self, cluster: Cluster, me: str) -> None:
        super().__init__(cluster, me)
        self.wishes = Deaf(self.wishes.index, self.wishes.groups[1:])


class Silent(Wishes):
    """Heeds what it is asked itself, and tells nobody."""

    def said(self, now: int) -> tuple[Wish, ...]:
        return ()


class Taciturn(Node):
    def __init__(self, cluster: Cluster, me: str) -> None:
        super().__init__(cluster, me)
        self.wishes = Silent(self.wishes.index, self.wishes.groups[1:])


def world_of(make_core: MakeCore) -> World:
    """Three nodes, ha01 holding the group."""
    group = read_group(["site", "address", "192.168.58.100", "program", "httpd", "prefer", "ha01"])
    cluster = replace(read_cluster(["3", "nodes", "heartbeat", "200ms", "dead", "1s"])[0], groups=(group,))
    world = make_world(cluster, 1, make_core, Habits())
    for host in world.hosts.values():
        host.power_on()
    world.run(6 * SECOND)
    return world


START = """
cluster 3 nodes heartbeat 200ms dead 1s
group site address 192.168.58.100 program httpd prefer ha01
start all
advance 6s
maintenance on site at ha02
advance 1s
"""


@pytest.mark.parametrize("trouble", ["kill httpd on ha01", "delete 192.168.58.100 on ha01", "standby ha01"])
def test_who_touches_what_is_in_maintenance_is_found(trouble: str) -> None:
    assert not [text for text in render(START + trouble + "\nadvance 3s", Node).failures if "touch" in text]
    found = render(START + trouble + "\nadvance 3s", Heedless).failures
    assert any(text.startswith("touched-in-maintenance: ha01 touches site") for text in found)


def kinds(world: World) -> set[str]:
    return {kind for kind, _ in Liveness(Safety(), Movements()).complaints(world)}


def test_who_holds_what_is_stopped_is_found() -> None:
    for make_core, expected in ((Node, set()), (Heedless, {"held-although-stopped", "left-over"})):
        world = world_of(make_core)
        assert kinds(world) == set()
        world.hosts["ha02"].ask(1, "stop", "site", "")
        world.run(world.now + 3 * SECOND)
        assert kinds(world) == expected


def test_a_wish_that_is_not_passed_on_is_found_unless_an_older_version_explains_it() -> None:
    world = world_of(Taciturn)
    world.hosts["ha02"].ask(1, "stop", "site", "")
    world.run(world.now + 3 * SECOND)
    assert "wish-not-heard" in kinds(world)
    world.hosts["ha02"].version = "older"
    assert kinds(world) == set()
    assert Asked(world).open == {"site"}


def test_an_older_version_neither_tells_nor_hides_what_others_ask() -> None:
    world = world_of(Node)
    host = world.hosts["ha03"]
    host.version = "older"
    host.kill_pulse()
    host.start_pulse()
    world.run(world.now + 3 * SECOND)
    world.hosts["ha02"].ask(1, "stop", "site", "")
    world.run(world.now + 3 * SECOND)
    assert Asked(world).stopped == {"site"}
    assert not any(item.serves("site") for item in world.hosts.values())
