"""ipfail, built in: the side that reaches fewer ping nodes gives up, in the words of the old client of that name.

Damped: a side that is behind waits for two heartbeats, and the other's "abort" ends it; so two that lose the router one
after the other stay where they are. A cable that is out at a device of our addresses counts in the same way, and a side whose
own cable is out takes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...heartbeat3 import OldMessage
from ...units import NEVER, SECOND, Duration, Instant
from . import peers, saying, standby
from .peers import ACTIVE, Peer
from .states import Holding, Presence

if TYPE_CHECKING:
    from .node import OldNode

AGAIN: Duration = SECOND


@dataclass(slots=True)
class Count:
    """``due``: when ``what`` is given up, and ``why``. ``compare``: counts are to be compared once both are stable."""

    due: Instant = NEVER
    what: Holding = Holding.NONE
    why: str = ""
    compare: bool = False


def runs(node: OldNode) -> bool:
    """The old client refuses to run in legacy mode, and starts with a node that is active."""
    return node.pair.ipfail and not node.legacy and node.presence is Presence.ACTIVE


def mine(node: OldNode) -> int:
    """How many ping nodes and groups answer here."""
    return sum(ping.up for ping in node.pings)


def seen(node: OldNode, answering: tuple[str, ...], now: Instant) -> None:
    """What answered lately."""
    came = peers.pinged(node.pings, answering, now)
    node.notes(came)
    if came:
        ask(node, now)


def silent(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only."""
    lost = peers.pings_silent(node.pings, node.pair.deadping, now)
    node.notes(lost)
    if lost:
        ask(node, now)


def ask(node: OldNode, now: Instant) -> None:
    """Tell the peer our count; it answers what follows."""
    peer = node.live_peer
    if runs(node) and peer is not None and peer.status == ACTIVE and not node.outbox.congested((peer.name,)):
        node.say(saying.ping_count(peer.name, mine(node)), now)


def joined(node: OldNode, peer: Peer, message: OldMessage, now: Instant) -> None:
    """The peer's ipfail has come up."""
    if message.get("from_id") == saying.IPFAIL and message.get("st") == "join":
        ask(node, now)


def heard(node: OldNode, peer: Peer, kind: str, message: OldMessage, now: Instant) -> None:
    """The peer's count, or what it made of ours."""
    if not runs(node):
        return
    if kind == "you_are_dead":
        _schedule(node, Holding.ALL, f"{peer.name} reaches more ping nodes", now)
    elif kind == "abort_giveup":
        cancel(node)
    else:
        _compare(node, peer, message.get("num_ping"), now)


def _compare(node: OldNode, peer: Peer, text: str, now: Instant) -> None:
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        return
    theirs, ours = int(text), mine(node)
    if ours > theirs:
        node.say(saying.to_ipfail("you_are_dead", peer.name), now)
        cancel(node)
    elif ours < theirs:
        _schedule(node, Holding.ALL, f"{peer.name} reaches {theirs} ping nodes, {node.me} {ours}", now)
    else:
        node.say(saying.to_ipfail("abort_giveup", peer.name), now)
        cancel(node)
        if node.pair.auto_failback.value == "on" and node.held & Holding.FOREIGN:
            _schedule(node, Holding.FOREIGN, f"{peer.name} reaches as many ping nodes again", now)


def _schedule(node: OldNode, what: Holding, why: str, now: Instant) -> None:
    count = node.ipfail
    if not node.held & what or (count.due != NEVER and count.what & what == what):
        return
    count.due, count.what, count.why = now + 2 * node.pair.keepalive, what, why


def cancel(node: OldNode) -> None:
    node.ipfail.due = NEVER
    node.ipfail.compare = False


def unfit(node: OldNode) -> str:
    """Why this machine cannot serve, or ""."""
    devices = {address.device for each in node.holdings.groups.values() for address in each.group.addresses}
    out = sorted(device for device in devices if node.carriers.get(device) is False)
    return f"{' and '.join(out)} of {node.me} has no carrier" if out else ""


def carrier(node: OldNode, device: str, there: bool, now: Instant) -> None:
    """A cable was pulled, or is back."""
    count = node.ipfail
    if unfit(node):
        if not there:
            _schedule(node, Holding.ALL, unfit(node), now)
    elif "carrier" in count.why:
        cancel(node)


def look(node: OldNode, now: Instant) -> None:
    """Compare again what could not be done before both were stable."""
    count = node.ipfail
    if count.compare and not standby.objection(node):
        count.compare = False
        if unfit(node):
            _schedule(node, Holding.ALL, unfit(node), now)
        else:
            ask(node, now)
    node.wake(count.due)


def expire(node: OldNode, now: Instant) -> None:
    """For ``TimerDue`` only: the side that is behind gives up."""
    count = node.ipfail
    if now < count.due:
        return
    cancel(node)
    if node.held & count.what and standby.begin(node, count.what, count.why, now):
        count.compare = True
