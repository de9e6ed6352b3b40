"""Our daemon with a keepalived.conf, alone on its network: the least that it must do, and what it must never do."""

from __future__ import annotations

from typing import Any

import pytest
from first_world import ADDRESS, NODE, SECOND_ADDRESS, VIRTUAL_MAC, VRID
from live_worlds import World

pytestmark = pytest.mark.kernel

ALONE = World("first_world.py", "alone", ())
OWN_MAC = World("first_world.py", "own_mac", ())

MASTER = {
    "alone",
    "the address is back",
    "thawed",
    "killed and started again",
    "another address by a reload",
    "device up",
}
SILENT = {"no address to speak from", "frozen", "device down", "stopped"}


@pytest.mark.parametrize("world", [ALONE], ids=str)
@pytest.mark.parametrize("step", sorted(MASTER))
def test_it_is_master_and_answers(told: dict[str, Any], step: str) -> None:
    assert told[step]["masters"] == {str(VRID): [NODE]}
    assert ADDRESS in told[step]["addresses"][NODE]
    assert told[step]["answers"], "the client is not answered by it"


@pytest.mark.parametrize("world", [ALONE], ids=str)
@pytest.mark.parametrize("step", sorted(SILENT))
def test_nobody_answers_where_it_may_not_serve(told: dict[str, Any], step: str) -> None:
    assert told[step]["masters"] == {}
    assert told[step]["answers"], "the client is still answered"


@pytest.mark.parametrize("world", [ALONE], ids=str)
def test_a_reload_adds_an_address_and_touches_no_other(told: dict[str, Any]) -> None:
    assert SECOND_ADDRESS not in told["killed and started again"]["addresses"][NODE]
    assert {ADDRESS, SECOND_ADDRESS} <= set(told["another address by a reload"]["addresses"][NODE])


@pytest.mark.parametrize("world", [ALONE], ids=str)
def test_a_clean_stop_leaves_nothing(told: dict[str, Any]) -> None:
    assert not {ADDRESS, SECOND_ADDRESS} & set(told["stopped"]["addresses"][NODE])
    assert "understudy" not in told["stopped"]["tables"]


@pytest.mark.parametrize("world", [OWN_MAC], ids=str)
def test_a_virtual_mac_speaks_and_answers_and_goes(told: dict[str, Any]) -> None:
    alone = told["alone"]
    assert alone["masters"] == {str(VRID): [NODE]}
    assert alone["answers"]
    assert VIRTUAL_MAC in alone["devices"]
    assert alone["senders"] == [VIRTUAL_MAC]
    assert told["stopped"]["devices"] == []
