"""What the kernel's table holds, as far as we know, and the smallest difference to what it should hold.

What is emitted counts as done until ``TableRefused`` says otherwise; then the old entry is believed again and the change is
tried after 1, 2, 4 ... seconds, at most a minute apart. A refused entry that is to be different now is tried at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ...balance import (
    DropServer,
    DropService,
    Place,
    SetServer,
    SetService,
    TableEffect,
    TableRefused,
    TableSeen,
    TableServer,
    TableService,
)
from ...services import ServiceKey
from ...units import SECOND, Instant
from .members import canonical, canonical_server

FIRST_WAIT, LONGEST_WAIT = SECOND, 60 * SECOND

Where: TypeAlias = tuple[ServiceKey, Place | None]


@dataclass(slots=True)
class Standing:
    """A service in the table with its servers."""

    service: TableService
    servers: dict[Place, TableServer] = field(default_factory=dict)


@dataclass(slots=True)
class Refusal:
    """``wanted``: what the kernel did not take, None for a removal. ``tries``: in a row. ``waits``: not to be tried yet."""

    wanted: TableService | TableServer | None
    text: str
    at: Instant
    tries: int = 1
    waits: bool = True


class Table:
    """The table as it is believed to be. Additions stand before removals in what ``taken`` gives, so that there is no gap."""

    def __init__(self) -> None:
        self.standing: dict[ServiceKey, Standing] = {}
        self.refusals: dict[Where, Refusal] = {}
        self._before: dict[Where, TableService | TableServer | Standing | None] = {}
        self._sets: list[TableEffect] = []
        self._drops: list[TableEffect] = []

    def seen(self, event: TableSeen) -> None:
        """Believe this, and nothing else, but for what could not be read."""
        self._before.clear()
        kept = {key: standing for key, standing in self.standing.items() if key in event.kept}
        self.standing = kept | {
            service.key: Standing(canonical(service), {server.place: canonical_server(server) for server in servers})
            for service, servers in event.services
        }

    def taken(self) -> list[TableEffect]:
        """What has to be done, and nothing of it twice."""
        found = self._sets + self._drops
        self._sets, self._drops = [], []
        return found

    # -- wishes

    def set_service(self, wanted: TableService, why: str) -> bool:
        """Whether the service stands then, so that it can have servers."""
        key = wanted.key
        standing = self.standing.get(key)
        if standing is not None and standing.service == wanted:
            return True
        if self._waits((key, None), wanted):
            return standing is not None
        self._before[(key, None)] = standing.service if standing else None
        self._sets.append(SetService(wanted, standing is None, why))
        if standing is None:
            self.standing[key] = Standing(wanted)
        else:
            standing.service = wanted
        return True

    def drop_service(self, key: ServiceKey, why: str) -> None:
        standing = self.standing.get(key)
        if standing is None or self._waits((key, None), None):
            return
        self._before[(key, None)] = standing
        del self.standing[key]
        self._drops.append(DropService(key, why))

    def set_server(self, key: ServiceKey, wanted: TableServer, why: str) -> None:
        standing = self.standing.get(key)
        if standing is None:
            return
        old = standing.servers.get(wanted.place)
        if old == wanted or self._waits((key, wanted.place), wanted):
            return
        self._before[(key, wanted.place)] = old
        standing.servers[wanted.place] = wanted
        self._sets.append(SetServer(key, wanted, old is None, why))

    def drop_server(self, key: ServiceKey, place: Place, why: str) -> None:
        standing = self.standing.get(key)
        if standing is None or place not in standing.servers or self._waits((key, place), None):
            return
        self._before[(key, place)] = standing.servers.pop(place)
        self._drops.append(DropServer(key, place, why))

    def _waits(self, where: Where, wanted: TableService | TableServer | None) -> bool:
        refusal = self.refusals.get(where) if self.refusals else None
        if refusal is None:
            return False
        if refusal.wanted != wanted:
            del self.refusals[where]
            return False
        return refusal.waits

    # -- what the kernel did not take

    def refused(self, event: TableRefused, now: Instant) -> Instant | None:
        """Believe the old entry again; when to try anew. None: nothing of ours was refused."""
        where = (event.key, event.place)
        if where not in self._before or (event.place is not None and event.key not in self.standing):
            return None  # not of ours, or of a service that was refused itself
        old = self._before.pop(where)
        wanted = self._undone(event.key, event.place, old)
        known = self.refusals.get(where)
        tries = known.tries + 1 if known is not None and known.wanted == wanted else 1
        wait = min(FIRST_WAIT << min(tries - 1, 6), LONGEST_WAIT)
        self.refusals[where] = Refusal(wanted, event.text, now + wait, tries)
        return now + wait

    def _undone(
        self, key: ServiceKey, place: Place | None, old: TableService | TableServer | Standing | None
    ) -> TableService | TableServer | None:
        """Put ``old`` back; what was to be there instead."""
        standing = self.standing.get(key)
        if place is None:
            if isinstance(old, Standing):
                self.standing[key] = old
                return None
            if standing is None:
                return None
            wanted = standing.service
            if isinstance(old, TableService):
                standing.service = old
            else:
                del self.standing[key]
            return wanted
        if standing is None:
            return None
        if isinstance(old, TableServer):
            gone = standing.servers.get(place)
            standing.servers[place] = old
            return gone
        return standing.servers.pop(place, None)

    def again(self, where: Where) -> None:
        """The time has come to try it."""
        refusal = self.refusals.get(where)
        if refusal is not None:
            refusal.waits = False

    def forget(self, keys: frozenset[ServiceKey]) -> None:
        """Services that are not ours any more, and gone."""
        for where in [where for where in self.refusals if where[0] in keys]:
            del self.refusals[where]
        for where in [where for where in self._before if where[0] in keys]:
            del self._before[where]

    def troubles(self) -> dict[ServiceKey, str]:
        """What the kernel does not take now, for each service the first of it."""
        found: dict[ServiceKey, str] = {}
        for (key, _), refusal in self.refusals.items():
            if refusal.waits:
                found.setdefault(key, refusal.text)
        return found
