"""``maintenancedir`` on a disk that hangs: nothing waits for it, and people are told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from balancer_parts import COPIED, ONE, WEB, Bench

from understudy.balance import FilesChanged, MaintenanceSeen
from understudy.balancer.maintenance import SILENT, Maintenance
from understudy.services import ServiceFiles

FILES = ServiceFiles((WEB,), "/hangs")
RENAMED = ServiceFiles((replace(WEB, name="shop"),), "/hangs")


class Disk:
    """Hangs until it is let go; then each server has a file in each folder."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.free = threading.Event()
        self.back = threading.Semaphore(0)
        self.maintenance = Maintenance(lambda _: (), lambda: self.now, self._names)

    def _names(self, folder: str) -> list[str]:
        self.asked.append(folder)
        if folder == FILES.maintenance:
            self.free.wait(20)
        return [ONE.address]

    def begin(self) -> None:
        self.maintenance.begin(self.back.release)

    def came_back(self) -> bool:
        return self.back.acquire(timeout=20)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.free.set()


def test_a_folder_that_hangs_delays_no_start_and_no_reload_and_is_told(tmp_path: Path, disk: Disk) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, files=FILES), lambda: disk.maintenance)
        async with bench.running():
            await bench.wait(lambda: disk.asked)
            assert bench.balancer.answer("")["warnings"] == []
            bench.write(replace(COPIED, files=RENAMED))
            assert (await bench.ask(do="reload"))["ok"] is True
            assert len(bench.pool.heard(FilesChanged)) == 2
            disk.now += SILENT
            (said,) = bench.balancer.answer("")["warnings"]
            assert said.startswith("the maintenance folder /hangs does not answer (")
            assert said.endswith("until it does no server is in maintenance")
            await bench.wait(lambda: said in bench.log.getvalue())
            assert bench.pool.heard(MaintenanceSeen) == []
            disk.free.set()
            await bench.wait(lambda: bench.pool.heard(MaintenanceSeen))
            assert bench.pool.heard(MaintenanceSeen)[-1].servers == {("shop", ONE.name)}
            await bench.wait(lambda: "hangs no more" in bench.log.getvalue())
            assert bench.balancer.answer("")["warnings"] == []
            assert bench.log.getvalue().count("does not answer") == 1

    asyncio.run(work())


def test_a_balancer_ends_while_the_folder_hangs(tmp_path: Path, disk: Disk) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, files=FILES), lambda: disk.maintenance)
        async with bench.running():
            await bench.wait(lambda: disk.asked)

    asyncio.run(work())
    left = [thread.daemon for thread in threading.enumerate() if thread.name == "maintenance"]
    assert left, "it hangs still"
    assert all(left), "the interpreter does not wait for it"


def test_one_look_at_a_time_and_another_folder_at_once(disk: Disk) -> None:
    looked = disk.maintenance
    looked.follow(FILES)
    for _ in range(3):
        disk.begin()
    looked.follow(replace(FILES, maintenance="/good"))
    disk.begin()
    assert disk.came_back()
    assert (looked.found(), looked.trouble) == ({("web", ONE.name)}, "")
    disk.free.set()
    assert disk.came_back()
    assert disk.asked == ["/hangs", "/good"]
    assert looked.found() == {("web", ONE.name)}, "what the former folder has counts no more"
    looked.follow(ServiceFiles((WEB,)))
    disk.begin()
    assert looked.found() == frozenset()
    assert len(disk.asked) == 2


def test_what_was_known_stays_while_it_hangs(disk: Disk) -> None:
    looked = disk.maintenance
    looked.follow(FILES)
    disk.free.set()
    disk.begin()
    assert disk.came_back()
    assert looked.found() == {("web", ONE.name)}
    disk.free.clear()
    disk.begin()
    disk.now += SILENT
    assert "meanwhile the same servers as before are in maintenance" in looked.trouble
    assert looked.found() == {("web", ONE.name)}
    disk.begin()
    disk.free.set()
    assert disk.came_back()
    assert (len(disk.asked), looked.trouble) == (2, "")


def test_a_look_that_cannot_begin_keeps_no_later_one_waiting(disk: Disk) -> None:
    disk.free.set()
    disk.maintenance.follow(FILES)
    before = threading.stack_size(1 << 50)  # no machine has that much
    try:
        with pytest.raises(RuntimeError):
            disk.begin()
    finally:
        threading.stack_size(before)
    disk.begin()
    assert disk.came_back()
    assert disk.maintenance.found() == {("web", ONE.name)}


def test_a_folder_that_is_gone_has_no_files(tmp_path: Path) -> None:
    looked, back = Maintenance(), threading.Event()
    looked.follow(ServiceFiles((WEB,), str(tmp_path / "none")))
    looked.begin(back.set)
    assert back.wait(20)
    assert looked.found() == frozenset()
