"""The kind ``mount`` against the real kernel, in a mount name space of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_helpers import Stage, play
from mount_room import disk, end, hung_file_system, in_room, needs, reaped, run, sleeper

from understudy.events import Outcome
from understudy.model import KillHolders, MountCheck, MountResource
from understudy.units import MILLISECOND, SECOND

pytestmark = pytest.mark.kernel

OK, NOT_RUNNING, FAILED = Outcome.OK, Outcome.NOT_RUNNING, Outcome.FAILED


@pytest.fixture
def place(tmp_path: Path) -> Path:
    directory = tmp_path / "srv"
    directory.mkdir()
    return directory


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    end(processes)


def tmpfs(place: Path, **words: object) -> MountResource:
    return MountResource("m", "scratch", str(place), "tmpfs", ("size=1m",), exclusive=False, **words)  # type: ignore[arg-type]


def test_life_of_a_mount(tmp_path: Path, place: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place))
        assert await stage.run("monitor") == (NOT_RUNNING, "not mounted")
        assert await stage.run("stop") == (OK, "was not mounted")
        assert await stage.run("start") == (OK, "")
        assert await stage.run("start") == (OK, "was mounted already")
        assert await stage.run("monitor") == (OK, "")
        assert "size=1024k" in run("findmnt", "--noheadings", "--output", "OPTIONS", str(place))
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert not os.path.ismount(place)
        assert await stage.run("stop") == (OK, "was not mounted")

    in_room(lambda: play(scene()))


def test_a_bind_mount_is_known_by_what_it_shows(tmp_path: Path, place: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    (tmp_path / "one" / "file").touch()

    async def scene() -> None:
        stage = Stage(tmp_path, MountResource("m", str(tmp_path / "link"), str(place), "bind", exclusive=False))
        other = Stage(tmp_path, MountResource("m", str(tmp_path / "two"), str(place), "bind", exclusive=False))
        assert await stage.run("start") == (OK, "")
        assert (place / "file").exists()
        assert await stage.again().run("monitor") == (OK, "")
        assert (await other.run("monitor"))[0] is NOT_RUNNING
        outcome, text = await other.run("start")
        assert outcome is FAILED
        assert text.startswith(f"something else is mounted at {place}: ")
        assert await other.outcome("stop") == "ok"
        assert (place / "file").exists(), "what another mounted was unmounted"
        assert await stage.outcome("stop") == "ok"
        assert not (place / "file").exists()

    in_room(lambda: play(scene()))


def test_what_mount_says_is_told(tmp_path: Path, place: Path) -> None:
    async def scene() -> None:
        outcome, text = await Stage(tmp_path, MountResource("m", "/dev/nosuch", str(place), "ext4")).run("start")
        assert outcome is FAILED
        assert "/dev/nosuch" in text
        missing = MountResource("m", "x", str(place / "no"), "tmpfs")
        assert "mount point does not exist" in (await Stage(tmp_path, missing).run("start"))[1]

    in_room(lambda: play(scene()))


def test_a_link_on_the_way_to_the_directory(tmp_path: Path, place: Path) -> None:
    (tmp_path / "way").symlink_to(place)
    (place / "in").mkdir()

    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(tmp_path / "way" / "in"))
        assert await stage.run("start") == (OK, "")
        assert await stage.run("monitor") == (OK, "")
        assert await stage.run("stop") == (OK, "")
        assert not os.path.ismount(place / "in")

    in_room(lambda: play(scene()))


def test_holders_are_named_and_spared(tmp_path: Path, place: Path, started: list[subprocess.Popen[bytes]]) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place, kill_holders=KillHolders.NEVER))
        await stage.run("start")
        (place / "file").touch()
        started.append(sleeper(place))
        with open(place / "file") as file:
            reader = subprocess.Popen(["sleep", "1000"], stdin=file, cwd="/")
        started.append(reader)
        outcome, text = await stage.run("stop")
        assert outcome is FAILED
        assert text.startswith(f"{place} is still mounted: held by ")
        assert f"{started[0].pid} bash (works in {place})" in text
        assert f"{reader.pid} sleep (has {place}/file open)" in text
        assert started[0].poll() is None
        assert reader.poll() is None
        assert await stage.outcome("monitor") == "ok"

    in_room(lambda: play(scene()))


def test_who_does_not_heed_sigterm_is_killed(
    tmp_path: Path, place: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place))
        await stage.run("start")
        started.append(sleeper(place))
        started.append(sleeper(place, ignores="TERM"))
        outcome, text = await stage.run("stop", limit=9 * SECOND)
        assert outcome is OK
        assert text.startswith(f"SIGTERM to {min(p.pid for p in started)} bash (works in {place})")
        assert f"SIGKILL to {started[1].pid} bash" in text
        assert await reaped(started[0]) == -signal.SIGTERM
        assert await reaped(started[1]) == -signal.SIGKILL
        assert not os.path.ismount(place)

    in_room(lambda: play(scene()))


def test_sigterm_alone_when_so_configured(tmp_path: Path, place: Path, started: list[subprocess.Popen[bytes]]) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place, kill_holders=KillHolders.TERM))
        await stage.run("start")
        started.append(sleeper(place, ignores="TERM"))
        outcome, text = await stage.run("stop", limit=600 * MILLISECOND)
        assert outcome is FAILED
        assert f"{started[0].pid} bash (works in {place})" in text
        assert started[0].poll() is None
        started.append(sleeper(Path("/")))  # elsewhere: nobody's business
        started[0].kill()
        await reaped(started[0])
        started.append(sleeper(place))
        assert await stage.outcome("stop") == "ok"
        assert started[1].poll() is None

    in_room(lambda: play(scene()))


def test_what_is_mounted_below(tmp_path: Path, place: Path) -> None:
    async def scene() -> None:
        careful = Stage(tmp_path, tmpfs(place, kill_holders=KillHolders.NEVER))
        await careful.run("start")
        (place / "in").mkdir()
        run("mount", "-t", "tmpfs", "inner", str(place / "in"))
        assert f"held by inner, which is mounted at {place}/in" in (await careful.run("stop"))[1]
        assert await Stage(tmp_path, tmpfs(place)).outcome("stop") == "ok"
        assert not os.path.ismount(place)

    in_room(lambda: play(scene()))


def test_something_over_ours(tmp_path: Path, place: Path) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place))
        await stage.run("start")
        run("mount", "-t", "tmpfs", "cover", str(place))
        covered = f"something else is mounted at {place}: cover (tmpfs), over ours"
        assert await stage.run("monitor") == (FAILED, covered)
        assert await stage.run("stop") == (FAILED, f"{covered}: unmount that first")
        run("umount", str(place))
        assert await stage.outcome("stop") == "ok"

    in_room(lambda: play(scene()))


def test_a_disk(tmp_path: Path, place: Path, started: list[subprocess.Popen[bytes]]) -> None:
    needs("mkfs.ext4", "losetup", "fsck", "unshare")
    device = disk(tmp_path / "image")
    link = tmp_path / "link-to-the-disk"
    link.symlink_to(device)

    async def scene() -> None:
        read = MountResource("m", device, str(place), "ext4", fsck=True, check=MountCheck.READ)
        write = MountResource("m", str(link), str(place), "ext4", check=MountCheck.WRITE)
        stage = Stage(tmp_path, read)
        assert await stage.run("start") == (OK, "")
        assert await stage.run("monitor") == (OK, "")
        writer = Stage(tmp_path, write)
        assert await writer.run("monitor") == (OK, "")
        assert (place / ".understudy-check").stat().st_size == 4096
        assert await Stage(tmp_path, write).run("start") == (OK, "was mounted already")
        run("mount", "-o", "remount,ro", str(place))
        outcome, text = await stage.run("monitor")
        assert outcome is FAILED
        assert text.startswith(f"{place} is mounted read-only: ")
        run("mount", "-o", "remount,rw", str(place))
        (tmp_path / "also").mkdir()
        run("mount", device, str(tmp_path / "also"))
        text = f"no longer mounted at {place}, but the same is mounted at {tmp_path}/also"
        assert await stage.run("stop") == (FAILED, text)
        run("umount", str(tmp_path / "also"))
        assert await stage.run("start") == (OK, "")
        started.append(hermit())
        outcome, text = await stage.run("stop")
        assert outcome is FAILED
        holder = f"process {started[0].pid} (sleep) has it at {place} in a mount name space of its own"
        assert text == f"no longer mounted at {place}, but {holder}"
        assert await stage.again().outcome("stop") == "failed", "the next manager must not forget it"
        started[0].kill()
        await reaped(started[0])
        assert await stage.outcome("stop") == "ok"

    try:
        in_room(lambda: play(scene()))
    finally:
        run("losetup", "--detach", device)


def test_who_works_in_the_same_place_of_another_name_space_is_spared(
    tmp_path: Path, place: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place))
        await stage.run("start")
        started.append(hermit(place))
        started.append(sleeper(place))
        outcome, text = await stage.run("stop")
        assert (outcome, text) == (OK, f"SIGTERM to {started[1].pid} bash (works in {place})")
        assert started[0].poll() is None

    in_room(lambda: play(scene()))


def hermit(directory: Path = Path("/")) -> subprocess.Popen[bytes]:
    """A process in a mount name space of its own, with copies of all mounts that there are."""
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep 1000"]
    process = subprocess.Popen(words, cwd=directory, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
        pass
    return process


def test_a_label_that_only_mount_can_find(tmp_path: Path, place: Path) -> None:
    """Without udev's links nothing says which disk a label means, but our own mount."""
    needs("mkfs.ext4", "losetup", "e2label")
    device = disk(tmp_path / "image")
    label = f"us{os.getpid()}"
    run("e2label", device, label)

    async def scene() -> None:
        stage = Stage(tmp_path, MountResource("m", f"LABEL={label}", str(place), "ext4", fsck=True))
        assert await stage.run("start") == (OK, "")
        assert await stage.again().run("monitor") == (OK, "")
        assert await stage.again().run("start") == (OK, "was mounted already")
        assert await stage.again().run("stop") == (OK, "")
        assert not os.path.ismount(place)
        assert list((tmp_path / "notes").iterdir()) == []

    try:
        in_room(lambda: play(scene()))
    finally:
        run("losetup", "--detach", device)


