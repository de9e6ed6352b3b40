"""Who is master, and by what that is decided: ours beside keepalived.

UNDERSTUDY_LONG=1: also with the roles changed, and with either program on both machines.
"""

from __future__ import annotations

from typing import Any

import pytest
from condition_world import DELAY, FAULTY, LOWERED, RAISED, STEPS, addresses
from live_worlds import World

from understudy.lab.vrrp_pair import OLD, UNDERSTUDY

pytestmark = pytest.mark.kernel

WORLDS = [
    World("condition_world.py", "conditions", programs, long=programs != (UNDERSTUDY, OLD))
    for programs in ((UNDERSTUDY, OLD), (OLD, UNDERSTUDY), (UNDERSTUDY, UNDERSTUDY), (OLD, OLD))
]
each_world = pytest.mark.parametrize("world", WORLDS, ids=str)


@pytest.mark.parametrize("step", STEPS)
@each_world
def test_each_virtual_router_has_the_master_that_it_must_have(told: dict[str, Any], step: str) -> None:
    assert told[step]["masters"] == {str(vrid): [name] for vrid, name in STEPS[step].items()}
    for vrid, master in STEPS[step].items():
        for address in addresses(vrid):
            having = [name for name, found in told[step]["addresses"].items() if address in found]
            assert having == [master], address


@each_world
def test_preempt_delay_is_waited_for(told: dict[str, Any]) -> None:
    assert told["waited"] >= DELAY


@each_world
def test_a_cut_made_two_masters_of_each(told: dict[str, Any]) -> None:
    assert told["split"]


@each_world
def test_a_failing_script_says_goodbye_or_speaks_with_its_new_priority(told: dict[str, Any]) -> None:
    assert told["spoken"][str(FAULTY)] == [0, 150]
    assert told["spoken"][str(LOWERED)] == [90, 150]
    assert told["spoken"][str(RAISED)] == [90, 150]
