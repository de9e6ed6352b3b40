"""One row of the fault matrix, in a world of its own: ``python -m understudy.lab.fault_row FAULT POLICY`` prints it as JSON."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import check
from ..units import MILLISECOND, SECOND, parse_duration
from . import inside, kernel, power_strip
from .cluster import CONFIGURATION
from .faults import PROGRAMS, Fault, fault
from .few_processes import FewProcesses
from .power_strip import PowerStrip
from .scene import Scene
from .stage import Stage
from .trial import ADDRESS, Spec, Trial, player, scene

HEARTBEAT, DEAD_TIME = "60ms", "300ms"
ROUTER, ROUTER_ADDRESS = "router", "192.168.58.1"
PROGRAM = f"{inside.BASE}/data"

_DATA = """#!/bin/sh
# Runs where /run/data exists; misbehaves where a file says so.
act=$1
[ -e /run/$act-hangs ] && exec sleep 86399
[ -e /run/$act-fails ] && { [ -e /run/once ] && rm -f /run/$act-fails; exit 1; }
case "$act" in
start) : > /run/data ;;
stop) rm -f /run/data ;;
status) [ -e /run/data ] || exit 3 ;;
esac
"""


def make_scene(policy: str, programs: bool) -> Scene:
    whole = scene(HEARTBEAT, DEAD_TIME)
    nodes = [player for player in whole.players if player.role == "node"]
    resources: list[dict[str, Any]] = [{"address": f"{ADDRESS}/24", "device": "eth0"}]
    if programs:
        limits = {"start_timeout": "1s", "stop_timeout": "1s", "monitor_timeout": "1s", "interval": "200ms"}
        resources.append({"script": PROGRAM, "name": "data", "exclusive": True, "restarts": 1, **limits})
    group = {"prefer": ["ha01", "ha02"], "failback": "never", "stop_timeout": "3s", "resources": resources}
    cluster: dict[str, Any] = {**whole.cluster, "quorum": "majority"}
    devices: dict[str, Any] = {}
    players = list(whole.players)
    if policy == "majority":
        players = [*nodes, player("ha03", 103)]
    elif policy == "pair":
        players = nodes
        cluster |= {"quorum": "pair", "ping": [ROUTER_ADDRESS]}
    elif policy == "fence":
        players = nodes
        cluster |= {"quorum": "fence"}
        devices = {"fence.strip": {"command": [power_strip.SCRIPT], "nodes": ["ha01", "ha02"], "timeout": "20s"}}
    found = replace(whole, title=policy, players=tuple(players), cluster=cluster, groups={"site": group})
    return replace(found, devices=devices)


class Row(Trial):
    """One policy's cluster, served by ha01, and the deeds that are no commands of ``stage``."""

    def __init__(self, policy: str, programs: bool) -> None:
        self.spec = replace(Spec("fault"), heartbeat=HEARTBEAT, dead_time=DEAD_TIME)
        self.random = random.Random(self.spec.seed)
        power_strip.install()
        with open(PROGRAM, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o755)) as file:
            file.write(_DATA)
        self.stage = Stage(make_scene(policy, programs))
        if policy == "pair":
            self.stage.room.add(ROUTER, [("eth0", "service", [f"{ROUTER_ADDRESS}/24"])])
            self.stage.room.power_on(ROUTER)
        self.full: FewProcesses | None = None
        self._disks()
        self.strip = PowerStrip(self.stage, [name for name in self.stage.daemons if name.startswith("ha")])
        self.stage.set_up()
        self.strip.start()
        self.served_by("ha01")
        self.rest()
        self.told = [*self.stage.told()]

    def _disks(self) -> None:
        """Each state directory is a file system of its own, so that it can be filled, or made read-only."""
        for daemon in self.stage.daemons.values():
            os.makedirs(daemon.state, exist_ok=True)
            kernel.mount("none", daemon.state, "tmpfs", 0, "size=512k,mode=755")

    def deed(self, name: str) -> None:
        deeds: dict[str, Callable[[], None]] = {
            "filter-heartbeats": self._filter,
            "fill-disk": self._fill,
            "read-only": self._read_only,
            "few-descriptors": self._few_descriptors,
            "burn": self._burn,
            "restart-all": self._restart_all,
            "no-fork": lambda: self._no_fork(tuple(self.stage.daemons)),
            "no-fork-there": lambda: self._no_fork(("ha01",)),
            "changed-file": self._changed_file,
            "standby": self._standby,
        }
        if name in deeds:
            deeds[name]()
        else:
            self._misbehave(name)

    def _standby(self) -> None:
        self.stage.do("standby ha01")

    def _filter(self) -> None:
        rules = "table inet cut { chain o { type filter hook output priority 0; udp dport 5694 drop; }; chain i "
        rules += "{ type filter hook input priority 0; udp dport 5694 drop; }; }"
        self.stage.room.machine("ha01").run(["nft", "-f", "-"], rules)

    def _fill(self) -> None:
        for daemon in self.stage.daemons.values():
            try:
                with open(f"{daemon.state}/full", "wb") as file:
                    while True:
                        file.write(bytes(4096))
            except OSError:
                pass

    def _read_only(self) -> None:
        for daemon in self.stage.daemons.values():
            kernel.mount("none", daemon.state, None, kernel.MS_REMOUNT | kernel.MS_RDONLY, "")

    def _few_descriptors(self) -> None:
        for daemon in self.stage.daemons.values():
            for process in daemon.processes():
                kernel.limit_files(process.pid, 256)

    def _burn(self) -> None:
        for name in ("ha01", "ha02"):
            for _ in range(2):
                self.stage.room.machine(name).spawn(["timeout", "4", "sh", "-c", "while :; do :; done"])

    def _no_fork(self, names: tuple[str, ...]) -> None:
        self.full = FewProcesses(f"understudy-lab-{os.getpid()}")
        self.full.take([process.pid for name in names for process in self.stage.daemons[name].processes()])

    def _changed_file(self) -> None:
        """ha02's daemon is killed and started with a file in which another node is preferred."""
        with open(CONFIGURATION, encoding="utf-8") as file:
            text = file.read()
        changed = text.replace('prefer = ["ha01", "ha02"]', 'prefer = ["ha02", "ha01"]')
        check(changed != text, "the file has no such line")
        with open(CONFIGURATION, "w", encoding="utf-8") as file:
            file.write(changed)
        self.stage.do("kill ha02")
        self.stage.do("start ha02")

    def _restart_all(self) -> None:
        for name in self.stage.daemons:
            self.stage.do(f"power {name} off")
        for name in self.stage.daemons:
            self.stage.do(f"power {name} on")

    def _misbehave(self, name: str) -> None:
        action = {"monitor-fails": "status-fails"}.get(name, name)
        machine = self.stage.room.machine("ha01")
        if name.startswith("start"):
            machine.run(["touch", f"/run/{action}"])
            machine.run(["rm", "-f", "/run/data"])
            return
        if name == "monitor-fails":
            machine.run(["touch", "/run/once"])
        machine.run(["touch", f"/run/{action}"])

    def serves(self, after: str) -> bool:
        who = self.stage.watchers.who()
        if after == "stays":
            return who == "ha01"
        if after == "moves":
            return who not in ("", "ha01")
        return after == "either" or (who != "") == (after == "any")


