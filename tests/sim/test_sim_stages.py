"""The check of the order within a group can fail, and is told nothing that is not so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from fake_cores import Beating
from test_sim_world import cluster

from understudy.effects import Action, AddAddresses, Level, Note, RunAgent
from understudy.events import AddressGone, Finished, Outcome, Reconfigured, ResourceFailed
from understudy.model import AddressResource, CommandResource, Group, Resource
from understudy.sim.host import Host
from understudy.sim.run import make_world
from understudy.sim.stages import FAILED, LEAVES, Stages
from understudy.sim.world import Habits
from understudy.units import SECOND

GROUP = Group(
    "site", tuple(CommandResource(name, (name,)) for name in ("disk", "cache", "db", "web")), stages=(0, 1, 1, 2)
)


class Watched:
    """A machine whose core asks for what the test says."""

    def __init__(self, exclusive: bool = False) -> None:
        self.found: list[str] = []
        self.counts: Counter[str] = Counter()
        self.stages = Stages(lambda _, kind, text: self.found.append(kind), lambda name: self.counts.update([name]))
        resources = tuple(replace(item, exclusive=exclusive and item.id == "web") for item in GROUP.resources)
        file = replace(cluster(), groups=(replace(GROUP, resources=resources),))
        world = make_world(file, 1, Beating, Habits(), (self.stages,))
        self.host: Host = world.hosts["n1"]
        self.host.power_on()
        world.run(SECOND)
        self.op = 1000

    def ask(self, action: Action, name: str, why: str = "test") -> int:
        self.op += 1
        self.stages.wished(self.host, RunAgent(self.op, "site", name, action, SECOND, 1, why))
        return self.op

    def end(self, op: int, outcome: Outcome = Outcome.OK) -> None:
        self.stages.told(self.host, Finished(op, outcome, ""))

    def reload(self, *resources: Resource) -> None:
        """Without stages."""
        file = replace(self.host.cluster, groups=(Group("site", resources),))
        self.stages.told(self.host, Reconfigured(file, (), (), ()))

    def running(self, *names: str) -> None:
        for name in names:
            self.end(self.ask(Action.START, name))


def test_stages_in_their_order_are_fine_and_starts_together_are_counted() -> None:
    watched = Watched()
    watched.running("disk")
    ops = [watched.ask(Action.START, name) for name in ("cache", "db")]
    for op in ops:
        watched.end(op)
    watched.running("web")
    assert watched.found == []
    assert watched.counts == {"stages: starts together": 1}


def test_a_start_before_all_of_the_stage_before_runs_is_found() -> None:
    watched = Watched()
    watched.running("disk", "cache")
    late = watched.ask(Action.START, "db")
    watched.ask(Action.START, "web")
    assert watched.found == ["started-too-early"]
    watched.end(late, Outcome.FAILED)
    watched.ask(Action.START, "web")
    assert watched.found == ["started-too-early"] * 2


def test_what_was_adopted_runs_and_the_answer_to_an_earlier_question_says_nothing() -> None:
    watched = Watched()
    for name in ("disk", "cache", "db"):
        watched.end(watched.ask(Action.MONITOR, name))
    earlier = watched.ask(Action.START, "db")
    watched.ask(Action.STOP, "db")
    watched.end(earlier)
    watched.ask(Action.START, "web")
    assert watched.found == ["started-too-early"]


def test_a_sibling_taken_down_is_found_and_what_failed_or_stands_on_it_is_not() -> None:
    watched = Watched()
    watched.running("disk", "cache", "db", "web")
    watched.stages.told(watched.host, ResourceFailed("site", "cache", "died"))
    watched.end(watched.ask(Action.STOP, "web", FAILED))
    watched.end(watched.ask(Action.STOP, "cache", FAILED))
    assert watched.found == []
    watched.ask(Action.STOP, "db", FAILED)
    assert watched.found == ["sibling-taken-down"]


def test_a_look_after_a_stop_that_failed_takes_the_failure_not_back() -> None:
    watched = Watched()
    watched.running("disk", "cache")
    watched.stages.told(watched.host, ResourceFailed("site", "cache", "died"))
    watched.end(watched.ask(Action.STOP, "cache", FAILED), Outcome.FAILED)
    watched.end(watched.ask(Action.MONITOR, "cache"))
    watched.ask(Action.STOP, "cache", FAILED)
    assert watched.found == []


def test_a_stop_whose_answer_was_lost_is_tried_again_although_a_look_says_that_it_runs() -> None:
    watched = Watched()
    watched.running("disk", "cache")
    watched.ask(Action.STOP, "cache", "the group leaves this node")
    watched.end(watched.ask(Action.MONITOR, "cache"))
    watched.ask(Action.STOP, "cache", FAILED)
    assert watched.found == []


def test_no_program_is_stopped_before_what_stands_on_it_whatever_for() -> None:
    for why in (FAILED, LEAVES, "an operator restarts it"):
        watched = Watched()
        watched.running("disk", "cache", "db", "web")
        watched.stages.told(watched.host, ResourceFailed("site", "disk", "died"))
        web = watched.ask(Action.STOP, "web", why)
        watched.ask(Action.STOP, "cache", why)
        assert watched.found == ["stopped-too-early"], "its stop is still under way"
        watched.end(web)
        watched.found.clear()
        for op in [watched.ask(Action.STOP, name, why) for name in ("cache", "db")]:
            watched.end(op)
        watched.ask(Action.STOP, "disk", why)
        assert watched.found == []


def test_what_was_adopted_or_asked_to_start_may_run_and_what_a_look_denies_does_not() -> None:
    watched = Watched()
    watched.end(watched.ask(Action.MONITOR, "db"))
    watched.ask(Action.STOP, "disk", LEAVES)
    assert watched.found == ["stopped-too-early"]
    watched.end(watched.ask(Action.MONITOR, "db"), Outcome.NOT_RUNNING)
    started = watched.ask(Action.START, "cache")
    watched.found.clear()
    watched.ask(Action.STOP, "disk", LEAVES)
    watched.end(started, Outcome.FAILED)
    watched.ask(Action.STOP, "disk", LEAVES)
    assert watched.found == ["stopped-too-early"] * 2


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_stop_that_fails_is_given_up_on_after_the_stop_timeout_if_the_group_leaves_and_it_may_run_twice(
    exclusive: bool,
) -> None:
    watched = Watched(exclusive)
    watched.running("disk", "cache", "db", "web")
    watched.stages.wished(watched.host, Note("leaves n1 for n2", Level.INFO, "site"))
    watched.end(watched.ask(Action.STOP, "web", LEAVES), Outcome.FAILED)
    watched.end(watched.ask(Action.MONITOR, "web"))
    watched.ask(Action.STOP, "db", LEAVES)
    assert watched.found == ["stopped-too-early"], "the stop timeout is not over"
    watched.found.clear()
    world = watched.host.world
    world.run(world.now + 2 * GROUP.stop_timeout)
    watched.ask(Action.STOP, "db", LEAVES)
    assert watched.found == (["stopped-too-early"] if exclusive else [])
    watched.found.clear()
    watched.ask(Action.STOP, "db", "an operator restarts it")
    assert watched.found == ["stopped-too-early"]


def test_what_was_not_asked_to_stop_is_not_given_up_on() -> None:
    watched = Watched()
    watched.running("disk", "cache", "db", "web")
    watched.stages.wished(watched.host, Note("leaves n1 for n2", Level.INFO, "site"))
    world = watched.host.world
    world.run(world.now + 2 * GROUP.stop_timeout)
    watched.ask(Action.STOP, "db", LEAVES)
    assert watched.found == ["stopped-too-early"]


def test_a_reload_leaves_the_order_of_what_it_ends_and_changes_that_of_what_goes_on() -> None:
    names = {item.id: item for item in GROUP.resources}
    watched = Watched()
    watched.running("disk", "cache", "db", "web")
    watched.reload(names["disk"], names["cache"], names["web"])  # web stands on nothing new, and db is gone
    watched.reload(names["web"], names["disk"])
    watched.ask(Action.STOP, "db", "a reload has changed or removed it")
    assert watched.found == ["stopped-too-early"], "web was started on top of it"
    watched.found.clear()
    for name in ("web", "db", "cache", "disk"):
        watched.end(watched.ask(Action.STOP, name, "a reload has changed or removed it"))
    watched.running("web", "disk")
    watched.ask(Action.STOP, "web", LEAVES)
    assert watched.found == ["stopped-too-early"], "disk was started on top of it"


def test_an_address_holds_nothing_up_once_somebody_has_deleted_it() -> None:
    address = AddressResource("address", "192.168.58.100", 24, "eth0")
    for gone in (False, True):
        watched = Watched()
        watched.reload(GROUP.resources[0], address)
        watched.running("disk")
        watched.stages.wished(watched.host, AddAddresses(1, "site", (address,), "test"))
        if gone:
            watched.stages.told(watched.host, AddressGone(address.address))
        watched.ask(Action.STOP, "disk", LEAVES)
        assert watched.found == ([] if gone else ["stopped-too-early"])


def test_no_program_is_started_beneath_one_that_runs_on_it_asked_for_or_not() -> None:
    for name, found in (("web", ["started-beneath"]), ("db", []), ("disk", [])):
        watched = Watched()
        watched.running("disk", "db")
        watched.host.manager.set_running("site", name, True)
        watched.ask(Action.START, "cache")
        assert watched.found == found


def test_what_a_daemon_finds_that_starts_in_the_middle_of_a_reload_has_the_former_order() -> None:
    names = {item.id: item for item in GROUP.resources}
    watched = Watched()
    watched.reload(names["web"], names["disk"])
    for name in ("disk", "web"):
        watched.end(watched.ask(Action.MONITOR, name))
    watched.end(watched.ask(Action.STOP, "web", "a reload has changed or removed it"))
    assert watched.found == []
    watched.ask(Action.STOP, "disk", "a reload has changed or removed it")
    assert watched.found == []
