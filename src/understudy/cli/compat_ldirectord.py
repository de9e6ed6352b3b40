"""``ldirectord [FILE] start|stop|restart|try-restart|reload|force-reload|status``: a daemon of its own for each file.

Exit codes as of ldirectord: 0 done or runs, 1 it did not work or (reload) does not run, 2 the file is refused, 3 ``status``: it
does not run. The file is judged before every command, as there. Each file has a runtime directory and a state directory of its
own, below those of the daemon.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

from ..adapters import lockfile
from . import compat
from .balancer_client import own_folder

COMMANDS = ("start", "stop", "restart", "try-restart", "reload", "force-reload", "status")
STOPPED = 3
START: float = 60.0
STATE = "/var/lib/understudy"
USAGE = f"Usage: ldirectord [-d] [--] [configuration] {'|'.join(COMMANDS)}\n       ldirectord [-h] [-v]\n"


def run(called: str, words: list[str]) -> int:
    """``-d``: in the foreground."""
    options = [word for word in words if word.startswith("-") and word != "--"]
    rest = [word for word in words if not word.startswith("-")]
    if "-h" in options or "--help" in options:
        print(USAGE, end="")
        return 0
    if "-v" in options or "--version" in options:
        from .. import __version__

        print(f"ldirectord of understudy {__version__}")
        return 0
    debug = "-d" in options or "--debug" in options
    if len(rest) == 1 and debug and rest[0] not in COMMANDS:
        rest.append("start")
    if len(rest) == 1:
        rest.insert(0, "ldirectord.cf")
    if len(rest) != 2 or rest[1] not in COMMANDS or (options and not debug):
        print(USAGE, end="", file=sys.stderr)
        return 1
    return Instance(rest[0]).do(rest[1], debug)


def find(name: str) -> str | None:
    """Where the file is: in /etc/ha.d, in /etc/ha.d/conf, or as it is written."""
    from ..config.load_ldirectord import LDIRECTORD_FOLDERS, find_ldirectord

    return find_ldirectord(name, (*LDIRECTORD_FOLDERS, ""))


class Instance:
    """The daemon of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = find(name)
        self.runtime = own_folder(compat.runtime_dir(), name)
        self.state = own_folder(os.environ.get("UNDERSTUDY_STATE_DIR") or STATE, name)

    def do(self, command: str, debug: bool) -> int:
        if self.path is None:
            print(f"Config file {self.name} not found", file=sys.stderr)
            return 1
        if not self._is_good():
            return 2
        running = lockfile.holder(self._lock)
        if command == "status":
            if running:
                print(f"ldirectord for {self.path} is running with pid: {running}", file=sys.stderr)
                return 0
            print(f"ldirectord is stopped for {self.path}")
            return STOPPED
        if command in ("reload", "force-reload"):
            return self._signal(signal.SIGHUP) if running else 1
        if command == "stop":
            return self._signal(signal.SIGTERM) if running else 0
        if command == "start":
            return 0 if running else self._start(debug)
        if not running:
            return 0 if command == "try-restart" else self._start(debug)
        return self._signal(signal.SIGTERM, wait=True) or self._start(debug)

    @property
    def _lock(self) -> str:
        return os.path.join(self.runtime, "supervisor.lock")

    def _is_good(self) -> bool:
        from ..config.load import examine

        cluster, problems = examine(self.path or "")
        for problem in problems if cluster is None else ():
            print(problem, file=sys.stderr)
        return cluster is not None

    def _signal(self, number: signal.Signals, wait: bool = False) -> int:
        found = lockfile.attach(self._lock)
        if found is None:
            return 0
        _, descriptor = found
        try:
            signal.pidfd_send_signal(descriptor, number)
            if wait:
                select.select([descriptor], [], [])
        except ProcessLookupError:
            pass
        except PermissionError:
            print(f"ldirectord for {self.path} may not be signalled by you: run this as root", file=sys.stderr)
            return 1
        finally:
            os.close(descriptor)
        return 0

    def _start(self, debug: bool) -> int:
        """Ends once it answers, or has said why it does not."""
        os.makedirs(os.path.dirname(self.runtime), exist_ok=True)
        directories = ["--runtime-dir", self.runtime, "--state-dir", self.state]
        command = [sys.executable, "-P", "-s", "-m", "understudy", "run", "--config", self.path or "", *directories]
        if debug:
            sys.stdout.flush()
            os.execv(command[0], command)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + START
        while time.monotonic() < end:
            code = child.poll()
            if code is not None:
                return 2 if code == 2 else 1
            if lockfile.holder(os.path.join(self.runtime, "balancer.lock")):
                return 0
            time.sleep(0.05)
        print(f"ldirectord for {self.path} does not answer yet, {START:g} s after its start", file=sys.stderr)
        return 1
