"""Machines with Heartbeat's files on them, and either program to run with them: ours, or Debian's heartbeat 3.0.6.

What those files expect of a machine and a namespace does not have: broadcast addresses, an init script ``httpd``, a ``/dev`` with
nothing in it that is the host's (a watchdog, a serial port), a ``/var/log`` to write to.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping

from ..units import MILLISECOND, SECOND, Duration, Instant
from . import heartbeat, kernel
from .cluster import Daemon
from .netns import Cable, LabError, Machine
from .site import DIRECTORY

APACHE = "/usr/sbin/apache2"
HTTPD_SCRIPT = "/etc/ha.d/resource.d/httpd"

CALLS = f"{DIRECTORY}/calls"
"""When the script was called, and with which word: seconds of the wall clock with six decimals."""

HTTPD = f"""\
#!/bin/bash
# As init scripts do: start returns when the program listens, stop when it has ended.
echo "$EPOCHREALTIME $1" >> {CALLS}
run="{APACHE} -f {DIRECTORY}/httpd.conf"
file={DIRECTORY}/httpd.pid
pid=$(cat $file 2>/dev/null)
alive() {{ [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }}
case "$1" in
  start) alive || exec $run -k start ;;
  stop) alive || exit 0; $run -k stop; while alive; do sleep 0.01; done; rm -f $file ;;
  status) if alive; then echo "httpd (pid $pid) is running..."; else echo "httpd is stopped"; exit 3; fi ;;
  *) echo "Usage: $0 start|stop|status" >&2; exit 2 ;;
esac
"""

_OWN_PLACES = """
set -e
mkdir /run/dev
mount -t tmpfs -o mode=755 none /run/dev
for name in null zero full random urandom tty ptmx; do : > /run/dev/$name; mount --bind /dev/$name /run/dev/$name; done
mkdir /run/dev/pts /run/dev/shm
mount --rbind /dev/pts /run/dev/pts
mount --move /run/dev /dev
ln -s /proc/self/fd /dev/fd
mount -t tmpfs none /var/log
[ -z "$TTY" ] || ln -s "$TTY" /dev/ttyS0
"""

_ALL = 0x0003
"""ETH_P_ALL, packet(7)."""
_HEARTBEAT_WITHIN = 30.0


class FolderDaemon(Daemon):
    """Our daemon with ``/etc/ha.d`` and nothing else; which machine this is says ``uname -n``."""

    def flags(self) -> list[str]:
        return ["--config", "/etc/ha.d"]


def furnish(machine: Machine, files: Mapping[str, str], scripts: Mapping[str, str], tty: str = "") -> None:
    """Give a machine that has power its files (``ha.cf``, ``haresources``, ``authkeys``) and scripts of ``resource.d``.

    ``tty``: what ``/dev/ttyS0`` is there. Raises LabError.
    """
    machine.run(["env", f"TTY={tty}", "sh", "-c", _OWN_PLACES])
    lines = [
        f"address del {address} dev {cable.device}\naddress add {address} brd + dev {cable.device}"
        for cable in machine.cables.values()
        for address in cable.addresses
    ]
    machine.run(["ip", "-batch", "-"], "\n".join(lines))
    heartbeat.furnish(machine, files["ha.cf"], files["haresources"], files["authkeys"])
    for name, text in scripts.items():
        heartbeat.write(machine, f"/etc/ha.d/resource.d/{name}", text, "755")


def called(machine: Machine, word: str) -> list[Instant]:
    """When the script ``httpd`` was called with that word there."""
    lines = (line.split() for line in machine.run(["cat", CALLS]).splitlines())
    past = kernel.now() - time.time_ns()
    return [past + round(float(at) * SECOND) for at, what in lines if what == word]


def just_after_a_heartbeat(cable: Cable, dead_time: Duration) -> Instant:
    """Wait for the next heartbeat that leaves by this cable: the worst moment to lose power. Returns when it left.

    One that announces that dead time: a machine that has just started asks for two seconds more. Raises LabError when none
    comes within half a minute. Call in the director.
    """
    announced = f"(0)dt={dead_time // MILLISECOND:x},".encode()
    limit = kernel.now() + round(_HEARTBEAT_WITHIN * SECOND)
    # Of all kinds: frames of one kind are handed to a socket only after the bridge has taken them.
    with contextlib.closing(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))) as ear:
        ear.bind((cable.port, _ALL))
        ear.settimeout(_HEARTBEAT_WITHIN)
        own = bytes.fromhex(cable.mac.replace(":", ""))
        while kernel.now() < limit:
            with contextlib.suppress(TimeoutError):
                frame = ear.recv(2048)
                if frame[6:12] == own and b"(0)t=status," in frame and announced in frame:
                    return kernel.now()
    raise LabError(f"{cable.machine} sends no heartbeats on {cable.device}")
