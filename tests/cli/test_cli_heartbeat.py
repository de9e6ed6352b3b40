"""``understudy check`` and ``convert`` of folders with Heartbeat's files, on this machine as it is."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from understudy.cli.main import commands

SAMPLES = Path(__file__).parent.parent / "config" / "heartbeat"


@pytest.fixture
def folder(tmp_path: Path):
    """Copies the files of a sample, the keys with the mode given."""

    def make(name: str, mode: int = 0o600) -> Path:
        target = tmp_path / "ha.d"
        target.mkdir()
        for item in ("ha.cf", "haresources", "authkeys"):
            (target / item).write_bytes((SAMPLES / name / item).read_bytes())
        (target / "authkeys").chmod(mode)
        return target

    return make


def _run(*arguments: str):
    return CliRunner().invoke(commands, list(arguments))


def _mine(folder: Path, resources: str, more: str = "") -> None:
    """Files whose first node is this machine."""
    host = socket.gethostname().lower()
    (folder / "ha.cf").write_text(
        f"keepalive 1\ndeadtime 10\nauto_failback on\n{more}ucast lo 127.0.0.1\nnode {host} other-{host[:20]}\n"
    )
    (folder / "haresources").write_text(f"{host} {resources}\n")


def test_check_says_what_it_read(folder) -> None:
    path = folder("apache-pair")
    done = _run("check", str(path))
    assert done.exit_code == 0, done.output
    assert f"{path}/ha.cf:4:10: warning: deadtime 5 bears one lost heartbeat of 2" in done.output
    assert f"{path}: good, 5 warnings" in done.output
    assert "  group 192.168.58.100 on ha01 first: address 192.168.58.100, httpd\n" in done.output


def test_check_refuses_keys_that_others_may_read(folder) -> None:
    path = folder("apache-pair", 0o644)
    done = _run("check", str(path))
    assert done.exit_code == 1
    assert f"{path}/authkeys: error: the keys may be read by others (mode 0644)" in done.output
    assert f"chmod 600 {path}/authkeys" in done.output


def test_check_here_wants_a_node(folder) -> None:
    path = folder("mutual")
    assert _run("check", str(path)).exit_code == 0
    done = _run("check", "--here", str(path))
    assert done.exit_code == 1
    assert f"this machine is called {socket.gethostname()} (`uname -n`), and ha.cf names left or right" in done.output


def test_check_in_json(folder) -> None:
    path = folder("lvs-pair")
    done = _run("check", "--json", str(path))
    (file,) = json.loads(done.stdout)["files"]
    assert done.exit_code == 0
    assert file["ok"]
    assert file["cluster"] is None
    assert file["heartbeat"]["nodes"] == ["lvs-master", "lvs-backup"]
    assert file["heartbeat"]["groups"] == [
        {"key": "192.168.2.254", "node": "lvs-master", "resources": ["192.168.2.254", "lvs", "ldirectord"]}
    ]
    assert "crc" in file["heartbeat"]["signature"]["method"]


def test_check_of_a_folder_without_the_files(tmp_path: Path) -> None:
    done = _run("check", str(tmp_path))
    assert done.exit_code == 1
    for name in ("ha.cf", "haresources", "authkeys"):
        assert f"{tmp_path}/{name}: error: cannot read the file: No such file or directory" in done.output


def test_a_script_of_this_folder_is_found(folder) -> None:
    """The first place of the search order: resource.d beside ha.cf, wherever that is."""
    path = folder("start-stop-script")
    _mine(path, "test1::a mistyped-script-of-nobody")
    (path / "resource.d").mkdir()
    (path / "resource.d" / "test1").write_text("#!/bin/sh\n")
    (path / "resource.d" / "test1").chmod(0o755)
    done = _run("check", str(path))
    assert done.exit_code == 0, done.output
    assert "there is no script test1 " not in done.output
    assert "haresources:1:" in done.output
    assert "there is no script mistyped-script-of-nobody in" in done.output
    host = socket.gethostname().lower()
    made = _run("convert", str(path), "--address", f"{host}=10.0.0.1", "--address", f"other-{host[:20]}=10.0.0.2")
    assert f'{{ resource_d = "{path}/resource.d/test1", args = ["a"]' in made.stdout, made.output


def test_this_machine_has_no_such_device_and_user(folder) -> None:
    path = folder("start-stop-script")
    _mine(path, "127.1.2.3/8/lo", "bcast no-such0\nrespawn no-such-user /bin/sh\nserial /dev/no-such\n")
    done = _run("check", str(path))
    assert done.exit_code == 1
    assert "there is no network interface no-such0 on this machine" in done.output
    assert "there is no user no-such-user on this machine" in done.output
    assert "there is no /dev/no-such on this machine" in done.output


def test_the_native_form_is_checked_and_started_from_nothing_else(folder, tmp_path: Path) -> None:
    path = folder("mutual")
    made = _run(
        "convert", str(path), "--address", "left=10.0.0.1,10.1.1.1", "--address", "RIGHT=10.0.0.2", "--name", "both"
    )
    assert made.exit_code == 0, made.output
    native = tmp_path / "cluster.toml"
    native.write_text(made.stdout)
    native.chmod(0o600)
    assert _run("keygen", str(tmp_path / "cluster.key")).exit_code == 0
    checked = _run("check", str(native))
    assert checked.exit_code == 0, checked.output
    assert "cluster both" in checked.output
    assert "quorum pair" in checked.output


def test_what_is_missing_is_named(folder) -> None:
    path = folder("apache-pair")
    made = _run("convert", str(path))
    assert made.exit_code == 1
    assert made.stdout == ""
    for words in ("--address ha01=ADDRESS", "--address ha02=ADDRESS", "--virtual 192.168.58.100/24/eth0"):
        assert words in made.stderr
    given = ("--address", "ha01=10.0.0.1", "--address", "ha02=10.0.0.2", "--virtual", "192.168.58.100/24/eth0")
    again = _run("convert", str(path), *given)
    assert again.exit_code == 0, again.output
    assert '{ address = "192.168.58.100/24", device = "eth0" }' in again.stdout
    assert "# - ha.cf:1: logfile /var/log/ha-log: the log goes to standard error" in again.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--address", "ha01"),
        ("--address", "=1"),
        ("--virtual", "10.0.0.1"),
        ("--virtual", "x/24/eth0"),
        ("--virtual", "10.0.0.7/24/eth0"),
        ("--name", "a b"),
    ],
)
def test_wrong_options(folder, option, value) -> None:
    done = _run("convert", str(folder("apache-pair")), option, value)
    assert done.exit_code == 2
    assert option in done.output


def test_mounts_of_our_own_kind(folder) -> None:
    given = ("--address", "ha1.haw2.ibm.com=10.0.0.1", "--address", "ha2.haw2.ibm.com=10.0.0.2")
    done = _run("convert", str(folder("apache-nfs-serial")), "--mounts", *given, "--virtual", "9.22.7.46/24/eth0")
    assert done.exit_code == 0, done.output
    assert '{ mount = "nfsha.haw2.ibm.com:/ha", at = "/ha", type = "nfs", options = ["rw", "hard"] }' in done.stdout
