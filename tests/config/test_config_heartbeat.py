"""Whole folders of Heartbeat under heartbeat/: what is said about each, what was read, and the native form.

UNDERSTUDY_REWRITE=1 writes said.txt, meaning.txt and native.toml anew; review the difference.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from config_helpers import HERE, REWRITE
from heartbeat_helpers import HA01, VIRTUAL, folder, meaning, read_case, texts

from understudy.config.heartbeat import read_heartbeat
from understudy.config.heartbeat_native import Wanted, convert
from understudy.config.heartbeat_words import DIRECTIVES, WITHOUT_EFFECT
from understudy.config.validate import read
from understudy.heartbeat_files import AutoFailback, MediumKind
from understudy.model import AddressResource, Failback, FailbackKind, OcfResource, Quorum, ResourceDResource
from understudy.units import MILLISECOND, SECOND

FOLDERS = sorted(path.parent for path in (HERE / "heartbeat").glob("*/ha.cf"))


def _same(path: Path, text: str) -> None:
    if REWRITE:
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_what_is_read(path) -> None:
    reading = read_heartbeat(folder(path))
    said = "".join(f"{problem}\n" for problem in reading.problems)
    _same(path / "said.txt", said)
    _same(path / "meaning.txt", "refused\n" if reading.files is None else meaning(reading.files))


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
@pytest.mark.parametrize("own_mounts", [False, True])
def test_the_native_form_is_good_and_stays(path, own_mounts) -> None:
    reading = read_heartbeat(folder(path), own_mounts=own_mounts, asked=VIRTUAL.get(path.name, ()))
    if reading.files is None:
        assert path.name == "pacemaker"
        return
    addresses = {node: (f"10.9.1.{number}", f"10.9.2.{number}") for number, node in enumerate(reading.files.nodes, 1)}
    made = convert(reading, "ha.cf", Wanted(addresses))
    assert made.text is not None
    assert not [problem for problem in made.problems if problem.severity == "error"]
    again = read(made.text, "cluster.toml")
    assert again.cluster is not None
    assert again.cluster.dead_time == reading.files.deadtime
    assert [item for group in again.cluster.groups for item in group.resources] == [
        item for group in reading.files.groups for item in group.group.resources
    ]
    if not own_mounts:
        _same(path / "native.toml", made.text)


def test_the_apache_pair_means_what_its_author_meant() -> None:
    files = read_heartbeat(folder(HERE / "heartbeat" / "apache-pair")).files
    assert files is not None
    assert files.nodes == ("ha01", "ha02")
    assert (files.keepalive, files.deadtime, files.warntime, files.initdead) == tuple(n * SECOND for n in (2, 5, 3, 10))
    assert [(medium.kind, medium.device, medium.port) for medium in files.media] == [
        (MediumKind.BROADCAST, "eth1", 694)
    ]
    assert files.auto_failback is AutoFailback.ON
    assert files.watchdog == "/dev/watchdog"
    assert files.key(files.outgoing).method == "crc"  # type: ignore[union-attr]
    assert files.ttl == 3
    (group,) = files.groups_of("HA01")
    assert group.key == "IPaddr::192.168.58.100"
    address, program = group.group.resources
    assert isinstance(address, AddressResource)
    assert address.address == "192.168.58.100"
    assert isinstance(program, ResourceDResource)
    assert program.resource_script == "httpd"
    assert files.groups_of("ha02") == ()


def test_order_and_the_agent_of_the_mount() -> None:
    """Address, then NFS, then httpd."""
    files = read_heartbeat(folder(HERE / "heartbeat" / "apache-nfs-serial")).files
    assert files is not None
    assert files.ipfail
    assert files.respawn == ()
    address, mount, program = files.groups[0].group.resources
    assert isinstance(address, AddressResource)
    assert isinstance(program, ResourceDResource)
    assert isinstance(mount, OcfResource)
    assert mount.type == "Filesystem"
    assert dict(mount.parameters) == {
        "device": "nfsha.haw2.ibm.com:/ha",
        "directory": "/ha",
        "fstype": "nfs",
        "options": "rw,hard",
    }
    assert files.media[0].baud == 19200
    assert files.groups[0].group.stays_where is not None


def test_two_lines_are_mutual_take_over() -> None:
    files = read_heartbeat(folder(HERE / "heartbeat" / "mutual")).files
    assert files is not None
    assert [(group.node, group.group.prefer) for group in files.groups] == [("left", ("left",)), ("right", ("right",))]
    made = convert(
        read_heartbeat(folder(HERE / "heartbeat" / "mutual")),
        "ha.cf",
        Wanted({"left": ("10.9.0.1",), "right": ("10.9.0.2",)}, "both"),
    )
    cluster = read(made.text or "", "x").cluster
    assert cluster is not None
    assert cluster.name == "both"
    assert cluster.quorum is Quorum.PAIR
    assert cluster.heartbeat == 200 * MILLISECOND
    assert [group.failback for group in cluster.groups] == [Failback(), Failback()]


@pytest.mark.parametrize(
    ("said", "kind"),
    [("on", FailbackKind.WHEN_HEALTHY), ("Off", FailbackKind.NEVER), ("legacy", FailbackKind.WHEN_HEALTHY)],
)
def test_auto_failback(said, kind) -> None:
    cf = f"keepalive 1\ndeadtime 10\ninitdead 30\nbcast eth0\nnode ha01 ha02\nauto_failback {said}\n"
    files = read_heartbeat(texts(cf)).files
    assert files is not None
    assert files.auto_failback.value == said.lower()
    assert files.groups[0].group.failback.kind is kind


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2", 2000),
        ("0.3", 300),
        (".5", 500),
        ("500ms", 500),
        ("500MSEC", 500),
        ("1500us", 2),
        ("1400Usec", 1),
        ("0010", 10000),
    ],
)
def test_times_as_the_old_program_reads_them(text, milliseconds) -> None:
    cf = f"keepalive {text}\ndeadtime 500\ninitdead 600\nbcast eth0\nnode ha01 ha02\nauto_failback on\n"
    files = read_heartbeat(texts(cf)).files
    assert files is not None
    assert files.keepalive == milliseconds * MILLISECOND


@pytest.mark.parametrize(
    ("deadtime", "initdead"), [("2.9", 12), ("5.9", 12), ("6", 12), ("8", 16), ("10", 20), ("11", 11), ("60", 60)]
)
def test_defaults_of_times(deadtime, initdead) -> None:
    files = read_heartbeat(texts(f"deadtime {deadtime}\nbcast eth0\nnode ha01 ha02\nauto_failback on\n")).files
    assert files is not None
    assert files.keepalive == SECOND
    assert files.initdead == initdead * SECOND
    assert files.warntime == files.deadtime // 2
    assert files.deadping == files.deadtime


def test_udpport_counts_for_the_media_below_it() -> None:
    files = read_heartbeat(texts("udpport 1\nbcast eth0\nudpport 2\nucast eth1 10.0.0.1\nnode ha01 ha02\n")).files
    assert files is not None
    assert [medium.port for medium in files.media] == [1, 2]
    assert files.udpport == 2


def test_keys_never_show() -> None:
    files = read_heartbeat(texts()).files
    assert "brown-fox" not in repr(files)


# -- what the machine knows -------------------------------------------------------------------------------------------


def _resources(line: str, **changes: object):
    reading = read_heartbeat(texts(haresources=f"ha01 {line}\n"), replace(HA01, **changes))  # type: ignore[arg-type]
    return reading.files.groups[0].group.resources if reading.files else [str(problem) for problem in reading.problems]


def test_interface_and_prefix_come_from_the_machine() -> None:
    (address,) = _resources("192.168.107.9")
    assert (address.prefix, address.device) == (24, "eth1")
    (address,) = _resources("IPaddr2::192.168.107.9/28")
    assert (address.prefix, address.device) == (28, "eth1")
    (address,) = _resources("IPaddr::10.0.0.9/8/eth0:3")
    assert (address.prefix, address.device) == (8, "eth0")


def test_search_order_of_scripts_and_units() -> None:
    """resource.d, then init.d, then a unit of systemd where no script is; a folder elsewhere is named."""
    found = _resources("httpd test1 own::a::b apache2 apache::/etc/x.conf MailTo::root::moved")
    assert [type(item).__name__ for item in found] == [
        *("ResourceDResource", "ResourceDResource", "ResourceDResource"),
        *("SystemdResource", "OcfResource", "OcfResource"),
    ]
    assert [found[0].resource_script, found[1].resource_script, found[2].resource_script] == [
        "httpd",
        "test1",
        "/srv/ha.d/resource.d/own",
    ]
    assert found[2].arguments == ("a", "b")
    assert found[3].unit == "apache2.service"
    assert dict(found[4].parameters) == {"configfile": "/etc/x.conf"}
    assert dict(found[5].parameters) == {"email": "root", "subject": "moved"}


def test_scripts_of_the_old_package_are_their_agents_where_it_is_gone() -> None:
    """The arguments as the scripts of Debian's heartbeat 3.0.6 hand them to the agents."""
    found = _resources(
        "portblock::tcp::80,443::block WAS::/opt/was.xml WAS::9080 ids::/opt/ids::shop::onconfig SendArp::10.0.0.9/eth1"
    )
    assert [dict(item.parameters) for item in found] == [
        {"protocol": "tcp", "portno": "80,443", "action": "block"},
        {"config": "/opt/was.xml"},
        {"port": "9080"},
        {"informixdir": "/opt/ids", "informixserver": "shop", "onconfig": "onconfig"},
        {"ip": "10.0.0.9", "nic": "eth1"},
    ]
    assert [item.exclusive for item in found] == [False, False, False, True, False]
    assert {(item.limits.start, item.limits.stop) for item in found} == {(300 * SECOND, 60 * SECOND)}


