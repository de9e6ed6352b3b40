"""What virtual routers must not do, in a real kernel: answer without accepting, report groups by a virtual MAC."""

from __future__ import annotations

import socket
import struct

import pytest
from netns import Lab, Machine, inside

from understudy.adapters.router_filter import closed, setup, teardown
from understudy.model import Cluster, Quorum
from understudy.units import SECOND
from understudy.vrrp_files import RouterAddress, RouterFiles, VirtualMac, VirtualRouter

pytestmark = pytest.mark.kernel

ETH_P_ALL = 3
OPEN, CLOSED, SIX = "10.50.0.100", "10.50.0.101", "fd50::100"


def _router(name: str, address: str, accept: bool, priority: int = 100, mac: str = "") -> VirtualRouter:
    six = ":" in address
    here = (RouterAddress(address, 64 if six else 24, "eth0"),)
    own = VirtualMac(mac) if mac else None
    family = 6 if six else 4
    return VirtualRouter(name, "eth0", 7, here, family, priority=priority, accept=accept, virtual_mac=own)


def _cluster(*routers: VirtualRouter) -> Cluster:
    return Cluster("ha", "", SECOND, SECOND, Quorum.MAJORITY, (), (), routers=RouterFiles(routers))


@pytest.fixture
def machines(lab: Lab) -> tuple[Machine, Machine]:
    node, client = lab.machine("node"), lab.machine("client")
    lab.segment({node: f"10.50.0.1/24 fd50::1/64 {OPEN}/24 {CLOSED}/24 {SIX}/64", client: "10.50.0.9/24 fd50::9/64"})
    return node, client


def _answers(client: Machine, address: str) -> bool:
    return "1 received" in client.run(f"ping -c 1 -W 1 {address}", check=False)


def test_who_does_not_accept_does_not_answer_but_its_neighbours_find_it(machines: tuple[Machine, Machine]) -> None:
    node, client = machines
    cluster = _cluster(_router("A", OPEN, True), _router("B", CLOSED, False), _router("C", SIX, False))
    with inside(node):
        assert setup(cluster) is None
        assert setup(cluster) is None, "again, over what is there"
    assert [_answers(client, item) for item in (OPEN, CLOSED, SIX)] == [True, False, False]
    known = client.run("ip neighbour show")
    mac = node.mac()
    for address in (CLOSED, SIX):
        assert f"{address} dev eth0 lladdr {mac}" in known, "who forwards must be found"
    with inside(node):
        assert teardown(cluster) is None
        assert teardown(cluster) is None, "gone already is success"
    assert _answers(client, CLOSED)
    assert _answers(client, SIX)


def test_the_owner_of_an_address_answers_in_any_case() -> None:
    """RFC 9568 section 6.4.3: accepted if it is the address owner, or Accept_Mode is true."""
    routers = (_router("A", OPEN, False, priority=255), _router("B", CLOSED, False))
    assert closed(RouterFiles(routers)) == (CLOSED,)


def test_the_device_of_a_virtual_mac_reports_no_groups(machines: tuple[Machine, Machine]) -> None:
    """What it reports leaves by the device beneath, with the machine's own MAC."""
    node, client = machines
    node.run("ip link add vrrp.7 link eth0 type macvlan mode private")
    node.run("ip link set vrrp.7 up")
    with inside(node):
        assert setup(_cluster(_router("A", OPEN, True, mac="vrrp.7"))) is None
    with inside(client), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.bind(("eth0", 0))
        wire.settimeout(10)
        with inside(node), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as member, _six() as other:
            index = socket.if_nametoindex("vrrp.7")
            request = struct.pack("@4s4si", socket.inet_aton("239.1.2.3"), bytes(4), index)
            member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
            group = struct.pack("@16sI", socket.inet_pton(socket.AF_INET6, "ff15::7"), index)
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        senders = {_sender_of(wire, text) for text in (socket.inet_aton("239.1.2.3"), group[:16])}
    assert senders == {node.mac()}


def _six() -> socket.socket:
    return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)


def _sender_of(wire: socket.socket, group: bytes) -> str:
    """Who sent the first frame that reports this group."""
    while True:
        frame = wire.recv(2000)
        if group in frame[30:]:
            return frame[6:12].hex(":")
