"""Machines of the lab that are clean Debians: each has a root directory of its own, with nothing in it but Debian.

``make_base`` puts Debian's smallest system (and the interpreter that the package depends on) into a directory, once; each
machine's root is an overlay over it. The machines have no way out of the lab, so what is installed there comes without a network.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from understudy.lab.inside import BASE
from understudy.lab.netns import Machine, Room

HERE = Path(__file__).resolve().parent
HOME = "/srv"
"""Where commands are typed: a directory that is the machine's own."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_COMPARED = (
    "./proc",
    "./sys",
    "./dev",
    "./run",
    "./tmp",
    "./var/lib/apt",
    "./var/cache/apt",
    "./var/log/apt",
    "./etc/*-",
)
"""Not on the disk; or apt's and groupadd's own diaries, stores and backups, which they make whatever they are asked."""
_CONTENT_VARIES = ("./var/log/*", "./var/lib/dpkg/*", "./var/cache/*")
"""Diaries of Debian's own programs: they must be there as before, with whatever in them."""


def overlay_missing() -> str:
    """What this machine lacks for machines with a root of their own; empty when nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if "overlay" not in Path("/proc/filesystems").read_text("ascii"):
        return "the kernel has no overlay file system"
    absent = [name for name in ("ip", "nft", "nsenter", "chroot") if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def missing() -> str:
    """What it takes to make the base as well; empty when nothing is missing."""
    if overlay_missing():
        return overlay_missing()
    absent = [name for name in ("debootstrap", "apt-get", "dpkg-deb") if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def make_base(directory: Path, python: str) -> None:
    """The release of this machine, from where this machine's apt gets its packages."""
    release = Path("/etc/os-release").read_text("utf-8")
    suite = next(
        line.partition("=")[2].strip('"') for line in release.splitlines() if line.startswith("VERSION_CODENAME=")
    )
    sites = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    mirror = subprocess.run(sites, capture_output=True, text=True, check=True).stdout.split()[0]
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={python},iproute2,systemd,systemd-sysv,dbus",
        suite,
        str(directory),
        mirror,
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"debootstrap ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


_FURNISH = """
set -e
mkdir -p {home}/upper {home}/work {root}
mount -t overlay overlay -o lowerdir={base},upperdir={home}/upper,workdir={home}/work {root}
mount -t proc proc {root}/proc
mount -t sysfs sysfs {root}/sys
mount -t tmpfs -o mode=755 run {root}/run
mount --rbind /dev {root}/dev
mkdir {root}/run/systemd {root}/run/systemd/system
hostname > {root}/etc/hostname
"""


class CleanDebian:
    """A machine of ``room`` with power. ``base`` is what ``make_base`` made."""

    def __init__(self, room: Room, name: str, base: str) -> None:
        self.machine: Machine = room.power_on(name)
        home = f"{BASE}/debian-{name}"
        self.root = f"{home}/root"
        self.machine.run(["sh", "-c", _FURNISH.format(home=home, root=self.root, base=base)])

    def argv(self, line: str) -> list[str]:
        """The command that has a login shell of the machine's root run ``line``."""
        shell = [
            "env",
            "-i",
            f"PATH={PATH}",
            f"HOME={HOME}",
            "LC_ALL=C.UTF-8",
            "DEBIAN_FRONTEND=noninteractive",
            "bash",
            "-c",
        ]
        return self.machine.command(["chroot", self.root, *shell, f"cd {HOME}; {line}"])

    def type(self, line: str, expect: int = 0) -> str:
        """What a line prints on both channels. Fails when it does not end with the exit code ``expect``."""
        done = subprocess.run(
            self.argv(line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        if done.returncode != expect:
            log = subprocess.run(self.argv("tail -20 /run/understudy.log"), capture_output=True, text=True).stdout
            raise AssertionError(f"{self.machine.name}# {line}\nended with {done.returncode}:\n{done.stdout}\n{log}")
        return done.stdout

    def put(self, source: Path, target: str, mode: int = 0o644) -> None:
        """Copy a file of the host onto the machine."""
        self.machine.run(["install", "-D", "-m", f"{mode:o}", str(source), f"{self.root}{target}"])

    def put_systemctl(self) -> None:
        """A stand-in where systemd's own would be."""
        self.put(HERE / "systemctl", "/usr/bin/systemctl", 0o755)

    def files(self) -> dict[str, str]:
        """Every file of the machine's disk: path to type, mode, owner and a hash of what is in it."""
        skip = " -o ".join(f"-path {shlex.quote(path)}" for path in _NOT_COMPARED)
        vague = " -o ".join(f"-path {shlex.quote(path)}" for path in _CONTENT_VARIES)
        line = f"cd / && find . -xdev \\( {skip} \\) -prune -o -printf '%p\\t%y %m %u %g %l\\n'"
        found = dict(row.split("\t", 1) for row in self.type(line).splitlines())
        line = f"cd / && find . -xdev \\( {skip} -o {vague} \\) -prune -o -type f -print0 | xargs -0 sha256sum --zero"
        for row in self.type(line).split("\0")[:-1]:  # without --zero, names with a backslash are written otherwise
            digest, path = row.split("  ", 1)
            found[path] += f" {digest}"
        return found
