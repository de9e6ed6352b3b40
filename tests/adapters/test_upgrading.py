"""The files by which a node goes over to the native protocol: whatever is interrupted, one whole configuration counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.adapters import running, upgrading
from understudy.adapters.upgrading import Record


@pytest.fixture
def place(tmp_path: Path) -> Path:
    running.keep(str(tmp_path), "the old one", "", "/etc/ha.d")
    upgrading.prepare(str(tmp_path), "the native one", "the key", "/etc/understudy/cluster.toml")
    return tmp_path


def texts(place: Path) -> tuple[str, str, str]:
    return tuple((place / name).read_text() for name in ("running.toml", "running.key", "running.source"))  # type: ignore[return-value]


def test_over_and_back_and_over_for_good(place: Path) -> None:
    assert upgrading.is_prepared(str(place))
    assert [upgrading.is_prepared(str(place), key) for key in ("the key", "another")] == [True, False]
    upgrading.go_over(str(place))
    native = ("the native one", "the key", "/etc/understudy/cluster.toml")
    assert (texts(place), upgrading.in_trial(str(place))) == (native, True)
    assert (place / "running.key").stat().st_mode & 0o777 == 0o600
    upgrading.go_back(str(place))
    assert (texts(place)[0], texts(place)[2], upgrading.in_trial(str(place))) == ("the old one", "/etc/ha.d", False)
    upgrading.go_over(str(place))
    upgrading.end_trial(str(place))
    upgrading.forget(str(place))
    assert (texts(place), upgrading.in_trial(str(place))) == (native, False)
    assert sorted(item.name for item in place.iterdir()) == ["running.key", "running.source", "running.toml"]


@pytest.mark.parametrize("missing", ["next.key", "next.source", "next.toml"])
def test_what_was_broken_off_in_the_middle_goes_back(place: Path, missing: str) -> None:
    (place / missing).unlink()
    with pytest.raises(OSError, match=missing):
        upgrading.go_over(str(place))
    assert upgrading.in_trial(str(place)), "whoever starts now knows that it is not done"
    upgrading.go_back(str(place))
    assert (texts(place)[0], texts(place)[2], upgrading.in_trial(str(place))) == ("the old one", "/etc/ha.d", False)


def test_the_record_outlives_the_power(tmp_path: Path) -> None:
    assert upgrading.read_record(str(tmp_path)) is None
    record = Record(upgrading.PREPARED, "/etc/ha.d", "/etc/understudy/cluster.toml", "abc", 5)
    upgrading.write_record(str(tmp_path), record)
    assert upgrading.read_record(str(tmp_path)) == record
    for nonsense in (
        "",
        "[]",
        '{"state": "native"}',
        "{",
        '{"state": "x", "folder": "", "config": "", "digest": "", "at": 0}',
    ):
        (tmp_path / upgrading.RECORD).write_text(nonsense)
        assert upgrading.read_record(str(tmp_path)) is None
    upgrading.forget_record(str(tmp_path))
    upgrading.forget_record(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_start_with_fresh_copies_is_no_trial(place: Path) -> None:
    """The daemon was stopped in the middle of its trial: what it begins with now counts, whichever it is."""
    upgrading.go_over(str(place))
    upgrading.begin_afresh(str(place))
    running.keep(str(place), "chosen now", "", "/etc/ha.d")
    assert not upgrading.in_trial(str(place))
    assert sorted(item.name for item in place.iterdir()) == ["running.key", "running.source", "running.toml"]


def test_what_ran_before_a_reload_of_the_old_files_is_not_taken_over(place: Path) -> None:
    """Under the native protocol it would be read as what is to be stopped, and would refuse every reload."""
    running.begin_change(str(place))
    upgrading.go_over(str(place))
    assert not Path(running.former(str(place))).exists()
