"""The kernel's list of mounts, /proc/PID/mountinfo (proc(5)), and what a device in the configuration is there.

Nothing here asks a file system for anything but its name: a disk or a server that hangs cannot hold up the reader. The one
exception is ``resolved``, for symbolic links in names; it is called in a process of its own.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

_ESCAPE = re.compile(r"\\([0-7]{3})")
_TAGS = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}


@dataclass(frozen=True, slots=True)
class Mount:
    """One line. ``number`` is "major:minor" of the file system; ``root`` what of it is shown; ``options`` of the mount itself,
    ``deeper`` those of the file system under it, which every mount of it shares.
    """

    id: int
    number: str
    root: str
    directory: str
    options: tuple[str, ...]
    type: str
    source: str
    deeper: tuple[str, ...]

    @property
    def is_read_only(self) -> bool:
        return "ro" in self.options or "ro" in self.deeper


def read_mounts(process: str = "thread-self") -> tuple[Mount, ...]:
    """All mounts that a process sees, in the order in which they were made. Raises OSError."""
    with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return tuple(mount for line in file if (mount := parse_line(line)) is not None)


def parse_line(line: str) -> Mount | None:
    """None for a line that makes no sense."""
    before, dash, after = line.rstrip("\n").partition(" - ")
    head, tail = before.split(" "), after.split(" ")
    if not dash or len(head) < 6 or len(tail) < 3 or not head[0].isdigit():
        return None
    return Mount(
        int(head[0]),
        head[2],
        _plain(head[3]),
        _plain(head[4]),
        tuple(head[5].split(",")),
        tail[0],
        _plain(tail[1]),
        tuple(tail[2].split(",")),
    )


def _plain(text: str) -> str:
    """Blanks, tabs, line ends, # and backslashes are written as octal numbers."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def at_directory(mounts: Iterable[Mount], directory: str) -> tuple[Mount, ...]:
    """What is mounted at ``directory``, the one that is seen last."""
    return tuple(mount for mount in mounts if mount.directory == directory)


def below(mounts: Iterable[Mount], directory: str) -> tuple[Mount, ...]:
    """What is mounted below ``directory``, the deepest first, the newest of one place first."""
    inside = [
        (m.directory.count("/"), age, m) for age, m in enumerate(mounts) if m.directory.startswith(f"{directory}/")
    ]
    return tuple(mount for _, _, mount in sorted(inside, key=lambda item: item[:2], reverse=True))


def containing(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount that ``path``, without symbolic links, lies in: the longest directory, the newest of one place."""
    best = None
    for mount in mounts:
        inside = path == mount.directory or path.startswith(mount.directory.rstrip("/") + "/")
        if inside and (best is None or len(mount.directory) >= len(best.directory)):
            best = mount
    return best


def device_path(device: str) -> str:
    """A device as the file has it, as a path; tags by udev's links (LABEL=data is /dev/disk/by-label/data)."""
    tag, equals, value = device.partition("=")
    if equals and tag in _TAGS:
        # udev writes other characters than these as \\xNN (libblkid, blkid_encode_string).
        name = "".join(c if c.isalnum() or c in "#+-.:=@_" or ord(c) > 127 else f"\\x{ord(c):02x}" for c in value)
        return f"/dev/disk/{_TAGS[tag]}/{name}"
    return device


def shows(mount: Mount, mounts: Iterable[Mount], device: str, type: str) -> bool:
    """Whether ``mount`` is what the configuration means by ``device`` and ``type``. ``device`` without symbolic links."""
    if type == "bind":
        home = containing((other for other in mounts if other.id != mount.id), device)
        if home is None:
            return False
        inner = posixpath.join(home.root, posixpath.relpath(device, home.directory))
        return mount.number == home.number and mount.root == posixpath.normpath(inner)
    if device.startswith("/dev/"):
        return _is_device(mount, device)
    if mount.source.startswith("/dev/loop") and device.startswith("/"):
        return _loop_file(mount.source) == device
    same_type = mount.type == type or {mount.type, type} <= {"nfs", "nfs4"} or mount.type.partition(".")[2] == type
    return same_type and mount.source.rstrip("/") == device.rstrip("/")


def _is_device(mount: Mount, device: str) -> bool:
    if mount.source == device or os.path.realpath(mount.source) == os.path.realpath(device):
        return True
    try:
        number = os.stat(device).st_rdev
    except OSError:
        return False
    return number != 0 and mount.number == f"{os.major(number)}:{os.minor(number)}"


def _loop_file(device: str) -> str:
    """The file behind a loop device, "" when the kernel does not say."""
    try:
        with open(f"/sys/block/{device.rpartition('/')[2]}/loop/backing_file", encoding="utf-8") as file:
            return file.read().rstrip("\n")
    except OSError:
        return ""


def disk_number(device: str) -> str:
    """ "major:minor" of a block device, "" when it is none or not there."""
    try:
        number = os.stat(device).st_rdev if device.startswith("/dev/") else 0
    except OSError:
        return ""
    return f"{os.major(number)}:{os.minor(number)}" if number else ""


def elsewhere(number: str, source: str, root: str = "") -> str:
    """What still shows a file system that we have unmounted, in words; "" for nothing.

    ``number``, ``source``, ``root``: of the mount that went; each may be "". Another mount name space may have a copy that keeps
    the disk mounted after our own mount is gone: containers have them, and services that are shut in. While we ourselves
    still show something else of it (another subvolume), only the same part of it counts; the rest is looked at with that.
    """
    if not number and not source:
        return ""
    ours = [mount for mount in read_mounts() if mount.number == number or (source and mount.source == source)]
    if ours:
        return next((f"the same is mounted at {mount.directory}" for mount in ours if mount.root == root), "")
    seen = {_space("thread-self")}
    for name in sorted((item for item in os.listdir("/proc") if item.isdigit()), key=int):
        space = _space(name)
        if not space or space in seen:
            continue
        seen.add(space)
        try:
            mounts = read_mounts(name)
        except OSError:
            continue
        for mount in mounts:
            same = (number and mount.number == number) or (source and mount.source == source)
            if same:
                return f"process {name} ({_program(name)}) has it at {mount.directory} in a mount name space of its own"
    return ""


def _space(process: str) -> str:
    try:
        return os.readlink(f"/proc/{process}/ns/mnt")
    except OSError:
        return ""


def _program(process: str) -> str:
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"
