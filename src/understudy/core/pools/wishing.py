"""What operators wish of single servers: drain, disable, enable, another weight; and the files of ``maintenancedir``."""

from __future__ import annotations

from ...balance import ServerWish
from ...units import NEVER, Instant, format_duration
from .desk import Desk
from .members import Server

VERBS = ("drain", "disable", "enable", "weight")


def wish(desk: Desk, event: ServerWish, now: Instant) -> tuple[bool, str]:
    """Do it; whether it could be done, and the answer."""
    if event.verb not in VERBS:
        return False, f"{event.verb!r} is not known; there are {', '.join(VERBS)}"
    if event.verb == "weight" and not 0 <= event.value <= 65535:
        return False, f"a weight is 0 to 65535, not {event.value}"
    if event.service and event.service not in desk.services:
        return False, f"there is no service {event.service}; understudy pool lists them"
    services = [desk.services[event.service]] if event.service else list(desk.services.values())
    servers = [server for service in services for server in service.servers.values() if _meant(server, event.server)]
    if not servers:
        where = f"{event.service} has" if event.service else "no service has"
        return False, f"{where} {'no' if event.service else 'a'} server {event.server}; understudy pool lists them"
    texts = []
    for server in servers:
        text = f"{server.name} of {server.service.name}: {_take(desk, server, event, now)}"
        desk.story.note(text, "info", server.service.name, server.name)
        desk.rejudge(server, now)
        texts.append(text)
    return True, "\n".join(texts)


def _meant(server: Server, name: str) -> bool:
    return name in (server.name, server.real.address)


def _take(desk: Desk, server: Server, event: ServerWish, now: Instant) -> str:
    if event.verb == "weight":
        server.wished = event.value
        return f"an operator gave it a weight of {event.value}"
    longest = server.service.spec.drain
    server.wish = "" if event.verb == "enable" else event.verb
    server.drained_at = now + longest if event.verb == "drain" and longest else NEVER
    desk.alarms.set(("drain", server), server.drained_at)
    if event.verb == "enable":
        server.wished = None
        return "an operator enabled it"
    if event.verb == "disable":
        return "an operator disabled it"
    return "an operator drains it" + (f" for {format_duration(longest)}" if longest else "")


def drained(desk: Desk, server: Server, now: Instant) -> None:
    """Its connections had their time."""
    server.wish, server.drained_at = "disable", NEVER
    name = server.service.name
    desk.story.note(f"{server.name} of {name} is drained and goes", "info", name, server.name)
    desk.rejudge(server, now)


def maintain(desk: Desk, servers: frozenset[tuple[str, str]], now: Instant) -> None:
    """Other files are there now. Whose file is gone is back with the next good answer of each of its checks."""
    changed = servers ^ desk.maintenance
    desk.maintenance = servers
    for service_name, name in sorted(changed):
        service = desk.services.get(service_name)
        server = service.servers.get(name) if service else None
        if server is None:
            continue
        server.maintenance = (service_name, name) in servers
        if not server.maintenance:
            desk.await_good(server)
        desk.rejudge(server, now)
