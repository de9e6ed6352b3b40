"""The order within a group, from outside the core: by what each core asked for and what it was told.

1. *Too early.* Nothing is started before everything of the stages before it is known to run.
2. *A sibling taken down.* While a group is to run, nothing is stopped for a failure in its own stage, or in a later one.
3. *Stopped too early.* Whatever the reason, no program is stopped before everything that was started on top of it has stopped.
   Only what may run twice, and was asked to stop, is given up on when its group leaves, after the stop timeout. Addresses go at
   once when a right is over. What a reload changes or removes keeps the order in which it was started until it has stopped.
4. *Started beneath.* No program is started while one runs that stands on it, whether the core has asked for that one or not: it
   would lose the ground that it was started on. An address may be put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..changes import blocks, untouched
from ..effects import Action, AddAddresses, Effect, KernelLease, Note, RemoveAddresses, RunAgent
from ..events import AddressGone, Event, Finished, Outcome, ProbeAnswered, Reconfigured, ResourceFailed, Started
from ..model import AddressResource, Group, OnStopFailure, Resource
from ..units import Instant
from .host import Host
from .world import Observer, World

FAILED = "it, or what it stands on, failed"
LEAVES = "the group leaves this node"


@dataclass(slots=True)
class _Known:
    """What one core was told since it began: by group and resource. ``asked``: the newest operation of each.

    ``groups``: by name, as they are or were configured last. ``there``: what was asked to start, or was found to run, and is not
    known to have stopped since, with the ids of what it stands on; ``ending``: of these, what a reload has changed or removed.
    ``leaving``: since when, at the earliest, each group that has started nothing since is to stop here.
    """

    groups: dict[str, Group]
    leaving: dict[str, Instant]
    there: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    ending: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    addresses: dict[tuple[str, str], str] = field(default_factory=dict)
    stopping: set[tuple[str, str]] = field(default_factory=set)
    up: set[tuple[str, str]] = field(default_factory=set)
    doubted: set[tuple[str, str]] = field(default_factory=set)
    asked: dict[tuple[str, str], int] = field(default_factory=dict)
    operations: dict[int, tuple[Action, str, tuple[str, ...]]] = field(default_factory=dict)

    def below(self, key: tuple[str, str]) -> frozenset[str]:
        """What it stands on, by the file of now."""
        found: list[str] = []
        for block in self.blocks(key[0]):
            if any(item.id == key[1] for item in block):
                return frozenset(found)
            found += [item.id for item in block]
        return frozenset()

    def blocks(self, name: str) -> list[tuple[Resource, ...]]:
        return blocks(self.groups[name]) if name in self.groups else []

    def reload(self, event: Reconfigured) -> None:
        for group in event.cluster.groups:
            before = self.groups.get(group.name)
            if before is None:
                self.groups[group.name] = group
                continue
            same = untouched(before, group, (name for owner, name in event.restart if owner == group.name))
            for key in ((group.name, item.id) for item in before.resources if item.id not in same):
                self.ending.setdefault(
                    key, self.there.get(key, self.below(key))
                )  # also what a new daemon has not found yet
            self.groups[group.name] = group
            for key in [key for key in self.there if key[0] == group.name and key not in self.ending]:
                self.there[key] = self.below(key)

    def begins(self, key: tuple[str, str]) -> None:
        """It is asked to start."""
        self.ending.pop(key, None)
        self.stopping.discard(key)
        self.there[key] = self.below(key)

    def gone(self, key: tuple[str, str]) -> None:
        self.there.pop(key, None)
        self.ending.pop(key, None)
        self.stopping.discard(key)


class Stages(Observer):
    """``report`` takes a kind and a sentence. ``count`` takes what was met, for the coverage."""

    heeds = (Note, KernelLease, RunAgent, AddAddresses, RemoveAddresses)

    def __init__(self, report: Callable[[World, str, str], None], count: Callable[[str], None]) -> None:
        self._report, self._count = report, count
        self._known: dict[str, _Known] = {}

    def told(self, host: Host, event: Event) -> None:
        if isinstance(event, Started):
            file = host.former or host.cluster
            groups = {group.name: group for group in file.groups}
            self._known[host.name] = _Known(groups, dict.fromkeys(groups, host.reading))
        known = self._known.get(host.name)
        if known is None:
            return
        match event:
            case Reconfigured():
                known.reload(event)
            case AddressGone(address):
                for key in [key for key, there in known.addresses.items() if there == address]:
                    known.gone(key)
            case Finished(op, outcome) if op in known.operations:
                action, group, names = known.operations.pop(op)
                for key in ((group, name) for name in names):
                    if known.asked.get(key) == op:
                        self._ended(known, key, action, outcome)
            case ResourceFailed(group=group, resource=name):
                known.doubted.add((group, name))
            case ProbeAnswered(group=group, up=False):  # whom it counts against is the core's to say
                known.doubted |= {key for key in known.up if key[0] == group}
            case _:
                pass

    @staticmethod
    def _ended(known: _Known, key: tuple[str, str], action: Action, outcome: Outcome) -> None:
        if outcome is Outcome.NOT_RUNNING or (action is Action.STOP and outcome is Outcome.OK):
            known.gone(key)
        elif outcome is Outcome.OK and key not in known.there:
            known.there[key] = known.ending.get(key, known.below(key))
        if action is Action.STOP or outcome is not Outcome.OK:
            known.doubted.add(key)
            if action is not Action.MONITOR or outcome is not Outcome.UNKNOWN:
                known.up.discard(key)
        else:
            known.up.add(key)
            if action is Action.START:  # a monitor that is asked after a stop that failed takes nothing back
                known.doubted.discard(key)

    def wished(self, host: Host, effect: Effect) -> None:
        known = self._known.get(host.name)
        if known is None:
            return
        if isinstance(effect, Note | KernelLease) and _lets_go(effect):
            known.leaving.setdefault(effect.group, 0 if host.catching_up else host.reading)
        if not isinstance(effect, RunAgent | AddAddresses | RemoveAddresses):
            return
        names: tuple[str, ...]
        if isinstance(effect, RunAgent):
            action, names = effect.action, (effect.resource,)
        else:
            action = Action.START if isinstance(effect, AddAddresses) else Action.STOP
            names = tuple(item.id for item in effect.addresses)
            known.addresses |= {(effect.group, item.id): item.address for item in effect.addresses}
        if action is Action.START:
            known.leaving.pop(effect.group, None)
            self._starts(host, known, effect.group, names)
            if isinstance(effect, RunAgent) and not host.catching_up:
                self._under_others(host, known, effect)
        elif action is Action.STOP and effect.why == FAILED:
            self._stops(host, known, effect.group, names)
        if action is Action.STOP and isinstance(effect, RunAgent):
            self._beneath(host, known, effect)
        self._beside(known, effect.group, action, names)
        known.operations[effect.op] = (action, effect.group, names)
        for key in ((effect.group, name) for name in names):
            known.asked[key] = effect.op
            if action is not Action.MONITOR:
                known.up.discard(key)
            if action is Action.START:
                known.begins(key)
            elif (
                action is Action.STOP
            ):  # its answer may be lost, and a look before it is tried again may say that it runs
                known.doubted.add(key)
                known.stopping.add(key)

    def _starts(self, host: Host, known: _Known, name: str, names: tuple[str, ...]) -> None:
        for block in known.blocks(name):
            if any(item.id in names for item in block):
                return
            for item in block:
                there = isinstance(item, AddressResource) and item.address in host.kernel.addresses
                if not there and (name, item.id) not in known.up:
                    text = f"{host.name} starts {' '.join(names)} of {name} before {item.id} runs"
                    self._report(host.world, "started-too-early", text)
                    return

    def _under_others(self, host: Host, known: _Known, effect: RunAgent) -> None:
        """A program is asked to start."""
        for item in known.groups[effect.group].resources if effect.group in known.groups else ():
            key = (effect.group, item.id)
            if host.manager.running.get(key, False) and effect.resource in known.below(key):
                text = f"{host.name} starts {effect.resource} of {effect.group} beneath {item.id}, which runs on it"
                self._report(host.world, "started-beneath", text)
                return

    def _stops(self, host: Host, known: _Known, name: str, names: tuple[str, ...]) -> None:
        below: list[str] = []
        for block in known.blocks(name):
            inside = [item.id for item in block if item.id in names]
            blame = [*below, *inside, *(item.id for item in block if isinstance(item, AddressResource))]
            if inside and all((name, item) in known.up and (name, item) not in known.doubted for item in blame):
                text = f"{host.name} stops {' '.join(names)} of {name}, which runs, and so does all that it stands on"
                self._report(host.world, "sibling-taken-down", text)
            below += [item.id for item in block]

    def _beneath(self, host: Host, known: _Known, effect: RunAgent) -> None:
        """A program is asked to stop."""
        late = False
        if effect.why == LEAVES and effect.group in known.groups:
            since = known.leaving.setdefault(effect.group, 0 if host.catching_up else host.reading)
            late = host.reading >= since + known.groups[effect.group].stop_timeout
        for key, below in known.there.items():
            if key[0] != effect.group or effect.resource not in below:
                continue
            if not (late and key in known.stopping and not _must_stop(host, key)):
                text = (
                    f"{host.name} stops {effect.resource} of {key[0]} before {key[1]}, which stands on it: {effect.why}"
                )
                self._report(host.world, "stopped-too-early", text)
                return

    def _beside(self, known: _Known, name: str, action: Action, names: tuple[str, ...]) -> None:
        """Count operations of one kind that are under way together."""
        others = (
            known.operations.get(op) for (group, item), op in known.asked.items() if group == name and item not in names
        )
        if action is not Action.MONITOR and any(other is not None and other[0] is action for other in others):
            self._count(f"stages: {action.value}s together")


def _lets_go(effect: Note | KernelLease) -> bool:
    return effect.until is None if isinstance(effect, KernelLease) else effect.why.startswith("leaves ")


def _must_stop(host: Host, key: tuple[str, str]) -> bool:
    """Whether its group goes nowhere before it has stopped."""
    item = next(item for item in host.world.known[key[0]].resources if item.id == key[1])
    return item.exclusive if item.restarts.on_stop is None else item.restarts.on_stop is OnStopFailure.FENCE
