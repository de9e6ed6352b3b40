"""The pretend manager: runs agents one at a time for each program, with durations, failures and answers that get lost.

A program counts as running from the moment that its start begins until a stop has ended well: the cautious reading,
because the checks ask whether two machines might run it. Programs survive the manager and the pulse; only the power
takes them away.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ..effects import Action, RunAgent, RunProbes
from ..events import Finished, ManagerChanged, Outcome, ProbeAnswered, ResourceFailed
from ..model import CommandResource
from ..units import MILLISECOND, Duration

if TYPE_CHECKING:
    from .host import Host


@dataclass(slots=True)
class Temper:
    """How one program behaves on one machine. Counts are of the next so many actions; then it behaves again.

    ``fails``: the action ends with FAILED. ``loses``: it is done, and the answer is lost. ``hangs``: it is killed at
    its limit and nobody knows what it did. ``denies``: as ``fails``, but a stop has ended the program all the same.
    """

    durations: dict[Action, Duration] = field(
        default_factory=lambda: {
            Action.START: 20 * MILLISECOND,
            Action.STOP: 10 * MILLISECOND,
            Action.MONITOR: MILLISECOND,
        }
    )
    fails: dict[Action, int] = field(default_factory=dict)
    loses: dict[Action, int] = field(default_factory=dict)
    hangs: dict[Action, int] = field(default_factory=dict)
    denies: dict[Action, int] = field(default_factory=dict)

    @staticmethod
    def take(counts: dict[Action, int], action: Action) -> bool:
        """Use up one of a count, if any is left."""
        left = counts.get(action, 0)
        if left:
            counts[action] = left - 1
        return left > 0


@dataclass(slots=True)
class _Job:
    effect: RunAgent
    pulse: int
    late: bool = False


class Manager:
    """One machine's manager and the programs that it runs."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.up = True
        self.running: dict[tuple[str, str], bool] = {}
        self.tempers: dict[tuple[str, str], Temper] = {}
        self.sick: set[tuple[str, str]] = set()
        """Probes, by group and name, that find something wrong."""
        self._asked: dict[tuple[str, str], tuple[int, int]] = {}
        self._queues: dict[tuple[str, str], deque[_Job]] = {}
        self.life = 0
        self._hangs_until = 0

    def temper(self, group: str, resource: str) -> Temper:
        return self.tempers.setdefault((group, resource), Temper())

    def power_off(self) -> None:
        """Every program is gone with the machine."""
        for group, resource in [key for key, running in self.running.items() if running]:
            self.set_running(group, resource, False)
        self._queues.clear()
        self._asked.clear()
        self.life += 1

    def crash(self) -> None:
        """The manager dies: what it runs goes on, what it was asked is forgotten, running actions answer nobody."""
        if not self.up:
            return
        self.up = False
        self._asked.clear()
        self.life += 1
        self.host.fact(ManagerChanged(False))

    def start(self) -> None:
        """A new manager, with nothing to do yet, if the old one is gone."""
        if self.up:
            return
        self.up = True
        self._queues.clear()
        self.host.world.after(self.host.world.habits.connect, partial(self.connect, self.host.pulse_number))

    def connect(self, pulse: int) -> None:
        """The manager finds the pulse, if it is still the one that it looked for."""
        if self.up and self.host.pulse_number == pulse:
            self.host.fact(ManagerChanged(True))

    def hang(self, span: Duration) -> None:
        """It does nothing for ``span``: what arrives meanwhile waits."""
        self._hangs_until = max(self._hangs_until, self.host.world.now + span)

    def run(self, effect: RunAgent, pulse: int) -> Finished | None:
        """Ask for an action. Actions of one program wait for each other."""
        if not self.up:
            return Finished(effect.op, Outcome.UNKNOWN, "no manager")
        world = self.host.world
        if world.now < self._hangs_until:
            again = partial(self._later, effect, pulse, (self.host.boots, self.life))
            world.at(self._hangs_until, again)
            return None
        return self._queue(effect, pulse)

    def _later(self, effect: RunAgent, pulse: int, life: tuple[int, int]) -> None:
        if life == (self.host.boots, self.life):
            self._queue(effect, pulse)

    def _queue(self, effect: RunAgent, pulse: int) -> Finished | None:
        key = (effect.group, effect.resource)
        queue = self._queues.setdefault(key, deque())
        queue.append(_Job(effect, pulse))
        if len(queue) == 1:
            self._begin(key)
        return None

    def ask(self, effect: RunProbes, pulse: int) -> None:
        """Ask these probes of a group from now on; each says soon what it finds, and again when that changes."""
        if not self.up:
            return
        for key in [
            key for key in self._asked if key[0] == effect.group and (key[1], self._asked[key][0]) not in effect.probes
        ]:
            del self._asked[key]
        for name, number in effect.probes:
            if self._asked.get((effect.group, name)) != (number, pulse):
                self._asked[effect.group, name] = (number, pulse)
                self._tell_probe(effect.group, name)

    def sicken(self, group: str, name: str, sick: bool) -> None:
        """From now on a probe finds something wrong here, or nothing any more."""
        (self.sick.add if sick else self.sick.discard)((group, name))
        if (group, name) in self._asked:
            self._tell_probe(group, name)

    def _tell_probe(self, group: str, name: str) -> None:
        number, pulse = self._asked[group, name]
        sick = (group, name) in self.sick
        fact = ProbeAnswered(group, name, number, not sick, "no answer" if sick else "")
        world = self.host.world
        world.at(max(world.now + world.habits.answer, self._hangs_until), partial(self._probed, fact, pulse, self.life))

    def _probed(self, fact: ProbeAnswered, pulse: int, life: int) -> None:
        if life == self.life:
            self.host.fact(fact, pulse)

    def kill(self, group: str, resource: str) -> None:
        """The program dies by itself; only a program that is watched by pidfd says so."""
        if not self.running.get((group, resource)):
            return
        self.set_running(group, resource, False)
        watched = isinstance(self._resource(group, resource), CommandResource)
        if watched and self.up:
            self.host.fact(ResourceFailed(group, resource, "ended by signal 9"))

    def _resource(self, group: str, resource: str) -> object:
        items = self.host.world.known[group].resources
        return next(item for item in items if item.id == resource)

    def _begin(self, key: tuple[str, str]) -> None:
        job = self._queues[key][0]
        effect = job.effect
        temper = self.temper(*key)
        duration = temper.durations[effect.action]
        hangs = temper.take(temper.hangs, effect.action) or duration > effect.limit
        late = effect.action is Action.START and self.host.reading >= effect.until
        if effect.action is Action.START and not late:
            self.set_running(*key, True)
        job.late = late
        end = self.host.world.now + (0 if late else effect.limit if hangs else duration)
        self.host.world.at(end, partial(self._end, key, job, hangs, (self.host.boots, self.life)))

    def _end(self, key: tuple[str, str], job: _Job, hung: bool, began: tuple[int, int]) -> None:
        boot, life = began
        if boot != self.host.boots:
            return
        effect = job.effect
        temper = self.temper(*key)
        outcome, text = self._result(key, effect, hung, temper)
        if job.late:
            outcome, text = Outcome.NOT_RUNNING, "not begun: the right to it may be over"
        if life != self.life:
            return
        queue = self._queues[key]
        queue.popleft()
        lost = temper.take(temper.loses, effect.action)
        done = f"{effect.action.value} {effect.resource}: {outcome.value}{' (the answer is lost)' if lost else ''}"
        if effect.action is not Action.MONITOR or outcome is Outcome.FAILED or lost:
            self.host.world.tell(self.host, done)
        if not lost:
            world = self.host.world
            fact = Finished(effect.op, outcome, text)
            world.at(
                max(world.now + world.habits.answer, self._hangs_until), partial(self._answer, fact, job.pulse, life)
            )
        if queue:
            self._begin(key)

    def _answer(self, fact: Finished, pulse: int, life: int) -> None:
        if life == self.life:
            self.host.fact(fact, pulse)

    def _result(self, key: tuple[str, str], effect: RunAgent, hung: bool, temper: Temper) -> tuple[Outcome, str]:
        """What the action did to the program, and what it says."""
        failed = temper.take(temper.fails, effect.action)
        if hung:
            return Outcome.UNKNOWN, "killed at its time limit"
        match effect.action:
            case Action.START:
                if failed:
                    self.set_running(*key, False)
                    return Outcome.FAILED, "start failed"
            case Action.STOP:
                if failed:
                    return Outcome.FAILED, "stop failed"
                self.set_running(*key, False)
                if temper.take(temper.denies, effect.action):
                    return Outcome.FAILED, "stop says that it failed"
            case Action.MONITOR:
                if failed:
                    return Outcome.FAILED, "runs badly"
                if not self.running.get(key):
                    return Outcome.NOT_RUNNING, "not running"
        return Outcome.OK, ""

    def set_running(self, group: str, resource: str, running: bool) -> None:
        """A program may run from now on, or certainly does not."""
        if self.running.get((group, resource), False) != running:
            self.running[group, resource] = running
            for changed in self.host.world.listeners.programs_changed:
                changed(self.host, group, resource, running)
