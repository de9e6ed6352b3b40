"""What Prometheus reads at /metrics: one table of names, and a plain function from the status to values.

Names are an interface (alert rules and dashboards of others use them): they are only ever added. Units are in the names and are
those that Prometheus recommends (seconds, ratios from 0 to 1); what only grows ends in ``_total``. Everything is this node's
view: a question about the whole cluster is asked of all its nodes (``max by (group) (understudy_group_held)``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .. import __version__
from ..vrrp import RouterState
from ..wire.vrrp_packet import VrrpReason
from .metrics_pools import pool_values
from .tallies import Tallies

NODE_STATES = ("up", "late", "lost", "unknown")
ROUTER_STATES = tuple(state.value for state in RouterState)
GROUP_STATES = ("unknown", "stopped", "starting", "started", "stopping", "failed", "stuck")
_RUNNING = ("running", "started")


@dataclass(frozen=True, slots=True)
class Metric:
    """``kind`` is "gauge" or "counter"."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric(
        "understudy_info",
        "gauge",
        "Always 1; who is asked.",
        ("cluster", "node", "role", "quorum", "version", "digest"),
    ),
    Metric("understudy_pulse_up", "gauge", "1 when the pulse answered this scrape; 0: nothing of it is here."),
    Metric(
        "understudy_view_age_seconds",
        "gauge",
        "Age of the view behind these values; 0 when it was made for this scrape.",
    ),
    Metric("understudy_quorate", "gauge", "1 in the partition with quorum: only there may groups run."),
    Metric("understudy_votes_needed", "gauge", "Votes that a holder needs."),
    Metric("understudy_votes_heard", "gauge", "Members heard both ways now, this one included."),
    Metric("understudy_votes_configured", "gauge", "All votes of the configuration."),
    Metric("understudy_standby", "gauge", "1 while this node is in standby."),
    Metric("understudy_warnings", "gauge", "Warnings that understudy status shows now."),
    Metric("understudy_member_up", "gauge", "1 when the member is up, as this node hears it.", ("member", "role")),
    Metric("understudy_member_state", "gauge", "1 for the member's state, 0 for all others.", ("member", "state")),
    Metric(
        "understudy_member_heard_age_seconds", "gauge", "Since the member was last heard, on whatever way.", ("member",)
    ),
    Metric("understudy_member_standby", "gauge", "1 while the member is in standby.", ("member",)),
    Metric(
        "understudy_member_config_differs", "gauge", "1 while the member runs with another configuration.", ("member",)
    ),
    Metric(
        "understudy_link_up", "gauge", "1 when something came by this link within the dead time.", ("member", "network")
    ),
    Metric("understudy_link_age_seconds", "gauge", "Since the last datagram came by this link.", ("member", "network")),
    Metric(
        "understudy_link_loss_ratio",
        "gauge",
        "The part of the member's last 63 heartbeats that did not come by this link, from 0 to 1.",
        ("member", "network"),
    ),
    Metric("understudy_group_held", "gauge", "1 when this node holds the group's lease.", ("group",)),
    Metric(
        "understudy_group_running", "gauge", "1 when this node holds the group and all of it is started.", ("group",)
    ),
    Metric(
        "understudy_group_up",
        "gauge",
        "1 when all of it is started and every probe is up; absent where only the holder knows.",
        ("group",),
    ),
    Metric(
        "understudy_probe_up",
        "gauge",
        "1 when the probe is up; absent while it is not asked on this node.",
        ("group", "probe"),
    ),
    Metric("understudy_group_has_holder", "gauge", "1 when some node holds the group, as this one knows.", ("group",)),
    Metric(
        "understudy_group_state",
        "gauge",
        "1 for the state at the holder (or here), 0 for all others.",
        ("group", "state"),
    ),
    Metric(
        "understudy_group_holder_age_seconds",
        "gauge",
        "For how long the holder has had it, where that is known.",
        ("group",),
    ),
    Metric(
        "understudy_group_lease_remaining_seconds",
        "gauge",
        "How long the right to serve still runs if it is not renewed; only on the holder.",
        ("group",),
    ),
    Metric(
        "understudy_resource_running", "gauge", "1 when the resource runs on this node.", ("group", "resource", "kind")
    ),
    Metric(
        "understudy_moves_total",
        "counter",
        "Moves of the group by cause; counted by the node that hands over, or by the taker for holder-lost.",
        ("group", "cause"),
    ),
    Metric("understudy_failed_bids_total", "counter", "Bids for a lease that got no majority."),
    Metric(
        "understudy_fencings_confirmed_total", "counter", "How often a node was confirmed off, by a device or a human."
    ),
    Metric("understudy_fencings_failed_total", "counter", "Attempts at fencing that failed."),
    Metric(
        "understudy_fence_actions_total",
        "counter",
        "Orders to fence devices by outcome.",
        ("target", "action", "outcome"),
    ),
    Metric("understudy_fence_device_ok", "gauge", "1 when the device would help, as last tried.", ("device", "target")),
    Metric(
        "understudy_rejected_datagrams_total", "counter", "Datagrams not acted upon (docs/protocol.md).", ("reason",)
    ),
    Metric("understudy_datagrams_sent_total", "counter", "Datagrams sent.", ("network",)),
    Metric("understudy_datagrams_received_total", "counter", "Datagrams received.", ("network",)),
    Metric("understudy_send_errors_total", "counter", "Datagrams that the kernel did not send.", ("network",)),
    Metric("understudy_pulse_wakeups_total", "counter", "Turns of the pulse's loop that a timer began."),
    Metric(
        "understudy_pulse_late_wakeups_total",
        "counter",
        "Turns that began later than they should have by more than this many seconds.",
        ("later_than_seconds",),
    ),
    Metric("understudy_pulse_lateness_max_seconds", "gauge", "The latest turn since the pulse started."),
    Metric(
        "understudy_pulse_stalls_total",
        "counter",
        "Times that the pulse was late by more than a third of the dead time.",
    ),
    Metric("understudy_pulse_lost_total", "counter", "Times that the manager lost its connection to the pulse."),
    Metric(
        "understudy_agent_runs_total",
        "counter",
        "Actions of programs and agents on this node by outcome.",
        ("group", "resource", "action", "outcome"),
    ),
    Metric("understudy_agent_run_seconds_total", "counter", "Time that they took.", ("group", "resource", "action")),
    Metric("understudy_resource_failures_total", "counter", "Programs that died unasked.", ("group", "resource")),
    Metric(
        "understudy_router_state", "gauge", "1 for the virtual router's state, 0 for all others.", ("router", "state")
    ),
    Metric("understudy_router_state_age_seconds", "gauge", "For how long it has been in its state.", ("router",)),
    Metric("understudy_router_priority", "gauge", "Its effective priority, from 1 to 255.", ("router",)),
    Metric("understudy_router_base_priority", "gauge", "Its priority without tracking.", ("router",)),
    Metric(
        "understudy_router_master_known",
        "gauge",
        "1 when it is master, or hears one; 0: nobody may be serving its addresses.",
        ("router",),
    ),
    Metric("understudy_router_adverts_total", "counter", "Advertisements, sent and received.", ("router", "direction")),
    Metric(
        "understudy_router_goodbyes_total",
        "counter",
        "Advertisements of priority 0, sent and received.",
        ("router", "direction"),
    ),
    Metric("understudy_router_refused_total", "counter", "Advertisements that were not taken.", ("router", "reason")),
    Metric("understudy_router_transitions_total", "counter", "Changes into this state.", ("router", "state")),
    Metric(
        "understudy_router_notifications_total",
        "counter",
        "Changes that scripts and the FIFO were told of, by INSTANCE or GROUP.",
        ("kind", "name", "state"),
    ),
    Metric("understudy_router_mails_total", "counter", "Mails of virtual routers by outcome.", ("outcome",)),
    Metric(
        "understudy_balancer_up", "gauge", "1 when the balancer answered this scrape; absent where nothing is balanced."
    ),
    Metric(
        "understudy_service_info",
        "gauge",
        "Always 1; what serves the virtual service.",
        ("service", "plane", "scheduler", "group"),
    ),
    Metric("understudy_service_serving", "gauge", "1 when its address is served by this machine.", ("service",)),
    Metric("understudy_service_quorum", "gauge", "1 when enough of its servers can serve.", ("service",)),
    Metric("understudy_service_fallback", "gauge", "1 while its fallback serves.", ("service",)),
    Metric("understudy_service_trouble", "gauge", "1 while the kernel refuses something of it.", ("service",)),
    Metric("understudy_service_real_servers", "gauge", "Its real servers in this state.", ("service", "state")),
    Metric(
        "understudy_real_server_up",
        "gauge",
        "1 when it can get new connections; a sum under (others), as all below.",
        ("service", "server"),
    ),
    Metric("understudy_real_server_weight", "gauge", "Its weight in the kernel's table now.", ("service", "server")),
    Metric(
        "understudy_real_server_active_connections",
        "gauge",
        "Connections that are open; absent where the plane does not count them (nftables).",
        ("service", "server"),
    ),
    Metric(
        "understudy_real_server_connections_total",
        "counter",
        "Connections since it came into the table.",
        ("service", "server"),
    ),
    Metric(
        "understudy_real_server_bytes_total",
        "counter",
        "Bytes from clients (in) and to them (out; absent for nftables) since it came into the table.",
        ("service", "server", "direction"),
    ),
    Metric("understudy_real_server_checks_total", "counter", "Answers of its checks.", ("service", "server")),
    Metric("understudy_real_server_checks_failed_total", "counter", "Those that were not good.", ("service", "server")),
    Metric(
        "understudy_real_server_transitions_total",
        "counter",
        "How often it came up or went down.",
        ("service", "server", "state"),
    ),
    Metric("understudy_history_entries_total", "counter", "Entries of the history by level.", ("level",)),
    Metric("understudy_history_lost_total", "counter", "Entries that are not on disk."),
    Metric("understudy_api_requests_total", "counter", "Answers of the API by HTTP status.", ("status",)),
)

