"""Which datagrams count: replay windows, freshness by incarnation, copies over several links, and who hears whom.

Theory of operation. Every datagram has a good seal, so *somebody with the key* made it, once. Three questions remain.

1. *Was it seen already?* Each (member, incarnation) has a window of counters. A second copy, over another link or from a
   recording, is dropped. A copy may still tell that its link is alive, but only when it is newer than all that came by
   that link: a replay does not keep a dead link looking up.
2. *Is this incarnation alive now?* No clock and no disk can say. But an incarnation is a random number, so a message that
   names **our** incarnation among those it has heard was made after we started. That alone does not show which of two is
   newer: after two quick restarts a delayed heartbeat of the first would do so too. So it must also name a number of ours
   that is larger than the one we had said when we last accepted anything of the current incarnation. An incarnation
   becomes *current* when one of its heartbeats does both; until then its messages only earn it a place in our own
   ``heard`` list.
3. *Is it still alive?* When a newer incarnation of the same member becomes current, the old one is retired for ever.

Not handled: two machines that use one name and one key at once. The second retires the first, which then hears its own
name from a stranger and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from ..messages import Heard, NodeState
from ..units import Duration, Instant
from .losses import Losses

WINDOW = 4096
"""Counters this far behind the newest are refused unread: more than a second of the busiest sender."""


class Drop(Enum):
    """Why a well-sealed datagram was not acted upon. The values are counted and shown in ``status``."""

    COPY = "copy"
    REPLAYED = "replayed"
    RETIRED = "retired-incarnation"
    UNPROVEN = "unproven-incarnation"
    OWN = "own-name"
    STRANGER = "unknown-member"
    OLD_NEWS = "old-news"

    # That of ``Enum`` is written in Python, and the second copy of every datagram is counted by it.
    __hash__ = object.__hash__


class Standing(Enum):
    """What ``Links.receive`` found: act on it, answer with a greeting, or drop it."""

    ACCEPTED = "accepted"
    GREET = "greet"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``fresh``: this message made its incarnation the current one."""

    standing: Standing
    drop: Drop | None = None
    fresh: bool = False


_ACCEPTED = Verdict(Standing.ACCEPTED)
_DROPPED = {drop: Verdict(Standing.DROPPED, drop) for drop in Drop}
_REPLAYED = Drop.REPLAYED


class Window:
    """A sliding window of counters already seen: an integer used as a bit map, newest at bit 0."""

    __slots__ = ("newest", "nothing_earlier", "seen")

    def __init__(self, nothing_earlier: bool = False) -> None:
        self.newest = -1
        self.seen = 0
        self.nothing_earlier = nothing_earlier

    @property
    def unproven(self) -> bool:
        """Nothing was admitted yet, and only what shows that it is fresh may be the first."""
        return self.nothing_earlier and self.newest < 0

    def seal(self) -> None:
        """Whatever was sent before the newest counter counts as seen: it is older than what we know to be fresh."""
        self.seen = (1 << WINDOW) - 1

    def admit(self, counter: int) -> Drop | None:
        """Note the counter. None: it is new; COPY: seen within the window; REPLAYED: older than the window."""
        if counter > self.newest:
            begins = self.newest < 0 and self.nothing_earlier
            self.seen = ((self.seen << min(counter - self.newest, WINDOW)) | 1) & ((1 << WINDOW) - 1)
            self.newest = counter
            if begins:
                self.seal()
            return None
        behind = self.newest - counter
        if behind >= WINDOW:
            return Drop.REPLAYED
        bit = 1 << behind
        if self.seen & bit:
            return Drop.COPY
        self.seen |= bit
        return None


@dataclass(slots=True)
class Peer:
    """What we know of one member's datagrams.

    ``number`` is the newest state accepted, ``shown`` what our ``heard`` says of it; ``floor`` is what we had said ourselves
    when we last accepted anything of the current incarnation.
    """

    name: str
    current: int | None = None
    candidate: int | None = None
    candidate_number: int = 0
    retired: set[int] = field(default_factory=set)
    windows: dict[int, Window] = field(default_factory=dict)
    number: int = -1
    shown: int = 0
    floor: int = -1
    relay_floor: int = -1
    direct_at: Instant | None = None
    link_newest: dict[str, int] = field(default_factory=dict)
    link_arrival: dict[str, Instant] = field(default_factory=dict)
    greeted_at: Instant | None = None


