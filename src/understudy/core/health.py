"""What the probes of one group on this machine say, and which of them are to be asked now.

A probe is asked while what it judges runs here: its resource, or the whole group. Its number is new each time that begins, so an
answer to an earlier question counts for nothing. The manager counts rises and falls; here is only what follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..effects import Effect, RunProbes
from ..events import ProbeAnswered
from ..model import (
    AddressResource,
    CommandResource,
    Group,
    LsbResource,
    MountResource,
    NotifyResource,
    OcfResource,
    RealServerResource,
    Resource,
    ResourceDResource,
    RouteResource,
    ScriptResource,
    SourceAddressResource,
    SystemdResource,
)
from ..probes import CommandCheck, HttpCheck, PingCheck, Probe, TcpCheck
from ..snapshot import ProbeStatus
from ..units import MILLISECOND, Instant
from .execution import Execution
from .parts import State, Wanted

_BLAMED: tuple[tuple[type[Resource], ...], ...] = (
    (CommandResource, ScriptResource, OcfResource, LsbResource, ResourceDResource, SystemdResource),
    (MountResource,),
    (RouteResource, SourceAddressResource, RealServerResource),
    (AddressResource,),
    (NotifyResource,),
)
"""Who a failing probe of a whole group is blamed on: one of the first of these kinds that the group has."""


@dataclass(slots=True)
class _Seen:
    """``number`` 0: not asked now. ``since``: when ``up`` became what it is. The last failure is remembered over breaks."""

    number: int = 0
    up: bool | None = None
    since: Instant = 0
    failed_at: Instant | None = None
    failure: str = ""


class Health:
    """The probes of one group."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._probes = {probe.name: probe for probe in group.probes}
        self._seen = {probe.name: _Seen() for probe in group.probes}

    def change(self, group: Group) -> None:
        """The group has other words now. What is asked in the same way goes on; the rest is asked anew, where it is wanted."""
        before, self.group = self._probes, group
        self._probes = {probe.name: probe for probe in group.probes}
        kept = {name for name, probe in self._probes.items() if before.get(name) == probe}
        self._seen = {name: self._seen[name] if name in kept else _Seen() for name in self._probes}

    def follow(self, execution: Execution, next_number: Callable[[], int], now: Instant) -> list[Effect]:
        """Bring what is asked up to what runs. Call after every change of either."""
        if not self._seen:
            return []
        wanted = self._wanted(execution)
        if wanted == {name for name, seen in self._seen.items() if seen.number}:
            return []
        for name, seen in self._seen.items():
            if (name in wanted) != bool(seen.number):
                seen.number = next_number() if name in wanted else 0
                seen.up, seen.since = None, now
        asked = tuple((name, seen.number) for name, seen in self._seen.items() if seen.number)
        return [
            RunProbes(
                self.group.name, asked, "what they judge runs here" if asked else "nothing that they judge runs here"
            )
        ]

    def _wanted(self, execution: Execution) -> set[str]:
        if execution.wanted is not Wanted.RUN or not execution.manager:
            return set()
        running = {resource.id for resource, state, _ in execution.states() if state is State.RUNNING}
        whole = len(running) == len(self.group.resources)
        return {
            name for name, probe in self._probes.items() if (probe.resource in running if probe.resource else whole)
        }

    def forget(self, now: Instant) -> None:
        """Another manager, or none: nobody is asking any more."""
        for seen in self._seen.values():
            seen.number, seen.up, seen.since = 0, None, now

    def answered(self, event: ProbeAnswered, now: Instant) -> Probe | None:
        """Take an answer in; the probe that has just gone down, if it did."""
        seen = self._seen.get(event.probe)
        if seen is None or not seen.number or seen.number != event.number:
            return None
        if event.text:
            seen.failed_at, seen.failure = now, event.text
        if event.up is seen.up:
            return None
        seen.up, seen.since = event.up, now
        return self._probes[event.probe] if event.up is False else None

    def blamed(self, probe: Probe) -> str:
        """The resource that a failing probe counts against: for one of the whole group its last program.

        A program that is told, a route or a mount serves nobody by itself, so each is blamed only where no program is.
        """
        if probe.resource:
            return probe.resource
        ranks = [
            next(rank for rank, kinds in enumerate(_BLAMED) if isinstance(item, kinds)) for item in self.group.resources
        ]
        best = min(ranks)
        return [item for item, rank in zip(self.group.resources, ranks, strict=True) if rank == best][-1].id

    @property
    def up(self) -> bool:
        """Whether every probe says so; true without any."""
        return all(seen.up for seen in self._seen.values())

    def not_up(self) -> str:
        """Which probes do not say that the group is up, or ""; without times, which would be news always."""
        words = []
        for name, seen in self._seen.items():
            if seen.number and not seen.up:
                failed = seen.failed_at is not None and seen.failed_at >= seen.since
                words.append(f"probe {name}: {seen.failure}" if failed else f"probe {name} has not answered yet")
        return "; ".join(words)

    def statuses(self, now: Instant) -> tuple[ProbeStatus, ...]:
        found = []
        for name, seen in self._seen.items():
            probe = self._probes[name]
            state = {True: "up", False: "down", None: "waiting"}[seen.up] if seen.number else "unknown"
            ages = [None if at is None else round((now - at) / MILLISECOND, 3) for at in (seen.since, seen.failed_at)]
            found.append(
                ProbeStatus(
                    name,
                    probe.resource or None,
                    check_text(probe),
                    state,
                    ages[0] if seen.number else None,
                    seen.failure,
                    ages[1],
                )
            )
        return tuple(found)


def check_text(probe: Probe) -> str:
    """What is asked, in a few words."""
    match probe.check:
        case HttpCheck(url, host):
            return f"{url} as {host}" if host else url
        case TcpCheck(address, port):
            return f"tcp [{address}]:{port}" if ":" in address else f"tcp {address}:{port}"
        case CommandCheck(argv):
            return f"command {argv[0]}"
        case PingCheck(address):
            return f"ping {address}"
