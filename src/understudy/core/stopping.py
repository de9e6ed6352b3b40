"""How the stop of one part ends: it is over, it failed and is tried again, or a look says that it is over all the same.

A stop that failed, or that nobody answered, leaves open what runs. So one monitor is asked, in the pause before the next
stop, and no longer than that. Only its clear "not running" counts (OCF 7, LSB 3): the part has stopped, whatever its stop
said. A monitor that fails, does not know or does not end says nothing about a stop, and everything goes on as without it.
"""

from __future__ import annotations

from ..model import AddressResource
from ..units import SECOND, Duration, Instant, format_duration
from .failures import must_stop
from .parts import STOP_RETRY, Fact, Part, State

STOP_RETRY_MOST: Duration = 30 * SECOND
"""A stop that failed is tried again after one second, then after twice as long each time, up to this."""

FAILED_STOPS = 3
"""Stops that failed in a row after which this node cannot run the group: it moves, if that may be."""

LOOK = "its stop failed: does it still run?"


def may_look(part: Part, now: Instant) -> bool:
    """Whether a monitor is to be asked before the next stop. When the pause is over, the stop comes first."""
    return part.look and now < part.stop_again_at


def over(part: Part) -> list[Fact]:
    """It has stopped; a sentence if that was in doubt for long."""
    facts = [Fact(f"{part.resource.id} has stopped after all", recovered=True)]
    if part.failed_stops < FAILED_STOPS:
        facts = []
    part.state, part.text = State.STOPPED, ""
    forget_stops(part)
    return facts


def seen_stopped(part: Part, text: str) -> Fact:
    """Its stop failed, and its monitor says that it does not run."""
    said = f" ({text})" if text else ""
    sentence = (
        f"{part.resource.id} does not run, says its monitor{said}: it counts as stopped, although its stop failed"
    )
    recovered = part.failed_stops >= FAILED_STOPS
    over(part)
    return Fact(sentence, recovered=recovered)


def stop_failed(part: Part, text: str, stop_timeout: Duration, now: Instant) -> Fact:
    """It may run on. Tried again once before anybody's power is cut for it, unless it had the group's stop timeout."""
    part.state, part.text = State.FAILED, f"stop: {text}"
    part.stop_again_at = now + part.stop_pause
    again = format_duration(part.stop_pause)
    part.stop_pause = min(2 * part.stop_pause, STOP_RETRY_MOST)
    part.failed_stops += 1
    part.look = not isinstance(part.resource, AddressResource)
    began = now if part.stop_began is None else part.stop_began
    stuck = part.failed_stops > 1 or now >= began + stop_timeout
    # Looked at before the machine is switched off for it, but once: a monitor that hangs must not put that off again and again.
    part.stuck, part.spared = stuck, stuck and not part.stuck
    gave_up_for = part.resource.restarts.within if part.failed_stops >= FAILED_STOPS else 0
    sentence = f"{part.resource.id} did not stop ({text}); tried again in {again}"
    return Fact(sentence, gave_up_for=gave_up_for, failed=True, stuck=part.stuck and must_stop(part.resource))


def outcome(fact: Fact, can_be_ended: bool) -> str:
    """The sentence of a fact, and what follows of it where a part is stuck. ``can_be_ended``: something can switch us off."""
    if not fact.stuck:
        return fact.why
    if can_be_ended:
        return f"{fact.why}, unless this machine is switched off for it"
    return f"{fact.why}; nothing here can switch this machine off for it: end it by hand"


def forget_stops(part: Part) -> None:
    """What earlier stops of it came to no longer matters."""
    part.stop_pause, part.failed_stops, part.stop_began = STOP_RETRY, 0, None
    part.stuck = part.look = part.spared = False
