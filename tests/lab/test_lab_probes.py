"""Probes with real daemons: a web server that answers wrongly is restarted, then its group moves; status says why."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lab_world import in_lab

from understudy.lab.inside import BASE
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, scene

SERVE = f"exec {sys.executable} -m http.server 80 --bind {ADDRESS} --directory {BASE}/www.$UNDERSTUDY_NODE"


def until(what: Callable[[], Any], look: Callable[[], Any], limit: float = 20.0) -> Any:
    end = time.monotonic() + limit
    while not (found := what()):
        assert time.monotonic() < end, f"did not happen: {look()}"
        time.sleep(0.01)
    return found


def group_on(stage: Stage, node: str) -> dict[str, Any]:
    status = stage.daemons[node].status()
    return status["groups"][0] if status is not None else {"up": None, "holder": None, "probes": []}


@in_lab
def test_a_site_that_answers_wrongly_is_restarted_and_then_moved() -> None:
    for node in ("ha01", "ha02"):
        os.makedirs(f"{BASE}/www.{node}")
        with open(f"{BASE}/www.{node}/up", "w", encoding="ascii") as file:
            file.write(f"{node} is well")
    plain = scene("100ms", "500ms")
    resources = [
        {"address": f"{ADDRESS}/24", "device": "eth0"},
        {"command": ["/bin/sh", "-c", SERVE], "name": "web", "restarts": 1},
    ]
    probe = {"http": f"http://{ADDRESS}/up", "text": "is well", "interval": "100ms", "fall": 2, "grace": "3s"}
    resources[1]["probe"] = {"tcp": f"{ADDRESS}:80", "interval": "100ms"}
    site = {**plain.groups["site"], "resources": resources, "probes": {"page": probe}}
    stage = Stage(replace(plain, groups={"site": site}))
    stage.set_up()

    def look() -> Any:
        return (
            [group_on(stage, node) for node in ("ha01", "ha02")],
            stage.daemons["ha01"].log_tail(),
            list(stage.told()),
        )

    until(lambda: all(stage.daemons[node].status() is not None for node in ("ha01", "ha02")), look)
    until(lambda: any(group_on(stage, node)["up"] for node in ("ha01", "ha02")), look)
    if group_on(stage, "ha01")["holder"] != "ha01":  # whose daemon is up first may win
        stage.do("move site ha01")
    until(lambda: group_on(stage, "ha01")["up"] is True, look)
    first = group_on(stage, "ha01")
    assert [(item["name"], item["state"]) for item in first["probes"]] == [("web", "up"), ("page", "up")]
    assert group_on(stage, "ha02")["up"] is None, "only the holder asks"

    os.unlink(f"{BASE}/www.ha01/up")
    until(lambda: group_on(stage, "ha02")["up"] is True, look)
    assert group_on(stage, "ha02")["holder"] == "ha02"
    told = [item.text for item in stage.told() if "failed (" in item.text and item.level in ("warning", "error")]
    reason = "status 404 File not found"
    assert told == [
        f"web failed (probe page: {reason}): restarted here (failure 1 within 10m, 1 restarts allowed)",
        f"web failed (probe page: {reason}): this node gives up (failure 2 within 10m, 1 restarts allowed)",
    ]
    stage.close()
