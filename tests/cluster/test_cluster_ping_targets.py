"""Two nodes that take over from each other, a witness, and a router that a group asks: real daemons, real ICMP."""

from __future__ import annotations

import random
from dataclasses import replace

from cluster_world import undisturbed, until, watch
from other_worlds import DEAD_TIME, HEARTBEAT, ROUTER, ROUTER_ADDRESS, in_world

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


@in_world(RouterTrial)
def test_who_loses_the_router_gives_its_group_away_and_when_all_have_lost_it_nothing_moves(trial: Trial) -> None:
    until("each has its own", lambda: holders(trial) == ("ha01", "ha02"))
    start = kernel.now()
    for node in NODES:
        away(trial, node, True)
    undisturbed(watch(trial, start, 4.0), "ha01")
    away(trial, "ha02", False)
    until("ha02, which reaches the router again, has both", lambda: holders(trial) == ("ha02", "ha02"))
    until("ha02 serves", lambda: trial.stage.watchers.who() == "ha02")
    away(trial, "ha01", False)


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
