"""A healed split of a pair: two machines held one group, the lower ballot lets go, and both keep that in mind.

The one that lets go tells the other, whose next heartbeat might find nothing left to see. Data that two machines have changed
cannot be put together by a program; people must know of it, also when they look only hours later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..effects import Level, Send
from ..messages import NodeState
from ..units import MILLISECOND, MINUTE, SECOND, Duration, Instant, format_duration

if TYPE_CHECKING:
    from .node import Node

KEPT: Duration = 24 * 60 * MINUTE
"""How long the status speaks of it: somebody looks once a day."""

VERB = "split"
"""Of the ``Ask`` by which the one that lets go tells the other."""


@dataclass(slots=True)
class Split:
    """One group was on two machines from ``since`` to ``until``. ``ballot``: that of ``winner``, who goes on."""

    ballot: int
    winner: str
    loser: str
    since: Instant
    until: Instant


def two_holders(node: Node, before: NodeState | None, state: NodeState, arrival: Instant, now: Instant) -> None:
    """``state`` was just heard, ``before`` until then. The lower ballot lets go at once, the higher one stays where it is."""
    for hold in state.holds:
        claim, charge = node.steward.claims.held(hold.group), node.steward.charges.get(hold.group)
        if claim is None or charge is None or hold.bidding:
            continue
        member = node.membership.members[state.node]
        since = max(charge.since or 0, member.last_lost)
        if hold.ballot > claim.ballot:
            if before is not None and before.incarnation == state.incarnation:
                since = max(since, arrival - (state.sent_at - before.sent_at))  # it said then that it held nothing
            kernel_ended = claim.until <= since and not charge.has_programs  # a frozen machine: nothing ran twice
            node.steward.lost(claim, f"{state.node} holds it too, with the higher ballot {hold.ballot}", now)
            if not kernel_ended:
                _remember(node, hold.group, Split(hold.ballot, state.node, node.me, since, now))
                node.out.append(
                    Send(node.requests.ask(-1, state.node, VERB, hold.group, node.me, node.me, now), state.node)
                )
        elif now - member.up_since > node.cluster.dead_time and not node.is_over(hold.group, state.node, hold.ballot):
            # It has had the time to hear of us and to say that it lets go, and does not: it cannot hear us.
            _remember(node, hold.group, Split(claim.ballot, node.me, state.node, since, now))


def told(node: Node, group: str, loser: str, now: Instant) -> tuple[bool, str]:
    """``loser`` has let go of a group that we hold."""
    claim, charge = node.steward.claims.held(group), node.steward.charges.get(group)
    if claim is None or charge is None or loser not in node.membership.members:
        return False, f"{node.me} does not hold {group}"
    since = max(charge.since or 0, node.membership.members[loser].last_lost)
    _remember(node, group, Split(claim.ballot, node.me, loser, since, now))
    return True, f"{node.me} keeps {group}"


def _remember(node: Node, group: str, split: Split) -> None:
    charge = node.steward.charges[group]
    known = charge.split
    if known is not None and (known.ballot, known.loser) == (split.ballot, split.loser):
        known.until = split.until  # it goes on, or is told twice
        return
    charge.split = split
    node.steward.note(_sentence(group, split, "", charge.has_programs), group, Level.ERROR)


def warnings(node: Node, now: Instant) -> list[str]:
    """What the status says for a day."""
    found = []
    for name, charge in node.steward.charges.items():
        split = charge.split
        if split is not None and now - split.until < KEPT:
            ago = f", until {format_duration((now - split.until) // SECOND * SECOND)} ago"
            found.append(_sentence(name, split, ago, charge.has_programs))
    return found


def _sentence(group: str, split: Split, ago: str, has_programs: bool) -> str:
    span = format_duration(max(0, split.until - split.since) // MILLISECOND * MILLISECOND)
    text = f"{group} was on {split.winner} and {split.loser} at once for {span}{ago}; {split.loser} gave way"
    return f"{text}. Compare their data before you trust either" if has_programs else text
