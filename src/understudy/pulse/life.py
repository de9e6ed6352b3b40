"""What every pulse does around its loop, whatever protocol it speaks: what the core is told first, signals, and a clean end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..adapters.kernel_lease_setup import teardown
from ..adapters.udp import boot_clock
from ..events import Started
from ..model import Cluster
from ..units import Duration
from .arguments import Arguments
from .guard import Guard
from .kernel import KernelSide
from .loop import Loop
from .manager_link import ManagerLink
from .realtime import prepare
from .recorder import CRASH_PREFIX, CRASH_SUFFIX
from .speak import say
from .start import DRAINING_FILE, draw_entropy, in_standby, quiet_time, wishes_kept
from .trial import ANEW

EXIT_UNPROVEN = 69
"""Told to stop, but without a manager nobody could be asked whether all programs have stopped."""


@dataclass(frozen=True, slots=True)
class Life:
    """``cluster``: what runs when the loop has ended; it may be another than at the start."""

    arguments: Arguments
    loop: Loop
    kernel: KernelSide
    guard: Guard
    manager: ManagerLink
    witness: bool
    cluster: Callable[[], Cluster]


def live(life: Life, begin: Callable[[], Started]) -> int:
    """Run the loop to its end, and tidy up after a clean one. ``begin``: what it is told first. Returns the exit code."""
    arguments, loop = life.arguments, life.loop
    loop.watch_all()
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    loop.wake_on_signals(reading)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
    started = begin()

    def settle_in() -> None:
        loop.warnings = prepare().warnings(loop.dead_time)
        for warning in (*loop.warnings, *life.kernel.warnings, *life.guard.troubles()):
            say(warning, "warning")
        _tell_ready(arguments.ready_fd)

    proof = _no_rest(arguments)
    code = loop.run(started, arguments.in_runtime_dir(f"{CRASH_PREFIX}{os.getpid()}{CRASH_SUFFIX}"), settle_in)
    if code == 0 and loop.performer.anew:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))  # the next life will hear them
        signal.set_wakeup_fd(-1)
        for descriptor in (reading, writing):
            os.close(descriptor)
        return ANEW
    cluster = life.cluster()
    programs = any(len(group.resources) > len(group.addresses) for group in cluster.groups)
    if code == 0 and not life.witness and programs and life.manager.peer is None:
        say("without a manager nobody could say whether all programs have stopped", "warning")
        return EXIT_UNPROVEN
    if code == 0:
        _note_rest(proof)
    if code == 0 and not life.witness:
        # Nothing is held any more; whoever uses an address of ours by hand from now on must not meet our rules.
        refusal = teardown(cluster)
        if refusal is not None:
            say(f"the tables of the kernel leases stay: {refusal}", "warning")
    return code


def started_as(arguments: Arguments, cluster: Cluster, incarnation: int, kernel: KernelSide, guard: Guard) -> Started:
    """What this machine is like at the start, for the core."""
    return Started(
        incarnation=incarnation,
        entropy=draw_entropy(),
        wall_clock=time.time_ns() // 1_000_000,
        kernel_leases=kernel.running_leases(),
        addresses=kernel.present(),
        carriers=kernel.carriers(),
        standby=in_standby(arguments.state_dir),
        draining=in_standby(arguments.state_dir, DRAINING_FILE),
        quiet=_quiet(arguments, cluster),
        watchdog=guard.timeout,
        watchdog_ran=guard.ran,
        wishes=wishes_kept(arguments.state_dir, time.time_ns() // 1_000_000),
    )


def _no_rest(arguments: Arguments) -> str:
    """Where a clean stop notes that nothing is left; an earlier one's note is over."""
    proof = arguments.in_runtime_dir("at_rest")
    if os.path.exists(proof):
        os.unlink(proof)
    return proof


def _quiet(arguments: Arguments, cluster: Cluster) -> Duration:
    """The longest dead time that this machine may have promised with, before it was booted too.

    It is noted in the runtime directory, which must work, and in the state directory, which outlives a boot and may be full.
    """

    def warn(text: str) -> None:
        say(text, "warning")

    now = boot_clock()
    quiet = quiet_time(arguments.in_runtime_dir("dead_time"), cluster.dead_time, now, warn)
    lasting = os.path.join(arguments.state_dir, "dead_time")
    try:
        return max(quiet, quiet_time(lasting, cluster.dead_time, now, warn))
    except OSError as error:
        warn(
            f"cannot write {lasting} ({error.strerror}): after a boot with a shorter dead_time promises may be forgotten"
        )
        return quiet


def _note_rest(path: str) -> None:
    """For who was not our parent and cannot know our exit code."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        say(f"cannot write {path}: {error.strerror}", "warning")


def _tell_ready(descriptor: int) -> None:
    if descriptor < 0:
        return
    try:
        os.write(descriptor, b"1")
        os.close(descriptor)
    except OSError:
        pass  # the supervisor died meanwhile; the next one finds us by our lock
