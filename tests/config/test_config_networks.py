"""Which links reach each other, and the paths that follow."""

from __future__ import annotations

import pytest
from config_helpers import CLUSTER, GOOD

from understudy.config.digest import digest
from understudy.config.paths import Path, paths
from understudy.config.validate import read
from understudy.model import Cluster, LinkKind


def _cluster(members: str) -> Cluster:
    reading = read(CLUSTER + members, "cluster.toml")
    assert reading.cluster is not None, "\n".join(str(problem) for problem in reading.problems)
    return reading.cluster


def _networks(cluster: Cluster) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for member in cluster.members:
        for link in member.links:
            found.setdefault(link.network, []).append(f"{member.name} {link.address}")
    return found


def test_likeness_pairs_links_whatever_their_order() -> None:
    cluster = _cluster("""
        [nodes.a]
        links = ["10.1.0.1", "192.168.5.1"]
        [nodes.b]
        links = ["192.168.5.2", "10.1.0.2"]
        [witness.w]
        links = ["192.168.5.9"]
    """)
    assert _networks(cluster) == {
        "net1": ["a 10.1.0.1", "b 10.1.0.2"],
        "net2": ["a 192.168.5.1", "b 192.168.5.2", "w 192.168.5.9"],
    }


def test_the_closest_pair_wins_over_the_first() -> None:
    """b's links are both like a's first, one more so; the other goes with what is left."""
    cluster = _cluster("""
        [nodes.a]
        links = ["10.1.1.1", "10.1.2.1"]
        [nodes.b]
        links = ["10.1.3.2", "10.1.1.2"]
        [nodes.c]
        links = ["10.1.2.3", "10.1.1.3"]
    """)
    assert _networks(cluster) == {
        "net1": ["a 10.1.1.1", "b 10.1.1.2", "c 10.1.1.3"],
        "net2": ["a 10.1.2.1", "b 10.1.3.2", "c 10.1.2.3"],
    }


def test_a_witness_with_no_likeness_joins_the_first_network() -> None:
    cluster = _cluster("""
        [nodes.a]
        links = ["10.1.0.1", "10.2.0.1"]
        [nodes.b]
        links = ["10.1.0.2", "10.2.0.2"]
        [witness.w]
        links = ["203.0.113.9"]
    """)
    assert _networks(cluster)["net1"] == ["a 10.1.0.1", "b 10.1.0.2", "w 203.0.113.9"]


def test_families_are_never_mixed() -> None:
    cluster = _cluster("""
        [nodes.a]
        links = ["10.1.0.1", "fd00::1"]
        [nodes.b]
        links = ["fd00::2", "10.1.0.2"]
        [nodes.c]
        links = ["10.1.0.3", "fd00::3"]
    """)
    assert _networks(cluster)["net2"] == ["a fd00::1", "b fd00::2", "c fd00::3"]


def test_unnamed_links_join_a_named_network_and_named_ones_never_merge() -> None:
    cluster = _cluster("""
        [nodes.a]
        links = [{ address = "10.1.0.1", network = "x" }, { address = "10.1.0.101", network = "y" }]
        [nodes.b]
        links = [{ address = "10.1.0.2", network = "y" }, { address = "10.1.0.102", network = "x" }]
        [witness.w]
        links = ["10.1.0.103"]
    """)
    assert _networks(cluster) == {
        "x": ["a 10.1.0.1", "b 10.1.0.102", "w 10.1.0.103"],
        "y": ["a 10.1.0.101", "b 10.1.0.2"],
    }


def test_given_names_are_not_taken_again() -> None:
    cluster = _cluster("""
        [nodes.a]
        links = ["10.1.0.1", { address = "10.2.0.1", network = "net1" }]
        [nodes.b]
        links = ["10.1.0.2", { address = "10.2.0.2", network = "net1" }]
        [nodes.c]
        links = ["10.1.0.3", { address = "10.2.0.3", network = "net1" }]
    """)
    assert set(_networks(cluster)) == {"net1", "net2"}
    assert _networks(cluster)["net2"] == ["a 10.1.0.1", "b 10.1.0.2", "c 10.1.0.3"]


