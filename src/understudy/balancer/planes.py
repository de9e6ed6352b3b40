"""All planes of this machine as one: each service's changes go to the plane that it gets, in the order in which they came.

A plane is opened when a service wants it for the first time. One that the kernel does not have refuses what it is asked, with
the reason; the pool tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..balance import (
    Counters,
    DropService,
    Place,
    SetServer,
    SetService,
    TableRefused,
    TableSeen,
    TableService,
)
from ..services import Plane as PlaneName
from ..services import ServiceFiles, ServiceKey, VirtualService
from .parts import Plane, TableEffect

Choose = Callable[[VirtualService], PlaneName]
Open = Callable[[], Plane]


class Planes:
    """``openers``: each raises OSError where the kernel lacks it. ``choose``: which plane a service gets."""

    def __init__(self, openers: Mapping[PlaneName, Open], choose: Choose) -> None:
        self._openers = dict(openers)
        self._choose = choose
        self._open: dict[PlaneName, Plane] = {}
        self._chosen: dict[ServiceKey, PlaneName] = {}
        self._stands: dict[ServiceKey, PlaneName] = {}

    def follow(self, services: Sequence[VirtualService]) -> bool:
        """Other services. Returns whether something was taken out of a plane that is not its service's any more."""
        self._chosen = {key: name for each in services for name in (self._choose(each),) for key in each.keys}
        moved = [key for key, name in self._stands.items() if key in self._chosen and self._chosen[key] is not name]
        for key in moved:
            self._in(self._stands.pop(key), [DropService(key, "another plane serves it now")])
        return bool(moved)

    def name_of(self, key: ServiceKey) -> str:
        """The plane of a service, "" for one that is not ours."""
        name = self._stands.get(key) or self._chosen.get(key)
        return "" if name is None else name.value

    def read(self) -> TableSeen:
        """What stands in all planes that can be opened. Those that no service wants are looked at, too: it may be left over."""
        found = []
        for name in self._openers:
            plane = self._plane(name)
            if isinstance(plane, str):
                continue
            for service, servers in plane.read().services:
                self._stands[service.key] = name
                found.append((service, servers))
        return TableSeen(tuple(found))

    def apply(self, effects: Sequence[TableEffect]) -> list[TableRefused]:
        """One batch for each run of changes of the same plane."""
        refused: list[TableRefused] = []
        batch: list[TableEffect] = []
        here: PlaneName | None = None
        for effect in effects:
            name = self._place(effect)
            if name is not here and here is not None:
                refused += self._in(here, batch)
                batch = []
            here = name
            batch.append(effect)
        return refused if here is None else refused + self._in(here, batch)

    def _place(self, effect: TableEffect) -> PlaneName:
        match effect:
            case SetService(service=TableService(key=key)):
                self._stands[key] = name = self._stands.get(key) or self._chosen.get(key, PlaneName.IPVS)
            case DropService(key=key):
                name = self._stands.pop(key) if key in self._stands else self._chosen.get(key, PlaneName.IPVS)
            case _:
                name = self._stands.get(effect.key) or self._chosen.get(effect.key, PlaneName.IPVS)
        return name

    def _in(self, name: PlaneName, effects: Sequence[TableEffect]) -> list[TableRefused]:
        plane = self._plane(name)
        if isinstance(plane, str):
            return [_refused(effect, plane) for effect in effects]
        try:
            return plane.apply(effects)
        except OSError as error:
            self._open.pop(name).close()
            return [_refused(effect, f"{name.value}: {error.strerror or error}") for effect in effects]

    def _plane(self, name: PlaneName) -> Plane | str:
        if name not in self._open:
            if name not in self._openers:
                return f"{name.value} is not known here"
            try:
                self._open[name] = self._openers[name]()
            except OSError as error:
                return f"this kernel offers no {name.value}: {error.strerror or error}"
        return self._open[name]

    def settle(self, files: ServiceFiles, held: frozenset[str]) -> list[str]:
        """What holds for a whole plane. Sentences about what was not done."""
        return []

    def counters(self) -> Mapping[tuple[ServiceKey, Place], Counters]:
        found: dict[tuple[ServiceKey, Place], Counters] = {}
        for plane in self._open.values():
            found |= plane.counters()
        return found

    def close(self) -> None:
        for plane in self._open.values():
            plane.close()
        self._open.clear()


def _refused(effect: TableEffect, text: str) -> TableRefused:
    match effect:
        case SetService():
            return TableRefused(effect.service.key, None, text)
        case DropService():
            return TableRefused(effect.key, None, text)
        case SetServer():
            return TableRefused(effect.key, effect.server.place, text)
        case _:
            return TableRefused(effect.key, effect.place, text)
