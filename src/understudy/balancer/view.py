"""What the balancer shows: the pool's snapshot with what the kernel counts, as JSON. Rates are between two looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..balance import Counters, Place, PoolSnapshot, ServerState, ServiceState
from ..services import RealServer, ServiceFiles, ServiceKey
from ..units import MILLISECOND, SECOND, Duration, Instant

SCHEMA = 1

SHORTEST: Duration = SECOND // 2
"""Between two looks that a rate is taken from: shorter ones say more about the moment than about the traffic."""

LONGEST: Duration = 120 * SECOND

Counts = Mapping[tuple[ServiceKey, Place], Counters]


class Rates:
    """Connections and bytes each second, of each server."""

    def __init__(self) -> None:
        self._looks: list[tuple[Instant, Counts]] = []

    def look(self, now: Instant, counts: Counts) -> None:
        """Another look; those of the last moments are kept."""
        if self._looks and now - self._looks[-1][0] < SHORTEST:
            return
        self._looks = [*self._looks[-1:], (now, counts)]

    def of(self, key: tuple[ServiceKey, Place], now: Instant, counts: Counts) -> tuple[float, float] | None:
        """New connections and bytes (both ways, if the plane sees both) each second; None without a look to compare with."""
        for at, before in self._looks:
            if SHORTEST <= now - at <= LONGEST and key in before and key in counts:
                then, here, span = before[key], counts[key], (now - at) / SECOND
                if here.connections < then.connections:  # it came into the table anew
                    return None
                both = here.bytes_in + here.bytes_out - then.bytes_in - then.bytes_out
                return (here.connections - then.connections) / span, max(both, 0) / span
        return None


def view(
    snapshot: PoolSnapshot,
    files: ServiceFiles,
    now: Instant,
    counts: Counts,
    rates: Rates,
    plane: Callable[[ServiceKey], str],
    only: str = "",
) -> list[dict[str, Any]]:
    """Every service, or the one with the name ``only``."""
    configured = {each.name: each for each in files.services}
    found = []
    for state in snapshot.services:
        if only and only not in (state.name, *map(str, state.keys)):
            continue
        service = configured.get(state.name)
        reals = {} if service is None else {real.name: real for real in service.reals}
        if service is not None and service.fallback is not None:
            reals.setdefault(service.fallback.name, service.fallback)
        servers = [_server(each, state, reals.get(each.name), now, counts, rates) for each in state.servers]
        found.append(
            {
                "name": state.name,
                "keys": [str(key) for key in state.keys],
                "group": "" if service is None else service.group,
                "scheduler": "" if service is None else service.scheduler,
                "plane": plane(state.keys[0]) if state.keys else "",
                "quorum": state.quorum,
                "serving": state.serving,
                "fallback": state.fallback,
                "why": state.why,
                "trouble": state.trouble,
                "servers": servers,
            }
        )
    return found


def sync_view(snapshot: PoolSnapshot) -> dict[str, Any] | None:
    """IPVS's synchronisation of connections, None where there is none."""
    wanted = snapshot.sync
    if wanted is None or wanted.daemon is None:
        return None
    said = {"device": wanted.daemon.device, "identifier": wanted.daemon.identifier}
    does = {"master": wanted.master, "backup": wanted.backup}
    return {**said, **does, "why": wanted.why, "trouble": snapshot.sync_trouble}


def _server(
    state: ServerState,
    service: ServiceState,
    real: RealServer | None,
    now: Instant,
    counts: Counts,
    rates: Rates,
) -> dict[str, Any]:
    total, speed = Counters(), None
    for key in service.keys if real is not None else ():
        at = _where(key, real, counts)
        if at is None:
            continue
        total = _sum(total, counts[at])
        rate = rates.of(at, now, counts)
        if rate is not None:
            speed = rate if speed is None else (speed[0] + rate[0], speed[1] + rate[1])
    return {
        "name": state.name,
        "state": state.state,
        "weight": state.weight,
        "wanted": state.wanted,
        "in_table": state.in_table,
        "for_ms": state.since // MILLISECOND,
        "why": state.why,
        "probes": [{"asks": asks, "up": up, "failure": failure} for asks, up, failure in state.probes],
        "checks": state.checks,
        "checks_failed": state.failed,
        "ups": state.ups,
        "downs": state.downs,
        "wished": state.wished,
        "active": _known(total.active),
        "inactive": _known(total.inactive),
        "connections": total.connections,
        "bytes_in": total.bytes_in,
        "bytes_out": _known(total.bytes_out),
        "connections_per_second": None if speed is None else round(speed[0], 1),
        "bytes_per_second": None if speed is None else round(speed[1], 1),
    }


def _known(count: int) -> int | None:
    """None for what the plane does not know."""
    return None if count < 0 else count


def _where(key: ServiceKey, real: RealServer | None, counts: Counts) -> tuple[ServiceKey, Place] | None:
    """Where the kernel counts for a server: its own port, or the service's where no port is rewritten."""
    if real is None:
        return None
    for port in (real.port, key.port):
        if (key, Place(real.address, port)) in counts:
            return key, Place(real.address, port)
    return None


def _sum(one: Counters, other: Counters) -> Counters:
    return Counters(
        one.active + other.active,
        one.inactive + other.inactive,
        one.persistent + other.persistent,
        one.connections + other.connections,
        one.packets_in + other.packets_in,
        one.packets_out + other.packets_out,
        one.bytes_in + other.bytes_in,
        one.bytes_out + other.bytes_out,
    )
