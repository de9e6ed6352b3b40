"""Debian's heartbeat (3.0.6) on the machines of the lab, for comparison: as its own example has it, but fast."""

from __future__ import annotations

import os

from .netns import LabError, Machine
from .trial import ADDRESS

_PROGRAM = "/usr/libexec/heartbeat/heartbeat"

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

_SET_UP = f"""
set -e
cp -a /etc/ha.d /run/ha.d
cat > /run/ha.d/ha.cf
printf 'auth 1\\n1 sha1 understudy\\n' > /run/ha.d/authkeys
chmod 600 /run/ha.d/authkeys
echo 'ha01 IPaddr::{ADDRESS}/24/eth0' > /run/ha.d/haresources
mount --bind /run/ha.d /etc/ha.d
mount -t tmpfs none /var/lib/heartbeat
mkdir -p /run/heartbeat/ccm /run/heartbeat/dopd /run/heartbeat/rsctmp /run/resource-agents
mkdir -p /var/lib/heartbeat/cores/root /var/lib/heartbeat/cores/hacluster /var/lib/heartbeat/cores/nobody
chown -R hacluster:haclient /run/heartbeat /var/lib/heartbeat
"""


def start_heartbeat(machine: Machine) -> None:
    """All that it writes lies in the machine's own memory."""
    if not os.access(_PROGRAM, os.X_OK):
        raise LabError("heartbeat is not installed", "as root: apt-get install heartbeat (its service need not run)")
    machine.run(["sh", "-c", _SET_UP], CONFIGURATION)
    machine.spawn([_PROGRAM], "/dev/null")


def is_part(argv: tuple[str, ...]) -> bool:
    """Whether a process with these words is one of the daemon's: it names its parts "heartbeat: ..."."""
    return argv[0].startswith("heartbeat:") or argv[0].endswith("/heartbeat")
