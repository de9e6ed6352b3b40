"""The dumps of SIGUSR1 and SIGUSR2: keepalived's words, read as a tool of others reads them; and no trap in /tmp."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from router_parts import files

from understudy.adapters.addresses import SeenAddress, SeenLink
from understudy.manager.router_dump import data_text, statistics_text, write_dump
from understudy.snapshot import router_json
from understudy.units import SECOND
from understudy.vrrp import RouterView
from understudy.vrrp_files import (
    RouterAddress,
    RouterGlobals,
    SyncGroup,
    Track,
    TrackedFile,
    TrackedProcess,
    TrackedScript,
    UnicastPeer,
    VirtualRouter,
)

WEB = VirtualRouter(
    "VI_1",
    "eth0",
    51,
    (RouterAddress("192.0.2.100", 24, "eth0"), RouterAddress("198.51.100.1", 32, "eth1", advertised=False, label="l")),
    priority=100,
    auth="PASS",
    password="secret",
    peers=(UnicastPeer("192.0.2.7"),),
    tracks=(Track("script", "chk", 5), Track("file", "load", -1, True)),
)
OTHER = VirtualRouter("VI_2", "eth0", 52, (), version=3, interval=SECOND // 4)
FILES = files(
    WEB,
    OTHER,
    groups=(SyncGroup("VG", ("VI_1", "VI_2")),),
    scripts=(TrackedScript("chk", ("/bin/check", "-x"), weight=5),),
    files=(TrackedFile("load", "/run/load"),),
    processes=(TrackedProcess("web", ("httpd",)),),
    settings=RouterGlobals(router_id="lb01", fifos=(("/run/fifo", ()),)),
)
COUNTERS = (
    ("heard", 10),
    ("sent", 5),
    ("became_master", 3),
    ("goodbyes_heard", 2),
    ("goodbyes_sent", 1),
    ("refused_ttl", 4),
    ("refused_total-length", 6),
    ("refused_password", 7),
    ("refused_checksum", 9),
)
VIEW = router_json(
    RouterView(
        "VI_1",
        "MASTER",
        SECOND,
        "so",
        51,
        4,
        2,
        "eth0",
        105,
        100,
        "192.0.2.1",
        105,
        ("192.0.2.100",),
        (),
        (),
        COUNTERS,
    )
)
SAID = {("script", "chk"): (False, 0, "exit code 1"), ("file", "load"): (True, 3, "")}


def parsed(text: str) -> dict[str, str]:
    """``name = value`` of the first router, as monitoring plugins read them."""
    part = text.split("VRRP Instance = VI_1")[1].split("VRRP Instance = VI_2")[0]
    return dict(re.findall(r"^   (\S.*?) = (.*)$", part, re.MULTILINE))


def test_the_data_is_what_keepalived_s_readers_look_for() -> None:
    text = data_text(FILES, [VIEW], SAID)
    found = parsed(text)
    assert found["State"] == "MASTER"
    assert found["Interface"] == "eth0"
    assert found["Virtual Router ID"] == "51"
    assert (found["Priority"], found["Effective priority"]) == ("100", "105")
    assert found["Advert interval"] == "1 sec"
    assert "   Advert interval = 250 milli-sec\n" in text
    assert "   Virtual IP (1):\n     192.0.2.100/24 dev eth0 scope global set\n" in text
    assert "   Virtual IP Excluded (1):\n     198.51.100.1/32 dev eth1 scope global label l set\n" in text
    assert "   Unicast Peer :\n     192.0.2.7\n" in text
    assert "   Tracked files :\n     load weight -1 reverse\n" in text
    assert " VRRP Script = chk\n   Command = '/bin/check -x'\n" in text
    assert "   Status = BAD\n   Why = exit code 1\n" in text
    assert " Track file = load\n   File = /run/load\n   Status = 3\n" in text
    assert " VRRP Sync Group = VG, INIT\n" in text, "not all of its members are known to be in one state"
    assert " Router ID = lb01\n" in text
    assert "secret" not in text


LINKS = (SeenLink(1, "lo", True, mtu=65536), SeenLink(4, "eth0", False, mac="02:00:5e:00:00:01", mtu=1500))
ADDRESSES = (SeenAddress(4, bytes([192, 0, 2, 1]), 24), SeenAddress(4, b"\xfe\x80" + bytes(13) + b"\x01", 64))


def test_timers_sockets_and_interfaces_stand_where_keepalived_has_them() -> None:
    text = data_text(FILES, [VIEW], SAID, (LINKS, ADDRESSES))
    assert parsed(text)["Master down timer"] == "3589843 usecs", "3 s, and the skew of its priority now: 151/256 s"
    assert "   Master down timer = 902343 usecs\n" in text, (
        "3.609375 intervals of 0.25 s, in keepalived's whole numbers"
    )
    heads = re.findall(r"^------< (.*) >------$", text, re.MULTILINE)
    assert heads == [
        "Global definitions",
        "VRRP Topology",
        "VRRP Sockpool",
        "VRRP Sync groups",
        "VRRP Scripts",
        "VRRP Track processes",
        "VRRP Track files",
        "Interfaces",
    ]
    assert (
        " Interface = eth0\n   Family = IPv4\n   Protocol = VRRP\n   Type = Multicast and Unicast\n   VRRP instances\n"
        "     VI_1 vrid 51\n     VI_2 vrid 52\n"
    ) in text
    lo, eth0 = text.split("------< Interfaces >------\n Name = ")[1].split(" Name = ")
    assert lo.splitlines()[1:] == [
        "   index = 1",
        "   IPv4 address = (none)",
        "   IPv6 address = (none)",
        "   State = UP, RUNNING",
        "   MTU = 65536",
    ]
    assert eth0.splitlines()[2:] == [
        "   IPv4 address = 192.0.2.1",
        "   IPv6 address = fe80::1",
        "   MAC = 02:00:5e:00:00:01",
        "   State = UP, not RUNNING",
        "   MTU = 1500",
        "   Tracking VRRP instances :",
        "     VI_1, weight 0",
        "     VI_2, weight 0",
    ]


def test_the_statistics_are_what_keepalived_s_readers_look_for() -> None:
    first, second = statistics_text(["VI_1", "VI_2"], [VIEW]).split("VRRP Instance: ")[1:]
    numbers = [int(item) for item in re.findall(r": (\d+)$", first, re.MULTILINE)]
    assert numbers == [10, 5, 3, 2, 6, 4, 0, 0, 0, 0, 0, 7, 2, 1]
    assert re.findall(r"^  ([A-Z].*?):", first, re.MULTILINE) == [
        "Advertisements",
        "Became master",
        "Released master",
        "Packet Errors",
        "Authentication Errors",
        "Priority Zero",
    ]
    assert set(re.findall(r": (\d+)$", second, re.MULTILINE)) == {"0"}


def test_a_dump_replaces_our_own_file_only(tmp_path: Path) -> None:
    path, other = tmp_path / "keepalived.data", tmp_path / "other"
    assert write_dump(str(path), "a longer text\n") == ""
    assert write_dump(str(path), "short\n") == ""
    assert path.read_text() == "short\n"
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    other.write_text("precious")
    path.symlink_to(other)
    assert "is not written" in write_dump(str(path), "x")
    path.unlink()
    os.link(other, path)
    assert "not a plain file of this daemon's user" in write_dump(str(path), "x")
    path.unlink()
    os.mkfifo(path)
    assert "is not written" in write_dump(str(path), "x")
    assert other.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_else_s_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.data"
    path.write_text("theirs")
    os.chown(path, 65534, 65534)
    assert "not a plain file of this daemon's user" in write_dump(str(path), "x")
    assert path.read_text() == "theirs"
