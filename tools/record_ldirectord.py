#!/usr/bin/env python3
"""Records what Debian's ldirectord does to the table, event by event, into the files of tests/pools/recorded.

    python tools/record_ldirectord.py FILE.json...      each file's events are played again, and its results written anew

What such a file holds stands in tests/pools/recorded/README.md. Each runs in a private world (namespaces, as root or in a
user namespace), and ldirectord needs the Perl modules of its checks: real servers of this program on loopback, and a pretend
ipvsadm. A round of checks is stepped, not waited for: SIGCHLD, which ldirectord takes for a child that ended, wakes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pretend_ipvsadm import Pretence, lines
from understudy.lab import inside

LDIRECTORD = "/usr/sbin/ldirectord"
SLEEPS = frozenset({"35", "230"})
"""nanosleep and clock_nanosleep on x86-64."""
LONGEST = 300.0
PAGES = {"up": (200, "all is well"), "wrong": (200, "out of order"), "error": (500, "all is well")}


class Real:
    """A small server: "up", "wrong" (another page), "error" (status 500), "hung" (accepts, says nothing) or "down" (refuses)."""

    def __init__(self, name: str) -> None:
        host, _, port = name.rpartition(":")
        self.address = (host, int(port))
        self.behaviour = "down"
        self.listener: socket.socket | None = None
        self.held: list[socket.socket] = []

    def become(self, behaviour: str) -> None:
        self.behaviour = behaviour
        if behaviour == "down" and self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        elif behaviour != "down" and self.listener is None:
            family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
            self.listener = socket.create_server(self.address, family=family, backlog=64)
            threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()
        while self.held:
            self.held.pop().close()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if self.behaviour == "hung":
                    self.held.append(connection)
                else:
                    threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        status, page = PAGES.get(self.behaviour, PAGES["error"])
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            if connection.recv(4096):
                text = f"HTTP/1.1 {status} -\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n{page}"
                connection.sendall(text.encode())


class Ldirectord:
    """The program under observation, in the foreground (``-d``: then it takes ``./ipvsadm``)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = open(folder / "log", "wb")  # noqa: SIM115
        command = [LDIRECTORD, "-d", str(folder / "ldirectord.cf"), "start"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=self.log, stderr=self.log)

    def _switches(self) -> int:
        """How often it has slept: it grows with each wait."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))

    def _asleep(self) -> bool:
        with open(f"/proc/{self.process.pid}/syscall", encoding="ascii") as file:
            return file.read().split()[0] in SLEEPS

    def until_asleep(self, since: int = -1) -> None:
        """Until it sleeps between two rounds, after more than ``since`` waits."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(
                    f"ldirectord ended with {self.process.returncode}: {(self.folder / 'log').read_text()[-2000:]}"
                )
            if self._asleep() and self._switches() > since:
                return
            time.sleep(0.01)
        raise RuntimeError("ldirectord does not come to its sleep")

    def wake(self, number: int) -> None:
        """Send a signal and wait until what follows it is done."""
        since = self._switches()
        self.process.send_signal(number)
        self.until_asleep(since)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LONGEST)


class Recording:
    """One file. ``folder``: where ldirectord and the pretend table are."""

    def __init__(self, case: dict[str, Any], folder: Path) -> None:
        self.case, self.folder = case, folder
        self.reals: dict[str, Real] = {}
        self.program: Ldirectord | None = None
        self.kernel = Pretence()
        _executable(folder / "ipvsadm", self.kernel.script)
        _executable(folder / "command", f'#!/bin/sh\necho "$@" >> {folder}/commands\n')
        _executable(folder / "external", f'#!/bin/sh\ntest -e "{folder}/external.$3:$4"\n')
        (folder / "maintenance").mkdir()

    def play(self) -> None:
        for call in self.case.get("before", ()):
            self._outside(call)
        for event in self.case["events"]:
            self._set(event.get("set", {}))
            self._maintain(event.get("maintenance", {}))
            for call in event.get("outside", ()):
                self._outside(call)
            STEPS[event["do"]](self, event)
            event["calls"], self.kernel.calls = self.kernel.calls, []
            event["commands"] = self._commands()
            event["table"] = lines(self.kernel.table)

    def _set(self, behaviours: dict[str, str]) -> None:
        for name, behaviour in behaviours.items():
            self.reals.setdefault(name, Real(name)).become(behaviour)
            mark = self.folder / f"external.{name}"
            mark.touch() if behaviour == "up" else mark.unlink(missing_ok=True)

    def _maintain(self, files: dict[str, bool]) -> None:
        for name, there in files.items():
            path = self.folder / "maintenance" / name
            path.touch() if there else path.unlink()

    def _outside(self, call: str) -> None:
        code, trouble = self.kernel.do(call)
        if code:
            raise RuntimeError(f"{call}: {trouble}")
        self.kernel.calls = []

    def _configure(self, name: str) -> None:
        text = "".join(f"{line}\n" for line in self.case["files"][name])
        (self.folder / "ldirectord.cf").write_text(text.replace("FOLDER", str(self.folder)))

    def _commands(self) -> list[str]:
        """What the fallback command was told since the last time."""
        path = self.folder / "commands"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    # -- the events

    def start(self, event: dict[str, Any]) -> None:
        self._configure(event["file"])
        self.program = Ldirectord(self.folder)
        self.program.until_asleep()

    def round(self, event: dict[str, Any]) -> None:
        self._running().wake(signal.SIGCHLD)

    def reload(self, event: dict[str, Any]) -> None:
        self._configure(event["file"])
        self._running().wake(signal.SIGHUP)

    def stop(self, event: dict[str, Any]) -> None:
        self._running().stop()
        self.program = None

    def kill(self, event: dict[str, Any]) -> None:
        """It dies without a word."""
        self._running().process.kill()
        self._running().process.wait()
        self.program = None

    def _running(self) -> Ldirectord:
        if self.program is None:
            raise RuntimeError("ldirectord is not running in this recording")
        return self.program


STEPS: dict[str, Callable[[Recording, dict[str, Any]], None]] = {
    "start": Recording.start,
    "round": Recording.round,
    "reload": Recording.reload,
    "stop": Recording.stop,
    "kill": Recording.kill,
}


def _executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    path = Path(inside.BASE) / "case"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def record(path: Path) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    case = json.loads(path.read_text())
    with _folder() as folder:
        recording = Recording(case, folder)
        try:
            recording.play()
        finally:
            if recording.program is not None:
                recording.program.process.kill()
                recording.program.process.wait()
        text = json.dumps(case, indent=1, ensure_ascii=False).replace(str(folder), "FOLDER")
    path.write_text(text + "\n")
    return 0


def main() -> int:
    paths = [Path(name).resolve() for name in sys.argv[1:]]
    if not paths or not os.access(LDIRECTORD, os.X_OK):
        print(__doc__ if not paths else f"{LDIRECTORD} is not installed", file=sys.stderr)
        return 2
    failed = 0
    for path in paths:
        child = os.fork()
        if child == 0:
            os._exit(inside.enter(lambda path=path: record(path)))  # type: ignore[misc]
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(f"{path.name}: {'recorded' if code == 0 else f'failed with {code}'}", flush=True)
        failed += code != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
