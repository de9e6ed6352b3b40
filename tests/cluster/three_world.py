"""Three nodes on two networks, any of which may hold the address: the world of scenario C."""

from __future__ import annotations

import random
from dataclasses import replace

from cluster_world import until
from other_worlds import DEAD_TIME, HEARTBEAT, really_well

from understudy.lab.scene import Interface, Player, Scene, Watcher
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, Spec, Trial

NETWORKS = ("service", "heartbeat")
NODES = ("n1", "n2", "n3")


def three_scene() -> Scene:
    players = tuple(
        Player(
            name,
            "node",
            (
                Interface("eth0", "service", (f"192.168.58.{number}/24",)),
                Interface("eth1", "heartbeat", (f"192.168.107.{number}/24",)),
            ),
        )
        for number, name in enumerate(NODES, 101)
    )
    resources = [{"address": f"{ADDRESS}/24", "device": "eth0"}]
    return Scene(
        title="three",
        networks=NETWORKS,
        players=players,
        cluster={"name": "three", "heartbeat": HEARTBEAT, "dead_time": DEAD_TIME, "quorum": "majority"},
        groups={"site": {"prefer": list(NODES), "failback": "never", "resources": resources}},
        client=Watcher("service", "192.168.58.200/24", asks=ADDRESS),
        observer=Watcher("service", "192.168.58.201/24"),
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
