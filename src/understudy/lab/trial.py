"""One measured run, in a world of its own: ``python -m understudy.lab.trial '{"kind": ..., ...}'`` prints its result as JSON.

Kinds: ``power-off`` (the outage at the client), ``move`` (the same for planned moves), ``kill`` (pulse, then manager killed),
``idle`` (memory and CPU time). Contenders: ``understudy``, and Debian's ``keepalived`` with everything at its defaults.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..units import MILLISECOND, SECOND, Duration, Instant, parse_duration
from . import inside, kernel
from .cluster import PARTS
from .netns import LabError, Machine
from .scene import Interface, Player, Scene, Watcher
from .stage import Stage

ADDRESS = "192.168.58.100"
_UP_WITHIN = 40.0
_KEEPALIVED = "/usr/sbin/keepalived"


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run. ``seed`` draws the phase of the fault; ``repeat`` is for kinds that need no fresh cluster each time."""

    kind: str
    contender: str = "understudy"
    heartbeat: str = "200ms"
    dead_time: str = "1s"
    advert: str = "0.1"
    seed: int = 1
    repeat: int = 1
    seconds: float = 20.0


def player(name: str, last: int, role: str = "node") -> Player:
    """A machine on both networks. ``last``: of its address on each, 1 to 254."""
    places = (("eth0", "service", "192.168.58"), ("eth1", "heartbeat", "192.168.107"))
    return Player(
        name, role, tuple(Interface(device, network, (f"{prefix}.{last}/24",)) for device, network, prefix in places)
    )


def two_networks(
    title: str, players: Iterable[Player], cluster: Mapping[str, Any], groups: Mapping[str, Any], page: str = ""
) -> Scene:
    """A network for the service and one for heartbeats; the client asks ``ADDRESS``, and for ``page`` (a URL) if there is one."""
    return Scene(
        title=title,
        networks=("service", "heartbeat"),
        players=tuple(players),
        cluster=cluster,
        groups=groups,
        client=Watcher("service", "192.168.58.200/24", asks=ADDRESS, page=page),
        observer=Watcher("service", "192.168.58.201/24"),
    )


def scene(heartbeat: str, dead_time: str) -> Scene:
    """Two nodes and a witness on two networks; one address, and a service that runs on both."""
    return two_networks(
        "bench",
        (player("ha01", 101), player("ha02", 102), player("arbiter", 9, "witness")),
        {"name": "bench", "heartbeat": heartbeat, "dead_time": dead_time, "quorum": "majority"},
        {"site": {"prefer": ["ha01", "ha02"], "resources": [{"address": f"{ADDRESS}/24", "device": "eth0"}]}},
    )


def keepalived_configuration(name: str, advert: str) -> str:
    """The configuration of the comparison: VRRP version 3, one address, all other values the program's own."""
    state, priority = ("MASTER", 150) if name == "ha01" else ("BACKUP", 100)
    return f"""\
global_defs {{
    router_id {name}
    vrrp_version 3
}}
vrrp_instance site {{
    state {state}
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        {ADDRESS}/24 dev eth0
    }}
}}
"""


def start_keepalived(machine: Machine, advert: str) -> None:
    """Start keepalived on a machine; its process-id files lie in the machine's own ``/run``, so none is ever stale."""
    if not os.access(_KEEPALIVED, os.X_OK):
        raise LabError("keepalived is not installed", "as root: apt-get install keepalived (its service need not run)")
    machine.run(["sh", "-c", "cat > /run/keepalived.conf"], keepalived_configuration(machine.name, advert))
    log = f"{inside.BASE}/{machine.name}/log"
    # Only VRRP (-P): the other half needs IPVS in the kernel.
    flags = ["--dont-fork", "--log-console", "--log-detail", "-P", "-f", "/run/keepalived.conf"]
    machine.spawn([_KEEPALIVED, *flags, "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid"], log)