def test_a_script_around_the_init_script_is_missed_by_name() -> None:
    files = texts("keepalive 1\ndeadtime 10\nbcast eth0 eth1\nnode ha01 ha02\nauto_failback on\n")
    hook = "/etc/ha.d/resource.d/startstop"
    for scripts, told in (({"startstop": hook}, True), ({"startstop": "/etc/init.d/startstop"}, False), ({}, False)):
        problems = read_heartbeat(files, replace(HA01, scripts={**HA01.scripts, **scripts}), here=True).problems
        assert [problem.severity for problem in problems if f"{hook} is not called any more" in problem.text] == [
            "warning"
        ] * told


def test_a_node_converts_by_what_it_knows() -> None:
    """Its own address on the device of bcast, the other's from /etc/hosts; nothing needs to be asked."""
    cf = "keepalive 1\ndeadtime 10\nbcast eth1\nping router\nauto_failback on\nnode ha01 ha02\n"
    reading = read_heartbeat(texts(cf, "ha01 192.168.58.100 httpd\n"), HA01, here=True)
    made = convert(reading, "ha.cf", Wanted(), HA01)
    cluster = read(made.text or "", "x").cluster
    assert cluster is not None
    assert [link.address for member in cluster.members for link in member.links] == [
        "192.168.107.101",
        "192.168.107.102",
    ]
    assert cluster.ping == ("192.168.58.1",)
    assert cluster.groups[0].addresses[0].device == "eth0"


