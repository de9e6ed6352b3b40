"""How many files the manager may need, and what it says when it may not have them."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager, ask, until

from understudy.manager.descriptors import OWN, most_needed, warnings
from understudy.model import Api, Cluster, CommandResource, Group
from understudy.probes import PingCheck, Probe

PROGRAMS = 48


@contextmanager
def allowed(most: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def many(groups: int) -> Cluster:
    named = (Group(f"g{number}", (CommandResource(f"c{number}", ("sleep", "1")),)) for number in range(groups))
    return replace(a_cluster(), groups=tuple(named))


def test_256_are_enough_for_128_groups_and_said_to_be_too_few_for_more() -> None:
    with allowed(256):
        assert warnings(many(128), "a") == ()
        (said,) = warnings(many(200), "a")
        assert said.startswith("the manager may have 256 files open and may need 288 when everything happens at once")
        assert "LimitNOFILE" in said
    with allowed(1024):
        assert warnings(many(200), "a") == ()


def test_clients_from_afar_and_probes_count() -> None:
    plain = many(2)
    remote = replace(plain, api=Api((("b", "192.0.2.2", 5695),), "", "", ""))
    assert most_needed(remote, "a") == most_needed(plain, "a"), "only b listens"
    assert most_needed(remote, "b") == most_needed(plain, "b") + 32
    probe = Probe("router", PingCheck("192.0.2.1"))
    probed = replace(plain, groups=(replace(plain.groups[0], probes=(probe,)), plain.groups[1]))
    assert most_needed(probed, "a") == most_needed(plain, "a") + 3


def test_status_says_it(pulse: FakePulse, manager: RunningManager) -> None:
    with allowed(80):
        _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert any("may have 80 files open and may need" in text for text in answer["warnings"])
    _, answer = ask(manager.runtime_dir, "GET", "/v1/status")
    assert not any("files open" in text for text in answer["warnings"])


def test_programs_that_start_together_need_no_more_than_is_reckoned(pulse: FakePulse, tmp_path: Path) -> None:
    """Real processes, all at once, counted in the kernel's own list."""

    def held() -> int:
        return len(os.listdir("/proc/self/fd"))

    def started() -> int:
        return sum(packet["t"] == "finished" for packet in tuple(pulse.received))

    names = [f"r{number}" for number in range(PROGRAMS)]
    before, most = held(), [0]

    def done() -> bool:
        most[0] = max(most[0], held() - before)
        return started() == PROGRAMS

    with a_manager(a_cluster(*(CommandResource(name, ("sleep", "1000")) for name in names)), tmp_path):
        for number, name in enumerate(names, 1):
            pulse.run_agent(number, name, "start")
        until(done, "all have started")
    assert PROGRAMS <= most[0] <= PROGRAMS + OWN