class Trial:
    """A stage with a contender on it that serves."""

    def __init__(self, spec: Spec, start: Callable[[Machine], None] | None = None) -> None:
        """``start`` starts another contender on a machine; by default that is keepalived."""
        self.spec = spec
        self.random = random.Random(spec.seed)
        ours = spec.contender == "understudy"
        self.stage = Stage(scene(spec.heartbeat, spec.dead_time), with_daemons=ours)
        self.stage.set_up()
        if not ours:
            for name in self.stage.scene.nodes:
                machine = self.stage.room.machine(name)
                start_keepalived(machine, spec.advert) if start is None else start(machine)
            self.wait("ha01 serves", self._well, _UP_WITHIN)
        else:
            self.served_by("ha01")
        self.rest()

    def served_by(self, node: str) -> None:
        """Wait until somebody serves, and have it moved to ``node`` if it is another one: whose daemon is up first may win."""
        self.wait("somebody serves", lambda: self.stage.watchers.who() != "" and not self.stage.well(), _UP_WITHIN)
        if self.stage.watchers.who() != node:
            self.stage.do(f"move site {node}")
        self.wait(f"{node} serves", lambda: self.stage.watchers.who() == node and not self.stage.well(), _UP_WITHIN)

    def _well(self) -> bool:
        if self.stage.watchers.who() != "ha01":
            return False
        return self.spec.contender != "understudy" or not self.stage.well()

    def rest(self) -> None:
        """Let it stand for a second, and a random part of a heartbeat more."""
        step = parse_duration(self.spec.heartbeat) / SECOND
        if self.spec.contender != "understudy":
            step = float(self.spec.advert)
        time.sleep(1.0 + self.random.uniform(0, step))

    def wait(self, what: str, happened: Callable[[], bool], limit: float) -> None:
        """Raises LabError, with the end of the logs, when it does not happen within ``limit`` seconds."""
        end = time.monotonic() + limit
        while not happened():
            if time.monotonic() > end:
                lines = [f"{n}: {line}" for n, daemon in self.stage.daemons.items() for line in daemon.log_tail(8)]
                well = self.stage.well() if self.spec.contender == "understudy" else ""
                raise LabError("\n".join([f"not within {limit:.0f} s: {what}; {well}", *lines]))
            time.sleep(0.02)

    def outage(self, start: Instant, settle: Duration = 300 * MILLISECOND) -> dict[str, Any]:
        """What the client and the observer saw from ``start`` until now and ``settle`` more."""
        time.sleep(settle / SECOND)
        seen = self.stage.watchers.seen(start, kernel.now())
        gap = seen.address
        if gap is None:
            raise LabError("the client asked nothing: its process must have died")
        return {
            "outage_ms": gap.length / MILLISECOND,
            "mended": gap.mended,
            "client_late_ms": gap.own_lateness / MILLISECOND,
            "after": seen.after,
            "two": seen.two,
            "lost": seen.lost,
        }


def power_off(spec: Spec) -> list[dict[str, Any]]:
    """Cut the power of the machine that serves."""
    trial = Trial(spec)
    start = kernel.now()
    trial.stage.do("power ha01 off")
    trial.wait("ha02 serves", lambda: trial.stage.watchers.who() == "ha02", 15.0)
    return [trial.outage(start)]


def move(spec: Spec) -> list[dict[str, Any]]:
    """Ask for moves, to and fro. Keepalived knows no such request; a clean stop is its nearest thing, and not measured."""
    trial = Trial(spec)
    results = []
    for number in range(spec.repeat):
        target = ("ha02", "ha01")[number % 2]
        start = kernel.now()
        trial.stage.do(f"move site {target}")
        trial.wait(f"{target} serves", lambda to=target: trial.stage.watchers.who() == to, 10.0)  # type: ignore[misc]
        results.append(trial.outage(start))
        trial.wait("all is well", lambda: not trial.stage.well(), 10.0)
        trial.rest()
    return results


def kill(spec: Spec) -> list[dict[str, Any]]:
    """kill -9 of the pulse, and of the manager, on the machine that serves: requests lost, of one every 10 ms."""
    trial = Trial(spec)
    results = []
    dead_time = parse_duration(spec.dead_time)
    for _ in range(spec.repeat):
        for part in ("pulse", "manager"):
            start = kernel.now()
            trial.stage.do(f"kill ha01 {part}")
            time.sleep(dead_time / SECOND + 1.0)
            trial.wait("all is well", lambda: not trial.stage.well(), 15.0)
            result = trial.outage(start)
            questions = trial.stage.watchers.questions(start, kernel.now() - 50 * MILLISECOND)
            tenths = [sample for sample in questions if sample.sequence % 10 == 0]
            strangers = sum(sample.who not in (-1, 0) for sample in questions)
            lost = sum(not sample.answered for sample in tenths)
            results.append(
                {"part": part, **result, "asked_10ms": len(tenths), "lost_10ms": lost, "strangers": strangers}
            )
            trial.rest()
    return results


def idle(spec: Spec) -> list[dict[str, Any]]:
    """Memory and CPU time of the daemon on the machine that serves, with nothing to do."""
    trial = Trial(spec)
    daemon = trial.stage.daemons["ha01"]
    time.sleep(3.0)  # the spare pulse starts a while after the first
    processes = {part: daemon.processes(part) for part in PARTS}
    before = {part: sum(cpu(p.pid) for p in found) for part, found in processes.items()}
    start = time.monotonic()
    time.sleep(spec.seconds)
    span = time.monotonic() - start
    return [
        {
            "part": part,
            "processes": len(found),
            "rss_mb": sum(memory(p.pid, "Rss") for p in found),
            "pss_mb": sum(memory(p.pid, "Pss") for p in found),
            "cpu_percent": 100 * (sum(cpu(p.pid) for p in found) - before[part]) / span,
        }
        for part, found in processes.items()
    ]


def cpu(pid: int) -> float:
    """Seconds on a CPU of all threads, by the scheduler's own count (nanoseconds; ticks would be too coarse)."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / SECOND


def memory(pid: int, what: str) -> float:
    """Megabytes (10**6 bytes) resident, or the proportional share."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


KINDS: dict[str, Callable[[Spec], list[dict[str, Any]]]] = {
    "power-off": power_off,
    "move": move,
    "kill": kill,
    "idle": idle,
}


def main() -> None:
    spec = Spec(**json.loads(sys.argv[1]))
    sys.exit(inside.answer(lambda: {"spec": asdict(spec), "results": KINDS[spec.kind](spec)}))


if __name__ == "__main__":
    main()
