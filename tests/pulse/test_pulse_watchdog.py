"""The pulse's watchdog, with a FIFO for a device: fed in time, never after the right is over, stopped by the magic close."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from understudy.adapters.watchdog import FOOD, MAGIC, Watchdog, open_watchdog
from understudy.model import Cluster, CommandResource, Group, Link, Member, Quorum, Role
from understudy.pulse.guard import ARMED, no_guard, take_guard
from understudy.units import SECOND


@pytest.fixture
def device(tmp_path: Path) -> tuple[Path, int]:
    path = tmp_path / "watchdog"
    os.mkfifo(path)
    return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def cluster(path: str, timeout: int = 10 * SECOND) -> Cluster:
    member = Member("ha01", Role.NODE, (Link("net", "10.0.0.1"),), path)
    return Cluster("c", "k", SECOND // 5, SECOND, Quorum.MAJORITY, (member,), (), watchdog_timeout=timeout)


def test_it_is_fed_while_the_right_stands_and_not_at_its_end(device: tuple[Path, int], tmp_path: Path) -> None:
    path, reader = device
    guard = take_guard(cluster(str(path)), "ha01", str(tmp_path))
    assert guard.timeout == 10 * SECOND
    guard.feed(100, lambda: 99)
    assert os.read(reader, 10) == FOOD
    guard.feed(100, lambda: 100)
    with pytest.raises(BlockingIOError):
        os.read(reader, 10)


def test_the_magic_close_stops_it_and_forgets_that_it_counted(device: tuple[Path, int], tmp_path: Path) -> None:
    path, reader = device
    guard = take_guard(cluster(str(path)), "ha01", str(tmp_path))
    assert not guard.ran
    assert (tmp_path / ARMED).exists()
    guard.close()
    assert os.read(reader, 10) == MAGIC
    assert os.read(reader, 10) == b"", "closed"
    assert not (tmp_path / ARMED).exists()
    guard.feed(100, lambda: 0)  # a feed that was under way then hurts nobody


def test_a_pulse_that_died_leaves_its_mark(device: tuple[Path, int], tmp_path: Path) -> None:
    path, _ = device
    first = take_guard(cluster(str(path)), "ha01", str(tmp_path))
    assert first.device is not None
    os.close(first.device.descriptor)
    assert take_guard(cluster(str(path)), "ha01", str(tmp_path)).ran


def exclusive(shape: Cluster) -> Cluster:
    data = CommandResource("data", ("/bin/true",), exclusive=True)
    return replace(shape, groups=(Group("site", (data,)),))


def test_a_device_that_comes_later_is_not_fed_as_if_nothing_had_run_before(tmp_path: Path) -> None:
    path = tmp_path / "watchdog"
    assert not take_guard(exclusive(cluster(str(path))), "ha01", str(tmp_path)).ran
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert take_guard(exclusive(cluster(str(path))), "ha01", str(tmp_path)).ran
    os.close(reader)


def test_a_file_that_names_the_device_only_now_is_no_proof_that_nothing_ran(
    device: tuple[Path, int], tmp_path: Path
) -> None:
    before = take_guard(exclusive(cluster("")), "ha01", str(tmp_path))
    assert (before.ran, before.troubles()) == (False, ())
    assert take_guard(exclusive(cluster(str(device[0]))), "ha01", str(tmp_path)).ran
    before.close()
    assert not take_guard(exclusive(cluster("")), "ha01", str(tmp_path)).ran


def test_a_device_without_a_mark_is_not_used(device: tuple[Path, int], tmp_path: Path) -> None:
    guard = take_guard(cluster(str(device[0])), "ha01", str(tmp_path / "none"))
    assert guard.timeout == 0
    (said,) = guard.troubles()
    assert "cannot write" in said
    assert "is not used" in said


def test_a_device_that_is_not_there_is_said(tmp_path: Path) -> None:
    guard = take_guard(cluster(str(tmp_path / "none")), "ha01", str(tmp_path))
    assert guard.timeout == 0
    (said,) = guard.troubles()
    assert "there is no watchdog" in said
    assert "nothing resets this machine when it hangs" in said


def test_a_fifo_that_nobody_reads_is_no_device(tmp_path: Path) -> None:
    path = tmp_path / "watchdog"
    os.mkfifo(path)
    assert open_watchdog(str(path), SECOND) == f"nobody reads the other end of {path}"


def test_a_device_that_takes_no_food_is_said(device: tuple[Path, int]) -> None:
    path, reader = device
    dog = open_watchdog(str(path), SECOND)
    assert isinstance(dog, Watchdog)
    os.close(reader)
    dog.feed()
    assert dog.trouble == f"the watchdog {path} cannot be fed: Broken pipe"


def test_without_a_watchdog_nothing_is_done() -> None:
    guard = no_guard()
    guard.feed(100, lambda: 0)
    guard.close()
    assert guard.timeout == 0
    assert guard.troubles() == ()