class Links:
    """The datagrams of all members, as seen by ``me`` with ``incarnation``."""

    def __init__(self, me: str, incarnation: int, others: Iterable[str], heartbeat: Duration) -> None:
        self.me = me
        self.incarnation = incarnation
        self.heartbeat = heartbeat
        self.peers = {name: Peer(name) for name in others}
        self.dropped: dict[Drop, int] = {}
        self.losses = Losses()
        self.rival_name_at: Instant | None = None
        self.said = -1

    def receive(
        self, link: str, sender: str, incarnation: int, counter: int, state: NodeState | None, arrival: Instant
    ) -> Verdict:
        """Judge one datagram. ``state`` is its NodeState if it is a heartbeat; ``arrival`` the kernel's receive time."""
        if sender == self.me:
            if incarnation != self.incarnation:
                self.rival_name_at = arrival
            return self._drop(Drop.OWN)
        peer = self.peers.get(sender)
        if peer is None:
            return self._drop(Drop.STRANGER)
        if incarnation in peer.retired:
            return self._drop(Drop.RETIRED)
        if peer.current is not None and incarnation == peer.current:
            window = peer.windows[incarnation]
            if window.unproven and not (state is not None and self._names_us(state, peer.relay_floor)):
                return self._drop(Drop.UNPROVEN)
            verdict = self._known(peer, window, link, counter, arrival)
            if state is not None and verdict.drop is not _REPLAYED:
                self.losses.heard(sender, incarnation, link, state.number)
            return verdict
        return self._unknown(peer, link, incarnation, counter, state, arrival)

    def _known(self, peer: Peer, window: Window, link: str, counter: int, arrival: Instant) -> Verdict:
        drop = window.admit(counter)
        if drop is not _REPLAYED and counter > peer.link_newest.get(link, -1):
            peer.link_newest[link] = counter
            if arrival >= peer.link_arrival.get(link, arrival):
                peer.link_arrival[link] = arrival
        if drop is not None:
            return self._drop(drop)
        if peer.direct_at is None or arrival > peer.direct_at:
            peer.direct_at = arrival
        peer.floor = self.said
        return _ACCEPTED

    def _unknown(
        self, peer: Peer, link: str, incarnation: int, counter: int, state: NodeState | None, arrival: Instant
    ) -> Verdict:
        """An incarnation that has not shown yet that it lives now: it must name ours, or it is only greeted."""
        if peer.candidate != incarnation:
            if peer.candidate is not None:
                peer.windows.pop(peer.candidate, None)
            peer.candidate, peer.candidate_number = incarnation, 0
            peer.windows[incarnation] = Window()
        drop = peer.windows[incarnation].admit(counter)
        if drop is not None:
            return self._drop(drop)
        if state is not None:
            peer.candidate_number = max(peer.candidate_number, state.number)
        if state is not None and self._names_us(state, peer.floor):
            self._adopt(peer, incarnation)
            peer.windows[incarnation].seal()
            peer.link_newest = {link: counter}
            peer.link_arrival = {link: arrival}
            peer.direct_at = arrival
            return Verdict(Standing.ACCEPTED, fresh=True)
        self.dropped[Drop.UNPROVEN] = self.dropped.get(Drop.UNPROVEN, 0) + 1
        if state is None:
            return Verdict(Standing.DROPPED, Drop.UNPROVEN)
        if peer.greeted_at is not None and arrival - peer.greeted_at < self.heartbeat // 2:
            return Verdict(Standing.DROPPED, Drop.UNPROVEN)
        peer.greeted_at = arrival
        return Verdict(Standing.GREET, Drop.UNPROVEN)

    def news(self, state: NodeState, relayed: bool) -> Verdict:
        """Whether a member's state is newer than what we have of it. Relayed states prove their incarnation the same way."""
        peer = self.peers.get(state.node)
        if peer is None:
            return self._drop(Drop.OWN if state.node == self.me else Drop.STRANGER)
        if state.incarnation in peer.retired:
            return self._drop(Drop.RETIRED)
        fresh = False
        if state.incarnation != peer.current:
            if not (relayed and self._names_us(state, peer.floor)):
                if relayed and state.incarnation != peer.candidate:
                    if peer.candidate is not None:
                        peer.windows.pop(peer.candidate, None)
                    peer.candidate, peer.candidate_number = state.incarnation, 0
                    peer.windows[state.incarnation] = Window()
                if relayed:
                    peer.candidate_number = max(peer.candidate_number, state.number)
                return self._drop(Drop.UNPROVEN)
            self._adopt(peer, state.incarnation)
            # No counter shows yet what is fresh: a recording of its direct datagrams must not pass for a sign of life.
            peer.windows[state.incarnation] = Window(nothing_earlier=True)
            peer.relay_floor = self.said
            fresh = True
        if state.number <= peer.number:
            return self._drop(Drop.OLD_NEWS)
        peer.number = peer.shown = state.number
        peer.floor = self.said
        return Verdict(Standing.ACCEPTED, fresh=True) if fresh else _ACCEPTED

    def current(self, node: str) -> int | None:
        """The incarnation of a member that is known to live, or None."""
        peer = self.peers.get(node)
        return None if peer is None else peer.current

    def heard(self, now: Instant) -> tuple[Heard, ...]:
        """What goes into our own heartbeats: every incarnation we know, current ones first."""
        found: list[Heard] = []
        for peer in self.peers.values():
            if peer.current is not None:
                age = -1 if peer.direct_at is None else max(0, now - peer.direct_at)
                found.append(Heard(peer.name, peer.current, age, peer.shown))
            if peer.candidate is not None and peer.candidate != peer.current:
                found.append(Heard(peer.name, peer.candidate, -1, peer.candidate_number))
        return tuple(found)

    def _names_us(self, state: NodeState, floor: int) -> bool:
        """Whether ``state`` was made after we had said ``floor``."""
        return any(
            item.node == self.me and item.incarnation == self.incarnation and item.number > floor
            for item in state.heard
        )

    def _adopt(self, peer: Peer, incarnation: int) -> None:
        if peer.current is not None:
            peer.retired.add(peer.current)
            peer.windows.pop(peer.current, None)
        peer.current = incarnation
        peer.candidate = None
        peer.number, peer.shown = -1, peer.candidate_number
        peer.floor = self.said
        peer.direct_at = None
        peer.link_newest.clear()
        peer.link_arrival.clear()
        peer.windows.setdefault(incarnation, Window())

    def _drop(self, drop: Drop) -> Verdict:
        self.dropped[drop] = self.dropped.get(drop, 0) + 1
        return _DROPPED[drop]
