"""``python -m understudy.manager``: started by the supervisor, never by hand except to look for a mistake."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys

import uvloop

from ..adapters import lockfile, running
from ..adapters.beat import beat
from ..adapters.title import show
from ..changes import one_step, together
from ..config.load import load, load_heartbeat
from ..errors import UnderstudyError, UsageError
from ..model import Cluster
from .old_access import access_of
from .old_fifo import FifoDesk
from .old_names import tell_names
from .old_pair import active, environment
from .old_reload import OldReloads
from .respawn import Respawns
from .router_dump import DATA, STATISTICS
from .service import Manager

_BUSY = 75
"""EX_TEMPFAIL of sysexits.h: the supervisor attaches to the one that runs instead of trying again."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m understudy.manager", description=__doc__)
    for name in ("config", "node", "runtime-dir", "state-dir"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


def _former(runtime_dir: str) -> Cluster | None:
    """What ran before a reload that is not over."""
    if os.path.exists(running.former(runtime_dir)):
        with contextlib.suppress(UnderstudyError):
            return load(running.former(runtime_dir))
    return None


async def _run(cluster: Cluster, former: Cluster | None, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    beating = loop.create_task(beat(os.path.join(arguments.runtime_dir, "manager.lock")))
    copy = load_heartbeat(arguments.config) if cluster.heartbeat3 else None
    home = "" if copy is None else copy.home
    manager = Manager(cluster, arguments.node, arguments.runtime_dir, arguments.state_dir, former=former, home=home)
    respawns = None
    if copy is not None:
        files = copy.files
        manager.access = lambda: access_of(files.api_access)
        manager.reloads = OldReloads(manager, arguments.runtime_dir, copy)
        manager.agents.environment = given = environment(copy.files, arguments.node)
        manager.background(fifo_desk(manager, copy.home).run())
        manager.background(tell_names(copy.files.media, copy.hosts, manager.link.send))
        folder = os.path.join(arguments.runtime_dir, "respawn")
        respawns = Respawns(copy.files.respawn, folder, given, manager.say)
        manager.background(respawns.run(lambda: active(manager.status, arguments.node)))
    loop.add_signal_handler(signal.SIGHUP, lambda: manager.background(manager.reloads.by_signal()))
    for number, name in ((signal.SIGUSR1, DATA), (signal.SIGUSR2, STATISTICS)):
        loop.add_signal_handler(number, lambda name=name: manager.background(manager.routers.dump(name)))  # type: ignore[misc]
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        await manager.run(stop)
    finally:
        if respawns is not None and stop.is_set():
            await respawns.stop()
    beating.cancel()


def fifo_desk(manager: Manager, home: str) -> FifoDesk:
    """The desk at which scripts of others speak."""

    async def wish(verb: str, which: str) -> tuple[bool, str]:
        return await manager.admin(verb, which, "", "a script")

    def send(fields: list[tuple[str, str]]) -> bool:
        return manager.link.send({"t": "say", "fields": [list(item) for item in fields]})

    return FifoDesk(home, wish, send, manager.say)


def main() -> int:
    """Exit codes: 0 told to stop, 2 wrong configuration, 75 another manager holds the lock, 1 anything else."""
    # A parent may have blocked signals for its own waiting; programs that we start would inherit that and never end. A wish to
    # reload, though, waits until there is somebody to hear it.
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
    arguments = _arguments()
    show("manager")
    try:
        cluster = load(arguments.config)
        former = _former(arguments.runtime_dir)
        if former is not None and one_step(former, cluster) and arguments.node not in cluster.names:
            cluster = together(former, cluster)  # it is being taken out, and hands over what it has
        if arguments.node not in cluster.names:
            raise UsageError(
                f"there is no node {arguments.node!r} in {arguments.config}", f"known: {', '.join(cluster.names)}"
            )
        for directory, mode in ((arguments.runtime_dir, 0o755), (arguments.state_dir, 0o700)):
            os.makedirs(directory, mode=mode, exist_ok=True)
        if lockfile.take(os.path.join(arguments.runtime_dir, "manager.lock")) is None:
            print(f"understudy manager: another one runs already in {arguments.runtime_dir}", file=sys.stderr)
            return _BUSY
    except (UnderstudyError, OSError) as error:
        print(f"understudy manager: {error}", file=sys.stderr)
        return 2
    uvloop.run(_run(cluster, former, arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
