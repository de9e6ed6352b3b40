"""Other files of Heartbeat's while everything runs: what is the same goes on, what is gone is stopped, what is new begins.

Why no change makes two owners:

* What a line of haresources holds belongs to a set, and a set is held by one node. A resource that goes from the line of one node
  to that of the other is not taken up in one step (``config.difference``), so the other node, whichever file it has read, has no
  such resource in a set of its own. In case its file says otherwise, the service network is asked for each address that is new
  here before it is taken, and again as long as somebody answers.
* Our right to serve lasts a dead time from each of our heartbeats, and the other node waits as long as our newest ``status`` that
  it heard has announced. While it may have heard either dead time, the shorter one counts for our right and the longer one is
  announced. That is over after twice the longer one: by then it has heard the new one, or has missed all of ours for longer
  than any of both, and then took over by the longer one at the earliest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...effects import Level, Note, Settled
from ...events import Outcome
from ...heartbeat_files import AutoFailback
from ...model import AddressResource, Cluster, Group
from ...old_pair import OldPair, PairChanged
from ...units import Duration, Instant
from ..execution import Execution
from ..parts import State
from ..reload import NOT_THERE, change
from .holdings import Owned
from .states import Stage, Standby, Succession

if TYPE_CHECKING:
    from .node import OldNode


@dataclass(slots=True)
class Change:
    """``former``: the dead time before it, and ``until`` when both count. ``waiting``: groups of which something is new here, and
    is asked for on the network first, with those of their resources that run differently. ``again_at``: when it is asked again.
    """

    under_way: bool = False
    former: Duration = 0
    until: Instant = 0
    waiting: dict[str, tuple[Group, frozenset[str]]] = field(default_factory=dict)
    again_at: Instant = 0


def objection(node: OldNode, cluster: Cluster, pair: OldPair) -> str:
    """Why it cannot be taken up at this moment, or ""."""
    legacy = AutoFailback.LEGACY in (pair.auto_failback, node.pair.auto_failback)
    if pair.nodes != node.pair.nodes or (legacy and pair.auto_failback is not node.pair.auto_failback):
        return "only a restart of the daemon changes the nodes, or whether it is legacy"
    if node.change.under_way:
        return "something of the configuration before the last reload has not stopped yet"
    if node.leaving or node.stage is not Stage.STABLE or node.healing.question is not None:
        return f"{node.me} is starting or stopping; try again when it is at rest"
    if node.handover.state is not Standby.IDLE or node.succession.state is not Succession.IDLE:
        return "a hand-over or a take-over is under way; try again when it is over"
    return ""


def reconfigure(node: OldNode, event: PairChanged, now: Instant) -> None:
    """Take it up; ``objection`` has said that it can be."""
    before, node.change = node.pair, Change(True, node.pair.deadtime, now)
    node.cluster, node.pair = event.cluster, event.pair
    if before.deadtime != event.pair.deadtime:
        node.change.until = now + 2 * max(before.deadtime, event.pair.deadtime)
    peer = node.peer
    if peer is not None and peer.heard_at is None:
        peer.dead_time = event.pair.deadtime
    node.fencing.follow(event.cluster)
    present = frozenset(event.addresses)
    owned: dict[str, Owned] = {}
    for group in event.cluster.groups:
        restart = frozenset(resource for name, resource in event.restart if name == group.name)
        owned[group.name] = _owned(node, group, restart, present, now)
    for name, each in node.holdings.groups.items():
        if name not in owned:
            owned[name] = each
            each.retired = each.execution.retired = True
            node.holdings.note(f"{NOT_THERE}: stopped here, and then forgotten", name, Level.WARNING)
            node.holdings.give((each,), NOT_THERE, now)
    node.holdings.groups = owned
    node.note(f"{node.me} runs with other files from now on")
    node.beat(now)


def _owned(node: OldNode, group: Group, restart: frozenset[str], present: frozenset[str], now: Instant) -> Owned:
    each = node.holdings.groups.get(group.name)
    local = group.prefer[:1] == (node.me,)
    if each is None:
        each = Owned(group, Execution(group, node.next_op, present), local)
        each.execution.manager = node.manager
        if each.part_of & node.held:
            node.change.waiting[group.name] = (group, frozenset())
        return each
    if each.group == group and not restart:
        return each
    new = tuple(item for item in group.addresses if item not in each.group.addresses)
    if each.wanted and new:
        node.change.waiting[group.name] = (group, restart)
        each.question.addresses, each.question.good_until = new, 0
        return each
    _change(each, group, restart, present, now)
    return each


def _change(each: Owned, group: Group, restart: frozenset[str], present: frozenset[str], now: Instant) -> None:
    change(each.execution, group, restart, present, now)
    each.execution.forget_failures()
    each.execution.group = each.group = group
    each.gave_up_until = 0
    each.question.addresses, each.question.good_until = group.addresses, 0


def look(node: OldNode, now: Instant) -> None:
    """What has become possible; when nothing of the former files is left, that is said once."""
    if not node.change.under_way:
        return
    for name in tuple(node.change.waiting):
        _look_at(node, name, now)
    groups = node.holdings.groups
    for name, each in list(groups.items()):
        if each.retired and not each.lease and each.execution.stopped():
            del groups[name]
            node.holdings.note("has stopped here and is forgotten", name)
    if node.change.waiting or any(each.retired or each.execution.ending for each in groups.values()):
        return
    node.change.under_way = False
    node.emit(Settled(node.cluster.digest))
    node.emit(Note("nothing of the former files is left here", Level.INFO, "", node.me))


def _look_at(node: OldNode, name: str, now: Instant) -> None:
    """Begin what is new of one group, unless somebody has its addresses; or nothing, if the other node has its set by now."""
    group, restart = node.change.waiting[name]
    each = node.holdings.groups[name]
    held = bool(each.part_of & node.held) and not node.leaving
    if held and node.stage is not Stage.STABLE:
        return  # this daemon began anew in the middle of it
    if held and node.peer is not None and not each.question.answered_well(now):
        if each.question.op is not None:
            node.wake(each.question.deadline)
        elif now < node.change.again_at:
            node.wake(node.change.again_at)
        else:
            for effect in each.question.ask(node.cluster, node.next_op, now):
                node.emit(effect)
            node.wake(each.question.deadline)
        return
    del node.change.waiting[name]
    if each.group != group:
        states = each.execution.states()
        running = (part for part, state, _ in states if isinstance(part, AddressResource) and state is State.RUNNING)
        _change(each, group, restart, frozenset(part.address for part in running), now)
    elif held:
        node.holdings.take((each,), f"new in haresources, and {node.me} holds the {each.part_of.word} groups", now)


def answered(node: OldNode, op: int, outcome: Outcome, text: str, now: Instant) -> bool:
    """The network's answer about what is new; False if ``op`` is none of these questions."""
    for name in node.change.waiting:
        each = node.holdings.groups[name]
        if each.question.op != op:
            continue
        before = each.question.refusal
        each.question.finished(node.cluster, outcome, text, "", node.me, now)
        node.change.again_at = now + node.pair.deadtime
        if each.question.refusal and each.question.refusal != before:
            node.holdings.note(f"what is new of it is not taken up: {each.question.refusal}", name, Level.ERROR)
        return True
    return False


def dead_time(node: OldNode, now: Instant) -> Duration:
    """What we announce. Until the other node has surely heard the new one, the longer one."""
    return max(node.pair.deadtime, node.change.former) if now < node.change.until else node.pair.deadtime


def right(node: OldNode, now: Instant) -> Duration:
    """How long a heartbeat gives the right to serve; until then the shorter one."""
    return min(node.pair.deadtime, node.change.former) if now < node.change.until else node.pair.deadtime
