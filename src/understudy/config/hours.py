"""Hours of the day and days of the week, as ``failback`` has them: ``02:00-04:00``, ``sat,sun 22:00-06:00``, ``mon-fri …``."""

from __future__ import annotations

import re

from ..hours import DAYS, Hours
from .addresses import Wrong
from .report import nearest

_TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)
_FORM = 'Write "02:00-04:00", or with days "sat,sun 02:00-04:00" or "mon-fri 22:00-06:00".'


def read_hours(text: str) -> Hours | Wrong:
    """What ``text`` says, or what is wrong with it."""
    start = next((at for at, letter in enumerate(text) if letter.isdigit()), 0)
    times = _TIMES.fullmatch(text[start:].strip())
    if times is None:
        return Wrong("these are not hours of the day", _FORM)
    found = [int(part) for part in times.groups()]
    if found[0] > 23 or found[2] > 23 or found[1] > 59 or found[3] > 59:
        return Wrong("the hours of a day go from 00:00 to 23:59", 'Midnight is 00:00, as in "22:00-00:00".')
    opens, closes = found[0] * 60 + found[1], found[2] * 60 + found[3]
    if opens == closes:
        return Wrong("these hours begin and end at the same time", 'For the whole day write "when-healthy".')
    days = _days(text[:start].lower().strip())
    return days if isinstance(days, Wrong) else Hours(opens, closes, days)


def _days(text: str) -> tuple[int, ...] | Wrong:
    """Numbers of the days, in order; all seven are the same as none, which means every day."""
    found: set[int] = set()
    for part in text.split(",") if text else ():
        names = [name.strip() for name in part.split("-")]
        for name in names:
            if name not in DAYS:
                close = nearest(name, DAYS)
                hint = f'Did you mean "{close}"?' if close else f"The days are {', '.join(DAYS)}."
                return Wrong(f'"{name}" is no day', hint)
        if len(names) > 2:
            return Wrong(f'"{part.strip()}" is no range of days', _FORM)
        first, last = DAYS.index(names[0]), DAYS.index(names[-1])
        found |= {(first + step) % len(DAYS) for step in range((last - first) % len(DAYS) + 1)}
    return tuple(sorted(found)) if len(found) < len(DAYS) else ()
