"""Operators' requests: who decides them, and what is decided when it is this node.

A move is decided by the group's holder, standby by the node itself; ``requests`` carries what others must decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import Level, Note, Reply, SaveStandby, Send
from ..events import AdminRequest
from ..messages import Ask, WishKind
from ..model import Role
from ..units import Instant, format_duration
from . import outlook, reach, splits, wishing
from .parts import Wanted
from .wishes import EVERYTHING, sentence

if TYPE_CHECKING:
    from .node import Node

NOBODY = -1
"""The ``op`` of a request whose answer nobody waits for."""

OF_GROUPS = ("stop", "start", "restart", "cleanup", "maintenance-on", "maintenance-off")
"""Requests that name a group and no node."""
OF_ALL = ("maintenance-on", "maintenance-off")
"""Of these, the ones whose group may be "": all groups."""
VERBS = ("move", "standby", "drain", "online", "fence", "confirm-off", *OF_GROUPS)


def admin(node: Node, event: AdminRequest, now: Instant) -> None:
    """A request made on this machine: refused, decided here, or carried to the one who decides. Ends in one ``Reply``."""
    refusal = _senseless(node, event)
    if not refusal and event.verb == "fence":
        refusal = node.steward.fencing.ask(event.node, event.op, event.by, now)
        if not refusal:
            return  # answered when a level of devices has confirmed it, or all have failed
    if refusal:
        node.out.append(Reply(event.op, False, refusal))
    elif event.verb in ("confirm-off", "cleanup"):
        tell_all(node, event, now)
    elif event.verb in OF_GROUPS and event.verb != "restart":
        ok, text = wish(node, event, now)
        node.out.append(Reply(event.op, ok, text))
    else:
        carry(node, event, now)


def _senseless(node: Node, event: AdminRequest) -> str:
    """Why a request makes no sense in this cluster, or ""."""
    if event.verb not in VERBS:
        return f"unknown request {event.verb!r}; there is {', '.join(VERBS)}"
    nodes = [member.name for member in node.cluster.nodes]
    if event.verb == "confirm-off":  # also for one that was taken out while something did not stop on it
        nodes += [name for name in node.steward.fencing.targets if name not in nodes]
    if event.verb not in OF_GROUPS and event.node not in nodes:
        return f"{event.node} is not a node of this cluster ({', '.join(nodes)})"
    groups = [group.name for group in node.cluster.groups]
    named = event.verb == "move" or (event.verb in OF_GROUPS and (event.group or event.verb not in OF_ALL))
    if named and event.group not in groups:
        return f"there is no group {event.group} (there is {', '.join(groups)})"
    return ""


def carry(node: Node, event: AdminRequest, now: Instant) -> None:
    """To the holder of the group, or to the node that is meant."""
    decider = event.node
    if event.verb in ("move", "restart"):
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


def tell_all(node: Node, event: AdminRequest, now: Instant) -> None:
    """What everybody who is there decides for itself: a human says that a machine is off, failures are to be forgotten."""
    ok, text = decide(node, event.verb, event.group, event.node, event.by, now)
    told = [node.me] if node.role is Role.NODE else []
    for member in node.cluster.nodes if ok else ():
        if member.name in node.others and member.name != event.node and node.membership.alive(member.name):
            ask = node.requests.ask(NOBODY, member.name, event.verb, event.group, event.node, event.by, now)
            node.out.append(Send(ask, member.name))
            told.append(member.name)
    if event.verb == "cleanup":
        absent = [member.name for member in node.cluster.nodes if member.name not in told]
        text = f"the failures of {event.group} are forgotten on {' and '.join(sorted(told)) or 'no node'}"
        text += f"; {' and '.join(absent)} cannot be asked" if absent else ""
    node.out.append(Reply(event.op, ok, text))


def wish(node: Node, event: AdminRequest, now: Instant) -> tuple[bool, str]:
    """What lasts, and what no single node decides: written into the register of wishes, which everybody hears of."""
    if node.voter.quiet(now):
        left = format_duration(node.voter.quiet_until - now)
        return False, f"{node.me} has just started and may not know yet what was asked before: ask again in {left}"
    if event.verb in OF_ALL:
        return maintain(node, event, now)
    group, standing = event.group, node.wishes.stopped(event.group)
    if event.verb == "start":
        if standing is None:
            return not_stopped(node, group, now)
        wishing.ask(node, WishKind.NONE, event, now)
        return True, f"{group} may run again"
    if standing is not None:
        return True, f"{group} is to run nowhere already: {sentence(standing)}"
    untouched = node.wishes.maintained(group)
    if untouched is not None:
        return False, f"{group} is {sentence(untouched)}; end that first: {wishing.ending(untouched)}"
    wishing.ask(node, WishKind.STOPPED, event, now)
    return True, f"{group} is to run nowhere until it is started again: understudy start {group}"


def not_stopped(node: Node, group: str, now: Instant) -> tuple[bool, str]:
    """The answer to ``start`` of a group that nobody has stopped: why it runs, or why it does not."""
    holder, untouched = outlook.holders(node, now).get(group), node.wishes.maintained(group)
    if untouched is not None:
        return False, f"nobody has stopped {group}; it is {sentence(untouched)}; end that: {wishing.ending(untouched)}"
    if holder is not None:
        return True, f"nobody has stopped {group}; {holder} holds it"
    decision = node.decisions.get(group)
    because = f" because {decision.why}" if decision is not None else ""
    return False, f"nobody has stopped {group}; it runs nowhere{because}: understudy why {group}"


def maintain(node: Node, event: AdminRequest, now: Instant) -> tuple[bool, str]:
    """Watch, touch nothing; or the end of that."""
    group, what = event.group, event.group or "the cluster"
    standing = node.wishes.in_maintenance(group)
    if event.verb == "maintenance-off":
        whole = node.wishes.in_maintenance(EVERYTHING)
        if standing is not None:
            wishing.ask(node, WishKind.NONE, event, now)
            still = ", but all groups are" if group and whole is not None else _alone(node, group)
            return True, f"{what} is not in maintenance any more{still}"
        if whole is not None:
            return False, f"{group} is not in maintenance itself, all groups are; end that: {wishing.ending(whole)}"
        still = _alone(node, group)
        return not still, f"{what} is not in maintenance{still}"
    stopped = node.wishes.stopped(group) if group else None
    if stopped is not None:
        return False, f"{group} is {sentence(stopped)}: nothing touches it already"
    wishing.ask(node, WishKind.MAINTENANCE, event, now)
    names = [group] if group else [item.name for item in node.cluster.groups]
    holders = outlook.holders(node, now)
    nowhere = [name for name in names if name not in holders and node.wishes.stopped(name) is None]
    text = f"{what} is in maintenance: nothing is started, stopped or moved, and nobody takes over when a holder fails"
    return True, text + (f"; nobody holds {', '.join(nowhere)}, and it stays so" if nowhere else "")


def _alone(node: Node, group: str) -> str:
    """After the maintenance of everything: what is in one of its own."""
    if group:
        return ""
    left = [wish for item in node.cluster.groups if (wish := node.wishes.in_maintenance(item.name)) is not None]
    ends = "; ".join(f"{wish.group} still is: {wishing.ending(wish)}" for wish in left)
    return f", but {ends}" if ends else ""


def take_word(node: Node, target: str, by: str, now: Instant) -> tuple[bool, str]:
    """Believe ``by`` that ``target`` is off, unless we know better."""
    if target == node.me:
        return False, f"{target} is the node that you ask, so it is not off"
    if node.membership.alive(target):
        then = f"wait a dead time after its power is off, or have it switched off: `understudy fence {target}`"
        return False, f"{target} is not off: {node.me} hears it; {then}"
    if target not in node.steward.fencing.targets:
        return False, f"{target} is not a node of this cluster as {node.me} knows it"  # it was taken out meanwhile
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
    if verb == splits.VERB:
        return splits.told(node, group, target, now)
    charge = node.steward.charges.get(group)
    if verb == "cleanup" and charge is not None:
        charge.forget_failures()
        node.out.append(Note(f"{by} has its failures on {node.me} forgotten", Level.INFO, group, node.me))
        return True, f"the failures of {group} are forgotten on {node.me}"
    if verb in ("standby", "drain", "online"):
        return _stand(node, verb, by, now)
    if verb not in ("move", "restart") or charge is None or node.steward.claims.held(group) is None:
        return False, f"{node.me} does not hold {group}"
    untouched = node.wishes.maintained(group)
    if untouched is not None:
        return False, f"{group} is {sentence(untouched)}; end that first: {wishing.ending(untouched)}"
    if verb == "restart":
        if charge.execution.wanted is not Wanted.RUN or charge.moving_to is not None:
            return False, f"{group} is about to leave {node.me}"
        charge.execution.restart()
        node.out.append(Note(f"{by} restarts it on {node.me}", Level.INFO, group, node.me))
        return True, f"{group} is stopped and started again on {node.me}"
    if target == node.me:
        charge.moving_to, charge.pinned = None, True
        return True, f"{group} is on {node.me} already and stays"
    decision = node.decisions.get(group)
    if decision is None or target not in decision.order:
        reason = decision.not_on.get(target, "not known") if decision is not None else "no plan yet"
        return False, f"{target} cannot run {group}: {reason}"
    if reach.behind(charge, target, now) is not None:
        return False, f"fewer of its ping targets answer on {target} than elsewhere: {group} would soon leave it again"
    charge.moving_to = target
    node.out.append(Note(f"{by} moves it from {node.me} to {target}", Level.INFO, group, node.me))
    return True, f"{group} moves from {node.me} to {target}"


def _stand(node: Node, verb: str, by: str, now: Instant) -> tuple[bool, str]:
    """Into standby, into a standby that keeps what no other node can take (``drain``), or out of both."""
    standing = (verb != "online", verb == "drain")
    words = {
        "standby": ("into standby", "in standby"),
        "drain": ("to drain", "draining"),
        "online": ("online", "online"),
    }
    done, state = words[verb]
    if verb == "online":
        for each in node.steward.charges.values():
            each.forget_failures()
    if (node.standby, node.draining) != standing:
        node.standby, node.draining = standing
        node.out.append(SaveStandby(*standing))
        node.note(f"{by} put {node.me} {done}")
        node.beat(now)
    return True, f"{node.me} is {state}{_consequences(node, verb)}"


def _consequences(node: Node, verb: str) -> str:
    """What standby does to groups that cannot simply move, which nobody should learn from their silence."""
    if verb != "standby":
        return ""
    held = [name for name in node.steward.charges if node.steward.claims.held(name) is not None]
    stay = [name for name in held if node.wishes.maintained(name) is not None]
    others = {
        name: [other for other in node.decisions[name].order if other != node.me]
        for name in held
        if name in node.decisions
    }
    stop = [name for name, able in others.items() if not able and name not in stay]
    found = ""
    if stop:
        found += (
            f"; no other node can run {', '.join(stop)}: stopped (`understudy drain {node.me}` lets such groups go on)"
        )
    if stay:
        found += f"; {', '.join(stay)} stays as it is until its maintenance ends, and leaves then"
    return found
