"""Which of the four units people are told of, by what stands in a runtime directory and on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from understudy.adapters.own_unit import BALANCER, NATIVE, OLD, ROUTERS, own_unit, speaks_old, unit_in


def machine(root: Path, *paths: str) -> str:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return str(root)


WANTED = "etc/systemd/system/multi-user.target.wants"


@pytest.mark.parametrize(
    ("paths", "unit"),
    [
        ((), NATIVE),
        (("etc/ha.d/ha.cf",), OLD),
        (("etc/ha.d/ha.cf", "etc/understudy/cluster.toml"), NATIVE),
        (("etc/ha.d/ha.cf", "etc/understudy/cluster.toml", f"{WANTED}/{OLD}.service"), OLD),  # after understudy upgrade
        (("etc/ha.d/ha.cf", f"{WANTED}/{NATIVE}.service"), NATIVE),
        (("etc/ha.d/ha.cf", f"{WANTED}/{BALANCER}.service"), BALANCER),
    ],
)
def test_what_a_stopped_machine_would_start(tmp_path: Path, paths: tuple[str, ...], unit: str) -> None:
    root = machine(tmp_path / "root", *paths)
    assert own_unit(str(tmp_path / "nothing"), root) == unit


def test_what_ran_last_counts_first(tmp_path: Path) -> None:
    root = machine(tmp_path / "root", f"{WANTED}/{NATIVE}.service")
    (tmp_path / "running.source").write_text(str(tmp_path))  # a folder, as /etc/ha.d is one
    assert own_unit(str(tmp_path), root) == OLD
    (tmp_path / "running.source").write_text("/etc/understudy/cluster.toml")
    assert own_unit(str(tmp_path), root) == NATIVE
    (tmp_path / "running.source").write_text("/etc/keepalived/keepalived.conf")
    assert own_unit(str(tmp_path), root) == ROUTERS
    (tmp_path / "running.source").write_text("/etc/ha.d/ldirectord.cf")
    assert own_unit(str(tmp_path), root) == BALANCER
    (tmp_path / "running.source").write_text("/etc/ha.d/conf/ldirectord.cf")
    assert own_unit(str(tmp_path), root) == NATIVE


def test_the_unit_of_a_process() -> None:
    assert unit_in("0::/system.slice/understudy-heartbeat.service\n") == OLD
    assert unit_in("1:name=systemd:/system.slice/understudy.service\n0::/\n") == NATIVE
    assert unit_in("0::/system.slice/understudy-keepalived.service\n") == ROUTERS
    assert unit_in("0::/system.slice/understudy-ldirectord.service\n") == BALANCER
    assert unit_in("0::/user.slice/user-0.slice/user@0.service/app.slice\n") == ""
    assert unit_in("0::/system.slice/ssh.service\n") == ""


def test_who_has_heartbeats_files_only(tmp_path: Path) -> None:
    root = machine(tmp_path, "etc/ha.d/ha.cf")
    assert speaks_old(root)
    machine(tmp_path, "etc/understudy/cluster.toml")
    assert not speaks_old(root)
