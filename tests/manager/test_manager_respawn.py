"""Programs of ``respawn`` and ``failfast``: real processes, started again, left alone, given up, found by the next manager."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from open_folder import open_to_all
from understudy.effects import Level
from understudy.heartbeat_files import Respawn
from understudy.manager.old_pair import active
from understudy.manager.respawn import LEAVE_ALONE, MOST_SHORT_LIVES, Pace, Respawns
from understudy.units import MILLISECOND, SECOND

ME = pwd.getpwuid(os.geteuid()).pw_name
SOON = Pace(SECOND, 5 * MILLISECOND)


async def at_once() -> None:
    """The node is active."""


class Desk:
    """Programs, with what was said of them."""

    def __init__(self, folder: Path, *programs: Respawn, pace: Pace = SOON) -> None:
        self.folder = folder
        self.said: list[tuple[Level, str]] = []
        self.marker = folder / "rebooted"
        environment = {"HA_CURHOST": "ha01", "HA_COLOUR": "green"}
        reboot = ("/usr/bin/touch", str(self.marker))
        self.respawns = Respawns(
            programs, str(folder / "records"), environment, lambda *said: self.said.append(said), pace, reboot
        )

    def told(self, text: str) -> bool:
        return any(text in said for _, said in self.said)


def script(folder: Path, text: str, name: str = "program") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho $$ >> {folder}/{name}.lives\n{text}\n")
    path.chmod(0o755)
    folder.chmod(0o755)
    return str(path)


def lives(folder: Path, name: str = "program") -> list[int]:
    path = folder / f"{name}.lives"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def until(what: str, happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.005)


def play(desk: Desk, *steps: Callable[[], bool], stop: bool = True) -> None:
    """Run them until each step has come true, one after the other; then stop them, or die as a manager dies."""

    async def work() -> None:
        running = asyncio.ensure_future(desk.respawns.run(at_once))
        for number, step in enumerate(steps):
            await until(f"step {number}: {desk.said}", step)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if stop:
            await desk.respawns.stop()

    uvloop.run(work())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_what_ends_is_started_again_and_at_the_end_stopped(tmp_path: Path) -> None:
    path = script(tmp_path, f'echo "$HA_CURHOST $HA_COLOUR $USER $@" > {tmp_path}/told; exec sleep 100')
    desk = Desk(tmp_path, Respawn(ME, path, ('"one', 'word"', "$HA_COLOUR")))

    def killed() -> bool:
        os.kill(lives(tmp_path)[0], signal.SIGKILL)
        return True

    play(desk, lambda: bool(lives(tmp_path)), killed, lambda: len(lives(tmp_path)) == 2)
    assert desk.told("ended (signal SIGKILL) and is started again")
    assert (tmp_path / "told").read_text() == f"ha01 green {ME} one word green\n", "a shell reads its line, as before"
    assert not any(map(alive, lives(tmp_path)))
    assert list((tmp_path / "records").iterdir()) == []


def test_exit_100_wishes_to_be_left_alone_by_the_next_manager_too(tmp_path: Path) -> None:
    path = script(tmp_path, f"exit {LEAVE_ALONE}")
    desk = Desk(tmp_path, Respawn(ME, path))
    play(desk, lambda: desk.told("left alone"), stop=False)
    other = Desk(tmp_path, Respawn(ME, path), Respawn(ME, script(tmp_path, "sleep 100", "beside")))
    play(other, lambda: bool(lives(tmp_path, "beside")))
    assert len(lives(tmp_path)) == 1
    after_a_clean_stop = Desk(tmp_path, Respawn(ME, path))
    play(after_a_clean_stop, lambda: after_a_clean_stop.told("left alone"))
    assert len(lives(tmp_path)) == 2


def test_what_ends_at_once_again_and_again_is_given_up(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Respawn(ME, script(tmp_path, "exit 3")))
    play(desk, lambda: desk.told("is given up"))
    assert len(lives(tmp_path)) == MOST_SHORT_LIVES + 1
    assert desk.said[-1] == (
        Level.ERROR,
        f"respawn {tmp_path}/program ended at once {MOST_SHORT_LIVES + 1} times in a row, and is given up: mend it, then "
        "restart the daemon",
    )


def test_a_longer_life_begins_the_count_anew_and_nothing_waits_then(tmp_path: Path) -> None:
    path = script(tmp_path, "exit 3")
    desk = Desk(tmp_path, Respawn(ME, path), pace=Pace(0, 100 * SECOND))
    play(desk, lambda: len(lives(tmp_path)) > 2 * MOST_SHORT_LIVES)


def test_the_next_manager_finds_it_and_starts_no_second_one(tmp_path: Path) -> None:
    program = Respawn(ME, script(tmp_path, "exec sleep 100"))
    play(Desk(tmp_path, program), lambda: bool(lives(tmp_path)), stop=False)
    (first,) = lives(tmp_path)
    assert alive(first)
    desk = Desk(tmp_path, program)

    def killed() -> bool:
        os.kill(first, signal.SIGTERM)
        return True

    play(desk, lambda: desk.told("runs still"), killed, lambda: len(lives(tmp_path)) == 2)
    assert desk.told("unknown exit status: an earlier manager had started it")
    assert not any(map(alive, lives(tmp_path)))


@pytest.mark.parametrize(("ending", "restarts"), [("exit 1", True), ("kill -9 $$", True), ("exit 0", False)])
def test_a_failfast_program_that_ends_badly_restarts_the_machine(ending: str, restarts: bool, tmp_path: Path) -> None:
    desk = Desk(tmp_path, Respawn(ME, script(tmp_path, ending), failfast=True))
    play(desk, lambda: desk.marker.exists() if restarts else desk.told("is given up"))
    assert desk.marker.exists() is restarts
    assert desk.told("this machine is restarted") is restarts
    assert len(lives(tmp_path)) == (1 if restarts else MOST_SHORT_LIVES + 1)


def test_a_program_of_another_user_cannot_do_more_than_that_user(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    open_to_all(tmp_path, 0o777)
    path = tmp_path / "who"
    path.write_text(f"#!/bin/sh\nid -un > {tmp_path}/told; id -G >> {tmp_path}/told; exit {LEAVE_ALONE}\n")
    path.chmod(0o755)
    desk = Desk(tmp_path, Respawn("nobody", str(path)))
    play(desk, lambda: desk.told("left alone"))
    assert (tmp_path / "told").read_text() == f"nobody\n{pwd.getpwnam('nobody').pw_gid}\n"


def test_an_unknown_user_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Respawn("no-such-user", "/bin/true"))
    play(desk, lambda: desk.told("is given up"))
    assert desk.told("respawn /bin/true cannot be started: there is no user no-such-user")


def test_they_start_when_this_node_is_active() -> None:
    answers: Iterator[dict[str, object]] = iter([{}, {"heartbeat": {"nodes": [{"name": "ha01", "status": "up"}]}}])
    asked: list[int] = []

    async def status() -> dict[str, object]:
        asked.append(1)
        return next(answers, {"heartbeat": {"nodes": [{"name": "ha01", "status": "active"}]}})

    uvloop.run(active(status, "ha01"))
    assert len(asked) == 3
