"""How many processes of a name run: what ``vrrp_track_process`` asks.

keepalived hears of each fork and exec by the kernel's process connector, which not every kernel has, and which wakes the daemon
for every process of a machine. Here /proc is looked at once in ``LOOK`` seconds, cheaply: a process is read when it is new, twice
more (it may have been forked and not yet become what it will be), and then in every tenth look. What matters most, the end of a
process that counts, is told at once by its pidfd.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..units import SECOND
from ..vrrp_files import TrackedProcess

LOOK = 1.0
"""Seconds between two looks."""

_YOUNG = 3
_TURN = 10
_COMM = 15
"""Characters of a name that the kernel keeps (TASK_COMM_LEN less one)."""

_MOST_WATCHED = 64
"""Processes of one name whose end is told at once; the end of others is seen with the next look."""


@dataclass(slots=True)
class _Seen:
    name: str
    words: tuple[str, ...]
    looks: int = 0


def matches(wanted: TrackedProcess, name: str, words: tuple[str, ...]) -> bool:
    """Whether a process with this name, and this command line, counts.

    By its name alone; with ``full_command`` the program's word as it was called. Parameters, where any are given, must be the
    same: all of them, or with ``initial`` the first ones, or with ``partial`` the first ones and the beginning of the last.
    """
    program, *asked = wanted.process
    if wanted.full_command:
        if words[:1] != (program,):
            return False
    elif name != os.path.basename(program)[:_COMM]:
        return False
    found = list(words[1:])
    if wanted.parameters == "initial":
        return found[: len(asked)] == asked
    if wanted.parameters == "partial":
        last = len(asked) - 1
        return not asked or (found[:last] == asked[:last] and len(found) > last and found[last].startswith(asked[last]))
    return found == asked if asked or wanted.full_command else True


class ProcessWatch:
    """Calls ``counted`` with (name of the tracked process, how many run) after each look, and at once after an end."""

    def __init__(self, counted: Callable[[str, int], None], look: float = LOOK, folder: str = "/proc") -> None:
        self._counted = counted
        self._look = look
        self._folder = folder
        self._wanted: tuple[TrackedProcess, ...] = ()
        self._seen: dict[int, _Seen] = {}
        self._turn = 0
        self._ends: dict[int, int] = {}
        """pid → its pidfd."""

    def follow(self, wanted: Iterable[TrackedProcess]) -> None:
        """Count these, and no others."""
        self._wanted = tuple(wanted)
        self._seen.clear()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            if self._wanted:
                self.look()
            await asyncio.sleep(self._look)

    def look(self) -> None:
        """Look once, and tell."""
        self._turn += 1
        pids = {int(name) for name in os.listdir(self._folder) if name.isdigit()}
        for gone in self._seen.keys() - pids:
            del self._seen[gone]
        with_words = any(each.full_command or each.parameters or len(each.process) > 1 for each in self._wanted)
        for pid in pids:
            seen = self._seen.get(pid)
            if seen is None or seen.looks < _YOUNG or (pid + self._turn) % _TURN == 0:
                read = _read(self._folder, pid, with_words)
                if read is None:
                    self._seen.pop(pid, None)
                else:
                    self._seen[pid] = _Seen(*read, 0 if seen is None else seen.looks + 1)
        self._tell()

    def _tell(self) -> None:
        watched: set[int] = set()
        for wanted in self._wanted:
            found = [pid for pid, seen in self._seen.items() if matches(wanted, seen.name, seen.words)]
            alive = [pid for pid in found if _lives(self._folder, pid)]
            watched.update(alive[:_MOST_WATCHED])
            self._counted(wanted.name, len(alive))
        self._watch(watched)

    def _watch(self, pids: set[int]) -> None:
        for pid in self._ends.keys() - pids:
            self._unwatch(pid)
        for pid in pids - self._ends.keys():
            try:
                descriptor = os.pidfd_open(pid)
            except OSError:
                continue  # gone meanwhile, or another process's table in a test: the next look counts anew
            self._ends[pid] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._ended, pid)

    def _unwatch(self, pid: int) -> None:
        descriptor = self._ends.pop(pid)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)

    def _ended(self, pid: int) -> None:
        self._unwatch(pid)
        self._seen.pop(pid, None)
        self._tell()

    def close(self) -> None:
        for pid in list(self._ends):
            self._unwatch(pid)


def _read(folder: str, pid: int, with_words: bool) -> tuple[str, tuple[str, ...]] | None:
    try:
        with open(f"{folder}/{pid}/comm", "rb") as file:
            name = file.read().rstrip(b"\n").decode("utf-8", "replace")
        if not with_words:
            return name, ()
        with open(f"{folder}/{pid}/cmdline", "rb") as file:
            words = file.read(65_536)
    except OSError:
        return None
    return name, tuple(word.decode("utf-8", "replace") for word in words.split(b"\0")[:-1])


def _lives(folder: str, pid: int) -> bool:
    """A zombie has a name still, and does nothing."""
    try:
        with open(f"{folder}/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return False
    return line[line.rfind(b")") + 2 : line.rfind(b")") + 3] not in (b"Z", b"X")


class Quorum:
    """Whether there are enough, and not too many; a change counts when it has lasted as long as the file says."""

    def __init__(self, wanted: TrackedProcess, said: Callable[[bool, str], None]) -> None:
        self._wanted = wanted
        self._said = said
        self._now: bool | None = None
        self._wish: bool | None = None
        self._text = ""
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def count(self, number: int) -> None:
        """``said`` is called when that changes the verdict."""
        wanted = self._wanted
        good = number >= wanted.quorum and not (wanted.quorum_max and number > wanted.quorum_max)
        self._text, last, self._last = self._sentence(number), self._last, number
        if good == self._now:
            self.close()
            return
        if good == self._wish:
            return
        self.close()
        delay = wanted.fork_delay if number > last else wanted.terminate_delay
        self._wish = good
        if self._now is None or not delay:
            self._change()
        else:
            self._timer = asyncio.get_running_loop().call_later(delay / SECOND, self._change)

    def _change(self) -> None:
        self._timer, self._now, self._wish = None, self._wish, None
        self._said(bool(self._now), self._text)

    def _sentence(self, number: int) -> str:
        wanted = self._wanted
        least = f"at least {wanted.quorum}"
        most = f" and at most {wanted.quorum_max}" if wanted.quorum_max else ""
        return f"{number} of {' '.join(wanted.process)} run, {least}{most} should"

    def close(self) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._wish = None
