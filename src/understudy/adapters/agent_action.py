"""One action of an agent: a child process with a hard time limit on its whole process group.

The action is over when the child has exited; what it left in the background lives on, as agents that start daemons need.
At the limit, and when the action is cut short, the whole group is killed without a warning, as agents have come to expect.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..units import SECOND, Duration, format_duration
from .agent_log import LARGEST, ResourceLog
from .agent_proc import (
    Identity,
    identify,
    is_alive,
    kill_group,
    process_end,
    read_record,
    recorded_identity,
    remove_record,
    write_record,
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an action ended. ``status``: exit code, or minus the signal; None when ``trouble`` says why there is none."""

    status: int | None
    output: str = ""
    trouble: str = ""
    missing: bool = False
    """The program does not exist."""
    answer: str = ""
    """Standard output, where it was asked for apart; otherwise it is in ``output``."""


def spawn(
    argv: Sequence[str], environment: Mapping[str, str], log: ResourceLog, answer: ResourceLog | None = None
) -> subprocess.Popen[bytes] | Ended:
    """Start a child as leader of its own session, output to the log, or its standard output to ``answer``.

    No preexec_fn: that would fork this whole process.
    """
    trouble = log.open()
    output = trouble if answer is None else answer.open()
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=trouble,
            cwd="/",
            env=dict(environment),
            start_new_session=True,
            umask=0o022,
        )
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Ended(None, trouble=f"cannot run {argv[0]}: {reason}", missing=missing)
    finally:
        for descriptor in {output, trouble}:
            os.close(descriptor)


async def run_action(
    argv: Sequence[str],
    environment: Mapping[str, str],
    limit: Duration,
    log: ResourceLog,
    record: str,
    cut_short: Callable[[], bool],
    answer: ResourceLog | None = None,
) -> Ended:
    """Run one action to its end or for ``limit``. ``record`` is a path: a later manager finds there what still runs.

    ``answer``: a file for the standard output alone.

    Cancelled while ``cut_short`` says so, it kills the process group; cancelled otherwise, as when the manager ends, it leaves
    the action and its record behind. Never raises for what the program does.
    """
    offset = log.size() if log.size() <= LARGEST else 0
    answer_offset = answer.size() if answer is not None and answer.size() <= LARGEST else 0
    process = spawn(argv, environment, log, answer)
    if isinstance(process, Ended):
        return process
    leader = identify(process.pid)
    if leader is None:  # Only without /proc; the child is ours and not reaped, so its number is safe to use.
        leader = Identity(process.pid, 0, "")
    write_record(record, {"pid": leader.pid, "started": leader.started, "boot": leader.boot, "argv": list(argv)})
    try:
        in_time = await process_end(process.pid, limit)
        if not in_time:
            _kill_now(leader.pid)
            if not await process_end(process.pid, SECOND):
                return Ended(
                    None, trouble=f"hangs in the kernel: still there after {format_duration(limit)} and SIGKILL"
                )
            await kill_group(leader)
    except asyncio.CancelledError:
        if cut_short():
            _kill_now(leader.pid)
            await process_end(process.pid, SECOND)
        raise
    finally:
        status = process.poll()
        if status is not None:
            remove_record(record)
    output = log.output_since(offset)
    if not in_time:
        return Ended(None, output, f"killed: not done after {format_duration(limit)}")
    return Ended(status, output, answer="" if answer is None else answer.output_since(answer_offset, LARGEST))


def _kill_now(group: int) -> None:
    """At once and without looking: the leader is our child and not reaped yet, so the number cannot be somebody else's."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


async def outlive_leftover(record: str, patience: Duration) -> Duration:
    """Never two actions of one resource: give an action that an earlier manager began its time, then kill it.

    Returns how long that took: 0 when there was none.
    """
    leader = recorded_identity(read_record(record))
    spent = 0
    if leader is not None and is_alive(leader):
        begun = asyncio.get_running_loop().time()
        if not await process_end(leader.pid, patience):
            await kill_group(leader)
        spent = int((asyncio.get_running_loop().time() - begun) * SECOND)
    remove_record(record)
    return spent
