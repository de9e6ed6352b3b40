"""Mount, unmount and watch one file system, by the programs mount(8), umount(8) and fsck(8).

Programs and not system calls, because each type may need a helper of its own (mount.nfs, mount.cifs), and because a process
can be given up when the disk or the server hangs; this one could not.

What is mounted is read from the kernel's list, never asked of the file system. Stopped means: not in that list, and for a disk
that must not be on two machines, not in that of any other mount name space either.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping

from ..effects import Action
from ..events import Outcome
from ..model import KillHolders, MountCheck, MountResource
from ..units import MILLISECOND, SECOND, Duration
from . import mount_holders
from .agent_action import Ended
from .agent_log import last_line
from .agent_ocf import Verdict
from .agent_proc import (
    Identity,
    boot_id,
    describe_exit,
    is_alive,
    parent_of,
    process_end,
    read_record,
    remove_record,
    write_record,
)
from .agent_workbench import Clock, Workbench
from .mount_holders import Holder
from .mount_table import Mount, at_directory, below, device_path, disk_number, elsewhere, read_mounts, shows

_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3"})
"""Types that umount -f helps when the server does not answer (umount(8))."""

_LOOK_LIMIT: Duration = 5 * SECOND
"""How long to look for those who hold a file system, at most."""

_AGAIN: Duration = 100 * MILLISECOND
_GRACE_MOST: Duration = 10 * SECOND
_FSCK_GOOD = (0, 1)
"""fsck(8): 0 no errors, 1 errors corrected; from 2 on a human is needed."""


class MountRunner:
    """One ``mount`` resource."""

    def __init__(self, resource: MountResource, bench: Workbench) -> None:
        self.resource = resource
        self._bench = bench
        self._names: tuple[str, str] | None = None
        self._went: tuple[str, str, str] = ("", "", "")
        """Number, source and root of what we saw mounted last."""

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``. Every wait is bounded by ``limit``, also on a disk that hangs."""
        clock = Clock(limit)
        try:
            if action is Action.START:
                return await self._start(clock, base)
            if action is Action.STOP:
                return await self._stop(clock, base)
            return await self._monitor(clock, base)
        except OSError as error:
            return Outcome.UNKNOWN, f"cannot read the list of mounts: {error.strerror}"

    # Looking -------------------------------------------------------------------------------------------------------

    async def _resolve(self, clock: Clock, base: Mapping[str, str]) -> tuple[str, str]:
        """Device and directory without symbolic links, as the kernel lists them.

        Asked of a child, as a name may lead over a hung server. The directory's last part is not followed: that would ask the
        mounted file system itself.
        """
        resource = self.resource
        if self._names is None:
            parent, _, name = resource.directory.rpartition("/")
            device = device_path(resource.device)
            asked = [parent or "/", *([device] if _is_path(device) else [])]
            ended = await self._bench.run_quietly(
                ("readlink", "-m", "-z", "--", *asked), base, min(clock.left, _LOOK_LIMIT)
            )
            found = ended.answer.split("\0")[: len(asked)]
            if ended.status != 0 or len(found) != len(asked):
                return device, resource.directory
            self._names = (found[1] if len(asked) > 1 else device, os.path.join(found[0], name))
            if resource.device != device:
                self._names = (device, self._names[1])  # a tag may move to another disk
        return self._names

    async def _look(self, clock: Clock, base: Mapping[str, str]) -> tuple[Mount | None, tuple[Mount, ...]]:
        """Our mount, if it is there, and all that is mounted at the directory, the one that is seen last."""
        mounts = read_mounts()
        device, directory = await self._resolve(clock, base)
        here = at_directory(mounts, directory)
        made = self._made()
        ours = [m for m in here if shows(m, mounts, device, self.resource.type) or _key(m) == made]
        if ours:
            self._went = (ours[-1].number, ours[-1].source, ours[-1].root)
        return (ours[-1] if ours else None), here

    def _stranger(self, mount: Mount) -> str:
        return f"something else is mounted at {self.resource.directory}: {mount.source} ({mount.type})"

    # Start ---------------------------------------------------------------------------------------------------------

    async def _start(self, clock: Clock, base: Mapping[str, str]) -> Verdict:
        resource = self.resource
        ours, here = await self._look(clock, base)
        if here:
            if here[-1] is not ours:
                return Outcome.FAILED, self._stranger(here[-1])
            return self._judge(ours, "was mounted already")
        if resource.fsck:
            kind = () if resource.type == "auto" else ("-t", resource.type)
            ended = await self._bench.run(("fsck", "-p", *kind, resource.device), base, clock.left)
            if ended.status not in _FSCK_GOOD:
                return _failed("the file system needs a human: fsck", ended)
        ended = await self._bench.run(self._command(), base, clock.left)
        self._names = None  # a tag or a link may have come to mean something now
        ours, here = await self._look(clock, base)
        if ours is not None:
            return self._judge(ours, "")
        if ended.status != 0:
            return _failed("mount", ended)
        if not here:
            return Outcome.FAILED, "mount says that it is done, but nothing is mounted"
        # Not to be known by its name (a label without udev, a helper that changes it); but there was nothing before.
        unsaved = write_record(self._bench.note, {"boot": boot_id(), "mount": _key(here[-1])})
        return (Outcome.FAILED, unsaved) if unsaved else self._judge(here[-1], "")

    def _made(self) -> list[str] | None:
        """What our own mount once made here, where its name does not say it."""
        record = read_record(self._bench.note)
        found = record.get("mount") if record is not None and record.get("boot") == boot_id() else None
        return found if isinstance(found, list) else None

    def _command(self) -> tuple[str, ...]:
        resource = self.resource
        options = ("-o", ",".join(resource.options)) if resource.options else ()
        kind = ("--bind",) if resource.type == "bind" else ("-t", resource.type)
        return ("mount", *kind, *options, "--", resource.device, resource.directory)

    def _judge(self, mount: Mount, text: str) -> Verdict:
        """A file system that was to be written to and cannot be is no success, whatever mount says (errors=remount-ro)."""
        if mount.is_read_only and "ro" not in self.resource.options:
            return Outcome.FAILED, f"{self.resource.directory} is mounted read-only: {self._why_read_only(mount)}"
        return Outcome.OK, text

    @staticmethod
    def _why_read_only(mount: Mount) -> str:
        if "ro" in mount.deeper:
            return "the kernel made it so, after errors or because the device cannot be written; see the kernel's log"
        return "somebody mounted it again so"

    # Monitor -------------------------------------------------------------------------------------------------------

    async def _monitor(self, clock: Clock, base: Mapping[str, str]) -> Verdict:
        ours, here = await self._look(clock, base)
        if not here:
            return Outcome.NOT_RUNNING, "not mounted"
        if ours is None:
            # Ours is not mounted; what stands there is not ours to stop.
            return Outcome.NOT_RUNNING, self._stranger(here[-1])
        if here[-1] is not ours:
            return Outcome.FAILED, f"{self._stranger(here[-1])}, over ours"
        verdict = self._judge(ours, "")
        if verdict[0] is not Outcome.OK or self.resource.check is MountCheck.NONE:
            return verdict
        ended = await self._bench.run(self._check_command(ours), base, clock.left)
        if ended.status == 0:
            return Outcome.OK, ""
        how = "writing" if self.resource.check is MountCheck.WRITE else "reading"
        if ended.status is None:
            return Outcome.FAILED, f"{how} does not end, so the disk or the server hangs: {ended.trouble}"
        return _failed(how, ended)

    def _check_command(self, mount: Mount) -> tuple[str, ...]:
        """Past the kernel's memory, which would answer for a dead disk for hours.

        A disk is read directly; elsewhere the server is asked for the space left. Written is always the same file of 4 KiB,
        which stays there: so the check does not fail because the disk is full.
        """
        directory = self.resource.directory
        if self.resource.check is MountCheck.WRITE:
            file = os.path.join(directory, ".understudy-check")
            return ("dd", "if=/dev/zero", f"of={file}", "bs=4096", "count=1", "conv=notrunc,fsync", "status=none")
        if mount.source.startswith("/dev/"):
            return ("dd", f"if={mount.source}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct", "status=none")
        return ("stat", "--file-system", "--format=%a", "--", directory)

    # Stop ----------------------------------------------------------------------------------------------------------

    async def _stop(self, clock: Clock, base: Mapping[str, str]) -> Verdict:
        ours, here = await self._look(clock, base)
        if ours is None:
            return self._gone("was not mounted" if not here else f"was not mounted; {self._stranger(here[-1])}")
        if here[-1] is not ours:
            return Outcome.FAILED, f"{self._stranger(here[-1])}, over ours: unmount that first"
        told: list[str] = []
        rounds = 0
        while True:
            ended = await self._unmount(clock, base, force=rounds > 0)
            ours, _ = await self._look(clock, base)
            if ours is None:
                return self._gone("; ".join(told))
            if ended.status is not None and "busy" not in ended.output and rounds == 0:
                return Outcome.FAILED, f"{self.resource.directory} is still mounted: {_said(ended)}"
            holders = await self._holders(clock, base, ours)
            if self.resource.kill_holders is KillHolders.NEVER or clock.is_over:
                break
            if rounds == 0 or self.resource.kill_holders is KillHolders.KILL:
                told += await self._end_holders(clock, holders, signal.SIGKILL if rounds else signal.SIGTERM)
                await self._unmount_below(clock, base)
            rounds += 1
            if rounds > 1 and not await clock.pause(_AGAIN):
                break
        return Outcome.FAILED, f"{self.resource.directory} is still mounted: {_words(holders, ended)}"

    @staticmethod
    async def _end_holders(clock: Clock, holders: tuple[Holder, ...], number: signal.Signals) -> list[str]:
        """Signal them and wait for their ends, a third of what is left at most. Returns what was done, in words."""
        victims = _victims(holders)
        await _end(victims, number, min(clock.left // 3, _GRACE_MOST))
        return [f"{number.name} to {_list(victims)}"] if victims else []

    async def _unmount(self, clock: Clock, base: Mapping[str, str], force: bool) -> Ended:
        """By the name in the kernel's list (-c): umount would else look at the directory, and wait for a server that hangs.

        Such a server lets a plain umount wait, too, when there is something to be written; so that gets half of the time.
        """
        _, directory = await self._resolve(clock, base)
        network = self.resource.type in _NETWORK
        how = ("-f",) if network and force else ()
        limit = clock.left // 2 if network and not force else clock.left
        return await self._bench.run(("umount", "-c", *how, "--", directory), base, limit)

    async def _unmount_below(self, clock: Clock, base: Mapping[str, str]) -> None:
        _, directory = await self._resolve(clock, base)
        for mount in below(read_mounts(), directory):
            await self._bench.run(("umount", "-c", "--", mount.directory), base, clock.left)

    def _gone(self, text: str) -> Verdict:
        resource = self.resource
        remove_record(self._bench.note)
        if resource.exclusive and resource.type != "bind":
            number, source, root = self._went
            number = number or disk_number(device_path(resource.device))
            other = elsewhere(number, source if "/" in source else "", root)
            if other:
                return Outcome.FAILED, f"no longer mounted at {resource.directory}, but {other}"
        return Outcome.OK, text

    async def _holders(self, clock: Clock, base: Mapping[str, str], mount: Mount) -> tuple[Holder, ...]:
        """Who keeps it busy, and what is mounted below it; only the latter when looking for processes takes too long."""
        inner = below(read_mounts(), mount.directory)
        found = [Holder(0, 0, "", f"{item.source}, which is mounted at {item.directory}") for item in inner]
        words = (sys.executable, "-I", "-S", mount_holders.__file__, mount.directory, str(mount.id), mount.number)
        ended = await self._bench.run_quietly(words, base, min(max(clock.left, SECOND), _LOOK_LIMIT))
        try:
            found += [Holder(**item) for item in json.loads(ended.answer)]
        except (ValueError, TypeError):
            pass
        return tuple(found)


def _key(mount: Mount) -> list[str]:
    """As it stands in a record."""
    return [mount.number, mount.root, mount.type, mount.source]


def _is_path(device: str) -> bool:
    """//server/share is none."""
    return device.startswith("/") and not device.startswith("//")


def _list(holders: tuple[Holder, ...]) -> str:
    more = f" and {len(holders) - 10} more" if len(holders) > 10 else ""
    return ", ".join(str(holder) for holder in holders[:10]) + more


def _words(holders: tuple[Holder, ...], ended: Ended) -> str:
    if holders:
        return f"held by {_list(holders)}"
    return f"{_said(ended)}; nobody was found who holds it"


def _victims(holders: tuple[Holder, ...]) -> tuple[Holder, ...]:
    """Processes to end: never the supervisor and its children, of which this is one, nor the one that everything began with."""
    parent = os.getppid()
    family = {0, 1, os.getpid(), parent}
    return tuple(h for h in holders if h.pid not in family and (parent == 1 or parent_of(h.pid) != parent))


async def _end(victims: tuple[Holder, ...], number: signal.Signals, patience: Duration) -> None:
    """Signal them all, then wait until none of them lives, ``patience`` at most."""
    boot = boot_id()
    alive = [Identity(victim.pid, victim.started, boot) for victim in victims]
    for process in alive:
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(process.pid)
            try:
                if is_alive(process):
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
    clock = Clock(patience)
    for process in alive:
        if is_alive(process):
            await process_end(process.pid, clock.left)


def _failed(what: str, ended: Ended) -> Verdict:
    """A time-out is unknown, never a guess; everything else is a failure."""
    if ended.status is None:
        return (Outcome.FAILED if ended.missing else Outcome.UNKNOWN), f"{what}: {ended.trouble}"
    said = _said(ended)
    return Outcome.FAILED, said if said.startswith(f"{what}: ") else f"{what}: {said}"


def _said(ended: Ended) -> str:
    """The last words that tell something; mount(8) likes to end with a hint at the kernel's log."""
    lines = [line for line in ended.output.splitlines() if "dmesg(1) may have" not in line]
    return last_line("\n".join(lines)) or ended.trouble or describe_exit(ended.status)
