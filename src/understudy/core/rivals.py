"""What others do to our addresses: somebody removes one on this machine, or another machine claims it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level, Note
from ..units import SECOND, Instant
from .walk import puts_back

if TYPE_CHECKING:
    from .node import Node


def address_gone(node: Node, address: str, now: Instant) -> None:
    """It is not on its device any more, and we did not take it off."""
    for name, charge in node.steward.charges.items():
        if charge.execution.address_gone(address):
            node.removed[address] = (node.removed.get(address, (0, 0))[0] + 1, now)
            then = "put back" if puts_back(charge.execution, address) else "put back when that may be"
            then = "left so, in maintenance" if charge.execution.watching else then
            why = f"{address} was removed on {node.me} by somebody else: {then}"
            node.out.append(Note(why, Level.WARNING, name, node.me))


def claimed(node: Node, address: str, device: str, mac: str, now: Instant) -> None:
    """Another machine says that the address is its own. What we serve we announce again."""
    for name, charge in node.steward.charges.items():
        ours = any(item.address == address for item in charge.group.addresses)
        if ours and node.steward.serves(name, now):
            known = node.rivals.get(address)
            node.rivals[address] = (mac, now)
            charge.announcements.burst(now)
            node.steward.announce(charge, now, f"{mac} claims {address} on {device}")
            if known is None or now - known[1] > 10 * SECOND:
                why = f"{mac} claims {address} on {device}; announced again"
                node.out.append(Note(why, Level.ERROR, name, node.me))
