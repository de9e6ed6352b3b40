"""The way out of the old protocol, when both nodes are ours: may it be left now, and the words that managers exchange before.

Nothing is decided here but whether everything is at rest. A node that leaves says nothing more under this protocol; what it held
is held on by the core of the native protocol, in the same process, under the same leases of the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import Deliver
from ...events import AdminRequest
from ...heartbeat3 import OldMessage
from ...heartbeat_files import AutoFailback
from ...messages import Inquiry, Page, Phase
from ...old_pair import ChangeOver
from ...units import NEVER, Instant
from . import saying, standby
from .peers import Peer
from .states import Holding

if TYPE_CHECKING:
    from .node import OldNode


RELOADING = "the last reload is not over: something of it is waited for, or of what ran before has not stopped yet"


def objection(node: OldNode) -> str:
    """Why this node must not leave the old protocol now, or ""."""
    peer = node.live_peer
    if node.legacy:
        return "with auto_failback legacy the nodes do not tell each other what they hold: write on or off"
    refused = standby.objection(node)
    if refused or peer is None:
        return refused or "there is no other active node"
    if not peer.version:
        return f"{peer.name} has not said that it runs Understudy"
    if peer.hears_us is not True:
        return f"{peer.name} does not hear {node.me}"
    if node.change.under_way:
        return RELOADING
    if node.healing.until != NEVER or not peer.reported:
        return f"what {peer.name} holds is not known yet"
    theirs = peer.held.swapped()
    if node.held & theirs:
        return f"{node.me} and {peer.name} both hold the {(node.held & theirs).word} groups"
    nobody = Holding.ALL & ~(node.held | theirs)
    if nobody and node.holdings.of(nobody):
        return f"nobody holds the {nobody.word} groups of {node.me}"
    return _away(node, peer.name) or _unfinished(node)


def _away(node: OldNode, peer: str) -> str:
    """Groups that an operator, ipfail or a failed start brought here: the native protocol does not know why, and fails back."""
    if node.pair.auto_failback is not AutoFailback.ON or not node.held & Holding.FOREIGN:
        return ""
    names = ", ".join(each.group.name for each in node.holdings.of(Holding.FOREIGN))
    return names and (
        f"{names} would move to {peer} after the change-over, its own node: say `understudy online {peer}` first (hb_takeover "
        "local there), or write auto_failback off in ha.cf on both and reload"
    )


def objection_to_follow(node: OldNode) -> str:
    """Why this node must not leave now although the other one has left already, or "".

    Nothing of the other is asked for: it is silent here, and after its dead time it is dead. What failed is tried natively, too.
    """
    if node.leaving:
        return f"{node.me} stops"
    if node.change.under_way:
        return RELOADING
    return _unfinished(node, (Phase.STARTED, Phase.FAILED))


def _unfinished(node: OldNode, done: tuple[Phase, ...] = (Phase.STARTED,)) -> str:
    for name, each in node.holdings.groups.items():
        held = bool(each.part_of & node.held)
        phase = each.execution.phase()
        if held and phase not in done:
            return f"{name} is not started here, but {phase.value}"
        if not held and (each.lease or each.execution.phase() not in (Phase.STOPPED, Phase.UNKNOWN)):
            return f"{name} has not stopped here"
    return ""


def asked(node: OldNode, event: AdminRequest, now: Instant) -> None:
    """``upgrade-look`` asks whether it may be; ``upgrade-go`` does it, after a last heartbeat that renews what is held.

    ``upgrade-follow`` does it when the other node is heard under the native protocol.
    """
    refused = objection_to_follow(node) if event.verb == "upgrade-follow" else objection(node)
    if refused or event.verb == "upgrade-look":
        node.reply(event.op, not refused, refused)
        return
    node.beat(now)
    node.note(f"{node.me} leaves the protocol of Heartbeat 3: {event.by} upgrades the pair")
    node.reply(event.op, True, "")
    node.emit(ChangeOver(f"{event.by} upgrades the pair"))


def relay(node: OldNode, message: Inquiry | Page, now: Instant) -> None:
    """From our manager to the other one, if that can understand it."""
    peer = node.live_peer
    if peer is not None and peer.version and message.to == peer.name:
        node.say(saying.between_managers(message), now)


def heard(node: OldNode, peer: Peer, message: OldMessage) -> None:
    """From the other manager to ours."""
    found = saying.from_manager(message, node.me)
    if found is not None:
        node.emit(Deliver(peer.name, found))