def test_scripts_that_are_still_run_out_of_the_old_folder_are_named() -> None:
    """Who takes /etc/ha.d away when the pair is native takes these away, too."""
    reading = read_heartbeat(texts(haresources="ha01 192.168.58.100/24/eth0 httpd test1\n"), HA01)
    made = convert(reading, "ha.cf", Wanted(), HA01)
    kept = "/etc/ha.d/resource.d/test1 is still run: keep it when ha.cf, haresources and authkeys are taken away"
    assert [note for note in made.notes if "still run" in note] == [kept]
    assert made.text is not None
    assert f"# - {kept}" in made.text


def test_ucast_lines_of_both_nodes() -> None:
    """The same file on both: the line that names our own address is not the peer's."""
    cf = "keepalive 1\ndeadtime 10\nucast eth1 192.168.107.101\nucast eth1 192.168.107.77\nauto_failback on\nnode ha01 ha02\n"
    reading = read_heartbeat(texts(cf), HA01, here=True)
    made = convert(reading, "ha.cf", Wanted(), HA01)
    cluster = read(made.text or "", "x").cluster
    assert cluster is not None
    assert [link.address for link in cluster.members[1].links] == ["192.168.107.77"]


def test_what_is_not_known_is_asked_for() -> None:
    cf = "keepalive 1\ndeadtime 10\nbcast eth1\nauto_failback on\nnode ha01 ha02\n"
    made = convert(
        read_heartbeat(texts(cf, "ha01 192.168.58.100\n")), "ha.cf", Wanted({"ha01": ("10.0.0.1",), "ha03": ("x",)})
    )
    assert made.text is None
    assert [str(problem) for problem in made.problems] == [
        "ha.cf: error: an address is given for ha03, which is no node\n    The nodes are: ha01, ha02.",
        "ha.cf: error: ha.cf does not say which address ha02 has for its heartbeats (bcast eth1)\n"
        "    Add --address ha02=ADDRESS, several with commas between them; /etc/hosts of a node is looked at too.",
        "ha.cf: error: neither haresources nor this machine says which interface carries 192.168.58.100\n"
        "    Add --virtual 192.168.58.100/24/eth0 (prefix length, interface), or write it into haresources.",
    ]


