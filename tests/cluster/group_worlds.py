"""Worlds with several groups of real programs: groups that depend on each other, and programs that fail by every policy."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cluster_world import until
from fence_world import STRIP, fence_scene
from other_worlds import DEAD_TIME, HEARTBEAT, really_well, write_program
from three_world import NODES, three_scene

from understudy.lab import power_strip
from understudy.lab.inside import BASE
from understudy.lab.netns import Process
from understudy.lab.power_strip import PowerStrip
from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, Spec, Trial

DIARY = f"{BASE}/diary"
"""Every machine sees it: who started and stopped what, in order."""

CAPACITY = 10


def program(name: str, **words: Any) -> dict[str, Any]:
    """A program in the foreground that is found among the processes by its name."""
    return {"command": [f"{BASE}/program", name], "name": f"{name}-program", "interval": "0s", **words}


def write_programs() -> None:
    """``program`` writes down when it starts and when it is asked to stop; a file ``hold.NAME`` keeps it from having started."""
    os.makedirs(BASE, exist_ok=True)
    texts = {
        "program": f'echo "$1 runs $UNDERSTUDY_NODE" >> {DIARY}; exec -a "program-$1" sleep 86398',
        "slow": _SLOW,
    }
    for name, text in texts.items():
        write_program(f"{BASE}/{name}", f"#!/bin/bash\n# Programs of the test's groups.\n{text}\n")


_SLOW = f"""
# Started once the file hold.NAME is gone; its stop hangs while stuck.NAME is there, and always fails while deny.NAME is.
case "$2" in
start) echo "$1 begins $UNDERSTUDY_NODE" >> {DIARY}
       while [ -e {BASE}/hold.$1 ]; do sleep 0.02; done
       : > /run/$1.runs; echo "$1 start $UNDERSTUDY_NODE" >> {DIARY} ;;
stop) [ -e {BASE}/stuck.$1 ] && exec sleep 86396; rm -f /run/$1.runs; echo "$1 stop $UNDERSTUDY_NODE" >> {DIARY}
      [ ! -e {BASE}/deny.$1 ] ;;
status) [ -e /run/$1.runs ] || exit 3 ;;
esac
"""


def slow(name: str, **words: Any) -> dict[str, Any]:
    """A script whose start takes until the file ``hold.NAME`` is gone."""
    return {"script": f"{BASE}/slow", "args": [name], "name": f"{name}-script", "interval": "0s", **words}


def diary() -> list[str]:
    try:
        with open(DIARY, encoding="ascii") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def processes(trial: Trial, name: str, node: str) -> list[Process]:
    machine = trial.stage.room.machine(node)
    return [item for item in machine.processes() if item.argv[0] == f"program-{name}"] if machine.powered else []


def where(trial: Trial, name: str) -> list[str]:
    """The machines on which a group's program really runs."""
    return [node for node in trial.stage.scene.nodes if processes(trial, name, node)]


def kill(trial: Trial, name: str, node: str) -> int:
    """The number of the process that was killed: there must be one."""
    (process,) = processes(trial, name, node)
    os.kill(process.pid, signal.SIGKILL)
    return process.pid


def group(trial: Trial, at: str, name: str) -> dict[str, Any]:
    status = trial.stage.daemons[at].status()
    return next((item for item in status["groups"] if item["name"] == name), {}) if status else {}


class RoomyScene(Scene):
    """Every node has a capacity."""

    def configuration(self, key_file: str) -> str:
        text = super().configuration(key_file)
        for name in self.nodes:
            text = text.replace(f"[nodes.{name}]", f"[nodes.{name}]\ncapacity = {CAPACITY}")
        return text


