"""``understudy lab`` as a person uses it: the prompt, a short list of faults, an interruption."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from lab_world import missing

from understudy.lab.cluster import PROGRAM

CALL = [*PROGRAM, "lab"]


@pytest.fixture(autouse=True)
def needs_namespaces() -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)


def scene(tmp_path: Path, faults: str) -> str:
    """The packaged scene with three machines, and faults of the test's own."""
    from understudy.lab import scene as scenes

    text = Path(scenes.find("three")).read_text(encoding="utf-8")
    path = tmp_path / "scene.toml"
    path.write_text(text + faults, encoding="utf-8")
    return str(path)


def interfaces_and_labs() -> tuple[list[str], int]:
    found = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    found += b"UNDERSTUDY_TEST_MARK=" + str(os.getpid()).encode() in file.read().split(b"\0")
            except OSError:
                continue
    return sorted(os.listdir("/sys/class/net")), found


def environment() -> dict[str, str]:
    return {**os.environ, "UNDERSTUDY_TEST_MARK": str(os.getpid())}


@pytest.mark.kernel
def test_a_list_of_faults_as_json(tmp_path: Path) -> None:
    """One good row and one that cannot be good: the exit status and the table say so."""
    faults = """
[[faults]]
name = "n1 loses power"
do = ["power n1 off"]
watch = "1500ms"
expect = "n2"

[[faults]]
name = "impossible"
do = ["power n9 off"]
watch = "300ms"
expect = "n2"
"""
    call = [*CALL, scene(tmp_path, faults), "--json", "--logs", str(tmp_path / "logs")]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False, env=environment())
    answer = json.loads(done.stdout)
    first, second = answer["rows"]
    assert (first["before"], first["after"], first["two_ms"], first["bad"]) == ("n1", "n2", 0, "")
    assert 500 < first["outage_ms"] < 3000
    assert second["bad"] == "there is no machine 'n9'"
    assert answer["ok"] is False
    assert done.returncode == 1
    assert (tmp_path / "logs" / "n2" / "state" / "history.jsonl").exists()
    assert not list((tmp_path / "logs").rglob("*.key"))
    assert interfaces_and_labs()[1] == 0


class Terminal:
    """A pseudo-terminal with the lab on it."""

    def __init__(self, call: list[str]) -> None:
        self.text = ""
        marked = environment()  # before the fork: the mark is this process's number
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            os.execve(call[0], call, marked)

    def expect(self, what: str, limit: float = 60.0) -> None:
        end = time.monotonic() + limit
        while what not in self.text:
            assert time.monotonic() < end, f"not seen: {what!r} in\n{self.text}"
            if select.select([self._end], [], [], 0.2)[0]:
                try:
                    data = os.read(self._end, 65536)
                except OSError:
                    data = b""
                assert data, f"it ended before {what!r}:\n{self.text}"
                self.text += data.decode(errors="replace")
        self.text = self.text.split(what, 1)[1]

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def wait(self, limit: float = 30.0) -> int:
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if select.select([self._end], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self._end, 65536).decode(errors="replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._end)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"it did not end:\n{self.text}")


@pytest.mark.kernel
def test_prompt() -> None:
    before = interfaces_and_labs()
    terminal = Terminal([*CALL, "three"])
    terminal.expect("the cluster is up; n1 serves")
    terminal.type("status n2\n")
    terminal.expect("as n2 sees it")
    terminal.expect("service    on n1: started")
    terminal.type("pwoer n1 off\n")
    terminal.expect("did you mean power?")
    terminal.type("power n1\n")
    terminal.expect("is not complete")
    terminal.type("power n1 off\n")
    terminal.expect("n1 has lost its power")
    terminal.expect("answered again, by n2")
    terminal.type("why service\n")
    terminal.expect("not on n1")
    terminal.type("on n1 true\nquit\n")
    terminal.expect("n1 has no power")
    assert terminal.wait() == 0
    assert interfaces_and_labs() == before


@pytest.mark.kernel
def test_interrupted_by_ctrl_c() -> None:
    before = interfaces_and_labs()
    terminal = Terminal([*CALL, "partitions"])
    terminal.expect("1. n1 - n3 cut")
    assert interfaces_and_labs()[1] > 5
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert interfaces_and_labs() == before


@pytest.mark.kernel
def test_scene_that_the_daemon_would_refuse(tmp_path: Path) -> None:
    path = tmp_path / "scene.toml"
    path.write_text(
        Path(scene(tmp_path, "")).read_text(encoding="utf-8").replace('"200ms"', '"900ms"'), encoding="utf-8"
    )
    done = subprocess.run(
        [*CALL, str(path)], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert "the daemon would refuse" in done.stderr
    assert "dead_time" in done.stderr or "dead time" in done.stderr


def test_scene_that_is_not_there() -> None:
    done = subprocess.run([*CALL, "no-such-scene"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "there is no scene 'no-such-scene'" in done.stderr
    assert "demo" in done.stderr
