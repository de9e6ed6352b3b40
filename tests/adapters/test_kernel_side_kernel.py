"""What the pulse says about the kernel it found: devices that are not there, lease tables that somebody deleted."""

from __future__ import annotations

import pytest
from netns import Lab, inside

from understudy.model import AddressResource, Cluster, Group, Link, Member, Quorum, Role
from understudy.pulse.kernel import KernelSide
from understudy.units import MILLISECOND, SECOND

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
