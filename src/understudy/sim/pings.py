"""Moves for the sake of ping targets, from outside the core: by what each machine was told answers there.

1. *Moved for nothing.* A group that leaves because more of its targets answer elsewhere goes where more of them answer, and where
   that is known. What was so within the last dead time and two heartbeats counts as well: so long may news take.
2. *Moved again.* The machine that it went to does not send it on for the same reason within the group's damping, but for as much.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..core.placement import MORE_ANSWER
from ..core.reach import PINGS_KNOWN
from ..effects import Effect, Note
from ..events import Event, PingsSeen, Started
from ..probes import Reach
from ..units import Duration
from .host import Host
from .stops import settle_time
from .world import Observer, World, WorldTime

KEPT = 120
"""Answers of each machine that are looked at: it is told about one in a second."""


@dataclass(frozen=True, slots=True)
class _Left:
    """The newest word of a group that leaves: when, for which machine ("nowhere"), and whether for its ping targets."""

    at: WorldTime
    target: str
    for_pings: bool


class Pings(Observer):
    """``report`` takes a kind and a sentence."""

    heeds = (Note,)

    def __init__(self, report: Callable[[World, str, str], None]) -> None:
        self._report = report
        self._seen: dict[str, deque[tuple[WorldTime, frozenset[str] | None]]] = {}
        self._left: dict[str, _Left] = {}

    def told(self, host: Host, event: Event) -> None:
        seen = self._seen.setdefault(host.name, deque(maxlen=KEPT))
        if isinstance(event, PingsSeen):
            seen.append((host.world.now, frozenset(event.answering)))
        elif isinstance(event, Started):
            seen.append((host.world.now, None))

    def wished(self, host: Host, effect: Effect) -> None:
        if not isinstance(effect, Note):
            return
        if "let go of it" in effect.why:
            self._left.pop(effect.group, None)
        if not effect.why.startswith("leaves "):
            return
        now, group, before = host.world.now, effect.group, self._left.get(effect.group)
        target = effect.why.partition(" for ")[2].partition(":")[0]
        left = self._left[group] = _Left(now, target, MORE_ANSWER in effect.why)
        file = next((item for item in host.cluster.groups if item.name == group), None)
        if not left.for_pings or host.catching_up or file is None or file.stays_where is None:
            return
        reach, lately = file.stays_where, settle_time(host.cluster)
        most, least = self._most(host.world, target, reach, lately), self._least(host.world, host.name, reach, lately)
        if most is None or most <= least:
            found = "nobody knows how many" if most is None else f"{most} of its ping targets"
            text = f"{group} leaves {host.name}, where {least} of its ping targets answer, for {target}, where {found} answer"
            self._report(host.world, "moved-for-nothing", text)
        came = before is not None and before.for_pings and before.target == host.name
        if came and before is not None and now - before.at < reach.damping - lately:
            text = f"{group} leaves {host.name} for {target} so soon after it came there, both for its ping targets"
            self._report(host.world, "moved-again", text)

    def _most(self, world: World, name: str, reach: Reach, lately: Duration) -> int | None:
        """How many targets have answered on a machine at most, lately; None: that is not known, or not any more."""
        known = lately + max(PINGS_KNOWN, 3 * world.hosts[name].cluster.dead_time if name in world.hosts else 0)
        return max(self._counts(world, name, reach, lately, known), default=None)

    def _least(self, world: World, name: str, reach: Reach, lately: Duration) -> int:
        return min(self._counts(world, name, reach, lately, world.now), default=0)

    def _counts(self, world: World, name: str, reach: Reach, lately: Duration, known: Duration) -> list[int]:
        """Of all answers that were the newest at some time of ``lately``; none that is older than ``known``."""
        found = []
        for at, answering in reversed(self._seen.get(name, ())):
            if world.now - at > known:
                break
            if answering is not None:
                found.append(sum(target in answering for target in reach.ping))
            if world.now - at >= lately:
                break
        return found