Value: TypeAlias = tuple[str, tuple[str, ...], float]
"""Name, values of its labels in the order of the table, value."""

_BY_NAME = {metric.name: metric for metric in METRICS}
_COUNTERS = {
    "failed_bids": "understudy_failed_bids_total",
    "fencings_confirmed": "understudy_fencings_confirmed_total",
    "fencings_failed": "understudy_fencings_failed_total",
    "wakeups": "understudy_pulse_wakeups_total",
    "stalls": "understudy_pulse_stalls_total",
}
_BY_NETWORK = {
    "sent": "understudy_datagrams_sent_total",
    "received": "understudy_datagrams_received_total",
    "send_errors": "understudy_send_errors_total",
}


def values(
    status: Mapping[str, Any] | None,
    tallies: Tallies,
    devices: list[dict[str, Any]],
    history_lost: int,
    balancer: bool | None = None,
) -> Iterator[Value]:
    """Everything that is known: ``status`` as the API answers it (None: there never was one), ``devices`` as fence rows.

    ``balancer``: whether it answered, None where there is none.

    An old view is left out, but for its age: a group that was seen to run before the pulse fell silent is not known to run.
    """
    answers = status is not None and status["pulse"] == "answers"
    yield "understudy_pulse_up", (), float(answers)
    if status is not None:
        yield "understudy_view_age_seconds", (), (status["stale_ms"] or 0.0) / 1000
        yield "understudy_warnings", (), float(len(status["warnings"]))
    if status is not None and answers:
        yield from _cluster(status)
        for member in status["nodes"]:
            yield from _member(member)
        for group in status["groups"]:
            yield from _group(group, status["node"])
        for router in status["virtual_routers"]:
            yield from _router(router)
        yield from _counters(status)
    if balancer is not None:
        yield "understudy_balancer_up", (), float(balancer)
        yield from pool_values((status or {}).get("services", ()))
    for row in devices:
        if row["ok"] is not None:
            yield "understudy_fence_device_ok", (row["device"], row["node"]), float(row["ok"])
    yield from _tallied(tallies)
    yield "understudy_history_lost_total", (), float(history_lost)