def test_paths_go_to_each_peer_on_each_shared_network() -> None:
    cluster = _cluster("""
        [nodes.a]
        links = ["10.1.0.1", { address = "fe80::1%eth1", port = 7000 }]
        [nodes.b]
        links = ["10.1.0.2", { address = "fe80::2%eth2", port = 7000 }]
        [witness.w]
        links = ["10.1.0.9"]
    """)
    assert paths(cluster, "a") == (
        Path("b", "net1", LinkKind.UNICAST, "10.1.0.1", "10.1.0.2", 5694, None),
        Path("w", "net1", LinkKind.UNICAST, "10.1.0.1", "10.1.0.9", 5694, None),
        Path("b", "net2", LinkKind.UNICAST, "fe80::1", "fe80::2", 7000, "eth1"),
    )
    assert [path.peer for path in paths(cluster, "w")] == ["a", "b"]
    with pytest.raises(KeyError):
        paths(cluster, "nobody")


def test_group_paths_share_one_destination() -> None:
    link = '{{ address = "10.1.0.{0}", multicast = "239.1.2.3", device = "eth1" }}'
    cluster = _cluster("\n".join(f"[nodes.n{number}]\nlinks = [{link.format(number)}]" for number in (1, 2, 3)))
    found = paths(cluster, "n2")
    assert [path.peer for path in found] == ["n1", "n3"]
    assert {(path.local, path.remote, path.port, path.device) for path in found} == {
        ("10.1.0.2", "239.1.2.3", 5694, "eth1")
    }


# -- digest -----------------------------------------------------------------------------------------------------------


def test_digest_ignores_what_does_not_matter() -> None:
    plain = read(GOOD, "a.toml").cluster
    same = read(
        GOOD.replace('"cluster.key"', '"/elsewhere/site.key"  # comment').replace("[witness", "\n\n[witness")
        + 'stop_timeout = "1m"\nfailback = "when-healthy"\n',
        "b.toml",
        "/etc/b.toml",
    ).cluster
    assert plain is not None
    assert same is not None
    assert same != plain
    assert same.digest == plain.digest
    assert len(plain.digest) == 16


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"site"', '"other"'),
        ('key_file = "cluster.key"', 'key_file = "cluster.key"\ndead_time = "2s"'),
        ('key_file = "cluster.key"', 'key_file = "cluster.key"\nadmin_group = "adm"'),
        ("192.168.107.101", "192.168.107.111"),
        ("[witness.arbiter]", "[nodes.arbiter]"),
        ("192.168.58.100/24", "192.168.58.100/25"),
        ('device = "eth0"', 'device = "eth0", restarts = 1'),
        ("[groups.site]", '[groups.site]\nprefer = ["ha02"]'),
    ],
)
def test_digest_sees_what_matters(old, new) -> None:
    plain, changed = read(GOOD, "a.toml").cluster, read(GOOD.replace(old, new), "a.toml").cluster
    assert plain is not None
    assert changed is not None
    assert plain.digest != changed.digest


def test_digest_is_the_same_on_every_machine_and_version() -> None:
    """A changed way of hashing would make a cluster complain of different files during an upgrade."""
    cluster = read(GOOD, "a.toml").cluster
    assert cluster is not None
    assert cluster.digest == digest(cluster) == "f8b38a36e69844fa"


def test_the_first_half_of_the_digest_is_about_who_votes() -> None:
    """Members that differ there exchange no votes; a changed group must not have that effect."""

    def halves(text: str) -> tuple[str, str]:
        cluster = read(text, "cluster.toml").cluster
        assert cluster is not None
        return cluster.digest[:8], cluster.digest[8:]

    voters, rest = halves(GOOD)
    changed_group = halves(GOOD.replace("[groups.", "[groups.other-"))
    assert changed_group[0] == voters
    assert changed_group[1] != rest
    other_witness = halves(GOOD.replace("witness.arbiter", "witness.arbiter2"))
    assert other_witness[0] != voters
