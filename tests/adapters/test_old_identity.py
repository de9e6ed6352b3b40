"""hb_uuid and hb_generation: the formats of Heartbeat 3, and a generation that grows with every start."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.adapters.old_identity import OldIdentity, read_identity
from understudy.errors import UnderstudyError

NOW = 1_700_000_000


def read(folder: Path, by_time: bool = False) -> OldIdentity:
    return read_identity(str(folder), lambda: NOW, by_time)


def test_the_first_start_makes_both_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "heartbeat"
    first = read(folder)
    assert (folder / "hb_uuid").read_bytes() == first.uuid
    assert len(first.uuid) == 16
    assert first.uuid[6] >> 4 == 4, "version 4: random"
    assert first.generation == NOW + 1
    assert (folder / "hb_generation").read_bytes() == b"     1700000001\n"
    assert len(first.notes) == 2
    assert "this node has a new UUID" in first.notes[0]


def test_every_start_counts_up_and_the_uuid_stays(tmp_path: Path) -> None:
    first, second, third = read(tmp_path), read(tmp_path), read(tmp_path)
    assert [item.generation - first.generation for item in (first, second, third)] == [0, 1, 2]
    assert first.uuid == second.uuid == third.uuid
    assert second.notes == ()


def test_the_files_of_a_real_heartbeat_go_on(tmp_path: Path) -> None:
    uuid = bytes(range(16))
    (tmp_path / "hb_uuid").write_bytes(uuid)
    (tmp_path / "hb_generation").write_bytes(b"     1795219368\n")
    found = read(tmp_path)
    assert found == OldIdentity(uuid, 1_795_219_369)
    assert (tmp_path / "hb_generation").read_bytes() == b"     1795219369\n"


def test_by_time_nothing_is_kept(tmp_path: Path) -> None:
    assert read(tmp_path, by_time=True).generation == NOW
    assert not (tmp_path / "hb_generation").exists()
    assert (tmp_path / "hb_uuid").exists()


@pytest.mark.parametrize("content", [b"", b"x\n", b"-5\n", b"12 13\n", b"9999999999999999\n", b"999999999999999\n"])
def test_a_generation_that_cannot_be_read_is_not_guessed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "hb_generation"
    path.write_bytes(content)
    with pytest.raises(UnderstudyError, match="is no generation") as raised:
        read(tmp_path)
    assert raised.value.hint.startswith("Remove it")
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"short", b"longer than sixteen bytes", bytes(16)])
def test_what_is_no_uuid_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hb_uuid").write_bytes(content)
    found = read(tmp_path)
    assert (tmp_path / "hb_uuid").read_bytes() == found.uuid != content
    assert "does not hold 16 bytes" in found.notes[0]


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnderstudyError, match=str(tmp_path / "file")):
        read(tmp_path / "file")
