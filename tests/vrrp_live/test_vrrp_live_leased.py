"""Two routers with a cluster behind them, or a second path, on a real kernel: one master when the first path is cut."""

from __future__ import annotations

from typing import Any

import pytest
from live_worlds import World

pytestmark = pytest.mark.kernel
leased = pytest.mark.parametrize("world", [World("leased_world.py", "told", ("leased",))], ids=["leased"])


@leased
def test_a_cut_of_the_advertisements_makes_no_second_master(told: dict[str, Any]) -> None:
    cut = told["cut"]
    assert (cut["two"], cut["after"], cut["state"]) == (0, "ha01", "BACKUP")
    assert cut["why"].startswith("the cluster gives the right to ha01")
    assert "site: it hears no master and waits: the cluster gives the right to ha01" in told["warnings"]


@leased
def test_a_reload_brings_an_address_and_moves_nothing(told: dict[str, Any]) -> None:
    again = told["reload"]
    assert (again["two"], again["after"]) == (0, "ha01")
    assert "192.168.58.111/" in again["there"]
    assert all(said.startswith("0 ") for said in again["said"]), again["said"]


@leased
def test_a_master_without_power_is_taken_over_from(told: dict[str, Any]) -> None:
    assert told["off"]["two"] == 0
    assert told["off"]["outage_ms"] is not None


@pytest.mark.parametrize("world", [World("leased_world.py", "second", ("path",))], ids=["second"])
def test_a_second_path_makes_no_second_master(told: dict[str, Any]) -> None:
    assert (told["two"], told["after"]) == (0, "ha01")
    assert told["stop_ms"] is not None
