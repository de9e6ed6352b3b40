"""Metrics of a real cluster: what a dashboard shows when a machine loses power and when a cable is cut."""

from __future__ import annotations

import http.client
import socket

import pytest
from cluster_world import in_cluster, until
from prometheus_client.parser import text_string_to_metric_families

from understudy.lab.trial import Trial


def scrape(trial: Trial, at: str) -> dict[tuple[str, ...], float]:
    """(name, values of its labels in the order of their names) -> value."""
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(f"{trial.stage.daemons[at].runtime}/control.sock")
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, *(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


@in_cluster()
def test_a_machine_that_loses_power_shows_in_the_metrics_of_the_others(trial: Trial) -> None:
    def losses() -> dict[tuple[str, ...], float]:
        found = scrape(trial, "ha02")
        return {key: found[key] for key in found if key[:2] == ("understudy_link_loss_ratio", "ha01")}

    # What a machine said while the other was still starting is lost, too.
    until("next to nothing is lost", lambda: len(losses()) == 2 and max(losses().values()) < 0.2)
    before = scrape(trial, "ha02")
    assert before["understudy_member_up", "ha01", "node"] == 1
    assert before["understudy_group_running", "site"] == 0
    links = list(losses())
    holder = scrape(trial, "ha01")
    assert holder["understudy_group_running", "site"] == 1
    assert 0 < holder["understudy_group_lease_remaining_seconds", "site"] <= 1
    trial.stage.do("power ha01 off")
    until("ha02 says that it serves", lambda: scrape(trial, "ha02").get(("understudy_group_running", "site")) == 1)
    after = scrape(trial, "ha02")
    assert after["understudy_moves_total", "holder-lost", "site"] == 1
    assert after["understudy_member_up", "ha01", "node"] == 0
    assert after["understudy_quorate",] == 1
    assert after["understudy_datagrams_received_total", links[0][2]] > 0


@pytest.mark.long
@in_cluster()
def test_a_cut_cable_shows_as_loss_of_that_link_only(trial: Trial) -> None:
    trial.stage.do("silence ha01 eth1 both")

    def losses() -> list[float]:
        found = scrape(trial, "ha02")
        return sorted(value for key, value in found.items() if key[:2] == ("understudy_link_loss_ratio", "ha01"))

    until("one link has lost all, the other next to nothing", lambda: losses()[0] < 0.2 and losses()[1] == 1.0, 60)
