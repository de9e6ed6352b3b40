"""Other people's real files, read unchanged where UNDERSTUDY_SHARED names a folder that has them.

What those of ``reference/configs`` must mean is told in our own words; the folders of ``scenarios`` are those of heartbeat/ here,
with what is said about them, what was read, and their native form.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_helpers import HERE
from heartbeat_helpers import CF, KEYS, VIRTUAL, folder, meaning, texts

from understudy.config.heartbeat import read_heartbeat
from understudy.config.heartbeat_native import Wanted, convert
from understudy.config.validate import read
from understudy.heartbeat_files import AutoFailback, MediumKind
from understudy.model import AddressResource, FailbackKind, OcfResource, ResourceDResource
from understudy.units import SECOND

ROOT = Path(os.environ.get("UNDERSTUDY_SHARED", ""))
SHARED = ROOT / "reference" / "configs"
SCENARIOS = sorted(path.parent for path in (ROOT / "scenarios").glob("*/ha.cf")) if ROOT.name else []
pytestmark = pytest.mark.skipif(
    not os.environ.get("UNDERSTUDY_SHARED") or not SHARED.is_dir(),
    reason="UNDERSTUDY_SHARED names no folder with reference/configs",
)


def _text(name: str) -> str:
    return (SHARED / name).read_bytes().decode()


def test_pacemaker_with_unicast_and_watchdog() -> None:
    """Heartbeat would have run Pacemaker; the rest of the file is good."""
    text = _text("hacf-01-ucast-watchdog.cf")
    reading = read_heartbeat(texts(text, ""))
    assert [problem.text.partition(" gives")[0] for problem in reading.problems if problem.severity == "error"] == [
        '"pacemaker on"'
    ]
    files = read_heartbeat(texts(text.replace("pacemaker on", ""), "")).files
    assert files is not None
    assert [(medium.kind, medium.device, medium.peer) for medium in files.media] == [
        (MediumKind.UNICAST, "eth2", "192.168.9.121"),
        (MediumKind.UNICAST, "eth2", "192.168.9.122"),
    ]
    assert (files.keepalive, files.warntime, files.deadtime, files.initdead) == tuple(
        n * SECOND for n in (2, 7, 10, 10)
    )
    assert files.watchdog == "/dev/watchdog"
    assert not files.ipfail
    assert [(item.user, item.program) for item in files.respawn] == [("root", "/usr/lib64/heartbeat/ifcheckd")]
    assert [node.name for node in files.ping_nodes] == ["192.168.1.1"]


def test_the_least_file_with_an_address_and_apache() -> None:
    reading = read_heartbeat(texts(_text("hacf-02-minimal.cf"), _text("haresources-01-ipaddr-apache")))
    files = reading.files
    assert files is not None
    assert files.nodes == ("server1", "server2")
    assert files.auto_failback is AutoFailback.LEGACY
    assert files.initdead == 12 * SECOND
    address, program = files.groups[0].group.resources
    assert isinstance(address, AddressResource)
    assert (address.address, address.prefix, address.device) == ("192.168.237.128", 24, "eth0")
    assert isinstance(program, ResourceDResource)
    assert program.resource_script == "apache2"
    made = convert(reading, "ha.cf", Wanted({"server1": ("10.0.0.1",), "server2": ("10.0.0.2",)}))
    assert made.text is not None


def test_drbd_a_mount_and_a_database() -> None:
    """The mail and DRBD come before what they concern, the address last; a reboot of the first node moves nothing back."""
    name = "haresources-02-mailto-drbd-filesystem-mysql"
    files = read_heartbeat(texts(_text("hacf-03-drbd-pair.cf"), _text(name)), asked=("192.168.50.103/24/eth1",)).files
    assert files is not None
    assert files.auto_failback is AutoFailback.OFF
    mail, disk, mount, database, address = files.groups[0].group.resources
    assert isinstance(mail, ResourceDResource)
    assert mail.arguments == (
        "ops@example.com",
        "HeartbeatFailover_db-drbd-float",
    )
    assert isinstance(disk, ResourceDResource)
    assert disk.arguments == ("r0",)
    assert disk.exclusive
    assert isinstance(mount, OcfResource)
    assert mount.exclusive
    assert dict(mount.parameters)["options"] == "noatime,nodiratime"
    assert isinstance(database, ResourceDResource)
    assert database.exclusive
    assert isinstance(address, AddressResource)
    assert (address.device, address.prefix) == ("eth1", 24)


def test_the_script_called_apache() -> None:
    cf = CF.replace("ha01 ha02", "web1 web2")
    files = read_heartbeat(texts(cf, _text("haresources-03-ipaddr-apache"), KEYS)).files
    assert files is not None
    assert [(group.node, [item.id for item in group.group.resources]) for group in files.groups] == [
        ("web2", ["address 192.168.230.20", "apache"])
    ]


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
def test_a_published_scenario_is_read_as_its_copy_here(path: Path) -> None:
    """What it means stands in meaning.txt, its conversion in native.toml, both written to be read."""
    copy = HERE / "heartbeat" / path.name
    reading = read_heartbeat(folder(path), asked=VIRTUAL.get(path.name, ()))
    assert reading.files is not None
    said = read_heartbeat(folder(path))
    assert "".join(f"{problem}\n" for problem in said.problems) == (copy / "said.txt").read_text()
    assert said.files is not None
    assert meaning(said.files) == (copy / "meaning.txt").read_text()
    addresses = {node: (f"10.9.1.{number}", f"10.9.2.{number}") for number, node in enumerate(reading.files.nodes, 1)}
    assert convert(reading, "ha.cf", Wanted(addresses)).text == (copy / "native.toml").read_text()


def test_all_scenarios_of_heartbeat_are_here() -> None:
    assert {path.name for path in SCENARIOS} == {"apache-pair", "apache-nfs-serial", "lvs-pair", "start-stop-script"}


@pytest.mark.parametrize(
    ("cf", "resources", "virtual"),
    [
        ("hacf-01-ucast-watchdog.cf", "s1 192.168.1.7/24/eth0\n", ()),
        ("hacf-02-minimal.cf", "haresources-01-ipaddr-apache", ()),
        ("hacf-03-drbd-pair.cf", "haresources-02-mailto-drbd-filesystem-mysql", ("192.168.50.103/24/eth1",)),
    ],
)
def test_each_converts_into_a_native_file_that_means_the_same(
    cf: str, resources: str, virtual: tuple[str, ...]
) -> None:
    lines = resources if "\n" in resources else _text(resources)
    reading = read_heartbeat(texts(_text(cf).replace("pacemaker on", ""), lines), asked=virtual)
    assert reading.files is not None
    nodes = {node: (f"10.9.1.{number}", f"10.9.2.{number}") for number, node in enumerate(reading.files.nodes, 1)}
    made = convert(reading, "ha.cf", Wanted(nodes))
    assert made.text is not None
    cluster = read(made.text, "cluster.toml").cluster
    assert cluster is not None
    assert cluster.dead_time == reading.files.deadtime
    assert [(group.prefer, group.resources) for group in cluster.groups] == [
        (group.group.prefer, group.group.resources) for group in reading.files.groups
    ]
    failback = FailbackKind.NEVER if reading.files.auto_failback is AutoFailback.OFF else FailbackKind.WHEN_HEALTHY
    assert [group.failback.kind for group in cluster.groups] == [failback]
