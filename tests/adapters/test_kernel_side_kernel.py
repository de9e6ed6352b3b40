"""What the pulse says about the kernel it found: devices that are not there, lease tables that somebody deleted."""

from __future__ import annotations

import pytest
from netns import Lab, inside

from understudy.model import AddressResource, Cluster, Group, Link, Member, Quorum, Role
from understudy.pulse.assemble_vrrp import on_this_machine
from understudy.pulse.kernel import KernelSide
from understudy.pulse.vrrp_kernel import RouterKernel
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import RouterAddress, RouterFiles, VirtualRouter

pytestmark = pytest.mark.kernel


def cluster(device: str = "eth0") -> Cluster:
    address = AddressResource("vip", "10.50.0.100", 16, device)
    members = (
        Member("a", Role.NODE, (Link("net1", "10.50.0.1"),)),
        Member("b", Role.NODE, (Link("net1", "10.50.0.2"),)),
    )
    return Cluster("site", "key", 200 * MILLISECOND, SECOND, Quorum.PAIR, members, (Group("web", (address,)),))


def test_a_device_that_is_not_there_is_left_out_and_named(lab: Lab) -> None:
    node = lab.machine("node")
    lab.segment({node: "10.50.0.1/16"})
    with inside(node):
        kernel = KernelSide(cluster("eth7"))
        assert kernel.carriers() == ()
        assert "there is no network interface eth7 for 10.50.0.100" in kernel.warnings


def test_deleted_lease_tables_are_made_again_and_told(lab: Lab) -> None:
    node = lab.machine("node")
    lab.segment({node: "10.50.0.1/16"})
    with inside(node):
        kernel = KernelSide(cluster())
        assert kernel.hold("web", SECOND) is None
        kernel.mend()
        assert [text for text in kernel.warnings if "tables" in text] == []
        node.run("nft flush ruleset")
        assert kernel.hold("web", SECOND) is None
        kernel.mend()
        (told,) = [text for text in kernel.warnings if "tables" in text]
        assert "deleted by somebody and made again, once" in told


def test_a_router_that_does_not_accept_serves_nobody_though_its_lease_runs(lab: Lab) -> None:
    node, client = lab.machine("node"), lab.machine("client")
    lab.segment({node: "10.50.0.1/16", client: "10.50.0.9/16"})
    closed, open_ = (RouterAddress(f"10.50.0.{number}", 16, "eth0", label=f"eth0:{number}") for number in (100, 101))
    routers = (VirtualRouter("A", "eth0", 1, (closed,), accept=False), VirtualRouter("B", "eth0", 2, (open_,)))
    found = Cluster("ha", "", SECOND, SECOND, Quorum.MAJORITY, (), (), routers=RouterFiles(routers))

    def answering() -> list[str]:
        return [
            item.address
            for item in (closed, open_)
            if "1 received" in client.run(f"ping -c 1 -W 1 {item.address}", check=False)
        ]

    with inside(node):
        kernel = RouterKernel(on_this_machine(found))
        for group in on_this_machine(found).groups:
            assert kernel.hold(group.name, 60 * SECOND) is None
            change = kernel.begin_add(group.addresses)
            while not change.step():
                pass
        assert answering() == [open_.address]
        shown = node.run("ip address show dev eth0")
        assert "inet 10.50.0.100/16 scope global secondary eth0:100" in shown
        node.run("nft flush ruleset")
        assert kernel.hold("A", 60 * SECOND) is None
        assert kernel.hold("B", 60 * SECOND) is None
        kernel.mend()
        assert answering() == [open_.address], "the rules were made again with the leases"
        kernel.leave()
        kernel.close()
    assert "vrrp_understudy" not in node.run("nft list tables")
