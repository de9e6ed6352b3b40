"""Init scripts as the LSB has them, and resource scripts as Heartbeat has them.

An LSB script is judged by its exit code (LSB Core 5.0, 22.2): ``start`` and ``stop`` succeed with 0, also when there was
nothing to do; ``status`` 0 runs, 1 to 3 does not, 4 does not know. Many scripts lie, mostly by ``status`` 0 whatever runs. Where
the configuration names a pid file or a process, the script is not asked; the process is looked for, and a start or a stop has
succeeded only when it is there or gone.

A resource script of Heartbeat gets its arguments before the action. Its exit code counts for start and stop; for status only
what it prints counts (Heartbeat 3, ``ResourceManager``): "not running" is not, else "running" or "OK" is, anything else is not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..effects import Action
from ..events import Outcome
from ..model import LsbResource, ResourceDResource
from ..units import MILLISECOND, Duration
from .agent_action import Ended
from .agent_log import last_line
from .agent_ocf import Verdict
from .agent_proc import describe_exit
from .agent_workbench import Clock, Workbench

SCRIPT_DIRECTORIES = ("/etc/ha.d/resource.d", "/etc/init.d")
"""Where Heartbeat looks for a resource script, in this order."""

_MEANING = {
    1: "generic error",
    2: "bad arguments",
    3: "not implemented by the script",
    4: "not permitted",
    5: "not installed",
    6: "not configured",
    7: "not running",
}
_STATUS = {1: "dead, but its pid file is there", 2: "dead, but its lock file is there", 3: "not running", 4: "unknown"}
_NOT_INSTALLED = 150
"""What scripts of Red Hat's and SUSE's agents answer to status when their program is missing."""

_AGAIN: Duration = 50 * MILLISECOND

_IS_NOT = re.compile(r"[Nn][Oo][Tt] *[Rr]unning")
_IS = re.compile(r"[Rr]unning|OK")
_STOPPED = re.compile(r"stopped", re.IGNORECASE)


def lsb_verdict(action: Action, ended: Ended, probe: bool, stop_failed: bool = False) -> Verdict:
    """What an init script's end means. A time-out or a signal is UNKNOWN; status 4 and codes of nobody are UNKNOWN too.

    7 after stop ("not running") is taken as stopped, as it says so. A script that is missing does not run here, on a probe.
    After a stop that failed only 3 is "not running": with 1 or 2 a script that cannot do its work may end too.
    """
    if ended.status is None or ended.status < 0:
        return _no_code(action, ended, probe)
    if ended.status == 0:
        return Outcome.OK, ""
    words = last_line(ended.output)
    told = f": {words}" if words else ""
    if action is Action.MONITOR:
        text = f"status {ended.status} ({_STATUS.get(ended.status, 'no code of the LSB')}){told}"
        gone = (3,) if stop_failed else (1, 2, 3)
        if ended.status in gone or (ended.status == _NOT_INSTALLED and probe):
            return Outcome.NOT_RUNNING, text
        return Outcome.UNKNOWN, text
    text = f"exit code {ended.status} ({_MEANING.get(ended.status, 'unknown code')}){told}"
    if action is Action.STOP and ended.status == 7:
        return Outcome.OK, text
    return Outcome.FAILED, text


def _no_code(action: Action, ended: Ended, probe: bool) -> Verdict:
    words = last_line(ended.output)
    text = ended.trouble if ended.status is None else f"ended by {describe_exit(ended.status)}"
    if ended.missing:
        return (Outcome.NOT_RUNNING if action is Action.MONITOR and probe else Outcome.FAILED), text
    return Outcome.UNKNOWN, f"{text}: {words}" if words else text


def says_running(output: str) -> bool:
    """Heartbeat's rule for the standard output of ``status``."""
    return _IS_NOT.search(output) is None and _IS.search(output) is not None


def _says_not_running(words: str) -> bool:
    return bool(_IS_NOT.search(words) or _STOPPED.search(words))


