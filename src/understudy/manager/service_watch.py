"""``autoreload`` and ``callback``: the files in which services stand are looked at now and then.

A file has changed when its content is another one, and its time and size stay as they are from one look to the next: who is just
writing it is left to end. With ``autoreload`` the reload that people ask for is made then, of services alone: whatever else has
changed is for a person. ``callback`` is run with the path of the changed file, behind the reload, also when that was refused.

Everything that touches the disk is done in a thread: it may not answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ..adapters import running
from ..adapters.agent_log import ResourceLog
from ..adapters.track_run import RunEnd, environment_of, run
from ..adapters.track_users import program_of
from ..config.service_copy import read_copy
from ..effects import Level
from ..errors import UnderstudyError
from ..services import ServiceFiles
from ..units import SECOND, Duration
from .reload import Judged

if TYPE_CHECKING:
    from .service import Manager

LOOK = 1.0
"""Seconds between two looks. ldirectord looks once in each of its rounds."""

LIMIT: Duration = 60 * SECOND
"""How long the callback may take; no file is looked at meanwhile."""

Found = TypeVar("Found")
Stamp = tuple[int, ...]


@dataclass(slots=True)
class _Seen:
    """``stamp``: of the content. ``last``: at the last look, where the content has not been read since."""

    stamp: Stamp
    content: bytes
    last: Stamp


class Contents:
    """What stands in some files. ``changed`` is called in a thread, one at a time."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def changed(self, paths: Sequence[str]) -> list[str]:
        """Those with another content than when it was told last. One that is away, or not yet known, has not changed."""
        self._seen = {path: seen for path, seen in self._seen.items() if path in paths}
        return [path for path in paths if self._has_changed(path)]

    def _has_changed(self, path: str) -> bool:
        stamp, seen = _stamp(path), self._seen.get(path)
        if not stamp or (seen is not None and stamp == seen.stamp):
            return False
        if seen is not None and stamp != seen.last:
            seen.last = stamp
            return False
        content = _content(path)
        self._seen[path] = _Seen(stamp, content, stamp)
        return seen is not None and content != seen.content


def _stamp(path: str) -> Stamp:
    try:
        seen = os.stat(path)
    except OSError:
        return ()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""


def sources(runtime_dir: str) -> tuple[str, ...]:
    """The files in which the services stand that run here."""
    whole = running.source(runtime_dir)
    if whole.endswith(".toml"):  # a native file has all of it, also where a pair has just gone over to it from others
        return (whole,)
    try:
        with open(os.path.join(runtime_dir, running.SERVICES), encoding="utf-8", errors="surrogateescape") as file:
            return read_copy(file.read()).sources
    except (OSError, ValueError):
        return ()


class ServiceWatch:
    """Of one manager. ``look`` is called now and then, and returns when all is done that follows from it."""

    def __init__(self, manager: Manager, runtime_dir: str) -> None:
        self._manager = manager
        self._runtime_dir = runtime_dir
        self._contents = Contents()
        self._of: ServiceFiles | None = None
        self._paths: tuple[str, ...] = ()
        self._again = self._first = True
        self._said = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        services = self._manager.cluster.services
        first, self._first = self._first, False
        if services is None or not (services.autoreload or services.callback.argv):
            self._of, self._again = None, False
            return
        if services is not self._of:
            self._of, self._paths = services, await _in_thread(sources, self._runtime_dir)
        changed = await _in_thread(self._contents.changed, self._paths)
        if services.autoreload and (changed or self._again) and await self._reload(bool(changed)) and first:
            changed = list(self._paths)  # changed before anybody looked
        for path in changed:
            await self._call(path)

    async def _reload(self, anew: bool) -> bool:
        """Whether there was anything to take up. ``anew``: a file has changed. Tries again at the next look where the refusal is
        only one of this moment.
        """
        reloads = self._manager.reloads
        self._again, differs = False, False
        try:
            judged = await reloads.look()
            cluster, trouble = judged.cluster, _objection(judged)
            differs = cluster is None or bool(judged.difference.changes)
            if cluster is not None and not trouble and judged.difference.changes:
                await reloads.reload("autoreload", cluster.digest)
        except UnderstudyError as error:
            self._again, trouble = True, f"{error.text}: {error.hint}" if error.hint else error.text
        if trouble and (anew or trouble != self._said):
            self._manager.say(Level.ERROR, f"autoreload: {trouble}".replace("\n", "; "))
        self._said = trouble
        return differs

    async def _call(self, path: str) -> None:
        services = self._manager.cluster.services
        if services is None or not services.callback.argv:
            return
        notice = services.callback
        program = await _in_thread(program_of, (*notice.argv, path), notice.user)
        if isinstance(program, str):
            self._manager.say(Level.ERROR, f"callback is not run: {program}")
            return
        self._manager.say(Level.INFO, f"{path} has changed: callback {' '.join(program.argv)}")
        log = ResourceLog(os.path.join(self._runtime_dir, "log"), "callback")
        await run(program, environment_of(program), LIMIT, log, self._ended, leaves=lambda: True)

    def _ended(self, end: RunEnd) -> None:
        if not end.good:
            self._manager.say(Level.WARNING, f"callback {'is ended' if end.late else 'failed'}: {end.text}")


def _objection(judged: Judged) -> str:
    """Why the file is not taken up, "" for nothing."""
    if judged.cluster is None:
        return f"{judged.source} is refused, and what is balanced stays as it is: {judged.told}"
    other = [item.text for item in judged.difference.changes if not _is_of_services(item.where)]
    if not other:
        return ""
    return (
        f"only services are taken up unasked, and more has changed ({'; '.join(other)}): understudy reload takes up all of "
        f"{judged.source}"
    )


def _is_of_services(where: str) -> bool:
    return where == "balancing" or where.startswith("services.")


async def _in_thread(work: Callable[..., Found], *given: object) -> Found:
    return await asyncio.get_running_loop().run_in_executor(None, work, *given)
