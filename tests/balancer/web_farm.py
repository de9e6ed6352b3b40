"""Web servers behind a pair of balancers, and a client that opens connections all the time.

Two services of one address: ``direct`` (port 80) to the servers in its network, which have it on ``lo``; ``nat`` (port 8080 to
80) to the same servers in the other network, whose way back is the second address that the balancers share. The balancers are web
servers, too: the fallback. What the client's connections got stands in ``lab.samples``, one ring for each service; each server
counts by which network first packets of the client's connections came, so that one that was never answered is seen as well.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cluster_world import until

from understudy.cli.balancer_client import ask
from understudy.errors import UnderstudyError
from understudy.lab import kernel
from understudy.lab.inside import BASE
from understudy.lab.netns import Machine, Process
from understudy.lab.samples import Gap, Sample, Samples, longest_gap
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS
from understudy.units import MILLISECOND, NEVER, Instant

BALANCERS = ("ha01", "ha02")
REALS = ("real1", "real2", "real3", "real4")
NAMES = (*REALS, *BALANCERS)
FRONT, BACK = "192.168.58", "192.168.107"
WAY_BACK = f"{BACK}.100"
PORTS = {"direct": 80, "nat": 8080}
CLIENT = f"{FRONT}.200"

PAGE = "/lvs_testpage.html"
WRONG = "another page"
ASKED_EACH = 20 * MILLISECOND

NGINX = """\
worker_processes 1;
daemon off;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
    log_format seen '$remote_addr $server_addr $request_uri $body_bytes_sent';
    access_log {home}/access.log seen;
    client_body_temp_path {home};
    proxy_temp_path {home};
    server {{
        listen 80;
        root {home}/pages;
        if (-f {home}/slow) {{ set $limit_rate 40; }}
    }}
}}
"""
"""A server with the file ``slow`` sends 40 bytes each second, headers included."""

APACHE = """\
ServerRoot {home}
ServerName {name}
PidFile {home}/pid
DefaultRuntimeDir {home}
Mutex file:{home} default
Listen 80
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
StartServers 1
ServerLimit 2
ThreadsPerChild 16
MaxRequestWorkers 32
MinSpareThreads 4
MaxSpareThreads 32
User #65534
Group #65534
ErrorLog {home}/error.log
DocumentRoot {home}/pages
DirectoryIndex index.html
"""
PROGRAMS = {
    "nginx": (NGINX, ("nginx", "-e", "{home}/error.log", "-c", "{home}/conf")),
    "apache2": (APACHE, ("apache2", "-DFOREGROUND", "-f", "{home}/conf")),
}
"""Its configuration, and how it is started."""

_FURNISHED = f"""\
sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0
ip address add {ADDRESS}/32 dev lo
ip rule add from {BACK}.0/24 lookup 100
ip route add {BACK}.0/24 dev eth1 table 100
ip route add default via {WAY_BACK} table 100
nft -f - << END
table ip seen {{
    counter direct {{ }}
    counter nat {{ }}
    chain arriving {{
        type filter hook prerouting priority -500; policy accept;
        ip saddr {CLIENT} tcp flags & (syn | ack) == syn iifname eth0 counter name direct
        ip saddr {CLIENT} tcp flags & (syn | ack) == syn iifname eth1 counter name nat
    }}
}}
END
"""
"""A server: the address on ``lo``, and silent there; two ways, of which what came by the second goes back by the second; and
counters of the first packets of the client's connections."""


def address_of(real: str, service: str) -> str:
    """How a service names the server."""
    return f"{BACK if service == 'nat' else FRONT}.{11 + REALS.index(real)}:80"


