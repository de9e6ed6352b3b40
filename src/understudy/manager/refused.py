"""Refused datagrams as warnings: which counters grew lately, what that means, and what to look at.

The counters only ever grow while a pulse lives, so an old mistake would be shown for ever, and a new one would hide among large
numbers. What grew within the last minute is what goes wrong now. A plain function of what it was told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise

from ..units import MINUTE, SECOND, Duration, Instant

WINDOW: Duration = MINUTE
"""How far back growth counts."""

REMEDIES: dict[str, str] = {
    "unknown-key": (
        "sealed with a key that this machine does not have: another cluster with the same name, or key files that differ;"
        " compare with: understudy key show, and the key files of all machines with sha256sum"
    ),
    "bad-seal": (
        "not written by a member, or changed on the way: look who else sends to this port; when they come from a member, compare"
        " the key files"
    ),
    "unknown-member": (
        "from a member that is not in this machine's configuration: compare the configuration files of all machines"
    ),
    "other-cluster": (
        "of a cluster with another name that uses the same network and port: harmless, but give one of them another port, or"
        " the same name if it should be this one"
    ),
    "unknown-version": (
        "of a version of the program that this one does not understand: compare `understudy --version` on all machines, and"
        " upgrade one version at a time"
    ),
    "unproven-incarnation": (
        "from a member that has started and does not hear this machine, so nobody can tell it from a recording: look whether that"
        " member's file has this machine's addresses as they are, and whether a packet filter or a route stops what this machine"
        " sends to it; compare the configuration files of all machines"
    ),
}
"""The reasons (docs/protocol.md) that come from mistakes which people can mend."""

_SAME_KEYS = "compare both with: sha256sum /etc/ha.d/authkeys; after a change: understudy reload"

OLD_REMEDIES: dict[str, str] = {
    "unknown-key": (
        "signed with a key whose number is not in this machine's authkeys: the line `auth N` and the key N must be the same on"
        f" both machines, or another pair uses this network and port; {_SAME_KEYS}"
    ),
    "bad-signature": (
        "signed with another key than the one of that number in this machine's authkeys, or changed on the way: the keys differ,"
        f" or another pair uses this network and port (give one of them another `udpport`); {_SAME_KEYS}"
    ),
    "unsigned": (
        "without a signature, which Heartbeat never sends: another program uses this port, or somebody tries; look who with:"
        " tcpdump -i any udp port 694, and let a packet filter pass only the other node"
    ),
}
"""The same while the pair speaks the protocol of Heartbeat 3, whose keys are in authkeys. Of what is over the core itself warns
(``core.heartbeat3.peers.out_of_date``).
"""

FEWEST: dict[str, int] = {"unproven-incarnation": 20}
"""So many in the window before anything is said: a few of these are how every start of a member begins."""


class RefusedLately:
    """Give it the counters now and then, at least every ``WINDOW``; ask for warnings at any time."""

    def __init__(self, old: bool = False) -> None:
        """``old``: what is counted is the protocol of Heartbeat 3."""
        self._remedies = OLD_REMEDIES if old else REMEDIES
        self._samples: deque[tuple[Instant, dict[str, int]]] = deque()

    def add(self, counts: Mapping[str, int], now: Instant) -> None:
        """``counts`` by reason; ``now`` by any clock that is not set."""
        if len(self._samples) > 1 and now - self._samples[-2][0] < SECOND:
            self._samples.pop()  # Somebody looks many times a second; what grows the most must not be our memory.
        self._samples.append((now, dict(counts)))
        # One sample from before the window stays: growth is counted from there.
        while len(self._samples) > 1 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()

    def warnings(self, now: Instant) -> tuple[str, ...]:
        """One sentence for each reason that was counted (often enough) in the last minute."""
        found = []
        for reason, remedy in self._remedies.items():
            count = self._growth(reason, now)
            if count >= FEWEST.get(reason, 1):
                what = "1 datagram was" if count == 1 else f"{count} datagrams were"
                found.append(f"{what} refused in the last minute ({reason}): {remedy}")
        return tuple(found)

    def _growth(self, reason: str, now: Instant) -> int:
        recent = [counts.get(reason, 0) for at, counts in self._samples if now - at < WINDOW]
        older = [counts.get(reason, 0) for at, counts in self._samples if now - at >= WINDOW]
        total = 0
        series = [*older[-1:], *recent]
        for before, after in pairwise(series):
            # A smaller number is that of a new pulse, which began at nought.
            total += after - before if after >= before else after
        return total
