"""A planned move and a fail-over, interrupted after every single effect: never two holders, and always a good end."""

from __future__ import annotations

import pytest

from understudy.core.node import Node
from understudy.sim.script import render

START = """
cluster 2 nodes witness arbiter heartbeat 200ms dead 1s
group site address 192.168.58.100 program httpd prefer ha01 ha02
start all quietly
advance 4s quietly
expect site on ha01
"""


def run(*commands: str) -> None:
    rendered = render(START + "\n".join(commands), Node)
    assert not rendered.failures, rendered.text


VICTIMS = [*(("ha01", step) for step in range(1, 9)), *(("ha02", step) for step in range(1, 9)), ("arbiter", 1)]


@pytest.mark.parametrize("blow", ["", " freeze 1500ms"])
@pytest.mark.parametrize(("victim", "step"), VICTIMS)
def test_planned_move_struck_after_every_effect(victim: str, step: int, blow: str) -> None:
    run(
        f"strike {victim} {step}{blow}",
        "move site ha02 at ha01",
        "advance 3s",
        *(() if blow else (f"start {victim}",)),
        "advance 6s",
        "expect site on somebody",
    )


@pytest.mark.parametrize("step", range(1, 8))
@pytest.mark.parametrize("back", ["60ms", "2s"])
def test_take_over_struck_after_every_effect(step: int, back: str) -> None:
    run(
        f"strike ha02 {step}",
        "power off ha01",
        "advance 1s",
        f"advance {back}",
        "start ha02",
        "advance 4s",
        "expect site on ha02",
        "expect httpd runs on ha02",
    )


@pytest.mark.parametrize("step", range(1, 8))
def test_adoption_struck_after_every_effect(step: int) -> None:
    run(
        "crash ha01",
        "advance 40ms",
        "start ha01",
        f"strike ha01 {step}",
        "advance 300ms",
        "start ha01",
        "advance 6s",
        "expect site on ha01",
        "expect httpd runs on ha01",
    )
