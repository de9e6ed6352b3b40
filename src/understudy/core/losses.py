"""How many of a member's heartbeats came by each link, lately. Only shown: nothing is decided by it.

A member numbers its heartbeats and sends each over all links. So of the numbers up to the newest that came by any link, those
that did not come by one link are what that link has lost. The newest is left out: its copies may still be on the way. What is
lost on all links at once shows as a gap in the numbers, and counts for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SPAN = 64
"""Heartbeats that are looked at."""

_MASK = (1 << SPAN) - 1


@dataclass(slots=True)
class _Sender:
    """``seen``: for each link the numbers that came by it, the newest of all links at bit 0."""

    incarnation: int
    first: int
    newest: int
    seen: dict[str, int] = field(default_factory=dict)


class Losses:
    """The links of all members. Tell it the heartbeats of current incarnations, every copy of them."""

    def __init__(self) -> None:
        self._senders: dict[str, _Sender] = {}

    def heard(self, sender: str, incarnation: int, link: str, number: int) -> None:
        """A heartbeat with ``number`` came by ``link``."""
        known = self._senders.get(sender)
        if known is None or known.incarnation != incarnation:
            known = self._senders[sender] = _Sender(incarnation, number, number)
        ahead = number - known.newest
        if ahead > 0:
            shift = min(ahead, SPAN)
            known.seen = {name: bits << shift & _MASK for name, bits in known.seen.items()}
            known.newest = number
        behind = known.newest - number
        if behind < SPAN:
            known.seen[link] = known.seen.get(link, 0) | 1 << behind

    def ratio(self, sender: str, link: str) -> float | None:
        """From 0.0 (none lost) to 1.0 (all); None before two heartbeats came. Of the last 63 at most."""
        known = self._senders.get(sender)
        if known is None:
            return None
        expected = min(known.newest - known.first, SPAN - 1)
        if expected < 1:
            return None
        window = ((1 << expected) - 1) << 1
        return round(1 - (known.seen.get(link, 0) & window).bit_count() / expected, 4)
