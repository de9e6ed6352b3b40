"""Checks by programs of the administrator's, each in a session of its own.

At the time limit the answer is told; the process group gets SIGTERM, and ``PATIENCE`` later SIGKILL. No second run of a check is
begun before the first is really over. At most ``most`` run at once; who had to wait for its turn until its time was over accuses
nobody. What a program writes is read, and the end of it kept for the sentence; one that lives on in the background finds its
output closed. An executable on a file server that hangs holds up the whole process: the kernel reads it before the program is.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections import deque

from ..adapters.agent_proc import SEARCH_PATH, describe_exit
from ..adapters.refusals import OURS, sentence
from ..adapters.track_run import popen
from ..adapters.track_users import ScriptUser, find_user
from ..service_checks import ProgramQuestion
from ..units import SECOND, Duration, Instant, format_duration
from ..wire.said import printable
from .asker import Ears
from .reactor import Reactor

PATIENCE: Duration = 2 * SECOND
MOST_RUNNING = 64
_KEPT = 4096
_OURS = OURS | {errno.EAGAIN}


class Programs:
    """How many may run at once."""

    def __init__(self, reactor: Reactor, most: int = MOST_RUNNING) -> None:
        self.reactor, self._most = reactor, most
        self._running: set[_Run] = set()
        self._waiting: deque[Program] = deque()

    def begin(self, program: Program) -> None:
        if len(self._running) < self._most:
            self._start(program)
        else:
            self._waiting.append(program)

    def _start(self, program: Program) -> None:
        run = program.start()
        if run is not None:
            self._running.add(run)

    def ended(self, run: _Run) -> None:
        self._running.discard(run)
        while self._waiting and len(self._running) < self._most:
            program = self._waiting.popleft()
            if program.waits:
                self._start(program)

    def close(self) -> None:
        """What runs is killed."""
        self._waiting.clear()
        for run in tuple(self._running):
            run.kill(signal.SIGKILL)


class Program:
    """Asks one program."""

    def __init__(self, programs: Programs, ears: Ears, question: ProgramQuestion, timeout: Duration) -> None:
        self._programs, self._ears, self._question, self._timeout = programs, ears, question, timeout
        self._argv = ("perl", *question.argv) if question.perl else question.argv
        self._user: ScriptUser | str | None = find_user(question.user) if question.user else None
        self._run: _Run | None = None
        self._asked = False
        self.waits = False

    def ask(self) -> None:
        self._asked = True
        if self._run is not None:
            self._over(f"{self._argv[0]} still runs since it was asked before, and does not end when it is killed")
            return
        if isinstance(self._user, str):
            self._asked = False
            self._ears.ours(f"{self._argv[0]} cannot be run: {self._user}")
            return
        self.waits = True
        self._programs.begin(self)

    def start(self) -> _Run | None:
        """It is its turn; its time limit begins now."""
        self.waits = False
        self._ears.anew()
        try:
            self._run = _Run(
                self._programs, self, self._argv, self._user if isinstance(self._user, ScriptUser) else None
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._asked = False
            text = f"cannot run {self._argv[0]}: {sentence(error) if isinstance(error, OSError) else error}"
            if isinstance(error, OSError) and error.errno not in _OURS:
                self._ears.over(printable(text), None)
            else:
                self._ears.ours(printable(text))
        return self._run

    def ended(self, status: int, words: str) -> None:
        """With what exit status, or -signal."""
        self._run = None
        if not self._asked:
            return
        if status >= 2 and self._question.dynamic:
            self._asked = False
            self._ears.over("", status - 2)
        else:
            self._over("" if status == 0 else f"{describe_exit(status)}{f': {words}' if words else ''}")

    def expire(self) -> None:
        if self.waits:
            self.waits = self._asked = False
            self._ears.ours(f"{self._argv[0]} was not run: as many programs as may run at once still run")
            return
        self.cancel()
        name = os.path.basename(self._argv[0])
        self._ears.over(f"{name} was killed: not done after {format_duration(self._timeout)}", None)

    def cancel(self) -> None:
        self.waits = self._asked = False
        if self._run is not None:
            self._run.stop()

    def _over(self, failure: str) -> None:
        self._asked = False
        self._ears.over(printable(failure), None)


class _Run:
    """One process and its group. Raises what Popen raises."""

    def __init__(self, programs: Programs, program: Program, argv: tuple[str, ...], user: ScriptUser | None) -> None:
        self._programs, self._reactor, self._program = programs, programs.reactor, program
        self._words = b""
        self._killing: Instant = 0
        self._output, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(theirs, True)
            self._process = popen(argv, user, _environment(user), theirs)
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(theirs)
        self._end = -1
        try:
            self._end = os.pidfd_open(self._process.pid)
            self._reactor.watch(self._output, self._read)
            self._reactor.watch(self._end, self._ended)
        except BaseException:
            # Nobody would hear of its end, nor read what it says.
            self.kill(signal.SIGKILL)
            self._process.wait()
            self._close()
            raise

    def _read(self, events: int) -> None:
        try:
            said = os.read(self._output, 65536)
        except OSError:
            return
        if not said:
            self._reactor.unwatch(self._output)
        self._words = (self._words + said)[-_KEPT:]

    def _ended(self, events: int) -> None:
        # The leader is a zombie until poll() below, so the number of its group is nobody else's.
        if self._killing:
            self.kill(signal.SIGKILL)
        status = self._process.poll()
        if status is None:
            return
        self._read(0)
        self._close()
        lines = [line.strip() for line in self._words.decode("utf-8", "replace").splitlines() if line.strip()]
        self._programs.ended(self)
        self._program.ended(status, lines[-1][:200] if lines else "")

    def _close(self) -> None:
        for descriptor in (self._output, self._end):
            if descriptor >= 0:
                self._reactor.forget(descriptor)
                os.close(descriptor)

    def stop(self) -> None:
        """Politely, and soon not so."""
        if not self._killing:
            self._killing = self._reactor.clock() + PATIENCE
            self.kill(signal.SIGTERM)
            self._reactor.at(self._killing, lambda now: self.kill(signal.SIGKILL))

    def kill(self, number: int) -> None:
        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, number)
            except (ProcessLookupError, PermissionError):
                pass


def _environment(user: ScriptUser | None) -> dict[str, str]:
    names = {"HOME": user.home or "/", "USER": user.name, "LOGNAME": user.name} if user is not None else {"HOME": "/"}
    return {"PATH": SEARCH_PATH, "LANG": "C", "LC_ALL": "C", **names}
