"""``maintenancedir`` on a disk that hangs: nothing waits for it, and people are told."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from balancer_parts import COPIED, ONE, WEB, Bench

from understudy.balance import FilesChanged, MaintenanceSeen
from understudy.balancer.maintenance import MEMORY, SILENT, Maintenance, addresses_of
from understudy.services import ServiceFiles

FILES = ServiceFiles((WEB,), "/hangs")
RENAMED = ServiceFiles((replace(WEB, name="shop"),), "/hangs")


class Disk:
    """Hangs until it is let go; then each server has a file in each folder."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.breaks: Exception | None = None
        self.free = threading.Event()
        self.back = threading.Semaphore(0)
        self.maintenance = Maintenance(lambda _: (), lambda: self.now, self._names)

    def _names(self, folder: str) -> list[str]:
        self.asked.append(folder)
        if folder == FILES.maintenance:
            self.free.wait(20)
        if self.breaks is not None:
            raise self.breaks
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
            await bench.wait(lambda: "the trouble with the maintenance folder is over" in bench.log.getvalue())
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


def test_a_look_for_which_there_is_no_thread_holds_up_no_other(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    disk.free.set()
    disk.maintenance.follow(FILES)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        with pytest.raises(RuntimeError):
            disk.begin()
    disk.begin()
    assert disk.came_back()
    assert disk.maintenance.found() == {("web", ONE.name)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_look_that_breaks_holds_up_no_other_and_changes_nothing(disk: Disk) -> None:
    disk.free.set()
    disk.maintenance.follow(FILES)
    disk.begin()
    assert disk.came_back()
    assert disk.maintenance.found() == {("web", ONE.name)}
    disk.breaks = ValueError("a mistake of ours")
    disk.begin()
    assert disk.came_back()
    assert disk.maintenance.found() == {("web", ONE.name)}
    for thread in threading.enumerate():
        if thread.name == "maintenance":
            thread.join(20)
    disk.breaks = None
    disk.begin()
    assert disk.came_back()
    assert len(disk.asked) == 3


class Folder:
    """Answers at once: with a file for ``ONE``, or with an error."""

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.maintenance = Maintenance(lambda _: (), names=self._names)

    def _names(self, _: str) -> list[str]:
        if self.error is not None:
            raise self.error
        return [ONE.address]

    def look(self) -> frozenset[tuple[str, str]]:
        back = threading.Event()
        self.maintenance.begin(back.set)
        assert back.wait(20)
        return self.maintenance.found()


def test_a_name_service_without_an_answer_ends_no_maintenance() -> None:
    """The file is still there: only taking it away ends the maintenance, or another answer does."""
    now, files = 100.0, ["real1"]
    answers: list[tuple[str, ...] | None] = [
        (ONE.address,),
        None,
        ("192.0.2.99",),
        (ONE.address,),
        (),
        (ONE.address,),
        None,
    ]
    looked = Maintenance(lambda _: answers.pop(0), lambda: now, lambda _: files)
    looked.follow(FILES)

    def found() -> frozenset[tuple[str, str]]:
        back = threading.Event()
        looked.begin(back.set)
        assert back.wait(20)
        return looked.found()

    assert found() == {("web", ONE.name)}
    now += MEMORY
    assert found() == {("web", ONE.name)}, "no answer"
    for what in ("another address", "nothing"):
        now += MEMORY
        assert found() == frozenset(), what
        now += MEMORY
        if what == "another address":
            assert found() == {("web", ONE.name)}
    assert found() == {("web", ONE.name)}
    files.clear()
    assert found() == frozenset()
    files.append("real1")
    assert found() == frozenset(), "what a file that is gone meant is forgotten with it"
    assert answers == []


def test_no_answer_and_the_answer_that_there_is_none_are_told_apart() -> None:
    def answers(error: OSError) -> tuple[str, ...] | None:
        def ask(*_: object, **__: object) -> None:
            raise error

        return addresses_of("real1", ask)

    assert answers(socket.gaierror(socket.EAI_NONAME, "Name or service not known")) == ()
    assert answers(socket.gaierror(socket.EAI_NODATA, "No address associated with hostname")) == ()
    assert answers(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")) is None
    assert answers(OSError(errno.EMFILE, "Too many open files")) is None
    assert addresses_of("192.0.2.1") == ("192.0.2.1",)
    assert addresses_of("a" * 70 + ".example") == ()


GONE = FileNotFoundError(errno.ENOENT, "No such file or directory")


@pytest.mark.parametrize("error", [GONE, OSError(errno.EIO, "Input/output error"), OSError(errno.ESTALE, "Stale")])
def test_a_folder_that_cannot_be_read_any_more_ends_no_maintenance(error: OSError) -> None:
    folder = Folder()
    looked = folder.maintenance
    looked.follow(FILES)
    assert folder.look() == {("web", ONE.name)}
    folder.error = error
    for _ in range(2):
        assert folder.look() == {("web", ONE.name)}
        said = f"the maintenance folder /hangs cannot be read: {error.strerror}; the same servers as before are in maintenance"
        assert looked.trouble == said
    folder.error = None
    assert (folder.look(), looked.trouble) == ({("web", ONE.name)}, "")


def test_a_folder_that_was_never_there_has_no_files_and_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        gone = str(tmp_path / "none")
        bench = Bench(tmp_path, replace(COPIED, files=ServiceFiles((WEB,), gone)))
        async with bench.running():
            said = f"the maintenance folder {gone} cannot be read: {GONE.strerror}; no server is in maintenance"
            await bench.wait(lambda: said in bench.log.getvalue())
            assert bench.balancer.answer("")["warnings"] == [said]
            assert bench.pool.heard(MaintenanceSeen) == []

    asyncio.run(work())


def test_another_folder_that_is_not_there_has_no_files_and_one_that_fails_those_of_the_former() -> None:
    for error, found in ((OSError(errno.EIO, "Input/output error"), {("web", ONE.name)}), (GONE, set())):
        folder = Folder()
        folder.maintenance.follow(FILES)
        assert folder.look()
        folder.error = error
        folder.maintenance.follow(replace(FILES, maintenance="/other"))
        assert folder.maintenance.found() == {("web", ONE.name)}, "not known yet"
        assert folder.look() == found


def test_who_has_a_file_is_in_maintenance_before_the_pool_has_the_service(tmp_path: Path) -> None:
    """At a start, after a reload with another name of the service, and in another folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ONE.address).touch()

    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, files=ServiceFiles((WEB,), str(tmp_path / "one"))))
        async with bench.running():
            bench.write(replace(COPIED, files=replace(RENAMED, maintenance=str(tmp_path / "two"))))
            assert (await bench.ask(do="reload"))["ok"] is True
            heard = [each for each in bench.pool.told if isinstance(each, FilesChanged | MaintenanceSeen)]
            web, shop = ("web", ONE.name), ("shop", ONE.name)
            seen = [
                each.servers if isinstance(each, MaintenanceSeen) else each.files.services[0].name for each in heard
            ]
            assert seen == [{web}, "web", {web, shop}, "shop", {shop}]

    asyncio.run(work())


def test_another_folder_that_hangs_leaves_in_maintenance_who_was(tmp_path: Path, disk: Disk) -> None:
    async def work() -> None:
        bench = Bench(tmp_path, replace(COPIED, files=replace(FILES, maintenance="/good")), lambda: disk.maintenance)
        async with bench.running():
            assert bench.pool.heard(MaintenanceSeen)[-1].servers == {("web", ONE.name)}
            bench.write(replace(COPIED, files=RENAMED))
            assert (await bench.ask(do="reload"))["ok"] is True
            assert bench.pool.heard(MaintenanceSeen)[-1].servers == {("shop", ONE.name)}

    asyncio.run(work())
