"""``understudy reload``, ``heartbeat -r`` and SIGHUP beside Heartbeat 3: its three files, judged anew and taken up.

As with a native file: what is refused, or needs a restart, changes nothing at all. The old program restarts itself for a changed
ha.cf, and reads the two others unasked.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from ..adapters import running
from ..config.difference import Difference
from ..config.heartbeat_copy import HeartbeatCopy, write_copy
from ..config.heartbeat_difference import heartbeat_difference
from ..errors import Refused
from ..model import Cluster
from .old_files import read
from .old_pair import environment
from .reload import Judged, Reloads, keep_services

if TYPE_CHECKING:
    from .service import Manager


def judge(source: str, me: str, before: HeartbeatCopy) -> tuple[Judged, HeartbeatCopy]:
    """Read the folder ``source`` and compare it with ``before``. Touches the disk, and may wait for a name server.

    With the copy to run with then: ``before`` when the folder is refused.
    """
    found = read(source, me, before.home, before)
    sentences = tuple(str(problem) for problem in found.problems)
    if found.copy is None or found.cluster is None:
        errors = tuple(str(problem) for problem in found.problems if problem.severity == "error")
        return Judged(source, None, sentences, Difference(()), errors=errors), before
    return Judged(source, found.cluster, sentences, heartbeat_difference(before, found.copy, source)), found.copy


class OldReloads(Reloads):
    """All reloads of one manager beside Heartbeat 3."""

    def __init__(self, manager: Manager, runtime_dir: str, copy: HeartbeatCopy) -> None:
        super().__init__(manager, runtime_dir)
        self._before = copy
        self._text = ""

    async def look(self) -> Judged:
        """What a reload would do now."""
        return (await self._look_at())[0]

    async def _look_at(self) -> tuple[Judged, HeartbeatCopy]:
        source = self._source("folder")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, judge, source, self._manager.me, self._before)

    async def reload(self, by: str, digest: str = "") -> dict[str, Any]:
        """Take the folder up. Raises as ``Reloads.reload`` does."""
        async with self._lock:
            judged, copy = await self._look_at()
            found = judged.accepted(digest)
            if not judged.difference.changes:
                self._text = write_copy(copy)
                running.keep(self._runtime_dir, self._text, "", judged.source)  # comments and the like
                self._before = copy
                return {**judged.answer(), "text": f"{judged.source} says what this node runs with; nothing to do"}
            if os.path.exists(running.former(self._runtime_dir)):
                raise Refused(
                    "something of the files before the last reload has not stopped here yet; nothing is changed",
                    "look with: understudy status",
                )
            before, self._text = self._before, write_copy(copy)
            self._before = copy
            try:
                await self._apply(found, judged, by, back=False)
            except Refused:
                self._before = before
                raise
            self._manager.agents.environment = environment(copy.files, self._manager.me)
            return {**judged.answer(), "text": f"{judged.source} is taken up"}

    def _copy(self, found: Cluster, before: Cluster) -> None:
        running.keep(self._runtime_dir, self._text, "", found.source)
        keep_services(found, self._runtime_dir, self._manager.me)

    def _conclude(self) -> None:
        """Nobody votes, so nothing is compared with at the next start."""
