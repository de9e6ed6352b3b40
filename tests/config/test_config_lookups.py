"""Which names somebody has to look up when it matters; ``understudy check`` says them."""

from __future__ import annotations

import pytest
from config_helpers import CLUSTER, GOOD, MEMBERS

from understudy.config.advice import advice
from understudy.config.lookups import looked_up
from understudy.config.validate import read
from understudy.model import Cluster


def cluster(text: str) -> Cluster:
    found = read(text, "cluster.toml")
    assert found.cluster is not None, found.problems
    return found.cluster


def mounted(device: str, kind: str) -> Cluster:
    return cluster(
        f'{CLUSTER}{MEMBERS}[groups.files]\nresources = [{{ name = "data", mount = "{device}", at = "/srv", type = "{kind}" }}]\n'
    )


@pytest.mark.parametrize(
    ("device", "kind", "names"),
    [
        ("nas:/export", "nfs4", ["nas"]),
        ("nas.example.org:/export", "nfs", ["nas.example.org"]),
        ("192.168.58.7:/export", "nfs", []),
        ("[fd00::7]:/export", "nfs", []),
        ("localhost:/export", "nfs", []),
        ("//files/share", "cifs", ["files"]),
        ("//192.168.58.7/share", "cifs", []),
        ("mon1,192.168.58.8,mon2:/", "ceph", ["mon1", "mon2"]),
        ("backup@far:/data", "fuse.sshfs", ["far"]),
        ("/dev/sdb1", "ext4", []),
        ("UUID=a:b", "ext4", []),
    ],
)
def test_the_server_of_a_mount(device: str, kind: str, names: list[str]) -> None:
    assert looked_up(mounted(device, kind)) == tuple(f"{name} (data of files)" for name in names)


def test_the_agent_that_mounts_and_the_address_of_a_fence_device() -> None:
    agent = """[groups.files]
resources = [{ ocf = "heartbeat:Filesystem", params = { device = "nas:/export", directory = "/srv", fstype = "nfs" } }]
[fence.one]
agent = "fence_ipmilan"
nodes = ["ha01"]
parameters = { ip = "ipmi-ha01", username = "fence", password_script = "/etc/understudy/password" }
[fence.two]
agent = "fence_ipmilan"
nodes = ["ha02"]
parameters = { ip = "192.168.60.12", username = "fence", password_script = "/etc/understudy/password" }
"""
    found = cluster(CLUSTER + MEMBERS + agent)
    assert looked_up(found) == ("nas (Filesystem of files)", "ipmi-ha01 (ip of the fence device one)")
    last = advice(found)[-1]
    assert last.startswith(
        "Looked up by name: nas (Filesystem of files) and ipmi-ha01 (ip of the fence device one). While no"
    )


def test_addresses_alone_are_not_worth_a_sentence() -> None:
    assert not any("Looked up" in sentence for sentence in advice(cluster(GOOD)))
