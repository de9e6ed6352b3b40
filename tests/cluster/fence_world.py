"""Two nodes that can switch each other off, and three votes with fence devices: a power strip for machines of the lab."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from other_worlds import DEAD_TIME, HEARTBEAT, write_program

from understudy.lab import power_strip, stand_in
from understudy.lab.power_strip import PowerStrip
from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.stand_in import StandIns
from understudy.lab.trial import ADDRESS, Spec, Trial, scene

MARK = "86397"
"""The first of the program's words: a program that must not run twice is found among the processes by it."""

STRIP = {"command": [power_strip.SCRIPT], "nodes": ["ha01", "ha02"], "timeout": "20s"}
SECOND = "192.168.58.110"


def exclusive_group(address: str = ADDRESS, prefer: tuple[str, ...] = ("ha01", "ha02")) -> dict[str, Any]:
    resources: list[dict[str, Any]] = [
        {"address": f"{address}/24", "device": "eth0"},
        {
            "command": ["/usr/bin/sleep", MARK, address.rpartition(".")[2]],
            "name": f"data-{address}",
            "exclusive": True,
            "stop_timeout": "2s",
        },
    ]
    return {"prefer": list(prefer), "failback": "never", "stop_timeout": "10s", "resources": resources}


def fence_scene(groups: Mapping[str, Any], devices: Mapping[str, Any], witness: bool = False) -> Scene:
    whole = scene(HEARTBEAT, DEAD_TIME)
    players = tuple(player for player in whole.players if witness or player.role == "node")
    quorum = "majority" if witness else "fence"
    found = replace(whole, title="fence", players=players, cluster={**whole.cluster, "quorum": quorum})
    return replace(found, groups=groups, devices=devices)


class FenceTrial(Trial):
    """``strip``: the device. Served by ha01."""

    quorum_witness = False

    def __init__(self) -> None:
        self.spec = replace(Spec("fence"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        power_strip.install()
        self.stage = Stage(fence_scene(self.groups(), {"fence.strip": STRIP}, self.quorum_witness))
        self.strip = PowerStrip(self.stage, ("ha01", "ha02"))
        self.stage.set_up()
        self.strip.start()
        self.served_by("ha01")
        self.rest()

    def groups(self) -> dict[str, Any]:
        return {"site": exclusive_group()}


class MutualTrial(FenceTrial):
    """Each node holds a group: when they lose each other, both want to switch the other off."""

    def groups(self) -> dict[str, Any]:
        return {"site": exclusive_group(), "mail": exclusive_group(SECOND, ("ha02", "ha01"))}


class MajorityTrial(FenceTrial):
    """Two nodes and a witness, with the same power strip."""

    quorum_witness = True


class WatchdogTrial(Trial):
    """Two nodes and a witness; each node has a watchdog of two seconds. Served by ha01."""

    def __init__(self) -> None:
        self.spec = replace(Spec("watchdog"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        stuck = {
            "script": "/run/lab/data",
            "name": "data",
            "exclusive": True,
            "stop_timeout": "1s",
            "interval": "0s",
        }
        group = {**exclusive_group(), "resources": [{"address": f"{ADDRESS}/24", "device": "eth0"}, stuck]}
        write_program("/run/lab/data", _DATA)
        shape = fence_scene(
            {"site": group}, {"watchdog": {"device": stand_in.path("ha01"), "timeout": "2s"}}, witness=True
        )
        self.stage = Stage(WatchdogScene(**{name: getattr(shape, name) for name in shape.__slots__}))
        self.dogs = StandIns(self.stage, ("ha01", "ha02"), 2.0)
        self.stage.set_up()
        self.served_by("ha01")
        self.rest()


class WatchdogScene(Scene):
    """ha02 has a device of its own."""

    def configuration(self, key_file: str) -> str:
        text = super().configuration(key_file)
        return text.replace("[nodes.ha02]", f'[nodes.ha02]\nwatchdog = "{stand_in.path("ha02")}"')


_DATA = """#!/bin/sh
# Runs on the machine on which /run/data exists; its stop hangs where /run/stuck exists.
case "$1" in
start) : > /run/data ;;
stop) [ -e /run/stuck ] && exec sleep 86399; rm -f /run/data ;;
status) [ -e /run/data ] || exit 3 ;;
esac
"""


def runs(trial: Trial, name: str) -> bool:
    """Whether the exclusive program of any group runs on that machine."""
    machine = trial.stage.room.machine(name)
    return machine.powered and any(MARK in process.argv for process in machine.processes())
