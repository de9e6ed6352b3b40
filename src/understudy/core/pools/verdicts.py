"""What follows from what is known: is a server up, is there a quorum, and what should the table hold at a place."""

from __future__ import annotations

from typing import NamedTuple

from ...balance import Place, TableServer
from ...services import OnFailure
from ...units import NEVER, Instant, format_duration
from .members import Server, Service, entry_of
from .probing import described

MOST_STEPS = 20
"""In so many steps at most a server comes to its weight; each is a change of the table."""


class Verdict(NamedTuple):
    """``state``: as in ``ServerState``, without the operator's wishes."""

    up: bool
    state: str
    why: str


def verdict(server: Server) -> Verdict:
    """All checks must be up; maintenance is down whatever they say."""
    if server.maintenance:
        return Verdict(False, "maintenance", "it is in maintenance")
    unknown = None
    for probe in server.probes:
        if probe.up is False or (probe.up is None and probe.bad and not server.trusted):
            return Verdict(False, "down", f"{described(probe.check)}: {probe.failure}")
        if probe.up is None:
            unknown = probe
    if server.awaits:
        return Verdict(False, "starting", "its checks must give another good answer first")
    if unknown is None:
        return Verdict(True, "up", "its checks are good" if server.probes else "it has no check")
    if server.trusted:
        return Verdict(True, "up", "it was in the table already, and no check of it has failed since")
    if unknown.fixed:
        return Verdict(False, "down", "its check is off, so it is never up")
    return Verdict(False, "starting", f"{described(unknown.check)}: no answer yet")


def stands_for(server: Server) -> int | None:
    """What it adds to the quorum, None when it cannot serve."""
    return server.weight if server.up and not server.wish else None


def has_quorum(service: Service) -> bool:
    """Gained at the quorum and the hysteresis above it, also at the start; lost below the hysteresis under it, or with none."""
    amount = service.count if service.spec.by_count else service.weight
    return amount >= _least(service)


def _least(service: Service) -> int:
    spec, had = service.spec, service.quorum
    if had is None:  # what stands in the table when we come was put there by a quorum
        had = any(server.trusted for server in service.servers.values())
    return max(1, spec.quorum + (-spec.hysteresis if had else spec.hysteresis))


def quorum_words(service: Service) -> str:
    spec = service.spec
    amount = f"{service.count} servers" if spec.by_count else f"a weight of {service.weight}"
    least = _least(service)
    return f"{amount} can serve and {least} {'is' if least == 1 else 'are'} needed"


def weight_now(server: Server, now: Instant) -> int | None:
    """Its weight in the table, None when it has no place there."""
    if server.wish == "disable":
        return None
    service = server.service
    dropped = service.spec.drop_without_quorum and service.falls_back
    if not server.up or dropped:
        quiet = server.real.on_failure is OnFailure.QUIET and not server.left_out
        return 0 if quiet else None
    if server.wish == "drain":
        return 0
    return slowed(server, now)[0]


def slowed(server: Server, now: Instant) -> tuple[int, Instant]:
    """The weight of a server that is coming back, and when it is next more."""
    weight, whole = server.weight, server.service.spec.slow_start
    if server.slow_since >= NEVER:
        return weight, NEVER
    steps = min(weight, MOST_STEPS)
    step = (now - server.slow_since) * steps // whole + 1
    if step >= steps:
        return weight, NEVER
    return max(1, weight * step // steps), server.slow_since + -(-whole * step // steps)


def wanted_at(service: Service, index: int, place: Place, now: Instant) -> tuple[TableServer | None, str]:
    """What is to stand at a place of the ``index``-th key, and why."""
    best, why = None, ""
    claims = service.claims[index].get(place, ())
    for server in claims:
        weight = weight_now(server, now)
        if weight is not None and (best is None or weight > best.weight):
            best, why = entry_of(server.real, place, weight), because(server, weight)
    fallback = service.spec.fallback
    if fallback is not None and service.fallback[index] == place and (best is None or not best.weight):
        if service.falls_back:
            return entry_of(fallback, place, fallback.weight), f"it is the fallback: {quorum_words(service)}"
        if best is None and service.spec.fallback_quiet:
            return entry_of(fallback, place, 0), "it is the fallback, and enough servers can serve"
    if best is None:
        if claims:
            why = because(claims[0], 0)
        elif fallback is not None and service.fallback[index] == place:
            why = "it was the fallback, and enough servers can serve"
        else:
            why = "it is not in the configuration"
    return best, why


def because(server: Server, weight: int) -> str:
    if server.wish:
        return {"drain": "an operator drains it", "disable": "an operator disabled it"}[server.wish]
    service = server.service
    if server.up and service.falls_back and service.spec.drop_without_quorum:
        return f"the fallback serves: {quorum_words(service)}"
    if server.up and weight < server.weight:
        return f"it comes back to its weight of {server.weight} in {format_duration(service.spec.slow_start)}"
    if server.up and server.wished is not None:
        return f"its weight of {server.wished} is set by an operator"
    return server.why
