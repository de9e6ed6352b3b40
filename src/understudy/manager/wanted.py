"""Which entries of a history somebody wants, and one page of them for another manager. Plain functions of their arguments."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..effects import Level
from ..errors import UsageError
from ..model import Cluster
from ..units import MILLISECOND, Duration, parse_duration
from .api import MOST_LINES, nearest

PAGE_LIMIT = 1200
"""Bytes of text that one datagram carries between managers (``wire.layout``)."""

MOST_ON_A_PAGE = 64
_RANK = {level.value: rank for rank, level in enumerate((Level.INFO, Level.WARNING, Level.ERROR))}


@dataclass(frozen=True, slots=True)
class Wanted:
    """``lines``: the newest so many. ``level``: at least that. ``age``: at most so old, by the clock of whoever noted it."""

    lines: int = 50
    group: str = ""
    node: str = ""
    level: str = Level.INFO.value
    age: Duration | None = None

    def fits(self, form: dict[str, Any], origin: str, now: int) -> bool:
        """Whether an entry as it is kept is wanted; ``now`` is wall-clock nanoseconds of ``origin``, which noted it."""
        if self.group and form.get("group") != self.group:
            return False
        if self.node and self.node not in (form.get("node"), origin):
            return False
        if _RANK.get(str(form.get("level")), 0) < _RANK[self.level]:
            return False
        return self.age is None or now - noted_at(form) <= self.age

    def question(self, before: int | None) -> str:
        """For another manager: the entries before number ``before``, the newest if None."""
        age = None if self.age is None else self.age // MILLISECOND
        form = {"before": before, "lines": self.lines, "group": self.group, "node": self.node}
        return json.dumps({**form, "level": self.level, "age_ms": age}, separators=(",", ":"))


def wanted(cluster: Cluster, asked: dict[str, Any], now: int) -> Wanted:
    """From the fields of a request. Raises UsageError with the nearest word."""
    groups = tuple(group.name for group in cluster.groups)
    for kind, name, known in (("group", asked["group"], groups), ("node", asked["node"], cluster.names)):
        if name and name not in known:
            raise UsageError(f"there is no {kind} {name!r}", nearest(name, known))
    if asked["level"] not in _RANK:
        raise UsageError(f"there is no level {asked['level']!r}", nearest(asked["level"], tuple(_RANK)))
    age = _age(asked["since"], now) if asked["since"] else None
    return Wanted(asked["lines"], asked["group"], asked["node"], asked["level"], age)


def _age(text: str, now: int) -> Duration:
    """``1h``, or a time such as ``2026-01-31T12:00`` (UTC unless it says otherwise)."""
    try:
        return parse_duration(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        hint = "a length of time such as 90m or 2h, or a time such as 2026-01-31T12:00 (UTC)"
        raise UsageError(f"{text!r} is no time", f"write {hint}") from None
    stamp = time.timestamp() if time.tzinfo else datetime.fromisoformat(f"{time.isoformat()}+00:00").timestamp()
    return max(0, now - int(stamp * 1_000_000) * 1000)


def noted_at(form: dict[str, Any]) -> int:
    """Wall-clock nanoseconds of an entry as it is kept; 0 when it does not say."""
    at = form.get("at_ns")
    if isinstance(at, int):
        return at
    try:
        return int(datetime.fromisoformat(str(form.get("at"))).timestamp() * 1_000_000) * 1000
    except ValueError:
        return 0


def select(kept: Iterable[dict[str, Any]], want: Wanted, origin: str, now: int) -> list[dict[str, Any]]:
    """The newest entries that are wanted, oldest of them first."""
    return [form for form in kept if want.fits(form, origin, now)][-want.lines :]


# Between managers


def page(kept: Sequence[dict[str, Any]], question: str, origin: str, now: int) -> str:
    """The answer to one question of another manager. Raises UsageError when it is none."""
    want, before = _read_question(question)
    found = [form for form in kept if want.fits(form, origin, now) and (before is None or form["number"] < before)]
    newest_first = found[: -1 - min(want.lines, MOST_ON_A_PAGE) : -1]
    count = len(newest_first)
    while count > 1:
        text = _packed(newest_first[:count], now, count < len(found))
        if len(text) <= PAGE_LIMIT:
            return text
        count = count * 3 // 4
    return _alone(newest_first[:1], now, len(found) > 1)


def _packed(entries: list[dict[str, Any]], now: int, more: bool) -> str:
    before = entries[-1]["number"] if more else None
    form = json.dumps({"now": now, "entries": entries, "before": before}, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(form.encode("utf-8", "replace"), 9)).decode("ascii")


def _alone(entries: list[dict[str, Any]], now: int, more: bool) -> str:
    """A page of one entry (or none), cut until it fits."""
    length = max((len(form["text"]) for form in entries), default=0)
    text = _packed(entries, now, more)
    while len(text) > PAGE_LIMIT and length:
        length //= 2
        text = _packed([{**form, "text": f"{form['text'][:length]}..."} for form in entries], now, more)
    return text


def _read_question(text: str) -> tuple[Wanted, int | None]:
    try:
        form = json.loads(text)
        lines, before, age = form["lines"], form["before"], form["age_ms"]
        numbers = [value for value in (lines, before, age) if value is not None]
        if lines is None or not all(isinstance(value, int) and value >= 0 for value in numbers):
            raise ValueError
        want = Wanted(min(lines, MOST_LINES), str(form["group"]), str(form["node"]), str(form["level"]))
        if want.level not in _RANK:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise UsageError("this is no question about a history") from None
    return (want if age is None else Wanted(want.lines, want.group, want.node, want.level, age * MILLISECOND)), before


def read_page(text: str) -> tuple[int, list[dict[str, Any]], int | None]:
    """(the other's wall clock in nanoseconds, entries newest first, what to ask for next). Raises ValueError."""
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), 1 << 20)
        form = json.loads(data)
        now, entries, before = form["now"], form["entries"], form["before"]
    except (binascii.Error, zlib.error, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None
    entries = [item for item in entries if isinstance(item, dict) and isinstance(item.get("text"), str)]
    if not isinstance(now, int) or not (before is None or isinstance(before, int)):
        raise ValueError("not a page")
    return now, entries, before
