"""Files that are there whole or not at all, and that replace nothing unasked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from understudy.adapters.safe_file import write_file


def test_a_new_file_has_its_content_and_mode(tmp_path: Path) -> None:
    data = os.urandom(300_000)
    previous = os.umask(0o077)
    try:
        write_file(str(tmp_path / "a"), data, 0o644, replace=False)
    finally:
        os.umask(previous)
    assert (tmp_path / "a").read_bytes() == data
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["a"]


def test_what_exists_is_replaced_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_file(str(tmp_path / "a"), b"new", 0o600, replace=False)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]
    write_file(str(tmp_path / "a"), b"new", 0o600, replace=True)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed_when_replacing_and_kept_otherwise(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(FileExistsError):
        write_file(str(tmp_path / "link"), b"x", 0o600, replace=False)
    assert os.listdir(tmp_path) == ["link"]
    write_file(str(tmp_path / "link"), b"x", 0o600, replace=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "a").read_bytes() == b"x"


def test_where_nothing_can_be_written_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_file(str(tmp_path / "nowhere" / "a"), b"x", 0o600, replace=False)
    assert os.listdir(tmp_path) == []
