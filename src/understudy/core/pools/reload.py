"""Another configuration: who stays keeps what is known of it, who is new begins, who is gone goes."""

from __future__ import annotations

from ...services import ServiceFiles, VirtualService
from ...units import NEVER, Instant
from .desk import Desk
from .members import Probe, Server, Service


def take_up(desk: Desk, files: ServiceFiles, now: Instant) -> None:
    """Make ``files`` count. Services are known by name, their servers by address and port.

    What an operator wished stays, a weight too, whatever is configured now. A server that is up and gets other checks stays up
    until one of them fails.
    """
    old = desk.services
    before = set(desk.owners)
    desk.files, desk.services, desk.owners = files, {}, {}
    leavers: list[Server] = []
    partings: list[tuple[Server, tuple[Probe, ...]]] = []
    for spec in files.services:
        if spec.name in desk.services:
            desk.story.note(f"{spec.name} is there twice; the first counts", "warning", spec.name)
            continue
        service = old.pop(spec.name, None) or Service(spec, ())
        desk.services[spec.name] = service
        leavers += _service(desk, service, spec, now, partings)
    for service in old.values():
        leavers += service.servers.values()
    for server in leavers:  # at the end, so that what is known of a check goes on to another server that has it
        desk.discharge(server)
    for service in old.values():
        desk.dismiss(service)
    for server, probes in partings:
        desk.probes.part(server, probes)
    desk.gone = (desk.gone | before) - set(desk.owners)
    desk.table.forget(frozenset(desk.gone))


def _service(
    desk: Desk, service: Service, spec: VirtualService, now: Instant, partings: list[tuple[Server, tuple[Probe, ...]]]
) -> list[Server]:
    """Take up one service; the servers that it does not have any more."""
    fresh = not service.keys
    service.spec = spec
    keys = []
    for key in spec.keys:
        if key in desk.owners:
            text = f"{key} belongs to {desk.owners[key].name} already and not to {spec.name}"
            desk.story.note(text, "warning", spec.name)
        else:
            desk.owners[key] = service
            keys.append(key)
    service.keys = tuple(keys)
    old, service.servers = service.servers, {}
    new: dict[Server, None] = {}
    for real in spec.reals:
        if real.name in service.servers:
            continue
        server = old.pop(real.name, None)
        if server is None:
            new[desk.enlist(service, real)] = None
            continue
        service.servers[real.name] = server
        checks, server.real = server.real.checks, real
        if checks != real.checks:
            partings.append((server, server.probes))
            _other_checks(desk, server)
        if not spec.slow_start:
            server.slow_since = NEVER
            desk.alarms.set(("slow", server), NEVER)
    desk.place(service)
    for server in new:
        desk.adopt(server, doubt=not desk.begun)
        server.new = fresh
    desk.station(service)
    desk.compare(service)
    for server in service.servers.values():
        desk.rejudge(server, now, silent=server in new)
    return list(old.values())


def _other_checks(desk: Desk, server: Server) -> None:
    """Its old checks are parted with when all servers have their new ones, so that what is known of a check is not lost."""
    asking = server.asking
    desk.probes.want(server, False)
    for probe in server.awaits:
        probe.awaited -= 1
    awaited, server.awaits = server.awaits, set()
    server.probes, server.trusted = desk.probes.of(server.real.checks), server.up
    for probe in server.probes:
        probe.users.append(server)
        if probe in awaited:
            server.awaits.add(probe)
            probe.awaited += 1
    desk.probes.want(server, asking)
    if not server.up and not server.real.starts_up:
        desk.await_good(server, only_assumed=True)
