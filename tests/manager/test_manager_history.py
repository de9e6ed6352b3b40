"""The history: on disk, bounded, and never in anybody's way."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import pytest
from manager_helpers import until

from understudy.effects import Level
from understudy.logline import wall_text
from understudy.manager.entry import Entry
from understudy.manager.history import LARGEST, History
from understudy.units import SECOND


def entry(text: str, level: Level = Level.INFO, group: str = "") -> Entry:
    return Entry(1_700_000_000_123_456_789, level, text, group, "a")


def test_wall_text() -> None:
    assert wall_text(1_700_000_000_123_999_999) == "2023-11-14T22:13:20.123Z"


def test_entries_are_on_disk_and_recalled(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = History(str(path), None)
    history.add(entry("first"))
    history.add(entry("second, with ümläuts\nand a line break"))
    history.close()
    lines = path.read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["first", "second, with ümläuts\nand a line break"]
    with path.open("a") as file:
        file.write("garbage\n[]\n" + '{"half": ')
    again = History(str(path), None)
    assert [item["text"] for item in again.last(10)] == ["first", "second, with ümläuts\nand a line break"]
    assert [item["text"] for item in again.last(1)] == ["second, with ümläuts\nand a line break"]
    again.close()


def test_lines_for_the_journal(tmp_path: Path) -> None:
    stream = io.StringIO()
    history = History(str(tmp_path / "history.jsonl"), stream)
    history.add(entry("plain"))
    history.add(entry("doubtful", Level.WARNING, "site"))
    history.add(entry("wrong", Level.ERROR))
    history.close()
    assert stream.getvalue() == "<6>plain\n<4>[site] doubtful\n<3>wrong\n"


class BrokenStream(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_stream_that_breaks_is_given_up(tmp_path: Path) -> None:
    history = History(str(tmp_path / "history.jsonl"), BrokenStream())
    history.add(entry("one"))
    history.add(entry("two"))
    history.close()
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2


def test_the_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"x" * LARGEST + b"\n")
    history = History(str(path), None)
    history.add(entry("one too many"))
    history.add(entry("a new file"))
    history.close()
    assert (tmp_path / "history.jsonl.1").stat().st_size > LARGEST
    assert path.read_text().count("\n") == 1


def test_what_cannot_be_written_is_counted_and_said(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    history = History(str(directory / "history.jsonl"), None)
    history.add(entry("one"))
    history.add(entry("two"))
    until(lambda: any("2 entries are missing" in text for text in history.warnings()), "both are counted")
    assert "No such file or directory" in history.warnings()[0]
    assert [item["text"] for item in history.last(5)] == ["one", "two"]
    directory.mkdir()
    history.add(entry("three"))
    until(
        lambda: history.warnings() == ("2 history entries are not on disk: it was too slow or full",), "it works again"
    )
    history.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").symlink_to("/dev/full")
    history = History(str(tmp_path / "history.jsonl"), None)
    history.add(entry("one"))
    until(lambda: any("No space left on device" in text for text in history.warnings()), "it is said")
    history.close()


def test_a_hung_disk_makes_nobody_wait(tmp_path: Path) -> None:
    free = threading.Event()
    history = History(str(tmp_path / "history.jsonl"), None)
    history.later(lambda: free.wait(30) and None)
    for number in range(6000):
        history.add(entry(str(number)))
    assert len(history.last(2000)) == 2000
    assert any("too slow or full" in text for text in history.warnings())
    free.set()
    history.close(10)
    assert (tmp_path / "history.jsonl").exists()


def test_the_order_is_that_of_events_and_a_clock_that_was_set_is_marked(tmp_path: Path) -> None:
    clocks = [(1000 * SECOND, 50 * SECOND)]
    history = History(str(tmp_path / "history.jsonl"), None, lambda: clocks[0])
    history.add(Entry(1000 * SECOND, Level.INFO, "before"))
    clocks[0] = (1000 * SECOND + 10_900_000_000, 60 * SECOND)
    history.look_at_clock("a")
    clocks[0] = (400 * SECOND, 61 * SECOND)
    history.add(Entry(400 * SECOND, Level.INFO, "after"))
    clocks[0] = (403 * SECOND, 62 * SECOND)
    history.look_at_clock("a")
    told = [
        "before",
        "the clock of this machine was set back by 611.9 s; times before this line are by the old one",
        "after",
        "the clock of this machine was set forward by 2.0 s; times before this line are by the old one",
    ]
    assert [item["text"] for item in history.last(10)] == told, "0.9 s in ten are no step"
    assert [item["text"] for item in history.last(2)] == told[2:]
    history.close()
    again = History(str(tmp_path / "history.jsonl"), None)
    assert [item["text"] for item in again.last(10)] == told
    again.close()
