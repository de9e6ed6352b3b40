"""/metrics: stable names with units, right values, nothing old; and alert rules and dashboard that use only what exists."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from manager_helpers import FakePulse, RunningManager, a_snapshot, ask, until
from prometheus_client.parser import text_string_to_metric_families

from understudy.core.membership import State
from understudy.effects import Action, FenceAction
from understudy.events import Outcome
from understudy.manager.metrics import GROUP_STATES, METRICS, NODE_STATES
from understudy.manager.metrics_pools import REST, pool_values
from understudy.messages import Phase
from understudy.snapshot import ProbeStatus
from understudy.vrrp import RouterView

MONITORING = Path(__file__).resolve().parents[2] / "packaging" / "monitoring"
TABLE = {metric.name: metric for metric in METRICS}
COUNTERS = {
    "failed_bids": 2,
    "fencings_confirmed": 1,
    "fencings_failed": 3,
    "moves.holder-lost.site": 4,
    "moves.operator.my.group": 1,
    "wakeups": 1000,
    "stalls": 1,
    "latest_wakeup_us": 2500,
    "wakeups_later_than_1ms": 7,
    "wakeups_later_than_100ms": 0,
    "sent.net1": 10,
    "received.net1": 9,
    "send_errors.net1": 1,
    "notes_lost": 0,
}


def get(manager: RunningManager, accept: str = "") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(manager.runtime_dir / "control.sock"))
    try:
        connection.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read().decode()
    finally:
        connection.close()


def scraped(manager: RunningManager) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """(name, sorted labels) -> value, as Prometheus' own parser reads it."""
    status, _, text = get(manager)
    assert status == 200
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def value(found: dict[Any, float], name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def busy(pulse: FakePulse, manager: RunningManager) -> RunningManager:
    """A manager that has something to say under every name."""
    known = a_snapshot()
    nodes = tuple(replace(node, links=tuple(replace(link, loss=0.25) for link in node.links)) for node in known.nodes)
    probes = tuple(
        ProbeStatus(state, None, "ping 192.0.2.1", state, 5.0, "", None)
        for state in ("up", "down", "waiting", "unknown")
    )
    groups = tuple(replace(group, up=False, probes=probes) for group in known.groups)
    counted = (("sent", 7), ("heard", 2), ("became_master", 1), ("goodbyes_sent", 3), ("refused_ttl", 4))
    router = RouterView("VI_1", "MASTER", 1, "so", 51, 4, 2, "eth0", 150, 100, counters=counted)
    pulse.snapshot = replace(known, counters=COUNTERS, nodes=nodes, groups=groups, virtual_routers=(router,))
    tallies = manager.manager.tallies
    tallies.router_changes["INSTANCE", "VI_1", "MASTER"] += 1
    tallies.router_mails["sent"] += 1
    tallies.agent_ran("site", "sleeper", Action.START, Outcome.OK, 1_500_000_000)
    tallies.resource_failures["site", "sleeper"] += 1
    tallies.fenced("b", FenceAction.OFF, Outcome.FAILED)
    row = {"device": "ipmi", "node": "b", "level": 1, "program": "x", "ok": False, "text": "", "age_s": 1.0}
    manager.manager.fencer.rows = lambda: [row]  # type: ignore[method-assign]

    async def services() -> tuple[list[dict[str, Any]], list[str]]:
        return [a_service()], []

    manager.manager.balance.services = services  # type: ignore[method-assign]
    manager.manager.balance.answers = True
    ask(manager.runtime_dir, "GET", "/v1/nothing")
    return manager


def a_service(name: str = "web", servers: int = 1) -> dict[str, Any]:
    """As the balancer tells it. Its servers have a fallback beside them."""
    server = {"weight": 3, "active": 7, "connections": 40, "bytes_in": 100, "bytes_out": 200}
    server |= {"checks": 50, "checks_failed": 4, "ups": 2, "downs": 1}
    each = [{"name": f"10.0.0.{number}:80", "state": "up", **server} for number in range(servers)]
    sorry = {"name": "127.0.0.1:80", "state": "fallback", **server}
    words = {"plane": "nftables", "scheduler": "wrr", "group": "site", "trouble": ""}
    return {"name": name, "serving": True, "quorum": True, "fallback": False, **words, "servers": [*each, sorry]}


def test_the_values(busy: RunningManager) -> None:
    found = scraped(busy)
    assert value(found, "understudy_pulse_up") == 1
    assert value(found, "understudy_member_up", member="b", role="node") == 1
    assert value(found, "understudy_member_up", member="w", role="witness") == 0
    assert value(found, "understudy_member_state", member="w", state="late") == 1
    assert value(found, "understudy_link_age_seconds", member="b", network="net1") == 0.0125
    assert value(found, "understudy_link_loss_ratio", member="b", network="net1") == 0.25
    assert value(found, "understudy_link_age_seconds", member="w", network="net1") is None, "never heard"
    assert value(found, "understudy_group_held", group="site") == 1
    assert value(found, "understudy_group_running", group="site") == 1
    assert value(found, "understudy_group_lease_remaining_seconds", group="site") == 0.8125
    assert value(found, "understudy_group_up", group="site") == 0
    states = {word: value(found, "understudy_probe_up", group="site", probe=word) for word in ("up", "down", "waiting")}
    assert states == {"up": 1, "down": 0, "waiting": 0}
    assert value(found, "understudy_probe_up", group="site", probe="unknown") is None, "not asked now"
    assert value(found, "understudy_group_state", group="site", state="started") == 1
    assert value(found, "understudy_group_state", group="site", state="failed") == 0
    assert value(found, "understudy_moves_total", group="site", cause="holder-lost") == 4
    assert value(found, "understudy_moves_total", group="my.group", cause="operator") == 1
    assert value(found, "understudy_rejected_datagrams_total", reason="bad-seal") == 3
    assert value(found, "understudy_pulse_lateness_max_seconds") == 0.0025
    assert value(found, "understudy_pulse_late_wakeups_total", later_than_seconds="0.001") == 7
    assert value(found, "understudy_agent_run_seconds_total", group="site", resource="sleeper", action="start") == 1.5
    run = {"group": "site", "resource": "sleeper", "action": "start", "outcome": "ok"}
    assert value(found, "understudy_agent_runs_total", **run) == 1
    assert value(found, "understudy_fence_device_ok", device="ipmi", target="b") == 0
    assert value(found, "understudy_api_requests_total", status="404") == 1
    assert value(found, "understudy_balancer_up") == 1
    of = {"service": "web", "server": "10.0.0.0:80"}
    assert value(found, "understudy_service_info", service="web", plane="nftables", scheduler="wrr", group="site") == 1
    assert value(found, "understudy_service_real_servers", service="web", state="up") == 1
    assert value(found, "understudy_service_real_servers", service="web", state="down") == 0
    names = ("up", "weight", "active_connections", "connections_total", "checks_total", "checks_failed_total")
    assert [value(found, f"understudy_real_server_{name}", **of) for name in names] == [1, 3, 7, 40, 50, 4]
    assert value(found, "understudy_real_server_bytes_total", direction="out", **of) == 200
    assert value(found, "understudy_real_server_transitions_total", state="down", **of) == 1


def test_of_many_servers_those_beyond_the_bound_are_summed() -> None:
    services = [a_service("a", 3), a_service("b", 4), a_service("c", 2)]
    found: dict[tuple[str, tuple[str, ...]], float] = {}
    for name, labels, number in pool_values(services, most=4):
        assert (name, labels) not in found
        found[name, labels] = number
    ups = {labels: number for (name, labels), number in found.items() if name == "understudy_real_server_up"}
    assert ups[("b", "10.0.0.0:80")] == 1
    assert (ups[("b", REST)], ups[("c", REST)]) == (3, 2)
    assert len(ups) == 4 + 2
    assert sum(ups.values()) == 9
    found = {(name, labels): number for name, labels, number in pool_values(services, most=2)}
    assert ("understudy_service_serving", ("c",)) not in found
    assert found["understudy_real_server_checks_total", (REST, REST)] == 100
    assert found["understudy_service_real_servers", (REST, "up")] == 2
    assert len(found) < len({(name, labels) for name, labels, _ in pool_values(services)})


def test_what_a_plane_does_not_count_is_not_there() -> None:
    service = a_service()
    service["servers"][0] |= {"active": None, "bytes_out": None}
    found = {(name, labels[2:]) for name, labels, _ in pool_values([service])}
    assert "understudy_real_server_active_connections" not in {name for name, _ in found}
    told = {labels for name, labels in found if name == "understudy_real_server_bytes_total"}
    assert told == {("in",)}


def test_every_name_of_the_table_is_used_and_no_other(busy: RunningManager) -> None:
    assert {name for name, _ in scraped(busy)} == set(TABLE)


def test_labels_are_those_of_the_table(busy: RunningManager) -> None:
    for name, labels in scraped(busy):
        assert {label for label, _ in labels} == set(TABLE[name].labels), name


def test_what_the_pulse_said_before_it_fell_silent_is_not_shown(pulse: FakePulse, busy: RunningManager) -> None:
    scraped(busy)
    pulse.snapshot = None
    found = scraped(busy)
    assert value(found, "understudy_pulse_up") == 0
    assert value(found, "understudy_group_running", group="site") is None
    age = value(found, "understudy_view_age_seconds")
    assert age is not None
    assert age > 0


def test_without_any_pulse_there_is_still_an_answer(pulse: FakePulse, manager: RunningManager) -> None:
    pulse.die()
    until(lambda: not manager.manager.link.connected, "the manager has noticed")
    manager.manager._snapshot = None
    found = scraped(manager)
    assert value(found, "understudy_pulse_up") == 0
    # More than once where the manager got through to the socket of the dying one again.
    assert (value(found, "understudy_pulse_lost_total") or 0) >= 1
    pulse.come_back()


def test_the_format_is_the_one_asked_for(busy: RunningManager) -> None:
    assert get(busy)[1].startswith("text/plain; version=")
    _, kind, text = get(busy, "application/openmetrics-text;version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_names_are_as_prometheus_wants_them() -> None:
    assert len(TABLE) == len(METRICS)
    units = re.compile(
        r"seconds|ratio|total|info|up|age|held|running|holder|state|quorate|standby|differs|ok|votes|warnings|priority|known"
        r"|serving|quorum|fallback|trouble|servers|weight|connections"
    )
    for metric in METRICS:
        assert re.fullmatch(r"understudy_[a-z_]+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert metric.text.endswith("."), metric.name
        assert units.search(metric.name), metric.name
        assert not re.search(r"_(ms|us|percent|milliseconds)\b", metric.name), metric.name


def test_states_are_those_of_the_core() -> None:
    assert set(GROUP_STATES) == {phase.value for phase in Phase}
    assert set(NODE_STATES) == {state.value for state in State}


# What packaging brings


def expressions() -> Iterator[tuple[str, str]]:
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    board = json.loads((MONITORING / "dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for item in board["annotations"]["list"]:
        yield item["name"], item["expr"]
    for item in board["templating"]["list"]:
        if isinstance(item["query"], dict):
            yield item["name"], item["query"]["query"]


def wrong_names(expression: str) -> list[str]:
    """Metrics and labels that do not exist. ``instance``, ``cluster`` and ``job`` come from Prometheus itself."""
    names = re.findall(r"\bunderstudy_\w+", expression)
    wrong = [name for name in names if name not in TABLE]
    labels = {label for name in names if name in TABLE for label in TABLE[name].labels} | {"instance", "cluster", "job"}
    used = re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', expression)
    used += [
        word.strip()
        for found in re.findall(r"\b(?:by|on|without) \(([^)]*)\)", expression)
        for word in found.split(",")
    ]
    return wrong + [label for label in used if label not in labels]


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_rules_and_dashboard_use_what_exists(title: str, expression: str) -> None:
    assert wrong_names(expression) == []
    assert "understudy_" in expression or title == "UnderstudyNotScraped"


def test_a_wrong_name_is_seen() -> None:
    assert wrong_names("understudy_group_runing == 0") == ["understudy_group_runing"]
    assert wrong_names('understudy_moves_total{cuase="lost"}') == ["cuase"]
    assert wrong_names("sum by (cluster, grp) (understudy_moves_total)") == ["grp"]


def test_alerts_say_what_to_do() -> None:
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names)) > 12
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description"}
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            names_here = re.findall(r"\bunderstudy_\w+", rule["expr"])
            known = {each for name in names_here for each in TABLE[name].labels} | {"instance", "cluster", "job"}
            assert label in known, (rule["alert"], label)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", MONITORING / "alerts.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
