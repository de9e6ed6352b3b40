"""The daemons of a scene: started on their machines, frozen, killed, and asked.

A machine's runtime directory is lost with its power, as a real ``/run`` is; its state directory stays. Both lie under ``BASE``,
so that the director reads their history and speaks with their control sockets as an administrator would on the machine.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..adapters import lockfile
from ..config.load import examine
from ..errors import UsageError
from ..units import SECOND, Instant
from . import kernel
from .inside import BASE
from .netns import LabError, Machine, Process
from .scene import Scene

PARTS = ("supervisor", "pulse", "spare", "manager")
"""The processes of a daemon, in the order in which they are stopped: who would restart a dead one comes first. The spare is
a second pulse that waits to replace the first."""

CONFIGURATION = f"{BASE}/cluster.toml"
KEY = f"{BASE}/cluster.key"

PROGRAM = (sys.executable, "-c", "import sys; from understudy.cli.main import main; sys.exit(main())")
"""The words that are ``understudy``, wherever it lies."""


@dataclass(frozen=True, slots=True)
class Told:
    """One sentence of a machine's history."""

    machine: str
    level: str
    text: str
    at: Instant
    """On the boot-time clock; from the entry's wall-clock time, to the millisecond."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def write_configuration(scene: Scene) -> None:
    """The cluster's file and its key, for all machines. Raises UsageError when the daemon would refuse the file."""
    with open(KEY, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(secrets.token_hex(32) + "\n")
    with open(CONFIGURATION, "w", encoding="utf-8") as file:
        file.write(scene.configuration(KEY))
    cluster, problems = examine(CONFIGURATION)
    if cluster is None:
        wrong = [f"{problem.text}\n    {problem.hint}" for problem in problems if problem.severity == "error"]
        raise UsageError("the daemon would refuse this scene's [cluster] or [groups]:\n  " + "\n  ".join(wrong))


class Daemon:
    """The program under test on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.directory = f"{BASE}/{machine.name}"
        self.runtime = f"{self.directory}/run"
        self.state = f"{self.directory}/state"
        self.log_path = f"{self.directory}/log"
        os.makedirs(self.state, exist_ok=True)
        self._told = 0

    def start(self, *by: str) -> None:
        """Run ``understudy run`` on the machine. ``by``: words of a program that becomes it, such as prlimit(1)."""
        os.makedirs(self.runtime, exist_ok=True)
        places = ["--runtime-dir", self.runtime, "--state-dir", self.state]
        self.machine.spawn([*by, *PROGRAM, "run", *self.flags(), *places], self.log_path)

    def flags(self) -> list[str]:
        """What it runs with."""
        return ["--config", CONFIGURATION, "--node", self.machine.name]

    def lost_power(self) -> None:
        """The runtime directory was on the machine's memory."""
        shutil.rmtree(self.runtime, ignore_errors=True)

    def processes(self, part: str = "all") -> list[Process]:
        """The living processes of the daemon, or of one part of it. Raises LabError for a part that does not exist."""
        if part != "all" and part not in PARTS:
            raise LabError(f"there is no part {part!r}", f"there are: {', '.join(PARTS)}, all")
        living = self.machine.processes()
        found: dict[str, list[Process]] = {name: [] for name in PARTS}
        working = lockfile.holder(
            f"{self.runtime}/pulse.lock"
        )  # a process number of our own PID namespace: see F_GETLK
        for process in living:
            for name in ("supervisor", "pulse", "manager"):
                if process.is_module(f"understudy.{name}"):
                    found["spare" if name == "pulse" and process.pid != working else name].append(process)
        return [process for name in (PARTS if part == "all" else (part,)) for process in found[name]]

    def signal(self, part: str, number: signal.Signals) -> int:
        """Send a signal to the daemon or one part of it; how many processes got it."""
        return self.machine.signal(self.processes(part), number)

    def ask(self, path: str, body: dict[str, Any] | None = None, timeout: float = 1.0) -> dict[str, Any] | None:
        """GET or POST at the control socket. None when nothing (or nothing readable) answers."""
        connection = _UnixConnection(f"{self.runtime}/control.sock", timeout)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else None

    def status(self) -> dict[str, Any] | None:
        """What ``understudy status --json`` would say here; None when the daemon does not answer."""
        if not self.machine.powered:
            return None
        answer = self.ask("/v1/status")
        return answer if answer is not None and "groups" in answer else None

    def history(self) -> Iterator[Told]:
        """The sentences that were added to the history since the last call."""
        try:
            with open(f"{self.state}/history.jsonl", "rb") as file:
                if os.fstat(file.fileno()).st_size < self._told:
                    self._told = 0
                file.seek(self._told)
                text = file.read()
        except OSError:
            return
        whole = text.rfind(b"\n") + 1
        self._told += whole
        for line in text[:whole].splitlines():
            try:
                entry = json.loads(line)
                yield Told(self.machine.name, str(entry.get("level", "info")), str(entry["text"]), _boot_time(entry))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def log_tail(self, lines: int = 15) -> Sequence[str]:
        """The end of what the daemon printed."""
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()[-lines:]
        except OSError:
            return ()


def _boot_time(entry: dict[str, Any]) -> Instant:
    """When an entry was made, on our clock; now if it does not say."""
    try:
        wall = datetime.fromisoformat(str(entry["at"])).timestamp()
    except (KeyError, ValueError):
        return kernel.now()
    return kernel.now() - round((time.time() - wall) * SECOND)


def holder(status: dict[str, Any], group: str) -> tuple[str, str]:
    """(holder or "", state) of a group in one node's status."""
    for entry in status.get("groups", []):
        if entry.get("name") == group:
            return entry.get("holder") or "", str(entry.get("state"))
    return "", "unknown"
