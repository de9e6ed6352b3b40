"""The services of this machine and what is known of them: judges servers and quorums, and compares what changed with the table.

What changed is marked and compared once at the end of an event, so that a thousand servers that flap at once cost a thousand
comparisons, whatever services they belong to.
"""

from __future__ import annotations

from collections.abc import Callable

from ...balance import Place, PoolEffect
from ...services import RealServer, ServiceFiles, ServiceKey, VirtualService
from ...units import NEVER, Instant
from .alarms import Alarms
from .members import Server, Service, place_of, service_entry
from .probing import Probes, settle
from .saying import Story
from .table import Table
from .verdicts import has_quorum, slowed, stands_for, verdict, wanted_at


class Desk:
    """``needs_holder``: whether a service stands in the table only while its group is held here. ``gone``: keys that were ours,
    or are left over from before.

    ``held``: None before anybody said which groups are here; until then a table that stands is left standing. ``absent``: as in
    ``HeldSeen``.
    """

    def __init__(self, files: ServiceFiles, needs_holder: Callable[[VirtualService], bool]) -> None:
        self.files = files
        self.needs_holder = needs_holder
        self.services: dict[str, Service] = {}
        self.owners: dict[ServiceKey, Service] = {}
        self.gone: set[ServiceKey] = set()
        self.held: frozenset[str] | None = None
        self.absent: frozenset[str] = frozenset()
        self.maintenance: frozenset[tuple[str, str]] = frozenset()
        self.probes = Probes()
        self.table = Table()
        self.alarms = Alarms()
        self.story = Story()
        self.begun = False
        self.stopped = False
        self._judge: dict[Service, None] = {}
        self._whole: dict[Service, None] = {}
        self._fallbacks: dict[Service, None] = {}
        self._dirty: dict[Server, None] = {}

    # -- who is there

    def place(self, service: Service) -> None:
        """Work out anew who claims which place, after a change of its keys or its servers."""
        spec = service.spec
        claims: list[dict[Place, list[Server]]] = [{} for _ in service.keys]
        for server in service.servers.values():
            server.places = tuple(place_of(server.real, key) for key in service.keys)
            for found, place in zip(claims, server.places, strict=True):
                found.setdefault(place, []).append(server)
        service.claims = tuple(claims)
        service.fallback = tuple(place_of(spec.fallback, key) for key in service.keys) if spec.fallback else ()

    def enlist(self, service: Service, real: RealServer) -> Server:
        """A server that was not there yet; its service's places are worked out later."""
        server = Server(service, real, (), self.probes.of(real.checks))
        for probe in server.probes:
            probe.users.append(server)
        server.maintenance = (service.name, real.name) in self.maintenance
        service.servers[real.name] = server
        return server

    def discharge(self, server: Server) -> None:
        """It is not configured any more."""
        self.probes.leave(server)
        for what in ("slow", "drain", "mail"):
            self.alarms.set((what, server), NEVER)
        self._count(server, None)
        self._dirty.pop(server, None)

    def dismiss(self, service: Service) -> None:
        """It is not configured any more, and neither are its servers: who has its keys now is judged, and it is not."""
        service.standing = False
        for marked in (self._judge, self._whole, self._fallbacks):
            marked.pop(service, None)

    def adopt(self, server: Server, doubt: bool) -> None:
        """Trust a server that stands in the table until a check of it fails.

        One that does not begins up only where it is configured so, and with ``doubt`` not even there, if its service stands
        without it: then somebody took it out before us, and its checks must be good first.
        """
        service, found = server.service, False
        for index, (key, place) in enumerate(zip(service.keys, server.places, strict=True)):
            standing = self.table.standing.get(key)
            if standing is None:
                continue
            entry = standing.servers.get(place)
            fallback = service.fallback[index] if service.fallback else None
            if entry is not None and place != fallback and (entry.weight or not server.real.weight):
                server.trusted = True
            found = True
        if not server.trusted and ((doubt and found) or not server.real.starts_up):
            self.await_good(server, only_assumed=True)

    def await_good(self, server: Server, only_assumed: bool = False) -> None:
        """Each check of it must give a good answer from now on before it is up; ``only_assumed``: those that never answered."""
        for probe in server.probes:
            if (
                not probe.fixed
                and probe not in server.awaits
                and not (only_assumed and (probe.answered or not probe.up))
            ):
                server.awaits.add(probe)
                probe.awaited += 1
                settle(probe)

    def station(self, service: Service) -> None:
        """Whether its address is here, and what follows for its checks and its place in the table."""
        group = service.spec.group
        serving = not group or (self.held is not None and group in self.held)
        # Connections of which the holder tells, and clients who are tied to a server, are known only to a table that has it.
        told = self.files.sync is not None and group in self.absent
        standing = serving or told or not self.needs_holder(service.spec)
        if self.held is None and not standing:
            standing = any(key in self.table.standing for key in service.keys)
        if (serving, standing) != (service.serving, service.standing):
            service.serving, service.standing = serving, standing
            self.compare(service)
        asking = serving or not service.spec.only_when_held
        for server in service.servers.values():
            self.probes.want(server, asking)

    # -- judgements

    def rejudge(self, server: Server, now: Instant, silent: bool = False) -> None:
        """Something of what a server's state follows from has changed. ``silent``: it is its beginning, nobody is told."""
        found = verdict(server)
        if found.state != server.state:
            server.since = now
        server.state, server.why = found.state, found.why
        if found.up != server.up:
            server.up = found.up
            slow = found.up and not server.new and server.service.spec.slow_start > 0
            server.slow_since = now if slow else NEVER
            server.left_out = server.left_out and not found.up
            server.trusted = server.trusted and found.up
            if not silent:
                server.ups += found.up
                server.downs += not found.up
                self.story.changed(server)
                self.alarms.set(("mail", server), self.story.again_at(server, now))
        server.new = server.new and found.state == "starting"
        self._count(server, stands_for(server))
        self.touch(server, now)

    def touch(self, server: Server, now: Instant) -> None:
        """Its place in the table may be another one."""
        self._dirty[server] = None
        if server.slow_since < NEVER:
            again = slowed(server, now)[1]
            self.alarms.set(("slow", server), again)
            if again >= NEVER:
                server.slow_since = NEVER

    def compare(self, service: Service) -> None:
        """All of it is to be compared with the table."""
        self._whole[service] = None
        self._judge[service] = None

    def _count(self, server: Server, counted: int | None) -> None:
        old, service = server.counted, server.service
        if counted == old:
            return
        server.counted = counted
        service.weight += (counted or 0) - (old or 0)
        service.count += (counted is not None) - (old is not None)
        self._judge[service] = None

    # -- the end of an event

    def settled(self, now: Instant) -> list[PoolEffect]:
        """What follows from all that was marked: the difference of the table first, then what is to be asked and told."""
        for service in self._judge:
            if not self._is_ours(service):
                continue
            enough = has_quorum(service)
            if enough != service.quorum:
                first, service.quorum = service.quorum is None, enough
                self.story.quorum(service, first)
                (self._whole if service.spec.drop_without_quorum else self._fallbacks)[service] = None
        for service in self._whole:
            if self._is_ours(service):
                self._compare_all(service, now)
        for server in self._dirty:
            service = server.service
            if service.standing and service not in self._whole:
                for index, place in enumerate(server.places):
                    self._compare(service, index, place, now)
        for service in self._fallbacks:
            if service.standing and service not in self._whole:
                for index, place in enumerate(service.fallback):
                    self._compare(service, index, place, now)
        for key in self.gone:
            self.table.drop_service(key, "no service of the configuration has it")
        for marked in (self._judge, self._whole, self._dirty, self._fallbacks):
            marked.clear()
        asked = self.probes.asked()
        return [*self.table.taken(), *([asked] if asked else ()), *self.story.taken()]

    def _is_ours(self, service: Service) -> bool:
        """Another one may have its name or its keys now."""
        return self.services.get(service.name) is service

    def _compare(self, service: Service, index: int, place: Place, now: Instant) -> None:
        wanted, why = wanted_at(service, index, place, now)
        key = service.keys[index]
        if wanted is None:
            self.table.drop_server(key, place, why)
        else:
            self.table.set_server(key, wanted, why)

    def _compare_all(self, service: Service, now: Instant) -> None:
        for index, key in enumerate(service.keys):
            if not service.standing:
                self.table.drop_service(key, "its address is not on this machine")
                continue
            if not self.table.set_service(service_entry(service.spec, key), f"{service.name} is configured so"):
                continue
            places = dict.fromkeys(service.claims[index])
            if service.fallback:
                places[service.fallback[index]] = None
            places.update(dict.fromkeys(self.table.standing[key].servers))
            for place in places:
                self._compare(service, index, place, now)
