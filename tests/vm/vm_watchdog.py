"""Watchdogs that really reset, and the kernel's lease, on the stock Debian kernel in virtual machines.

Not part of ./dev test: each test boots machines, about a minute. ``pytest -v -rs tests/vm/vm_watchdog.py`` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest_image import Image
from virtual_machine import ENDED, RESET, Machine

COUNTS = "12"
"""Seconds of the watchdog: more than twice the dead time of five that so slow a machine needs."""

Boot = Callable[..., Machine]


@pytest.fixture
def boot(tmp_path: Path, image: Image) -> Iterator[Boot]:
    """Start a machine; all are switched off at the end, and what they said is printed."""
    machines: list[Machine] = []

    def begin(name: str = "ha01", **words: str) -> Machine:
        if "peer" not in words:
            words["patience"] = "5s"
        machines.append(Machine(tmp_path, image, name, **words))
        return machines[-1]

    yield begin
    for machine in machines:
        machine.power_off()
        told = [line for line in machine.lines() if line.startswith("guest ") or "dog" in line]
        print(f"--- {machine.name}: {machine.ended or 'switched off'}", *told, sep="\n")


def at(machine: Machine, words: str, after: str = "guest") -> float:
    """The guest's time of the first line with ``words``, after the first with ``after``."""
    lines = machine.lines()
    first = next(number for number, line in enumerate(lines) if after in line)
    for line in lines[first:]:
        if line.startswith("guest ") and line.endswith(": " + words):
            return float(line.split()[1].rstrip(":"))
    raise AssertionError(f'{machine.name} never said "{words}" after "{after}"\n{machine.story()}')


@pytest.mark.parametrize("driver", ["softdog", "i6300esb"])
def test_a_frozen_pulse_ends_in_a_reset_and_the_kernel_ends_the_lease_before(boot: Boot, driver: str) -> None:
    machine = boot(driver=driver, counts=COUNTS, plan="freeze")
    machine.wait_said("frozen", 300.0)
    assert machine.wait_ended() == RESET, machine.story()
    assert not machine.said("survived")
    assert ("WATCHDOG" in machine.events) == (driver == "i6300esb"), machine.events
    assert machine.said("softdog: Initiating system reboot") == (driver == "softdog"), machine.story()
    frozen = at(machine, "frozen")
    assert at(machine, "not served", "frozen") > frozen


def test_a_stop_that_hangs_ends_in_a_reset(boot: Boot) -> None:
    machine = boot(driver="softdog", counts=COUNTS, plan="hang")
    machine.wait_said("asked to stop", 300.0)
    assert machine.wait_ended() == RESET, machine.story()
    assert not machine.said("survived")


@pytest.mark.parametrize("driver", ["softdog", "i6300esb"])
def test_a_clean_stop_resets_nothing(boot: Boot, driver: str) -> None:
    machine = boot(driver=driver, counts=COUNTS, plan="stop")
    machine.wait_said("stopped with 0", 300.0)
    assert machine.wait_ended() == ENDED, machine.story()
    assert machine.said("survived")


def test_a_killed_pulse_is_back_in_time(boot: Boot) -> None:
    machine = boot(driver="softdog", counts="20", plan="kill")
    machine.wait_said("killed", 300.0)
    assert machine.wait_ended() == ENDED, machine.story()
    at(machine, "data runs", "killed")


def test_a_pulse_that_dies_again_and_again_does_not_feed_the_device(boot: Boot) -> None:
    """The kernel feeds a device that is opened, and one whose last descriptor is closed. The supervisor spares it both."""
    machine = boot(driver="softdog", counts=COUNTS, plan="crashes")
    machine.wait_said("killed", 300.0)
    assert machine.wait_ended() == RESET, machine.story()
    assert not machine.said("survived")
    assert "did not stop" not in machine.story(), "the kernel says so when it is closed without the V, and feeds it"
    times = [float(line.split()[1].rstrip(":")) for line in machine.lines() if line.startswith("guest ")]
    first, last = at(machine, "killed"), times[-1]
    assert last - first < 5 + int(COUNTS) + 5, "one time-out after the kernel's lease was over, on a slow machine"


def test_a_clock_that_is_set_by_days_changes_nothing(boot: Boot) -> None:
    machine = boot(driver="softdog", counts=COUNTS, plan="clock")
    machine.wait_said("clock set by -2 days", 300.0)
    assert machine.wait_ended() == ENDED, machine.story()
    lines = machine.lines()
    after = lines[next(number for number, line in enumerate(lines) if "clock set" in line) :]
    assert not [line for line in after if "not served" in line or "data rests" in line], machine.story()
    at(machine, "survived", "clock set by -2 days")


def test_the_other_machine_starts_the_program_only_after_the_reset(boot: Boot) -> None:
    """Either may win the group when both start at once; the first that runs the program is frozen."""
    one = boot("ha01", peer="ha02", driver="softdog", counts=COUNTS, plan="freeze")
    two = boot("ha02", peer="ha01", driver="softdog", counts=COUNTS, plan="freeze")
    one.wait("one of them is frozen", lambda: one.said("frozen") or two.said("frozen"), 400.0)
    holder, other = (one, two) if one.said("frozen") else (two, one)
    assert not other.said("data runs"), other.story()
    moved: list[bool] = []

    def over() -> bool:
        if other.said("data runs"):
            moved.append(holder.running)
        return bool(moved)

    other.wait("data runs on the other", over, 180.0)
    assert moved == [False], "it ran on both"
    assert holder.wait_ended() == RESET, holder.story()
