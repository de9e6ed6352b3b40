"""``understudy check`` on a member of the cluster: what this machine lacks. All warnings, nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from config_helpers import CLUSTER

from understudy.cli.check import command
from understudy.cli.check_here import lacking_unit, mounts_at_boot
from understudy.model import SystemdResource

MEMBERS = """
[nodes.here]
links = ["127.0.0.1", { address = "127.0.0.4", device = "nodevice9", network = "other" }]
[nodes.there]
links = ["192.0.2.1", { address = "127.0.0.5", network = "other" }]
[witness.voter]
links = ["127.0.0.3"]
"""
GROUP = """
[groups.site]
resources = [
  { script = "/nowhere/script" },
  { script = "/bin/true", name = "good" },
  { ocf = "understudy:NoSuchAgent" },
  { command = "no-such-program-9", directory = "/nowhere", user = "nobody9" },
  { command = "true", name = "found" },
  { command = "/proc/version", name = "not-executable", probe = { command = "/nowhere/probe" } },
]
[groups.site.probes.web]
http = "https://127.0.0.1/"
ca = "/nowhere/ca.pem"
"""
MORE = """
[groups.more]
resources = [
  { lsb = "no-such-script-9" },
  { resource_d = "no-such-script-9", name = "old" },
  { resource_d = "/bin/true", name = "good-old" },
  { mount = "/dev/nosuch9", at = "/nowhere/a", type = "ext4" },
  { mount = "UUID=no-such-9", at = "/proc", type = "ext4" },
  { mount = "server:/path", at = "/sys", type = "nfs" },
  { systemd = "no-such-9" },
]
"""


@pytest.fixture
def site(tmp_path) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(CLUSTER + MEMBERS + GROUP)
    path.chmod(0o644)
    (tmp_path / "cluster.key").write_text("0123456789abcdef" * 4)
    (tmp_path / "cluster.key").chmod(0o600)
    return path


def _lacks(path: Path, node: str) -> list[str]:
    result = CliRunner().invoke(command, [str(path), "--node", node])
    assert result.exit_code == 0, "what this machine lacks refuses no file"
    lines = result.output.splitlines()
    start = next(number for number, line in enumerate(lines) if "his machine" in line)
    return lines[start:]


def test_a_node_that_lacks_everything(site) -> None:
    assert _lacks(site, "here") == [
        "On this machine, as here:",
        "warning: there is no network interface nodevice9 for the link 127.0.0.4",
        "warning: site: /nowhere/script is not there or not executable (script)",
        "warning: site: the agent /usr/lib/ocf/resource.d/understudy/NoSuchAgent is not installed (NoSuchAgent)",
        "warning: site: no-such-program-9 is not there or not executable (no-such-program-9)",
        "warning: site: there is no directory /nowhere (no-such-program-9)",
        "warning: site: there is no user nobody9 (no-such-program-9)",
        "warning: site: /proc/version is not there or not executable (not-executable)",
        "warning: site: /nowhere/probe is not there or not executable (probe not-executable)",
        "warning: site: /nowhere/ca.pem is not there or cannot be read (probe web)",
    ]


def test_an_address_that_the_machine_does_not_have(site) -> None:
    expected = "warning: this machine cannot use its link address 192.0.2.1 now: Cannot assign requested address"
    assert _lacks(site, "there")[1] == expected


def test_a_witness_needs_only_its_links(site) -> None:
    assert _lacks(site, "voter") == ["This machine has what voter needs."]


def test_an_unknown_node_is_a_mistake_of_the_command_line(site) -> None:
    result = CliRunner().invoke(command, [str(site), "--node", "nobody"])
    assert result.exit_code == 2
    assert "known are here, there, voter" in result.output


@pytest.mark.kernel
def test_the_kernel_is_asked_whether_it_can_hold_leases(site) -> None:
    """In a network namespace of its own, which ends with the process; asking leaves no table behind there either."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nft") is None:
        pytest.skip("needs root, unshare and nft")
    addresses = '{ address = "192.0.2.9/24", device = "lo" }, { address = "fd00::9/64", device = "eth77" }'
    site.write_text(f"{CLUSTER}{MEMBERS}[groups.site]\nresources = [{addresses}]\n")
    here = f"{sys.executable} -c 'from understudy.cli.check import command; command()' {site} --node there"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", f"ip link set lo up; {here} && nft list ruleset"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    start = lines.index("On this machine, as there:")
    assert lines[start + 1 :] == [
        "warning: this machine cannot use its link address 192.0.2.1 now: Cannot assign requested address",
        "warning: site: there is no network interface eth77 for fd00::9",
    ]


def test_what_the_other_kinds_lack(site) -> None:
    site.write_text(CLUSTER + MEMBERS + MORE)
    found = [line.partition("more: ")[2] for line in _lacks(site, "here") if "more: " in line]
    nfs = [] if shutil.which("mount.nfs", path="/usr/sbin:/sbin") else ["the program mount.nfs is missing (mount /sys)"]
    assert found == [
        "/etc/init.d/no-such-script-9 is not there or not executable (no-such-script-9)",
        "there is no executable no-such-script-9 in /etc/ha.d/resource.d or /etc/init.d (old)",
        "there is no directory /nowhere/a (mount /nowhere/a)",
        "there is no /dev/nosuch9 now (mount /nowhere/a)",
        "there is no /dev/disk/by-uuid/no-such-9 now (mount /proc)",
        *nfs,
        "there is no file of the unit no-such-9.service (no-such-9)",
    ]


def test_a_unit_that_systemd_would_start_too(tmp_path) -> None:
    directory = tmp_path / "etc/systemd/system/multi-user.target.wants"
    directory.mkdir(parents=True)
    (tmp_path / "etc/systemd/system/pg@.service").touch()
    plain, instance = SystemdResource("a", "a.service"), SystemdResource("pg", "pg@15.service")
    assert list(lacking_unit(plain, str(tmp_path))) == ["there is no file of the unit a.service (a)"]
    assert list(lacking_unit(instance, str(tmp_path))) == []
    (directory / "pg@15.service").symlink_to("/nowhere")
    assert list(lacking_unit(instance, str(tmp_path))) == [
        "pg@15.service is enabled, so systemd starts it at boot, on every machine at once: "
        "systemctl disable pg@15.service (pg)"
    ]


@pytest.mark.parametrize(
    ("line", "at_boot"),
    [
        ("/dev/sdb1 /srv/site ext4 defaults 0 2", True),
        ("/dev/sdb1 /srv/site/ ext4 noatime,nofail 0 2", True),
        ("/dev/sdb1 /srv/site ext4 noauto,noatime 0 2", False),
        ("/dev/sdb1 /srv/site2 ext4 defaults 0 2", False),
        ("#/dev/sdb1 /srv/site ext4 defaults 0 2", False),
        ("", False),
    ],
)
def test_a_mount_that_fstab_makes_too(line, at_boot) -> None:
    assert mounts_at_boot(line, "/srv/site") is at_boot
