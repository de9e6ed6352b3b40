"""Leases of many virtual routers in a real kernel: each by itself, found again by another process, and adverts pass without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from netns import Lab, Machine, eventually, inside

from understudy.adapters.addresses import AddressBook
from understudy.adapters.kernel_lease import KernelLeases
from understudy.adapters.kernel_lease_flat import flat_leases, setup
from understudy.adapters.kernel_lease_setup import teardown
from understudy.model import AddressResource, Cluster, Group, Quorum
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp_files import RouterFiles

pytestmark = pytest.mark.kernel

ONE, TWO, SIX = "10.50.0.100", "10.50.0.101", "fd50::100"


def groups(*named: tuple[str, str]) -> Cluster:
    made = tuple(Group(name, (AddressResource(item, item, 64 if ":" in item else 24, "eth0"),)) for name, item in named)
    return Cluster("vrrp", "", SECOND, SECOND, Quorum.MAJORITY, (), made, routers=RouterFiles())


SITE = groups(("VI_1", ONE), ("VI_2", TWO), ("VI_6", SIX))


@pytest.fixture
def machines(lab: Lab) -> Iterator[tuple[Machine, Machine]]:
    node, client = lab.machine("node"), lab.machine("client")
    lab.segment({node: "10.50.0.1/24 fd50::1/64", client: "10.50.0.9/24 fd50::9/64"})
    with inside(node):
        book = AddressBook(tuple(item for each in SITE.groups for item in each.addresses))
        book.add(book.addresses)
        assert setup(SITE) is None
    yield node, client
    book.close()


def leases(node: Machine) -> KernelLeases:
    with inside(node):
        return flat_leases(SITE)


def answers(client: Machine, address: str) -> bool:
    return "1 received" in client.run(f"ping -c 1 -W 1 {address}", check=False)


def test_each_router_is_served_by_its_own_lease(machines: tuple[Machine, Machine]) -> None:
    node, client = machines
    held = leases(node)
    assert held.hold_all((("VI_1", 20 * SECOND), ("VI_6", 20 * SECOND))) == {}
    eventually(lambda: answers(client, ONE), "the held address answers")
    eventually(lambda: answers(client, SIX), "the held address over IPv6 answers")
    assert not answers(client, TWO)
    assert held.end("VI_1") is None
    assert not answers(client, ONE)
    assert answers(client, SIX)
    held.close()


def test_many_are_renewed_together_and_end_by_themselves(machines: tuple[Machine, Machine]) -> None:
    node, client = machines
    held = leases(node)
    both = ("VI_1", "VI_2")
    for left in (20 * SECOND, 300 * MILLISECOND):  # granted, then renewed, in one transaction each
        assert held.hold_all([(name, left) for name in both]) == {}
    eventually(lambda: held.read() == (), "both leases end")
    assert not answers(client, ONE)
    assert not answers(client, TWO)
    held.close()


def test_another_process_finds_what_runs_also_after_a_reload(machines: tuple[Machine, Machine]) -> None:
    node, client = machines
    first = leases(node)
    assert first.hold("VI_2", 20 * SECOND) is None
    first.close()
    with inside(node):
        fewer = groups(("VI_2", TWO))
        assert setup(fewer) is None
        second = flat_leases(fewer)
    ((name, left),) = second.read()
    assert name == "VI_2"
    assert 0 < left <= 20 * SECOND
    assert answers(client, TWO)
    assert answers(client, ONE), "an address that is no router's any more is nobody's to forbid"
    second.close()


def test_flushed_tables_are_made_again(machines: tuple[Machine, Machine]) -> None:
    node, client = machines
    held = leases(node)
    assert held.hold("VI_1", 20 * SECOND) is None
    node.run("nft flush ruleset")
    with inside(node):
        assert held.hold("VI_1", 20 * SECOND) is None
    assert held.repairs == 1
    assert answers(client, ONE)
    assert not answers(client, TWO)
    held.close()


def test_a_router_without_a_lease_may_still_send_adverts_from_its_own_address(
    machines: tuple[Machine, Machine],
) -> None:
    node, _ = machines
    listed = node.run("nft list chain ip understudy_vrrp leaving")
    assert "meta l4proto 112 accept" in listed or "meta l4proto vrrp accept" in listed
    assert listed.index("accept") < listed.index("drop")


def test_nothing_is_left(machines: tuple[Machine, Machine]) -> None:
    node, client = machines
    with inside(node):
        assert teardown(SITE) is None
    assert "understudy" not in node.run("nft list tables")
    assert answers(client, TWO)
