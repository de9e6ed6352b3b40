"""One measured run of checks, in a world of its own: ``python -m understudy.lab.checks_trial '{"kind": ...}'`` prints JSON.

Kinds: ``saturated`` (as many HTTP checks as go, from one process, of servers that are always asked again at once; contenders:
ours, and ``floor``, a loop that does nothing but the system calls of ours and looks at the status), ``paced`` (each server asked
at its interval; contenders: ours, and Debian's ``ldirectord`` with a stand-in for ``ipvsadm``, whose table always holds what it
wants), ``pulse`` (how late a process with the pulse's priority wakes every 10 ms, with and without checks).

All servers are one nginx at many addresses of the loopback. CPU time is that of the process that checks, of ldirectord's with its
children.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from ..balancer.engine import Engine
from ..balancer.reactor import CHANGES
from ..balancer.sockets import STREAM, Spares
from ..service_checks import Check, HttpQuestion, Page, Target
from ..units import MILLISECOND, SECOND
from ..wire.page import request_of
from . import inside, kernel
from .netns import LabError
from .pace import ASKER_PRIORITY

LDIRECTORD = "/usr/sbin/ldirectord"
_IPVSADM = "/usr/sbin/ipvsadm"
PORT, _STATUS_PORT = 8080, 8081
_PULSE_PRIORITY = 2 * ASKER_PRIORITY
_UP_WITHIN = 240.0
_TICK = 10 * MILLISECOND


@dataclass(frozen=True, slots=True)
class ChecksSpec:
    """What to run. ``contender``: understudy or ldirectord; for ``pulse`` "none" asks nothing. ``interval`` in seconds."""

    kind: str
    contender: str = "understudy"
    servers: int = 1000
    interval: float = 1.0
    seconds: float = 10.0


def address(number: int) -> str:
    return f"127.1.{number // 200}.{number % 200 + 1}"


def _own_processor() -> None:
    """The checks on the first, nginx on the last, where there are two."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@contextmanager
