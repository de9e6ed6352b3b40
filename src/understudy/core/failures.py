"""What follows from a failure of one resource: ``on_failure``, ``restarts`` and ``on_stop_failure``. Plain functions."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import OnFailure, OnStopFailure, Resource
from ..units import SECOND, Duration, Instant, format_duration

GAVE_UP_PAUSE: Duration = 5 * SECOND
"""Shortest pause before a group that failed too often, and that no other node can take, is started here again."""


IGNORED = "failed, and that is ignored:"
"""How the text of a resource begins that is not as it should be and counts as running."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """``recent``: the failures that count from now on. ``gave_up_for``: this machine cannot run the group for so long; 0: it can.

    ``ignored``: it counts as running. ``fence``: this machine is to be switched off for it. ``pause``: no start here before it.
    """

    recent: tuple[Instant, ...]
    why: str
    gave_up_for: Duration = 0
    ignored: bool = False
    fence: bool = False
    pause: Duration = 0


def judge(resource: Resource, earlier: tuple[Instant, ...], text: str, now: Instant) -> Judgement:
    """A failure of ``resource`` at ``now``; ``earlier``: when it failed before."""
    restarts = resource.restarts
    if restarts.on_failure is OnFailure.IGNORE:
        return Judgement((), f"{resource.id} failed ({text}): ignored, as its on_failure says", ignored=True)
    recent = (*(at for at in earlier if now - at < restarts.within), now)
    most = 0 if restarts.on_failure is OnFailure.MOVE else restarts.most
    count = f"failure {len(recent)} within {format_duration(restarts.within)}, {most} restarts allowed"
    if len(recent) <= most:
        return Judgement(recent, f"{resource.id} failed ({text}): restarted here ({count})")
    pause = max(GAVE_UP_PAUSE, restarts.within // (most + 1))
    if restarts.on_failure is OnFailure.FENCE:
        why = f"{resource.id} failed ({text}): this machine is to be switched off for it ({count})"
        return Judgement(recent, why, fence=True, pause=pause)
    return Judgement(
        recent, f"{resource.id} failed ({text}): this node gives up ({count})", restarts.within, pause=pause
    )


def must_stop(resource: Resource) -> bool:
    """Whether its group goes nowhere before it has stopped."""
    wanted = resource.restarts.on_stop
    return resource.exclusive if wanted is None else wanted is OnStopFailure.FENCE
