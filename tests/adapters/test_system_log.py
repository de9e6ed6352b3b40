"""Lines for syslog, taken by a socket that stands for its daemon."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from understudy.adapters.system_log import FACILITIES, write
from understudy.config.ldirectord_words import FACILITIES as WORDS


@pytest.mark.parametrize(
    ("facility", "level", "number"),
    [
        ("daemon", "info", 3 * 8 + 6),
        ("local3", "warning", 19 * 8 + 4),
        ("authpriv", "error", 10 * 8 + 3),
        ("security", "info", 4 * 8 + 6),
        ("nonsense", "error", 3 * 8 + 3),
    ],
)
def test_a_line_has_its_facility_and_severity(facility: str, level: str, number: int, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        daemon.settimeout(20)
        assert write(facility, level, "10.0.0.2:80 is down", path)
        line = daemon.recv(1000).decode()
    form = r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d understudy\[(\d+)\]: (.*)"
    found = re.fullmatch(form, line)
    assert found is not None, line
    assert found.groups() == (str(number), str(os.getpid()), "10.0.0.2:80 is down")


def test_nobody_listens(tmp_path: Path) -> None:
    assert not write("daemon", "info", "lost", str(tmp_path / "log"))


def test_every_facility_that_ldirectord_takes_has_a_number() -> None:
    assert set(WORDS) == set(FACILITIES)
