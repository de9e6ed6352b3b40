"""Debian's heartbeat (3.0.6) on the machines of the lab, for comparison: as its own example has it, but fast."""

from __future__ import annotations

import os

from .netns import LabError, Machine
from .trial import ADDRESS

PROGRAM = "/usr/libexec/heartbeat/heartbeat"

CONFIGURATION = """\
keepalive 200ms
warntime 500ms
deadtime 1
initdead 3
ucast eth1 192.168.107.101
ucast eth1 192.168.107.102
auto_failback off
use_logd no
logfile /run/ha.log
node ha01
node ha02
"""

RESOURCES = f"ha01 IPaddr::{ADDRESS}/24/eth0\n"
KEYS = "auth 1\n1 sha1 understudy\n"

_SET_UP = """
set -e
cp -a /etc/ha.d /run/ha.d
mount --bind /run/ha.d /etc/ha.d
mount -t tmpfs none /var/lib/heartbeat
mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/rsctmp /run/resource-agents
mkdir -p /var/lib/heartbeat/cores/root /var/lib/heartbeat/cores/hacluster /var/lib/heartbeat/cores/nobody
chown -R hacluster:haclient /run/heartbeat /var/lib/heartbeat
"""


def furnish(machine: Machine, configuration: str = CONFIGURATION, resources: str = RESOURCES, keys: str = KEYS) -> None:
    """Give a machine its files. All that the daemon writes lies in the machine's own memory."""
    if not os.access(PROGRAM, os.X_OK):
        raise LabError("heartbeat is not installed", "as root: apt-get install heartbeat (its service need not run)")
    machine.run(["sh", "-c", _SET_UP])
    for name, text, mode in (
        ("ha.cf", configuration, "644"),
        ("haresources", resources, "644"),
        ("authkeys", keys, "600"),
    ):
        write(machine, f"/etc/ha.d/{name}", text, mode)


def write(machine: Machine, path: str, text: str, mode: str = "644") -> None:
    """A file on the machine, in place of what was there."""
    machine.run(["sh", "-c", f"rm -f {path} && umask 077 && cat > {path} && chmod {mode} {path}"], text)


def start(machine: Machine) -> None:
    """Start it on a machine that has its files."""
    machine.spawn([PROGRAM], "/dev/null")


def start_heartbeat(machine: Machine) -> None:
    """Its files, and then itself."""
    furnish(machine)
    start(machine)


def is_part(argv: tuple[str, ...]) -> bool:
    """Whether a process with these words is one of the daemon's: it names its parts "heartbeat: ..."."""
    return argv[0].startswith("heartbeat:") or argv[0].endswith("/heartbeat")
