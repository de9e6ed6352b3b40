"""Files that are read beside the loop: whatever reading them comes to, the loop gets an answer, once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from understudy.model import Cluster, Link, Member, Quorum, Role
from understudy.pulse import keys
from understudy.pulse.reading import NAME, Reading
from understudy.pulse.reload import Reloader
from understudy.units import SECOND


def ended() -> None:
    """Wait for the threads that read."""
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join(10)


def taken(reading: Reading[str]) -> str | None:
    """After the thread has ended."""
    ended()
    return reading.take()


class Manager:
    def __init__(self) -> None:
        self.answers: list[tuple[object, bool, str]] = []

    def reloaded(self, id: object, ok: bool, text: str) -> None:
        self.answers.append((id, ok, text))

    def keys(self, id: object, ok: bool, text: str, _: tuple[str, ...]) -> None:
        self.answers.append((id, ok, text))


class Performer:
    busy = False


def bad(_: object = None) -> str:
    raise KeyError("group")


def test_what_was_read_is_taken_once() -> None:
    reading = Reading(lambda: "found", str)
    assert reading.begin()
    assert taken(reading) == "found"
    assert not reading.busy
    assert reading.take() is None


@pytest.mark.parametrize("error", [ValueError("nonsense"), RecursionError("too deep"), MemoryError()])
def test_a_bug_in_reading_is_a_refusal_that_names_it(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> str:
        raise error

    reading = Reading(read, lambda text: f"refused: {text}")
    assert reading.begin()
    found = taken(reading)
    assert found is not None
    assert found.startswith(f"refused: a bug of Understudy's: {type(error).__name__}")
    assert "test_reading.py:" in found
    assert not reading.busy
    assert reading.begin(), "another one can be read"
    taken(reading)
    assert "Traceback" not in capsys.readouterr().err


def test_a_reload_that_ends_so_is_refused_and_the_next_one_is_read(tmp_path: Path) -> None:
    cluster = Cluster(
        "pair", "", SECOND, SECOND, Quorum.PAIR, (Member("ha01", Role.NODE, (Link("eth0", "192.0.2.1"),)),), ()
    )
    reloader = Reloader(cluster, None, "ha01", str(tmp_path), None, lambda cluster: cluster)  # type: ignore[arg-type]
    reloader._read_copy = bad  # type: ignore[assignment]
    manager = Manager()
    for id in (7, 8):
        reloader.begin(id, manager)  # type: ignore[arg-type]
        ended()
        assert reloader.take(Performer(), manager) is None  # type: ignore[arg-type]
        assert not reloader.busy
    assert [(id, ok) for id, ok, _ in manager.answers] == [(7, False), (8, False)]
    assert all("KeyError: 'group'" in text for _, _, text in manager.answers)


def test_keys_that_cannot_be_read_for_a_bug_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "read_key_file", bad)
    rekeyer = keys.Rekeyer(str(tmp_path / "key"), (), None, None)  # type: ignore[arg-type]
    manager = Manager()
    rekeyer.begin(7, True, manager)  # type: ignore[arg-type]
    ended()
    rekeyer.take(manager)  # type: ignore[arg-type]
    assert not rekeyer.busy
    assert [(id, ok) for id, ok, _ in manager.answers] == [(7, False)]
    assert "KeyError" in manager.answers[0][2]
