"""The benchmark of the load balancer's nf_tables: ``python -m understudy.lab.bench dataplane``.

A client (``wrk``), a balancer and two nginx in namespaces of one world. Contenders take turns: the servers asked directly, the
nf_tables plane by NAT and by direct routing, Debian's haproxy in TCP mode. ``kept``: requests per second over open connections;
``new``: with a connection for each. Told as ratios of medians, to the direct way and to haproxy; all share the processors.
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..adapters.nft_balance import PlaneNft
from ..balance import Place, SetServer, SetService, TableServer, TableService
from ..services import Forward, ServiceKey
from . import inside
from .netns import LabError, Machine, Room
from .old_bench import Judged

STRAIGHT, NAT, DIRECT, HAPROXY = "straight", "nat", "direct", "haproxy"
CONTENDERS = (STRAIGHT, NAT, DIRECT, HAPROXY)
KINDS = ("kept", "new")
_FRONT, _BACK, _ADDRESS = "10.9.0", "10.9.1", "10.9.0.100"
_SECONDS = 2
_PATIENCE = 20.0
_NGINX = """worker_processes 1; daemon off; pid {base}/{name}.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {base}; proxy_temp_path {base};
 server {{ listen 80 backlog=4096; location / {{ return 200 "page"; }} }} }}
"""
_HAPROXY = """defaults
 mode tcp
 timeout connect 5s
 timeout client 60s
 timeout server 60s
frontend web
 bind {front}.1:8080
 default_backend reals
backend reals
 balance roundrobin
 server one {front}.11:80
 server two {front}.12:80
"""

Runs = Mapping[str, Sequence[Mapping[str, float]]]


def put(forward: Forward) -> None:
    """Write the table of this namespace: two servers in turn."""
    plane, key = PlaneNft(), ServiceKey("tcp", _ADDRESS, 80)
    plane.read()
    net = _BACK if forward is Forward.NAT else _FRONT
    servers = [SetServer(key, TableServer(Place(f"{net}.{number}", 80), forward), True, "bench") for number in (11, 12)]
    refused = plane.apply([SetService(TableService(key, "rr"), True, "bench"), *servers])
    if refused:
        raise LabError(refused[0].text)


def _write(name: str, text: str) -> str:
    path = f"{inside.BASE}/{name}"
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def _room() -> Room:
    room = Room(["front", "back"])
    room.add("client", [("eth0", "front", [f"{_FRONT}.9/24"])])
    room.add("balancer", [("eth0", "front", [f"{_FRONT}.1/24", f"{_ADDRESS}/24"]), ("eth1", "back", [f"{_BACK}.1/24"])])
    for number in (11, 12):
        room.add(
            f"real{number}", [("eth0", "front", [f"{_FRONT}.{number}/24"]), ("eth1", "back", [f"{_BACK}.{number}/24"])]
        )
    for name in room.machines:
        room.power_on(name)
    for number in (11, 12):
        real = room.machine(f"real{number}")
        real.run(["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2"])
        real.run(["ip", "address", "add", f"{_ADDRESS}/32", "dev", "lo"])
        path = _write(f"nginx{number}", _NGINX.format(base=inside.BASE, name=real.name))
        real.spawn(["nginx", "-e", "/dev/null", "-c", path])
    room.machine("balancer").run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    room.machine("balancer").spawn(["haproxy", "-f", _write("haproxy", _HAPROXY.format(front=_FRONT))])
    return room


def _set_up(room: Room, contender: str) -> str:
    """Returns what to ask."""
    balancer = room.machine("balancer")
    balancer.run(["nft", "flush", "ruleset"])
    for number in (11, 12):
        verb = "replace" if contender == NAT else "flush"
        way = ["via", f"{_BACK}.1"] if contender == NAT else []
        room.machine(f"real{number}").run(["ip", "route", verb, f"{_FRONT}.9/32", *way])
    if contender in (NAT, DIRECT):
        balancer.run([sys.executable, "-m", "understudy.lab.plane_bench", contender])
    return {STRAIGHT: f"{_FRONT}.11:80", HAPROXY: f"{_FRONT}.1:8080"}.get(contender, f"{_ADDRESS}:80")


def _wait(client: Machine, target: str) -> None:
    """Until it answers."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            client.run(["curl", "-sf", "-o", "/dev/null", "--max-time", "1", f"http://{target}/"])
            return
        except LabError as error:
            if time.monotonic() > end:
                raise LabError(f"{target} does not answer") from error


def trial() -> dict[str, Any]:
    """One round of all contenders, in the director: {contender: {kind: requests per second}}."""
    room = _room()
    found: dict[str, dict[str, float]] = {}
    try:
        client = room.machine("client")
        for contender in CONTENDERS:
            target = _set_up(room, contender)
            _wait(client, target)
            found[contender] = {}
            for kind in KINDS:
                words = ["-H", "Connection: close"] if kind == "new" else []
                said = client.run(["wrk", "-t", "1", "-c", "50", "-d", str(_SECONDS), *words, f"http://{target}/"])
                rate = re.search(r"Requests/sec:\s*([\d.]+)", said)
                found[contender][kind] = float(rate[1]) if rate else 0.0
    finally:
        room.close()
    return {"results": [found]}


def judge(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> Judged:
    """The table. Nothing is promised but that each way answers."""
    said = Judged()
    said.lines.append(f"requests per second, medians of {len(rounds)}; to the servers asked directly; to haproxy")
    medians = {
        name: {kind: statistics.median(found[name][kind] for found in rounds) for kind in KINDS} for name in CONTENDERS
    }
    for kind in KINDS:
        for name in CONTENDERS:
            rate = medians[name][kind]
            ratios = [
                rate / medians[other][kind] if medians[other][kind] else float("nan") for other in (STRAIGHT, HAPROXY)
            ]
            said.lines.append(f"  {kind:6}{name:10}{rate:10.0f}   {ratios[0]:6.2f}   {ratios[1]:6.2f}")
            if not rate:
                said.broken.append(f"{name}, {kind}: no answers")
    said.figures = {"medians": medians}
    return said


def run(runs: int, ask: Callable[[], list[dict[str, Any]]]) -> tuple[list[dict[str, Any]], Judged]:
    """``ask`` makes one round in a process of its own."""
    rounds = [found for _ in range(runs) for found in ask()]
    return rounds, judge(rounds) if rounds else Judged()


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in (NAT, DIRECT):
        put(Forward(sys.argv[1]))
        return 0
    return inside.answer(trial)


if __name__ == "__main__":
    os._exit(main())
