"""A program in the foreground that we run ourselves: start, watch, stop, and take over from an earlier manager.

The program leads its own session and process group, so it survives the manager; a record of its identity lets the next
manager find it. Its end is seen through a pidfd at once. "Stopped" means that nobody of its process group lives: a forgotten
child could still serve. A program whose children leave the process group (double-forking daemons) is not fit for this kind; it
wants a script or an OCF agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import secrets
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..events import Outcome
from ..model import CommandResource
from ..units import MILLISECOND, SECOND, Duration, format_duration
from .agent_log import ResourceLog, last_line
from .agent_ocf import Verdict
from .agent_proc import (
    Identity,
    describe_exit,
    group_end,
    group_members,
    identify,
    is_alive,
    kill_group,
    read_record,
    readable,
    recorded_identity,
    remove_record,
    signal_group,
    write_record,
)

_ORPHAN_GRACE: Duration = SECOND
"""How long children may take to end by themselves after their leader has."""

_NAME_LIMIT: Duration = 5 * SECOND
"""How long the name service may take to say who a user is."""

Death = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _User:
    """``others``: supplementary groups, None where we have no right to set them."""

    number: int
    group: int
    others: list[int] | None
    variables: dict[str, str]


def _user(name: str) -> _User:
    entry = pwd.getpwnam(name)
    others = os.getgrouplist(entry.pw_name, entry.pw_gid) if os.geteuid() == 0 else None
    variables = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}
    return _User(entry.pw_uid, entry.pw_gid, others, variables)


class Program:
    """One ``command`` resource on this machine. Calls must not overlap; ``Agents`` sees to that."""

    def __init__(self, resource: CommandResource, log: ResourceLog, record: str, died: Death) -> None:
        self.resource = resource
        self._log = log
        self._record = record
        self._died = died
        self._leader: Identity | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._last_words = ""

    def adopt(self) -> bool:
        """Find the program that an earlier manager started, and watch it. True when it runs."""
        leader = recorded_identity(read_record(self._record))
        if leader is None:
            return False
        self._leader = leader
        if is_alive(leader):
            self._begin_watch(leader)
            return True
        self._last_words = describe_exit(None)
        return False

    async def start(self, environment: Mapping[str, str]) -> Verdict:
        """Run it, unless it runs; OK when it has lived for ``settle``."""
        if self._leader is not None:
            if is_alive(self._leader):
                return Outcome.OK, "was running already"
            # Children of a dead leader may hold the port or the lock that the new one needs.
            if not await kill_group(self._leader):
                return Outcome.FAILED, f"processes of an earlier run cannot be killed ({self._members_text()})"
        self._forget()
        offset = self._log.size()
        try:
            child = self._spawn(environment, await self._look_up_user())
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            return Outcome.FAILED, f"cannot run {self.resource.argv[0]}: {_reason(error)}"
        leader = identify(child.pid)
        if leader is None:
            return Outcome.FAILED, "cannot read /proc; the program cannot be watched"
        self._child, self._leader = child, leader
        record = {"pid": leader.pid, "started": leader.started, "boot": leader.boot, "argv": list(self.resource.argv)}
        trouble = write_record(self._record, {**record, "token": secrets.token_hex(8)})
        watch = self._begin_watch(leader, quiet=True)
        try:
            if self.resource.settle:
                await asyncio.wait({watch}, timeout=self.resource.settle / SECOND)
        except asyncio.CancelledError:
            self._begin_watch(leader)
            raise
        if watch.done():
            words = last_line(self._log.output_since(offset))
            text = f"ended at once, {self._last_words}" + (f": {words}" if words else "")
            await kill_group(leader)
            self._forget()
            return Outcome.FAILED, text
        self._begin_watch(leader)
        return Outcome.OK, trouble

    async def stop(self, limit: Duration) -> Verdict:
        """``stop_signal`` to the program, SIGKILL to its process group near the limit; OK when nobody of the group lives."""
        leader = self._leader or recorded_identity(read_record(self._record))
        if leader is None:
            return Outcome.OK, "was not running"
        self._leader = leader  # should it not end, a monitor has to know of it
        self._end_watch()
        reserve = min(max(limit // 10, 50 * MILLISECOND), SECOND)
        deadline = asyncio.get_running_loop().time() + (limit - reserve) / SECOND
        text = ""
        if is_alive(leader):
            _send(leader, getattr(signal, self.resource.stop_signal, signal.SIGTERM))
            if not await self._leader_end(leader, limit - reserve):
                text = f"killed: {self.resource.stop_signal} did not end it within {format_duration(limit - reserve)}"
        self._reap()
        if not text and group_members(leader):
            left = int((deadline - asyncio.get_running_loop().time()) * SECOND)
            signal_group(leader, signal.SIGTERM)
            if not await group_end(leader, min(left, _ORPHAN_GRACE)):
                text = "children that outlived the program were killed"
        gone = await kill_group(leader, reserve)
        self._reap()
        if not gone:
            return Outcome.UNKNOWN, f"SIGKILL did not end it ({self._members_text()})"
        self._forget()
        return Outcome.OK, text

    def monitor(self) -> Verdict:
        """OK while the program itself lives; FAILED when only children of it are left."""
        if self._leader is None:
            return Outcome.NOT_RUNNING, self._last_words
        if is_alive(self._leader):
            return Outcome.OK, f"process {self._leader.pid}"
        if group_members(self._leader):
            return Outcome.FAILED, f"the program ended, {self._last_words}; children are left ({self._members_text()})"
        return Outcome.NOT_RUNNING, f"ended, {self._last_words}" if self._last_words else "ended"

    async def _look_up_user(self) -> _User | None:
        """In a thread: the name service may ask a network that does not answer. Raises KeyError, OSError, TimeoutError."""
        if self.resource.user is None:
            return None
        async with asyncio.timeout(_NAME_LIMIT / SECOND):
            return await asyncio.get_running_loop().run_in_executor(None, _user, self.resource.user)

    def _spawn(self, environment: Mapping[str, str], user: _User | None) -> subprocess.Popen[bytes]:
        resource = self.resource
        variables = {**environment, **(user.variables if user is not None else {}), **dict(resource.environment)}
        output = self._log.open()
        try:
            return subprocess.Popen(
                list(resource.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=resource.directory,
                env=variables,
                start_new_session=True,
                umask=0o022,
                user=None if user is None else user.number,
                group=None if user is None else user.group,
                extra_groups=None if user is None else user.others,
            )
        finally:
            os.close(output)

    def _begin_watch(self, leader: Identity, quiet: bool = False) -> asyncio.Task[None]:
        self._end_watch()
        self._watch = asyncio.get_running_loop().create_task(self._watch_leader(leader, quiet))
        return self._watch

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _watch_leader(self, leader: Identity, quiet: bool) -> None:
        await self._leader_gone(leader)
        self._reap()
        if not quiet:
            self._died(f"the program ended, {self._last_words}")

    async def _leader_gone(self, leader: Identity) -> None:
        try:
            descriptor = os.pidfd_open(leader.pid)
        except OSError:
            return
        try:
            # Opened first and compared then: after that the descriptor cannot speak of another process.
            if is_alive(leader):
                await readable(descriptor)
        finally:
            os.close(descriptor)

    async def _leader_end(self, leader: Identity, limit: Duration) -> bool:
        try:
            async with asyncio.timeout(max(limit, 0) / SECOND):
                await self._leader_gone(leader)
        except TimeoutError:
            return False
        return True

    def _reap(self) -> None:
        """Collect the exit status, if it is ours to collect."""
        if self._child is None:
            if self._leader is not None and not is_alive(self._leader):
                self._last_words = describe_exit(None)
            return
        status = self._child.poll()
        if status is not None:
            self._last_words = describe_exit(status)

    def _forget(self) -> None:
        self._end_watch()
        remove_record(self._record)
        self._leader = None
        self._child = None

    def _members_text(self) -> str:
        members = group_members(self._leader) if self._leader is not None else ()
        return "process " + ", ".join(str(pid) for pid in members[:5]) if members else "no process left"


def _send(leader: Identity, number: int) -> None:
    """A signal to the leader alone: servers end their children in order when told so themselves."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(leader.pid)
        try:
            if is_alive(leader):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "no such user"
    if isinstance(error, TimeoutError) and not error.strerror:
        return f"the name service did not say within {format_duration(_NAME_LIMIT)} who the user is"
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}"
    return str(error)
