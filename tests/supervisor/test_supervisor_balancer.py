"""The supervisor's third child: there only while there are services, started again when it dies, stopped after the pulse."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_supervisor import Nursery, wait_for

from understudy.supervisor.service import SERVICES

pytestmark = pytest.mark.slow


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    made.clear_away()


def test_without_services_there_is_no_balancer_and_with_some_it_is_started_soon(nursery: Nursery) -> None:
    nursery.start("impatient")
    nursery.wait_working()
    assert not nursery.diary(name="balancer")
    (nursery.directory / SERVICES).touch()
    wait_for(lambda: nursery.holder("balancer"), "a balancer")


def test_it_is_started_again_and_adopted_and_nobody_else_is_disturbed(nursery: Nursery) -> None:
    (nursery.directory / SERVICES).touch()
    nursery.start()
    before = nursery.wait_working()
    wait_for(lambda: nursery.diary("works", "balancer"), "a balancer")
    first = nursery.holder("balancer")
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: nursery.holder("balancer") not in (0, first), "another one")
    second = nursery.holder("balancer")
    assert (nursery.holder("pulse"), nursery.holder("manager")) == before
    nursery.supervisor.kill()
    nursery.supervisor.wait()
    nursery.start()
    wait_for(lambda: f"balancer {second} runs already and is adopted" in nursery.log(), "it is adopted")
    assert nursery.holder("balancer") == second


def test_one_that_stands_still_is_replaced_with_the_reason_and_nobody_else_is_disturbed(nursery: Nursery) -> None:
    for name in (SERVICES, "balancer.beats", "manager.beats"):
        (nursery.directory / name).touch()
    nursery.start("impatient")
    before = nursery.wait_working()
    wait_for(lambda: nursery.diary("works", "balancer"), "a balancer")
    first = nursery.holder("balancer")
    os.kill(first, signal.SIGSTOP)
    wait_for(lambda: nursery.holder("balancer") not in (0, first), "another one")
    assert re.search(rf"balancer {first} has not moved for [\d.]+ s: it is killed and started again", nursery.log())
    assert (nursery.holder("pulse"), nursery.holder("manager")) == before


def test_it_is_told_to_stop_when_the_pulse_has_ended(nursery: Nursery) -> None:
    (nursery.directory / SERVICES).touch()
    nursery.start()
    nursery.wait_working()
    wait_for(lambda: nursery.diary("works", "balancer"), "a balancer")
    nursery.supervisor.terminate()
    assert nursery.end() == 0
    asked = [name for name, word, _ in nursery.diary("asked")]
    assert asked[0] == "pulse"
    assert sorted(asked) == ["balancer", "manager", "pulse"]
    assert nursery.holder("balancer") == 0
