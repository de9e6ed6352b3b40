"""The answer to ``GET /v1/status``: the pulse's snapshot, and what only the manager knows. A plain function of its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..logline import wall_text
from ..units import MILLISECOND, Duration


def status_answer(
    snapshot: dict[str, Any], taken_at: int, now: int, pulse: str, warnings: Sequence[str], stale: bool
) -> dict[str, Any]:
    """``taken_at`` and ``now`` are wall-clock nanoseconds; ``pulse`` is "answers", "silent" or "away".

    ``stale_ms`` is how old the snapshot is, or null when it was made for this request.
    """
    return {
        **snapshot,
        "at": wall_text(taken_at),
        "stale_ms": round((now - taken_at) / MILLISECOND, 3) if stale else None,
        "pulse": pulse,
        "groups": [_dated(group, taken_at) for group in snapshot.get("groups", ())],
        "virtual_routers": [_dated(router, taken_at) for router in snapshot.get("virtual_routers", ())],
        "warnings": [*warnings, *snapshot.get("warnings", ())],
    }


def _dated(item: dict[str, Any], taken_at: int) -> dict[str, Any]:
    """With the wall clock's reading at which its span began."""
    spent = item.get("for_ms")
    return {**item, "since": None if spent is None else wall_text(taken_at - int(spent * MILLISECOND))}


def silence_warning(pulse: str, trouble: str, age: Duration | None) -> str:
    """One sentence on a pulse that does not answer. ``age`` is that of the last snapshot, None when there never was one."""
    if pulse == "away":
        text = (
            f"the pulse is not running ({trouble}): this node serves nothing by its own right until it is started again"
        )
    else:
        text = "the pulse does not answer: it may be frozen or overloaded, and its leases end by themselves"
    if age is None:
        return text
    return f"{text}; what is shown here is {age / MILLISECOND / 1000:.1f} s old"
