"""Other people's real keepalived.conf files, read unchanged where UNDERSTUDY_SHARED names a folder that has them.

What those of ``reference/configs`` must mean is told in our own words; the files of ``scenarios`` are those of keepalived/ here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from config_helpers import HERE
from keepalived_helpers import meaning

from understudy.config.keepalived import KeepalivedReading
from understudy.config.keepalived_native import convert
from understudy.config.load import examine_keepalived
from understudy.config.validate import read
from understudy.units import SECOND

ROOT = Path(os.environ.get("UNDERSTUDY_SHARED", ""))
SHARED = ROOT / "reference" / "configs"
FILES = sorted(SHARED.glob("keepalived-*.conf")) if ROOT.name else []
SCENARIOS = sorted((ROOT / "scenarios").glob("vrrp-*/*.conf")) if ROOT.name else []
pytestmark = pytest.mark.skipif(
    not os.environ.get("UNDERSTUDY_SHARED") or not SHARED.is_dir(),
    reason="UNDERSTUDY_SHARED names no folder with reference/configs",
)


def _reading(name: str) -> KeepalivedReading:
    return examine_keepalived(str(SHARED / name), "main")


@pytest.mark.parametrize("path", [*FILES, *SCENARIOS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_is_read_and_the_native_form_means_the_same(path: Path) -> None:
    reading = examine_keepalived(str(path), "main")
    assert reading.files is not None
    made = convert(reading, path.name)
    assert made.text is not None
    again = read(made.text, "routers.toml").cluster
    assert again is not None
    assert again.routers is not None
    assert replace(again.routers, services=again.services) == reading.files


def test_two_instances_with_macs_of_their_own_that_move_together() -> None:
    """keepalived tells of one line of it: a word of instances among the global ones."""
    reading = _reading("keepalived-01-sync-vmac-conntrackd.conf")
    assert [(item.line, "garp_master_delay" in item.text) for item in reading.problems if "unknown" in item.text] == [
        (9, True)
    ]
    files = reading.files
    assert files is not None
    assert [(group.name, group.members) for group in files.sync_groups] == [("G1", ("pub_a", "pvt_a"))]
    public, private = files.routers
    assert [(len(each.addresses), each.device, each.vrid) for each in files.routers] == [
        (26, "ens7f0", 61),
        (1, "ens7f1.57", 62),
    ]
    assert public.advertised == ("192.168.43.5",)
    assert [item.prefix for item in public.addresses] == [24] + [32] * 25
    assert public.virtual_mac is not None
    assert (public.virtual_mac.name, public.preempt_delay, public.notified.mail) == ("pub_a", 5 * SECOND, True)
    assert private.notified.any == ("/etc/keepalived/notify.sh",)
    assert private.notified.master == ("/etc/conntrackd/primary-backup.sh", "primary")


def test_nopreempt_with_state_master_is_dropped_and_said() -> None:
    reading = _reading("keepalived-02-master-nopreempt.conf")
    assert any("nopreempt does not go with initial state MASTER" in item.text for item in reading.problems)
    assert reading.files is not None
    (router,) = reading.files.routers
    assert (router.preempt, router.priority, router.addresses[0].prefix) == (True, 100, 32)


def test_a_long_password_is_cut_and_services_are_kept() -> None:
    reading = _reading("keepalived-03-dns-lvs-tcp-check.conf")
    cut = [item for item in reading.problems if "longer than 8 characters" in item.text]
    assert [item.line for item in cut] == [10]
    assert reading.files is not None
    assert reading.files.routers[0].password == "s0me_ran"
    assert reading.files.services is not None
    assert len(reading.files.services.services) == 1


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_scenario_f_is_the_one_that_is_tested_here(path: Path) -> None:
    ours = HERE / "keepalived" / f"{path.parent.name}-{path.stem}" / "keepalived.conf"
    theirs, mine = (examine_keepalived(str(each), "main").files for each in (path, ours))
    assert theirs is not None
    assert mine is not None
    assert meaning(theirs) == meaning(mine)
