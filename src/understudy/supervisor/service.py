"""Keeps pulse, manager and balancer running, and nothing else: small enough that nothing in it can go wrong often.

Either is started again as soon as its pidfd says that it ended. A new pulse needs 100 to 200 ms for its imports alone, most of a
short dead time; so a spare one waits with its imports done and can begin within 30 ms. It has no priority, no sockets and
no lock until then, and ends with the supervisor.

The supervisor's own death disturbs nobody else: its children have their own sessions, and the next supervisor takes charge of
them.

The balancer is there only while there are services (``SERVICES`` lies in the runtime directory). When it dies the kernel's table
of real servers stays, and serves on until the next one adopts it. A manager or balancer that hangs is killed (``silence``).

A clean stop is the pulse's affair: it hands its groups over and ends with 0; only then the manager, whom it needs for that, is
stopped. A pulse that crashes on the way is started again and asked again, since only it can say that everything has stopped; and
without that word the stop is not called clean. The balancer is told when the groups have gone: what it takes out of the kernel's
table then serves nobody any more.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .child import EXIT_BUSY, EXIT_CONFIG, LONGEST_DELAY, Child, describe
from .custody import Custody
from .leftover import leftovers
from .notify import log, tell_systemd, watchdog_interval
from .silence import LOOK_INTERVAL, Silence

MANAGER_LIMIT = 5.0
"""Seconds that the manager is given between SIGTERM and SIGKILL."""

STOP_ATTEMPTS = 3

AT_REST = "at_rest"
"""A file in the runtime directory that the pulse makes at a clean end, for supervisors whose child it was not."""

EXIT_UNPROVEN = 69
"""The pulse ended because it was told to, but could not ask whether all programs have stopped."""

SERVICES = "services.json"
"""A file in the runtime directory: what is balanced. ``run`` and a reload write it (``balancer.service``)."""

SPARE_DELAY = 0.5
"""Seconds between a pulse's first turn and the start of a new spare: the machine has better things to do just then."""