def test_a_broken_disk_wants_a_human(tmp_path: Path, place: Path) -> None:
    needs("mkfs.ext4", "losetup", "fsck", "debugfs")
    device = disk(tmp_path / "image")
    for words in ("clri <2>", "set_super_value state 2"):  # the root directory; a mark that errors were seen
        run("debugfs", "-w", "-R", words, device)

    async def scene() -> None:
        stage = Stage(tmp_path, MountResource("m", device, str(place), "ext4", fsck=True))
        outcome, text = await stage.run("start")
        assert outcome is FAILED
        assert text.startswith("the file system needs a human: fsck: ")
        assert not os.path.ismount(place)

    try:
        in_room(lambda: play(scene()))
    finally:
        run("losetup", "--detach", device)


def test_a_server_that_never_answers(tmp_path: Path, place: Path) -> None:
    """The monitor ends at its limit and says so; the stop does not wait for the server."""

    async def scene() -> None:
        server = hung_file_system(place)
        try:
            plain = MountResource("m", "hung", str(place), "fuse")
            assert await Stage(tmp_path, plain).run("monitor") == (OK, "")
            asking = Stage(tmp_path, MountResource("m", "hung", str(place), "fuse", check=MountCheck.READ))
            outcome, text = await asking.run("monitor", limit=300 * MILLISECOND)
            assert outcome is FAILED
            assert text.startswith("reading does not end, so the disk or the server hangs: killed: not done after ")
            assert await asking.run("stop") == (OK, "")
            assert not os.path.ismount(place)
        finally:
            os.close(server)

    in_room(lambda: play(scene()))


def test_the_manager_itself_is_no_victim(tmp_path: Path, place: Path) -> None:
    """It has a file open there: named, not killed."""

    async def scene() -> None:
        stage = Stage(tmp_path, tmpfs(place))
        await stage.run("start")
        with open(place / "file", "w"):
            outcome, text = await stage.run("stop", limit=500 * MILLISECOND)
        assert outcome is FAILED
        assert f"{os.getpid()} " in text
        assert f"(has {place}/file open)" in text
        assert await stage.outcome("stop") == "ok"

    in_room(lambda: play(scene()))
