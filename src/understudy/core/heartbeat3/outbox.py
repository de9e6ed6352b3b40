"""What we have said: numbers, the fields that every message ends with, and the messages kept to be sent again."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...heartbeat3 import Field, FieldKind, OldMessage, text_fields
from ...units import MILLISECOND, SECOND, Duration, Instant
from .tracking import MOST_NUMBER

KEPT = 500
"""Numbered messages that are kept; the old program keeps as many."""

MOST_AT_ONCE = 50
"""Messages sent again, or refused, for one request."""

MOST_UNACKNOWLEDGED = 250
"""With more than this in flight only what the protocol itself needs is sent; operators and ipfail wait."""

NO_LOAD = "0.00 0.00 0.00 1/1 1"


@dataclass(slots=True)
class Again:
    """The answer to a request: ``messages`` to send once more, ``gone`` numbers that are not kept, ``never`` sent ones."""

    messages: list[OldMessage] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    never: int | None = None


class Outbox:
    """Everything that ``me`` says in one life. ``ttl``: the number of nodes and ping nodes, plus hopfudge."""

    def __init__(self, me: str, uuid: bytes, ttl: int, longest: Duration) -> None:
        self.me, self.uuid, self.ttl, self.longest = me, uuid, ttl, longest
        self.generation = 0
        self.wall_offset = 0
        self.load = NO_LOAD
        self.number = 0
        self.kept: dict[int, OldMessage] = {}
        self.again_at: dict[int, Instant] = {}
        self.acknowledged: dict[str, int] = {}
        self.since: dict[str, int] = {}
        """For each node the number at which it began to hear us: before that nothing is owed to it."""

    def told(self, wall_clock: int, load: str, now: Instant) -> None:
        """The wall clock in milliseconds; from here on it is reckoned forward."""
        self.wall_offset = wall_clock * MILLISECOND - now
        self.load = load.strip() or NO_LOAD

    def finish(self, own: tuple[Field, ...], dest_uuid: bytes, now: Instant) -> OldMessage:
        """``own`` fields with the common ones behind them, in the order in which the old program puts them."""
        kind = next((item.value for item in own if item.name == "t"), "")
        numbered = not str(kind).startswith("NS_")
        binary = FieldKind.BINARY
        fields = list(own)
        if dest_uuid:
            fields.append(Field(binary, "destuuid", dest_uuid))
        if not any(item.name == "src" for item in own):
            fields += text_fields(src=self.me)
        if self.uuid:
            fields.append(Field(binary, "srcuuid", self.uuid))
        if numbered:
            self.number += 1
            fields += text_fields(seq=f"{self.number:x}")
        fields += text_fields(hg=f"{self.generation:x}", ts=f"{max(0, now + self.wall_offset) // SECOND:x}")
        if numbered:
            fields += text_fields(ld=self.load)
        fields += text_fields(ttl=str(self.ttl))
        message = OldMessage(tuple(fields))
        if numbered:
            self.kept[self.number] = message
            while len(self.kept) > KEPT:
                self._forget(next(iter(self.kept)))
        return message

    def renew(self) -> None:
        """Begin anew, with the next generation."""
        self.generation += 1
        self.number = 0
        for each in (self.kept, self.again_at, self.acknowledged, self.since):
            each.clear()

    def _forget(self, number: int) -> None:
        self.kept.pop(number, None)
        self.again_at.pop(number, None)

    def heard_by(self, node: str, number: int) -> bool:
        """``node`` acknowledges ``number``. Returns whether that can be: nobody has heard what was never said."""
        if not 0 < number <= self.number:
            return False
        self.acknowledged[node] = max(number, self.acknowledged.get(node, 0))
        return True

    def forget(self, node: str) -> None:
        """``node`` is dead or began anew: what it had heard says nothing any more, and what was said before is not owed to it."""
        self.acknowledged.pop(node, None)
        self.since[node] = self.number

    def free(self, live: tuple[str, ...]) -> None:
        """Drop what every live node has acknowledged."""
        lowest = min((self.acknowledged.get(node, 0) for node in live), default=0)
        for number in [number for number in self.kept if number <= lowest]:
            self._forget(number)

    def congested(self, live: tuple[str, ...]) -> bool:
        """Whether too much is on its way to some live node."""
        owed = (max(self.acknowledged.get(node, 0), self.since.get(node, 0)) for node in live)
        return any(self.number - heard > MOST_UNACKNOWLEDGED for heard in owed)

    def asked(self, node: str, first: int, last: int, now: Instant) -> Again:
        """``node`` asks for the messages ``first`` to ``last`` once more."""
        found = Again()
        if not 0 < first <= last < MOST_NUMBER:
            return found
        if last > self.number:
            found.never = last
        start = max(first, self.acknowledged.get(node, 0) + 1)
        for number in range(start, min(last, self.number, start + MOST_AT_ONCE - 1) + 1):
            message = self.kept.get(number)
            if message is None:
                found.gone.append(number)
            elif now >= self.again_at.get(number, 0):
                self.again_at[number] = now + max(0, self.longest - 10 * MILLISECOND)
                found.messages.append(message)
        return found
