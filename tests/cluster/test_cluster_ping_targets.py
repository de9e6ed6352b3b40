"""Two nodes that take over from each other, a witness, and a router that a group asks: real daemons, real ICMP."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from cluster_world import in_world, undisturbed, until, watch
from other_worlds import DEAD_TIME, HEARTBEAT, ROUTER, ROUTER_ADDRESS

from understudy.lab import kernel
from understudy.lab.stage import Stage
from understudy.lab.trial import Spec, Trial, scene

NODES = ("ha01", "ha02")


class RouterTrial(Trial):
    """ha01 serves site, which asks the router; ha02 has mail, which asks nobody."""

    def __init__(self) -> None:
        self.spec = replace(Spec("router"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        whole = scene(HEARTBEAT, DEAD_TIME)
        reach = {"ping": [ROUTER_ADDRESS], "damping": "1500ms"}
        mail = {"prefer": ["ha02", "ha01"], "resources": [{"address": "192.168.58.110/24", "device": "eth0"}]}
        site = {**whole.groups["site"], "failback": "never", "stays_where": reach}
        self.stage = Stage(replace(whole, groups={"site": site, "mail": mail}))
        self.stage.room.add(ROUTER, [("eth0", "service", [f"{ROUTER_ADDRESS}/24"])])
        self.stage.room.power_on(ROUTER)
        self.stage.set_up()
        self.served_by("ha01")
        self.rest()


def holders(trial: Trial) -> tuple[str, str]:
    """Who has site and mail, by the word of a node that has power."""
    for name in NODES:
        daemon = trial.stage.daemons[name]
        status = daemon.status() if daemon.machine.powered else None
        if status is not None:
            found = {group["name"]: group["holder"] or "" for group in status["groups"] if group["state"] == "started"}
            return found.get("site", ""), found.get("mail", "")
    return "", ""


def away(trial: Trial, node: str, on: bool) -> None:
    trial.stage.do(f"cut {node} {ROUTER} service {'on' if on else 'off'}")


def whatif(trial: Trial, words: str) -> dict[str, Any]:
    """What ha02 says of site."""
    answer = trial.stage.daemons["ha02"].ask(f"/v1/whatif?{words}", timeout=10.0)
    assert answer is not None
    found: dict[str, Any] = next(group for group in answer["groups"] if group["name"] == "site")
    return found


def reaches(trial: Trial) -> dict[str, Any]:
    status = trial.stage.daemons["ha02"].status()
    return {node["name"]: node["reaches"] for node in status["nodes"]} if status is not None else {}


@in_world(RouterTrial)
def test_who_loses_the_router_gives_its_group_away_and_when_all_have_lost_it_nothing_moves(trial: Trial) -> None:
    until("each has its own", lambda: holders(trial) == ("ha01", "ha02"))
    asked = {"ha01": [ROUTER_ADDRESS], "ha02": [ROUTER_ADDRESS], "arbiter": None}
    until("both say that the router answers", lambda: reaches(trial) == asked)
    assert whatif(trial, f"unreachable={ROUTER_ADDRESS}@ha01")["node"] == "ha02"
    assert whatif(trial, f"unreachable={ROUTER_ADDRESS}")["node"] == "ha01"
    start = kernel.now()
    for node in NODES:
        away(trial, node, True)
    undisturbed(watch(trial, start, 4.0), "ha01")
    assert reaches(trial) == {"ha01": [], "ha02": [], "arbiter": None}
    assert whatif(trial, "")["node"] == "ha01"
    away(trial, "ha02", False)
    until("ha02, which reaches the router again, has both", lambda: holders(trial) == ("ha02", "ha02"))
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    assert whatif(trial, "")["not_on"]["ha01"].startswith("fewer of its ping targets answer there")
    assert whatif(trial, "standby=ha02")["node"] == "ha01", "the last place, router or not"
    away(trial, "ha01", False)


@pytest.mark.long
@in_world(RouterTrial)
def test_each_takes_over_from_the_other(trial: Trial) -> None:
    """An active pair: both nodes have something to do, and either does all of it when the other is gone."""
    until("each has its own", lambda: holders(trial) == ("ha01", "ha02"))
    trial.stage.do("power ha02 off")
    until("ha01 has both", lambda: holders(trial) == ("ha01", "ha01"))
    trial.stage.do("power ha02 on")
    until("mail has gone back", lambda: holders(trial) == ("ha01", "ha02"))
    trial.stage.do("power ha01 off")
    until("ha02 has both", lambda: holders(trial) == ("ha02", "ha02"))
