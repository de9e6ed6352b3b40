"""track_file and vrrp_track_process: real files and processes, missing ones, garbage, quorums."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import uvloop
from router_parts import Ear, tracking, until

from understudy.adapters.track_files import FileWatch, Number, read_number, write_number
from understudy.adapters.track_process import ProcessWatch, Quorum, matches
from understudy.manager.router_tracks import Tracks
from understudy.units import SECOND
from understudy.vrrp_files import TrackedFile, TrackedProcess

HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "value", "garbage"),
    [
        ("7\n", 7, False),
        ("-20", -20, False),
        (" +5 \nmore\n", 5, False),
        ("1000000", 254, False),
        ("-1000000", -254, False),
        ("", 0, True),
        ("many", 0, True),
        ("5 apples", 0, True),
        ("0x10", 0, True),
        ("\0" * 300, 0, True),
    ],
)
def test_the_number_in_a_file(tmp_path: Path, text: str, value: int, garbage: bool) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    found = read_number(str(path))
    assert found.value == value
    assert bool(found.trouble) is garbage


def test_what_is_no_file_is_never_waited_for(tmp_path: Path) -> None:
    assert read_number(str(tmp_path / "no")) == Number(0, f"{tmp_path}/no does not exist, which counts as 0")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert read_number(str(fifo)) == Number(0, f"{fifo} is no file, which counts as 0")
    assert "is no file" in read_number(str(tmp_path)).trouble


def test_init_file_writes_what_is_not_there_and_follows_no_link(tmp_path: Path) -> None:
    path, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "other"
    assert write_number(str(path), 3, overwrite=False) == ""
    assert path.read_text() == "3\n"
    assert write_number(str(path), 4, overwrite=False) == ""
    assert path.read_text() == "3\n", "what is there stays"
    path.write_text("12345678\n")
    assert write_number(str(path), -4, overwrite=True) == ""
    assert path.read_text() == "-4\n"
    other.write_text("precious")
    link.symlink_to(other)
    assert "cannot write" in write_number(str(link), 1, overwrite=True)
    assert other.read_text() == "precious"
    assert "cannot write" in write_number(str(tmp_path / "no" / "file"), 1, overwrite=False)


def test_a_file_is_read_anew_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("1")

    async def work() -> None:
        ear = Ear()
        tracks = Tracks(str(tmp_path), ear.say, ear.send)
        await tracks.follow(tracking(("file", "load"), files=(TrackedFile("load", str(path)),)))
        await until("its number", lambda: ear.about("load") == [(True, 1)])
        path.write_text("7\n")
        await until("another one", lambda: ear.about("load")[-1] == (True, 7))
        (tmp_path / "new").write_text("9\n")
        os.replace(tmp_path / "new", path)
        await until("a file that replaced it", lambda: ear.about("load")[-1] == (True, 9))
        path.unlink()
        await until("gone, which is 0", lambda: ear.about("load")[-1] == (False, 0))
        assert tracks.warnings() == [f"file load: {path} does not exist, which counts as 0"]
        path.write_text("what")
        await until("and garbage is 0 too", lambda: "no number" in ear.sent[-1]["text"])
        path.write_text("2")
        await until("well again", lambda: ear.about("load")[-1] == (True, 2))
        assert tracks.warnings() == []
        await tracks.close()

    uvloop.run(work())


def test_init_file_comes_before_the_first_reading(tmp_path: Path) -> None:
    async def work() -> None:
        ear = Ear()
        tracks = Tracks(str(tmp_path), ear.say, ear.send)
        file = TrackedFile("load", str(tmp_path / "file"), initial=5)
        await tracks.follow(tracking(("file", "load"), files=(file,)))
        await until("its number", lambda: ear.sent)
        assert ear.about("load") == [(True, 5)]
        await tracks.close()

    uvloop.run(work())


def test_inotify_tells_at_once(tmp_path: Path) -> None:
    """With an hour between two looks only inotify can have told."""
    path = tmp_path / "file"
    changed: list[str] = []

    async def work() -> None:
        watch = FileWatch(changed.append, poll=HOUR)
        watch.follow([str(path)])
        (tmp_path / "another").write_text("5")
        path.write_text("5")
        await until("told", lambda: changed)
        watch.close()
        assert set(changed) == {str(path)}, "nothing of the file beside it"

    uvloop.run(work())


def test_what_inotify_cannot_see_is_looked_at(tmp_path: Path) -> None:
    """The folder is not there when the watch begins; and a writer that never closes."""
    path = tmp_path / "later" / "file"
    changed: list[str] = []

    async def work() -> None:
        watch = FileWatch(changed.append, poll=0.01)
        watch.follow([str(path)])
        looking = asyncio.ensure_future(watch.run())
        path.parent.mkdir()
        path.write_text("5")
        await until("seen", lambda: changed)
        with path.open("w") as file:
            changed.clear()
            file.write("17")
            file.flush()
            await until("seen while it is open", lambda: changed)
        shutil.rmtree(path.parent)
        changed.clear()
        path.parent.mkdir()
        path.write_text("7")
        await until("the folder was made anew", lambda: changed)
        looking.cancel()
        watch.close()

    uvloop.run(work())


def proc(name: str, *words: str, **changes: object) -> TrackedProcess:
    return TrackedProcess(name, words or (name,), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "name", "words", "counts"),
    [
        (proc("p", "nginx"), "nginx", ("nginx: master", "-g"), True),
        (proc("p", "/usr/sbin/nginx"), "nginx", ("x",), True),
        (proc("p", "nginx"), "nginx2", ("nginx",), False),
        (proc("p", "a-very-long-name-of-a-program"), "a-very-long-nam", (), True),
        (proc("p", "d", "-f", "x"), "d", ("d", "-f", "x"), True),
        (proc("p", "d", "-f", "x"), "d", ("d", "-f", "x", "-v"), False),
        (proc("p", "d", "-f", "x", parameters="initial"), "d", ("d", "-f", "x", "-v"), True),
        (proc("p", "d", "-f", "x", parameters="initial"), "d", ("d", "-f"), False),
        (proc("p", "d", "-f", "/etc/x", parameters="partial"), "d", ("d", "-f", "/etc/x.conf", "-v"), True),
        (proc("p", "d", "-f", "/etc/x", parameters="partial"), "d", ("d", "-f"), False),
        (proc("p", "/bin/d", full_command=True), "d", ("/bin/d",), True),
        (proc("p", "/bin/d", full_command=True), "d", ("/bin/d", "-v"), False),
        (proc("p", "/bin/d", full_command=True), "d", ("d",), False),
        (proc("p", "/bin/d", full_command=True), "d", (), False),
    ],
)
def test_which_process_counts(wanted: TrackedProcess, name: str, words: tuple[str, ...], counts: bool) -> None:
    assert matches(wanted, name, words) is counts


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A program whose name nobody else has."""
    path = tmp_path / f"us{os.getpid()}x"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", path)
    return str(path)


