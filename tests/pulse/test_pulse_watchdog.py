"""The pulse's watchdog, with a FIFO for a device: fed in time, never after the right is over, stopped by the magic close.

The kernel feeds a device that is opened, and one that is closed without the V. Of a FIFO its reader sees both: it reads nothing
(BlockingIOError) while somebody has the other end open, and the end (b"") when nobody has.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from understudy.adapters.watchdog import FOOD, MAGIC, Watchdog, open_watchdog
from understudy.model import Cluster, CommandResource, Group, Link, Member, Quorum, Role
from understudy.pulse.guard import ARMED, Guard, no_guard, take_guard
from understudy.pulse.keeper import Keeper
from understudy.supervisor.custody import Custody
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


def is_open(reader: int) -> bool:
    """Whether anybody has the device open; nothing may wait to be read."""
    try:
        data = os.read(reader, 10)
    except BlockingIOError:
        return True
    assert data == b"", data
    return False


class Pulses:
    """One supervisor's custody, and the pulses that it starts one after the other."""

    def __init__(self, path: Path, runtime: Path) -> None:
        self.shape, self.runtime = exclusive(cluster(str(path))), str(runtime)
        self.custody = Custody()
        self.ends: list[socket.socket] = []

    def start(self) -> Guard:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self.custody.give(ours)
        self.ends.append(ours)
        return take_guard(self.shape, "ha01", self.runtime, Keeper(theirs.detach()))

    def hear(self) -> None:
        self.custody.hear(self.ends[-1])

    def die(self, guard: Guard) -> None:
        """Its end as the supervisor sees it."""
        self.hear()
        if guard.device is not None and guard.device.descriptor >= 0:
            os.close(guard.device.descriptor)


@pytest.fixture
def pulses(device: tuple[Path, int], tmp_path: Path) -> Iterator[Pulses]:
    made = Pulses(device[0], tmp_path)
    yield made
    made.custody.close()
    for end in made.ends:
        end.close()


def test_the_death_of_a_pulse_neither_closes_nor_opens_the_device(device: tuple[Path, int], pulses: Pulses) -> None:
    for number in range(3):
        guard = pulses.start()
        assert (guard.ran, guard.timeout, guard.alone) == (number > 0, 10 * SECOND, False)
        assert is_open(device[1])
        pulses.die(guard)
        assert is_open(device[1]), "the supervisor has it"
    guard = pulses.start()
    guard.feed(100, lambda: 99)
    assert os.read(device[1], 10) == FOOD
    guard.close()
    assert os.read(device[1], 10) == MAGIC
    assert is_open(device[1]), "the V counts only with the last close"
    pulses.hear()
    assert not is_open(device[1])
    assert not (Path(pulses.runtime) / ARMED).exists()


def test_a_device_that_nobody_kept_is_opened_only_when_it_may_be_fed(device: tuple[Path, int], pulses: Pulses) -> None:
    pulses.die(pulses.start())
    pulses.custody.close()
    assert not is_open(device[1])
    guard = pulses.start()
    assert (guard.ran, guard.timeout) == (True, 10 * SECOND), "it counts, and others are told so"
    guard.feed(100, lambda: 100)
    assert not is_open(device[1]), "to open it is to feed it"
    guard.feed(100, lambda: 99)
    assert is_open(device[1])
    pulses.die(guard)
    assert is_open(device[1]), "and the supervisor has it again"


def test_a_device_that_nobody_kept_is_stopped_by_a_clean_end(device: tuple[Path, int], pulses: Pulses) -> None:
    pulses.die(pulses.start())
    pulses.custody.close()
    guard = pulses.start()
    guard.close()
    assert os.read(device[1], 10) == MAGIC
    pulses.hear()
    assert not is_open(device[1])
    assert not (Path(pulses.runtime) / ARMED).exists()


def test_a_device_that_nobody_kept_and_that_cannot_be_opened_is_tried_again(
    device: tuple[Path, int], pulses: Pulses
) -> None:
    path, reader = device
    pulses.die(pulses.start())
    pulses.custody.close()
    guard = pulses.start()
    path.rename(path.with_name("elsewhere"))
    guard.feed(100, lambda: 99)
    assert "there is no watchdog" in guard.troubles()[0]
    path.with_name("elsewhere").rename(path)
    guard.feed(100, lambda: 99)
    assert guard.troubles() == ()
    assert is_open(reader)


def test_a_pulse_that_died_while_it_opened_the_device_leaves_it_alone(
    device: tuple[Path, int], pulses: Pulses, tmp_path: Path
) -> None:
    (tmp_path / ARMED).write_text("opening")
    guard = pulses.start()
    assert (guard.ran, guard.timeout) == (True, 0)
    assert "died while it opened" in guard.troubles()[0]
    assert not is_open(device[1])


def test_a_pulse_between_the_magic_and_the_last_close_makes_it_count_again(
    device: tuple[Path, int], pulses: Pulses
) -> None:
    pulses.start().close()  # and it dies before the supervisor hears of it
    assert os.read(device[1], 10) == MAGIC
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    found = open_watchdog(str(device[0]), SECOND)
    assert isinstance(found, Watchdog)
    socket.send_fds(ours, [b"watchdog"], [found.descriptor])
    os.close(found.descriptor)
    guard = take_guard(pulses.shape, "ha01", pulses.runtime, Keeper(theirs.detach()))
    assert not guard.ran
    assert os.read(device[1], 10) == FOOD, "takes the V back"
    ours.close()


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
