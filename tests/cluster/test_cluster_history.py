"""The history of a living cluster, asked on one node: everybody's entries, causes first, and who is missing."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from cluster_world import in_cluster, until

from understudy.lab.trial import Trial


def history(trial: Trial, name: str, query: str = "") -> dict[str, Any]:
    connection = http.client.HTTPConnection("localhost", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(20)
    connection.sock.connect(f"{trial.stage.daemons[name].runtime}/control.sock")
    try:
        connection.request("GET", f"/v1/history?scope=cluster&lines=500{query}")
        response = connection.getresponse()
        found: dict[str, Any] = json.loads(response.read())
        assert response.status == 200, found
        return found
    finally:
        connection.close()


@in_cluster("60ms", "300ms")
def test_the_history_of_all_members_on_each_of_them(trial: Trial) -> None:
    trial.stage.do("move site ha02")
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    for name in ("ha01", "ha02", "arbiter"):
        until(f"{name} has heard all", lambda name=name: not history(trial, name)["missing"])
        found = history(trial, name)
        texts = [f"{item['origin']}: {item['text']}" for item in found["entries"] if item["group"] == "site"]
        marks = ("ha01: root", "ha01: ha01 released ballot", "ha02: ha02 holds the lease")
        order = [place for words in marks for place, text in enumerate(texts) if text.startswith(words)]
        assert len(order) == len(marks), texts
        assert order == sorted(order), texts
        assert all(abs(ahead) < 1000 for ahead in found["clock_ahead_ms"].values()), "one machine has one clock"
    trial.stage.do("power ha01 off")
    until("ha02 misses it", lambda: history(trial, "ha02")["missing"] == {"ha01": "ha01 is not heard"})
    assert {item["origin"] for item in history(trial, "ha02")["entries"]} == {"ha02", "arbiter"}
