"""Scenario D as a whole: a pair of ours with services, native; and two machines with the same in a keepalived.conf."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from web_farm import BALANCERS, FRONT, PAGE, PORTS, REALS, WAY_BACK, Farm, address_of

from understudy.lab.netns import Machine
from understudy.lab.scene import Scene
from understudy.lab.stage import Stage
from understudy.lab.trial import ADDRESS, Spec, Trial, player, two_networks
from understudy.lab.vrrp_pair import UNDERSTUDY, RouterRoom, definitions, instance
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

    def rules(self, balancer: str) -> str:
        """The balancer's part of the kernel's rules there."""
        return self.machine(balancer).run(["sh", "-c", "nft list table ip understudy_balance 2> /dev/null || true"])

    def machine(self, balancer: str) -> Machine:
        return self.stage.room.machine(balancer)
