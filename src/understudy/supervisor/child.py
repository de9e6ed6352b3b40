"""One program that the supervisor keeps running: started, watched by pidfd, found again after the supervisor's own death.

Children live in sessions of their own and are not told when the supervisor dies: what they do must go on. A living child of an
earlier supervisor is recognised by the lock that it holds (``adapters.lockfile``).
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..adapters import lockfile

FREE_FAILURES = 3
"""So many deaths within ``MEMORY`` seconds are answered at once; then each waits longer."""

MEMORY = 10.0
FIRST_DELAY = 0.05
LONGEST_DELAY = 1.0

EXIT_CONFIG = 2
"""The child's own word that starting it again is useless: its configuration or command line is wrong."""

EXIT_BUSY = 75
"""The child's word that another process holds its lock."""

_PRIORITY = 10
"""That of the pulse (``pulse.realtime``)."""

_READY_FD, _WAIT_FD, _KEEPER_FD = 3, 4, 5
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def raise_priority(pid: int) -> None:
    """Real-time priority for ``pid`` (0: ourselves); its children start ordinary. A refusal is reported by the pulse."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_PRIORITY))
    except OSError:
        pass


def _spawn(argv: tuple[str, ...], descriptors: dict[int, int]) -> int:
    """Start ``argv`` with ``descriptors`` (its number: ours) and nothing else of ours but output. Raises OSError."""
    actions: list[tuple[int, int, str, int, int] | tuple[int, int, int] | tuple[int, int]]
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    # Through numbers above all of the fixed ones, lest one copy overwrites the source of the next.
    actions += [(os.POSIX_SPAWN_DUP2, ours, 100 + theirs) for theirs, ours in descriptors.items()]
    actions += [(os.POSIX_SPAWN_DUP2, 100 + theirs, theirs) for theirs in descriptors]
    actions += [(os.POSIX_SPAWN_CLOSE, 100 + theirs) for theirs in descriptors]
    return os.posix_spawn(
        argv[0],
        argv,
        {name: value for name, value in os.environ.items() if name not in _NOT_FOR_CHILDREN},
        file_actions=actions,
        setsid=True,
        setsigmask=(
            signal.SIGHUP,
            signal.SIGUSR1,
            signal.SIGUSR2,
        ),  # until whoever understands it says so: it must end nobody who is still starting
        setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
    )


def describe(status: int | None) -> str:
    """How a process ended, from ``os.waitpid``'s status; None when it was not our child."""
    if status is None:
        return "is gone"
    if os.WIFSIGNALED(status):
        return f"was ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with exit code {os.waitstatus_to_exitcode(status)}"


@dataclass(slots=True)
class Child:
    """``pid`` and ``pidfd`` are 0 and -1 while it does not run; ``due`` is the monotonic time of the next start.

    ``ready``: our end of a pipe to which it writes when it works; ``go``: of one on which a spare waits for its turn; or -1.
    ``keeper``: our end of the socket over which a pulse and we pass the watchdog's descriptor.
    """

    name: str
    argv: tuple[str, ...]
    lock: str
    pid: int = 0
    pidfd: int = -1
    ours: bool = False
    due: float = 0.0
    ready: int = -1
    go: int = -1
    keeper: socket.socket | None = None
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=16))

    @property
    def running(self) -> bool:
        return self.pid != 0

    def attach(self) -> bool:
        """Take charge of a living child of an earlier supervisor."""
        found = lockfile.attach(self.lock)
        if found is None:
            return False
        self.pid, self.pidfd = found
        self.ours = False
        return True

    def start(
        self,
        tells_ready: bool = False,
        waits: bool = False,
        gives: Callable[[socket.socket], None] | None = None,
    ) -> None:
        """Start it in a session of its own, standard input empty, signals as they are by default.

        With ``tells_ready`` the child is a pulse: it gets ``--ready-fd 3`` and writes to it when it works, and ``--keeper-fd 5``,
        a socket for the watchdog's descriptor, into which ``gives`` has put what there is; with ``waits`` it gets ``--wait-fd 4``
        and does nothing before it can read from that. Raises OSError when no process can be made.
        """
        self.close_pipes()
        self.close_keeper()
        argv, theirs = self.argv, {}
        if tells_ready:
            self.ready, theirs[_READY_FD] = os.pipe()  # close-on-exec; the child's end is copied to a fixed number
            self.keeper, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.keeper.setblocking(False)
            theirs[_KEEPER_FD] = other.detach()
            if gives is not None:
                gives(self.keeper)
            argv += ("--ready-fd", str(_READY_FD), "--keeper-fd", str(_KEEPER_FD))
        if waits:
            theirs[_WAIT_FD], self.go = os.pipe()
            argv += ("--wait-fd", str(_WAIT_FD))
        try:
            self.pid = _spawn(argv, theirs)
        except OSError:
            self.close_pipes()
            self.close_keeper()
            raise
        finally:
            for descriptor in theirs.values():
                os.close(descriptor)
        self.pidfd = os.pidfd_open(self.pid)
        self.ours = True

    def take_turn_of(self, spare: Child) -> None:
        """Become the process that waits as ``spare``, and let it begin. Raises OSError when it is gone after all."""
        os.write(spare.go, b"1")
        raise_priority(spare.pid)  # it may still be busy with its imports, and ordinary processes may be in its way
        self.close_pipes()
        self.close_keeper()
        self.pid, self.pidfd, self.ready, self.ours = spare.pid, spare.pidfd, spare.ready, spare.ours
        self.keeper, spare.keeper = spare.keeper, None
        spare.pid, spare.pidfd, spare.ready = 0, -1, -1
        spare.close_pipes()

    def close_pipes(self) -> None:
        """A spare takes the end of its pipe for the end of its service."""
        for descriptor in (self.ready, self.go):
            if descriptor >= 0:
                os.close(descriptor)
        self.ready = self.go = -1

    def close_keeper(self) -> None:
        if self.keeper is not None:
            self.keeper.close()
            self.keeper = None

    def reap(self) -> int | None:
        """After its pidfd became readable: forget it and return the wait status, or None when it was not our child."""
        status: int | None = None
        if self.ours:
            _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.close_pipes()
        self.close_keeper()
        self.pid, self.pidfd = 0, -1
        return status

    def delay_next(self) -> float:
        """Note a death now; returns the seconds until the next start and sets ``due``."""
        now = time.monotonic()
        self._deaths.append(now)
        recent = sum(1 for death in self._deaths if now - death < MEMORY)
        delay = 0.0 if recent <= FREE_FAILURES else min(FIRST_DELAY * 2 ** (recent - FREE_FAILURES - 1), LONGEST_DELAY)
        self.due = now + delay
        return delay

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to exactly this process; nothing happens when it is gone."""
        if self.pidfd >= 0:
            try:
                signal.pidfd_send_signal(self.pidfd, number)
            except ProcessLookupError:
                pass
