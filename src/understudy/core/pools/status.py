"""What is shown of the pool."""

from __future__ import annotations

from ...balance import PoolSnapshot, ServerState, ServiceState, TableServer
from ...units import Instant
from .desk import Desk
from .members import Server, Service
from .probing import described
from .synchronising import Synchronising
from .verdicts import because, quorum_words

_WISHES = {"drain": "draining", "disable": "disabled"}


def snapshot(desk: Desk, sync: Synchronising, now: Instant) -> PoolSnapshot:
    troubles = desk.table.troubles()
    return PoolSnapshot(
        tuple(
            _service(desk, service, next((troubles[key] for key in service.keys if key in troubles), ""), now)
            for service in desk.services.values()
        ),
        sync.wanted if sync.wanted.daemon is not None else None,
        sync.trouble,
    )


def _service(desk: Desk, service: Service, trouble: str, now: Instant) -> ServiceState:
    servers = [_server(desk, server, now) for server in service.servers.values()]
    if service.spec.fallback is not None:
        servers.append(_fallback(desk, service))
    why = quorum_words(service)
    if not service.serving:
        why += "; its address is not on this machine"
    return ServiceState(
        service.name,
        service.keys,
        bool(service.quorum),
        service.serving,
        service.falls_back,
        tuple(servers),
        why,
        trouble,
    )


def _entry(desk: Desk, service: Service, server: Server | None) -> TableServer | None:
    """What stands for it in the table, by the first key by which something does."""
    for key, place in zip(service.keys, server.places if server else service.fallback, strict=True):
        standing = desk.table.standing.get(key)
        if standing is not None and place in standing.servers:
            return standing.servers[place]
    return None


def _server(desk: Desk, server: Server, now: Instant) -> ServerState:
    entry = _entry(desk, server.service, server)
    state = _WISHES.get(server.wish) or server.state
    return ServerState(
        server.name,
        state,
        entry.weight if entry else 0,
        server.weight,
        entry is not None,
        max(0, now - server.since),
        because(server, entry.weight if entry else 0),
        tuple((described(probe.check), probe.up, probe.failure) for probe in server.probes),
        sum(probe.answers for probe in server.probes),
        sum(probe.failures for probe in server.probes),
        server.ups,
        server.downs,
        server.wished,
    )


def _fallback(desk: Desk, service: Service) -> ServerState:
    fallback = service.spec.fallback
    entry = _entry(desk, service, None)
    why = "it serves" if service.falls_back else "enough servers can serve"
    weight = fallback.weight if fallback else 0
    name = fallback.name if fallback else ""
    return ServerState(name, "fallback", entry.weight if entry else 0, weight, entry is not None, 0, why)
