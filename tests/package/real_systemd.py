"""A clean Debian of the lab whose process 1 is the real systemd, so that the unit is judged by who will run it.

It gets a control group of its own below the unified hierarchy, away from the host's. ``/proc/sys`` is read-only (but for the
network's part, which is the machine's own), so that its systemd-sysctl sets nothing that the host would keep. Process 1 and all
below end with the director.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from clean_debian import CleanDebian

from understudy.lab.inside import BASE
from understudy.lab.netns import Room

_BOOT = """
set -e
mount --make-rprivate /
mkdir -p {home}/upper {home}/work {root}
mount -t overlay overlay -o lowerdir={base},upperdir={home}/upper,workdir={home}/work {root}
hostname > {root}/etc/hostname
mount -t proc proc {root}/proc
mount --bind {root}/proc/sys {root}/proc/sys
mount --bind {root}/proc/sys/net {root}/proc/sys/net
mount -o remount,ro,bind {root}/proc/sys
mount -t sysfs sysfs {root}/sys
mount -t cgroup2 cgroup2 {root}/sys/fs/cgroup
mount -t tmpfs run {root}/run
mount -t tmpfs -o mode=755 dev {root}/dev
for name in null zero full random urandom tty; do
    touch {root}/dev/$name
    mount --bind /dev/$name {root}/dev/$name
done
mkdir {root}/dev/pts {root}/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts {root}/dev/pts
ln -s pts/ptmx {root}/dev/ptmx
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot {root} /lib/systemd/systemd multi-user.target
"""


def unified() -> str:
    """Where the unified hierarchy of control groups is mounted; "" where it is not."""
    with open("/proc/mounts", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return next((row[1] for row in rows if row[2] == "cgroup2"), "")


class RealSystemd(CleanDebian):
    """A machine that systemd has booted. Call ``close`` at the end, also after a failure: the control group is the host's."""

    def __init__(self, room: Room, name: str, base: str) -> None:
        self.machine = room.power_on(name)
        home = f"{BASE}/systemd-{name}"
        self.root = f"{home}/root"
        self._group = f"{unified()}/understudy-{name}-{os.urandom(4).hex()}"
        os.mkdir(self._group)
        boot = _BOOT.format(home=home, root=self.root, base=base)
        # The director's own mounts, because the machine's /sys does not show the control groups.
        enter = ["nsenter", "-t", str(self.machine.init), "-n", "-u", "sh", "-c"]
        away = ["unshare", "--mount", "--pid", "--cgroup", "--ipc", "--fork", "--kill-child", "sh", "-c", boot]
        move = 'echo 0 > "$0/cgroup.procs" && exec "$@"'
        self._log = Path(f"{BASE}/systemd-{name}.log")
        with open(self._log, "wb") as log:
            self._starter = subprocess.Popen(
                [*enter, move, self._group, *away], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._main = self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> int:
        """The process number of systemd, once the boot is over."""
        end = time.monotonic() + 60
        starter = self._starter.pid
        while time.monotonic() < end and self._starter.poll() is None:
            with contextlib.suppress(OSError, ValueError, IndexError):  # not there yet
                child = int(Path(f"/proc/{starter}/task/{starter}/children").read_text("ascii").split()[0])
                if Path(f"/proc/{child}/comm").read_text("ascii") == "systemd\n":
                    self._main = child
                    done = subprocess.run(
                        self.argv("systemctl is-system-running"), capture_output=True, text=True, timeout=60
                    )
                    if done.stdout.strip() in ("running", "degraded"):
                        return child
            time.sleep(0.05)
        raise AssertionError(f"systemd did not boot:\n{self._log.read_text('utf-8', errors='replace')[-3000:]}")

    def argv(self, line: str) -> list[str]:
        enter = ["nsenter", "-t", str(self._main), "-m", "-p", "-i", "-n", "-u", "chroot", self.root]
        environment = [
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
        ]
        return [*enter, *environment, "bash", "-c", f"cd /srv; {line}"]

    def put(self, source: Path, target: str, mode: int = 0o644) -> None:
        """Its files are mounted in its own name space only: so through a pipe."""
        with open(source, "rb") as file:
            subprocess.run(self.argv(f"cat > {target} && chmod {mode:o} {target}"), stdin=file, check=True, timeout=120)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._starter.send_signal(signal.SIGKILL)
        self._starter.wait()
        end = time.monotonic() + 30
        while os.path.isdir(self._group) and time.monotonic() < end:
            for directory, _, _ in os.walk(self._group, topdown=False):
                with contextlib.suppress(OSError):  # its last processes are being buried
                    os.rmdir(directory)
            time.sleep(0.05)
