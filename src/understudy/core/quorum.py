"""The quorum policies behind the lease: how many votes a right needs, at this moment.

``majority``: more than half of all members, always.

``pair``: to *take* a group, both machines; one alone only when the other has been silent for the dead time on every path (or
has just started and so helps nobody yet), and a ping target answers, when any are configured. To *keep* a group, one
alone, unless no ping target answers (that nobody knew for a moment matters only for taking): by the time the other counts as
lost, a right that rests on its echo is over already. What makes this bearable is the other's side: it asks the service
network before it takes anything (``probing``).

``fence``: to *take* a group, both machines, or one when the other was confirmed to be off. To *keep* a group, one alone:
nobody can take it without this one's vote, or without switching this machine off.

A policy never weakens a right that stands: it only says how many echoes the right is counted from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..model import Cluster, Quorum

_MAJORITY = Quorum.MAJORITY


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a policy may look at. ``peer_silent`` and ``peer_quiet`` are about the only other member of a pair.

    ``peer_off``: confirmed by a fence device, and not heard since. ``reaches_ping``: a ping target answers, by a fresh word.
    ``cut_off``: none answers, or nobody has said so for longer than a hung manager lasts.
    """

    peer_silent: bool = False
    peer_quiet: bool = False
    reaches_ping: bool = True
    peer_off: bool = False
    cut_off: bool = False


def needed(cluster: Cluster, around: Surroundings, holding: bool = False) -> int:
    """The number of votes, this member's own included, that a right needs now. More than there are: none can be had.

    ``holding``: to keep a group that is held, not to take it.
    """
    if cluster.quorum is _MAJORITY:
        return cluster.majority
    if cluster.quorum is Quorum.FENCE:
        return 1 if holding or around.peer_off else 2
    if holding:
        return 2 if around.cut_off else 1
    if not (around.peer_silent or around.peer_quiet):
        return 2
    return 1 if around.reaches_ping else 3


def reach(sets: Iterable[frozenset[str]], members: frozenset[str]) -> bool:
    """Whether ``members`` are a majority of each of ``sets``."""
    return all(len(each & members) > len(each) // 2 for each in sets)


def alone(cluster: Cluster, around: Surroundings) -> bool:
    """Whether a right taken now would rest on one vote: then the service network is asked first (RFC 5227)."""
    return cluster.quorum is Quorum.PAIR and needed(cluster, around) == 1
