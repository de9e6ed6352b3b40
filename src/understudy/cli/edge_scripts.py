"""``startup_script`` and ``shutdown_script`` of virtual routers: before anything of this node runs, and after all has ended.

The first is run, and waited for, by ``understudy run`` before it becomes the supervisor; the other is handed to the supervisor as
words and numbers, since a configuration is nothing that it reads. After a reload the manager hands it another (``router_last``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..model import Cluster


def run_startup(cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Run it, with its limit. Whatever becomes of it the start goes on, as keepalived's does."""
    from ..adapters.track_run import run_and_wait
    from ..manager.router_last import edge_program

    settings = None if cluster.routers is None else cluster.routers.settings
    if settings is None or not settings.started:
        return
    program = edge_program(settings, settings.started)
    if isinstance(program, str):
        tell(f"understudy: startup_script is not run: {program}")
        return
    end = run_and_wait(program, settings.script_timeout)
    if not end.good:
        tell(f"understudy: startup_script, {program.argv[0]}, failed: {end.text}; the start goes on")


def shutdown_arguments(cluster: Cluster, tell: Callable[[str], None]) -> list[str]:
    """What the supervisor is to run last, as its arguments; none when there is nothing."""
    from ..manager.router_last import last_words

    settings = None if cluster.routers is None else cluster.routers.settings
    if settings is None or not settings.stopped:
        return []
    words, trouble = last_words(settings)
    if trouble:
        tell(f"understudy: {trouble}")
    return ["--last-script", json.dumps(words)] if words else []
