"""What other members say, once ``links`` has let it pass: their word about themselves, votes, bids and releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level, Send
from ..events import Received
from ..messages import Bid, BidAnswer, Echo, Heartbeat, NodeState, Phase, Release, Vote
from ..model import Quorum
from ..units import Duration, Instant
from . import outlook, splits, wishes, wishing
from .leases import Stage
from .links import Standing
from .votes import Ruling

if TYPE_CHECKING:
    from .node import Node


def heartbeat(node: Node, message: Heartbeat, event: Received, now: Instant) -> None:
    if message.state.node == event.sender and message.state.incarnation == event.incarnation:
        before = node.states.get(event.sender)
        take_state(node, message.state, now, relay=None)
        if node.cluster.quorum is not Quorum.MAJORITY and node.states.get(event.sender) is message.state:
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
    if verdict.standing is not Standing.ACCEPTED:
        return
    if relay is not None:
        direct = node.links.peers[state.node].direct_at
        if direct is None or now - direct > node.membership.late_after:
            node.changed(node.membership.heard(state.node, now, now, via=relay), now)
    if verdict.fresh and relay is not None:
        node.fresh(state.node, now)
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
        if node.agrees(state.node) and not node.is_over(hold.group, state.node, hold.ballot):
            held = not hold.bidding
            node.voter.renew(hold.group, state.node, state.incarnation, hold.ballot, state.sent_at, now, held)
    named = frozenset(hold.group for hold in state.holds)
    node.voter.not_named(state.node, state.incarnation, state.sent_at, named)
    votes_of(node, state.node, state.votes, state.dead_time, now)
    ours = (item.number for item in state.heard if (item.node, item.incarnation) == (node.me, node.links.incarnation))
    node.dirty |= node.steward.proof.heard(state, max(ours, default=-1), now)
    for report in state.groups:
        if report.phase is Phase.STOPPED and report.group not in named:
            index = node.steward.ordered.index(state.node)
            node.voter.stopped(report.group, index, state.incarnation, state.sent_at)


def compare(node: Node, before: NodeState | None, state: NodeState) -> None:
    """Says when another member's configuration begins or ceases to differ from ours."""
    own = node.cluster.digest
    differed = before is not None and before.digest != own
    if (state.digest != own) == differed:
        return
    if not differed and state.digest[:8] != own[:8]:
        why = "counts other voters (its configuration differs): no votes are exchanged with it"
        node.note(f"{state.node} {why}", Level.ERROR, state.node)
    elif not differed:
        node.note(f"{state.node} runs with another configuration", Level.WARNING, state.node)
    else:
        node.note(f"{state.node} runs with the same configuration again", node=state.node)


def votes_of(node: Node, voter: str, votes: tuple[Vote, ...], dead_time: Duration, now: Instant) -> None:
    for vote in votes if node.agrees(voter) else ():
        if vote.holder == node.me and vote.incarnation == node.links.incarnation:
            claim = node.steward.claims.claims.get(vote.group)
            if claim is not None and claim.stage is Stage.BIDDING and voter not in claim.echoes:
                continue  # only its answer to the bid tells whose programs may still run; the bid is repeated
            node.steward.claims.echo(vote.group, vote.ballot, voter, vote.echo, dead_time)
            node.steward.counted(vote.group, now)


def bid(node: Node, bid: Bid, link: str, now: Instant) -> None:
    node.steward.claims.saw_ballot(bid.ballot)
    former = node.steward.bidder(bid.after)
    if former is not None:
        node.gave_up(bid.group, former, bid.after)
    if not node.agrees(bid.node):
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
    )
    node.out.append(Send(answer, bid.node, link))


def released(node: Node, release: Release, now: Instant) -> None:
    node.gave_up(release.group, release.node, release.ballot)
    able = not outlook.bar(node, now) and release.group in node.steward.charges
    if able:
        charge = node.steward.charges[release.group]
        able = not node.steward.unfit(charge, node.carriers, node.manager)
    node.steward.heard_release(release, able, now)


def _differs(before: NodeState | None, after: NodeState) -> bool:
    """Whether a member's new word can change the plan: everything but its votes, ages and the time."""
    return before is None or _words(before) != _words(after)


def _words(state: NodeState) -> object:
    return (
        state.holds,
        state.standby,
        state.draining,
        state.quiet,
        state.digest,
        state.groups,
        state.not_up,
        state.reaches,
    )