def measure(item: Fault, policy: str) -> dict[str, Any]:
    """Do it, watch, and say what was seen. Times in milliseconds."""
    row = Row(policy, item.name in PROGRAMS)
    dead_time = parse_duration(DEAD_TIME)
    start = kernel.now()
    try:
        for step in item.do:
            if isinstance(step, float):
                time.sleep(step * dead_time / SECOND)
            elif step.startswith("!"):
                row.deed(step[1:])
            elif step.startswith("thaw") and not row.stage.room.machine("ha01").powered:
                pass  # it was fenced meanwhile
            else:
                row.stage.do(step.format(address=ADDRESS))
        done = kernel.now()
        expected = item.expected(policy)
        end = time.monotonic() + 20.0
        while time.monotonic() < end and not (row.serves(expected) and kernel.now() - done > item.watch * dead_time):
            time.sleep(0.02)
        well = row.serves(expected)
        time.sleep(0.2)
        seen = row.stage.watchers.seen(start, kernel.now(), slow=item.slow)
        told = [told.text for told in row.stage.told()]
    finally:
        row.strip.close()
        row.stage.close()
        if row.full is not None:
            row.full.close()
    gap = seen.address
    return {
        "fault": item.name,
        "policy": policy,
        "outage_ms": None if gap is None else round(gap.length / MILLISECOND, 1),
        "mended": gap is not None and gap.mended,
        "two_ms": seen.two,
        "asked": seen.asked,
        "moves": sum("holds the lease" in text for text in told),
        "after": seen.after,
        "expected": expected,
        "as_expected": well,
    }


def main() -> None:
    name, policy = sys.argv[1:3]
    sys.exit(inside.answer(lambda: measure(fault(name), policy)))


if __name__ == "__main__":
    main()
