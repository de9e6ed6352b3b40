"""The file that remembers the standby: what is wanted is kept until the disk has it."""

from __future__ import annotations

import threading
from pathlib import Path

from manager_helpers import until

from understudy.effects import Level
from understudy.manager.standby import StandbyFile


class Said(list[tuple[Level, str]]):
    def __call__(self, level: Level, text: str) -> None:
        self.append((level, text))


def test_what_cannot_be_saved_is_tried_again_and_told(tmp_path: Path) -> None:
    directory = tmp_path / "not-mounted-yet"
    said = Said()
    file = StandbyFile(str(directory / "standby"), "a", said, retry=0.01)
    assert file.warning() is None
    file.want(True)
    file.tried().result(10)
    trouble = f"No such file or directory: {directory}/standby"
    warning = f"standby is not saved ({trouble}): after a restart of its daemon a would be online"
    assert file.warning() == warning
    assert said[0] == (Level.ERROR, f"{warning}; trying again")
    directory.mkdir()
    until((directory / "standby").exists, "it is saved after all")
    until(lambda: file.warning() is None, "the warning is gone")
    until(lambda: said[1:] == [(Level.INFO, "standby is saved now")], "it is told once")
    file.close()


def test_the_newest_wish_wins(tmp_path: Path) -> None:
    path = tmp_path / "standby"
    file = StandbyFile(str(path), "a", Said())
    for standby in (True, False, True, False, True):
        file.want(standby)
    file.tried().result(10)
    until(path.exists, "standby")
    file.want(False)
    file.tried().result(10)
    assert not path.exists()
    file.close()


def test_who_no_longer_waits_harms_nobody(tmp_path: Path) -> None:
    busy, said = threading.Event(), Said()
    file = StandbyFile(
        str(tmp_path / "later" / "standby"), "a", lambda level, text: busy.wait(10) and said(level, text)
    )
    file.want(True)
    until(lambda: file.warning() is not None, "it failed")
    file.want(False)
    impatient = file.tried()
    assert impatient.cancel()
    busy.set()
    file.tried().result(10)
    file.close()


def test_a_wish_is_saved_at_the_end(tmp_path: Path) -> None:
    file = StandbyFile(str(tmp_path / "standby"), "a", Said())
    file.want(True)
    file.close(10)
    assert (tmp_path / "standby").exists()


def test_nobody_waits_while_it_is_told(tmp_path: Path) -> None:
    free = threading.Event()
    file = StandbyFile(str(tmp_path / "nowhere" / "standby"), "a", lambda level, text: free.wait(10) and None)
    file.want(True)
    until(lambda: file.warning() is not None, "it failed")
    file.want(False)
    file.want(True)
    free.set()
    file.close()