def test_serial_only_needs_addresses() -> None:
    cf = "keepalive 1\ndeadtime 10\nserial /dev/ttyS0\nauto_failback on\nnode ha01 ha02\n"
    made = convert(read_heartbeat(texts(cf)), "ha.cf", Wanted())
    assert made.text is None
    assert "serial lines only, and native heartbeats take networks" in made.problems[0].text


def test_a_case_reads_like_the_standard_files() -> None:
    assert read_case("+\n").problems == ()
    assert read_case("+\n@haresources\nha01 192.168.58.100 test1\n@on ha01\n").problems == ()


def test_the_documented_table_has_every_directive() -> None:
    """Each once, and "no effect" just for those that are warned of."""
    page = (HERE.parent.parent / "docs" / "heartbeat.md").read_text("utf-8")
    table = page.split("### Directives of ha.cf")[1].split("###")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    found = [(word, row[2].strip()) for row in rows for word in re.findall(r"`(\w+)`", row[1])]
    assert sorted(found) == sorted(
        (word, "no effect" if word in WITHOUT_EFFECT else "done") for word in set(DIRECTIVES)
    )


def test_a_stonith_device_becomes_a_fence_device() -> None:
    """Each node has one: then the confirmed end of the other stands for its vote. What a type ends is known by its name."""
    cf = "deadtime 5\nkeepalive 1\nauto_failback on\nucast eth1 192.0.2.2\nbcast eth2\nnode ha01 ha02\n"
    lines = "stonith_host ha01 external/ipmi ha02 192.0.2.200 admin secret lan\nstonith_host ha02 apcmaster 192.0.2.9 apc word\n"
    addresses = Wanted({"ha01": ("10.0.0.1",), "ha02": ("10.0.0.2",)})
    reading = read_heartbeat(texts(cf + lines))
    made = convert(reading, "ha.cf", addresses)
    assert made.text is not None, made.problems
    cluster = read(made.text, "cluster.toml").cluster
    assert cluster is not None
    assert cluster.quorum is Quorum.FENCE
    assert [(item.program, item.arguments, item.targets) for item in cluster.fences] == [
        ("external/ipmi", ("ha02", "192.0.2.200", "admin", "secret", "lan"), (("ha02", ""),)),
        ("apcmaster", ("192.0.2.9", "apc", "word"), (("ha01", ""),)),
    ]
    assert not any(item.resets for item in cluster.fences), "natively off is off"
    made = convert(read_heartbeat(texts(cf + "stonith external/ssh /etc/ha.d/ssh.conf\n")), "ha.cf", addresses)
    assert made.text is not None
    assert "# - the STONITH device external/ssh cannot be used natively: docs/fencing.md" in made.text
    assert "[fence" not in made.text
    made = convert(read_heartbeat(texts(cf + "stonith ipmilan /etc/ha.d/ipmi.conf\n")), "ha.cf", addresses)
    assert made.text is not None
    assert 'stonith = ["ipmilan"]\nnodes = ["ha01", "ha02"]\nparameters_file = "/etc/ha.d/ipmi.conf"' in made.text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("stonith_host * null ha01 ha02", "the device null counts as none"),
        ("stonith suicide /dev/null", "the device suicide counts as none"),
        ("stonith_host * external/ssh ha01 ha02", "external/ssh proves little"),
    ],
)
def test_a_device_that_ends_nobody_is_told(line: str, said: str) -> None:
    reading = read_heartbeat(texts(f"node ha01 ha02\nbcast eth1\n{line}\n"))
    assert any(said in problem.text for problem in reading.problems), reading.problems


@pytest.mark.parametrize(("deadtime", "heartbeat"), [("3", 1000), ("4", 1000), ("2900ms", 580)])
def test_keepalive_is_kept_where_the_dead_time_bears_two_lost_ones(deadtime, heartbeat) -> None:
    cf = f"keepalive 1\ndeadtime {deadtime}\nbcast eth0\nnode ha01 ha02\nauto_failback on\n"
    made = convert(read_heartbeat(texts(cf)), "ha.cf", Wanted({"ha01": ("10.0.0.1",), "ha02": ("10.0.0.2",)}))
    cluster = read(made.text or "", "x").cluster
    assert cluster is not None
    assert cluster.heartbeat == heartbeat * MILLISECOND
