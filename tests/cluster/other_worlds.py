"""Other worlds for tests of the whole: ``@in_world(PairTrial)`` makes a test of a function that gets a ``PairTrial``.

The pair: two machines without a witness, and a router to ping. Heartbeats go over a network of their own, so that they can be
cut while the service network, over which the address is asked for, is whole.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

from understudy.lab import kernel
from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.trial import Spec, Trial, scene

HEARTBEAT, DEAD_TIME = "60ms", "300ms"
ROUTER, ROUTER_ADDRESS = "router", "192.168.58.1"


def write_program(path: str, text: str) -> None:
    """A file that everybody may run."""
    with open(path, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
        file.write(text)


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
    """A stage with a pair on it, served by ha01."""

    def __init__(self) -> None:
        self.spec = replace(Spec("pair"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        self.stage = Stage(pair_scene())
        self.stage.room.add(ROUTER, [("eth0", "service", [f"{ROUTER_ADDRESS}/24"])])
        self.stage.room.power_on(ROUTER)
        self.stage.set_up()
        self.served_by("ha01")
        self.rest()


class BareTrial(Trial):
    """The lab's own scene (two nodes and a witness) with power everywhere, and no daemon started yet."""

    def __init__(self) -> None:
        self.spec = replace(Spec("bare"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        self.stage = Stage(scene(HEARTBEAT, DEAD_TIME), with_daemons=False)
        self.stage.set_up()


class SmallDisksTrial(Trial):
    """The lab's own scene, served by ha01, whose directories are on file systems of their own of half a megabyte each."""

    def __init__(self) -> None:
        self.spec = replace(Spec("disks"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        self.stage = Stage(scene(HEARTBEAT, DEAD_TIME))
        daemon = self.stage.daemons["ha01"]
        for directory in (daemon.runtime, daemon.state):
            os.makedirs(directory, exist_ok=True)
            kernel.mount("none", directory, "tmpfs", 0, "size=512k,mode=755")
        self.stage.set_up()
        self.served_by("ha01")
        self.rest()


def really_well(trial: Trial) -> bool:
    """All is well by the word of pulses that answer: for a while after a pulse died, its manager repeats an old status."""
    answers = (daemon.status() for daemon in trial.stage.daemons.values() if daemon.machine.powered)
    return all(status is not None and status["pulse"] == "answers" for status in answers) and not trial.stage.well()
