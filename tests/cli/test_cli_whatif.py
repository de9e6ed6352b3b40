"""``understudy whatif``: of a living cluster, and of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager
from test_cli_commands import understudy

from understudy.probes import Reach
from understudy.units import SECOND

FILE = """
[cluster]
name = "shop"
key_file = "cluster.key"
[nodes.ha01]
links = ["192.168.107.101", "192.168.58.101"]
[nodes.ha02]
links = ["192.168.107.102", "192.168.58.102"]
[witness.arbiter]
links = ["192.168.58.9"]
[groups.db]
prefer = ["ha01"]
resources = [{ command = ["/usr/bin/db"] }]
[groups.web]
with = "db"
resources = [{ address = "192.168.58.100/24", device = "eth0" }]
[groups.mail]
apart = ["db"]
resources = [{ command = ["/usr/bin/mail"] }]
"""


def written(folder: Path) -> Path:
    (folder / "cluster.key").write_text("".join(f"{number * 37 % 256:02x}" for number in range(32)) + "\n")
    (folder / "cluster.key").chmod(0o600)
    path = folder / "cluster.toml"
    path.write_text(FILE)
    return path


def test_of_a_file(tmp_path: Path) -> None:
    done = understudy(tmp_path, "whatif", "--config", str(written(tmp_path)), "--down", "ha01")
    assert done.stdout == (
        "partition with quorum: 2 of 3 votes are left, 2 are needed\n"
        "db would run nowhere (now on ha01): no node can run it\n"
        "  not on ha01: it is down\n"
        "  not on ha02: mail is there, and the two stay apart\n"
        "web would run nowhere (now on ha01): no node can run it\n"
        "  not on ha01: it is down\n"
        "  not on ha02: web goes with db, which runs nowhere\n"
        "1 of 3 groups stay where they are (--all shows them too)\n"
    )
    assert done.returncode == 1, "something would run nowhere"


def test_without_quorum_one_line_for_each_group(tmp_path: Path) -> None:
    done = understudy(tmp_path, "whatif", "--config", str(written(tmp_path)), "--down", "ha02,arbiter", "--json")
    found = json.loads(done.stdout)
    assert found["votes"] == {
        "have": 1,
        "of": 3,
        "needed": 2,
        "quorate": False,
        "text": "partition WITHOUT quorum: 1 of 3 votes are left, 2 are needed",
    }
    assert {group["node"] for group in found["groups"]} == {None}


def test_of_the_living_cluster(pulse: FakePulse, manager: RunningManager) -> None:
    done = understudy(manager, "whatif", "--standby", "a")
    assert done.stdout.splitlines()[1] == ("site moves from a to b: b is the only node that can run it"), done.stderr
    assert done.returncode == 0
    assert pulse.snapshot is not None
    groups = tuple(replace(group, unfit={"b": "eth0 has no carrier"}) for group in pulse.snapshot.groups)
    pulse.snapshot = replace(pulse.snapshot, groups=groups)
    done = understudy(manager, "whatif", "--down", "a")
    assert "site would run nowhere (now on a)" in done.stdout
    assert "not on b: eth0 has no carrier" in done.stdout
    assert done.returncode == 1


def targets_of(pulse: FakePulse, **said: tuple[str, ...] | None) -> None:
    assert pulse.snapshot is not None
    nodes = tuple(replace(node, reaches=said.get(node.name)) for node in pulse.snapshot.nodes)
    pulse.snapshot = replace(pulse.snapshot, nodes=nodes)


def test_what_nodes_say_of_their_ping_targets(pulse: FakePulse, tmp_path: Path) -> None:
    cluster = a_cluster()
    group = replace(cluster.groups[0], prefer=("a",), stays_where=Reach(("127.0.0.1", "127.0.0.2"), 3 * SECOND))
    with a_manager(replace(cluster, groups=(group,)), tmp_path) as manager:
        targets_of(pulse, a=("127.0.0.1",), b=("127.0.0.1", "127.0.0.2"))
        done = understudy(manager, "whatif")
        assert "site moves from a to b: b is the first node of the file that can run it" in done.stdout
        assert "not on a: fewer of its ping targets answer there than elsewhere, for 3s" in done.stdout
        assert "site stays on a" in understudy(manager, "whatif", "--down", "b", "--all").stdout
        done = understudy(manager, "whatif", "--unreachable", "127.0.0.2", "--all")
        assert "as if these ping targets did not answer: 127.0.0.2@a, 127.0.0.2@b" in done.stdout
        assert "site stays on a" in done.stdout, "they are equal then"
        targets_of(pulse, a=("127.0.0.1",), b=None)
        assert "site stays on a" in understudy(manager, "whatif", "--all").stdout, "of b nothing is known"
        assert pulse.snapshot is not None
        pulse.snapshot = replace(pulse.snapshot, groups=tuple(replace(it, holder="b") for it in pulse.snapshot.groups))
        targets_of(pulse, a=None, b=("127.0.0.1",))
        assert "site stays on b" in understudy(manager, "whatif", "--all").stdout, "nor is a better place for failback"
        targets_of(pulse, a=("127.0.0.2",), b=("127.0.0.1",))
        assert "site moves from b to a" in understudy(manager, "whatif").stdout


def test_a_misspelt_target_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    done = understudy(tmp_path, "whatif", "--config", str(path), "--unreachable", "192.168.58.1")
    assert "there are no ping targets" in done.stderr
    assert done.returncode == 2
    path.write_text(FILE + '[groups.mail.stays_where]\nping = ["192.168.58.1", "fd00::1"]\n')
    for word, text in (
        ("192.168.58.2", "there is no ping target '192.168.58.2'"),
        ("router", "there are: 192.168.58.1, fd00::1"),
        ("192.168.58.1@", "names no node"),
        ("192.168.58.1@ha1", "did you mean 'ha01'?"),
        ("192.168.58.1@arbiter", "'arbiter' is a witness"),
    ):
        done = understudy(tmp_path, "whatif", "--config", str(path), "--unreachable", word)
        assert text in done.stderr
        assert done.returncode == 2
    done = understudy(
        tmp_path, "whatif", "--config", str(path), "--unreachable", "FD00:0::1@ha02,192.168.58.1@ha02", "--json"
    )
    assert json.loads(done.stdout)["unreachable"] == ["fd00::1@ha02", "192.168.58.1@ha02"]
    assert {group["name"]: group["node"] for group in json.loads(done.stdout)["groups"]}["mail"] == "ha02", (
        "db is on ha01"
    )


def test_a_misspelt_name_is_refused(manager: RunningManager, tmp_path: Path) -> None:
    done = understudy(manager, "whatif", "--down", "bb")
    assert done.returncode == 2
    assert "there is no machine 'bb'" in done.stderr
    assert "did you mean 'b'?" in done.stderr
    done = understudy(tmp_path, "whatif", "--config", str(written(tmp_path)), "--standby", "arbiter")
    assert "'arbiter' is a witness" in done.stderr


def test_ping_targets_of_a_pair(tmp_path: Path) -> None:
    """Who hears neither the other machine nor any of them lets go."""
    path = written(tmp_path)
    text = FILE.replace('[witness.arbiter]\nlinks = ["192.168.58.9"]\n', "")
    path.write_text(text.replace("[nodes.ha01]", 'quorum = "pair"\nping = ["192.168.58.1", "fd00::1"]\n[nodes.ha01]'))
    asked = ("whatif", "--config", str(path), "--down", "ha02")
    done = understudy(tmp_path, *asked, "--unreachable", "192.168.58.1@ha01,fd00::1")
    assert done.stdout.startswith("ha01 reaches neither ha02 nor a ping target of the cluster, so it lets go\n")
    assert "db would run nowhere (now on ha01)" in done.stdout
    assert "db stays on ha01" in understudy(tmp_path, *asked, "--unreachable", "fd00::1", "--all").stdout
    assert (
        "db stays on ha01" in understudy(tmp_path, *asked[:3], "--unreachable", "192.168.58.1,fd00::1", "--all").stdout
    )
