"""The register of wishes as a text for the disk. Times that are left become a reading of the wall clock, and back.

The file is one line of JSON; what cannot be understood in it is left out, never an error: a machine must start with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..messages import Wish, WishKind
from ..units import MILLISECOND


def written(wishes: Iterable[Wish], wall_clock: int) -> str:
    """``wall_clock``: milliseconds since 1970, now."""
    found = [
        {
            "group": wish.group,
            "number": wish.number,
            "kind": wish.kind.value,
            "by": wish.by,
            "reason": wish.reason,
            "said_at_ms": wish.said_at,
            "span_ns": wish.span,
            "ends_at_ms": wall_clock + wish.left // MILLISECOND if wish.span else None,
        }
        for wish in wishes
    ]
    return json.dumps({"wishes": found}) + "\n"


def read(text: str, wall_clock: int) -> tuple[Wish, ...]:
    """Never raises."""
    try:
        items = json.loads(text)["wishes"]
        return tuple(wish for wish in (_wish(item, wall_clock) for item in items) if wish is not None)
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def _wish(item: Any, wall_clock: int) -> Wish | None:
    try:
        kind, span, ends_at = WishKind(item["kind"]), item["span_ns"], item["ends_at_ms"]
        texts = [item[name] for name in ("group", "by", "reason")]
        numbers = [item["number"], item["said_at_ms"], span, ends_at or 0]
        if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
            return None
        if not 0 <= numbers[0] < 1 << 64 or not all(abs(number) < 1 << 62 for number in numbers[1:]) or span < 0:
            return None
        left = min(max(0, numbers[3] - wall_clock) * MILLISECOND, span)
        return Wish(texts[0], numbers[0], kind, texts[1], texts[2], numbers[1], span, left, sure=False)
    except (ValueError, TypeError, KeyError):
        return None
