"""The guest's part of the tests: runs a real daemon in this virtual machine, does the plan, says on the console what happens.

Runs as the only program of the guest, with words of the kernel's command line in its environment:
``name`` ha01 or ha02; ``plan`` freeze, hang, stop, kill, crashes, clock or serve; ``counts`` the watchdog's seconds, "" for none;
``patience`` the group's stop_timeout, for which a machine that never met its peer waits. A line "guest TIME: WORDS" is for the
test; everything else is for people.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

DEAD_TIME, HEARTBEAT = 5, 1
ADDRESS = "10.99.1.100"
HERE = Path("/run/guest")
RUNS, HANGS = HERE / "runs", HERE / "hangs"
STARTED = time.monotonic()
_LIBC = ctypes.CDLL(None, use_errno=True)
SLOW = 90.0
"""A guest without hardware help starts Python in seconds, and a busy host makes it several times slower."""

SCRIPT = f"""#!/bin/sh
# The exclusive program: runs where {RUNS} exists; its stop hangs where {HANGS} exists.
case "$1" in
start) : > {RUNS} ;;
stop) [ -e {HANGS} ] && exec sleep 86399; rm -f {RUNS} ;;
status) [ -e {RUNS} ] || exit 3 ;;
esac
"""


def say(words: str) -> None:
    print(f"guest {time.monotonic() - STARTED:.1f}: {words}", flush=True)


def shell(words: str) -> None:
    done = subprocess.run(["/bin/sh", "-ec", words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        say(f"failed ({done.returncode}): {words}: {done.stdout.strip()}")


def network(name: str) -> None:
    """A client's network namespace behind eth0; eth1, where there is one, is the cable to the other machine."""
    number = int(name[-2:])
    shell("ip link set lo up; mkdir -p /run/netns; ip netns add client")
    if Path("/sys/class/net/eth0").exists():
        shell("ip link set eth0 name eth1")
    shell("ip link add eth0 type veth peer name eth0 netns client")
    shell(f"ip addr add 10.99.1.{number}/24 dev eth0; ip link set eth0 up")
    shell("ip -n client addr add 10.99.1.50/24 dev eth0; ip -n client link set eth0 up")
    if not Path("/sys/class/net/eth1").exists():
        shell("ip link add eth1 type veth peer name nobody; ip link set nobody up")
    shell(f"ip addr add 10.99.2.{number}/24 dev eth1; ip link set eth1 up")


def configuration(counts: str, patience: str) -> Path:
    HERE.mkdir(parents=True)
    (HERE / "data").write_text(SCRIPT)
    (HERE / "data").chmod(0o755)
    (HERE / "key").write_text("0123456789abcdef" * 4 + "\n")
    (HERE / "key").chmod(0o600)
    watchdog = f'[watchdog]\ndevice = "/dev/watchdog"\ntimeout = "{counts}s"\n' if counts else ""
    text = f"""
[cluster]
name = "virtual"
key_file = "{HERE}/key"
heartbeat = "{HEARTBEAT}s"
dead_time = "{DEAD_TIME}s"
quorum = "pair"
{watchdog}
[nodes.ha01]
links = ["10.99.2.1"]
[nodes.ha02]
links = ["10.99.2.2"]
[groups.site]
prefer = ["ha01", "ha02"]
failback = "never"
stop_timeout = "{patience}"
resources = [
  {{ address = "{ADDRESS}/24", device = "eth0" }},
  {{ script = "{HERE}/data", name = "data", exclusive = true, stop_timeout = "5s", interval = "0s" }},
]
"""
    (HERE / "cluster.toml").write_text(text)
    return HERE / "cluster.toml"


def start(name: str, file: Path) -> subprocess.Popen[bytes]:
    places = ["--runtime-dir", str(HERE / "runtime"), "--state-dir", str(HERE / "state")]
    words = [sys.executable, "-m", "understudy.cli.main", "run", "--config", str(file), "--node", name, *places]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL)


def pulses() -> list[int]:
    """The ids of the pulse and its spare."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"understudy.pulse" in words:
            found.append(int(entry.name))
    return found


def enter(namespace: int) -> None:
    """os.setns came with Python 3.12."""
    if _LIBC.setns(namespace, 0):
        raise OSError(ctypes.get_errno(), "setns")


def served() -> bool:
    """Whether this machine answers the client for the address: a closed port refuses, a filtered address says nothing."""
    handle = os.open("/run/netns/client", os.O_RDONLY)
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        enter(handle)
        with socket.socket() as asking:
            asking.settimeout(0.5)
            try:
                asking.connect((ADDRESS, 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return True
    finally:
        enter(own)
        os.close(handle)
        os.close(own)


def watch(seconds: float, wanted: str = "") -> None:
    """Say each change of what runs and what is served; until ``wanted`` is said, or ``seconds`` have passed."""
    end = time.monotonic() + seconds
    last: dict[str, str] = {}
    while time.monotonic() < end:
        now = {"data": "data runs" if RUNS.exists() else "data rests", "net": "served" if served() else "not served"}
        for key, words in now.items():
            if last.get(key) != words:
                say(words)
        last = now
        if wanted in now.values():
            return
        time.sleep(0.2)


def do(plan: str, daemon: subprocess.Popen[bytes], counts: int) -> None:
    """The plan, once the machine serves. A plan that must end in a reset says "survived" if it does not."""
    if plan in ("freeze", "hang"):
        if plan == "freeze":
            for process in pulses():
                os.kill(process, signal.SIGSTOP)
            say("frozen")
        else:
            HANGS.touch()
            daemon.send_signal(signal.SIGTERM)
            say("asked to stop")
        watch(counts * 2 + 60)
    elif plan == "kill":
        for process in pulses():
            os.kill(process, signal.SIGKILL)
        say("killed")
        watch(counts * 2 + 10)
        say(f"pulses: {len(pulses())}")
    elif plan == "crashes":
        # A pulse grants nothing, itself neither, for a dead time: killed earlier than that, again and again, it has no right any
        # more once the kernel's lease is over. And the program does not stop.
        HANGS.touch()
        end = time.monotonic() + counts * 2 + 60
        while time.monotonic() < end:
            for process in pulses():
                os.kill(process, signal.SIGKILL)
            say("killed")
            watch(0.8 * DEAD_TIME)
    elif plan == "stop":
        daemon.send_signal(signal.SIGTERM)
        say(f"stopped with {daemon.wait(SLOW)}")
        watch(counts * 2 + 5)
    elif plan == "clock":
        for days in (1, -2, 1):
            time.clock_settime(time.CLOCK_REALTIME, time.time() + days * 86400)
            say(f"clock set by {days} days")
            watch(1.5 * DEAD_TIME)
    else:
        watch(300.0)
    say("survived")


def main() -> None:
    words = os.environ
    name, plan, counts = words["name"], words["plan"], words.get("counts", "")
    say(f"kernel {os.uname().release}")
    Path("/proc/sys/kernel/hostname").write_text(name)
    network(name)
    for identity in Path("/sys/class/watchdog").glob("*/identity"):
        say(f"watchdog {identity.read_text().strip()}")
    daemon = start(name, configuration(counts, words.get("patience", "600s")))
    if plan == "serve":
        do(plan, daemon, 0)
        return
    watch(max(SLOW, 400.0), "data runs")
    watch(SLOW, "served")
    watch(1.2 * DEAD_TIME)
    if not RUNS.exists() or not re.match(r"\d", counts or "0"):
        say("the machine does not serve")
        return
    do(plan, daemon, int(counts or 0))


if __name__ == "__main__":
    main()
