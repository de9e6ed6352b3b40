"""The hours within which groups fail back. The core has no clock on the wall: the manager tells what that says.

Open is believed for as long as it was said to last, and no longer; closed, and what was never told of, until told otherwise.
So without a manager nothing fails back, and of a clock that was set the manager tells anew. Only the holder's clock counts for a
group, because only the holder acts on it: machines whose clocks differ cannot pass a group to and fro.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..events import HoursSeen
from ..model import Group
from ..units import Duration, Instant
from .parts import Wanted

if TYPE_CHECKING:
    from .node import Node
    from .steward import Steward


class Clock:
    """What was said last: for each of the hours whether they are open, and until when that stays so."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[bool, Instant]] = {}

    def told(self, event: HoursSeen, now: Instant) -> None:
        self._said = {text: (within, now + left) for text, within, left in event.hours}

    def until(self, group: Group, now: Instant) -> Instant | None:
        """Until when the hours of ``group`` are open; None when they are not, or it has none."""
        within, end = self._said.get(str(group.failback.hours), (False, 0))
        return end if within and now < end else None

    def opens_in(self, group: Group, now: Instant) -> Duration | None:
        """How long it takes until they open, if that is known and still to come."""
        within, end = self._said.get(str(group.failback.hours), (True, 0))
        return end - now if not within and now < end else None


def within(node: Node, now: Instant) -> frozenset[str]:
    """The groups held here whose hours are open; arranges to look again when they end."""
    for name, charge in node.steward.charges.items():
        if charge.group.failback.hours is None:
            continue
        end = node.clock.until(charge.group, now) if node.steward.claims.held(name) is not None else None
        if end is not None:
            node.steward.wake(end)
    return within_now(node, now)


def within_now(node: Node, now: Instant) -> frozenset[str]:
    """As ``within``, and changes nothing. What has begun to leave goes on leaving when the hours end."""
    found = set()
    for name, charge in node.steward.charges.items():
        if charge.group.failback.hours is None or node.steward.claims.held(name) is None:
            continue
        if charge.execution.wanted is Wanted.STOP or node.clock.until(charge.group, now) is not None:
            found.add(name)
    return frozenset(found)


def still_to_come(clock: Clock, steward: Steward, holders: Mapping[str, str], now: Instant) -> dict[str, Duration]:
    """For groups held here, how long until their hours open; changes nothing."""
    found = {}
    for name, charge in steward.charges.items():
        left = clock.opens_in(charge.group, now) if holders.get(name) == steward.me else None
        if left is not None:
            found[name] = left
    return found