def _cluster(status: Mapping[str, Any]) -> Iterator[Value]:
    quorum = status["quorum"]
    who = (status["cluster"], status["node"], status["role"], quorum["policy"], __version__, status["digest"])
    yield "understudy_info", who, 1.0
    yield "understudy_quorate", (), float(quorum["quorate"])
    yield "understudy_votes_needed", (), float(quorum["votes"])
    yield "understudy_votes_heard", (), float(quorum["have"])
    yield "understudy_votes_configured", (), float(quorum["of"])
    yield "understudy_standby", (), float(status["standby"])


def _member(member: Mapping[str, Any]) -> Iterator[Value]:
    name = member["name"]
    yield "understudy_member_up", (name, member["role"]), float(member["state"] == "up")
    for state in NODE_STATES:
        yield "understudy_member_state", (name, state), float(member["state"] == state)
    if member["age_ms"] is not None:
        yield "understudy_member_heard_age_seconds", (name,), member["age_ms"] / 1000
    yield "understudy_member_standby", (name,), float(member["standby"])
    yield "understudy_member_config_differs", (name,), float(member["config_differs"])
    for link in member["links"]:
        where = (name, link["network"])
        yield "understudy_link_up", where, float(link["up"])
        if link["age_ms"] is not None:
            yield "understudy_link_age_seconds", where, link["age_ms"] / 1000
        if link.get("loss") is not None:
            yield "understudy_link_loss_ratio", where, link["loss"]


