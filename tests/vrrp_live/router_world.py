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

STILL = 0.5
"""Seconds for which what was waited for must last."""

AFTER_A_FAILURE = 10.0
"""Seconds that later steps get: enough for what still works."""

Masters = Mapping[int, str]
Holders = Mapping[str, str]
"""Address to the one machine that has it."""


class Steps:
    """``told`` gets, for each step, who says that it is master of what, and which addresses each machine has."""

    def __init__(self, room: RouterRoom) -> None:
        self.room = room
        self.told: dict[str, Any] = {}
        self.failed = False

    def take(self, step: str, expected: Masters, limit: float = 60.0, held: Holders | None = None, **more: Any) -> bool:
        """Wait until each virtual router has its master, alone, each address its holder, and it remains so; then tell, whether
        it came to that or not. What comes and goes again (a busy machine, an election on the way) is waited for again.

        Not an assertion: other tests may want the steps behind this one.
        """
        if self.failed:
            limit = min(limit, AFTER_A_FAILURE)
        begun, end = kernel.now(), time.monotonic() + limit
        wanted = {vrid: (name,) for vrid, name in expected.items()}
        came, tries = False, 0
        while not came and (left := end - time.monotonic()) > 0:
            tries += 1
            came = self.until(lambda: self.room.wire.speaking() == wanted, left)
            came = came and self._lasts(wanted) and self._held(held or {})
        took = (kernel.now() - begun) / SECOND
        speaking = wanted if came else self.room.wire.speaking()
        self.told[step] = {
            "masters": {str(vrid): list(names) for vrid, names in speaking.items()},
            "addresses": {name: sorted(found) for name, found in self._addresses().items()},
            **more,
        }
        word = "as expected" if came else "NOT as expected"
        print(f"{step}: {word}, {took:.2f} s" + (f", {tries} tries" if tries > 1 else ""), file=sys.stderr)
        if not came and not self.failed:
            self.failed = True
            wrong = {vrid: names for vrid, names in speaking.items() if wanted.get(vrid) != names}
            wrong |= {vrid: () for vrid in wanted if vrid not in speaking}
            print(f"  wrong: {wrong}", *self.room.said(20), sep="\n  ", file=sys.stderr)
        return came

    def _lasts(self, wanted: Mapping[int, tuple[str, ...]]) -> bool:
        return not self.until(lambda: self.room.wire.speaking() != wanted, STILL)

    def _addresses(self) -> dict[str, set[str]]:
        return {name: self.room.addresses(name) for name in self.room.names if self.room.machine(name).powered}

    def _held(self, held: Holders) -> bool:
        found = self._addresses() if held else {}
        return all(
            [name for name, addresses in found.items() if address in addresses] == [holder]
            for address, holder in held.items()
        )

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
