"""``heartbeat``: the status line, stop, reload and start, as init scripts ask for them.

Where systemd runs the daemon it is systemd that starts and stops it: behind its back it would be started again at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time

from ..adapters import lockfile, own_unit
from ..errors import UnderstudyError
from . import compat
from .compat_files import version
from .where import CONFIGURATION, HEARTBEAT

REFUSED = 6
"""The old program's exit code for a configuration that it does not take."""
STOPPED = 3
START: float = 60.0
"""Seconds that a daemon has from its start until it says that it works."""

USAGE = """\
Usage: heartbeat [-sfkrdvV]
  -s  say whether it runs    -k  stop it    -r  take up the changed configuration
  -f  run in the foreground  -V  version    without an option: start it
"""


def run(called: str, words: list[str]) -> int:
    """Exit codes: 0 done; 1 it did not work; 2 wrong use; 3 ``-s``: it does not run; 6 the configuration is refused."""
    letters = "".join(word[1:] for word in words if word.startswith("-"))
    wrong = next((letter for letter in letters if letter not in "sfkrdvV"), "")
    if wrong or any(not word.startswith("-") for word in words):
        if wrong:
            print(f"{called}: invalid option -- '{wrong}'\n", file=sys.stderr)
        print(USAGE, end="", file=sys.stderr)
        return 2
    if "V" in letters:
        print(version())
        return 0
    running = holder()
    if running is None:
        complain(f"{lock('supervisor')} may not be looked at by you: run this as root")
        return 1
    for letter, action in (("s", say_status), ("k", stop), ("r", reload)):
        if letter in letters:
            return action(running)
    if running:
        complain(f"Heartbeat already running [pid {running}].", "info")
        return 0
    return foreground() if "f" in letters else start()


def complain(text: str, level: str = "ERROR") -> None:
    compat.complain("heartbeat", f"{level}: {text}")


def lock(name: str) -> str:
    return os.path.join(compat.runtime_dir(), f"{name}.lock")


def holder() -> int | None:
    """The process to name: the supervisor, or the pulse that lives on without it; 0 for none, None when we may not look."""
    for name in ("supervisor", "pulse"):
        path = lock(name)
        if os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK):
            return None
        if found := lockfile.holder(path):
            return found
    return 0


def say_status(running: int) -> int:
    if not running:
        print("heartbeat is stopped. No process")
        return STOPPED
    host = socket.gethostname()
    try:
        node = str(compat.client().get("/v1/status", 2.0)["node"])
    except UnderstudyError:
        node = host.lower()
    print(f"heartbeat OK [pid {running} et al] is running on {host} [{node}]...")
    return 0


def stop(running: int) -> int:
    """Waits as long as it takes, as the old program does."""
    if not running:
        print("INFO: Heartbeat already stopped.", file=sys.stderr)
        return 0
    if unit := own_unit.unit_of(running):
        return 0 if subprocess.run(["systemctl", "stop", unit], check=False).returncode == 0 else 1
    found = lockfile.attach(lock("supervisor"))
    if found is None:
        complain("only a part of it runs, without its supervisor: start it, then stop it")
        return 1
    process, descriptor = found
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        select.select([descriptor], [], [])
    except ProcessLookupError:
        pass
    except PermissionError:
        complain(f"process {process} may not be stopped by you: run this as root")
        return 1
    finally:
        os.close(descriptor)
    if lockfile.holder(lock("pulse")):
        complain("it did not stop cleanly: what still runs is in its log")
        return 1
    return 0


def reload(running: int) -> int:
    if not running:
        return start()
    try:
        answer = compat.client().post("/v1/reload", {}, 30.0)
    except UnderstudyError as error:
        complain(str(error))
        complain(f"Config errors: Heartbeat pid {running} NOT restarted", "info")
        return 1
    complain(str(answer.get("text", "")), "info")
    return 0


def _command() -> list[str]:
    """What systemd would start: Heartbeat's files where there are any, else the native one."""
    config = CONFIGURATION
    folder = os.environ.get("HA_DIR") or HEARTBEAT
    if os.path.exists(os.path.join(folder, "ha.cf")):
        config = folder
    directories = ["--runtime-dir", compat.runtime_dir()]
    if state := os.environ.get("UNDERSTUDY_STATE_DIR"):
        directories += ["--state-dir", state]
    return [sys.executable, "-P", "-s", "-m", "understudy", "run", "--config", config, *directories]


def foreground() -> int:
    """Does not return, unless the program cannot be run."""
    command = _command()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)


def start() -> int:
    """By systemd, or as a session of its own; ends once it runs, or has said why it does not."""
    command = _command()
    if os.path.isdir("/run/systemd/system"):
        unit = own_unit.NATIVE if command[command.index("--config") + 1].endswith(".toml") else own_unit.OLD
        return 0 if subprocess.run(["systemctl", "start", unit], check=False).returncode == 0 else 1
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + START
    control = os.path.join(compat.runtime_dir(), "control.sock")
    while time.monotonic() < end:
        code = child.poll()
        if code is not None:
            complain("Heartbeat not started: configuration error." if code == 2 else f"Heartbeat ended with {code}.")
            return REFUSED if code == 2 else 1
        if os.path.exists(control) and lockfile.holder(lock("pulse")):
            return 0
        time.sleep(0.05)
    complain(f"Heartbeat does not answer yet, {START:g} s after its start")
    return 1
