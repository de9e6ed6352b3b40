"""Mounts in the configuration: what is mounted where, and what must not be mounted twice or in the wrong order."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from ..model import KillHolders, MountCheck, MountResource
from .parts import Common
from .report import Report, Scope, one_of, suggestion
from .tree import Array, Place

SHARED_TYPES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.ceph", "glusterfs", "fuse.glusterfs", "gfs2", "ocfs2", "lustre"}
    | {"fuse.sshfs", "beegfs", "9p", "virtiofs", "tmpfs", "ramfs", "bind", "iso9660", "squashfs"}
)
"""File systems that may be mounted on two machines at once; all others are ``exclusive`` unless the file says otherwise."""

NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "beegfs", "9p", "virtiofs"})
_WITHOUT_DISK = NETWORK_TYPES | {"tmpfs", "ramfs", "bind", "overlay"}

_TYPE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
_TAG = re.compile(r"(?:UUID|LABEL|PARTUUID|PARTLABEL)=[^\s\"]+")
_NFS = re.compile(r"(?:[^/:\s]+|\[[0-9A-Fa-f:.%]+\]):/\S*")
_ACTIONS = ("remount", "move", "bind", "rbind")


def read_mount(report: Report, scope: Scope, common: Common) -> MountResource | None:
    """A resource of the kind ``mount``; None after reporting."""
    device = scope.text("mount")
    kind = _type(report, scope, device)
    directory = _directory(report, scope)
    options = _options(report, scope)
    fsck = scope.boolean("fsck")
    if fsck and kind in _WITHOUT_DISK:
        report.error(scope.at("fsck"), f'there is nothing to repair on a machine with type "{kind}"', "Take fsck away.")
    kill = _choice(report, scope, "kill_holders", [item.value for item in KillHolders])
    check = _choice(report, scope, "check", [item.value for item in MountCheck])
    if check == MountCheck.WRITE.value and "ro" in (options or ()):
        report.error(scope.at("check"), 'check = "write" on a mount that is "ro" would always fail', 'Write "read".')
    if device is not None and kind is not None and not _device_fits(report, scope, device, kind):
        return None
    if device is None or kind is None or directory is None or options is None:
        return None
    return MountResource(
        common.name or f"mount {directory}",
        device,
        directory,
        kind,
        options,
        bool(fsck),
        KillHolders.KILL if kill is None else KillHolders(kill),
        MountCheck.NONE if check is None else MountCheck(check),
        kind not in SHARED_TYPES if common.exclusive is None else common.exclusive,
        common.limits,
        common.restarts,
    )


def _choice(report: Report, scope: Scope, word: str, known: list[str]) -> str | None:
    text = scope.text(word)
    if text is None or text in known:
        return text
    report.error(scope.at(word), f'unknown "{word}" "{text}"', suggestion(text, known, "It may be"))
    return None


def _type(report: Report, scope: Scope, device: str | None) -> str | None:
    if "type" not in scope:
        guess = "ext4"
        if device is not None and _NFS.fullmatch(device):
            guess = "nfs"
        elif device is not None and device.startswith("//"):
            guess = "cifs"
        elif device in ("tmpfs", "overlay"):
            guess = device
        scope.text("type")
        scope.missing("type", f'Write the type of the file system, as in type = "{guess}".')
        return None
    kind = scope.text("type")
    if kind is None:
        return None
    if kind == "none":
        report.error(scope.at("type"), '"none" is no type of file system', 'Write type = "bind" to show a directory.')
        return None
    if not _TYPE.fullmatch(kind):
        hint = 'Write it as for mount -t, such as "ext4", "xfs", "nfs"; "bind" shows a directory at another place.'
        report.error(scope.at("type"), f'"{kind}" cannot be a type of file system', hint)
        return None
    return kind


def _directory(report: Report, scope: Scope) -> str | None:
    if "at" not in scope:
        scope.text("at")
        scope.missing("at", 'Write at = "/srv/site", the directory where it shall be mounted.')
        return None
    path = scope.text("at")
    if path is None:
        return None
    clean = posixpath.normpath(path)
    if not path.startswith("/"):
        report.error(scope.at("at"), f'"at" is "{path}", which does not begin with /', "Write the full path.")
    elif clean in ("/", "//") or "\n" in path:
        report.error(scope.at("at"), f'nothing can be mounted at "{path}"', "Name a directory for this mount alone.")
    elif clean != path:
        report.error(scope.at("at"), f'"at" is "{path}"', f'Write "{clean}".')
    else:
        return path
    return None


def _options(report: Report, scope: Scope) -> tuple[str, ...] | None:
    """A list of strings, or one string with commas as mount(8) takes it; () when there are none, None when they are bad."""
    value = scope.value("options")
    if value is None:
        return ()
    if isinstance(value.data, str):
        items: Iterable[tuple[str, Place]] = [(text.strip(), value.place) for text in _split(value.data)]
    elif isinstance(value.data, Array):
        items = scope.texts("options", "strings") or []
    else:
        scope.wrong("options", "a list of strings, or one string", value, 'Write options = ["noatime", "nodev"].')
        return None
    found: list[str] = []
    good = True
    for text, place in items:
        if not text or "\n" in text or len(_split(text)) != 1:
            report.error(place, f'"{text}" is not one mount option', "Write each as a string of its own.")
            good = False
        elif text in _ACTIONS:
            hint = 'Write type = "bind".' if text.endswith("bind") else "Take it away."
            report.error(place, f'"{text}" is not an option but another kind of mount', hint)
            good = False
        else:
            found.append(text)
    return tuple(found) if good else None


def _split(text: str) -> list[str]:
    """At commas, but not inside quotation marks: SELinux contexts have commas (mount(8), "context=")."""
    return re.findall(r"(?:[^,\"]|\"[^\"]*\"?)+", text) or [text]


def _device_fits(report: Report, scope: Scope, device: str, kind: str) -> bool:
    if device.startswith("-") or "\n" in device:
        report.error(
            scope.at("mount"), f'"{device}" cannot be mounted', "Name a device, a server's path, or a directory."
        )
        return False
    if kind == "bind" and not device.startswith("/"):
        report.error(scope.at("mount"), f'"{device}" is not a directory that "bind" could show', "Write a full path.")
        return False
    if kind in ("nfs", "nfs4") and not _NFS.fullmatch(device):
        report.error(scope.at("mount"), f'"{device}" does not name a path on an NFS server', 'Write "server:/path".')
        return False
    if "=" in device and device.partition("=")[0].isalpha() and not _TAG.fullmatch(device) and device.isupper():
        hint = f"Tags are {one_of(['UUID', 'LABEL', 'PARTUUID', 'PARTLABEL'])}."
        report.error(scope.at("mount"), f'"{device}" does not name a device', hint)
        return False
    return True


def check_mounts(report: Report, mounts: list[tuple[str, MountResource, Place, int]]) -> None:
    """What concerns several mounts, given as (group, resource, place, stage) in the order of the file."""
    owners: dict[str, tuple[str, MountResource, Place, int]] = {}
    disks: dict[str, tuple[str, MountResource, Place, int]] = {}
    for entry in mounts:
        group, mount, place, stage = entry
        first = owners.setdefault(mount.directory, entry)
        if first is not entry:
            whose = (
                f"{group} mounts" if first[0] == group else f"{first[0]} (line {first[2].line}) and {group} both mount"
            )
            text = f"{whose} at {mount.directory}" + (" twice" if first[0] == group else "")
            report.error(place, text, "What is mounted first would be hidden: give each a directory of its own.")
            continue
        if mount.exclusive and mount.type not in _WITHOUT_DISK:
            first = disks.setdefault(mount.device, entry)
            if first[0] != group:
                text = f"{mount.device} is mounted by two groups, {first[0]} (line {first[2].line}) and {group}"
                report.error(place, text, "They could be on two machines at once: put both mounts into one group.")
            elif first is not entry and not all(_names_part(item.options) for item in (first[1], mount)):
                text = f"{mount.device} is mounted twice by {group} (first on line {first[2].line})"
                hint = (
                    f'Show it there with {{ mount = "{first[1].directory}", at = "{mount.directory}", type = "bind" }}.'
                )
                report.error(place, text, hint)
        for other_group, other, _, other_stage in mounts[: mounts.index(entry)]:
            if other_group == group and other.directory.startswith(f"{mount.directory}/"):
                text = f"{mount.directory} is mounted after {other.directory} and would hide it"
                report.error(place, text, f"Put it before {other.directory}.")
            elif other_group == group and other_stage == stage and mount.directory.startswith(f"{other.directory}/"):
                text = f"{mount.directory} lies in {other.directory}, and both are mounted at the same time"
                report.error(place, text, "Put it behind the inner list, so that it comes after the other.")


def _names_part(options: tuple[str, ...]) -> bool:
    """Whether only a part of the file system is mounted, as btrfs can."""
    return any(option.startswith(("subvol=", "subvolid=")) for option in options)
