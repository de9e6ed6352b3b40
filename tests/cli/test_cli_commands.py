"""The commands, as a person runs them, against a manager whose pulse does as the test says."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager, a_snapshot, ask, until

from understudy.effects import Level


def understudy(manager: RunningManager | Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    directory = manager if isinstance(manager, Path) else manager.runtime_dir
    variables = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(directory), **environment}
    command = [sys.executable, "-m", "understudy.cli.main", *words]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)


def test_the_package_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "understudy", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("understudy ")


def test_status_for_people(manager: RunningManager) -> None:
    done = understudy(manager, "status")
    assert done.returncode == 0, done.stderr
    at = done.stdout.splitlines()[0].rpartition(" ")[2]
    since = next(line for line in done.stdout.splitlines() if "since" in line).split("since ")[1].split(" ")[0]
    assert done.stdout == (
        f"Cluster testing, seen from a at {at}\n"
        "partition with quorum (majority: hears 3 of 3 votes, needs 2)\n"
        "\n"
        "Nodes\n"
        "  a  up       this one\n"
        "  b  up       heard directly: net1 12 ms\n"
        "  w  late     witness, other configuration, heard through b: net1 down –\n"
        "\n"
        "Groups\n"
        f"  site  started on a since {since} (1 min 5 s), lease runs 812 ms more\n"
        "    why: a is first in prefer\n"
        "    sleeper  running  process 4711\n"
        "\n"
        "Warnings\n"
        "  no real-time priority\n"
    )


def test_status_without_quorum_says_so(pulse: FakePulse, manager: RunningManager) -> None:
    assert pulse.snapshot is not None
    quorum = replace(pulse.snapshot.quorum, have=1, quorate=False, text="partition WITHOUT quorum")
    pulse.snapshot = replace(pulse.snapshot, quorum=quorum)
    assert (
        "\npartition WITHOUT quorum (majority: hears 1 of 3 votes, needs 2)\n" in understudy(manager, "status").stdout
    )


def test_status_json_is_the_api(manager: RunningManager) -> None:
    done = understudy(manager, "status", "--json")
    found, expected = json.loads(done.stdout), ask(manager.runtime_dir, "GET", "/v1/status")[1]
    for each in (found, expected):
        del each["at"], each["groups"][0]["since"]
    assert found == expected


def test_a_pulse_that_is_silent_shows_in_status(pulse: FakePulse, manager: RunningManager) -> None:
    understudy(manager, "status")
    pulse.snapshot = None
    assert "the pulse does not answer: it may be frozen" in understudy(manager, "status").stdout


def test_why(manager: RunningManager) -> None:
    first, *rest = understudy(manager, "why", "site").stdout.splitlines()
    assert re.fullmatch(r"site is started on a since \S+Z \(1 min 5 s\): a is first in prefer", first)
    assert rest == [
        "  not on b: a holds it and b is not better placed",
        "  what would move it:",
        "    if a fails: to b",
    ]
    assert understudy(manager, "why").stdout.splitlines()[1:] == rest
    (found,) = json.loads(understudy(manager, "why", "--json").stdout)
    assert found["not_on"] == {"b": "a holds it and b is not better placed"}
    done = understudy(manager, "why", "sitte")
    assert done.returncode == 2
    assert done.stderr == "understudy: there is no group 'sitte'\n    did you mean 'site'?\n"


def test_move_waits_until_the_group_runs_there(pulse: FakePulse, manager: RunningManager) -> None:
    """Refusing to believe the old status: the view changes only after the reply, in two steps."""
    looks: list[str] = []

    def moves(packet: dict[str, Any]) -> None:
        assert (packet["group"], packet["node"]) == ("site", "b")
        looks.append("asked")
        pulse.snapshot = a_snapshot(holder="b", state="starting")
        threading.Timer(0.3, settle).start()

    def settle() -> None:
        looks.append("settled")
        pulse.snapshot = a_snapshot(holder="b")

    pulse.on_admin = moves
    done = understudy(manager, "move", "site", "b")
    assert done.returncode == 0, done.stderr
    assert looks == ["asked", "settled"]
    assert done.stdout.startswith("site runs on b (")
    assert done.stderr == ""


def test_move_that_is_not_done_in_time(manager: RunningManager) -> None:
    done = understudy(manager, "move", "site", "b", "--timeout", "200ms")
    assert done.returncode == 5
    assert done.stderr.startswith("understudy: not done after 200ms: site is started on a\n")


def test_move_does_not_believe_a_stale_view(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.snapshot = a_snapshot(holder="b")
    understudy(manager, "status")
    pulse.snapshot = None
    assert understudy(manager, "move", "site", "b", "--timeout", "300ms").returncode == 5


def test_move_without_waiting(manager: RunningManager) -> None:
    done = understudy(manager, "move", "site", "b", "--no-wait")
    assert (done.returncode, done.stdout) == (0, "as you wish\n")
    found = json.loads(understudy(manager, "move", "site", "b", "--no-wait", "--json").stdout)
    assert found == {"ok": True, "text": "as you wish", "hint": "", "waited_ms": None}


def test_a_refused_move(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.reply = {"ok": False, "text": "b is in standby"}
    done = understudy(manager, "move", "site", "b")
    assert (done.returncode, done.stderr) == (4, "understudy: b is in standby\n")


def test_standby_waits_until_nothing_runs_there_and_online_ends_it(pulse: FakePulse, manager: RunningManager) -> None:
    def obeys(packet: dict[str, Any]) -> None:
        standby = packet["verb"] == "standby"
        pulse.snapshot = a_snapshot(holder="b" if standby else "a", standby=standby)

    pulse.on_admin = obeys
    assert understudy(manager, "online", "a").returncode == 0
    assert understudy(manager, "standby", "a").returncode == 0
    assert pulse.snapshot == a_snapshot(holder="b", standby=True)
    pulse.on_admin = lambda _packet: None
    assert understudy(manager, "online", "a", "--timeout", "200ms").returncode == 5


def test_standby_is_not_done_while_a_group_is_left(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.snapshot = a_snapshot(holder="a", standby=True)
    done = understudy(manager, "standby", "a", "--timeout", "200ms")
    assert done.returncode == 5
    assert "a still runs site" in done.stderr


def test_names_are_checked_by_the_daemon(manager: RunningManager) -> None:
    done = understudy(manager, "move", "site", "bb")
    assert (done.returncode, done.stderr) == (2, "understudy: there is no node 'bb'\n    did you mean 'b'?\n")


def test_history(pulse: FakePulse, manager: RunningManager) -> None:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    pulse.send({"t": "note", "level": "error", "why": "b took over", "group": "site", "node": "b", "at_ns": now})
    until(lambda: "b took over" in understudy(manager, "history").stdout, "the note is shown")
    assert " [site] b took over\n" in understudy(manager, "history", "-n", "1").stdout
    assert json.loads(understudy(manager, "history", "-n", "1", "--json").stdout)[0]["level"] == "error"


def test_history_follow_misses_and_repeats_nothing_over_a_new_manager(pulse: FakePulse, tmp_path: Path) -> None:
    def said(reader: Any, text: str) -> None:
        while reader.readline().split()[-1] != text:
            pass

    command = [
        sys.executable,
        "-m",
        "understudy.cli.main",
        "history",
        "--follow",
        "--runtime-dir",
        str(tmp_path / "run"),
    ]
    with a_manager(a_cluster(), tmp_path) as first:
        # A shell lets what it starts in the background ignore Ctrl-C; here it is what is tested.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        finally:
            signal.signal(signal.SIGINT, before)
        assert process.stdout is not None
        assert "manager started" in process.stdout.readline()
        first.manager.say(Level.INFO, "seen-once")
        said(process.stdout, "seen-once")
    with a_manager(a_cluster(), tmp_path) as second:
        second.manager.say(Level.INFO, "seen-later")
        text = ""
        while not ("seen-later" in text and "manager started" in text):
            text += process.stdout.readline()
        assert "seen-once" not in text
        assert [text.count(word) for word in ("manager stopped", "manager started", "seen-later")] == [1, 1, 1]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "trying again" in errors or "waiting for the next one" in errors


def test_history_follow_for_programs_is_one_object_on_each_line(manager: RunningManager) -> None:
    command = [sys.executable, "-m", "understudy.cli.main", "history", "-f", "--json", "--runtime-dir"]
    with subprocess.Popen([*command, str(manager.runtime_dir)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["text"] == "manager started"
        manager.manager.say(Level.WARNING, "two\nlines")
        assert json.loads(process.stdout.readline())["text"] == "two\nlines"
        process.kill()


def test_dump(manager: RunningManager) -> None:
    done = understudy(manager, "dump")
    assert Path(done.stdout.strip()).read_text().startswith('{"at": 1}')


def test_a_socket_that_a_dead_manager_left(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as handle:
        handle.bind(str(tmp_path / "control.sock"))
    done = understudy(tmp_path, "status")
    assert done.returncode == 3
    assert done.stderr.startswith(f"understudy: nobody listens at {tmp_path}/control.sock now\n    is it started")


@pytest.mark.parametrize(
    "words",
    [("status",), ("why",), ("move", "site", "b"), ("standby", "a"), ("online", "a"), ("history",), ("dump",)],
)
def test_without_a_daemon(tmp_path: Path, words: Sequence[str]) -> None:
    done = understudy(tmp_path, *words)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith(f"understudy: no daemon answers at {tmp_path}/control.sock\n    is it started")


@pytest.mark.parametrize(
    "words", [("move", "site"), ("move", "a", "b", "--timeout", "10"), ("stauts",), ("history", "-n", "0")]
)
def test_wrong_command_lines(tmp_path: Path, words: Sequence[str]) -> None:
    done = understudy(tmp_path, *words)
    assert done.returncode == 2
    assert "Error: " in done.stderr


def test_an_unknown_command_names_the_nearest(tmp_path: Path) -> None:
    assert "Did you mean 'status'?" in understudy(tmp_path, "stauts").stderr


def test_a_reader_that_stops_reading_is_no_error(manager: RunningManager) -> None:
    command = f"{sys.executable} -m understudy.cli.main status --json --runtime-dir {manager.runtime_dir} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{", "")


def in_a_terminal(manager: RunningManager, *words: str, **environment: str) -> bytes:
    """What a command writes on a terminal, standard error too."""
    ours, theirs = pty.openpty()
    variables = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(manager.runtime_dir), "TERM": "xterm", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "understudy.cli.main", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=variables
    )
    os.close(theirs)
    text = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # EIO: the last writer has closed the terminal.
            break
        if not data:
            break
        text += data
    os.close(ours)
    process.wait()
    return text


def test_colour_only_on_a_terminal_that_wants_it(manager: RunningManager) -> None:
    assert b"\x1b[32m" in in_a_terminal(manager, "status")
    assert b"\x1b" not in in_a_terminal(manager, "status", NO_COLOR="1")
    assert b"\x1b" not in in_a_terminal(manager, "status", TERM="dumb")
    assert "\x1b" not in understudy(manager, "status").stdout


def test_progress_only_on_a_terminal(manager: RunningManager) -> None:
    words = ("move", "site", "b", "--timeout", "200ms")
    assert b"\rsite is started on a (0 s)" in in_a_terminal(manager, *words)
    assert "\r" not in understudy(manager, *words).stderr


def test_watch_shows_again_and_ends_with_ctrl_c(pulse: FakePulse, manager: RunningManager) -> None:
    command = [sys.executable, "-m", "understudy.cli.main", "status", "--watch", "--every", "0.1", "--json"]
    variables = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(manager.runtime_dir)}
    # A shell lets what it starts in the background ignore Ctrl-C; here it is what is tested.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["groups"][0]["holder"] == "a"
    pulse.snapshot = a_snapshot(holder="b")
    while json.loads(process.stdout.readline())["groups"][0]["holder"] != "b":
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_completion_asks_the_daemon(manager: RunningManager, tmp_path: Path) -> None:
    def complete(directory: RunningManager | Path, words: str, word: str) -> list[str]:
        variables = {"_UNDERSTUDY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": word}
        return understudy(directory, **variables).stdout.split()

    assert complete(manager, "understudy move ", "2") == ["plain,site"]
    assert complete(manager, "understudy move site ", "3") == ["plain,a", "plain,b"]
    assert complete(tmp_path, "understudy move ", "2") == []


def test_help_names_every_command_and_imports_none() -> None:
    code = (
        "import sys, click.testing\n"
        "from understudy.cli.main import COMMANDS, commands\n"
        "result = click.testing.CliRunner().invoke(commands, ['--help'])\n"
        "assert result.exit_code == 0, result.output\n"
        "assert all(f'  {name} ' in result.output for name in COMMANDS), result.output\n"
        "loaded = [name for name in sys.modules if name.startswith('understudy.cli.') and name != 'understudy.cli.main']\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_asking_loads_nothing_heavy(manager: RunningManager) -> None:
    """Commands must answer at once, so they use neither the daemon's libraries nor asyncio."""
    code = (
        "import sys\n"
        "from understudy.cli.main import commands\n"
        "commands(['status'], standalone_mode=False)\n"
        "heavy = {'aiohttp', 'asyncio', 'textual', 'rich', 'uvloop', 'cryptography', 'understudy.manager'}\n"
        "heavy = (heavy | {'understudy.core'}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    variables = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(manager.runtime_dir)}
    subprocess.run([sys.executable, "-c", code], env=variables, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", ["status", "top", "why", "move", "standby", "online", "history", "dump"])
def test_help_has_exit_codes_and_examples(tmp_path: Path, name: str) -> None:
    text = understudy(tmp_path, name, "--help").stdout
    assert "Exit codes:" in text
    assert "Example" in text
    assert "--runtime-dir" in text


@pytest.mark.parametrize("words", [("move", "site", "b"), ("standby", "b")])
def test_what_nobody_answered_is_unknown_and_not_refused(
    pulse: FakePulse, manager: RunningManager, words: tuple[str, ...]
) -> None:
    pulse.reply = {"ok": False, "unknown": True, "text": "b did not answer within 5 s: unknown outcome"}
    done = understudy(manager, *words)
    assert done.returncode == 5
    assert "b did not answer within 5 s: unknown outcome" in done.stderr
    assert "look with: understudy status" in done.stderr
    pulse.reply = {"ok": False, "text": "b is in standby"}
    assert understudy(manager, *words).returncode == 4


def test_who_is_missing_when_nobody_answers(tmp_path: Path) -> None:
    """By the locks: only a supervisor starts a manager again."""
    child = (
        "import sys; from understudy.adapters import lockfile; [lockfile.take(path) for path in sys.argv[1:]];"
        "print(flush=True); sys.stdin.read()"
    )

    def status_with(*names: str) -> str:
        (tmp_path / "supervisor.lock").touch()
        paths = [str(tmp_path / f"{name}.lock") for name in names]
        with subprocess.Popen(
            [sys.executable, "-c", child, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            done = understudy(tmp_path, "status")
            holder.communicate()
        assert done.returncode == 3
        return done.stderr

    assert "the supervisor starts a new one within a second or so" in status_with("supervisor")
    alone = status_with("pulse")
    assert "the supervisor does not run: the pulse runs on without it, and so may programs" in alone
    assert "look with: systemctl status understudy" in alone
    assert "the supervisor does not run: programs may still run" in status_with()
    (tmp_path / "at_rest").touch()
    assert "the daemon was stopped, and nothing of its groups runs here: systemctl start understudy\n" in status_with()
    (tmp_path / "running.source").write_text(str(tmp_path))  # a folder with Heartbeat's files
    assert "nothing of its groups runs here: systemctl start understudy-heartbeat\n" in status_with()
    assert "look with: systemctl status understudy-heartbeat\n" in status_with("pulse")


def test_history_filters_and_names_what_does_not_exist(pulse: FakePulse, manager: RunningManager) -> None:
    for text, level, group in (("b took over", "error", "site"), ("b is up", "info", ""), ("b is late", "warning", "")):
        pulse.send({"t": "note", "level": level, "why": text, "group": group, "node": "b"})
    until(lambda: "b is late" in understudy(manager, "history").stdout, "the notes are shown")

    def texts(*options: str) -> list[str]:
        return [item["text"] for item in json.loads(understudy(manager, "history", "--json", *options).stdout)]

    assert texts("--group", "site") == ["b took over"]
    assert texts("--level", "warning") == ["b took over", "b is late"]
    assert texts("--node", "b", "-n", "2") == ["b is up", "b is late"]
    assert "b is up" in texts("--since", "1h")
    assert texts("--since", "2100-01-01") == texts("--since", "1us") == []
    for options, code, told in (
        (("--group", "sitte"), 2, "did you mean 'site'?"),
        (("--node", "c"), 2, "known: a, b, w"),
        (("--since", "tea time"), 2, "a length of time such as 90m"),
        (("--follow", "--group", "sitte"), 2, "did you mean 'site'?"),
        (("--follow", "--all"), 2, "leave out --all"),
    ):
        done = understudy(manager, "history", *options)
        assert (done.returncode, told in done.stderr) == (code, True), done.stderr


def test_history_of_all_names_who_noted_what_and_who_is_missing(pulse: FakePulse, manager: RunningManager) -> None:
    done = understudy(manager, "history", "--all")
    assert done.returncode == 0
    assert re.search(r"^\S+Z a manager started$", done.stdout, re.MULTILINE)
    assert "understudy: b does not answer" in done.stderr
    assert done.stderr.count("what only it has noted is missing here") == 2
