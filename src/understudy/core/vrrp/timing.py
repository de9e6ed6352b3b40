"""How long a virtual router waits, and how long its own right to serve lasts: keepalived's whole numbers, in nanoseconds here.

RFC 3768 section 6.1 (version 2), RFC 9568 section 6.1 (version 3).
"""

from __future__ import annotations

from ...units import MICROSECOND, MILLISECOND, Duration
from ...vrrp import OWNER
from ...vrrp_files import VirtualRouter

_CENTISECOND: Duration = 10 * MILLISECOND
_LEAST_MARGIN: Duration = MILLISECOND
_RATE: int = 500
"""Two clocks may differ by one part in this many, and a millisecond."""


def skew(version: int, priority: int, interval: Duration) -> Duration:
    """Skew_Time. ``interval``: of the master, which version 2 does not look at: there it is a part of a second."""
    if version == 2:
        return (256 - priority) * 1_000_000 // 256 * MICROSECOND
    return (256 - priority) * (interval // _CENTISECOND) * 625 // 16 * MICROSECOND


def master_down(spec: VirtualRouter, priority: int, interval: Duration) -> Duration:
    """Master_Down_Interval: without an advertisement for so long, the master is dead. ``interval``: of the master."""
    return spec.down_adverts * interval + skew(spec.version, priority, interval)


def right(spec: VirtualRouter) -> Duration:
    """How long after one of our advertisements nobody else can call us dead, less what clocks may differ.

    Whoever heard it waits ``down_adverts`` of our intervals, and the skew of the highest priority at least. It is assumed that
    the others have the same ``down_adverts``.
    """
    least = spec.down_adverts * spec.interval + skew(spec.version, OWNER, spec.interval)
    return least - max(least // _RATE, min(_LEAST_MARGIN, least // 20))


def spare(spec: VirtualRouter) -> Duration:
    """So much sooner than the right is over the kernel stops to serve: one advertisement that was lost on its way costs nothing.

    Whoever did not hear the newest one counts from the one before. With one or two ``down_adverts`` there is nothing to spare.
    """
    return spec.interval if spec.down_adverts > 2 else 0
