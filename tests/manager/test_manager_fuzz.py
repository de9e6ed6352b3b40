"""Thousands of bad requests to a real manager: each is refused with a clear answer, nothing fails, and nothing is moved."""

from __future__ import annotations

import http.client
import io
import json
import logging
import socket
import ssl
from collections.abc import Callable

import pytest
from bad_requests import REFUSED, Request, bad_requests
from manager_helpers import FakePulse, RunningManager, ask

Connect = Callable[[], socket.socket]
A_MOMENT = 0.05
FILLER = b"x" * 70_000


class _Received:
    """What http.client reads an answer from: bytes that are all there."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def exchange(connect: Connect, request: Request) -> tuple[int, dict[str, object]] | None:
    """The first answer to a request, or None when the connection was closed without one.

    A request that may not be whole is given a moment, and then more bytes than any body may have: they end what was begun.
    """
    data = b""
    with connect() as handle:
        patience = handle.gettimeout()
        try:
            handle.sendall(request.data)
            handle.settimeout(patience if request.whole else A_MOMENT)
            while True:
                try:
                    chunk = handle.recv(65536)
                except TimeoutError:
                    assert handle.gettimeout() == A_MOMENT, f"no answer to {request}"
                    handle.settimeout(patience)
                    handle.sendall(FILLER)
                    continue
                data += chunk
                found = parsed(data) if b"\r\n\r\n" in data else None
                if found is not None or not chunk:
                    return found
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            return parsed(data) if data else None  # the server may hang up on what it does not want to read any more


def parsed(data: bytes) -> tuple[int, dict[str, object]] | None:
    """Status and JSON of the first answer in ``data``; None while it is not complete. Anything but JSON fails."""
    response = http.client.HTTPResponse(_Received(data))  # type: ignore[arg-type]
    response.begin()
    try:
        text = response.read()
    except http.client.IncompleteRead:
        return None
    found = json.loads(text)
    assert isinstance(found, dict)
    return response.status, found


def bombard(connect: Connect, requests: list[Request]) -> int:
    """Send all; returns how many got an answer."""
    answered = 0
    for number, request in enumerate(requests):
        found = exchange(connect, request)
        if found is None:
            assert not request.whole or len(request.data) > 8000, (number, request)
            continue
        answered += 1
        status, answer = found
        assert status in REFUSED, (number, request, found)
        assert answer["ok"] is False, (number, request, found)
        assert answer["text"], (number, request, found)
    return answered


def wishes(pulse: FakePulse) -> list[str]:
    """What was asked for that is more than a question. Managers ask each other now and then, whatever is asked here."""
    questions = ({"t": "snapshot"}, {"t": "keys", "take": False})
    asked = [{name: value for name, value in packet.items() if name != "id"} for packet in pulse.received]
    return [packet["t"] for packet in asked if packet not in questions and packet["t"] != "inquire"]


@pytest.mark.parametrize(
    "count", [500, pytest.param(3_000, marks=pytest.mark.slow), pytest.param(10_000, marks=pytest.mark.long)]
)
def test_bad_requests_on_the_control_socket(
    pulse: FakePulse, manager: RunningManager, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    path = str(manager.runtime_dir / "control.sock")

    def connect() -> socket.socket:
        handle = socket.socket(socket.AF_UNIX)
        handle.settimeout(30)
        handle.connect(path)
        return handle

    with caplog.at_level(logging.WARNING):
        answered = bombard(connect, list(bad_requests(count, seed=1)))
    assert answered > count * 3 // 4
    assert wishes(pulse) == []
    assert [record.getMessage() for record in caplog.records] == []
    assert [entry for entry in manager.manager.history.last(2000) if entry["level"] == "error"] == []
    assert ask(manager.runtime_dir, "GET", "/v1/status")[0] == 200
    assert ask(manager.runtime_dir, "POST", "/v1/move", b'{"group": "site", "node": "b"}')[0] == 200
    assert wishes(pulse) == ["admin"]
