"""What other members say, once ``links`` has let it pass: their word about themselves, votes, bids and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..changes import rest
from ..effects import Level, Send
from ..events import Received
from ..messages import Bid, BidAnswer, Echo, Heartbeat, NodeState, Phase, Release, Vote
from ..model import Quorum
from ..units import Duration, Instant
from . import electorate, outlook, splits, wishes, wishing
from .charge import Reservation
from .leases import Stage
from .links import Standing
from .votes import Ruling

if TYPE_CHECKING:
    from .node import Node

_MAJORITY = Quorum.MAJORITY
_ACCEPTED = Standing.ACCEPTED
_STOPPED, _STARTED = Phase.STOPPED, Phase.STARTED


def heartbeat(node: Node, message: Heartbeat, event: Received, now: Instant) -> None:
    if message.state.node == event.sender and message.state.incarnation == event.incarnation:
        before = node.states.get(event.sender)
        take_state(node, message.state, now, relay=None)
        if node.cluster.quorum is not _MAJORITY and node.states.get(event.sender) is message.state:
            splits.two_holders(node, before, message.state, event.arrival, now)
        votes = node.voter.votes_for(event.sender, event.incarnation, now) if message.state.holds else ()
        if votes:
            echo = Echo(node.me, node.links.incarnation, node.voter.dead_time, votes)
            node.out.append(Send(echo, event.sender, event.link))
    for state in message.relayed:
        if state.node not in (node.me, event.sender):
            take_state(node, state, now, relay=event.sender)


def take_state(node: Node, state: NodeState, now: Instant, relay: str | None) -> None:
    """One member's word about itself, heard directly or through ``relay``."""
    verdict = node.links.news(state, relay is not None)
    if verdict.standing is not _ACCEPTED:
        return
    if relay is not None:
        direct = node.links.peers[state.node].direct_at
        if direct is None or now - direct > node.membership.late_after:
            node.changed(node.membership.heard(state.node, now, now, via=relay), now)
    if verdict.fresh and relay is not None:
        node.fresh(state.node, now)
    electorate.hear(node, state)
    compare(node, node.states.get(state.node), state)
    node.dirty |= _differs(node.states.get(state.node), state)
    node.states[state.node] = state
    wishing.hear(node, state, now)
    for hold in state.holds:
        node.steward.claims.saw_ballot(hold.ballot)
        if not hold.bidding and node.seen_holds.get(hold.group, (0, 0))[0] != hold.ballot:
            node.seen_holds[hold.group] = (hold.ballot, now)
        promise = node.voter.promised(hold.group, now)
        if hold.bidding and (promise is None or promise.ballot != hold.ballot):
            continue
        if node.electorate.helps(state) and not node.is_over(hold.group, state.node, hold.ballot):
            held = not hold.bidding
            node.voter.renew(hold.group, state.node, state.incarnation, hold.ballot, state.sent_at, now, held)
    named = frozenset([hold.group for hold in state.holds])
    node.voter.not_named(state.node, state.incarnation, state.sent_at, named)
    votes_of(node, state.node, state.votes, state.dead_time, now)
    ours = -1
    for item in state.heard:
        if item.node == node.me and item.incarnation == node.links.incarnation and item.number > ours:
            ours = item.number
    node.dirty |= node.steward.proof.heard(state, ours, now)
    for report in state.groups:
        if report.phase is _STOPPED and report.group not in named:
            node.voter.stopped(report.group, state.node, state.incarnation, state.sent_at)
    if state.holds:
        started = {report.group for report in state.groups if report.phase is _STARTED}
        for hold in state.holds:
            if hold.group in started and not hold.bidding:
                node.voter.outlived(hold.group, hold.ballot, node.cluster.names)


def compare(node: Node, before: NodeState | None, state: NodeState) -> None:
    """Says when another member's configuration begins or ceases to differ from ours."""
    if before is not None and (before.digest, before.joint) == (state.digest, state.joint):
        return
    differed = before is not None and differs(node, before)
    if differs(node, state) == differed:
        return
    if not differed and not node.electorate.agrees(state):
        why = "counts other voters (its configuration differs): no votes are exchanged with it"
        node.note(f"{state.node} {why}", Level.ERROR, state.node)
    elif not differed:
        node.note(f"{state.node} runs with another configuration", Level.WARNING, state.node)
    else:
        node.note(f"{state.node} runs with the same configuration again", node=state.node)