def _group(group: Mapping[str, Any], me: str) -> Iterator[Value]:
    name, held = group["name"], group["holder"] == me
    yield "understudy_group_held", (name,), float(held)
    yield "understudy_group_running", (name,), float(held and group["state"] == "started")
    if group["up"] is not None:
        yield "understudy_group_up", (name,), float(group["up"])
    for probe in group["probes"]:
        if probe["state"] != "unknown":
            yield "understudy_probe_up", (name, probe["name"]), float(probe["state"] == "up")
    yield "understudy_group_has_holder", (name,), float(group["holder"] is not None)
    for state in GROUP_STATES:
        yield "understudy_group_state", (name, state), float(group["state"] == state)
    if group["for_ms"] is not None:
        yield "understudy_group_holder_age_seconds", (name,), group["for_ms"] / 1000
    if group["lease_left_ms"] is not None:
        yield "understudy_group_lease_remaining_seconds", (name,), group["lease_left_ms"] / 1000
    for item in group["resources"]:
        yield "understudy_resource_running", (name, item["id"], item["kind"]), float(item["state"] in _RUNNING)


_REASONS = frozenset(reason.value for reason in VrrpReason)
_DIRECTIONS = {"sent": "sent", "heard": "received"}


def _router(router: Mapping[str, Any]) -> Iterator[Value]:
    name = router["name"]
    for state in ROUTER_STATES:
        yield "understudy_router_state", (name, state), float(router["state"] == state)
    yield "understudy_router_state_age_seconds", (name,), router["for_ms"] / 1000
    yield "understudy_router_priority", (name,), float(router["priority"])
    yield "understudy_router_base_priority", (name,), float(router["base_priority"])
    yield "understudy_router_master_known", (name,), float(router["state"] == "MASTER" or bool(router["master"]))
    refused: Counter[str] = Counter()
    for word, count in router["counters"].items():
        first, _, rest = word.partition("_")
        if word in _DIRECTIONS:
            yield "understudy_router_adverts_total", (name, _DIRECTIONS[word]), float(count)
        elif first == "goodbyes" and rest in _DIRECTIONS:
            yield "understudy_router_goodbyes_total", (name, _DIRECTIONS[rest]), float(count)
        elif first == "refused":
            refused[rest if rest in _REASONS else "other"] += count
        elif first == "became" and rest.upper() in ROUTER_STATES:
            yield "understudy_router_transitions_total", (name, rest.upper()), float(count)
    for reason, count in refused.items():
        yield "understudy_router_refused_total", (name, reason), float(count)


def _counters(status: Mapping[str, Any]) -> Iterator[Value]:
    """What the pulse counts, by the words of ``Snapshot.counters``."""
    for reason, count in status["rejected"].items():
        yield "understudy_rejected_datagrams_total", (reason,), float(count)
    for word, count in status["counters"].items():
        first, _, rest = word.partition(".")
        if word in _COUNTERS:
            yield _COUNTERS[word], (), float(count)
        elif first == "moves":
            cause, _, group = rest.partition(".")
            yield "understudy_moves_total", (group, cause), float(count)
        elif first in _BY_NETWORK and rest:
            yield _BY_NETWORK[first], (rest,), float(count)
        elif word == "latest_wakeup_us":
            yield "understudy_pulse_lateness_max_seconds", (), count / 1_000_000
        elif word.startswith("wakeups_later_than_") and word.endswith("ms"):
            limit = int(word.removeprefix("wakeups_later_than_").removesuffix("ms")) / 1000
            yield "understudy_pulse_late_wakeups_total", (f"{limit:g}",), float(count)


def _tallied(tallies: Tallies) -> Iterator[Value]:
    yield "understudy_pulse_lost_total", (), float(tallies.pulse_losses)
    for run, count in tallies.agent_runs.items():
        yield "understudy_agent_runs_total", run, float(count)
    for action, spent in tallies.agent_time.items():
        yield "understudy_agent_run_seconds_total", action, spent / 1_000_000_000
    for resource, count in tallies.resource_failures.items():
        yield "understudy_resource_failures_total", resource, float(count)
    for order, count in tallies.fence_actions.items():
        yield "understudy_fence_actions_total", order, float(count)
    for told, count in tallies.router_changes.items():
        yield "understudy_router_notifications_total", told, float(count)
    for outcome, count in tallies.router_mails.items():
        yield "understudy_router_mails_total", (outcome,), float(count)
    for level, count in tallies.entries.items():
        yield "understudy_history_entries_total", (level,), float(count)
    for code, count in tallies.requests.items():
        yield "understudy_api_requests_total", (code,), float(count)


def exposition(found: Iterable[Value], accept: str) -> tuple[bytes, str]:
    """Values in the format that ``accept`` asks for (Prometheus' text, or OpenMetrics), and its content type.

    A value whose name or number of labels is not in the table is our mistake and raises KeyError or ValueError.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.exposition import choose_encoder

    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for metric in METRICS:
        kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        families[metric.name] = kind(metric.name, metric.text, labels=metric.labels)
    for name, labels, value in found:
        if len(labels) != len(_BY_NAME[name].labels):
            raise ValueError(f"{name} has {len(labels)} labels")
        families[name].add_metric(labels, value)

    class Collected:
        def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
            return (family for family in families.values() if family.samples)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
