"""What Prometheus reads of virtual services and their real servers: ``understudy pool``'s answer as values.

The label sets are bounded, however many servers there are: the first ``MOST`` services and the first ``MOST`` servers, in the
order of the file, have values of their own. Of the others those that can be added are, under ``REST``: the servers of each
service, and the services together. So sums are always over everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST = 1000
REST = "(others)"
"""Their label. No server can be called so."""

STATES = ("up", "down", "starting", "draining", "disabled", "maintenance")

_GAUGES = {
    "weight": "understudy_real_server_weight",
    "active": "understudy_real_server_active_connections",
}
_TOTALS = {
    "connections": "understudy_real_server_connections_total",
    "checks": "understudy_real_server_checks_total",
    "checks_failed": "understudy_real_server_checks_failed_total",
}
_LABELLED = {
    "bytes_in": ("understudy_real_server_bytes_total", "in"),
    "bytes_out": ("understudy_real_server_bytes_total", "out"),
    "ups": ("understudy_real_server_transitions_total", "up"),
    "downs": ("understudy_real_server_transitions_total", "down"),
}

Value = tuple[str, tuple[str, ...], float]


def pool_values(services: Sequence[Mapping[str, Any]], most: int = MOST) -> Iterator[Value]:
    """``services``: as in the status; names and labels are those of ``metrics.METRICS``."""
    sums: Counter[tuple[str, tuple[str, ...]]] = Counter()
    left = most
    for number, service in enumerate(services):
        name = service["name"] if number < most else REST
        if number < most:
            yield from _service(service)
        reals = [server for server in service["servers"] if server["state"] != "fallback"]
        states = Counter(server["state"] for server in reals)
        for state in STATES:
            sums["understudy_service_real_servers", (name, state)] += states[state]
        own = reals[:left] if number < most else []
        left -= len(own)
        for server in own:
            yield from ((metric, (name, server["name"], *more), value) for metric, more, value in _server(server))
        for server in reals[len(own) :]:
            for metric, more, value in _server(server):
                sums[metric, (name, REST, *more)] += value  # type: ignore[assignment]
    for (metric, labels), value in sums.items():
        yield metric, labels, float(value)


def _service(service: Mapping[str, Any]) -> Iterator[Value]:
    name = service["name"]
    yield "understudy_service_info", (name, service["plane"], service["scheduler"], service["group"]), 1.0
    yield "understudy_service_serving", (name,), float(service["serving"])
    yield "understudy_service_quorum", (name,), float(service["quorum"])
    yield "understudy_service_fallback", (name,), float(service["fallback"])
    yield "understudy_service_trouble", (name,), float(bool(service["trouble"]))


def _server(server: Mapping[str, Any]) -> Iterator[Value]:
    """Without service and server, which are the first labels. What the plane does not count is not there."""
    yield "understudy_real_server_up", (), float(server["state"] == "up")
    for word, metric in (*_GAUGES.items(), *_TOTALS.items()):
        if server[word] is not None:
            yield metric, (), float(server[word])
    for word, (metric, label) in _LABELLED.items():
        if server[word] is not None:
            yield metric, (label,), float(server[word])
