"""``understudy whatif``: of a living cluster, and of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from manager_helpers import FakePulse, RunningManager
from test_cli_commands import understudy

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


def test_a_misspelt_name_is_refused(manager: RunningManager, tmp_path: Path) -> None:
    done = understudy(manager, "whatif", "--down", "bb")
    assert done.returncode == 2
    assert "there is no machine 'bb'" in done.stderr
    assert "did you mean 'b'?" in done.stderr
    done = understudy(tmp_path, "whatif", "--config", str(written(tmp_path)), "--standby", "arbiter")
    assert "'arbiter' is a witness" in done.stderr
