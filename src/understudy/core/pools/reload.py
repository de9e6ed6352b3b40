"""Another configuration: who stays keeps what is known of it, who is new begins, who is gone goes."""

from __future__ import annotations

from ...services import ServiceFiles, VirtualService
from ...units import NEVER, Instant
from .desk import Desk
from .members import Server, Service


def take_up(desk: Desk, files: ServiceFiles, now: Instant) -> None:
    """Make ``files`` count. Services are known by name, their servers by address and port.

    What an operator wished stays, but for the weight of a server whose configured weight is another one now. A server that is
    up and gets other checks stays up until one of them fails.
    """
    old, first = desk.services, not desk.begun
    before = set(desk.owners)
    desk.files, desk.services, desk.owners = files, {}, {}
    leavers: list[Server] = []
    for spec in files.services:
        if spec.name in desk.services:
            desk.story.note(f"{spec.name} is there twice; the first counts", "warning", spec.name)
            continue
        service = old.pop(spec.name, None) or Service(spec, ())
        desk.services[spec.name] = service
        leavers += _service(desk, service, spec, now, first)
    for service in old.values():
        leavers += service.servers.values()
    for server in leavers:  # at the end, so that what is known of a check goes on to another server that has it
        desk.discharge(server)
    desk.gone = (desk.gone | before) - set(desk.owners)
    desk.table.forget(frozenset(desk.gone))


def _service(desk: Desk, service: Service, spec: VirtualService, now: Instant, first: bool) -> list[Server]:
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
        if server.wished is not None and server.real.weight != real.weight:
            server.wished = None
        checks, server.real = server.real.checks, real
        if checks != real.checks:
            _other_checks(desk, server)
        if not spec.slow_start:
            server.slow_since = NEVER
            desk.alarms.set(("slow", server), NEVER)
    desk.place(service)
    for server in new:
        desk.adopt(server, doubt=first)
        server.new = fresh
    desk.station(service)
    desk.compare(service)
    for server in service.servers.values():
        desk.rejudge(server, now, silent=server in new)
    return list(old.values())


def _other_checks(desk: Desk, server: Server) -> None:
    """The old ones are left only when the new ones have their users, so that what both have is not begun anew."""
    asking = server.asking
    new = desk.probes.of(server.real.checks)
    for probe in new:
        probe.users.append(server)
    desk.probes.leave(server)
    kept = server.awaits & set(new)
    server.awaits = kept
    for probe in kept:
        probe.awaited += 1
    server.probes, server.trusted = new, server.up
    desk.probes.want(server, asking)
    if not server.up and not server.real.starts_up:
        desk.await_good(server, only_assumed=True)
