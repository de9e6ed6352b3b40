"""Who keeps a file system busy: processes with their program and what they hold, and what the kernel itself holds.

    python -I -S mount_holders.py DIRECTORY MOUNT-ID MAJOR:MINOR

prints one JSON list of ``{"pid", "started", "program", "what"}``; pid 0 is the kernel. Run as a program of its own, because
reading another process's memory map waits for that process's lock, and a process that hangs on a dead disk may hold it for ever.
So it imports nothing of ours.

It never touches the file system itself: open files are known by the number of their mount (/proc/PID/fdinfo, ``mnt_id``),
the rest by its name.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """``pid`` 0: not a process. ``started``: clock ticks after boot, so that the number cannot mean somebody else later."""

    pid: int
    started: int
    program: str
    what: str

    def __str__(self) -> str:
        return f"{self.pid} {self.program} ({self.what})" if self.pid else self.what


def main() -> None:
    directory, identity, number = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    print(json.dumps([asdict(holder) for holder in find(directory, identity, number)]))


def find(directory: str, identity: int, number: str) -> tuple[Holder, ...]:
    """Holders of the mount ``identity`` at ``directory``, whose file system has the number "major:minor"."""
    found = []
    for name in sorted((item for item in os.listdir("/proc") if item.isdigit()), key=int):
        if int(name) == os.getpid():
            continue
        what = _held_by(name, directory, identity, number)
        if what:
            found.append(Holder(int(name), _started(name), _program(name), what))
    return (*found, *_kernel(directory))


def _held_by(name: str, directory: str, identity: int, number: str) -> str:
    """What a process holds there, in words; "" when nothing, or when it is gone."""
    # Names from another mount name space mean other places.
    at_home = _link(f"/proc/{name}/ns/mnt") == _link("/proc/self/ns/mnt")
    for link, words in (("root", "has its root at"), ("cwd", "works in"), ("exe", "runs")):
        path = _link(f"/proc/{name}/{link}")
        if at_home and _inside(path, directory):
            return f"{words} {path}"
    try:
        files = os.listdir(f"/proc/{name}/fdinfo")
    except OSError:
        files = []
    for file in files:
        if _mount_of(f"/proc/{name}/fdinfo/{file}") == identity:
            return f"has {_link(f'/proc/{name}/fd/{file}') or 'a file'} open"
    return _mapped(name, directory, number) if at_home else ""


def _mount_of(path: str) -> int:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("mnt_id:"):
                    return int(line.partition(":")[2])
    except (OSError, ValueError):
        pass
    return -1


def _mapped(name: str, directory: str, number: str) -> str:
    major, _, minor = number.partition(":")
    wanted = f"{int(major):02x}:{int(minor):02x}"
    try:
        with open(f"/proc/{name}/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.rstrip("\n").split(None, 5)
                if len(fields) == 6 and fields[3] == wanted and _inside(fields[5], directory):
                    return f"has {fields[5]} in its memory"
    except OSError:
        pass
    return ""


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _program(name: str) -> str:
    try:
        with open(f"/proc/{name}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"


def _started(name: str) -> int:
    try:
        with open(f"/proc/{name}/stat", "rb") as file:
            return int(file.read().rpartition(b") ")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _kernel(directory: str) -> tuple[Holder, ...]:
    """Swap files, loop devices and NFS exports of what lies there: they keep it busy, and no process shows for it."""
    found = []
    for line in _lines("/proc/swaps")[1:]:
        path = line.split()[0]
        if _inside(path, directory):
            found.append(f"the machine swaps to {path}: swapoff {path}")
    for name in os.listdir("/sys/block") if os.path.isdir("/sys/block") else ():
        for path in _lines(f"/sys/block/{name}/loop/backing_file"):
            if _inside(path, directory):
                found.append(f"/dev/{name} is a loop device on {path}: losetup -d /dev/{name}")
    for line in _lines("/proc/fs/nfsd/exports"):
        path = line.split()[0] if line.split() else ""
        if not line.startswith("#") and _inside(path, directory):
            found.append(f"{path} is exported by NFS: exportfs -u")
    return tuple(Holder(0, 0, "", text) for text in found)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
