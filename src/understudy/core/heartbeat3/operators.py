"""What operators can ask of a pair that speaks the old protocol, here or by a message from the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import Level
from ...events import AdminRequest
from ...heartbeat3 import OldMessage
from ...units import Instant
from . import saying, standby, upgrade
from .states import WORDS, Holding

if TYPE_CHECKING:
    from .node import OldNode

SETS = {"": Holding.ALL, "all": Holding.ALL, "local": Holding.LOCAL, "foreign": Holding.FOREIGN}


def asked(node: OldNode, event: AdminRequest, now: Instant) -> None:
    """``hb_standby`` and ``hb_takeover`` name the set in ``group``: all, local, foreign or failback; "" is all."""
    match event.verb:
        case "hb_standby" | "hb_takeover":
            _sets(node, event, now)
        case "fence":
            refused = node.fencing.ask(event.node, event.op, event.by, now)
            if refused:
                node.reply(event.op, False, refused)
        case "confirm-off":
            _confirm_off(node, event, now)
        case "upgrade-look" | "upgrade-go" | "upgrade-follow":
            upgrade.asked(node, event, now)
        case _:
            node.reply(
                event.op,
                False,
                f"{event.verb} is not possible while the pair speaks the protocol of Heartbeat 3; "
                "hb_standby, hb_takeover, fence and confirm-off are",
            )


def _sets(node: OldNode, event: AdminRequest, now: Instant) -> None:
    takes = event.verb == "hb_takeover"
    failback = Holding.LOCAL if takes else Holding.FOREIGN
    what = failback if event.group == "failback" else SETS.get(event.group)
    if what is None:
        node.reply(event.op, False, f"{event.group!r} is no set of groups; all, local, foreign and failback are")
        return
    if not takes:
        refused = standby.begin(node, what, f"{event.by} asks for it", now)
        node.reply(event.op, not refused, refused or f"{node.me} goes standby [{what.word}]")
        return
    refused = standby.objection(node)
    if not refused:
        node.say(saying.takeover(what), now)
    node.reply(event.op, not refused, refused or f"the other node was asked to go standby [{what.swapped().word}]")


def _confirm_off(node: OldNode, event: AdminRequest, now: Instant) -> None:
    if event.node not in node.fencing.targets:
        node.reply(event.op, False, f"{event.node} is not the other node")
    elif node.live_peer is not None:
        node.reply(event.op, False, f"{event.node} is not off: it is heard")
    else:
        node.fencing.confirm(event.node, event.by, now)
        node.reply(event.op, True, f"{event.node} counts as off")


def taken(node: OldNode, message: OldMessage, now: Instant) -> None:
    """``hb_takeover`` was called on the other side: what is local there is foreign here."""
    if node.legacy:
        only_modern(node)
        return
    what = WORDS.get(message.get("rsc_hold")) or Holding.ALL
    refused = standby.begin(node, what.swapped(), "the other node wants to take over", now)
    if refused:
        node.note(f"the other node's wish to take over is ignored: {refused}", Level.WARNING)


def only_modern(node: OldNode) -> None:
    node.note("standby message ignored: it is only implemented with auto_failback on or off", Level.WARNING)
