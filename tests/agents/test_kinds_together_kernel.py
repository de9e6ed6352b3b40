"""A group of mount, init script and told program on real daemons: moved while somebody keeps the mount busy.

Two nodes and a witness; each node has its own network (the witness is in a's) and its own mounts, as two machines have.
A kernel lease is the network's: in one network b would find a's and take it for its own of an earlier life.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import script

from understudy.adapters import lockfile

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

PROGRAM = [sys.executable, "-c", "from understudy.cli.main import main; main()"]
PATIENCE = 60.0


class Pair:
    """Nodes ``a`` and ``b`` and the witness ``w``, with all that they need below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = directory / "srv"
        self.place.mkdir()
        self.networks = {name: _network() for name in ("a", "b")}
        a, b = (str(self.networks[name].pid) for name in ("a", "b"))
        run("ip", "link", "add", "between", "netns", a, "type", "veth", "peer", "name", "between", "netns", b)
        for pid, addresses in ((a, ("10.77.0.1/24", "10.77.0.3/24")), (b, ("10.77.0.2/24",))):
            for address in addresses:
                run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "address", "add", address, "dev", "between")
            run("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "link", "set", "between", "up")
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        (directory / "cluster.key").write_text(secrets.token_hex(32))
        (directory / "cluster.key").chmod(0o600)
        (directory / "cluster.toml").write_text(self._configuration())

    def _configuration(self) -> str:
        tell = script(
            self.directory / "tell", f'echo "$UNDERSTUDY_NODE $1 $UNDERSTUDY_REASON" >> {self.directory}/told'
        )
        body = "case $1 in start) touch @/on ;; stop) rm -f @/on ;; status) [ -e @/on ] || exit 3 ;; esac"
        init = script(self.directory / "init", body.replace("@", str(self.place)))
        return f"""
            [cluster]
            name = "kinds"
            key_file = "cluster.key"
            heartbeat = "200ms"
            dead_time = "1s"
            [nodes.a]
            links = ["10.77.0.1"]
            [nodes.b]
            links = ["10.77.0.2"]
            [witness.w]
            links = ["10.77.0.3"]
            [groups.files]
            prefer = ["a", "b"]
            failback = "never"
            resources = [
              {{ mount = "scratch", at = "{self.place}", type = "tmpfs", options = "size=1m", interval = "1s" }},
              {{ lsb = "{init}", name = "init", interval = "1s" }},
              {{ notify = "{tell}" }},
            ]
        """

    def start(self, name: str) -> None:
        words = ["nsenter", f"--net=/proc/{self.networks['b' if name == 'b' else 'a'].pid}/ns/net"]
        if name != "w":
            words += ["unshare", "--mount", "--propagation", "private"]
        words += [*PROGRAM, "run", "--config", str(self.directory / "cluster.toml"), "--node", name]
        words += ["--runtime-dir", str(self.runtime(name)), "--state-dir", str(self.directory / f"{name}-state")]
        with open(self.directory / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(words, stderr=log, stdout=log)

    def runtime(self, name: str) -> Path:
        return self.directory / f"{name}-run"

    def ask(self, name: str, *words: str) -> str:
        where = ["--runtime-dir", str(self.runtime(name))]
        done = subprocess.run([*PROGRAM, *words, *where], capture_output=True, text=True, timeout=PATIENCE)
        return done.stdout + done.stderr

    def process(self, name: str, part: str) -> int:
        return lockfile.holder(str(self.runtime(name) / f"{part}.lock"))

    def is_mounted(self, name: str) -> bool:
        lines = Path(f"/proc/{self.daemons[name].pid}/mountinfo").read_text().splitlines()
        return any(line.split()[4] == str(self.place) for line in lines)

    def told(self) -> list[str]:
        path = self.directory / "told"
        return path.read_text().splitlines() if path.exists() else []

    def end(self) -> None:
        for name, process in self.daemons.items():
            for part in ("manager", "pulse"):
                pid = self.process(name, part)
                process.kill()
                process.wait()
                if pid:
                    os.kill(pid, signal.SIGKILL)
        for network in self.networks.values():
            network.kill()
            network.wait()
            assert network.stdout is not None
            network.stdout.close()


def run(*words: str) -> None:
    subprocess.run(words, check=True)


def _network() -> subprocess.Popen[bytes]:
    made = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 10000"], stdout=subprocess.PIPE
    )
    assert made.stdout is not None
    assert made.stdout.readline() == b"ready\n"
    return made


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    if os.geteuid() != 0:
        pytest.skip("only root can make name spaces")
    made = Pair(tmp_path)
    try:
        made.start("a")
        made.start("w")
        yield made
    finally:
        made.end()


def until(condition: Callable[[], Any], what: str, pair: Pair) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {PATIENCE} s\n{pair.ask('a', 'status')}\n{pair.told()}"
        time.sleep(0.02)


def test_a_busy_group_moves_and_says_whom_it_ended(pair: Pair) -> None:
    until(lambda: [line.split()[:2] for line in pair.told()] == [["a", "up"]], "a is told", pair)
    pair.start("b")  # only now: whichever came up first would be the one that is told
    assert pair.is_mounted("a")
    assert not pair.is_mounted("b")
    words = ["nsenter", f"--mount=/proc/{pair.daemons['a'].pid}/ns/mnt", "sh", "-c"]
    busy = subprocess.Popen([*words, f"cd {pair.place} && echo ready && exec sleep 10000"], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        assert busy.stdout.readline() == b"ready\n"
        answers: list[str] = []

        def moved() -> bool:
            """The move is refused for as long as b is not heard, has just started, or its manager is not there."""
            answers.append(pair.ask("a", "move", "files", "b", "--timeout", "50s"))
            return "files runs on b" in answers[-1]

        until(moved, f"b takes it over: {answers}", pair)
        assert busy.wait(timeout=PATIENCE) == -signal.SIGTERM
    finally:
        busy.kill()
        busy.wait()
        assert busy.stdout is not None
        busy.stdout.close()
    assert pair.is_mounted("b")
    assert not pair.is_mounted("a")
    told = pair.told()
    assert [line.split()[:2] for line in told] == [["a", "up"], ["a", "down"], ["b", "up"]], "\n".join(
        [*told, *answers, pair.ask("a", "history")]
    )
    assert "an operator moves it to b" in told[1]
    history = pair.ask("a", "history")
    assert f"mount {pair.place}, stop: SIGTERM to {busy.pid} sleep (works in {pair.place})" in " ".join(history.split())

    manager = pair.process("b", "manager")
    os.kill(manager, signal.SIGKILL)
    until(lambda: pair.process("b", "manager") not in (0, manager), "there is another manager", pair)
    until(lambda: '"state": "running"' in pair.ask("b", "status", "--json"), "it answers", pair)
    assert pair.is_mounted("b")
    assert len(pair.told()) == 3, "an adopted group is not told again"

    subprocess.run(["nsenter", f"--mount=/proc/{pair.daemons['b'].pid}/ns/mnt", "umount", str(pair.place)], check=True)
    until(lambda: len(pair.told()) >= 5 and pair.is_mounted("b"), "what was unmounted is mounted again", pair)
    assert [line.split()[:2] for line in pair.told()[3:]] == [["b", "down"], ["b", "up"]]