def test_a_process_that_comes_and_goes(program: str, tmp_path: Path) -> None:
    name = os.path.basename(program)

    async def work() -> None:
        ear = Ear()
        tracks = Tracks(str(tmp_path), ear.say, ear.send)
        wanted = proc("web", name, quorum=2)
        first = subprocess.Popen([program, "1000"])
        await tracks.follow(tracking(("process", "web"), processes=(wanted,)))
        await until("one is not enough", lambda: ear.about("web") == [(False, 0)])
        assert ear.sent[0]["text"] == f"1 of {name} run, at least 2 should"
        second = subprocess.Popen([program, "1000"])
        await until("two are", lambda: ear.about("web")[-1] == (True, 0))
        first.kill()  # and not waited for: a zombie has its name still
        await until("one is gone", lambda: ear.about("web")[-1] == (False, 0))
        await tracks.close()
        for child in (first, second):
            child.kill()
            child.wait()

    uvloop.run(work())


def test_an_end_is_told_at_once_and_an_exec_is_seen(program: str) -> None:
    """With an hour between two looks only the pidfd can have told."""
    name = os.path.basename(program)
    counts: list[int] = []

    async def work() -> None:
        watch = ProcessWatch(lambda _, number: counts.append(number), look=HOUR)
        watch.follow([proc("web", name)])
        child = subprocess.Popen(["/bin/sh", "-c", f"read x; exec {program} 1000"], stdin=subprocess.PIPE)
        watch.look()
        assert counts == [0], "it is a shell as yet"
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()
        comm = Path(f"/proc/{child.pid}/comm")
        await until("it is the program now", lambda: comm.read_text().strip() == name)
        watch.look()
        assert counts[-1] == 1
        child.kill()
        await until("its end", lambda: counts[-1] == 0)
        watch.close()
        child.wait()

    uvloop.run(work())


def test_too_many_are_a_fault_as_well() -> None:
    said: list[bool] = []

    async def work() -> None:
        quorum = Quorum(proc("web", quorum=1, quorum_max=2), lambda good, _: said.append(good))
        for number in (0, 1, 2, 3, 2, 0):
            quorum.count(number)

    uvloop.run(work())
    assert said == [False, True, False, True, False]


def test_a_change_must_last() -> None:
    said: list[bool] = []

    async def work() -> None:
        delays = {"terminate_delay": SECOND // 50, "fork_delay": 3600 * SECOND}
        quorum = Quorum(proc("web", quorum=1, **delays), lambda good, _: said.append(good))
        quorum.count(1)
        assert said == [True], "what is found at first counts at once"
        quorum.count(0)
        quorum.count(1)
        quorum.count(0)
        assert said == [True]
        await until("it lasted", lambda: said == [True, False])
        quorum.count(1)
        assert said == [True, False], "an hour has not passed"
        quorum.close()

    uvloop.run(work())
