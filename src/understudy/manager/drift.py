"""Whether the administrator's file still says what this node runs with. Says so in the status; changes nothing.

The file is read in a thread: it may lie on a disk that does not answer.
"""

from __future__ import annotations

import asyncio

from ..adapters import running
from ..config.difference import difference
from ..config.load import examine, key_path, load_keys
from ..errors import ConfigError
from ..model import Cluster
from .old_pair import drift

INTERVAL = 10.0
"""Seconds between two looks: for people, who type slower than that."""


class Drift:
    """``warnings``: sentences for the status, from the last look."""

    def __init__(self, cluster: Cluster, runtime_dir: str, interval: float = INTERVAL) -> None:
        self._cluster = cluster
        self._runtime_dir = runtime_dir
        self._interval = interval
        self.warnings: tuple[str, ...] = ()

    def follow(self, cluster: Cluster) -> None:
        """The node runs with ``cluster`` from now on."""
        self._cluster, self.warnings = cluster, ()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.warnings = await loop.run_in_executor(None, look, self._cluster, self._runtime_dir)
            await asyncio.sleep(self._interval)


def _way(cluster: Cluster, found: Cluster) -> str:
    """How the file is taken up; what a reload would refuse says so itself."""
    obstacles = difference(cluster, found).obstacles
    if not obstacles:
        return "understudy reload takes it up"
    return f"understudy reload refuses it: {'; '.join(change.text for change in obstacles)}"


def look(cluster: Cluster, runtime_dir: str) -> tuple[str, ...]:
    """What is different between ``cluster``, with which this node runs, and the file that it was made from."""
    source = running.source(runtime_dir)
    if not source:
        return ()
    if cluster.heartbeat3:
        return drift(runtime_dir)
    found, problems = examine(source)
    if found is None:
        errors = [problem for problem in problems if problem.severity == "error"]
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        if all(problem.survived for problem in errors):
            return (f"{source} has {count}, for which a reload refuses it: understudy check {source}",)
        return (
            f"{source} has {count} now, so this node could not be started with it again; it still runs with the file as it was: "
            f"understudy check {source}",
        )
    if found.digest != cluster.digest or found.api != cluster.api or found.services != cluster.services:
        return (f"{source} differs from what this node runs with: {_way(cluster, found)}",)
    try:
        same = load_keys(found) == load_keys(cluster)
    except ConfigError:
        return ()  # removed between the two looks; the next one tells
    return (
        () if same else (f"{key_path(found)} has other keys than this node runs with: understudy reload takes them up",)
    )
