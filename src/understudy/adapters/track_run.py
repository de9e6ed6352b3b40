"""One run of a script of a virtual router: as another user, with a limit on its whole process group.

At the limit the group gets SIGTERM, and after ``PATIENCE`` SIGKILL. Who waits for the answer hears at the limit that it failed,
and who must not start a second run hears when the first one is really over. What a script leaves in the background when it ends
in time lives on: administrators start daemons so. Output goes to a file, because who writes into a pipe that nobody reads any
more is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..units import SECOND, Duration, format_duration
from .agent_log import ResourceLog, last_line
from .agent_proc import SEARCH_PATH, Identity, describe_exit, group_end, identify, kill_group, process_end
from .track_users import Program, ScriptUser

PATIENCE: Duration = 2 * SECOND
"""Between SIGTERM and SIGKILL, as keepalived waits."""

_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """``good``: exit code 0, in time. ``text``: what went wrong, with the script's last words; "" for nothing."""

    good: bool
    text: str = ""
    late: bool = False


def environment_of(program: Program, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every script gets."""
    user = program.user
    names = {"HOME": user.home or "/", "USER": user.name, "LOGNAME": user.name, "SHELL": _SHELL}
    return {"PATH": SEARCH_PATH, "LANG": "C", "LC_ALL": "C", **names, **(extra or {})}


def start(program: Program, environment: Mapping[str, str], log: ResourceLog) -> subprocess.Popen[bytes] | str:
    """Start it as leader of a session of its own. A sentence when that fails.

    A text file without ``#!`` is run by the shell, as execvp(3) does.
    """
    output = log.open()
    try:
        try:
            return popen(program.argv, program.user, environment, output)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            return popen((_SHELL, *program.argv), program.user, environment, output)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return f"cannot run {program.argv[0]}: {reason}"
    finally:
        os.close(output)


def popen(
    argv: tuple[str, ...], user: ScriptUser | None, environment: Mapping[str, str], output: int
) -> subprocess.Popen[bytes]:
    """As leader of a session of its own; ``user`` None: as whom we are. Raises what Popen raises."""
    switch = user is not None and not user.is_us
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=dict(environment),
        start_new_session=True,
        umask=0o022,
        user=user.uid if user is not None and switch else None,
        group=user.groups[0] if user is not None and switch else None,
        extra_groups=user.groups if user is not None and switch else None,
    )


async def run(
    program: Program,
    environment: Mapping[str, str],
    limit: Duration,
    log: ResourceLog,
    answered: Callable[[RunEnd], None],
    patience: Duration = PATIENCE,
    leaves: Callable[[], bool] = lambda: False,
    begun: Callable[[Identity | None], None] = lambda _: None,
) -> None:
    """One run. ``answered`` is called once, at the end or at the limit; this returns when nothing of it is waited for any more.

    ``begun`` is called with the process, once it lives, or with None when it cannot be started.

    Cancelled, it ends the group: SIGTERM, and soon SIGKILL; or leaves it alone where ``leaves`` says so. Never raises for what
    the script does.
    """
    offset = log.size()
    process = start(program, environment, log)
    if isinstance(process, str):
        begun(None)
        answered(RunEnd(False, process))
        return
    leader = identify(process.pid) or Identity(process.pid, 0, "")
    begun(leader)
    try:
        if await process_end(process.pid, limit):
            answered(_end(process.wait(), log, offset))
            return
        answered(RunEnd(False, f"not done after {format_duration(limit)}", True))
        await _end_group(process, leader, patience)
    except asyncio.CancelledError:
        if leaves():
            raise
        await asyncio.shield(_end_group(process, leader, min(patience, SECOND // 5)))
        raise


def _end(status: int, log: ResourceLog, offset: int) -> RunEnd:
    if status == 0:
        return RunEnd(True)
    words = last_line(log.output_since(offset), 120)
    return RunEnd(False, f"{describe_exit(status)}: {words}" if words else describe_exit(status))


async def _end_group(process: subprocess.Popen[bytes], leader: Identity, patience: Duration) -> None:
    """The leader is our child and not waited for yet, so its number is nobody else's."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGTERM)
        await group_end(leader, patience)
    await kill_group(leader)
    await process_end(process.pid, SECOND)
    process.poll()


def run_and_wait(program: Program, limit: Duration, patience: Duration = PATIENCE) -> RunEnd:
    """The same where there is nothing else to do meanwhile (``startup_script``, ``shutdown_script``). Its output is ours."""
    try:
        process = popen(program.argv, program.user, environment_of(program), 2)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return RunEnd(False, f"cannot run {program.argv[0]}: {error}")
    try:
        status = process.wait(limit / SECOND)
    except subprocess.TimeoutExpired:
        for number, span in ((signal.SIGTERM, patience / SECOND), (signal.SIGKILL, 1.0)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(span)
        return RunEnd(False, f"not done after {format_duration(limit)}", True)
    return RunEnd(status == 0, "" if status == 0 else describe_exit(status))
