"""The manager's part of fencing: does what the core asks, and tries every device now and then, so that one that is broken is
known before it is needed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..adapters import fence_program
from ..effects import FenceAction, Level
from ..events import Outcome
from ..fence_devices import FenceDevice
from ..model import Cluster
from ..units import SECOND, Duration

EVERY = 300.0
FIRST = 5.0
"""Seconds between two looks at a device, and at most so long to the first: spread, for the devices' sake."""

LOOK_LIMIT: Duration = 30 * SECOND


@dataclass(slots=True)
class Look:
    """What a device said when it was last asked about a node; ``at`` is the wall clock, seconds."""

    ok: bool
    text: str
    at: float


class Fencer:
    """The devices of one cluster, as node ``me`` reaches them."""

    def __init__(self, cluster: Cluster, me: str, say: Callable[..., None]) -> None:
        self._devices = {device.name: device for device in cluster.fences}
        self._me = me
        self._say = say
        self._looks: dict[tuple[str, str], Look] = {}

    def follow(self, cluster: Cluster) -> None:
        """The devices are those of ``cluster`` now."""
        self._devices = {device.name: device for device in cluster.fences}
        self._looks = {key: look for key, look in self._looks.items() if key[0] in self._devices}

    async def order(self, node: str, names: list[str], action: FenceAction, limit: Duration) -> tuple[Outcome, str]:
        """All devices of a level, one after the other. OK only if each of them says so."""
        texts = []
        known = [self._devices[name] for name in names if name in self._devices]
        if known and all(device.is_gate for device in known):
            return (
                Outcome.FAILED,
                f"{' and '.join(names)} only permits fencing: no device of this level switches anything off",
            )
        for name in names:
            device = self._devices.get(name)
            if device is None:
                return Outcome.FAILED, f"this node's configuration has no fence device {name}"
            outcome, text = await fence_program.switch(device, action.value, node, min(limit, device.timeout))
            level = Level.INFO if outcome is Outcome.OK else Level.ERROR
            self._say(level, f"fence device {name}: {action.value} {node}: {outcome.value}: {text}", "", node)
            if outcome is not Outcome.OK:
                return outcome, f"{name}: {text}"
            texts.append(text)
        return Outcome.OK, "; ".join(texts)

    async def test(self, node: str) -> list[dict[str, Any]]:
        """Ask every device of ``node`` for its status, now; nothing is switched."""
        devices = [device for device in self._devices.values() if node in dict(device.targets)]
        return list(await asyncio.gather(*(self._look(device, node) for device in devices)))

    async def _look(self, device: FenceDevice, node: str) -> dict[str, Any]:
        ok, text = await fence_program.state(device, node, min(device.timeout, LOOK_LIMIT))
        before = self._looks.get((device.name, node))
        self._looks[device.name, node] = Look(ok, text, time.time())
        if not ok and (before is None or before.ok):
            self._say(Level.ERROR, f"fence device {device.name} would not help against {node}: {text}", "", node)
        elif ok and before is not None and not before.ok:
            self._say(Level.INFO, f"fence device {device.name} works again: {node} is {text}", "", node)
        return self._row(device, node)

    def _row(self, device: FenceDevice, node: str) -> dict[str, Any]:
        look = self._looks.get((device.name, node))
        row: dict[str, Any] = {"device": device.name, "node": node, "level": device.level, "program": device.program}
        if look is None:
            text = "asked by the other nodes" if node == self._me else "not asked yet"
            return {**row, "ok": None, "text": text, "age_s": None}
        return {**row, "ok": look.ok, "text": look.text, "age_s": round(time.time() - look.at, 1)}

    def rows(self) -> list[dict[str, Any]]:
        """Every device with every node of it, and what it last said."""
        return [self._row(device, node) for device in self._devices.values() for node, _ in device.targets]

    def warnings(self) -> list[str]:
        """What would not help if it were needed now."""
        return [
            f"fence device {row['device']} would not help against {row['node']}: {row['text']}"
            for row in self.rows()
            if row["ok"] is False and row["node"] != self._me
        ]

    async def look_around(self) -> None:
        """Ask all devices again and again, except about this very node; runs until cancelled."""
        pairs = [(device, node) for device in self._devices.values() for node, _ in device.targets if node != self._me]
        if not pairs:
            return
        await asyncio.sleep(random.uniform(0.1, FIRST))
        for device, node in pairs:
            await self._look(device, node)
        while True:
            for device, node in pairs:
                await asyncio.sleep(EVERY / len(pairs))
                await self._look(device, node)