def web_server() -> Iterator[Callable[[], int]]:
    """nginx at every address of the loopback, on the last processor; gives how many requests it has answered."""
    requests = _counter()
    with socket.socket() as control:
        kernel.set_interface(control, "lo", True)
    path = f"{inside.BASE}/nginx.conf"
    text = f"""
user root; daemon off; worker_processes 1; pid {inside.BASE}/nginx.pid; error_log /dev/null crit;
worker_rlimit_nofile 65536;
events {{ worker_connections 30000; multi_accept on; }}
http {{
  access_log off; keepalive_timeout 0; client_body_temp_path {inside.BASE}; proxy_temp_path {inside.BASE};
  fastcgi_temp_path {inside.BASE}; uwsgi_temp_path {inside.BASE}; scgi_temp_path {inside.BASE};
  server {{ listen {PORT} backlog=8192; location / {{ default_type text/plain; return 200 "all is well\\n"; }} }}
  server {{ listen {_STATUS_PORT}; location / {{ stub_status; }} }}
}}
"""
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(processors)})
    server = subprocess.Popen(["nginx", "-p", inside.BASE, "-c", path], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    os.sched_setaffinity(0, processors)
    try:
        until(lambda: requests() >= 0, "nginx does not answer")
        yield requests
    finally:
        server.terminate()
        server.wait()


def _counter() -> Callable[[], int]:
    """How many requests nginx has answered, without these questions; -1 while it does not listen."""
    asked = 0

    def count() -> int:
        nonlocal asked
        found = _requests()
        asked += found >= 0
        return found - asked if found >= 0 else -1

    return count


def _requests() -> int:
    try:
        with socket.create_connection(("127.0.0.1", _STATUS_PORT), 5.0) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b""
            while more := connection.recv(4096):
                text += more
    except OSError:
        return -1
    return int(text.split(b"requests\n")[1].split()[2])


def until(holds: Callable[[], bool], complaint: str) -> None:
    end = time.monotonic() + _UP_WITHIN
    began = time.monotonic()
    while not holds():
        now = time.monotonic()
        if now > end:
            raise LabError(f"{complaint} within {_UP_WITHIN:.0f} s")
        time.sleep(
            max(0.05, now - began)
        )  # who looks at ten thousand servers all the time slows down what is looked at
        began = time.monotonic()


class Asking:
    """Our engine with checks of ``servers``, each at ``interval`` seconds, in this process."""

    def __init__(self, servers: int, interval: float) -> None:
        self.answers = self.failures = self.troubles = 0
        self.engine = Engine(self._answered, self._trouble)
        for number in range(servers):
            target = Target(address(number), PORT)
            self.engine.begin(number, Check(HttpQuestion(), target, int(interval * SECOND), 5 * SECOND))

    def _answered(self, number: int, failure: str, weight: int | None, took: int) -> None:
        self.answers += 1
        self.failures += bool(failure)

    def _trouble(self, number: int, text: str) -> None:
        self.troubles += 1

    def run(self, seconds: float) -> None:
        engine, reactor = self.engine, self.engine.reactor
        end = reactor.clock() + int(seconds * SECOND)
        while reactor.clock() < end:
            reactor.wait(min(engine.next_deadline(), end))
            engine.turn()


def _measured(asking: Asking, seconds: float) -> dict[str, Any]:
    gc.collect()
    gc.freeze()
    lateness = asking.engine.lateness
    lateness.begun = lateness.worst = lateness.over = lateness.stalled = 0
    answers, cpu, wall, waited = asking.answers, time.process_time(), time.monotonic(), waited_of(os.getpid())
    asking.run(seconds)
    answers, cpu, wall = asking.answers - answers, time.process_time() - cpu, time.monotonic() - wall
    return {
        "checks": answers,
        "checks_per_second": answers / wall,
        "checks_per_cpu_second": answers / cpu,
        "cpu_us": cpu * 1e6 / max(answers, 1),
        "failures": asking.failures,
        "troubles": asking.troubles,
        "late_worst_ms": lateness.worst / 1e6,
        "late_over": lateness.over,
        "starved_ms": (waited_of(os.getpid()) - waited) / 1e6,
    }


def waited_of(process: int) -> int:
    """Nanoseconds for which it could have run and others did (proc(5), schedstat)."""
    with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1])


def saturated(spec: ChecksSpec) -> list[dict[str, Any]]:
    with web_server():
        _own_processor()
        if spec.contender == "floor":
            return [_floor(spec)]
        asking = Asking(spec.servers, spec.interval)
        asking.run(1.0)
        return [_measured(asking, spec.seconds)]


def _floor(spec: ChecksSpec) -> dict[str, Any]:
    """What Python and the kernel need at least."""
    target = Target(address(0), PORT)
    request, spares = request_of(Page(), HttpQuestion(), target), Spares()
    poll, open_, count = select.epoll(), {}, 0
    for number in range(spec.servers):
        handle = socket.SocketType(socket.AF_INET, STREAM, 0)
        handle.connect_ex((address(number), PORT))
        poll.register(handle.fileno(), CHANGES)
        open_[handle.fileno()] = handle
    cpu, end = time.process_time(), time.monotonic() + spec.seconds
    while time.monotonic() < end:
        for descriptor, events in poll.poll(0.1, 128):
            handle = open_[descriptor]
            if events & select.EPOLLIN:
                count += handle.recv(16384)[9:12] == b"200"
                spares.keep(handle)
                spares.take(socket.AF_INET)
                handle.connect_ex((address(count % spec.servers), PORT))
            elif events & select.EPOLLOUT:
                handle.send(request)
    cpu = time.process_time() - cpu
    return {"checks": count, "checks_per_cpu_second": count / cpu, "cpu_us": cpu * 1e6 / max(count, 1)}


def paced(spec: ChecksSpec) -> list[dict[str, Any]]:
    with web_server() as requests:
        _own_processor()
        if spec.contender == "ldirectord":
            return [_ldirectord(spec, requests)]
        asking = Asking(spec.servers, spec.interval)
        asking.run(2 * spec.interval + spec.servers / 1000)
        return [_measured(asking, spec.seconds)]


