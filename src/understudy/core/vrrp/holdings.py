"""The addresses of a virtual router on this machine: put there, taken away, put back when somebody deletes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...effects import AddAddresses, Level, RemoveAddresses
from ...events import Outcome
from ...model import AddressResource
from ...units import NEVER, SECOND, Duration, Instant
from . import announcing
from .router import Router

if TYPE_CHECKING:
    from .node import RouterNode

AGAIN: Duration = SECOND
"""What failed is tried again so much later."""


def want(node: RouterNode, r: Router, wanted: bool, why: str, now: Instant) -> None:
    """Have all of its addresses here, or none."""
    r.holding.wanted, r.holding.again_at, r.holding.on = wanted, NEVER, False
    _change(node, r, r.resources, wanted, why)


def _change(node: RouterNode, r: Router, items: tuple[AddressResource, ...], add: bool, why: str) -> None:
    r.holding.op = op = node.next_op()
    node.ops[op] = r
    if items and add:
        node.emit(AddAddresses(op, r.name, items, why, announcing.along(r)))
    elif items:
        node.emit(RemoveAddresses(op, r.name, items, why))
    else:
        finished(node, op, Outcome.OK, "", 0)


def finished(node: RouterNode, op: int, outcome: Outcome, text: str, now: Instant) -> None:
    r = node.ops.pop(op, None)
    if r is None or r.holding.op != op:
        return
    held = r.holding
    held.op = 0
    node.touch(r)
    if outcome is not Outcome.OK:
        verb = "put on its device" if held.wanted else "taken off its device"
        held.again_at = now + AGAIN
        if held.failed != text:
            held.failed = text or "nobody says why"
            node.note(f"not every address of {r.name} could be {verb}: {held.failed}", Level.ERROR, r.name)
    else:
        held.failed = ""
    if held.wanted and r.master_here:
        # Also when one of them failed: those that are there have to draw their clients.
        held.on = True
        announcing.addresses_there(r, now)


def again(node: RouterNode, r: Router, now: Instant) -> None:
    """For ``TimerDue``: what failed."""
    r.holding.again_at = NEVER
    _change(node, r, r.resources, r.holding.wanted, "tried again")
    node.touch(r)


def leftovers(node: RouterNode, r: Router, present: frozenset[str]) -> None:
    """At the start: what an earlier run left is taken away (keepalived does so), as somebody else may serve it."""
    items = tuple(item for item in r.resources if item.address in present)
    if items:
        r.holding.wanted = False
        _change(node, r, items, False, "left here by an earlier run")


def address_gone(node: RouterNode, r: Router, address: str, now: Instant) -> None:
    """Somebody deleted one of them: it is put back at once and announced, without a new election."""
    tracked = {item.address: item.tracked for item in r.spec.addresses}
    if not r.master_here or not r.holding.wanted or not tracked.get(address, False):
        return
    items = tuple(item for item in r.resources if item.address == address)
    why = f"{address} was removed by somebody and is put back"
    node.note(f"{r.name}: {why}", Level.WARNING, r.name)
    r.count("put_back")
    if r.holding.op:
        # The change under way may have passed it already: all of them once more, which costs little.
        items = r.resources
    r.holding.on = False
    _change(node, r, items, True, why)
    announcing.draw_back(node, r, now)
