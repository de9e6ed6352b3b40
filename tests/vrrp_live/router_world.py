"""What the worlds of this folder share: two machines with virtual routers, and steps of which each is told as it ended."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from understudy.lab import kernel
from understudy.lab.vrrp_pair import RouterRoom
from understudy.units import SECOND

STILL = 0.4
"""Seconds for which what was waited for must last."""

AFTER_A_FAILURE = 6.0
"""Seconds that later steps get: enough for what still works."""

Masters = Mapping[int, str]


class Steps:
    """``told`` gets, for each step, who says that it is master of what, and which addresses each machine has."""

    def __init__(self, room: RouterRoom) -> None:
        self.room = room
        self.told: dict[str, Any] = {}
        self.failed = False

    def take(self, step: str, expected: Masters, limit: float = 15.0, **more: Any) -> bool:
        """Wait until each virtual router has its master, alone, and remains so; then tell, whether it came to that or not.

        Not an assertion: other tests may want the steps behind this one.
        """
        if self.failed:
            limit = min(limit, AFTER_A_FAILURE)
        begun = kernel.now()
        wanted = {vrid: (name,) for vrid, name in expected.items()}
        came = self.until(lambda: self.room.wire.speaking() == wanted, limit) and self._lasts(wanted)
        took = (kernel.now() - begun) / SECOND
        self.told[step] = {
            "masters": {str(vrid): list(names) for vrid, names in self.room.wire.speaking().items()},
            "addresses": {
                name: sorted(self.room.addresses(name)) for name in self.room.names if self.room.machine(name).powered
            },
            **more,
        }
        print(f"{step}: {'as expected' if came else 'NOT as expected'}, {took:.2f} s", file=sys.stderr)
        if not came and not self.failed:
            self.failed = True
            wrong = {vrid: names for vrid, names in self.room.wire.speaking().items() if wanted.get(vrid) != names}
            print(f"  wrong: {wrong}", *self.room.said(20), sep="\n  ", file=sys.stderr)
        return came

    def _lasts(self, wanted: Mapping[int, tuple[str, ...]]) -> bool:
        return not self.until(lambda: self.room.wire.speaking() != wanted, STILL)

    def until(self, happened: Callable[[], bool], limit: float) -> bool:
        """Whether it happened within so many seconds."""
        end = time.monotonic() + limit
        while not happened():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def tell(self, **more: Any) -> int:
        """Print all, and end the world."""
        print(json.dumps(self.told | more))
        self.room.close()
        return 0
