"""Another configuration while everything runs: what is the same goes on, what is new begins, what is gone is stopped first.

Links, membership, promises, rights and the numbers of operations stay as they are: how it is voted, and with which times, is the
same (the daemon takes no other change without a restart), so no promise that was given means anything else afterwards. Who votes
may change by one member; then ``electorate`` counts the old voters and the new ones for a while.

* A group that is new here has no promises of ours in the way that it ought to have: voters promise by name, whether they know
  the group or not, so all that others ever asked for is remembered. Its programs are asked whether they run, as at a start.
* A group that is gone is *retired*: the plan says "nowhere", so its holder stops it in order and releases it, to nobody; who
  still has it in his file may take it then. It is forgotten when it has stopped here.
* In a group that changed, ``changes.untouched`` says what goes on running. The rest is stopped in reverse order, as it was,
  before anything is started as it is now.

When nothing of the former configuration is left, ``Settled`` says so, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..changes import same_run, untouched
from ..effects import Action, Level, Note, Settled
from ..events import Reconfigured
from ..model import AddressResource, Group, Resource, Role
from ..units import NEVER, Instant
from . import awaiting, electorate
from .charge import Charge
from .execution import Execution
from .parts import Operation, Part, State
from .placement import Decision

if TYPE_CHECKING:
    from .node import Node
    from .steward import Steward

NOT_THERE = "it is not in the configuration any more"


def reconfigure(node: Node, event: Reconfigured, now: Instant) -> None:
    """Take up ``event.cluster``. How it is voted must be what it was, and who votes up to one member."""
    before, after = node.cluster, electorate.take_up(node, event.cluster, now)
    steward = node.steward
    node.taking_up = False
    node.cluster = steward.cluster = after
    node.carriers.update(event.carriers)
    if (before.ping, before.reach_targets) != (after.ping, after.reach_targets):
        node.pings_told = False
    if before.ping != after.ping:
        node.answering, node.pings_at = after.ping, now
    steward.fencing.follow(after)
    node.wishes.follow(group.name for group in after.groups)
    charges = {group.name: _charge(node, group, event, now) for group in after.groups}
    for name, charge in steward.charges.items():
        if name not in charges and node.role is Role.NODE:
            charges[name] = charge
            _retire(steward, charge)
    steward.charges = charges
    for name in steward.proof.follow((charge.group for charge in charges.values()), after.digest):
        claim = steward.claims.held(name)
        if claim is not None:
            awaiting.begin(steward, charges[name], claim, now)
    for name, charge in charges.items():
        if charge.waiting_for and not charge.group.exclusive:
            for machine in charge.waiting_for:
                steward.fencing.unwant(machine, name)
            charge.let_start()
    node.reloading = True
    node.note(f"{node.me} runs with another configuration from now on ({event.cluster.digest})")


def _charge(node: Node, group: Group, event: Reconfigured, now: Instant) -> Charge:
    steward, present = node.steward, frozenset(event.addresses)
    charge = steward.charges.get(group.name)
    if charge is None:
        charge = Charge(group, Execution(group, steward.next_op, present))
        charge.execution.manager = node.manager
        steward.note("new in the configuration", group.name)
        return charge
    restart = frozenset(resource for name, resource in event.restart if name == group.name)
    if charge.group == group and not restart and not charge.retired:
        return charge
    if (charge.group.resources, charge.group.stages) != (group.resources, group.stages) or restart:
        change(charge.execution, group, restart, present, now)
        charge.forget_failures()
    charge.execution.group = charge.group = group
    charge.health.change(group)
    charge.retired = charge.execution.retired = False
    if charge.addresses != group.addresses:
        charge.addresses = group.addresses
        charge.question.addresses, charge.question.good_until = group.addresses, 0
    charge.has_programs = len(group.addresses) < len(group.resources)
    return charge


def _retire(steward: Steward, charge: Charge) -> None:
    if charge.retired:
        return
    charge.retired = charge.execution.retired = True
    charge.moving_to, charge.pinned = None, False
    steward.note(f"{NOT_THERE}: stopped on {steward.me}, and then forgotten", charge.group.name, Level.WARNING)


def change(execution: Execution, group: Group, restart: frozenset[str], present: frozenset[str], now: Instant) -> None:
    """The resources of ``group`` instead of those so far. ``present``: virtual addresses that are on their devices now."""
    stays = untouched(execution.group, group, restart)
    old = {part.resource.id: part for part in execution.parts}
    former = [part for part in execution.parts if part.resource.id not in stays and part.state is not State.STOPPED]
    former += [part for part in execution.ending if not any(part is item for item in former)]
    # The same address under another length or on another device is taken off first, so it will not be there.
    present -= {part.resource.address for part in former if isinstance(part.resource, AddressResource)}
    parts = []
    for stage, resource in zip(group.stage_numbers, group.resources, strict=True):
        part = old.get(resource.id)
        if part is None or resource.id in restart or not same_run(part.resource, resource):
            parts.append(_fresh(resource, stage, present))
            continue
        for operation in execution.operations.values():
            _rename(operation, part, resource)
        if part.resource.limits.interval != resource.limits.interval and part.state is State.RUNNING:
            interval = resource.limits.interval
            program = not isinstance(resource, AddressResource)
            part.monitor_at = now + interval if program and interval else NEVER
        part.resource, part.stage = resource, stage
        parts.append(part)
    execution.parts, execution.ending = parts, former
    execution.ends_since = now if former else None
    _abandon(execution)


def _fresh(resource: Resource, stage: int, present: frozenset[str]) -> Part:
    if isinstance(resource, AddressResource):
        return Part(resource, State.RUNNING if resource.address in present else State.STOPPED, stage=stage)
    return Part(resource, State.UNKNOWN, stage=stage)


def _rename(operation: Operation, part: Part, resource: object) -> None:
    """An operation knows its resources by themselves, not by their names."""
    operation.resources = tuple(
        resource if item is part.resource else item  # type: ignore[misc]
        for item in operation.resources
    )


def _abandon(execution: Execution) -> None:
    """A stop need not wait for a start or a monitor of the same program: the manager kills that when the stop arrives."""
    for part in execution.ending:
        operation = execution.operation_of(part)
        if operation is None or operation.action is Action.STOP or isinstance(part.resource, AddressResource):
            continue
        del execution.operations[operation.op]
        part.state = State.UNKNOWN


def retired(steward: Steward) -> dict[str, Decision]:
    """What the plan says of groups that are no longer in it."""
    names = [name for name, charge in steward.charges.items() if charge.retired]
    if not names:
        return {}
    everywhere = dict.fromkeys((node.name for node in steward.cluster.nodes), NOT_THERE)
    return {name: Decision(name, None, NOT_THERE, everywhere, ()) for name in names}


def forget(node: Node, now: Instant) -> None:
    """Drop what has stopped, and say when nothing of the former configuration is left."""
    steward = node.steward
    if not node.reloading:
        return
    for name, charge in list(steward.charges.items()):
        idle = name not in steward.claims.claims and not steward.adopting(name, now)
        if charge.retired and idle and charge.execution.stopped():
            del steward.charges[name]
            steward.claims.not_before.pop(name, None)
            steward.proof.follow((item.group for item in steward.charges.values()), node.cluster.digest)
            steward.note("has stopped here and is forgotten", name)
    if node.electorate.goal is not None:
        return  # who starts here meanwhile has to know both sets
    left = [charge for charge in steward.charges.values() if charge.retired or charge.execution.ending]
    if node.role is Role.NODE and left:
        return
    node.reloading = False
    node.out.append(Settled(node.cluster.digest))
    node.out.append(Note("nothing of the former configuration is left here", Level.INFO, "", node.me))
