"""``status --watch``: in place on a terminal, plain lines elsewhere, and Ctrl-C ends it with 0 at any moment."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from manager_helpers import FakePulse, RunningManager, a_snapshot

WORDS = ["status", "--watch", "--every", "0.1"]


class Terminal:
    """A command on a terminal of ``rows`` lines, and what it has written so far."""

    def __init__(self, manager: RunningManager, rows: int, **environment: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", rows, 200, 0, 0))
        variables = {**os.environ, "UNDERSTUDY_RUNTIME_DIR": str(manager.runtime_dir), "TERM": "xterm", **environment}
        for name in ("LINES", "COLUMNS"):
            variables.pop(name, None)
        # A shell lets what it starts in the background ignore Ctrl-C; here it is what is tested.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            command = [sys.executable, "-m", "understudy.cli.main", *WORDS]
            self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables)
        finally:
            signal.signal(signal.SIGINT, before)
        os.close(theirs)
        self.text = ""

    def read_until(self, pattern: str) -> str:
        """Read on until ``pattern`` has come after what was asked for before; returns what lies between."""
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            self.text += os.read(self.ours, 65536).decode()
        between, self.text = self.text[: found.end()], self.text[found.end() :]
        return between

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and all that came after it."""
        self.process.send_signal(signal.SIGINT)
        while True:
            try:
                data = os.read(self.ours, 65536)
            except OSError:  # EIO: the last writer has closed the terminal
                break
            if not data:
                break
            self.text += data.decode()
        return self.process.wait(20), self.text


@contextmanager
def watching(manager: RunningManager, rows: int = 40, **environment: str) -> Iterator[Terminal]:
    terminal = Terminal(manager, rows, **environment)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.ours)


def test_on_a_terminal_in_place_and_restored_at_the_end(pulse: FakePulse, manager: RunningManager) -> None:
    with watching(manager) as terminal:
        first = terminal.read_until(r"on a since.*?\x1b\[J")
        assert first.count("\x1b[2J") == 1
        assert "\x1b[?25l" in first
        pulse.snapshot = a_snapshot(holder="b")
        later = terminal.read_until(r"on b since.*?\x1b\[J")
        assert "\x1b[2J" not in later, "cleared again, which flickers"
        assert "\x1b[H" in later
        code, rest = terminal.interrupt()
    assert code == 0
    assert rest.endswith("\x1b[?7h\x1b[?25h\r\n")
    assert "Traceback" not in rest
    assert "Aborted" not in rest


def test_what_does_not_fit_is_counted(pulse: FakePulse, manager: RunningManager) -> None:
    assert pulse.snapshot is not None
    pulse.snapshot = replace(pulse.snapshot, warnings=tuple(f"warning {number}" for number in range(50)))
    with watching(manager, rows=12) as terminal:
        shown = terminal.read_until(r"\x1b\[J").split("\x1b[H")[1]
        assert terminal.interrupt()[0] == 0
    lines = shown.split("\r\n")
    assert len(lines) <= 11
    hidden = re.search(r"\.\.\. and (\d+) lines more", lines[-1])
    assert hidden is not None
    assert int(hidden[1]) + len(lines) - 1 == 14 + 50


def test_a_daemon_that_goes_is_waited_for_in_place(pulse: FakePulse, manager: RunningManager) -> None:
    with watching(manager) as terminal:
        terminal.read_until(r"on a since.*?\x1b\[J")
        (manager.runtime_dir / "control.sock").rename(manager.runtime_dir / "elsewhere")
        terminal.read_until(r"no daemon answers at .*?looking again every 0.1 s")
        (manager.runtime_dir / "elsewhere").rename(manager.runtime_dir / "control.sock")
        terminal.read_until(r"on a since")
        assert terminal.interrupt()[0] == 0


def test_a_dumb_terminal_gets_plain_lines(manager: RunningManager) -> None:
    with watching(manager, TERM="dumb") as terminal:
        assert "\x1b" not in terminal.read_until(r"on a since.*?on a since")
        assert terminal.interrupt()[0] == 0


def test_elsewhere_plain_lines_one_text_after_the_other(pulse: FakePulse, manager: RunningManager) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        command = [sys.executable, "-m", "understudy.cli.main", *WORDS, "--runtime-dir", str(manager.runtime_dir)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    text = ""
    while text.count("Cluster testing") < 3:
        text += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "\x1b" not in text + rest


def test_ctrl_c_at_any_moment_ends_with_0(manager: RunningManager) -> None:
    """The first output may come before or after the signal; what counts is that nobody sees a traceback."""
    for _ in range(3):
        with watching(manager) as terminal:
            terminal.read_until(r"\x1b\[\?25l")
            code, rest = terminal.interrupt()
            assert (code, "Traceback" in rest) == (0, False)
