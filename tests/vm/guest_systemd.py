"""The guest's part of vm_systemd.py: a clean Debian whose process 1 is systemd, on Debian's own kernel.

Run by a unit of that systemd with the distribution's Python, as /srv/guest.py, beside the package. A line "guest TIME: WORDS" on
the console is for the test; the last is "all done", or "failed: ..." with what was not so.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

STARTED = time.monotonic()
SLOW = 240.0
"""A guest without hardware help takes many times as long as a machine, and its host may be busy."""

NETWORK = """
for each in 0 1; do
    ip link add eth$each type veth peer name switch$each
    ip link set eth$each up; ip link set switch$each up
done
ip address add 192.168.58.101/24 dev eth0
ip address add 192.168.107.101/24 dev eth1
"""
MEMBERS = "--node ha02=192.168.58.102,192.168.107.102 --witness arbiter=192.168.58.9"

UNIT = """
[Service]
ExecStart=/usr/bin/sleep 86395
"""

PAIR = """
[cluster]
name = "virtual"
key_file = "cluster.key"
heartbeat = "1s"
dead_time = "5s"
quorum = "pair"
[nodes.ha01]
links = ["192.168.107.101"]
[nodes.ha02]
links = ["192.168.107.102"]
[groups.web]
resources = [
  { address = "192.168.58.100/24", device = "eth0" },
  { systemd = "site.service", interval = "1h" },
]
"""
SHOW = "systemctl show --property MainPID --value site.service"
OURS = "find /etc /usr /run /var /root -xdev -name '*understudy*'"
DISK = "find /etc /usr /var/lib /root /srv -xdev -printf '%p %y %m %u %g %l\\n' | sort"
VARIES = ("/etc/group-", "/etc/gshadow-", "/var/lib/apt/", "/var/lib/dpkg/", "/var/lib/systemd/")
"""What apt, dpkg, groupadd and systemd write about themselves, whatever they are asked."""


def say(words: str) -> None:
    print(f"guest {time.monotonic() - STARTED:.1f}: {words}", flush=True)


class Wrong(Exception):
    """Something is not so; says what."""


def type_(line: str, expect: int | None = 0) -> str:
    """What a line prints on both channels; ``expect`` None: whatever it ends with."""
    done = subprocess.run(
        ["/bin/bash", "-c", f"cd /srv; export DEBIAN_FRONTEND=noninteractive; {line}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SLOW,
    )
    if expect is not None and done.returncode != expect:
        raise Wrong(f"{line} ended with {done.returncode}: {done.stdout[-1500:]}")
    return done.stdout


def must(found: bool, words: str) -> None:
    if not found:
        raise Wrong(words)


def until(what: str, happened: Callable[[], bool]) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    while not happened():
        if time.monotonic() - began > SLOW:
            history = type_("understudy history; systemctl status understudy --no-pager", None)
            raise Wrong(f"did not happen: {what}\n{history[-2500:]}")
        time.sleep(0.1)
    return time.monotonic() - began


def is_active(unit: str) -> str:
    return type_(f"systemctl is-active {unit}", None).strip()


def main_process() -> int:
    return int(type_(SHOW))


def as_the_readme_says() -> None:
    type_("apt-get install -y ./understudy_*.deb")
    say("installed")
    must(is_active("understudy") == "inactive", "the package has started the service by itself")
    must(
        type_("systemctl is-enabled understudy", 1).strip() == "disabled",
        "the package has enabled the service by itself",
    )
    type_(f"understudy init --yes {MEMBERS} --address 192.168.58.100")
    type_("systemctl enable --now understudy")
    # The service is ready when its addresses are guarded; its manager, which answers, may need some seconds more here.
    until("status answers", lambda: "seen from ha01" in type_("understudy status", None))
    status = type_("understudy status")
    must("WITHOUT quorum" in status, status)  # it is alone, and says so
    must(len(our_processes()) >= 3, f"only these run: {our_processes()}")
    say("status answers")


def a_unit_as_a_resource() -> None:
    Path("/etc/systemd/system/site.service").write_text(UNIT)
    Path("/etc/understudy/cluster.toml").write_text(PAIR)
    type_("systemctl daemon-reload; systemctl restart understudy", None)
    refused = type_("journalctl -u understudy --no-pager -n 30")
    must(
        "counted the votes of" in refused and "rm -f " in refused,
        f"other voters, and the start says nothing: {refused}",
    )
    type_(refused.partition("on each of them: ")[2].partition(", and start them all")[0])
    type_("systemctl reset-failed understudy; systemctl start understudy")
    until("the unit runs", lambda: is_active("site.service") == "active")
    until("the group has started", lambda: '"started"' in type_("understudy status --json", None))
    say("the unit runs")
    # A monitor comes once an hour, so whatever is noticed below was said by systemd's signals.
    first = main_process()
    type_(f"kill -9 {first}")
    until("a killed main process is noticed, and the unit started again", lambda: main_process() not in (0, first))
    say("the killed unit runs again")
    second = main_process()
    type_("systemctl stop site.service")
    until("a stop by hand is noticed, and the unit started again", lambda: main_process() not in (0, second))
    history = type_("understudy history")
    must(history.count("site.service failed") >= 2 or history.count("restarted here") >= 2, history)
    say("the stopped unit runs again")
    type_("understudy stop web")
    must(is_active("site.service") == "inactive", "the stopped group's unit is active")
    type_("understudy start web")
    until("the unit runs", lambda: is_active("site.service") == "active")
    say("stopped and started by command")


def disk() -> set[str]:
    return {line for line in type_(DISK).splitlines() if not line.startswith(VARIES)}


def our_processes() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [words] if "-m understudy." in words else []
    return found


def purged(before: set[str]) -> None:
    type_("apt-get purge -y understudy")
    left = our_processes()
    must(not left, f"processes are left: {left}")
    must(is_active("site.service") == "inactive", "the purge has left the group's unit running")
    type_("rm /etc/systemd/system/site.service; systemctl daemon-reload")
    must(type_(OURS) == "", type_(OURS))
    changed = sorted(line for line in disk() ^ before if "__pycache__" not in line)
    must(not changed, f"not as before: {changed[:20]}")
    must("192.168.58.100" not in type_("ip address"), "the address is left")
    say("nothing is left")


def main() -> None:
    try:
        say(f"kernel {Path('/proc/sys/kernel/osrelease').read_text().strip()}")
        until(
            "systemd has booted", lambda: type_("systemctl is-system-running", None).strip() in ("running", "degraded")
        )
        say("systemd has booted")
        type_(NETWORK)
        before = disk()
        as_the_readme_says()
        a_unit_as_a_resource()
        purged(before)
        say("all done")
    except (Wrong, subprocess.TimeoutExpired) as error:
        say(f"failed: {error}")
    type_("systemctl poweroff --force --force")


if __name__ == "__main__":
    main()