@dataclass(slots=True)
class Supervisor:
    """``stop_limit``: seconds that a clean stop may take before it is forced. ``spare`` None: without one."""

    pulse: Child
    manager: Child
    spare: Child | None
    stop_limit: float
    node: str = ""
    balancer: Child | None = None
    look_interval: float = LOOK_INTERVAL
    watchdog: Custody = field(default_factory=Custody)
    signals: list[int] = field(default_factory=list)
    _wake: tuple[int, int] = (-1, -1)
    _exit: int | None = None
    _stopping: bool = False
    _forced: bool = False
    _pulse_over: bool = False
    _rested: bool = False
    """The pulse has said that nothing of our groups runs here any more: the only clean end."""
    _look_due: float = 0.0
    _silences: dict[str, Silence] = field(default_factory=dict)
    _worked: bool = False
    """A pulse has worked with this configuration: what refuses it now is trouble that may pass."""
    _attempts: int = 0
    _limits: dict[str, float] = field(default_factory=dict)

    def run(self) -> int:
        """Returns the exit code: 0 after a clean stop, 1 after any other one, 2 when the configuration is refused."""
        self._watch_signals()
        self._begin()
        interval = watchdog_interval()
        while self._exit is None:
            self._turn(interval)
            tell_systemd("WATCHDOG=1")
        tell_systemd("STOPPING=1")
        return self._exit

    def _watch_signals(self) -> None:
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda received, _frame: self.signals.append(received))

    def _begin(self) -> None:
        for child in (self.pulse, self.manager, *self._balancers()):
            if not self._adopt(child):
                self._start(child)
        if not self.pulse.ours:
            self._ready()

    def _adopt(self, child: Child) -> bool:
        if not child.attach():
            return False
        log(f"{child.name} {child.pid} runs already and is adopted")
        if child is self.pulse:
            self.watchdog.copy_from(child.pidfd, self._in_runtime_dir(""))
        return True

    def _start(self, child: Child) -> None:
        try:
            if child is not self.pulse or not self._use_spare():
                child.start(
                    tells_ready=child not in (self.manager, self.balancer),
                    waits=child is self.spare,
                    gives=self.watchdog.give if child is self.pulse else None,
                )
        except OSError as error:
            delay = child.delay_next()
            log(f"cannot start {child.name}: {error.strerror}; next attempt in {delay:g} s", "error")

    def _use_spare(self) -> bool:
        if self.spare is None or not self.spare.running or self.spare.go < 0:
            return False
        self.watchdog.give(self.spare.keeper)
        try:
            self.pulse.take_turn_of(self.spare)
        except OSError:
            return False
        self.spare.due = math.inf
        return True

    def _ready(self) -> None:
        self._worked = True
        if self.spare is not None and not self.spare.running:
            self.spare.due = time.monotonic() + SPARE_DELAY
        tell_systemd(f"READY=1\nSTATUS=pulse {self.pulse.pid}, manager {self.manager.pid}")
        if self._stopping:
            self.pulse.signal(signal.SIGTERM)

    # -- one turn ------------------------------------------------------------------------------------------------

    def _turn(self, interval: float | None) -> None:
        poll = select.poll()
        poll.register(self._wake[0], select.POLLIN)
        handlers: dict[int, Callable[[], None]] = {}
        for child in (self.pulse, self.manager, self.spare, self.balancer):
            if child is not None and child.running:
                poll.register(child.pidfd, select.POLLIN)
                handlers[child.pidfd] = lambda child=child: self._ended(child)  # type: ignore[misc]
        if self.pulse.ready >= 0:
            poll.register(self.pulse.ready, select.POLLIN)
            handlers[self.pulse.ready] = self._heard_ready
        if self.pulse.keeper is not None:
            poll.register(self.pulse.keeper, select.POLLIN)
            handlers[self.pulse.keeper.fileno()] = self._hear_keeper
        for descriptor, _ in poll.poll(self._patience(interval)):
            if descriptor == self._wake[0]:
                self._drain_wake()
            else:
                handlers[descriptor]()
        while self.signals and self._exit is None:
            self._signalled(self.signals.pop(0))
        self._start_due()
        self._enforce()
        self._look_at_silence()

    def _patience(self, interval: float | None) -> int | None:
        """Milliseconds until something must be done without being told; None: for ever."""
        now = time.monotonic()
        waits = [limit - now for limit in self._limits.values()]
        waits += [child.due - now for child in self._wanted() if not child.running]
        if self._watched():
            waits.append(self._look_due - now)
        if interval is not None:
            waits.append(interval)
        return None if not waits else max(0, int(min(waits) * 1000) + 1)

    def _wanted(self) -> tuple[Child, ...]:
        """What must run now."""
        if self._forced or self._pulse_over or self._exit is not None:
            return ()
        if self.spare is None or self._stopping or self.spare.due == math.inf:
            return (self.pulse, self.manager, *self._balancers())
        return (self.pulse, self.manager, self.spare, *self._balancers())

    def _balancers(self) -> tuple[Child, ...]:
        """The balancer, if it has anything to do."""
        there = self.balancer is not None and (self.balancer.running or os.path.exists(self._in_runtime_dir(SERVICES)))
        return (self.balancer,) if there and self.balancer is not None else ()

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._wanted():
            if not child.running and child.due <= now:
                self._start(child)

    def _drain_wake(self) -> None:
        try:
            os.read(self._wake[0], 4096)
        except BlockingIOError:
            pass

    def _heard_ready(self) -> None:
        if self.pulse.ready < 0:
            return
        said = os.read(self.pulse.ready, 16)
        self.pulse.close_pipes()
        if said:
            self._ready()

    # -- ends of children ----------------------------------------------------------------------------------------

    def _hear_keeper(self) -> None:
        if self.pulse.keeper is not None and not self.watchdog.hear(self.pulse.keeper):
            self.pulse.close_keeper()

    def _ended(self, child: Child) -> None:
        if child is self.pulse:
            self._hear_keeper()  # it may have opened the device and died before we looked
        status = child.reap()
        code = os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None
        if child is self.spare:
            child.due = time.monotonic() + max(child.delay_next(), SPARE_DELAY)
        elif child is self.pulse and code == EXIT_CONFIG and not self._worked:
            self._give_up()
        elif child is self.pulse and self._stopping:
            self._pulse_ended_while_stopping(code, status)
        elif child in (self.manager, self.balancer) and self._pulse_over:
            self._finish()
        elif code == EXIT_BUSY and self._adopt(child):
            pass
        elif not self._forced:
            delay = child.delay_next()
            when = "at once" if delay == 0 else f"in {delay:g} s"
            refused = "; it refused the configuration (see above)" if code == EXIT_CONFIG else ""
            log(
                f"{child.name} {describe(status)}{refused}; it is started again {when}",
                "error" if refused else "warning",
            )

    def _give_up(self) -> None:
        """The configuration is refused; the process that found it said why on the log."""
        log("the configuration is refused (see above); mend it and start again", "error")
        self._exit = EXIT_CONFIG
        self.manager.signal(signal.SIGTERM)
        if self.balancer is not None:
            self.balancer.signal(signal.SIGKILL)  # it adopted what serves, and is to leave it

    def _pulse_ended_while_stopping(self, code: int | None, status: int | None) -> None:
        if code == 0 or (status is None and not self._forced and os.path.exists(self._in_runtime_dir(AT_REST))):
            self._rested = True
        elif not self._forced and self._attempts < STOP_ATTEMPTS:
            self._attempts += 1
            self.pulse.delay_next()
            if code == EXIT_UNPROVEN:  # without a manager nobody could be asked; there will be one soon
                self.pulse.due = time.monotonic() + LONGEST_DELAY
            log(f"pulse {describe(status)} while it handed over; it is started again to finish that", "warning")
            return
        else:
            self._name_leftovers()
        self._pulse_over = True
        self._limits.pop("stop", None)
        self._limits["manager"] = time.monotonic() + MANAGER_LIMIT
        self.manager.signal(signal.SIGTERM)
        if self.balancer is not None:
            self.balancer.signal(signal.SIGTERM)
        self._finish()

    def _name_leftovers(self) -> None:
        log("this stop was not clean: nobody has proved that all groups are stopped here", "error")
        for sentence in leftovers(self._in_runtime_dir(""), self.node):
            log(f"left over: {sentence}", "error")

    def _finish(self) -> None:
        """Over, when nobody is left."""
        if not self.manager.running and (self.balancer is None or not self.balancer.running):
            self._exit = 0 if self._rested else 1

    def _in_runtime_dir(self, name: str) -> str:
        return os.path.join(os.path.dirname(self.pulse.lock), name)

    # -- a manager or a balancer that hangs ----------------------------------------------------------------------

    def _look_at_silence(self) -> None:
        """Kill a child whose event loop stands still; what it began goes on, and the next one adopts it.

        A balancer's table stays in the kernel. Nobody is looked at who has ended or was told to.
        """
        now = time.monotonic()
        watched = self._watched()
        if not watched or now < self._look_due:
            return
        self._look_due = now + self.look_interval
        for child in watched:
            looks = self._silences.setdefault(child.name, Silence()).look(child)
            if looks:
                silent = f"{looks * self.look_interval:g} s"
                log(f"{child.name} {child.pid} has not moved for {silent}: it is killed and started again", "error")
                child.signal(signal.SIGKILL)

    def _watched(self) -> list[Child]:
        found = [self.manager] if self.balancer is None else [self.manager, self.balancer]
        return [] if self._pulse_over else [child for child in found if child.running]

    # -- stopping ------------------------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload()
        elif number in (signal.SIGUSR1, signal.SIGUSR2):
            # The dumps that keepalived's administrators know. The manager says where they are.
            self.manager.signal(signal.Signals(number))
        elif not self._stopping:
            self._stop()
        elif not self._forced:
            log("asked a second time: stopping at once, nothing is handed over", "warning")
            self._force()

    def _reload(self) -> None:
        """The manager does it, and says what came of it; one that is just starting hears of it when it is there."""
        if self._stopping or not self.manager.running:
            log("asked to reload the configuration, and there is no manager to do it; ask again", "warning")
            return
        log("reloading the configuration; the manager says what comes of it")
        self.manager.signal(signal.SIGHUP)

    def _stop(self) -> None:
        """The pulse is told before anything else: a log or a systemd that is slow must not delay what it says to others."""
        self._stopping = True
        if not self.pulse.running:
            self.pulse.due = time.monotonic()  # what it left when it died must be stopped, and only a pulse can do that
        elif self.pulse.ready < 0:  # else it is told as soon as it works
            self.pulse.signal(signal.SIGTERM)
        self._limits["stop"] = time.monotonic() + self.stop_limit
        log("stopping: groups are handed over first")
        tell_systemd("STOPPING=1\nSTATUS=handing groups over")
        if self.spare is not None:
            self.spare.close_pipes()

    def _force(self) -> None:
        self._forced = True
        self._limits.pop("stop", None)
        if self.pulse.running:
            self.pulse.signal(signal.SIGKILL)
        else:
            self._pulse_ended_while_stopping(None, 0)

    def _enforce(self) -> None:
        now = time.monotonic()
        if now >= self._limits.get("stop", now + 1):
            log(f"handing over took longer than {self.stop_limit:g} s: stopping at once", "error")
            self._force()
        if now >= self._limits.get("manager", now + 1):
            del self._limits["manager"]
            self.manager.signal(signal.SIGKILL)
            if self.balancer is not None:
                self.balancer.signal(signal.SIGKILL)
