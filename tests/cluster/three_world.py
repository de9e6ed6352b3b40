"""Three nodes on two networks, any of which may hold the address: the world of scenario C."""

from __future__ import annotations

import random
from dataclasses import replace

from cluster_world import until
from other_worlds import DEAD_TIME, HEARTBEAT, really_well

from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, Spec, Trial, player, two_networks

NETWORKS = ("service", "heartbeat")
NODES = ("n1", "n2", "n3")


def three_scene() -> Scene:
    resources = [{"address": f"{ADDRESS}/24", "device": "eth0"}]
    return two_networks(
        "three",
        (player(name, number) for number, name in enumerate(NODES, 101)),
        {"name": "three", "heartbeat": HEARTBEAT, "dead_time": DEAD_TIME, "quorum": "majority"},
        {"site": {"prefer": list(NODES), "failback": "never", "resources": resources}},
    )


class ThreeTrial(Trial):
    """A stage with three nodes on it, served by n1."""

    def __init__(self) -> None:
        self.spec = replace(Spec("three"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        self.stage = Stage(three_scene())
        self.stage.set_up()
        self.served_by("n1")
        self.rest()


def cut(trial: Trial, one: str, other: str, on: bool = True) -> None:
    """On both networks."""
    for network in NETWORKS:
        trial.stage.do(f"cut {one} {other} {network} {'on' if on else 'off'}")


def one_way(trial: Trial, sender: str, receiver: str, on: bool = True) -> None:
    for network in NETWORKS:
        trial.stage.do(f"one-way {sender} {receiver} {network} {'on' if on else 'off'}")


def settled(trial: Trial) -> None:
    until("all is well", lambda: really_well(trial))


def partition(trial: Trial, name: str) -> tuple[str, tuple[str, ...]]:
    """What ``name`` says of its partition: the words, and the members."""
    status = trial.stage.daemons[name].status()
    if status is None:
        return "", ()
    return status["quorum"]["text"], tuple(status["quorum"]["members"])


def via(trial: Trial, name: str, other: str) -> str | None:
    """How ``name`` hears ``other``: "direct", the name of who carries its news, or None."""
    status = trial.stage.daemons[name].status()
    nodes = status["nodes"] if status else []
    return next((node["via"] for node in nodes if node["name"] == other), None)