class Web:
    """A real web server on a machine: killed, hung, with a wrong page, slow (nginx), and well again."""

    def __init__(self, machine: Machine, program: str) -> None:
        self.machine, self.program = machine, program
        self.home = f"{BASE}/web.{machine.name}"
        os.makedirs(f"{self.home}/pages")
        self.write(f"test Page of {machine.name}")
        with open(f"{self.home}/pages/index.html", "w", encoding="ascii") as file:
            file.write(f"served by {machine.name}")
        with open(f"{self.home}/conf", "w", encoding="ascii") as file:
            file.write(PROGRAMS[program][0].format(home=self.home, name=machine.name))

    def start(self) -> None:
        program, *words = (word.format(home=self.home) for word in PROGRAMS[self.program][1])
        self.machine.spawn([shutil.which(program, path="/usr/sbin:/usr/bin") or program, *words], f"{self.home}/log")

    def write(self, text: str) -> None:
        """Give the page that is checked; whole at any moment."""
        fresh = f"{self.home}/fresh"
        with open(fresh, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(fresh, f"{self.home}/pages{PAGE}")

    def slow(self, is_slow: bool) -> None:
        if is_slow:
            with open(f"{self.home}/slow", "w", encoding="ascii"):
                pass
        else:
            os.unlink(f"{self.home}/slow")

    def signal(self, number: signal.Signals) -> None:
        """To all of its processes."""
        assert self.machine.signal(self._processes(), number) > 1, f"{self.program} of {self.machine.name} runs"

    def _processes(self) -> list[Process]:
        return [process for process in self.machine.processes() if self.program in process.argv[0]]

    def is_of(self, line: tuple[str, str, str, int], service: str) -> bool:
        """Whether a line of ``asked`` is about a service."""
        return line[1].startswith(BACK) == (service == "nat")

    def wrong(self, service: str, balancer: str) -> list[int]:
        """Which lines of ``asked`` say that a balancer's check of a service got the wrong page."""
        host = f"{BACK if service == 'nat' else FRONT}.{101 + BALANCERS.index(balancer)}"
        return [at for at, line in enumerate(self.asked()) if (line[0], *line[2:]) == (host, PAGE, len(WRONG))]

    def asked(self) -> list[tuple[str, str, str, int]]:
        """All that nginx answered, in order: (who asked, at which address, path, bytes of the page)."""
        with open(f"{self.home}/access.log", encoding="ascii") as file:
            lines = [line.split() for line in file]
        return [(who, at, path, int(size)) for who, at, path, size in lines]


class Farm:
    """The servers, the client, and what there is to see of them. ``stage``: whose machines are not there yet."""

    def __init__(self, stage: Stage, reals: Sequence[str] = REALS, program: str = "nginx") -> None:
        self.stage, self.program = stage, program
        self.webs = {name: Web(self._real(name), program) for name in reals}

    def open(self) -> None:
        """Once all machines have power: web servers begin, and the client asks."""
        for name in BALANCERS:
            machine = self.stage.room.machine(name)
            machine.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
            self.webs[name] = Web(machine, self.program)
        for web in self.webs.values():
            web.start()
        client = self.stage.room.machine("client")
        for name, port in PORTS.items():
            words = [f"{BASE}/{name}", f"http://{ADDRESS}:{port}/", str(ASKED_EACH), *NAMES]
            client.spawn([sys.executable, "-m", "understudy.lab.client", "http", *words], f"{BASE}/client.log")
        self.rings = {name: self._ring(name) for name in PORTS}

    def _real(self, name: str) -> Machine:
        """A server in both networks. What comes to it by the second goes back by the second, through the balancer."""
        last = 11 + REALS.index(name)
        places = (("eth0", "service", FRONT), ("eth1", "heartbeat", BACK))
        room = self.stage.room
        room.add(name, [(device, network, [f"{net}.{last}/24"]) for device, network, net in places])
        machine = room.power_on(name)
        machine.run(["sh", "-ec", _FURNISHED])
        return machine

    def _ring(self, name: str) -> Samples:
        found: list[Samples] = []

        def opened() -> bool:
            try:
                found.append(Samples.open(f"{BASE}/{name}"))
            except (FileNotFoundError, ValueError):
                return False
            return True

        until(f"the client of {name} asks", opened)
        return found[0]

    # -- what is there

    def pool(self, balancer: str, name: str) -> dict[str, Any]:
        """A service as its balancer shows it; {} when it does not answer."""
        try:
            (found,) = ask(self.stage.daemons[balancer].runtime, do="pool", service=f"tcp {ADDRESS}:{PORTS[name]}")[
                "services"
            ]
        except (UnderstudyError, ValueError):
            return {}
        return dict(found)

    def server(self, balancer: str, name: str, real: str) -> dict[str, Any]:
        """One server of it."""
        wanted = address_of(real, name)
        return next((each for each in self.pool(balancer, name).get("servers", ()) if each["name"] == wanted), {})

    def rules(self, balancer: str) -> str:
        """The balancer's part of the kernel's rules there."""
        return self.stage.room.machine(balancer).run(
            ["sh", "-c", "nft list table ip understudy_balance 2> /dev/null || true"]
        )

    def until_states(self, balancer: str, wanted: Mapping[str, str], limit: float = 40.0) -> None:
        """Until these servers are in these states, for both services."""

        def so() -> bool:
            return all(
                self.server(balancer, name, real).get("state") == state
                for name in PORTS
                for real, state in wanted.items()
            )

        until(f"{balancer} has {dict(wanted)}", so, limit)

    def answers(self, name: str, start: Instant, end: Instant) -> list[Sample]:
        """The client's questions that were sent in this time."""
        return [item for item in self.rings[name].between(start, end) if start <= item.sent <= end]

    def who(self, name: str, start: Instant, end: Instant = NEVER) -> set[str]:
        """Who answered questions of this time; "nobody known" for a strange page."""
        asked = self.answers(name, start, min(end, kernel.now()))
        return {NAMES[item.who] if item.who >= 0 else "nobody known" for item in asked if item.answered}

    def until_answered_by(self, start: Instant, *wanted: str) -> None:
        """Until all of these have answered questions of after ``start``, of both services."""
        for name in PORTS:
            until(f"{wanted} answer {name}", lambda name=name: set(wanted) <= self.who(name, start))  # type: ignore[misc]

    def until_asked(self, name: str, start: Instant, count: int) -> None:
        """Until so many questions were asked after ``start``."""
        until(f"{name} is asked {count} times", lambda: len(self.answers(name, start, kernel.now())) > count)

    def until_all_answered(self, name: str, start: Instant, end: Instant) -> None:
        """Until every question of this time is answered: one that is lost fails the test."""

        def lost() -> list[int]:
            return [(item.sent - start) // MILLISECOND for item in self.answers(name, start, end) if not item.answered]

        until(f"no question to {name} is lost", lambda: not lost(), 5)

    def begun(self, *reals: str) -> dict[tuple[str, str], int]:
        """How many first packets of the client's connections each server has got, by (server, service)."""
        found = {}
        for real in reals:
            listed = json.loads(self.stage.room.machine(real).run(["nft", "-j", "list", "counters"]))
            for item in listed["nftables"]:
                if "counter" in item:
                    found[real, item["counter"]["name"]] = int(item["counter"]["packets"])
        assert len(found) == len(reals) * len(PORTS)
        return found

    def gap(self, name: str, start: Instant) -> Gap:
        """The longest time without an answer of a service around ``start``, until now."""
        samples = self.answers(name, start - 300 * MILLISECOND, kernel.now())
        before = max((item.answered for item in samples if 0 < item.answered <= start), default=start)
        found = longest_gap(samples, before, kernel.now())
        assert found is not None, f"the client did not ask {name}"
        return found
