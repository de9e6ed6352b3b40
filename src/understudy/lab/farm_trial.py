"""One measured run of a balancer with very many servers: ``python -m understudy.lab.farm_trial '{"kind": "farm"}'`` prints JSON.

A keepalived.conf with a hundred services is read and copied as ``understudy run`` does it, and the balancer's process is started
with that. Every tenth server is of a web server of its own; that one is killed and started again, so that they all go at once and
come back at once, and the kernel's table is read until it says so. The servers are two nginx at many local addresses.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ..adapters.nft_balance import PlaneNft
from ..config.load import examine, load_for_pulse
from ..config.render import render
from ..config.service_copy import copy_of, write_copy
from . import inside
from .checks_trial import PORT, ChecksSpec, cpu_of, until, waited_of, web_server

SERVICES = 100
_OTHER_PORT = PORT + 2
_NGINX = """daemon off; worker_processes 1; pid {base}/other.pid; error_log /dev/null crit; worker_rlimit_nofile 65536;
events {{ worker_connections 30000; multi_accept on; }}
http {{ access_log off; keepalive_timeout 0; client_body_temp_path {base}; proxy_temp_path {base}; fastcgi_temp_path {base};
  uwsgi_temp_path {base}; scgi_temp_path {base}; server {{ listen {port} backlog=8192; location / {{ return 200 "well"; }} }} }}
"""
_CHECKS = ("HTTP_GET {\n url {\n path /health\n status_code 200\n }\n", "TCP_CHECK {\n")


@dataclass(frozen=True, slots=True)
class FarmSpec(ChecksSpec):
    """``servers``: of all services together."""


def places(spec: FarmSpec) -> list[list[tuple[str, int]]]:
    """Address and port of each server, service by service; every tenth is one of those that go."""
    each = range(spec.servers // SERVICES)
    return [[(f"10.77.{s}.{n + 1}", _OTHER_PORT if n % 10 == 9 else PORT) for n in each] for s in range(SERVICES)]


def keepalived_conf(spec: FarmSpec) -> str:
    """Half of the services ask for a page, half for a connection; one failure is enough."""
    lines = []
    for number, servers in enumerate(places(spec)):
        lines.append(
            f"virtual_server 10.76.0.{number + 1} 80 {{\n delay_loop {spec.interval:g}\n lb_algo rr\n lb_kind NAT\n"
        )
        lines.append(" protocol TCP\n retry 0\n")
        for address, port in servers:
            lines.append(
                f" real_server {address} {port} {{\n weight 1\n {_CHECKS[number % 2]} connect_timeout 3\n }}\n }}\n"
            )
        lines.append("}\n")
    return "".join(lines)


@contextmanager
def _other_server() -> Iterator[None]:
    path = f"{inside.BASE}/other.conf"
    with open(path, "w", encoding="ascii") as file:
        file.write(_NGINX.format(base=inside.BASE, port=_OTHER_PORT))
    server = subprocess.Popen(["nginx", "-p", inside.BASE, "-c", path], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def _prepare(path: str, folder: str) -> None:
    """What ``understudy run`` does until it starts the processes."""
    cluster, problems = examine(path)
    if cluster is None:
        raise ValueError(str(problems[0]))
    with open(f"{folder}/running.toml", "w", encoding="utf-8") as file:
        file.write(render(cluster))
    with open(f"{folder}/services.json", "w", encoding="utf-8") as file:
        file.write(write_copy(copy_of(cluster, "balancer")))
    load_for_pulse(f"{folder}/running.toml")


def _start(folder: str) -> subprocess.Popen[bytes]:
    words = ["--config", "none", "--node", "balancer", "--runtime-dir", folder, "--state-dir", folder]
    command = [sys.executable, "-m", "understudy.balancer", *words]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _memory(process: int) -> float:
    """PSS in MiB (proc(5))."""
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def farm(spec: FarmSpec) -> list[dict[str, Any]]:
    """Seconds until the whole table stands, and until the table is right after the tenth has gone, and is back."""
    path, folder = f"{inside.BASE}/keepalived.conf", f"{inside.BASE}/farm"
    os.makedirs(folder)
    with open(path, "w", encoding="ascii") as file:
        file.write(keepalived_conf(spec))
    subprocess.run(["ip", "route", "add", "local", "10.77.0.0/16", "dev", "lo"], check=True)
    everybody = {place for servers in places(spec) for place in servers}
    stay = {place for place in everybody if place[1] == PORT}
    plane = PlaneNft()

    def stands(wanted: set[tuple[str, int]]) -> bool:
        seen = plane.read().services
        return {(item.place.address, item.place.port) for _, servers in seen for item in servers} == wanted

    with web_server():
        with _other_server():
            began, worked = time.monotonic(), time.process_time()
            _prepare(path, folder)
            prepared, worked = time.monotonic(), time.process_time() - worked
            balancer = _start(folder)
            try:
                until(lambda: os.path.exists(f"{folder}/balancer.sock") and stands(everybody), "the table is not whole")
                loaded, worked = time.monotonic(), worked + cpu_of(balancer.pid)
                time.sleep(spec.interval + 1.0)  # each was asked at least once
                until(lambda: stands(everybody), "good servers were taken out")
            except BaseException:
                balancer.kill()
                raise
        try:
            gone, waited = time.monotonic(), waited_of(balancer.pid)
            until(lambda: stands(stay), "those that are gone are not taken out")
            out, waited = time.monotonic(), waited_of(balancer.pid) - waited
            with _other_server():
                again = time.monotonic()
                until(lambda: stands(everybody), "those that are back are not taken in")
                back = time.monotonic()
                return [
                    {
                        "read_s": prepared - began,
                        "loaded_s": loaded - began,
                        "loaded_cpu_s": worked,
                        "out_s": out - gone,
                        "back_s": back - again,
                        "interval_s": spec.interval,
                        "starved_s": waited / 1e9,
                        "pss_mib": _memory(balancer.pid),
                    }
                ]
        finally:
            balancer.kill()
            balancer.wait()


def main() -> None:
    spec = FarmSpec(**json.loads(sys.argv[1]))
    sys.exit(inside.answer(lambda: {"spec": asdict(spec), "results": farm(spec)}))


if __name__ == "__main__":
    main()
