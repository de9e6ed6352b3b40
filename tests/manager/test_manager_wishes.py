"""What operators ask of all nodes: how it reaches the pulse, and the file that outlives restarts."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager, ask, until

from understudy.core import saved_wishes
from understudy.manager.wishes_file import WishesFile
from understudy.messages import Wish, WishKind
from understudy.pulse.start import wishes_kept

WALL = 1_700_000_000_000
STOPPED = Wish("site", 257, WishKind.STOPPED, "anna at a", "new disks", WALL, sure=False)


def test_what_the_pulse_has_kept_is_there_for_its_next_start(pulse: FakePulse, manager: RunningManager) -> None:
    state_dir = manager.runtime_dir.parent / "state"
    pulse.send({"t": "save_wishes", "text": saved_wishes.written((STOPPED,), WALL)})
    until(lambda: wishes_kept(str(state_dir), WALL) == (STOPPED,), "it is on disk")
    pulse.send({"t": "save_wishes", "text": saved_wishes.written((), WALL)})
    until(lambda: wishes_kept(str(state_dir), WALL) == (), "the newer one replaces it")
    assert not os.path.exists(state_dir / "wishes.json.new")


def test_without_a_file_or_with_a_broken_one_nothing_was_asked(tmp_path: Path) -> None:
    assert wishes_kept(str(tmp_path), WALL) == ()
    (tmp_path / "wishes.json").write_bytes(b"\xff{")
    assert wishes_kept(str(tmp_path), WALL) == ()


def test_a_stop_is_put_to_the_core_with_who_when_and_why(pulse: FakePulse, manager: RunningManager) -> None:
    before = time.time_ns() // 1_000_000
    body = json.dumps({"group": "site", "reason": "new disks"}).encode()
    assert ask(manager.runtime_dir, "POST", "/v1/stop", body)[0] == 200
    packet = pulse.wait_for("admin", verb="stop", group="site", node="", reason="new disks")
    assert packet["by"] == "root" or packet["by"]
    assert before <= packet["wall_clock_ms"] <= time.time_ns() // 1_000_000
    assert ask(manager.runtime_dir, "POST", "/v1/start", b'{"group": "site"}')[0] == 200
    pulse.wait_for("admin", verb="start", group="site", reason="")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"group": "mail"}', b'{"group": "site", "node": "a"}', b'{"group": "site", "reason": 3}']
)
def test_a_stop_that_makes_no_sense_never_reaches_the_core(
    pulse: FakePulse, manager: RunningManager, body: bytes
) -> None:
    assert ask(manager.runtime_dir, "POST", "/v1/stop", body)[0] == 400
    assert not [packet for packet in pulse.received if packet["t"] == "admin"]


def test_an_operator_is_told_when_the_disk_does_not_keep_it(pulse: FakePulse, tmp_path: Path) -> None:
    with a_manager(a_cluster(), tmp_path) as manager:
        until(lambda: pulse.connections, "it connects")
        (tmp_path / "state" / "wishes.json.new").mkdir()
        pulse.on_admin = lambda packet: pulse.tell({"t": "save_wishes", "text": "{}"})
        status, found = ask(manager.runtime_dir, "POST", "/v1/stop", b'{"group": "site"}')
        trouble = f"what operators asked for is not saved (Is a directory: {tmp_path}/state/wishes.json)"
        assert (status, found["text"].split("; but ")[1].split(": if")[0]) == (200, trouble)
        assert any(text.startswith(trouble) for text in ask(manager.runtime_dir, "GET", "/v1/status")[1]["warnings"])
        (tmp_path / "state" / "wishes.json.new").rmdir()


def test_the_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    file = WishesFile(str(tmp_path / "wishes.json"), "a", lambda level, text: None)
    file.want("one")
    file.tried().result(10)
    file.want("two")
    file.close(10)
    assert (tmp_path / "wishes.json").read_text() == "two"
    assert file.warning() is None
