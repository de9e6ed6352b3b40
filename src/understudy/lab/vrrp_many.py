"""Trials with many, see ``vrrp_trial``: a thousand addresses of one virtual router, or hundreds of virtual routers."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from itertools import pairwise
from typing import Any

from ..units import MILLISECOND, SECOND, Duration, Instant
from . import kernel
from .inside import BASE
from .netns import LabError
from .samples import Samples, last_answer
from .trial import ADDRESS, cpu, memory
from .vrrp_pair import NODES, definitions, instance
from .vrrp_trial import PRIORITIES, VrrpSpec, VrrpTrial, all_addresses
from .vrrp_wire import ARP

_FINE = 5 * MILLISECOND
_CENSUS = (sys.executable, "-m", "understudy.lab.census")
_EVERY = 40
"""Of so many addresses one is asked often: a thousand two hundred times a second would be the load that is measured."""
_DEVICES = ("eth0", "eth1")


def thousand(spec: VrrpSpec) -> list[dict[str, Any]]:
    """Power off. ``last_ms``: from the end of Master_Down until the last address answers the client.

    One address of forty, the last ten too, are asked every 5 ms; that all of them answer is found out once, at the end.
    ``all_ms``: when the last address was first announced. ``gap_ms``: the longest time between two adverts of the new
    master in its first three intervals.
    """
    trial = VrrpTrial(spec)
    room, addresses = trial.room, all_addresses(spec.count)
    chosen = [*addresses[::_EVERY], *addresses[-10:]]
    for name in ("client", "observer"):
        room.shell(name, "ip address add 192.168.1.$(hostname | wc -c)/16 dev eth0")
    asker = [sys.executable, "-m", "understudy.lab.sweep", BASE, str(_FINE), ",".join(NODES)]
    room.machine("client").spawn([*asker, *chosen], f"{BASE}/sweep.log")
    trial.start()
    columns = _columns(chosen, trial)
    room.wait("ha01 has all", lambda: _all_by(columns, 0), 60.0)
    _, off = room.power_off_after_an_advert("ha01")
    base = trial.last_advert(off) + spec.down
    room.wait("ha02 has all", lambda: _all_by(columns, 1), 60.0)
    late = [(_first_by(column, 1, off) - base) / MILLISECOND for column in columns]
    time.sleep(3 * spec.interval / SECOND)
    sent = [frame.at for frame in room.wire.since(off, machine="ha02")]
    gaps = [(after - before) / MILLISECOND for before, after in pairwise(sent)]
    first: dict[str, Instant] = {}
    for frame in room.wire.since(off, ARP, "ha02"):
        first.setdefault(frame.addresses[0], frame.at)
    counted = room.machine("observer").run(
        [*_CENSUS, "eth0", "192.168.58.201", room.stage.room.cable("ha02", "eth0").mac, *addresses]
    )
    more = {"first_ms": min(late), "last_ms": max(late), "answering": int(counted), "announced": len(first)}
    all_ms = (max(first.values(), default=off) - base) / MILLISECOND
    return [trial.result(off, "ha01", addresses=len(addresses), all_ms=all_ms, gap_ms=max(gaps, default=0.0), **more)]


def _columns(addresses: list[str], trial: VrrpTrial) -> list[Samples]:
    columns: list[Samples] = []

    def opened() -> bool:
        try:
            columns[:] = [Samples.open(f"{BASE}/sweep.{address}") for address in addresses]
        except (FileNotFoundError, ValueError):
            return False
        return True

    trial.room.wait("all addresses are asked", opened, 20.0)
    return columns


def _all_by(columns: list[Samples], index: int, within: Duration = 200 * MILLISECOND) -> bool:
    now = kernel.now()
    newest = (last_answer(list(column.between(now - within, now))) for column in columns)
    return all(sample is not None and sample.who == index for sample in newest)


def _first_by(column: Samples, index: int, since: Instant) -> Instant:
    for sample in column.between(since, kernel.now()):
        if sample.answered and sample.who == index:
            return sample.answered
    raise LabError(f"{column.path}: no answer any more")


def many_files(spec: VrrpSpec) -> dict[str, str]:
    """So many virtual routers on two devices (a VRID is one byte), the first with the client's address."""
    files = {}
    for name, priority in PRIORITIES.items():
        text = definitions()
        for index in range(spec.count):
            vrid, device = 1 + index // len(_DEVICES), _DEVICES[index % len(_DEVICES)]
            address = ADDRESS if index == 0 else f"10.{index % 2}.{index // 200}.{1 + index // 2 % 100}"
            text += instance(
                f"r{index}", vrid, priority, [f"{address}/24 dev {device}"], f"advert_int {spec.advert}", device=device
            )
        files[name] = text
    return files


def many(spec: VrrpSpec) -> list[dict[str, Any]]:
    """CPU and memory of the process that has them all as master, for ``seconds``; ``missed``: adverts that should have left.

    An advert is missed when the next one of its virtual router comes more than one and a half intervals later.
    """
    trial = VrrpTrial(spec, many_files(spec))
    room = trial.room
    room.start()

    def all_masters() -> bool:
        since = kernel.now() - 2 * spec.interval
        return len({(frame.device, frame.vrid) for frame in room.wire.since(since, machine="ha01")}) == spec.count

    room.wait("ha01 is master of all", all_masters, 120.0)
    time.sleep(8.0)  # the second gratuitous ARPs are five seconds after the first
    processes = room.programs["ha01"].serving()
    begun, before = kernel.now(), sum(cpu(process.pid) for process in processes)
    time.sleep(spec.seconds)
    spent, ended = sum(cpu(process.pid) for process in processes) - before, kernel.now()
    proportional = sum(memory(process.pid, "Pss") for process in processes)
    resident = sum(memory(process.pid, "Rss") for process in processes)
    time.sleep(0.2)
    sent: dict[tuple[str, int], list[Instant]] = defaultdict(list)
    for frame in room.wire.since(begun, machine="ha01"):
        sent[frame.device, frame.vrid].append(frame.at)
    steps = [after - before for times in sent.values() for before, after in pairwise(times)]
    worst = max(steps) if len(sent) == spec.count else ended - begun
    rivals = {(frame.device, frame.vrid) for frame in room.wire.since(begun, machine="ha02")}
    return [
        trial.result(
            begun,
            routers=len(sent),
            cpu_percent=100 * spent / ((ended - begun) / SECOND),
            pss_mb=proportional,
            rss_mb=resident,
            missed=sum(step > 1.5 * spec.interval for step in steps) + (spec.count - len(sent)),
            longest_step_ms=worst / MILLISECOND,
            rivals=len(rivals),
        )
    ]
