"""Time as integer nanoseconds, and how people write it.

Every instant in the core is a reading of the machine's own ``CLOCK_BOOTTIME`` in nanoseconds: it never jumps,
it goes on through a suspend, and it says nothing about other machines' clocks. Integers, because a sum of
floating-point seconds drifts and two runs of the simulator must agree to the last bit.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Instant: TypeAlias = int
"""A reading of one machine's boot-time clock, in nanoseconds. Not comparable between machines."""

Duration: TypeAlias = int
"""A span of time in nanoseconds."""

MICROSECOND: Duration = 1_000
MILLISECOND: Duration = 1_000_000
SECOND: Duration = 1_000_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE

NEVER: Instant = 2**62
"""Later than any deadline (146 years after boot)."""

_UNITS = {
    "us": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*", re.ASCII)
_LONGEST = 365 * 24 * HOUR


def parse_duration(text: str) -> Duration:
    """Read ``"200ms"``, ``"1s"``, ``"1.5s"``, ``"5m"`` or ``"2h"`` and return nanoseconds.

    The unit is mandatory: a bare number means seconds to some people and milliseconds to others.
    The longest value is one year. Raises ValueError with a sentence fit for an administrator.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write a number and a unit, as in 200ms, 1s or 5m")
    number, unit = match.groups()
    if unit not in _UNITS:
        raise ValueError(f"unknown unit {unit!r} in {text!r}; use us, ms, s, m or h")
    whole, _, fraction = number.partition(".")
    scale = _UNITS[unit]
    value = int(whole) * scale
    if fraction:
        value += int(fraction) * scale // 10 ** len(fraction)
    if value > _LONGEST:
        raise ValueError(f"{text!r} is longer than a year")
    return value


def format_duration(value: Duration) -> str:
    """The shortest exact-looking form an administrator would write: ``200ms``, ``1s``, ``1.5s``, ``5m``.

    Values are rounded to three significant decimals of their unit; negative values keep their sign.
    """
    if value < 0:
        return "-" + format_duration(-value)
    for unit, scale in (("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND)):
        if value >= scale and (unit in ("s", "ms") or value % scale == 0):
            text = f"{value / scale:.3f}".rstrip("0").rstrip(".")
            return f"{text}{unit}"
    if value == 0:
        return "0s"
    return f"{value / MICROSECOND:.3f}".rstrip("0").rstrip(".") + "us"