def _ldirectord(spec: ChecksSpec, requests: Callable[[], int]) -> dict[str, Any]:
    """From its third round on, when it has nothing more to write."""
    table = (
        "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port\n"
    )
    reals = [f"{address(number)}:{PORT}" for number in range(spec.servers)]
    rows = "".join(f"  -> {real:28} Masq    1      0          0\n" for real in reals)
    stand_in = f"""#!/bin/sh
case "$*" in
  *thresholds*) cat {inside.BASE}/head ;;
  -L*) cat {inside.BASE}/table ;;
esac
"""
    config = (
        'checkinterval=1\nchecktimeout=5\nnegotiatetimeout=5\nsupervised=yes\nlogfile="local0"\nvirtual=127.0.0.1:80\n'
    )
    config += '\tscheduler=rr\n\tprotocol=tcp\n\tservice=http\n\trequest="/"\n'
    config += "".join(f"\treal={real} masq 1\n" for real in reals)
    files = {"head": table, "table": f"{table}TCP  127.0.0.1:80 rr\n{rows}", "ipvsadm": stand_in, "ld.cf": config}
    for name, text in files.items():
        with open(f"{inside.BASE}/{name}", "w", encoding="ascii") as file:
            file.write(text)
    os.chmod(f"{inside.BASE}/ipvsadm", 0o755)
    kernel.mount(f"{inside.BASE}/ipvsadm", _IPVSADM, None, kernel.MS_BIND)
    words = [LDIRECTORD, f"{inside.BASE}/ld.cf", "start"]
    director = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: requests() > 3 * spec.servers, "ldirectord has not asked every server three times")
        began, cpu, wall = requests(), cpu_of(director.pid), time.monotonic()
        time.sleep(spec.seconds)
        checks, cpu, wall = requests() - began, cpu_of(director.pid) - cpu, time.monotonic() - wall
    finally:
        director.kill()
        director.wait()
    return {"checks": checks, "checks_per_second": checks / wall, "cpu_us": cpu * 1e6 / max(checks, 1)}


def cpu_of(process: int) -> float:
    """Seconds, with those of its children that have ended (proc(5))."""
    with open(f"/proc/{process}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def pulse(spec: ChecksSpec) -> list[dict[str, Any]]:
    """How late a process with the pulse's priority wakes, in milliseconds."""
    with web_server() as requests:
        checker = 0
        if spec.contender != "none":
            checker = os.fork()
            if checker == 0:
                Asking(spec.servers, spec.interval).run(spec.seconds + 60.0)
                os._exit(0)
            until(lambda: requests() > spec.servers, "the checks did not begin")
        try:
            late = sorted(_wakings(spec.seconds))
        finally:
            if checker:
                os.kill(checker, signal.SIGKILL)
                os.waitpid(checker, 0)
    return [
        {
            "median_late_ms": statistics.median(late) / 1e6,
            "p99_late_ms": late[len(late) * 99 // 100] / 1e6,
            "worst_late_ms": late[-1] / 1e6,
            "wakings": len(late),
        }
    ]


def _wakings(seconds: float) -> list[int]:
    """Nanoseconds late, one for each 10 ms."""
    kernel.real_time(_PULSE_PRIORITY)
    gc.collect()
    gc.disable()
    start, found = kernel.now(), []
    for tick in range(1, int(seconds * SECOND) // _TICK + 1):
        due = start + tick * _TICK
        select.select((), (), (), max(due - kernel.now(), 0) / SECOND)
        found.append(kernel.now() - due)
    return found


KINDS: dict[str, Callable[[ChecksSpec], list[dict[str, Any]]]] = {
    "saturated": saturated,
    "paced": paced,
    "pulse": pulse,
}


def main() -> None:
    spec = ChecksSpec(**json.loads(sys.argv[1]))
    sys.exit(inside.answer(lambda: {"spec": asdict(spec), "results": KINDS[spec.kind](spec)}))


if __name__ == "__main__":
    main()
