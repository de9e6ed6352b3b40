"""Two nodes of a cluster that are VRRP routers, and a witness: one network of advertisements, one of heartbeats."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace

from understudy.lab import kernel
from understudy.lab.cluster import CONFIGURATION, PROGRAM, Daemon
from understudy.lab.netns import LabError
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, player, two_networks
from understudy.lab.vrrp_pair import pair_scene
from understudy.units import MILLISECOND

MORE = "192.168.58.111"
ROUTER = {
    "device": "eth0",
    "id": 51,
    "version": 3,
    "interval": "100ms",
    "priority": {"ha01": 150, "ha02": 100},
    "addresses": [f"{ADDRESS}/24"],
}


def told(_: str) -> int:
    """The network of the advertisements is cut between the two for three seconds; then the master loses its power."""
    cluster = {"name": "leased", "heartbeat": "100ms", "dead_time": "500ms", "quorum": "majority"}
    players = (player("ha01", 101), player("ha02", 102), player("arbiter", 9, "witness"))
    scene = replace(two_networks("leased", players, cluster, {}), devices={"virtual_routers.site": ROUTER})
    stage = Stage(scene)
    stage.set_up()
    _until(stage, "ha01 serves", lambda: stage.watchers.who() == "ha01" and _state(stage, "ha02") == "BACKUP", 40.0)
    _until(stage, "it is heard", lambda: _router(stage, "ha02").get("master") is not None, 10.0)
    cut = kernel.now()
    stage.do("cut ha01 ha02 service on")
    _until(stage, "ha02 hears no master", lambda: "hears no master" in _warnings(stage, "ha02"), 10.0)
    time.sleep(2.0)
    found = stage.watchers.seen(cut, kernel.now())
    why, warnings = _router(stage, "ha02")["why"], _warnings(stage, "ha02")
    first = {"two": found.two, "after": found.after, "lost": found.lost, "state": _state(stage, "ha02"), "why": why}
    stage.do("cut ha01 ha02 service off")
    _until(stage, "it is heard again", lambda: "hears no master" not in _warnings(stage, "ha02"), 10.0)
    begun = kernel.now()
    reloads = _reloaded(stage)
    still = stage.watchers.seen(begun, kernel.now())
    again = {
        "two": still.two,
        "after": still.after,
        "said": reloads,
        "there": stage.room.machine("ha01").run(["ip", "-o", "address"]),
    }
    off = kernel.now()
    stage.do("power ha01 off")
    _until(stage, "ha02 serves", lambda: stage.watchers.who() == "ha02", 15.0)
    time.sleep(0.5)
    seen = stage.watchers.seen(off, kernel.now())
    outage = None if seen.address is None else seen.address.length / MILLISECOND
    print(
        json.dumps({"cut": first, "warnings": warnings, "reload": again, "off": {"two": seen.two, "outage_ms": outage}})
    )
    return 0


SECOND = """\
[routing]
node = "{name}"
[virtual_routers.site]
device = "eth0"
id = 51
version = 3
interval = "100ms"
priority = {priority}
addresses = ["{address}/24"]
second_path = {{ device = "eth1", peers = ["192.168.107.101", "192.168.107.102"] }}
"""


class Alone(Daemon):
    """Virtual routers alone, with the machine's own file."""

    def flags(self) -> list[str]:
        return ["--config", f"{self.directory}/routers.toml"]


def second(_: str) -> int:
    """No cluster, but a second path: the first one is cut, then the master stops, heard by the second alone."""
    stage = Stage(pair_scene(), with_daemons=False, native_file=False)
    stage.set_up()
    for name, priority in (("ha01", 150), ("ha02", 100)):
        daemon = stage.daemons[name] = Alone(stage.room.machine(name))
        with open(f"{daemon.directory}/routers.toml", "w", encoding="utf-8") as file:
            file.write(SECOND.format(name=name, priority=priority, address=ADDRESS))
        daemon.start()
    _until(stage, "ha01 serves", lambda: stage.watchers.who() == "ha01" and _state(stage, "ha02") == "BACKUP", 40.0)
    cut = kernel.now()
    stage.do("cut ha01 ha02 service on")
    _until(stage, "it is missed", lambda: "the master lives by another path" in _warnings(stage, "ha02"), 10.0)
    time.sleep(2.0)
    seen = stage.watchers.seen(cut, kernel.now())
    asked = kernel.now()
    stage.daemons["ha01"].signal("supervisor", signal.SIGTERM)
    _until(stage, "ha02 serves", lambda: stage.watchers.who() == "ha02", 10.0)
    gap = stage.watchers.seen(asked, kernel.now()).address
    told = {"two": seen.two, "after": seen.after, "lost": seen.lost}
    print(json.dumps({**told, "stop_ms": None if gap is None else gap.length / MILLISECOND}))
    return 0


def _reloaded(stage: Stage) -> list[str]:
    """One more address, on both nodes."""
    with open(CONFIGURATION, encoding="utf-8") as file:
        text = file.read().replace(f'"{ADDRESS}/24"', f'"{ADDRESS}/24", "{MORE}/24"')
    with open(CONFIGURATION, "w", encoding="utf-8") as file:
        file.write(text)
    said = []
    for name in ("ha02", "ha01"):
        command = [*PROGRAM, "reload", "--yes", "--runtime-dir", stage.daemons[name].runtime]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        said.append(f"{done.returncode} {done.stdout} {done.stderr}")
    _until(stage, "it is there", lambda: MORE in stage.room.machine("ha01").run(["ip", "-o", "address"]), 10.0)
    return said


def _router(stage: Stage, name: str) -> dict[str, object]:
    status = stage.daemons[name].status()
    routers = status["virtual_routers"] if status else []
    return routers[0] if routers else {}


def _state(stage: Stage, name: str) -> object:
    return _router(stage, name).get("state")


def _warnings(stage: Stage, name: str) -> str:
    status = stage.daemons[name].status()
    return "; ".join(status["warnings"]) if status else ""


def _until(stage: Stage, what: str, happened: Callable[[], bool], limit: float) -> None:
    end = time.monotonic() + limit
    while not happened():
        if time.monotonic() > end:
            lines = [f"{name}: {line}" for name, daemon in stage.daemons.items() for line in daemon.log_tail(20)]
            shown = [str(_router(stage, name)) + _warnings(stage, name) for name in ("ha01", "ha02")]
            raise LabError("\n".join([f"not within {limit:.0f} s: {what}", *lines, *shown]))
        time.sleep(0.02)
