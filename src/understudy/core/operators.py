"""Operators' requests: who decides them, and what is decided when it is this node.

A move is decided by the group's holder, standby by the node itself; ``requests`` carries what others must decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level, Note, Reply, SaveStandby, Send
from ..events import AdminRequest
from ..messages import Ask, WishKind
from ..units import Instant, format_duration
from . import outlook, wishing
from .wishes import sentence

if TYPE_CHECKING:
    from .node import Node

NOBODY = -1
"""The ``op`` of a request whose answer nobody waits for."""

VERBS = ("move", "standby", "online", "fence", "confirm-off", "stop", "start")
OF_GROUPS = ("stop", "start")
"""Requests that name a group and no node."""


def admin(node: Node, event: AdminRequest, now: Instant) -> None:
    """A request made on this machine: refused, decided here, or carried to the one who decides. Ends in one ``Reply``."""
    if event.verb not in VERBS:
        node.out.append(Reply(event.op, False, f"unknown request {event.verb!r}; there is {', '.join(VERBS)}"))
        return
    nodes = [member.name for member in node.cluster.nodes]
    groups = [group.name for group in node.cluster.groups]
    if event.verb in OF_GROUPS:
        if event.group not in groups:
            known = f"there is no group {event.group} (there is {', '.join(groups)})"
            node.out.append(Reply(event.op, False, known))
            return
        ok, text = wish(node, event, now)
        node.out.append(Reply(event.op, ok, text))
        return
    if event.node not in nodes:
        node.out.append(Reply(event.op, False, f"{event.node} is not a node of this cluster ({', '.join(nodes)})"))
        return
    if event.verb == "fence":
        refusal = node.steward.fencing.ask(event.node, event.op, event.by, now)
        if refusal:
            node.out.append(Reply(event.op, False, refusal))
        return
    if event.verb == "confirm-off":
        confirm_off(node, event, now)
        return
    decider = event.node
    if event.verb == "move":
        if event.group not in groups:
            known = f"there is no group {event.group} (there is {', '.join(groups)})"
            node.out.append(Reply(event.op, False, known))
            return
        holder = outlook.holders(node, now).get(event.group)
        if holder is None:
            why = node.decisions[event.group].why if event.group in node.decisions else "not decided yet"
            node.out.append(Reply(event.op, False, f"{event.group} is held by nobody now: {why}"))
            return
        decider = holder
    if decider == node.me:
        ok, text = decide(node, event.verb, event.group, event.node, event.by, now)
        node.out.append(Reply(event.op, ok, text))
    elif not node.membership.alive(decider):
        node.out.append(
            Reply(event.op, False, f"{decider} is {node.membership.state(decider).value}: it cannot be asked")
        )
    else:
        ask = node.requests.ask(event.op, decider, event.verb, event.group, event.node, event.by, now)
        node.out.append(Send(ask, decider))


def wish(node: Node, event: AdminRequest, now: Instant) -> tuple[bool, str]:
    """What lasts, and what no single node decides: written into the register of wishes, which everybody hears of."""
    if node.voter.quiet(now):
        left = format_duration(node.voter.quiet_until - now)
        return False, f"{node.me} has just started and may not know yet what was asked before: ask again in {left}"
    group, standing = event.group, node.wishes.stopped(event.group)
    if event.verb == "start":
        if standing is None:
            return True, f"{group} is not stopped"
        wishing.ask(node, group, WishKind.NONE, event.by, event.reason, event.wall_clock, now)
        return True, f"{group} may run again"
    if standing is not None:
        return True, f"{group} is to run nowhere already: {sentence(standing)}"
    wishing.ask(node, group, WishKind.STOPPED, event.by, event.reason, event.wall_clock, now)
    return True, f"{group} is to run nowhere until it is started again: understudy start {group}"


def confirm_off(node: Node, event: AdminRequest, now: Instant) -> None:
    """A human says that a machine is off. Everybody who is there is told, because each may wait for it."""
    ok, text = take_word(node, event.node, event.by, now)
    node.out.append(Reply(event.op, ok, text))
    if not ok:
        return
    for member in node.cluster.nodes:
        if member.name in node.others and member.name != event.node and node.membership.alive(member.name):
            ask = node.requests.ask(NOBODY, member.name, event.verb, "", event.node, event.by, now)
            node.out.append(Send(ask, member.name))


def take_word(node: Node, target: str, by: str, now: Instant) -> tuple[bool, str]:
    """Believe ``by`` that ``target`` is off, unless we know better."""
    if target == node.me:
        return False, f"{target} is the node that you ask, so it is not off"
    if node.membership.alive(target):
        then = f"wait a dead time after its power is off, or have it switched off: `understudy fence {target}`"
        return False, f"{target} is not off: {node.me} hears it; {then}"
    node.steward.fencing.confirm(target, by, now)
    return True, f"{target} counts as off, by the word of {by}"


def asked(node: Node, ask: Ask, now: Instant) -> None:
    """Another member's operator wants something that this node decides. A repeated Ask gets the same Answer."""
    answer = node.requests.remembered(ask)
    if answer is None:
        ok, text = decide(node, ask.verb, ask.group, ask.target, f"{ask.by} at {ask.node}", now)
        answer = node.requests.answer(ask, ok, text)
    node.out.append(Send(answer, ask.node))


def decide(node: Node, verb: str, group: str, target: str, by: str, now: Instant) -> tuple[bool, str]:
    """Yes or no, and the sentence for the operator."""
    if verb == "confirm-off":
        return take_word(node, target, by, now)
    if verb in ("standby", "online"):
        on = verb == "standby"
        if not on:
            for each in node.steward.charges.values():
                each.forget_failures()
        if node.standby != on:
            node.standby = on
            node.out.append(SaveStandby(on))
            node.note(f"{by} put {node.me} {'into standby' if on else 'online'}")
            node.beat(now)
        return True, f"{node.me} is {'in standby' if on else 'online'}"
    charge = node.steward.charges.get(group)
    if verb != "move" or charge is None or node.steward.claims.held(group) is None:
        return False, f"{node.me} does not hold {group}"
    if target == node.me:
        charge.moving_to, charge.pinned = None, True
        return True, f"{group} is on {node.me} already and stays"
    decision = node.decisions.get(group)
    if decision is None or target not in decision.order:
        reason = decision.not_on.get(target, "not known") if decision is not None else "no plan yet"
        return False, f"{target} cannot run {group}: {reason}"
    charge.moving_to = target
    node.out.append(Note(f"{by} moves it from {node.me} to {target}", Level.INFO, group, node.me))
    return True, f"{group} moves from {node.me} to {target}"
