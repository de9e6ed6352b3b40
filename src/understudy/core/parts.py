"""The words of ``execution``: what is wanted of a group here, the state of each of its resources, and what the walk tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..effects import Action
from ..model import AddressResource, Resource
from ..units import NEVER, SECOND, Duration, Instant

STOP_RETRY: Duration = SECOND
"""The first pause after a stop that failed."""


class Wanted(Enum):
    OBSERVE = "observe"
    RUN = "run"
    STOP = "stop"


class State(Enum):
    """Of one resource on this machine."""

    UNKNOWN = "unknown"
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(slots=True)
class Operation:
    """What was asked for and has not ended yet."""

    op: int
    action: Action
    resources: tuple[Resource, ...]
    deadline: Instant


@dataclass(slots=True)
class Part:
    """One resource: its state, the sentence that goes with it, and when it failed lately.

    ``stop_began``: the first of the stops that failed. ``stuck``: it was tried again, or had the group's stop timeout.
    ``look``: its stop failed, and a monitor has not said yet whether it runs. ``spared``: it is stuck only since that stop.
    ``stage``: as in ``Group.stage_numbers``. ``failure``: how it failed last, until it runs again or that is forgotten.
    ``removed``: an address that somebody else took off its device.
    """

    resource: Resource
    state: State
    text: str = ""
    failure: str = ""
    failures: tuple[Instant, ...] = ()
    stop_again_at: Instant = 0
    start_again_at: Instant = 0
    stop_pause: Duration = STOP_RETRY
    failed_stops: int = 0
    stop_began: Instant | None = None
    stuck: bool = False
    look: bool = False
    spared: bool = False
    touched: bool = False
    removed: bool = False
    monitor_at: Instant = NEVER
    stage: int = 0


@dataclass(frozen=True, slots=True)
class Fact:
    """What the node should know: ``announce`` these addresses, or a sentence.

    ``gave_up_for``: this machine cannot run the group for so long (0: it still can). ``recovered``: what made it so is over.
    ``stuck``: this machine may be switched off for it, if anything can do that.
    """

    why: str = ""
    gave_up_for: Duration = 0
    failed: bool = False
    recovered: bool = False
    stuck: bool = False
    announce: tuple[AddressResource, ...] = ()


def among(part: Part, parts: list[Part]) -> bool:
    """The part itself, not one that is equal."""
    return any(item is part for item in parts)
