"""``respawn`` and ``failfast`` of ha.cf: programs beside the daemon, run as another user, and started again when they end.

As Heartbeat 3 has it: they start when this node is active; one that ends with 100 wishes to be left alone; a life of less than
30 s is short, a short one is followed by the next after a second, and after more than ten in a row it is given up. At the end
they get SIGTERM, the last one first. The machine is restarted at once when a failfast program ends badly.

The processes do not depend on this manager. Each has a record in the runtime directory, by which the next manager knows it: it
goes on, only how it ends cannot be known then.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from ..adapters.agent_proc import (
    Identity,
    describe_exit,
    file_stem,
    identify,
    is_alive,
    kill_group,
    process_end,
    read_record,
    recorded_identity,
    remove_record,
    signal_group,
    write_record,
)
from ..effects import Level
from ..heartbeat_files import Respawn
from ..units import HOUR, SECOND, Duration

LEAVE_ALONE = 100
"""The exit code of a program that does not want to be started again."""

SHORT_LIFE: Duration = 30 * SECOND
PAUSE: Duration = SECOND
MOST_SHORT_LIVES = 10

STOP_LIMIT: Duration = SECOND
"""How long each may take to end after SIGTERM; the supervisor gives the manager five seconds for everything."""

REBOOT = ("/sbin/reboot", "-nf")
"""What Heartbeat does, too: at once, nothing written, so that nobody waits for what hangs."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Say = Callable[[Level, str], None]


@dataclass(slots=True)
class _Life:
    """``process`` None: an earlier manager had started it."""

    who: Identity
    process: subprocess.Popen[bytes] | None
    began: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the pauses are; tests have shorter ones."""

    short_life: Duration = SHORT_LIFE
    pause: Duration = PAUSE


class Respawns:
    """All of them on this node. ``folder``: for the records; ``environment``: of HA_ names; ``reboot``: words of a program."""

    def __init__(
        self,
        programs: Sequence[Respawn],
        folder: str,
        environment: Mapping[str, str],
        say: Say,
        pace: Pace | None = None,
        reboot: Sequence[str] = REBOOT,
        title: str = "",
    ) -> None:
        """``title``: what people call them, when they are none of ha.cf."""
        self._programs = tuple(programs)
        self._folder = folder
        self._environment = dict(environment)
        self._say = say
        self._pace = pace or Pace()
        self._reboot = tuple(reboot)
        self._title = title
        self._lives: dict[int, _Life] = {}
        self._stopping = False

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Start them when ``ready`` returns, and again whenever they end. Runs until cancelled."""
        if not self._programs:
            return
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        wanted = []
        for number in range(len(self._programs)):
            record = read_record(self._record(number)) or {}
            found = recorded_identity(record)
            wanted += [] if record.get("left_alone") else [number]
            if found is not None and is_alive(found):
                self._lives[number] = _Life(found, None, time.monotonic())
                self._say(Level.INFO, f"{self._name(number)} runs still, process {found.pid}")
        if len(self._lives) < len(wanted):
            await ready()
        tasks = [asyncio.create_task(self._tend(number)) for number in wanted]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def stop(self, grace: Duration = 0) -> None:
        """Everything ends, the last of the file first. ``grace``: how long each may take to end by itself before it is told."""
        self._stopping = True
        for number in sorted(self._lives, reverse=True):
            who = self._lives[number].who
            if grace and await process_end(who.pid, grace):
                await kill_group(who)
                continue
            signal_group(who, signal.SIGTERM)
            if not await process_end(who.pid, STOP_LIMIT):
                self._say(Level.WARNING, f"{self._name(number)} did not end, and was killed")
            await kill_group(who)
        self._lives.clear()
        for number in range(len(self._programs)):
            remove_record(self._record(number))

    def _record(self, number: int) -> str:
        program = self._programs[number]
        words = " ".join((program.user, program.program, *program.arguments))
        return os.path.join(self._folder, f"{number}-{file_stem(words)}.json")

    def _name(self, number: int) -> str:
        program = self._programs[number]
        return f"{self._title or ('failfast' if program.failfast else 'respawn')} {program.program}"

    async def _tend(self, number: int) -> None:
        short_lives = 0
        while not self._stopping:
            life = self._lives.get(number) or self._begin(number)
            if life is not None:
                while not await process_end(life.who.pid, HOUR):
                    pass
                if self._stopping or not self._again(number, life):
                    return
            lived = 0.0 if life is None else time.monotonic() - life.began
            short_lives = short_lives + 1 if lived < self._pace.short_life / SECOND else 0
            if short_lives > MOST_SHORT_LIVES:
                text = f"{self._name(number)} ended at once {short_lives} times in a row, and is given up"
                self._say(Level.ERROR, f"{text}: mend it, then restart the daemon")
                return
            if short_lives:
                await asyncio.sleep(self._pace.pause / SECOND)

    def _begin(self, number: int) -> _Life | None:
        """A new life, or None when it cannot be started."""
        program = self._programs[number]
        line = " ".join(("exec", program.program, *program.arguments))
        try:
            user = pwd.getpwnam(program.user)
            others = {item.gr_gid for item in grp.getgrall() if program.user in item.gr_mem}
            switch = os.geteuid() != user.pw_uid
            process = subprocess.Popen(
                ("/bin/sh", "-c", line),  # by a shell, as Heartbeat does: files have quotation marks and variables
                stdin=subprocess.DEVNULL,
                stdout=2,
                cwd="/",
                env={**self._home(user), **self._environment},
                start_new_session=True,
                user=user.pw_uid if switch else None,
                group=user.pw_gid if switch else None,
                extra_groups=sorted(others | {user.pw_gid}) if switch else None,
            )
        except (OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
            why = f"there is no user {program.user}" if isinstance(error, KeyError) else str(error)
            self._say(Level.ERROR, f"{self._name(number)} cannot be started: {why}")
            return None
        who = identify(process.pid) or Identity(process.pid, 0, "")
        trouble = write_record(self._record(number), {"pid": who.pid, "started": who.started, "boot": who.boot})
        if trouble:
            self._say(Level.WARNING, f"{trouble}: another manager would start {program.program} a second time")
        self._say(Level.INFO, f"{self._name(number)} runs as {program.user}, process {process.pid}")
        life = self._lives[number] = _Life(who, process, time.monotonic())
        return life

    @staticmethod
    def _home(user: pwd.struct_passwd) -> dict[str, str]:
        names = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
        return {"PATH": _PATH, "LANG": "C", "LC_ALL": "C", "SHELL": "/bin/sh", **names}

    def _again(self, number: int, life: _Life) -> bool:
        """It has ended; whether it is to be started again."""
        del self._lives[number]
        remove_record(self._record(number))
        status = None if life.process is None else life.process.wait()
        if status == LEAVE_ALONE:
            self._say(Level.INFO, f"{self._name(number)} ended with {LEAVE_ALONE}: it wishes to be left alone")
            write_record(self._record(number), {"left_alone": True})
            return False
        if self._programs[number].failfast and status:
            self._say(
                Level.ERROR, f"{self._name(number)} ended badly ({describe_exit(status)}): this machine is restarted"
            )
            try:
                subprocess.Popen(self._reboot, stdin=subprocess.DEVNULL, start_new_session=True)
            except OSError as error:
                self._say(Level.ERROR, f"it cannot be restarted: {error}")
            return False
        self._say(Level.WARNING, f"{self._name(number)} ended ({describe_exit(status)}) and is started again")
        return True
