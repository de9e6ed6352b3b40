"""What our own members say to each other, in words, and to whom."""

from __future__ import annotations

from ..messages import (
    Answer,
    Ask,
    Bid,
    BidAnswer,
    Echo,
    Heartbeat,
    Inquiry,
    Message,
    NodeState,
    Page,
    Release,
)
from ..units import format_duration


def receiver(message: Message) -> str:
    """Whom it is for; Echo goes where the heartbeat came from."""
    match message:
        case Ask() | Answer() | Inquiry() | Page():
            return message.to
        case BidAnswer():
            return message.bidder
        case Echo() if message.votes:
            return ", ".join(sorted({vote.holder for vote in message.votes}))
        case _:
            return "all"


def words(message: Message) -> str:
    """One line."""
    match message:
        case Heartbeat():
            relayed = f"; tells of {', '.join(state.node for state in message.relayed)}" if message.relayed else ""
            return f"heartbeat {message.state.number}: {_state(message.state)}{relayed}"
        case Echo():
            votes = ", ".join(f"{vote.group} (ballot {vote.ballot})" for vote in message.votes)
            return f"heard it, promises for {format_duration(message.dead_time)}: {votes or 'nothing'}"
        case Bid():
            return f"bids for {message.group} with ballot {message.ballot}"
        case BidAnswer():
            if message.granted:
                return f"grants {message.group} with ballot {message.ballot}"
            why = f": {message.why}" if message.why else ""
            return f"refuses {message.group} with ballot {message.ballot} for {format_duration(message.wait)}{why}"
        case Release():
            end = ", all of it stopped" if message.stopped else ""
            heir = f", for {message.successor}" if message.successor else ""
            return f"releases {message.group} (ballot {message.ballot}){heir}{end}"
        case Ask():
            return f"asks by {message.by or '?'}: {message.verb} {message.group} {message.target}".rstrip()
        case Answer():
            return f"answers request {message.request}: {'done' if message.ok else 'refused'} {message.text}".rstrip()
        case Inquiry():
            return f"asks about {message.topic} (request {message.request})"
        case Page():
            return f"tells {len(message.text)} characters for request {message.request}"


def _state(state: NodeState) -> str:
    holds = [f"{'bids for' if hold.bidding else 'holds'} {hold.group} (ballot {hold.ballot})" for hold in state.holds]
    said = (("just started", state.quiet), ("in standby", state.standby), ("being stopped", state.leaving))
    marks = [word for word, there in said if there]
    heard = [item.node for item in state.heard if item.age >= 0]
    parts = [*holds, *marks, f"hears {', '.join(heard) or 'nobody'}"]
    return "; ".join(parts)
