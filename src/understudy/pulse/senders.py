"""Where datagrams come from, for people who look for the machine: refused ones, and two machines that use one member's name.

What is not sealed well can claim any sender. What is sealed well and comes from two processes at once is a machine that was
copied with its key, or somebody who repeats what a member said in an earlier life; a restart alone looks otherwise, because
then the earlier process is not heard any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..adapters.neighbours import mac_of
from ..units import MINUTE, SECOND, Duration, Instant

RECENT: Duration = MINUTE
"""How long a sender is named."""

_LATE: Duration = 2 * SECOND
"""A datagram of the process before may come so late after the first of the next one."""

_LIVES = 4
"""Processes remembered for each member, whatever is played back."""


@dataclass(slots=True)
class _Life:
    first: Instant
    last: Instant
    source: str
    network: str


@dataclass(slots=True)
class Senders:
    """``me`` and ``incarnation`` are our own; "" and 0 where nobody knows."""

    me: str = ""
    incarnation: int = 0
    _refused: dict[str, tuple[str, str, Instant]] = field(default_factory=dict)
    _lives: dict[str, dict[int, _Life]] = field(default_factory=dict)

    def refused(self, reason: str, source: str, network: str, now: Instant) -> None:
        """A datagram was refused as ``reason``; the newest of each is remembered."""
        self._refused[reason] = (source, network, now)

    def heard(self, member: str, incarnation: int, source: str, network: str, now: Instant) -> None:
        """A datagram with a good seal, by its own word of that process of ``member``."""
        lives = self._lives.get(member)
        if lives is None:
            lives = self._lives[member] = {}
        life = lives.get(incarnation)
        if life is None:
            lives[incarnation] = _Life(now, now, source, network)
            if len(lives) > _LIVES:
                del lives[min(lives, key=lambda key: lives[key].last)]
            return
        life.last, life.source, life.network = now, source, network

    def sentences(self, now: Instant) -> list[str]:
        """Those of the last minute, each with the address, and the MAC address where this machine's kernel knows it."""
        found = [
            f"the newest datagram that was refused as {reason} came from {_named(source, network)}"
            for reason, (source, network, at) in sorted(self._refused.items())
            if now - at < RECENT
        ]
        for member, lives in sorted(self._lives.items()):
            recent = [
                life for number, life in lives.items() if now - life.last < RECENT and not self._is_ours(member, number)
            ]
            places = sorted({_named(life.source, life.network) for life in self._at_once(member, recent)})
            if places:
                found.append(
                    f"two machines use the name {member}, or one repeats what {member} said in an earlier life: last heard from "
                    f"{' and '.join(places)}; a copy of a machine needs a name of its own"
                )
        return found

    def _is_ours(self, member: str, number: int) -> bool:
        return (member, number) == (self.me, self.incarnation)

    def _at_once(self, member: str, lives: list[_Life]) -> Iterator[_Life]:
        """Of another member: those that overlap in time with another process of it. Of our own name: all."""
        for life in lives:
            others = (other for other in lives if other is not life)
            if member == self.me or any(_overlap(life, other) for other in others):
                yield life


def _overlap(one: _Life, other: _Life) -> bool:
    return one.last > other.first + _LATE and other.last > one.first + _LATE


def _named(source: str, network: str) -> str:
    mac = mac_of(source)
    return f"{source} ({mac}) on network {network}" if mac else f"{source} on network {network}"
