"""Two machines without a witness, and a router to ping. Heartbeats go over a network of their own, so that they can be cut while
the service network, over which the address is asked for, is whole.

``@in_pair()`` makes a test of a function that gets a ``PairTrial`` whose cluster is up and served by ha01.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from cluster_world import Case, in_cluster, tell

from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.trial import Spec, Trial, scene

HEARTBEAT, DEAD_TIME = "60ms", "300ms"
ROUTER, ROUTER_ADDRESS = "router", "192.168.58.1"


class PairScene(Scene):
    """Heartbeats over the heartbeat network only, though the machines have two."""

    def configuration(self, key_file: str) -> str:
        players = (
            replace(player, interfaces=tuple(item for item in player.interfaces if item.network == "heartbeat"))
            for player in self.players
        )
        return Scene.configuration(replace(self, players=tuple(players)), key_file)


def pair_scene(failback: str = "never") -> PairScene:
    """ha01 and ha02 of the lab's own scene, without its witness. With ``failback`` "never" every later move is a needless one."""
    whole = scene(HEARTBEAT, DEAD_TIME)
    return PairScene(
        title="pair",
        networks=whole.networks,
        players=tuple(player for player in whole.players if player.role == "node"),
        cluster={**whole.cluster, "quorum": "pair", "ping": [ROUTER_ADDRESS]},
        groups={"site": {**whole.groups["site"], "failback": failback}},
        client=whole.client,
        observer=whole.observer,
    )


class PairTrial(Trial):
    """A stage with a pair on it that serves."""

    def __init__(self) -> None:
        self.spec = replace(Spec("pair"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        self.stage = Stage(pair_scene())
        self.stage.room.add(ROUTER, [("eth0", "service", [f"{ROUTER_ADDRESS}/24"])])
        self.stage.room.power_on(ROUTER)
        self.stage.set_up()
        self.wait("somebody serves", lambda: self.stage.watchers.who() != "" and not self.stage.well(), 40.0)
        if self.stage.watchers.who() != "ha01":
            self.stage.do("move site ha01")
        self.wait("ha01 serves", self._well, 10.0)
        self.rest()


def in_pair() -> Callable[[Case], Callable[[], None]]:
    """Make a test that runs ``case(trial)`` with a pair in a process and a world of its own."""

    def decorate(case: Case) -> Callable[[], None]:
        test = in_cluster()(case)  # starts ``test.case`` in its own process; there it shall be about a pair

        def body() -> None:
            trial = PairTrial()
            try:
                case(trial)
            except BaseException:
                tell(trial)
                raise
            finally:
                trial.stage.close()

        test.case = body  # type: ignore[attr-defined]
        return test

    return decorate
