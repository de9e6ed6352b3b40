"""What a pulse that ends by our own bug leaves behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pulse_parts import Rig

from understudy.effects import Effect
from understudy.errors import InternalError
from understudy.events import (
    AddressGone,
    Event,
)


def test_crashes_keep_the_newest_files_and_need_no_room(
    parts: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "files"
    directory.mkdir()
    for age in range(5):
        old = directory / f"pulse-crash-{age}.jsonl"
        old.touch()
        os.utime(old, (1000 - age, 1000 - age))

    def answers(event: Event) -> list[Effect]:
        raise InternalError("impossible")

    parts.core.answers = answers
    assert parts.loop.run(AddressGone("192.0.2.1"), str(directory / "pulse-crash-99.jsonl")) == 70
    assert sorted(item.name for item in directory.iterdir()) == [f"pulse-crash-{n}.jsonl" for n in (0, 1, 99)]
    full = directory / "pulse-crash-7.jsonl"
    full.symlink_to("/dev/full")
    capsys.readouterr()
    assert parts.loop.run(AddressGone("192.0.2.1"), str(full)) == 70
    said = capsys.readouterr().err
    assert f"the recorder is lost: cannot write {full}: No space left on device" in said
    assert "impossible" in said
    assert not full.is_symlink()
