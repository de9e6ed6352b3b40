"""``vrrp_notify_fifo``: each change of state is a line in a FIFO, in the order of the changes, for a script that reads it.

As keepalived does it: the FIFO is made when it is missing, for its reader alone, and taken away at the end if we have made it;
it is open for reading as well, so what is written before somebody reads waits in it (64 KiB). Writing never waits: when it is
full, lines are lost, and that is said once. Its script gets the FIFO's path as last argument, is started again when it ends, and
has to end when the daemon ends; a manager that is started again finds it, and the FIFOs that an earlier one has made.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from ..adapters.agent_proc import file_stem, read_record, remove_record, write_record
from ..adapters.track_users import Program, examine, find_user, user_of
from ..effects import Level
from ..heartbeat_files import Respawn
from ..units import SECOND, Duration
from ..vrrp_files import RouterGlobals
from .respawn import Pace, Respawns

MODE = 0o600

GRACE: Duration = SECOND // 2
"""What a script has for reading what is left in its FIFO at the end, before it is told to end."""

_MADE = "made-"
"""Begins the names of records of FIFOs; those of their scripts begin with a number."""

Say: TypeAlias = Callable[[Level, str], None]


class NotifyFifo:
    """One FIFO. ``user``: (uid, gid) that it is made for. ``record``: where it is noted that we have made it, "" nowhere."""

    def __init__(self, path: str, user: tuple[int, int], say: Say, record: str = "") -> None:
        self.path = path
        self._user = user
        self._say = say
        self._record = record
        self._descriptor = -1
        self._made = False
        self._trouble = ""

    def open(self) -> None:
        """Make and open it; what is there and no FIFO is left alone. What fails is said once, and tried again at each line."""
        try:
            try:
                os.mkfifo(self.path, MODE)
                self._made = True
                if self._record:
                    write_record(self._record, {"path": self.path, **_identity(self.path)})
            except FileExistsError:
                self._made = _was_made(read_record(self._record))
            descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            self._say_once(f"cannot be used: {error.strerror}")
            return
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            self._say_once("is no FIFO: move it away")
            return
        self._descriptor = descriptor
        if self._made:
            self._give_away()

    def _give_away(self) -> None:
        try:
            os.fchown(self._descriptor, *self._user)
        except OSError as error:
            self._say_once(f"cannot be given to its reader: {error.strerror}")

    def write(self, line: bytes) -> bool:
        """Write a line, or lose it. Never waits."""
        if self._descriptor >= 0 and not self._is_there():
            os.close(self._descriptor)
            self._descriptor = -1
        if self._descriptor < 0:
            self.open()
            if self._descriptor < 0:
                return False
        try:
            os.write(self._descriptor, line)
        except BlockingIOError:
            self._say_once("is full, since nobody reads it: lines are lost until somebody does")
            return False
        except OSError as error:
            self._say_once(f"cannot be written: {error.strerror}")
            return False
        if self._trouble:
            self._say(Level.INFO, f"the notify FIFO {self.path} is written again")
            self._trouble = ""
        return True

    def _is_there(self) -> bool:
        """Not taken away or replaced since it was opened: its readers open what has the name."""
        try:
            return os.path.samestat(os.lstat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def _say_once(self, text: str) -> None:
        if text != self._trouble:
            self._trouble = text
            self._say(Level.ERROR, f"the notify FIFO {self.path} {text}")

    @property
    def warning(self) -> str:
        return f"the notify FIFO {self.path} {self._trouble}" if self._trouble else ""

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._made:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        remove_record(self._record)


def _identity(path: str) -> dict[str, object]:
    found = os.lstat(path)
    return {"device": found.st_dev, "inode": found.st_ino}


def _was_made(record: Mapping[str, Any] | None) -> bool:
    """Whether what has the name is still the FIFO that an earlier manager has made."""
    if record is None or not isinstance(record.get("path"), str):
        return False
    try:
        found = os.lstat(record["path"])
    except OSError:
        return False
    same = (record.get("device"), record.get("inode")) == (found.st_dev, found.st_ino)
    return same and stat.S_ISFIFO(found.st_mode)


class Fifos:
    """All of one node, with their scripts. ``folder``: for what the next manager must know of them."""

    def __init__(self, folder: str, say: Say, pace: Pace | None = None) -> None:
        self._folder = folder
        self._say = say
        self._pace = pace
        self._settings: RouterGlobals | None = None
        self._fifos: dict[str, NotifyFifo] = {}
        self._respawns: Respawns | None = None
        self._running: asyncio.Task[None] | None = None

    async def follow(self, settings: RouterGlobals) -> None:
        """These from now on; what is the same goes on."""
        before, self._settings = self._settings, settings
        same = ("fifos", "script_user", "script_security")
        if before is not None and all(getattr(before, name) == getattr(settings, name) for name in same):
            return
        await self.close()
        if settings.fifos:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._forget_former([path for path, _ in settings.fifos])
        programs = await asyncio.get_running_loop().run_in_executor(None, _programs, settings)
        commands = []
        for path, command in settings.fifos:
            program = programs[path]
            owner = program.user if isinstance(program, Program) else None
            user = (owner.uid, owner.groups[0]) if owner is not None else (os.geteuid(), os.getegid())
            self._fifos[path] = NotifyFifo(path, user, self._say, self._record(path))
            self._fifos[path].open()
            if isinstance(program, str) and command:
                self._say(Level.ERROR, f"the script of the notify FIFO {path} is not run: {program}")
            elif command and isinstance(program, Program):
                words = tuple(shlex.quote(word) for word in (*program.argv, path))
                commands.append(Respawn(program.user.name, words[0], words[1:]))
        self._respawns = Respawns(commands, self._folder, {}, self._say, self._pace, title="FIFO script")
        self._running = asyncio.get_running_loop().create_task(self._respawns.run(_at_once))

    def _record(self, path: str) -> str:
        return os.path.join(self._folder, f"{_MADE}{file_stem(path)}.json")

    def _forget_former(self, wanted: Sequence[str]) -> None:
        """A manager that was killed left the FIFOs that it had made; who wants them no more takes them away."""
        try:
            names = [name for name in os.listdir(self._folder) if name.startswith(_MADE)]
        except OSError:
            return
        for record_path in (os.path.join(self._folder, name) for name in names):
            record = read_record(record_path)
            if record is not None and record.get("path") in wanted:
                continue
            if _was_made(record):
                with contextlib.suppress(OSError):
                    os.unlink(str(record and record["path"]))
            remove_record(record_path)

    def write(self, line: bytes) -> None:
        """Into all of them."""
        for fifo in self._fifos.values():
            fifo.write(line)

    def warnings(self) -> Iterable[str]:
        return [fifo.warning for fifo in self._fifos.values() if fifo.warning]

    async def close(self) -> None:
        """The FIFOs are closed, and those that we have made go; their scripts read what is left in them, and end."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        for fifo in self._fifos.values():
            fifo.close()
        self._fifos.clear()
        if self._respawns is not None:
            await self._respawns.stop(GRACE)
            self._respawns = None


async def _at_once() -> None:
    """There is nothing to wait for."""


def _programs(settings: RouterGlobals) -> dict[str, Program | str]:
    """Who reads each; without a command the one for whom the FIFO is made."""
    security = settings.script_security
    user = user_of("", settings.script_user, security)
    found: dict[str, Program | str] = {}
    for path, command in settings.fifos:
        if command:
            found[path] = examine(command, user, security)
        else:
            us = find_user(str(os.geteuid())) if isinstance(user, str) else user
            found[path] = us if isinstance(us, str) else Program((), us)
    return found
