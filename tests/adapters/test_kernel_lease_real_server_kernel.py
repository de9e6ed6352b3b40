"""The kernel's lease on a balancer that is a real server, too: without the lease it serves what others send it, and no more."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from netns import Lab, inside

from understudy.adapters import kernel_lease_flat
from understudy.adapters.agent_real_server import RealServerRunner
from understudy.adapters.kernel_lease import KernelLeases
from understudy.adapters.kernel_lease_setup import setup
from understudy.effects import Action
from understudy.model import AddressResource, Cluster, Group, Quorum, RealServerResource
from understudy.units import SECOND

pytestmark = pytest.mark.kernel

PORT = 4000
ADDRESSES = ("10.50.0.100", "fd50::100")


def perform(runner: RealServerRunner, action: Action) -> str:
    """It waits for nothing, so no loop is needed."""
    try:
        runner.perform(action, SECOND, {}, False).send(None)
    except StopIteration as done:
        return str(done.value[0].value)
    raise AssertionError("it waited")


def cluster(address: str, *more: RealServerResource) -> Cluster:
    groups = (Group("web", (AddressResource("a", address, 64, "eth0"),)), Group("real", more))
    return Cluster("test", "key", SECOND // 5, SECOND, Quorum.MAJORITY, (), groups)


class Bench:
    """A balancer and a client that knows the way to it."""

    def __init__(self, lab: Lab, address: str) -> None:
        self.address, self.prefix = address, 128 if ":" in address else 32
        self.node, self.client = lab.machine("node"), lab.machine("client")
        lab.segment({self.node: "10.50.0.1/24 fd50::1/64", self.client: "10.50.0.9/24 fd50::9/64"})
        self.client.run(f"ip neigh replace {address} lladdr {self.node.mac()} dev eth0 nud permanent")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(self.node):
            self.service = socket.socket(family, socket.SOCK_DGRAM)
            self.service.setsockopt(
                socket.IPPROTO_IP if family == socket.AF_INET else socket.IPPROTO_IPV6, *_TRANSPARENT[family]
            )
            self.service.bind((address, PORT))
        with inside(self.client):
            self.sender = socket.socket(family, socket.SOCK_DGRAM)
            self.sender.connect((address, PORT))

    def on_device(self, verb: str) -> None:
        nodad = " nodad" if verb == "add" and self.prefix == 128 else ""
        self.node.run(f"ip address {verb} {self.address}/{self.prefix} dev eth0{nodad}")

    def served(self, patience: float) -> bool:
        """Whether the client has an answer, whose source is the address. ``patience`` in seconds.

        Asked again and again: a datagram may be lost while neighbours look for each other.
        """
        ends = time.monotonic() + patience
        self.sender.settimeout(0.2)
        self.service.settimeout(0.2)
        while time.monotonic() < ends:
            try:
                self.sender.send(b"?")
                _, who = self.service.recvfrom(9)
                self.service.sendto(b"!", who)
                if self.sender.recv(9) == b"!":
                    return True
            except (TimeoutError, PermissionError):
                continue
        return False


_TRANSPARENT = {socket.AF_INET: (15, 1), socket.AF_INET6: (78, 1)}
"""IP_FREEBIND and IPV6_FREEBIND: bound before the address is there."""


FORMS = {
    "own-tables": (KernelLeases, setup),
    "shared-tables": (lambda site, _: kernel_lease_flat.flat_leases(site), kernel_lease_flat.setup),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by_hand", [False, True], ids=["by-us", "by-hand"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_what_comes_to_lo_is_served_without_the_lease(
    lab: Lab, tmp_path: Path, address: str, by_hand: bool, form: str
) -> None:
    """``by_hand``: somebody had put the address on ``lo`` before the resource was started. Many routers share their tables."""
    made, set_up = FORMS[form]
    bench = Bench(lab, address)
    if by_hand:
        bench.node.run(f"ip address add {address}/{bench.prefix} dev lo")
    resource = RealServerResource("r", address)
    with inside(bench.node):
        runner = RealServerRunner(resource, str(tmp_path / "note.json"))
        assert perform(runner, Action.START) == "ok"
        site = cluster(address, resource)
        assert set_up(site) is None
        leases = made(site, set_up)
    assert bench.served(10.0), "a real server needs no lease"
    bench.on_device("add")
    assert not bench.served(0.2), "its own device has the address now: only with the lease"
    with inside(bench.node):
        assert leases.hold("web", 60 * SECOND) is None
    assert bench.served(10.0)
    with inside(bench.node):
        assert leases.end("web") is None
        assert set_up(site) is None, "brought up to date"
    assert not bench.served(0.2)
    bench.on_device("del")
    assert bench.served(10.0)
    leases.close()


@pytest.mark.parametrize("form", FORMS)
def test_an_address_that_is_no_real_servers_waits_for_the_lease_on_every_device(lab: Lab, form: str) -> None:
    bench = Bench(lab, ADDRESSES[0])
    bench.node.run(f"ip address add {bench.address}/32 dev lo")
    with inside(bench.node):
        assert FORMS[form][1](cluster(bench.address)) is None
    assert not bench.served(0.2)
    bench.on_device("add")
    assert not bench.served(0.2), "a frozen holder would go on here"
