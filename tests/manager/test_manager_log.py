"""How entries are printed: fields to the journal, JSON lines, lines for people; and one event is always one line."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.effects import Level
from understudy.logline import VARIABLE, Form, form, json_line, one_line, text_line
from understudy.manager.entry import Entry
from understudy.manager.log import Log, journal_message, leads_to_journal

AT = 1_700_000_000_123_456_789


def entry(text: str, level: Level = Level.WARNING) -> Entry:
    return Entry(AT, level, text, "site", "ha01")


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[TextIO]:
    """Stands for standard error: a real file with a device and an inode."""
    with (tmp_path / "stderr").open("w+") as file:
        yield file


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A datagram socket where the journal's would be."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as handle:
        handle.bind(path)
        handle.settimeout(10)
        yield path, handle


def environment(stream: TextIO, **more: str) -> dict[str, str]:
    status = os.fstat(stream.fileno())
    return {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}", **more}


def printed(stream: TextIO) -> str:
    stream.seek(0)
    return stream.read()


def test_fields_to_the_journal(stream: TextIO, journal: tuple[str, socket.socket]) -> None:
    path, handle = journal
    Log(stream, environment(stream), path).write(entry("ha02 is lost"))
    assert handle.recv(65536) == (
        b"MESSAGE=[site] ha02 is lost\nPRIORITY=4\nSYSLOG_IDENTIFIER=understudy\n"
        b"UNDERSTUDY_AT=2023-11-14T22:13:20.123Z\nUNDERSTUDY_GROUP=site\nUNDERSTUDY_NODE=ha01\n"
    )
    assert printed(stream) == "", "told twice"


def test_a_value_with_a_line_break_cannot_forge_a_field() -> None:
    data = journal_message({"MESSAGE": "a\nPRIORITY=0", "PRIORITY": "6"})
    assert data == b"MESSAGE\n" + (12).to_bytes(8, "little") + b"a\nPRIORITY=0\nPRIORITY=6\n"


def test_a_journal_that_does_not_take_it_gets_a_line_instead(stream: TextIO, tmp_path: Path) -> None:
    Log(stream, environment(stream), str(tmp_path / "nobody")).write(entry("ha02 is lost"))
    assert printed(stream) == "<4>[site] ha02 is lost\n"


@pytest.mark.parametrize("value", ["", "1:2", "x", "8:1:1"])
def test_only_the_stream_that_systemd_names_leads_to_the_journal(
    stream: TextIO, journal: tuple[str, socket.socket], value: str
) -> None:
    """A daemon started by hand from a session that inherited the variable writes where it was told to."""
    assert leads_to_journal(stream, environment(stream))
    assert not leads_to_journal(stream, {"JOURNAL_STREAM": value})
    assert not leads_to_journal(None, environment(stream))
    Log(stream, {"JOURNAL_STREAM": value}, journal[0]).write(entry("ha02 is lost"))
    assert printed(stream) == "<4>[site] ha02 is lost\n"


def test_json_lines_go_before_the_journal(stream: TextIO, journal: tuple[str, socket.socket]) -> None:
    log = Log(stream, environment(stream, **{VARIABLE: "json"}), journal[0])
    log.write(entry("one\ntwo \x1b[31m ü"))
    log.write(entry("three", Level.ERROR))
    first, second = (json.loads(line) for line in printed(stream).splitlines())
    assert first == {
        "at": "2023-11-14T22:13:20.123Z",
        "level": "warning",
        "process": "manager",
        "text": "one\ntwo \x1b[31m ü",
        "group": "site",
        "node": "ha01",
    }
    assert second["level"] == "error"


def test_the_form_is_what_run_says() -> None:
    assert form({}) is form({VARIABLE: "auto"}) is form({VARIABLE: "xml"}) is Form.TEXT
    assert form({VARIABLE: "json"}) is Form.JSON


@given(st.text())
def test_one_event_is_one_line(text: str) -> None:
    for line in (text_line("info", text), json_line(AT, "info", "pulse", text, text, text)):
        assert line.endswith("\n")
        assert len(line.splitlines()) == 1
        assert all(character.isprintable() for character in line[:-1])
    assert json.loads(json_line(AT, "info", "pulse", text))["text"] == text


def test_line_breaks_stay_readable() -> None:
    assert one_line("a bug of ours\n  File x\n\n    y = 1\tz\n") == "a bug of ours | File x | y = 1 z"


@pytest.mark.parametrize("process", ["supervisor", "pulse"])
def test_the_other_processes_keep_to_the_form(process: str) -> None:
    calls = {
        "supervisor": "from understudy.supervisor.notify import log; log('a\\nb', 'warning')",
        "pulse": "from understudy.pulse.speak import say; say('a\\nb', 'warning')",
    }

    def said(**variables: str) -> str:
        command = [sys.executable, "-c", calls[process]]
        return subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, check=True
        ).stderr

    (line,) = said(**{VARIABLE: "json"}).splitlines()
    found = json.loads(line)
    assert (found["process"], found["level"], found["text"]) == (process, "warning", "a\nb")
    name = "understudy" if process == "supervisor" else "understudy pulse"
    assert said(**{VARIABLE: "auto"}) == f"<4>{name}: a | b\n"


JOURNALD = "/lib/systemd/systemd-journald"
INSIDE = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/log/journal
mount -t tmpfs tmpfs /etc/systemd
printf '[Journal]\\nStorage=volatile\\nAudit=no\\nReadKMsg=no\\n' >/etc/systemd/journald.conf
"$1" & journald=$!
trap 'kill $journald; wait $journald' EXIT
"$2" -c '
import os, sys, tempfile, time
from understudy.effects import Level
from understudy.manager.entry import Entry
from understudy.manager.log import JOURNAL, Log
end = time.monotonic() + 20
while not os.path.exists(JOURNAL) and time.monotonic() < end:
    time.sleep(0.01)
stream = tempfile.TemporaryFile("w+")
status = os.fstat(stream.fileno())
log = Log(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
log.write(Entry(1, Level.ERROR, "first line\\nPRIORITY=7", "site", "ha01"))
log.write(Entry(2, Level.INFO, "of another group", "db", "ha01"))
assert stream.tell() == 0, "fell back to a line"
'
journalctl --sync
journalctl -o json UNDERSTUDY_GROUP=site
"""


@pytest.mark.kernel
def test_a_real_journal_finds_what_concerns_one_group() -> None:
    """systemd-journald in a mount name space of its own, which goes with the last process in it."""
    needed = [JOURNALD, "unshare", "journalctl"]
    absent = [program for program in needed if shutil.which(program) is None]
    if absent or os.geteuid() != 0:
        pytest.skip(f"not here: {', '.join(absent) or 'root'}")
    command: list[Any] = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        "bash",
        "-c",
        INSIDE,
        "bash",
        JOURNALD,
        sys.executable,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = (json.loads(line) for line in done.stdout.splitlines())
    assert found["MESSAGE"] == "[site] first line\nPRIORITY=7"
    assert (found["PRIORITY"], found["UNDERSTUDY_NODE"], found["SYSLOG_IDENTIFIER"]) == ("3", "ha01", "understudy")
