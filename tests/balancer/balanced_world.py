"""Scenario D as a whole: a pair of ours with services, native; and two machines with the same in a keepalived.conf, or in
Heartbeat's files with an ldirectord.cf.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cluster_world import until
from web_farm import BALANCERS, FRONT, PAGE, PORTS, REALS, WAY_BACK, Farm, address_of

from understudy.lab.cluster import Daemon
from understudy.lab.netns import Machine
from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, Spec, Trial, player, two_networks
from understudy.lab.vrrp_pair import UNDERSTUDY, RouterRoom, definitions, instance, pair_scene
from understudy.units import MILLISECOND

FALL = 2
CHECK = {"http": PAGE, "text": "test Page", "every": "400ms", "timeout": "700ms", "fall": FALL}


def balanced_scene() -> Scene:
    """Two nodes that ping two of the servers; both addresses in one group."""
    addresses = [{"address": f"{ADDRESS}/24", "device": "eth0"}, {"address": f"{WAY_BACK}/24", "device": "eth1"}]
    scene = two_networks(
        "balanced",
        (player("ha01", 101), player("ha02", 102)),
        {
            "name": "balanced",
            "heartbeat": "200ms",
            "dead_time": "1s",
            "quorum": "pair",
            "ping": [f"{FRONT}.11", f"{FRONT}.12"],
        },
        {"site": {"prefer": list(BALANCERS), "failback": "never", "resources": addresses}},
    )
    return replace(scene, devices={f"services.{name}": service(name) for name in PORTS})


def service(name: str) -> Mapping[str, Any]:
    return {
        "address": f"{ADDRESS}:{PORTS[name]}",
        "scheduler": "rr",
        "forward": name,
        "servers": [address_of(real, name) for real in REALS],
        "check": CHECK,
        "fallback": "127.0.0.1:80",
    }


class BalancedTrial(Farm, Trial):
    """The group is on ha01, every server is up on both balancers, and the client asks both services."""

    def __init__(self, program: str = "nginx") -> None:
        self.spec = replace(Spec("balanced"), heartbeat="200ms", dead_time="1s")
        self.random = random.Random(self.spec.seed)
        Farm.__init__(self, Stage(balanced_scene(), interval=5 * MILLISECOND), program=program)
        self.stage.set_up()
        self.open()
        self.served_by("ha01")
        for balancer in BALANCERS:
            self.until_states(balancer, dict.fromkeys(REALS, "up"))


FEW = REALS[:2]


def virtual_server(name: str) -> str:
    """In the words of keepalived.conf."""
    servers = "".join(
        f"""\
    real_server {address_of(real, name).replace(":", " ")} {{
        HTTP_GET {{
            url {{
                path {PAGE}
                regex "test Page"
            }}
            connect_timeout 1
            retry {FALL - 1}
            delay_before_retry 0.3
        }}
    }}
"""
        for real in FEW
    )
    return f"""\
virtual_server {ADDRESS} {PORTS[name]} {{
    delay_loop 0.4
    lb_algo rr
    lb_kind {"DR" if name == "direct" else "NAT"}
    protocol TCP
    sorry_server 127.0.0.1 80
{servers}}}
"""


def router_file(balancer: str) -> str:
    """Both addresses are of one virtual router; ha01 is its master when it is there."""
    addresses = [f"{ADDRESS}/24 dev eth0", f"{WAY_BACK}/24 dev eth1"]
    router = instance("site", 51, 150 if balancer == "ha01" else 100, addresses, "advert_int 0.5")
    return definitions() + router + "".join(virtual_server(name) for name in PORTS)


class RouterTrial(Farm):
    """ha01 is master, every server is up on both, and the client asks both services."""

    def __init__(self) -> None:
        files = {name: router_file(name) for name in BALANCERS}
        self.room = RouterRoom(files, dict.fromkeys(BALANCERS, UNDERSTUDY), interval=5 * MILLISECOND)
        Farm.__init__(self, self.room.stage, FEW)
        self.open()
        self.room.start()
        for balancer in BALANCERS:
            self.until_states(balancer, dict.fromkeys(FEW, "up"))
        self.room.wait("ha01 serves", lambda: self.room.serves() == "ha01")


HA_CF = """\
node ha01 ha02
ucast eth1 192.168.107.101
ucast eth1 192.168.107.102
keepalive 200ms
deadtime 1
initdead 30
auto_failback off
"""
HARESOURCES = f"ha01 IPaddr::{ADDRESS}/24/eth0 IPaddr::{WAY_BACK}/24/eth1 ldirectord::web.cf\n"


def virtual(name: str) -> str:
    """In the words of ldirectord.cf."""
    way = "gate" if name == "direct" else "masq"
    servers = "".join(f"\treal={address_of(real, name)} {way}\n" for real in FEW)
    return f"""\
