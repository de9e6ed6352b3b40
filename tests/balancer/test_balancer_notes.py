"""Where the balancer's notes go besides the history: a file, and syslog."""

from __future__ import annotations

import io
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from understudy.balance import PoolNote
from understudy.balancer.notes import Notes

DOWN = PoolNote("10.0.0.2:80 is down", "warning", "web", "10.0.0.2:80")


def test_a_note_goes_to_the_file_and_to_the_facility_that_are_named(tmp_path: Path) -> None:
    log_socket, log_file = tmp_path / "socket", tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon, ThreadPoolExecutor(1) as writer:
        daemon.bind(str(log_socket))
        daemon.settimeout(20)
        notes = Notes(io.StringIO(), writer, str(log_socket))
        notes.log_facility = "local3"
        notes.add(DOWN)
        assert daemon.recv(1000).decode().startswith("<156>"), "local3.warning"
        notes.log_facility, notes.log_file = "", str(log_file)
        notes.add(DOWN)
        writer.shutdown()
        daemon.setblocking(False)
        with pytest.raises(BlockingIOError):
            daemon.recv(1000)
    assert log_file.read_text().endswith("] 10.0.0.2:80 is down\n")
