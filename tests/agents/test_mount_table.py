"""The kernel's list of mounts, read; and what the configuration means by a device in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from understudy.adapters.mount_table import (
    Mount,
    at_directory,
    below,
    containing,
    device_path,
    elsewhere,
    parse_line,
    read_mounts,
    shows,
)

LINE = r"36 35 98:0 /mnt1 /srv/a\040b rw,noatime master:1 shared:2 - ext4 /dev/ro\134ot rw,errors=continue"


def mount(
    directory: str, source: str = "s", type: str = "ext4", number: str = "8:1", root: str = "/", id: int = 1
) -> Mount:
    return Mount(id, number, root, directory, ("rw",), type, source, ("rw",))


def test_a_line() -> None:
    expected = Mount(
        36, "98:0", "/mnt1", "/srv/a b", ("rw", "noatime"), "ext4", "/dev/ro\\ot", ("rw", "errors=continue")
    )
    assert parse_line(LINE) == expected


@pytest.mark.parametrize(
    "line", ["", "nonsense", "36 35 98:0 / /srv rw", "36 35 98:0 / /srv rw - ext4", "x 35 8:0 / /s rw - e s rw"]
)
def test_a_line_that_makes_no_sense(line: str) -> None:
    assert parse_line(line) is None


def test_read_only_of_either_kind() -> None:
    assert not mount("/srv").is_read_only
    assert Mount(1, "8:1", "/", "/srv", ("ro",), "ext4", "s", ("rw",)).is_read_only
    assert Mount(1, "8:1", "/", "/srv", ("rw",), "ext4", "s", ("ro",)).is_read_only


def test_the_kernels_own_list() -> None:
    found = read_mounts()
    assert containing(found, "/proc/self") in at_directory(found, "/proc")
    assert all(item.directory.startswith("/") for item in found)
    with pytest.raises(OSError):
        read_mounts("no-such-process")


def test_what_is_below_comes_deepest_and_newest_first() -> None:
    first, second, deep, deep2, other = (
        mount("/srv/x", "1"),
        mount("/srv", "2"),
        mount("/srv/x/y", "3"),
        mount("/srv/x/y", "4"),
        mount("/srv2/z", "5"),
    )
    assert below((first, second, deep, deep2, other), "/srv") == (deep2, deep, first)


def test_which_mount_a_path_lies_in() -> None:
    root, old, new, near = mount("/"), mount("/srv", id=2), mount("/srv", id=3), mount("/srv/site2", id=4)
    assert containing((root, old, new, near), "/srv/site") is new
    assert containing((root, old, new, near), "/srv/site2") is near
    assert containing((root, old, new, near), "/var") is root
    assert containing((), "/var") is None


@pytest.mark.parametrize(
    ("device", "path"),
    [
        ("/dev/sdb1", "/dev/sdb1"),
        ("UUID=12ab-CD", "/dev/disk/by-uuid/12ab-CD"),
        ("LABEL=my data/1", r"/dev/disk/by-label/my\x20data\x2f1"),
        ("PARTLABEL=a", "/dev/disk/by-partlabel/a"),
        ("tmpfs", "tmpfs"),
        ("a=b", "a=b"),
    ],
)
def test_devices_by_tag(device: str, path: str) -> None:
    assert device_path(device) == path


@pytest.mark.parametrize(
    ("source", "has", "device", "type", "expected"),
    [
        ("nfs01:/site", "nfs4", "nfs01:/site", "nfs", True),
        ("nfs01:/site", "nfs4", "nfs01:/site/", "nfs", True),
        ("nfs01:/other", "nfs4", "nfs01:/site", "nfs", False),
        ("//files/site", "cifs", "//files/site", "cifs", True),
        ("tmpfs", "tmpfs", "tmpfs", "tmpfs", True),
        ("tmpfs", "ramfs", "tmpfs", "tmpfs", False),
        ("gfs:/vol", "fuse.glusterfs", "gfs:/vol", "glusterfs", True),
        ("/dev/sdb1", "ext4", "/dev/sdb2", "ext4", False),
        ("/dev/nosuch1", "ext3", "/dev/nosuch1", "auto", True),
    ],
)
def test_what_a_mount_shows(source: str, has: str, device: str, type: str, expected: bool) -> None:
    assert shows(mount("/srv", source, has), (), device, type) is expected


def test_a_device_by_a_link_and_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to("/dev/nosuch1")
    assert shows(mount("/srv", str(tmp_path / "data")), (), "/dev/nosuch1", "ext4")
    number = os.stat("/dev/null").st_rdev
    same = mount("/srv", "/dev/root", number=f"{os.major(number)}:{os.minor(number)}")
    assert shows(same, (), "/dev/null", "ext4")
    assert not shows(mount("/srv", "/dev/root", number="0:0"), (), "/dev/null", "ext4")


def test_a_bind_mount() -> None:
    home = mount("/srv", "/dev/sdb1", number="8:17", root="/@srv")
    good = mount("/var/www", "/dev/sdb1", number="8:17", root="/@srv/site/www", id=2)
    assert shows(good, (home, good), "/srv/site/www", "bind")
    assert not shows(good, (home, good), "/srv/site", "bind")
    assert not shows(mount("/var/www", number="8:18", root="/@srv/site/www", id=2), (home,), "/srv/site/www", "bind")
    assert not shows(good, (good,), "/srv/site/www", "bind")


def test_nobody_else_shows_what_we_show_ourselves() -> None:
    root = at_directory(read_mounts(), "/")[-1]
    assert elsewhere(root.number, root.source) == ""
    assert elsewhere("", "") == ""