class LsbRunner:
    """One ``lsb`` resource."""

    def __init__(self, resource: LsbResource, bench: Workbench) -> None:
        self.resource = resource
        self._bench = bench

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        clock = Clock(limit)
        resource = self.resource
        looks = resource.pid_file is not None or resource.process is not None
        if action is Action.MONITOR and looks:
            return self._look()
        if action is Action.START and looks and self._look()[0] is Outcome.OK:
            return Outcome.OK, "was running already"
        word = "status" if action is Action.MONITOR else action.value
        ended = await self._bench.run((resource.init_script, word), base, clock.left)
        verdict = lsb_verdict(action, ended, probe, self._bench.stop_failed())
        if not looks or (verdict[0] is not Outcome.OK and action is Action.START):
            return verdict
        return await self._see(action, verdict, clock)

    async def _see(self, action: Action, verdict: Verdict, clock: Clock) -> Verdict:
        """Wait until what runs agrees with what was done: daemons end, and write their pid files, after the script has gone."""
        wanted = Outcome.OK if action is Action.START else Outcome.NOT_RUNNING
        while True:
            found, text = self._look()
            if found is wanted:
                return Outcome.OK, "" if verdict[0] is Outcome.OK else f"{verdict[1]}; but {text}"
            if verdict[0] is not Outcome.OK:
                return verdict[0], f"{verdict[1]}; {text}"
            if not await clock.pause(_AGAIN):
                return Outcome.FAILED, f"the script's {action.value} ended with 0, but {text}"

    def _look(self) -> Verdict:
        """Whether the process is there, by its pid file where one is named."""
        resource = self.resource
        if resource.pid_file is None:
            pids = [pid for pid in _all_processes() if _is_program(pid, resource.process)]
            if pids:
                return Outcome.OK, f"{resource.process} runs as process {', '.join(map(str, pids[:5]))}"
            return Outcome.NOT_RUNNING, f"no process {resource.process} runs"
        try:
            with open(resource.pid_file, encoding="ascii", errors="replace") as file:
                words = file.read(64).split()
        except FileNotFoundError:
            return Outcome.NOT_RUNNING, f"there is no {resource.pid_file}"
        except OSError as error:
            return Outcome.UNKNOWN, f"cannot read {resource.pid_file}: {error.strerror}"
        if not words or not words[0].isdigit() or int(words[0]) < 1:
            return Outcome.NOT_RUNNING, f"{resource.pid_file} names no process"
        pid = int(words[0])
        if not _lives(pid):
            return Outcome.NOT_RUNNING, f"process {pid} of {resource.pid_file} is gone"
        if resource.process is not None and not _is_program(pid, resource.process):
            return Outcome.NOT_RUNNING, f"process {pid} of {resource.pid_file} is not {resource.process}"
        return Outcome.OK, f"process {pid} runs"


class ResourceDRunner:
    """One ``resource_d`` resource."""

    def __init__(self, resource: ResourceDResource, bench: Workbench) -> None:
        self.resource = resource
        self._bench = bench

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        clock = Clock(limit)
        path = script_path(self.resource.resource_script)
        if path is None:
            text = f"there is no {self.resource.resource_script} in {' or '.join(SCRIPT_DIRECTORIES)}"
            gone = action is Action.MONITOR and probe
            return (Outcome.NOT_RUNNING if gone else Outcome.FAILED), text
        if action is Action.MONITOR:
            return await self._status(path, clock, base, probe)
        if action is Action.START and (await self._status(path, clock, base, probe))[0] is Outcome.OK:
            return Outcome.OK, "was running already"
        ended = await self._bench.run((path, *self.resource.arguments, action.value), base, clock.left)
        if ended.status is None or ended.status < 0:
            return _no_code(action, ended, probe)
        if ended.status == 0:
            return Outcome.OK, ""
        text = f"exit code {ended.status}" + (f": {words}" if (words := last_line(ended.output)) else "")
        if action is Action.STOP:
            # A script that fails to stop what does not run is common; silence of its status would be no proof.
            outcome, told = await self._status(path, clock, base, False)
            if outcome is Outcome.NOT_RUNNING and _says_not_running(told):
                return Outcome.OK, f"{text}; but status says {told}"
        return Outcome.FAILED, text

    async def _status(self, path: str, clock: Clock, base: Mapping[str, str], probe: bool) -> Verdict:
        ended = await self._bench.run_quietly((path, *self.resource.arguments, "status"), base, clock.left)
        if ended.status is None or ended.status < 0:
            return _no_code(Action.MONITOR, ended, probe)
        words = last_line(ended.answer)
        text = words or "status says nothing"
        if says_running(ended.answer):
            return Outcome.OK, text
        doubtful = self._bench.stop_failed() and not _says_not_running(words)
        return (Outcome.UNKNOWN if doubtful else Outcome.NOT_RUNNING), text


def script_path(name: str) -> str | None:
    """The file of a resource script, or None: it must be a regular file that may be executed."""
    places = (name,) if name.startswith("/") else tuple(os.path.join(place, name) for place in SCRIPT_DIRECTORIES)
    return next((path for path in places if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def _all_processes() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid())


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] not in (b"Z", b"X")
    except OSError:
        return False


def _is_program(pid: int, name: str | None) -> bool:
    """By what the kernel calls it (15 bytes at most), or by the file that it runs."""
    if name is None or not _lives(pid):
        return False
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            if file.read().rstrip(b"\n") == name.encode()[:15]:
                return True
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name
    except OSError:
        return False
