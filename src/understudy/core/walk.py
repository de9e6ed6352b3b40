"""What of a group may begin now: the order in which its parts start and stop.

Parts form *rows*: a stage, or addresses that follow each other. A row is begun when all before it run, and stopped when all
after it have stopped. Within a row everything that is ready begins at once, programs one by one and addresses in one batch.
Most rows are a single program, and in a group without stages one operation goes at a time. Beside it only what nothing waits for:
looks, what goes on with parts that were given up on, and addresses that somebody else removed.

A part that failed takes down what comes after its stage, and itself: never the others of its stage, which do not stand on it.
So does a program that has stopped under others that run. What stands on neither goes on, however long that takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..effects import Action, Effect
from ..model import AddressResource
from ..units import NEVER, Instant
from .parts import Part, State, Wanted, among
from .stopping import LOOK, may_look

if TYPE_CHECKING:
    from .execution import Execution

CHANGED = "a reload has changed or removed it, or what it stands on"
NOT_KNOWN = "not known whether it runs here"
_RUN, _STOP, _OBSERVE = Wanted.RUN, Wanted.STOP, Wanted.OBSERVE
_RUNNING, _UNKNOWN = State.RUNNING, State.UNKNOWN


def due(execution: Execution, now: Instant) -> list[Effect]:
    """Begin all that may begin now for what is wanted."""
    if execution.wanted is _RUN and execution.ending and not execution.watching:
        return _end(execution, now)
    if execution.wanted is _RUN:
        return [] if execution.fence_until else _run(execution, now)
    if execution.wanted is _STOP:
        return _stop(execution, now, execution.everything(), "the group leaves this node")
    return _ask(execution, now)


def look(execution: Execution, now: Instant) -> list[Effect]:
    """Ask whether what did not stop still runs: before all else and beside what goes on, for the power may hang on it."""
    left_alone = execution.wanted is _RUN and (execution.watching or execution.fence_until)
    if not execution.manager or execution.wanted is _OBSERVE or left_alone:
        return []
    effects: list[Effect] = []
    for part in execution.everything():
        if part.look and may_look(part, now) and not execution.operation_of(part):
            effects += execution.begin(Action.MONITOR, (part,), now, LOOK)
    return effects


def rows(execution: Execution, parts: Iterable[Part]) -> list[list[Part]]:
    """Parts without an order among each other, in the order of starts. What a reload ends has none of the present stages."""
    stages: list[list[Part]] = []
    last: int | None = None
    for part in parts:
        stage = None if execution.ending and among(part, execution.ending) else part.stage
        if stage is not None and stage == last:
            stages[-1].append(part)
        else:
            stages.append([part])
        last = stage
    found: list[list[Part]] = []
    after_addresses = False  # the last row found has addresses only
    for row in stages:
        addresses = all(map(_is_address, row))
        if after_addresses and addresses:
            found[-1] += row
        else:
            found.append(row)
        after_addresses = addresses
    return found


def _is_address(part: Part) -> bool:
    return isinstance(part.resource, AddressResource)


def _split(row: Iterable[Part]) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """Addresses, and the programs."""
    row = tuple(row)
    return tuple(filter(_is_address, row)), tuple(part for part in row if not _is_address(part))


def _busy(execution: Execution) -> set[int]:
    """The stages of which anything is under way."""
    resources = (resource for operation in execution.operations.values() for resource in operation.resources)
    return {execution.part(resource).stage for resource in resources}


def _stages(row: Iterable[Part]) -> set[int]:
    return {part.stage for part in row}


def _end(execution: Execution, now: Instant) -> list[Effect]:
    """Stop what a reload changed or removed, one after the other: its stages are not those of the group as it is now.

    What stays does not stand on it, so it is kept up meanwhile. It is not started below it, and nothing new is, unless all
    that is left was given up on.
    """
    effects = [] if execution.under_way(now) else _stop(execution, now, execution.ending, CHANGED)
    busy = bool(execution.under_way(now))
    if execution.fence_until or (busy and effects and not execution.group.stages):
        return effects
    if not busy and all(execution.given_up_on(part, now) for part in execution.ending):
        return effects + _run(execution, now)
    effects += put_back(execution, now)
    return effects if execution.under_way(now) else effects + _monitor(execution, now, execution.parts)


def put_back(execution: Execution, now: Instant) -> list[Effect]:
    """Addresses that somebody else removed, and nothing else: also beside what is under way."""
    if execution.wanted is not Wanted.RUN or execution.watching:
        return []
    gone = _removed(execution)
    return execution.begin(Action.START, gone, now, "the group runs here") if gone else []


def _removed(execution: Execution) -> tuple[Part, ...]:
    """Of the lowest row that does not run: the addresses that somebody else removed, if they may be added now."""
    if execution.restarting or execution.fence_until or execution.waits:
        return ()
    for row in rows(execution, execution.parts):
        if not _all(row, State.RUNNING):
            addresses = _split(row)[0]
            idle = not any(execution.operation_of(part) for part in addresses)
            return tuple(part for part in addresses if part.removed and idle)
    return ()


def puts_back(execution: Execution, address: str) -> bool:
    """Whether this one, which somebody else removed, is added at the next opportunity, which is now."""
    if execution.watching:
        return False
    resources = (part.resource for part in _removed(execution))
    return any(isinstance(item, AddressResource) and item.address == address for item in resources)


def _run(execution: Execution, now: Instant) -> list[Effect]:
    if execution.watching:
        return _watch(execution, now)
    if execution.restarts(now):
        return _stop(execution, now, execution.parts, "an operator restarts it")
    if _all(execution.parts, _RUNNING):
        return _monitor(execution, now, execution.parts)
    found = rows(execution, execution.parts)
    down, why = _coming_down(found)
    effects = _stop(execution, now, down, why) if down else []
    for at, row in enumerate(found):
        if not _all(row, State.RUNNING):
            if not effects or execution.group.stages:
                effects += _start(execution, now, row, _flat(found[at + 1 :]))
            break
    if not effects or execution.group.stages:
        effects += _monitor(execution, now, [part for part in execution.parts if not among(part, down)])
    return effects


def _coming_down(found: list[list[Part]]) -> tuple[list[Part], str]:
    """What has to stop before the lowest part that does not run can be started, with that part if it failed.

    What runs on a program that has stopped is stopped first: a mount over an open directory takes from a database what it has
    open. That comes with an adoption: nobody saw the program end. An address that somebody deleted is put back under what runs:
    nothing holds it open, and programs that listen on it never lose it.
    """
    for at, row in enumerate(found):
        above = _flat(found[at + 1 :])
        failed = [part for part in row if part.state is State.FAILED]
        if failed:
            return [*failed, *above], "it, or what it stands on, failed"
        stopped = any(part.state is State.STOPPED for part in _split(row)[1])
        if stopped and any(part.state not in (State.STOPPED, State.UNKNOWN) for part in _split(above)[1]):
            return above, "what it stands on does not run"
    return [], ""


def _flat(found: Iterable[list[Part]]) -> list[Part]:
    return [part for row in found for part in row]


def _former(execution: Execution) -> set[str]:
    """What a reload ended and has not stopped. A monitor of its new form would take one for the other."""
    return {part.resource.id for part in execution.ending}


def _monitor(execution: Execution, now: Instant, parts: list[Part]) -> list[Effect]:
    """One at a time; who has waited longest first: by the order of starts the last would never be, if the others take long."""
    former = _former(execution)
    running = [part for part in parts if part.state is _RUNNING and part.monitor_at <= now]
    due = [part for part in running if part.resource.id not in former]
    if not due or not execution.manager:
        return []
    if any(operation.action is Action.MONITOR for operation in execution.under_way(now)):
        return []
    return execution.begin(Action.MONITOR, (min(due, key=_monitor_at),), now, "monitor")


def _monitor_at(part: Part) -> Instant:
    return part.monitor_at


def _all(parts: Iterable[Part], state: State) -> bool:
    return not [part for part in parts if part.state is not state]


def _start(execution: Execution, now: Instant, row: list[Part], above: list[Part]) -> list[Effect]:
    """Begin what has stopped in the lowest row that does not run; programs not before it is known that none above them runs."""
    addresses, programs = _split(part for part in row if part.state not in (State.RUNNING, State.FAILED))
    effects: list[Effect] = []
    idle = not any(execution.operation_of(part) for part in row if _is_address(part))
    if addresses and idle and not _has_to_wait(execution, addresses[0], now):
        effects += execution.begin(Action.START, addresses, now, "the group runs here")
    former = _former(execution)
    over = [part for part in _split(above)[1] if among(part, execution.ending) or part.resource.id not in former]
    for part in programs:
        if not execution.manager or execution.operation_of(part) or _has_to_wait(execution, part, now):
            continue
        if part.resource.id in former:
            continue
        if part.state is State.UNKNOWN:
            effects += execution.begin(Action.MONITOR, (part,), now, NOT_KNOWN)
        elif not _all(over, State.STOPPED):
            effects += _ask_all(execution, now, over)
        elif not (part.resource.exclusive and now < execution.hold_programs_until):
            effects += execution.begin(Action.START, (part,), now, "the group runs here")
    return effects


def _ask_all(execution: Execution, now: Instant, parts: Iterable[Part]) -> list[Effect]:
    """Ask those that are not known; in a group without stages, the first of them."""
    effects: list[Effect] = []
    for part in parts:
        idle = not effects or execution.group.stages
        if part.state is State.UNKNOWN and idle and not execution.operation_of(part):
            effects += execution.begin(Action.MONITOR, (part,), now, NOT_KNOWN)
    return effects


def _has_to_wait(execution: Execution, part: Part, now: Instant) -> bool:
    """Whether it must not be started yet: it failed too often, or the group waits for another one."""
    if part.state is State.UNKNOWN:
        return False
    return bool(execution.waits) or (part.state is State.STOPPED and now < part.start_again_at)


def _stop(execution: Execution, now: Instant, parts: list[Part], why: str) -> list[Effect]:
    """Begin the stops of the last row that has not stopped. What was given up on is stopped again beside those below."""
    effects: list[Effect] = []
    for row in reversed(rows(execution, parts)):
        addresses, programs = _split(part for part in reversed(row) if part.state is not State.STOPPED)
        if not addresses and not programs:
            continue
        idle = not any(execution.operation_of(part) for part in addresses)
        if addresses and idle and all(now >= part.stop_again_at for part in addresses):
            effects += execution.begin(Action.STOP, addresses, now, why)
        for part in programs:
            if not execution.manager or execution.operation_of(part):
                continue
            if now >= part.stop_again_at:
                effects += execution.begin(Action.STOP, (part,), now, why)
        if addresses or not all(execution.given_up_on(part, now) for part in programs):
            return effects
    return effects


def _ask(execution: Execution, now: Instant) -> list[Effect]:
    """Before anything is wanted: only questions."""
    if not execution.manager:
        return []
    parts = execution.everything()
    if not [part for part in parts if part.state is _UNKNOWN]:
        return []
    for row in rows(execution, parts):
        unknown = [part for part in row if part.state is State.UNKNOWN]
        if unknown:
            return _ask_all(execution, now, unknown) if _busy(execution) <= _stages(row) else []
    return []


def _watch(execution: Execution, now: Instant) -> list[Effect]:
    """Only questions: about what is not known, what is due, and what failed and may have been mended by hand.

    An address has no monitor, so one that failed by a probe counts as running again after its pause: then the probe is asked.
    A program is asked whenever it failed and by what: nobody else would, and when the maintenance ends it is stopped for it.
    """
    for part in execution.parts:
        if _is_address(part) and part.state is State.FAILED and part.monitor_at <= now:
            execution.trust(part, now)
    if execution.operations or not execution.manager:
        return []
    programs = _split(execution.parts)[1]
    for part in programs:
        if part.state is State.FAILED and part.monitor_at == NEVER:
            part.monitor_at = now + execution.watch_pause(part)
    unknown = [part for part in programs if part.state is State.UNKNOWN]
    due = sorted((part for part in programs if part.monitor_at <= now), key=_monitor_at)
    for part in (*unknown, *due):
        return execution.begin(Action.MONITOR, (part,), now, "monitor, in maintenance")
    return []
