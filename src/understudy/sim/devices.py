"""Pretend fence devices: what switches machines off and on, with all the ways in which that goes wrong but for lying.

A device that fails says so. One that hangs is killed at its limit, and may have switched the machine off all the same, a moment
before or after. One that is slow answers after the core has given it up. A device that says "off" of a machine that is on is
outside what fencing can promise; it is not played here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..core.fencing import SLACK
from ..effects import Fence, FenceAction
from ..events import Finished, Outcome
from ..units import MILLISECOND

if TYPE_CHECKING:
    from .host import Host
    from .world import World

SHORTEST, LONGEST = 5 * MILLISECOND, 800 * MILLISECOND


@dataclass(slots=True)
class Devices:
    """All devices of a world. Counts are of the next so many orders: ``fails``, ``hangs``, ``slow``."""

    world: World
    fails: int = 0
    hangs: int = 0
    slow: int = 0

    def order(self, host: Host, effect: Fence) -> Finished | None:
        """``host`` has its manager ask all devices of a level."""
        if not host.manager.up:
            return Finished(effect.op, Outcome.UNKNOWN, "no manager")
        world, random = self.world, self.world.random
        world.tell(host, f"fence {effect.node} {effect.action.value} with {' '.join(effect.devices)}")
        took = int(random.uniform(SHORTEST, LONGEST))
        acts, outcome, answers = True, Outcome.OK, took
        if self.fails:
            self.fails -= 1
            acts, outcome = False, Outcome.FAILED
        elif self.hangs:
            self.hangs -= 1
            acts, outcome, answers = random.random() < 0.5, Outcome.UNKNOWN, effect.limit
        elif self.slow:
            self.slow -= 1
            limits = sum(device.timeout for device in world.cluster.fences if device.name in effect.devices)
            answers = limits + SLACK + 10 * MILLISECOND
        if acts:
            world.after(min(took, answers), partial(self._act, effect.node, effect.action))
        life = (host.boots, host.manager.life)
        world.after(answers, partial(self._answer, host, host.pulse_number, life, effect, outcome))
        return None

    def _act(self, node: str, action: FenceAction) -> None:
        target = self.world.hosts[node]
        self.world.tell(target, f"power {action.value} by a fence device")
        if action is FenceAction.OFF:
            target.power_off()
        else:
            target.power_on()

    def _answer(self, host: Host, pulse: int, life: tuple[int, int], effect: Fence, outcome: Outcome) -> None:
        if life != (host.boots, host.manager.life):
            return
        self.world.tell(host, f"fence {effect.node} {effect.action.value}: {outcome.value}")
        host.fact(Finished(effect.op, outcome, "" if outcome is Outcome.OK else "the device failed"), pulse)
