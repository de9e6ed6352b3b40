"""Fence devices through the manager: what the core orders, what an operator asks, what of it reaches the device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from manager_helpers import FakePulse, RunningManager, a_cluster, a_manager, ask, until

from understudy.fence_devices import FenceDevice, FenceKind
from understudy.units import SECOND

SCRIPT = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
status) [ -e {folder}/lamp ] && exit 0; exit 2 ;;
off) [ -e {folder}/hangs ] && {{ sleep 1000 & echo $! > {folder}/helper; wait; }}; rm -f {folder}/lamp ;;
on) : > {folder}/lamp ;;
esac
"""


class Strip:
    """A power switch in a folder; ``asked`` is what it was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.path = folder / "switch"
        self.path.write_text(SCRIPT.format(folder=folder, log=self.log))
        self.path.chmod(0o755)
        (folder / "lamp").touch()

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def strip(tmp_path: Path) -> Strip:
    (tmp_path / "strip").mkdir()
    return Strip(tmp_path / "strip")


@pytest.fixture
def manager(tmp_path: Path, strip: Strip, pulse: FakePulse) -> Iterator[RunningManager]:
    device = FenceDevice("strip", FenceKind.COMMAND, str(strip.path), (), (), (("b", "outlet7"),), 1, 3 * SECOND)
    with a_manager(replace(a_cluster(), fences=(device,)), tmp_path) as running:
        yield running


def post(manager: RunningManager, path: str, body: object) -> tuple[int, Any]:
    return ask(manager.runtime_dir, "POST", path, json.dumps(body).encode())


def order(pulse: FakePulse, action: str = "off", limit: int = 20 * SECOND, op: int = 7) -> dict[str, Any]:
    pulse.send(
        {"t": "fence", "op": op, "node": "b", "devices": ["strip"], "action": action, "limit_ns": limit, "why": "x"}
    )
    return pulse.wait_for("finished", op=op)


def test_the_core_has_a_node_switched_off_and_on(pulse: FakePulse, manager: RunningManager, strip: Strip) -> None:
    done = order(pulse)
    assert done["outcome"] == "ok"
    assert strip.asked[:2] == ["off outlet7", "status outlet7"]
    assert order(pulse, "on", op=8)["outcome"] == "ok"
    assert (strip.folder / "lamp").exists()


def test_the_devices_own_time_counts_and_its_helpers_die_with_it(
    pulse: FakePulse, manager: RunningManager, strip: Strip
) -> None:
    (strip.folder / "hangs").touch()
    done = order(pulse)
    assert done["outcome"] == "unknown"
    assert "not done after 3s" in done["text"]
    helper = int((strip.folder / "helper").read_text())
    until(lambda: not lives(helper), "what the device left behind ends too")


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_orders_that_make_no_sense(pulse: FakePulse, manager: RunningManager, strip: Strip) -> None:
    pulse.send(
        {"t": "fence", "op": 1, "node": "b", "devices": ["other"], "action": "off", "limit_ns": SECOND, "why": "x"}
    )
    assert "no fence device other" in pulse.wait_for("finished", op=1)["text"]
    pulse.send(
        {"t": "fence", "op": 2, "node": "b", "devices": ["strip"], "action": "burn", "limit_ns": SECOND, "why": "x"}
    )
    assert pulse.wait_for("finished", op=2)["outcome"] == "unknown"
    assert not [line for line in strip.asked if not line.startswith("status")]


@pytest.mark.parametrize("verb", ["fence", "confirm-off"])
def test_an_operators_wish_goes_to_the_core_with_who_asked(
    pulse: FakePulse, manager: RunningManager, verb: str
) -> None:
    assert post(manager, f"/v1/{verb}", {"node": "b"})[0] == 200
    assert pulse.wait_for("admin", verb=verb, node="b", group="")["by"]
    pulse.reply = {"ok": False, "text": "b is heard"}
    assert post(manager, f"/v1/{verb}", {"node": "b"}) == (409, {"ok": False, "text": "b is heard", "hint": ""})


@pytest.mark.parametrize("path", ["/v1/fence", "/v1/confirm-off", "/v1/fence/test"])
def test_a_name_that_is_no_node_reaches_nobody(
    pulse: FakePulse, manager: RunningManager, strip: Strip, path: str
) -> None:
    status, answer = post(manager, path, {"node": "c"})
    assert (status, answer["text"]) == (400, "there is no node 'c'")
    status, answer = post(manager, path, {"node": "w"})
    assert (status, answer["text"]) == (400, "'w' is a witness: it runs nothing")
    assert post(manager, path, {"node": "b", "force": True})[0] == 400
    assert not [packet for packet in pulse.received if packet["t"] == "admin"]
    assert "off outlet7" not in strip.asked


def test_a_test_asks_and_switches_nothing(pulse: FakePulse, manager: RunningManager, strip: Strip) -> None:
    status, answer = post(manager, "/v1/fence/test", {"node": "b"})
    assert status == 200
    (row,) = answer["devices"]
    assert (row["device"], row["node"], row["ok"], row["text"]) == ("strip", "b", True, "on")
    assert set(strip.asked) == {"status outlet7"}
    assert post(manager, "/v1/fence/test", {"node": "a"})[1]["devices"] == []
    rows = ask(manager.runtime_dir, "GET", "/v1/fence")[1]["devices"]
    assert [(item["device"], item["node"], item["ok"]) for item in rows] == [("strip", "b", True)]


def test_a_device_that_would_not_help_is_a_warning_in_status(
    pulse: FakePulse, manager: RunningManager, strip: Strip
) -> None:
    strip.path.unlink()
    assert post(manager, "/v1/fence/test", {"node": "b"})[1]["devices"][0]["ok"] is False
    warnings = ask(manager.runtime_dir, "GET", "/v1/status")[1]["warnings"]
    assert [line for line in warnings if line.startswith("fence device strip would not help against b: ")], warnings
