"""Files with a number in them that virtual routers track: read when they change.

By inotify (inotify(7), through ctypes), so a number counts a moment after it was written, and an idle machine does nothing. The
folder is watched and not the file, which may be missing, or be replaced by a rename. It is read when a writer has closed it,
never half written. What inotify does not see (a file on a server that another machine writes, a writer that never closes, a new
folder) a look at size and time finds, every ``POLL`` seconds; without inotify that look is all there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ctypes.util
import errno
import os
import re
import stat
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

POLL = 2.0
"""Seconds between two looks at what inotify may not have seen."""

MOST = 254
"""Greater numbers, either way, mean nothing more than this one: it is beyond every priority."""

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _DELETE = 0x8, 0x40, 0x80, 0x200
_DELETE_SELF, _MOVE_SELF, _IGNORED, _OVERFLOW, _ONLYDIR = 0x400, 0x800, 0x8000, 0x4000, 0x0100_0000
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR
_EVENT = struct.Struct("@iIII")
_NUMBER = re.compile(rb"\s*([+-]?[0-9]{1,18})\s*\Z")


@dataclass(frozen=True, slots=True)
class Number:
    """``value``: 0 where there is none, as in keepalived; ``trouble`` says why there is none."""

    value: int
    trouble: str = ""


def read_number(path: str, most: int = MOST) -> Number:
    """The number in the first line of a file, -``most`` to ``most``. Never raises; may wait for a disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Number(0, f"{path} does not exist, which counts as 0")
    except OSError as error:
        return Number(0, f"{path}: {error.strerror}, which counts as 0")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Number(0, f"{path} is no file, which counts as 0")
        line = os.read(descriptor, 256).partition(b"\n")[0]
    except OSError as error:
        return Number(0, f"{path}: {error.strerror}, which counts as 0")
    finally:
        os.close(descriptor)
    found = _NUMBER.match(line)
    if found is None:
        return Number(0, f"{path} begins with {line[:40].decode('utf-8', 'replace')!r}, no number, which counts as 0")
    return Number(max(-most, min(most, int(found[1]))))


def write_number(path: str, value: int, overwrite: bool) -> str:
    """``init_file``: write it, if nothing is there or ``overwrite``. A sentence when it can't be written.

    A symbolic link is not followed: the folder may belong to somebody else than the daemon.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | (0 if overwrite else os.O_EXCL)
    try:
        descriptor = os.open(path, flags, 0o644)
    except FileExistsError:
        return ""
    except OSError as error:
        return f"cannot write {value} into {path}: {error.strerror}"
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return f"cannot write {value} into {path}: it is no file"
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % value)
    except OSError as error:
        return f"cannot write {value} into {path}: {error.strerror}"
    finally:
        os.close(descriptor)
    return ""


class FileWatch:
    """Calls ``changed`` with a path whenever its number may be another one. Use it inside the running event loop."""

    def __init__(self, changed: Callable[[str], None], poll: float = POLL) -> None:
        self._changed = changed
        self._poll = poll
        self._library = _inotify()
        self._descriptor = -1
        self._watched: dict[int, str] = {}
        self._paths: frozenset[str] = frozenset()
        self._stamps: dict[str, tuple[int, ...]] = {}
        if self._library is not None:
            self._descriptor = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self._readable)

    def follow(self, paths: Iterable[str]) -> None:
        """Watch these, and no others."""
        self._paths = frozenset(paths)
        self._stamps = {path: _stamp(path) for path in self._paths}
        self._watch()

    def _watch(self) -> None:
        folders = {os.path.dirname(path) or "/" for path in self._paths}
        for number, folder in list(self._watched.items()):
            if folder not in folders and self._library is not None:
                self._library.inotify_rm_watch(self._descriptor, number)
                del self._watched[number]
        for folder in folders - set(self._watched.values()):
            if self._library is not None and self._descriptor >= 0:
                number = self._library.inotify_add_watch(self._descriptor, os.fsencode(folder), _MASK)
                if number >= 0:
                    self._watched[number] = folder

    async def run(self) -> None:
        """The look at what inotify may have missed; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._poll)
            paths = tuple(self._paths)
            stamps = await loop.run_in_executor(None, _stamps, paths)
            self._watch()
            for path, stamp in zip(paths, stamps, strict=True):
                if path in self._paths and self._stamps.get(path) != stamp:
                    self._stamps[path] = stamp
                    self._changed(path)

    def close(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        self._watched.clear()

    def _readable(self) -> None:
        touched: set[str] = set()
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._descriptor, 1 << 16)
            offset = 0
            while offset < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, offset)
                name = data[offset + _EVENT.size : offset + _EVENT.size + length].rstrip(b"\0")
                offset += _EVENT.size + length
                touched |= self._meant(number, mask, os.fsdecode(name))
        for path in touched:
            self._changed(path)

    def _meant(self, number: int, mask: int, name: str) -> set[str]:
        if mask & _OVERFLOW:
            return set(self._paths)
        folder = self._watched.get(number)
        if folder is None:
            return set()
        if mask & (_DELETE_SELF | _MOVE_SELF | _IGNORED):
            self._watched.pop(number, None)
            return {path for path in self._paths if (os.path.dirname(path) or "/") == folder}
        path = os.path.join(folder, name)
        return {path} & self._paths


def _stamps(paths: tuple[str, ...]) -> list[tuple[int, ...]]:
    return [_stamp(path) for path in paths]


def _stamp(path: str) -> tuple[int, ...]:
    try:
        seen = os.stat(path)
    except OSError as error:
        return (-(error.errno or errno.EIO),)
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


def _inotify() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "inotify_init1") else None
