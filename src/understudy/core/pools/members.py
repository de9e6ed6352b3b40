"""What is known of checks, servers and services; the other modules decide."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...balance import Place, TableServer, TableService
from ...service_checks import Check, FileQuestion, FixedQuestion
from ...services import IPIP, Forward, RealServer, ServiceKey, VirtualService
from ...units import NEVER, Instant


@dataclass(slots=True, eq=False)
class Probe:
    """One check, for all servers that have it. ``number``: as in ``Ask``, 0 while it is not asked.

    ``up``: None while nothing is known. ``good``, ``bad``: answers in a row. ``failure``: the last one. ``weight``: of the last
    good answer. ``awaited``: how many servers wait for a good answer of it. ``asked_by``: how many servers want it asked.
    ``calm``: a good answer with the same weight changes nothing at all. ``answers``, ``failures``: all of them, for metrics.
    """

    check: Check
    number: int = 0
    up: bool | None = None
    good: int = 0
    bad: int = 0
    failure: str = ""
    weight: int | None = None
    answered: bool = False
    awaited: int = 0
    asked_by: int = 0
    calm: bool = False
    answers: int = 0
    failures: int = 0
    users: list[Server] = field(default_factory=list)

    @property
    def fixed(self) -> bool:
        """Nothing is asked."""
        return isinstance(self.check.question, FixedQuestion)


@dataclass(slots=True, eq=False)
class Server:
    """A real server of one service. ``places``: what the kernel knows it by, for each key of the service.

    ``trusted``: its checks count as up until they fail (it was in the table when we came). ``awaits``: checks that must give
    another good answer first. ``maintenance``: somebody put a file there. ``wish``: "", "drain" or "disable"; ``wished``: an
    operator's weight. ``drained_at``: when what drains goes. ``counted``: its part in the quorum, None for none. ``slow_since``:
    since when it comes to its weight, NEVER when it has it. ``new``: it has neither been up nor failed, so it is not *back*.
    ``left_out``: somebody took the quiet server out of the table, and it stays out until it is up. ``ups``, ``downs``: how often
    it became so, for metrics.
    """

    service: Service
    real: RealServer
    places: tuple[Place, ...]
    probes: tuple[Probe, ...] = ()
    trusted: bool = False
    awaits: set[Probe] = field(default_factory=set)
    maintenance: bool = False
    wish: str = ""
    wished: int | None = None
    drained_at: Instant = NEVER
    up: bool = False
    state: str = ""
    why: str = ""
    since: Instant = 0
    counted: int | None = None
    slow_since: Instant = NEVER
    new: bool = True
    left_out: bool = False
    asking: bool = False
    ups: int = 0
    downs: int = 0

    @property
    def name(self) -> str:
        return self.real.name

    @property
    def weight(self) -> int:
        """What it is to have when it is up: the operator's, or what is configured and its dynamic checks say. 0 to 65535."""
        if self.wished is not None:
            return self.wished
        weight = self.real.weight
        for probe in self.probes:
            if probe.weight is not None:
                weight += probe.weight - (self.real.weight if absolute(probe) else 0)
        return max(0, min(65535, weight))


@dataclass(slots=True, eq=False)
class Service:
    """One virtual service. ``claims``: for each key who wants which place (in direct routing two servers of
    one address share it).

    ``weight``, ``count``: of the servers that can serve. ``quorum``: None before the first judgement. ``serving``: its address is
    here. ``standing``: it belongs in the table. ``command``: what its fallback command was told last.
    """

    spec: VirtualService
    keys: tuple[ServiceKey, ...]
    servers: dict[str, Server] = field(default_factory=dict)
    claims: tuple[dict[Place, list[Server]], ...] = ()
    fallback: tuple[Place, ...] = ()
    weight: int = 0
    count: int = 0
    quorum: bool | None = None
    serving: bool = False
    standing: bool = False
    command: str = ""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def falls_back(self) -> bool:
        """Its fallback is what serves."""
        return self.spec.fallback is not None and self.quorum is False


def absolute(probe: Probe) -> bool:
    """A program names the weight itself; a file what is to be added (keepalived)."""
    return not isinstance(probe.check.question, FileQuestion)


def place_of(real: RealServer, key: ServiceKey) -> Place:
    """What the kernel knows a server by: without NAT the port cannot change, whatever is written (ipvsadm does the same)."""
    kept = real.forward is not Forward.NAT and not key.mark
    return Place(real.address, key.port if kept else real.port)


def entry_of(real: RealServer, place: Place, weight: int) -> TableServer:
    tunnelling = real.tunnelling if real.forward is Forward.TUNNEL else IPIP
    return TableServer(place, real.forward, weight, real.upper, real.lower, tunnelling)


def service_entry(spec: VirtualService, key: ServiceKey) -> TableService:
    return canonical(
        TableService(
            key,
            spec.scheduler,
            spec.flags,
            spec.persistence,
            spec.granularity,
            spec.persistence_engine,
            spec.one_packet,
            spec.hashed,
        )
    )


def canonical(service: TableService) -> TableService:
    """Without what means nothing: a granularity that is one client, or what belongs to a persistence that there is not."""
    whole = 128 if service.key.family == 6 else 32
    granularity = service.granularity if service.persistence and service.granularity != whole else 0
    engine = service.persistence_engine if service.persistence else ""
    if (granularity, engine) == (service.granularity, service.persistence_engine):
        return service
    return TableService(
        service.key,
        service.scheduler,
        service.flags,
        service.persistence,
        granularity,
        engine,
        service.one_packet,
        service.hashed,
    )


def canonical_server(server: TableServer) -> TableServer:
    if server.forward is Forward.TUNNEL or server.tunnelling == IPIP:
        return server
    return TableServer(server.place, server.forward, server.weight, server.upper, server.lower)
