"""All planes of this machine as one: each service's changes go to the plane that it gets, in the order in which they came.

A plane is opened when a service wants it for the first time. One that the kernel does not have refuses what it is asked, with
the reason; the pool tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from ..balance import (
    Counters,
    DropService,
    Place,
    SetService,
    Synchronise,
    TableEffect,
    TableRefused,
    TableSeen,
    refusal,
)
from ..core.pools.planes import judge
from ..services import Plane as PlaneName
from ..services import ServiceFiles, ServiceKey, Timeouts, VirtualService
from .parts import Plane

Choose = Callable[[VirtualService, bool], PlaneName | str]
Open = Callable[[], Plane]


@runtime_checkable
class Settling(Protocol):
    """What IPVS can besides."""

    def set_timeouts(self, wanted: Timeouts) -> str: ...

    def synchronise(self, wanted: Synchronise) -> str: ...

    def flush(self) -> str: ...


@runtime_checkable
class Owning(Protocol):
    """What nf_tables can besides: each service there says who wrote it."""

    def claim(self, keys: Collection[ServiceKey]) -> None: ...


class Planes:
    """``openers``: each raises OSError where the kernel lacks it.

    ``choose``: which plane a service gets, or why none; it is told whether connections are synchronised.
    """

    def __init__(self, openers: Mapping[PlaneName, Open], choose: Choose) -> None:
        self._openers = dict(openers)
        self._choose = choose
        self._open: dict[PlaneName, Plane] = {}
        self._chosen: dict[ServiceKey, PlaneName | str] = {}
        self._stands: dict[ServiceKey, PlaneName] = {}
        self._stuck: set[ServiceKey] = set()
        self._synchronised = False
        self._known: set[PlaneName] = set()
        self.trouble = ""
        self._timeouts = Timeouts()

    def plane_of(self, service: VirtualService) -> PlaneName | str:
        """The plane that a service gets, or why it gets none."""
        return self._choose(service, self._synchronised)

    def follow(self, files: ServiceFiles) -> bool:
        """Other services. Returns whether something was taken out of a plane that is not its service's any more.

        What a plane did not let go stays in it (``trouble`` says so), and each ``read`` tries it again.
        """
        self._synchronised = files.sync is not None
        self._chosen = {key: name for each in files.services for name in (self.plane_of(each),) for key in each.keys}
        moved = [key for key, name in self._stands.items() if key in self._chosen and self._chosen[key] is not name]
        return bool(self._moved(moved))

    def _moved(self, keys: Iterable[ServiceKey]) -> set[ServiceKey]:
        """Take these out of the planes in which they stand. Returns those that are out."""
        stuck, moved = dict[ServiceKey, str](), set[ServiceKey]()
        for key in keys:
            name = self._stands[key]
            if refused := self._in(name, [DropService(key, "another plane serves it now")]):
                stuck[key] = f"{key} cannot be taken out of {name.value}, which still serves it: {refused[0].text}"
            else:
                moved.add(key)
                del self._stands[key]
        self._stuck = set(stuck)
        if stuck:
            self.trouble = "; ".join(filter(None, (self.trouble, *stuck.values())))
        return moved

    def _forget(self, name: PlaneName, there: set[ServiceKey]) -> None:
        """What was to go from this plane and has gone by itself."""
        for key in self._stuck - there:
            if self._stands.get(key) is name:
                del self._stands[key]
        self._stuck &= self._stands.keys()

    def judge(self, files: ServiceFiles) -> list[tuple[str, str]]:
        """As ``check`` says it of these files, but of the planes that ``follow`` chose for them."""
        return judge(files, self.plane_of)

    def name_of(self, key: ServiceKey) -> str:
        """The plane of a service, "" for one that is not ours."""
        name = self._stands.get(key) or self._chosen.get(key)
        return name.value if isinstance(name, PlaneName) else ""

    def read(self) -> TableSeen:
        """What stands in all planes that can be opened. Those that no service wants are looked at, too: it may be left over.

        One that cannot be read is opened anew the next time, and is believed to be as it was (``trouble`` says so). Raises
        OSError where nothing was read of it before.
        """
        found = []
        own: set[ServiceKey] = set()
        kept: set[ServiceKey] = set()
        self.trouble = ""
        for name in self._openers:
            plane = self._plane(name)
            if isinstance(plane, str):
                continue
            try:
                seen = plane.read()
                if isinstance(plane, Owning):  # what an earlier version wrote says nobody, and would never be left over
                    plane.claim([key for key, chosen in self._chosen.items() if chosen is name])
            except OSError as error:
                self._unread(name, error)
                if name not in self._known:
                    raise
                kept |= {key for key, stands in self._stands.items() if stands is name}
                continue
            self._known.add(name)
            self._forget(name, {service.key for service, _ in seen.services})
            for service, servers in seen.services:
                if service.key in own and self._chosen.get(service.key, name) is name:
                    continue  # it stands in two planes, and what is ours in the other one is to go first
                self._stands[service.key] = name
                found.append((service, servers))
            own |= seen.own
        moved = self._moved(self._stuck)
        found = [each for each in found if each[0].key not in moved]
        return TableSeen(tuple(found), frozenset(kept - moved), frozenset(own - moved))

    def _unread(self, name: PlaneName, error: OSError) -> None:
        self._open.pop(name).close()
        self.trouble = (
            f"the table of {name.value} cannot be read, it is believed to be as it was: {error.strerror or error}"
        )

    def apply(self, effects: Sequence[TableEffect]) -> list[TableRefused]:
        """One batch for each run of changes of the same plane."""
        refused: list[TableRefused] = []
        batch: list[TableEffect] = []
        here: PlaneName | None = None
        for effect in effects:
            name = self._place(effect)
            if isinstance(name, str):
                refused.append(refusal(effect, name))
                continue
            if name is not here and here is not None:
                refused += self._in(here, batch)
                batch = []
            here = name
            batch.append(effect)
        return refused if here is None else refused + self._in(here, batch)

    def _place(self, effect: TableEffect) -> PlaneName | str:
        """Where it stands, else where it is to stand; why nowhere."""
        key = effect.service.key if isinstance(effect, SetService) else effect.key
        name = self._stands.get(key) or self._chosen.get(key, "no service of ours has it")
        if isinstance(effect, DropService):
            self._stands.pop(key, None)
        elif isinstance(name, PlaneName):
            self._stands[key] = name
        return name

    def _in(self, name: PlaneName, effects: Sequence[TableEffect]) -> list[TableRefused]:
        plane = self._plane(name)
        if isinstance(plane, str):
            return [refusal(effect, plane) for effect in effects]
        try:
            return plane.apply(effects)
        except OSError as error:
            self._open.pop(name).close()
            return [refusal(effect, f"{name.value}: {error.strerror or error}") for effect in effects]

    def _plane(self, name: PlaneName) -> Plane | str:
        if name not in self._open:
            if name not in self._openers:
                return f"{name.value} is not known here"
            try:
                self._open[name] = self._openers[name]()
            except OSError as error:
                return f"this kernel offers no {name.value}: {error.strerror or error}"
        return self._open[name]

    def settle(self, files: ServiceFiles) -> str:
        """IPVS's timeouts, which hold for all of it. A sentence when they could not be set; the next call tries again."""
        if files.timeouts == self._timeouts:
            return ""
        plane = self._plane(PlaneName.IPVS)
        if isinstance(plane, Settling):
            trouble = plane.set_timeouts(files.timeouts)
        else:
            trouble = plane if isinstance(plane, str) else "this plane has none"
        if trouble:
            return f"the timeouts of IPVS are not set: {trouble}"
        self._timeouts = files.timeouts
        return ""

    def synchronise(self, wanted: Synchronise) -> str:
        """Have IPVS's sync daemons run as they are wanted. Returns what went wrong, or ""."""
        plane = self._plane(PlaneName.IPVS)
        if isinstance(plane, Settling):
            return plane.synchronise(wanted)
        return "" if wanted.daemon is None else plane if isinstance(plane, str) else "this plane has no sync daemon"

    def flush(self) -> str:
        """Every service of IPVS's table goes, strangers' too; nf_tables has a table of our own. A sentence when it failed."""
        self._stands = {key: name for key, name in self._stands.items() if name is not PlaneName.IPVS}
        plane = self._plane(PlaneName.IPVS)
        return plane.flush() if isinstance(plane, Settling) else ""

    def counters(self) -> Mapping[tuple[ServiceKey, Place], Counters]:
        found: dict[tuple[ServiceKey, Place], Counters] = {}
        for name, plane in tuple(self._open.items()):
            try:
                found |= plane.counters()
            except OSError as error:
                self._unread(name, error)
        return found

    def close(self) -> None:
        for plane in self._open.values():
            plane.close()
        self._open.clear()
