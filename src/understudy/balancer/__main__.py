"""``python -m understudy.balancer``: started by the supervisor where there are services; by hand only to look for a mistake."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

from ..adapters import lockfile
from ..adapters.beat import beat
from ..adapters.title import show
from .owner import owner
from .real_parts import allow_descriptors, parts
from .service import Balancer

LOCK = "balancer.lock"
_BUSY = 75


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m understudy.balancer", description=__doc__)
    for name in ("config", "node", "runtime-dir", "state-dir"):
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    made = parts(*owner(arguments.runtime_dir, arguments.state_dir))
    balancer = Balancer(made, arguments.runtime_dir, arguments.state_dir)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reloads: set[asyncio.Task[tuple[bool, str]]] = set()

    def reload() -> None:
        task = loop.create_task(balancer.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    beating = loop.create_task(beat(os.path.join(arguments.runtime_dir, LOCK)))
    await balancer.run(stop)
    beating.cancel()


def main() -> int:
    """Exit codes: 0 told to stop, 2 its copy cannot be read, 75 another balancer holds the lock, 1 anything else."""
    # What starts us may have blocked signals; programs that we start would inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
    arguments = _arguments()
    show("balancer")
    allow_descriptors()
    try:
        for directory, mode in ((arguments.runtime_dir, 0o755), (arguments.state_dir, 0o700)):
            os.makedirs(directory, mode=mode, exist_ok=True)
        if lockfile.take(os.path.join(arguments.runtime_dir, LOCK)) is None:
            return _BUSY
        asyncio.run(_run(arguments))
    except (ValueError, OSError) as error:
        print(f"understudy balancer: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