virtual={ADDRESS}:{PORTS[name]}
{servers}\tfallback=127.0.0.1:80 {way}
\tservice=http
\trequest="{PAGE.lstrip("/")}"
\treceive="test Page"
\tscheduler=rr
"""


LDIRECTORD = "checktimeout=5\nnegotiatetimeout=5\ncheckinterval=1\nquiescent=no\n" + "".join(map(virtual, PORTS))


class Node(Daemon):
    """Our daemon with Heartbeat's files, in a folder of the machine's own."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self.folder = f"{self.directory}/ha.d"
        self.balancer_log = f"{self.directory}/ldirectord.log"
        os.makedirs(f"{self.folder}/conf")
        keys = "auth 1\n1 sha1 secret\n"
        balanced = f'logfile="{self.balancer_log}"\n{LDIRECTORD}'  # the default is a file of this machine
        files = {"ha.cf": HA_CF, "haresources": HARESOURCES, "authkeys": keys, "conf/web.cf": balanced}
        for name, text in files.items():
            path = f"{self.folder}/{name}"
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(path, 0o600)

    def start(self, *by: str) -> None:
        # Not the lab's: its copy of the files, and what an upgrade would make of them.
        places = {"UNDERSTUDY_HEARTBEAT_DIR": "home", "UNDERSTUDY_NATIVE_CONFIG": "cluster.toml"}
        super().start("env", *(f"{name}={self.directory}/{place}" for name, place in places.items()), *by)

    def flags(self) -> list[str]:
        return ["--config", self.folder]


class HeartbeatTrial(Farm):
    """ha01 holds the line of haresources, every server is up on both, and the client asks both services."""

    def __init__(self) -> None:
        stage = Stage(pair_scene(), with_daemons=False, native_file=False, interval=5 * MILLISECOND)
        Farm.__init__(self, stage, FEW)
        stage.set_up()
        self.nodes = {name: Node(stage.room.machine(name)) for name in BALANCERS}
        stage.daemons |= self.nodes
        self.open()
        for balancer in BALANCERS:
            stage.daemons[balancer].start()
        for balancer in BALANCERS:
            self.until_states(balancer, dict.fromkeys(FEW, "up"))
        self.until_moved("ha01")

    def until_moved(self, balancer: str, *running: str) -> None:
        """Until that machine answers at the address, and its balancer alone serves. ``running``: all that have one."""
        until(f"{balancer} has the address", lambda: self.stage.watchers.who() == balancer, 60)
        wanted = {(name, service): name == balancer for name in running or BALANCERS for service in PORTS}

        def so() -> bool:
            return {(name, service): self.pool(name, service).get("serving") for name, service in wanted} == wanted

        until(f"the balancer of {balancer} serves", so)

    def hand_over(self, balancer: str) -> None:
        """``hb_standby`` there."""
        words = "import sys; from understudy.cli.compat import main; sys.argv = ['', 'hb_standby', 'hb_standby', 'all']; main()"
        runtime = self.stage.daemons[balancer].runtime
        self.stage.room.machine(balancer).run(["env", f"UNDERSTUDY_RUNTIME_DIR={runtime}", sys.executable, "-c", words])