def company() -> Mapping[str, Any]:
    """``db`` first, ``site`` after it, ``reports`` where site is, ``mail`` never where db is, ``big`` where there is room."""
    address = {"address": f"{ADDRESS}/24", "device": "eth0"}
    return {
        "db": {"prefer": ["n1", "n2", "n3"], "weight": 6, "resources": [slow("db"), program("db")]},
        "site": {"prefer": ["n2", "n1", "n3"], "after": ["db"], "weight": 3, "resources": [address, program("site")]},
        "reports": {"with": "site", "after": ["site"], "resources": [program("reports")]},
        "mail": {"prefer": ["n3", "n1", "n2"], "apart": ["db"], "resources": [program("mail")]},
        "big": {"prefer": ["n3", "n1", "n2"], "weight": 8, "resources": [program("big")]},
    }


class CompanyTrial(Trial):
    """Three nodes and five groups; power has just come, and whose daemon is up first decides what runs where at first."""

    groups: Mapping[str, Any] = company()

    def __init__(self) -> None:
        self.spec = replace(Spec("company"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        shape = replace(three_scene(), title="company", groups=self.groups)
        write_programs()
        self.stage = Stage(RoomyScene(**{name: getattr(shape, name) for name in shape.__slots__}))
        assert self.stage.scene.nodes == NODES
        self.stage.set_up()


def hold(name: str, on: bool, word: str = "hold") -> None:
    if on:
        with open(f"{BASE}/{word}.{name}", "w", encoding="ascii"):
            pass
    else:
        os.unlink(f"{BASE}/{word}.{name}")


def failing() -> Mapping[str, Any]:
    """A group for each policy; all begin on ha01 and stay where they have gone."""

    def one(*resources: dict[str, Any], **words: Any) -> dict[str, Any]:
        return {"prefer": ["ha01", "ha02"], "failback": "never", "resources": list(resources), **words}

    return {
        "site": one({"address": f"{ADDRESS}/24", "device": "eth0"}),
        "again": one(program("again", on_failure="restart", restarts=1)),
        "hop": one(program("hop", on_failure="move")),
        "calm": one(program("calm", on_failure="ignore"), program("beside")),
        "left": one(slow("left", on_stop_failure="go-on", stop_timeout="500ms"), program("left"), stop_timeout="1s"),
        "stuck": one(slow("stuck", on_stop_failure="fence", stop_timeout="500ms"), program("stuck")),
        "denied": one(slow("denied", on_stop_failure="fence"), program("denied")),
        "doomed": one(program("doomed", on_failure="fence", restarts=0, exclusive=True), stop_timeout="60s"),
    }


class FailingTrial(Trial):
    """Two nodes, a witness and a power strip; every group is on ha01."""

    def __init__(self) -> None:
        self.spec = replace(Spec("failing"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        power_strip.install()
        write_programs()
        self.stage = Stage(fence_scene(failing(), {"fence.strip": STRIP}, witness=True))
        self.strip = PowerStrip(self.stage, ("ha01", "ha02"))
        self.stage.set_up()
        self.strip.start()
        self.served_by("ha01")
        until("all is well", lambda: really_well(self))
        for name in self.stage.scene.groups:
            if group(self, "ha01", name).get("holder") != "ha01":  # ha02's daemon was up first, and nothing fails back
                self.stage.do(f"move {name} ha01")
        until(
            "all is on ha01", lambda: all(where(self, name) == ["ha01"] for name in ("again", "hop", "calm", "doomed"))
        )
        until("all is well", lambda: really_well(self))


class StagesTrial(CompanyTrial):
    """One group: an address, then ``cache`` and ``db`` at the same time, then ``web``. The first two are kept from starting."""

    groups: Mapping[str, Any] = {
        "site": {
            "prefer": ["n1", "n2", "n3"],
            "failback": "never",
            "resources": [
                {"address": f"{ADDRESS}/24", "device": "eth0"},
                [slow("cache"), slow("db")],
                slow("web"),
            ],
        }
    }

    def __init__(self) -> None:
        os.makedirs(BASE, exist_ok=True)
        for name in ("cache", "db"):
            hold(name, True)
        super().__init__()
