"""One machine after the other: old and old, new and old, new and new."""

from __future__ import annotations

from old_world import Pair, beside_heartbeat, never_two, rest, until

from understudy.lab import kernel
from understudy.units import MILLISECOND, SECOND


@beside_heartbeat()
def test_from_two_old_ones_to_two_of_ours(pair: Pair) -> None:
    """Each hand-over is the old program's graceful stop; joining costs nothing, and never do two serve."""
    pair.start_old("ha01")
    until("the first serves", lambda: pair.serves() == "ha01", 40)
    pair.start_old("ha02")
    start = kernel.now()
    known = "remote resource transition completed"
    until("the second has joined", lambda: known in pair.old_log("ha02"), 60)
    pair.stop_old("ha02")
    joining = kernel.now()
    pair.start_new("ha02")
    until("ours has joined", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"), 60)
    assert pair.stage.watchers.seen(joining, kernel.now()).lost == 0
    pair.stop_old("ha01")
    until("ours serves", lambda: pair.serves() == "ha02")
    joining = kernel.now()
    pair.start_new("ha01")
    until("both are ours", lambda: pair.holder("ha01") == "ha02" and pair.settled("ha01"), 60)
    until("and know it", lambda: any("both nodes run" in text for text in pair.status("ha02")["warnings"]))
    rest(2)
    assert pair.stage.watchers.seen(joining, kernel.now() - 50 * MILLISECOND).lost == 0
    off = pair.power_off("ha02")
    until("the other serves", lambda: pair.serves() == "ha01")
    rest(0.5)
    never_two(pair, start)
    gap = never_two(pair, off).address
    assert gap is not None
    assert gap.length <= SECOND + SECOND // 2, f"{gap.length / MILLISECOND:.0f} ms"
