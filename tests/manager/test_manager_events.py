"""The history as a stream: what was, what comes, and clients that go, read nothing or are too many."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manager_helpers import PATIENCE, FakePulse, RunningManager, ask, until

from understudy.effects import Level
from understudy.manager.entry import Entry
from understudy.manager.event_stream import MOST_STREAMS
from understudy.manager.history import KEPT, History


@contextmanager
def following(manager: RunningManager, lines: int = 0) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(PATIENCE)
    connection.sock.connect(str(manager.runtime_dir / "control.sock"))
    connection.request("GET", f"/v1/events?lines={lines}")
    response = connection.getresponse()
    try:
        yield response
    finally:
        response.close()
        connection.close()


def line(response: http.client.HTTPResponse) -> Any:
    return json.loads(response.readline())


def note(manager: RunningManager, text: str) -> None:
    manager.manager.say(Level.INFO, text, "site")


def streams(manager: RunningManager) -> int:
    return len(manager.manager.control.events._news)


def test_first_what_was_then_what_comes(pulse: FakePulse, manager: RunningManager) -> None:
    note(manager, "one")
    note(manager, "two")
    with following(manager, 1) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-ndjson"
        found = line(response)
        assert (found["text"], found["group"], found["node"], found["level"]) == ("two", "site", "a", "info")
        note(manager, "three")
        note(manager, "four")
        assert [line(response)["text"], line(response)["text"]] == ["three", "four"]


def test_a_young_history_has_left_nothing_out(pulse: FakePulse, manager: RunningManager) -> None:
    note(manager, "one")
    with following(manager, 2000) as response:
        while (text := line(response)["text"]) != "one":
            assert "left out" not in text


def test_what_happened_while_nobody_wrote_is_not_repeated(pulse: FakePulse, manager: RunningManager) -> None:
    note(manager, "before")
    with following(manager) as response:
        until(lambda: streams(manager) == 1, "the stream stands")
        note(manager, "after")
        assert line(response)["text"] == "after"


def test_too_many_streams_are_refused_and_places_come_free(pulse: FakePulse, manager: RunningManager) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(MOST_STREAMS):
            assert stack.enter_context(following(manager)).status == 200
        until(lambda: streams(manager) == MOST_STREAMS, "all stand")
        status, answer = ask(manager.runtime_dir, "GET", "/v1/events")
        assert (status, answer["ok"]) == (429, False)
        assert ask(manager.runtime_dir, "GET", "/v1/status")[0] == 200
    until(lambda: streams(manager) == 0, "those that hung up are forgotten")


def test_the_end_of_the_manager_ends_the_stream_in_order(pulse: FakePulse, manager: RunningManager) -> None:
    with following(manager) as response:
        until(lambda: streams(manager) == 1, "the stream stands")
        manager._loop.call_soon_threadsafe(manager.manager.control.events.stop)
        assert response.read() == b""  # a stream that was cut would raise IncompleteRead


def test_a_reader_that_is_too_slow_is_told_what_it_missed(tmp_path: Path) -> None:
    history = History(str(tmp_path / "history.jsonl"), None)
    try:
        for number in range(KEPT + 500):
            history.add(Entry(0, Level.INFO, str(number)))
        entries, newest, missed = history.after(100)
        assert (len(entries), newest, missed) == (KEPT, KEPT + 500, 400)
        assert (entries[0]["text"], entries[-1]["text"]) == ("500", str(KEPT + 499))
        assert history.after(newest) == ([], newest, 0)
        assert [entry["text"] for entry in history.after(newest - 2)[0]] == [str(KEPT + 498), str(KEPT + 499)]
    finally:
        history.close()


def test_entries_of_many_threads_all_arrive_once(pulse: FakePulse, manager: RunningManager) -> None:
    with following(manager) as response:
        until(lambda: streams(manager) == 1, "the stream stands")
        threads = [
            threading.Thread(target=lambda t=t: [note(manager, f"{t}.{n}") for n in range(50)]) for t in range(4)
        ]
        for thread in threads:
            thread.start()
        found = [line(response)["text"] for _ in range(200)]
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(f"{t}.{n}" for t in range(4) for n in range(50))
    for t in range(4):
        mine = [text for text in found if text.startswith(f"{t}.")]
        assert mine == [f"{t}.{n}" for n in range(50)]