def differs(node: Node, state: NodeState) -> bool:
    """Whether a member's configuration is another one. In the middle of a change of the voters both sets may be counted."""
    return not node.electorate.agrees(state) or rest(state.digest) != rest(node.cluster.digest)


def votes_of(node: Node, voter: str, votes: tuple[Vote, ...], dead_time: Duration, now: Instant) -> None:
    for vote in votes if votes and node.agrees(voter) else ():
        if vote.holder == node.me and vote.incarnation == node.links.incarnation:
            claim = node.steward.claims.claims.get(vote.group)
            if claim is not None and claim.stage is Stage.BIDDING and voter not in claim.echoes:
                continue  # only its answer to the bid tells whose programs may still run; the bid is repeated
            node.steward.claims.echo(vote.group, vote.ballot, voter, vote.echo, dead_time)
            node.steward.counted(vote.group, now)


def bid(node: Node, bid: Bid, link: str, now: Instant) -> None:
    node.steward.claims.saw_ballot(bid.ballot)
    former = _former(node, bid)
    if former is not None:
        node.gave_up(bid.group, former, bid.after)
    if not node.electorate.helps(node.states.get(bid.node)):
        return
    # A machine that was away may not know yet that the group is to run nowhere; it learns it from our next heartbeat.
    wish, promise = node.wishes.stopped(bid.group), node.voter.promised(bid.group, now)
    if wish is not None and (promise is None or promise.holder != bid.node):
        ruling = Ruling(False, 0, 0, wishes.sentence(wish))
    else:
        ruling = node.voter.bid(bid.group, bid.node, bid.incarnation, bid.ballot, bid.sent_at, now, bid.after)
    answer = BidAnswer(
        voter=node.me,
        voter_incarnation=node.links.incarnation,
        bidder=bid.node,
        bidder_incarnation=bid.incarnation,
        group=bid.group,
        ballot=bid.ballot,
        echo=bid.sent_at,
        granted=ruling.granted,
        dead_time=node.voter.dead_time,
        wait=ruling.wait,
        highest=ruling.highest,
        why="" if ruling.granted else f"{node.me}: {ruling.why}",
        unfinished=ruling.unfinished,
    )
    node.out.append(Send(answer, bid.node, link))


def _former(node: Node, bid: Bid) -> str | None:
    """Who gave up the ballot after which this bid comes. While the voters change, members number their ballots differently."""
    promise = node.voter.promises.get(bid.group)
    if promise is not None and bid.after and promise.ballot == bid.after:
        return promise.holder if promise.holder != node.me else None
    return node.steward.bidder(bid.after)


def released(node: Node, release: Release, now: Instant) -> None:
    """A ballot was given up, perhaps to us, if we could take it."""
    node.gave_up(release.group, release.node, release.ballot)
    charge = node.steward.charges.get(release.group)
    able = not outlook.bar(node, now)
    if able and charge is not None:
        able = not node.steward.unfit(charge, node.carriers, node.manager)
    steward = node.steward
    node.voter.release(release.group, release.node, release.ballot, release.stopped)
    steward.proof.released(release.group, release.node, release.stopped, now)
    if charge is None or release.successor is None:
        return
    charge.reserved = Reservation(release.successor, release.ballot, now + steward.reservation())
    if release.successor == node.me and able:
        steward.claims.not_before.pop(release.group, None)


def _differs(before: NodeState | None, after: NodeState) -> bool:
    """Whether a member's new word can change the plan: everything but its votes, ages and the time."""
    return (
        before is None
        or before.holds != after.holds
        or before.groups != after.groups
        or before.standby != after.standby
        or before.leaving != after.leaving
        or before.draining != after.draining
        or before.quiet != after.quiet
        or before.digest != after.digest
        or before.joint != after.joint
        or before.left != after.left
        or before.not_up != after.not_up
        or before.reaches != after.reaches
        or before.ranks != after.ranks
    )
