"""Which probes are asked when, and what an answer does; the whole way is in tests/scenarios/probe-*.txt."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from core_parts import address, group, program

from understudy.core.execution import Execution
from understudy.core.health import Health
from understudy.core.parts import State, Wanted
from understudy.effects import RunProbes
from understudy.events import ProbeAnswered
from understudy.model import MountResource, NotifyResource, SystemdResource
from understudy.probes import HttpCheck, PingCheck, Probe, TcpCheck
from understudy.units import SECOND

ALL = Probe("all", HttpCheck("http://192.0.2.1/", "www"))
DISK = Probe("disk", TcpCheck("fd00::1", 25), "disk")


class Scene:
    """A group of an address and two programs, in states that the test sets."""

    def __init__(self, *probes: Probe) -> None:
        self.group = replace(group("site", address(1), program("disk"), program("httpd")), probes=probes)
        self.execution = Execution(self.group, count(1).__next__, frozenset())
        self.execution.manager_changed(True, 0)
        self.health = Health(self.group)
        self.numbers = count(100)
        self.now = 0

    def run(self, *ids: str, wanted: Wanted = Wanted.RUN) -> list[tuple[str, int]] | None:
        """These resources run now; what is asked from now on, None for no change."""
        self.execution.wanted = wanted
        for part in self.execution.parts:
            part.state = State.RUNNING if part.resource.id in ids else State.STOPPED
        effects = self.health.follow(self.execution, self.numbers.__next__, self.now)
        if not effects:
            return None
        (effect,) = effects
        assert isinstance(effect, RunProbes)
        assert effect.group == "site"
        assert effect.why
        return list(effect.probes)

    def answer(self, probe: str, number: int, up: bool | None, text: str = "") -> Probe | None:
        return self.health.answered(ProbeAnswered("site", probe, number, up, text), self.now)

    def states(self) -> list[str]:
        return [
            f"{item.name} {item.state} {item.for_ms} {item.failure} {item.failed_ms}"
            for item in self.health.statuses(self.now)
        ]


EVERYTHING = (address(1).id, "disk", "httpd")


def test_a_probe_is_asked_while_what_it_judges_runs() -> None:
    scene = Scene(DISK, ALL)
    assert scene.run() is None
    assert scene.run("disk") == [("disk", 100)]
    assert scene.run(*EVERYTHING) == [("disk", 100), ("all", 101)], "the first goes on under its number"
    assert scene.run(*EVERYTHING) is None
    assert scene.run("disk", "httpd") == [("disk", 100)]
    assert scene.run(*EVERYTHING) == [("disk", 100), ("all", 102)], "begun anew"
    assert scene.run(*EVERYTHING, wanted=Wanted.STOP) == []
    assert scene.run(*EVERYTHING, wanted=Wanted.OBSERVE) is None


def test_a_new_manager_is_told_anew_and_none_is_told_nothing() -> None:
    scene = Scene(DISK)
    scene.run(*EVERYTHING)
    scene.health.forget(5)
    assert scene.run(*EVERYTHING) == [("disk", 101)]
    scene.health.forget(5)
    scene.execution.manager_changed(False, 5)
    assert scene.run(*EVERYTHING) is None
    assert not scene.health.up


def test_only_the_change_to_down_counts_and_only_under_the_number_of_now() -> None:
    scene = Scene(DISK)
    scene.run("disk")
    assert scene.answer("disk", 99, False, "old") is None
    assert scene.answer("other", 100, False, "unknown") is None
    assert scene.answer("disk", 100, None, "refused") is None
    assert scene.answer("disk", 100, False, "refused") == DISK
    assert scene.answer("disk", 100, False, "refused") is None, "down already"
    scene.run()
    assert scene.answer("disk", 100, True) is None, "nobody asks it now"
    assert not scene.health.up


def test_what_a_probe_is_blamed_on() -> None:
    scene = Scene(DISK, ALL)
    assert scene.health.blamed(DISK) == "disk"
    assert scene.health.blamed(ALL) == "httpd", "the last program"
    only = replace(group("gate", address(1), address(2)), probes=(ALL,))
    assert Health(only).blamed(ALL) == address(2).id
    told, disk = NotifyResource("tell", ("/tell",)), MountResource("site", "/dev/sdb1", "/srv", "ext4")
    everything = replace(only, resources=(disk, SystemdResource("web", "web.service"), address(1), told))
    assert Health(everything).blamed(ALL) == "web", "who is only told cannot mend anything"
    assert Health(replace(only, resources=(disk, address(1), told))).blamed(ALL) == "site"
    assert Health(replace(only, resources=(address(1), told))).blamed(ALL) == address(1).id


def test_status_has_reasons_and_ages() -> None:
    scene = Scene(DISK, ALL)
    assert scene.states() == ["disk unknown None  None", "all unknown None  None"]
    scene.now = SECOND
    scene.run(*EVERYTHING)
    scene.now = 2 * SECOND
    scene.answer("disk", 100, True)
    scene.answer("all", 101, None, "refused")
    assert scene.health.not_up() == "probe all: refused"
    scene.now = 5 * SECOND
    assert scene.states() == ["disk up 3000.0  None", "all waiting 4000.0 refused 3000.0"]
    scene.answer("all", 101, True)
    assert scene.health.up
    assert scene.health.not_up() == ""
    scene.now = 6 * SECOND
    assert scene.states() == ["disk up 4000.0  None", "all up 1000.0 refused 4000.0"], "the last failure stays"
    scene.run()
    assert scene.states() == ["disk unknown None  None", "all unknown None refused 4000.0"]
    assert [item.check for item in scene.health.statuses(0)] == ["tcp [fd00::1]:25", "http://192.0.2.1/ as www"]
    assert [item.resource for item in scene.health.statuses(0)] == ["disk", None]


def test_a_group_without_probes_is_up_and_asks_nothing() -> None:
    scene = Scene()
    assert scene.run(*EVERYTHING) is None
    assert scene.health.up
    assert scene.health.statuses(0) == ()


def test_a_probe_that_has_not_answered_yet_says_so() -> None:
    scene = Scene(Probe("gw", PingCheck("192.0.2.1")))
    scene.run(*EVERYTHING)
    assert scene.health.not_up() == "probe gw has not answered yet"
    scene.answer("gw", 100, False, "no reply")
    scene.now = SECOND
    scene.run()
    scene.run(*EVERYTHING)
    assert scene.health.not_up() == "probe gw has not answered yet", "the failure was before it was started anew"
