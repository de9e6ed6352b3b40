"""Where the balancer's notes go besides the history: a file, and syslog; and disks that hang."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from balancer_parts import COPIED, Bench

from understudy.balance import Monitored, PoolNote
from understudy.balancer.lines import MOST, Lines
from understudy.balancer.notes import Notes

DOWN = PoolNote("10.0.0.2:80 is down", "warning", "web", "10.0.0.2:80")


def test_a_note_goes_to_the_file_and_to_the_facility_that_are_named(tmp_path: Path) -> None:
    log_socket, log_file = tmp_path / "socket", tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(str(log_socket))
        daemon.settimeout(20)
        notes = Notes(io.StringIO(), str(log_socket))
        notes.log_facility = "local3"
        notes.add(DOWN)
        assert daemon.recv(1000).decode().startswith("<156>"), "local3.warning"
        notes.log_facility, notes.log_file = "", str(log_file)
        notes.add(DOWN)
        notes.close()
        daemon.setblocking(False)
        with pytest.raises(BlockingIOError):
            daemon.recv(1000)
    assert log_file.read_text().endswith("] 10.0.0.2:80 is down\n")


def test_the_last_line_before_a_stop_is_written(tmp_path: Path) -> None:
    log_file = tmp_path / "balanced.log"

    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, files=replace(COPIED.files, log_file=str(log_file))))
        async with bench.running():
            pass

    asyncio.run(work())
    assert log_file.read_text().endswith("] the balancer stops\n")


class Disk:
    """Writes what is below /hangs only when it is let go, anything else at once."""

    def __init__(self) -> None:
        self.free, self.asked = threading.Event(), threading.Event()
        self.written: list[tuple[str, str]] = []
        self.back = threading.Semaphore(0)

    def append(self, path: str, text: str) -> None:
        if path.startswith("/hangs"):
            self.asked.set()
            assert self.free.wait(20)
        self.written.append((path, text))
        self.back.release()


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.free.set()


def test_a_log_on_a_disk_that_hangs_delays_no_stop_and_no_other_file(disk: Disk) -> None:
    stream = io.StringIO()
    notes = Notes(stream, append=disk.append)
    notes.log_file = "/hangs/log"
    notes.add(DOWN)
    assert disk.asked.wait(20)
    notes.monitor(Monitored("/good/monitor", "10.0.0.2:80", False, "refused"))
    assert disk.back.acquire(timeout=20)
    assert [path for path, _ in disk.written] == ["/good/monitor"]
    notes.add(DOWN)
    notes.close()  # it comes back although nothing was let go
    assert "2 lines for files are lost: they were not written in time" in stream.getvalue()


def test_lines_that_wait_for_a_disk_are_bounded_and_the_lost_ones_counted(disk: Disk) -> None:
    said: list[tuple[str, str]] = []
    lines = Lines[int](
        "the file", lambda some: disk.append("/hangs/log", " ".join(map(str, some))), lambda *told: said.append(told)
    )
    lines.put(-1)
    assert disk.asked.wait(20)
    for number in range(MOST + 3):
        lines.put(number)
    assert said == [
        (f"the file takes no lines (does its disk hang?): {MOST} wait, and more are lost", "warning"),
    ]
    disk.free.set()
    assert lines.finish(20) == 3, "what is lost stays lost"
    lines.put(-2)
    assert said[1:] == [("the file takes lines again; 3 were lost", "warning")]
    assert lines.finish(20) == 0
    assert " ".join(text for _, text in disk.written).split() == [str(each) for each in (-1, *range(MOST), -2)]


def test_lines_for_which_there_was_no_thread_are_written_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    written: list[int] = []
    lines = Lines[int]("the file", written.extend, lambda *_: None)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        lines.put(1)
    assert written == []
    assert lines.finish(20) == 0
    assert written == [1]
