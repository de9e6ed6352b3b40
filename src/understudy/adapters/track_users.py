"""As whom a script of a virtual router runs, and whether somebody else could change what it does.

keepalived's rules (``script_user``, ``enable_script_security``): a script without a user runs as ``script_user``, else as the
user keepalived_script where there is one, else as root. With script security nothing runs as root that another user could
change: its file, and every folder on the way to it, also behind symbolic links, must belong to root and be writable for root
alone (a folder with the sticky bit is enough); and what names no user is run only if ``script_user`` or keepalived_script does.

The name service is asked here: call these functions in a thread.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from .agent_proc import SEARCH_PATH

DEFAULT = "keepalived_script"
"""The user whom keepalived takes where ``script_user`` names nobody."""

_LINKS = 40
"""Symbolic links on the way to one file; Linux follows as many (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class ScriptUser:
    """``groups``: all of them, the first is the main one."""

    name: str
    uid: int
    groups: tuple[int, ...]
    home: str = "/"

    @property
    def is_us(self) -> bool:
        """Whether nothing is to be changed for it."""
        return self.uid == os.geteuid() and self.groups[:1] == (os.getegid(),)


@dataclass(frozen=True, slots=True)
class Program:
    """What can be run: ``argv`` with its program's whole path. ``remark``: what the administrator should know, or ""."""

    argv: tuple[str, ...]
    user: ScriptUser
    remark: str = ""


def find_user(text: str) -> ScriptUser | str:
    """``user`` or ``user:group``, by name or number. What is wrong with it, in a sentence, when there is none."""
    name, _, group = text.partition(":")
    try:
        found = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return f"there is no user {name}"
    try:
        main = (grp.getgrgid(int(group)) if group.isdigit() else grp.getgrnam(group)).gr_gid if group else found.pw_gid
    except KeyError:
        return f"there is no group {group}"
    others = () if group else tuple(item for item in os.getgrouplist(found.pw_name, main) if item != main)
    return ScriptUser(found.pw_name, found.pw_uid, (main, *others), found.pw_dir)


def user_of(text: str, default: str, security: bool) -> ScriptUser | str:
    """Of a script that says ``text`` ("" for nothing); ``default`` is ``script_user``. A sentence when it may not run."""
    wanted = text or default
    if wanted:
        found = find_user(wanted)
    else:
        found = find_user(DEFAULT)
        if isinstance(found, str):
            if security:
                return (
                    f"no user is named for it, there is no script_user and no user {DEFAULT}, and script security is on"
                )
            found = find_user("0")
    if isinstance(found, ScriptUser) and not found.is_us and os.geteuid() != 0:
        return f"it is to run as {found.name}, and this daemon is not root"
    return found


def examine(argv: Sequence[str], user: ScriptUser | str, security: bool) -> Program | str:
    """Judge a script as it is now. A sentence when it can't, or may not, be run."""
    if isinstance(user, str):
        return user
    if not argv:
        return "it names no program"
    path = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=SEARCH_PATH) or ""
    if not path:
        return f"there is no program {argv[0]} in {SEARCH_PATH}"
    try:
        kind = os.stat(path).st_mode
    except OSError as error:
        return f"{path}: {error.strerror}"
    if not stat.S_ISREG(kind):
        return f"{path} is no file"
    refusal = _refusal(path, user)
    if refusal:
        return refusal
    remark = ""
    if user.uid == 0:
        weak = weakness(path)
        if weak and security:
            return f"it would run as root, and others than root could change it: {weak}"
        remark = f"{path} runs as root, and others than root could change it: {weak}" if weak else ""
    return Program((path, *argv[1:]), user, remark)


def program_of(argv: tuple[str, ...], user: str) -> Program | str:
    """``argv`` as ``user`` ("" for whom we are) can run it now, or why it can't. Asks the name service and the disk."""
    return examine(argv, user_of(user or str(os.geteuid()), "", False), False)


def weakness(path: str) -> str:
    """Who else than root could change what lies at ``path``, a clause about the first such place; "" for nobody."""
    todo = [part for part in os.path.abspath(path).split("/") if part]
    here, links = "/", 0
    while True:
        try:
            seen = os.lstat(here)
        except OSError as error:
            return f"{here}: {error.strerror}"
        if stat.S_ISLNK(seen.st_mode):
            links += 1
            if links > _LINKS:
                return f"{path} has too many symbolic links"
            target = os.readlink(here)
            here = "/" if target.startswith("/") else os.path.dirname(here)
            todo = [part for part in target.split("/") if part not in ("", ".")] + todo
        else:
            weak = _weak(here, seen)
            if weak:
                return weak
        if not todo:
            return ""
        part = todo.pop(0)
        here = os.path.dirname(here) if part == ".." else os.path.join(here, part)


def _weak(path: str, seen: os.stat_result) -> str:
    if seen.st_uid != 0:
        return f"{path} belongs to user {seen.st_uid}"
    if stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX:
        return ""
    if seen.st_mode & stat.S_IWOTH:
        return f"everybody may write {path}"
    if seen.st_mode & stat.S_IWGRP and seen.st_gid != 0:
        return f"group {seen.st_gid} may write {path}"
    return ""


def _refusal(path: str, user: ScriptUser) -> str:
    """Why ``user`` cannot execute it; folders on the way count. Access lists are not looked at: then the run itself fails."""
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    while True:
        if not _may_execute(folder, user):
            return f"{user.name} may not enter {folder}, where {path} lies"
        if folder == "/":
            break
        folder = os.path.dirname(folder)
    return "" if _may_execute(real, user) else f"{path} is not executable for {user.name}"


def _may_execute(path: str, user: ScriptUser) -> bool:
    try:
        seen = os.stat(path)
    except OSError:
        return False
    if user.uid == 0:
        return stat.S_ISDIR(seen.st_mode) or bool(seen.st_mode & 0o111)
    if seen.st_uid == user.uid:
        return bool(seen.st_mode & stat.S_IXUSR)
    return bool(seen.st_mode & (stat.S_IXGRP if seen.st_gid in user.groups else stat.S_IXOTH))
