"""What the quorum policy may look at, put together anew on every turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level
from ..model import Quorum
from ..units import SECOND, Duration, Instant
from . import outlook
from .membership import State
from .quorum import Surroundings

if TYPE_CHECKING:
    from .node import Node

_FENCE, _PAIR = Quorum.FENCE, Quorum.PAIR
PINGS_FRESH: Duration = 10 * SECOND
"""How long the last word about ping targets counts for taking a group: who takes must know."""

PINGS_KEPT: Duration = 30 * SECOND
"""How long it counts for keeping one. The word comes from the manager, and one that hangs is ended by the supervisor after
20 to 24 s and started again (``supervisor.service``): until then that nobody says anything does not mean that nothing
answers. Not for ever: a machine whose managers all fail could be cut from everything and never know.
"""


def look(node: Node, now: Instant) -> None:
    """For the steward."""
    steward = node.steward
    steward.alive = node.membership.living()
    steward.met = frozenset(node.states)
    if node.cluster.quorum is _FENCE:
        steward.around = Surroundings(peer_off=steward.fencing.off(node.others[0]))
        steward.deaf = frozenset([name for name in node.others if outlook.hears_us_not(node, name, now)])
    if node.cluster.quorum is _PAIR:
        peer = node.others[0]
        state = node.membership.state(peer)
        never = state is State.UNKNOWN and now >= node.patient_until
        quiet = peer in node.states and node.states[peer].quiet and node.membership.alive(peer)
        deaf = outlook.hears_us_not(node, peer, now)
        silent = state is State.LOST or never or deaf
        fresh, kept = _answers(node, PINGS_FRESH, now), _answers(node, PINGS_KEPT, now)
        before, steward.around = steward.around, Surroundings(silent, quiet, fresh, cut_off=not kept)
        if (never or deaf) and not before.peer_silent:
            why = f"has heard nothing of {node.me} lately" if deaf else f"was not heard since {node.me} started"
            node.note(f"{peer} {why}: it counts as silent", Level.WARNING, peer)


def _answers(node: Node, known_for: Duration, now: Instant) -> bool:
    """Whether a ping target answers, by a word that counts for ``known_for`` (three dead times at least)."""
    known = now - node.pings_at <= max(known_for, 3 * node.cluster.dead_time)
    return not node.cluster.ping or (known and any(name in node.answering for name in node.cluster.ping))
