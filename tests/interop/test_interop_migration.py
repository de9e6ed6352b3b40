"""One machine after the other: old and old, new and old, new and new; and then the native protocol."""

from __future__ import annotations

from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_upgrade import ask, both_native, both_old

from understudy.lab import kernel
from understudy.units import MILLISECOND, SECOND


@beside_heartbeat()
def test_from_two_old_ones_to_the_native_protocol(pair: Pair) -> None:
    """The outages are the old program's stops; joining costs nothing, going over costs nothing, and never do two serve."""
    pair.start_old("ha01")
    until("the first serves", lambda: pair.serves() == "ha01")
    pair.start_old("ha02")
    start = kernel.now()
    known = "remote resource transition completed"
    until("the second has joined", lambda: known in pair.old_log("ha02"))
    pair.stop_old("ha02")
    joining = kernel.now()
    pair.start_new("ha02")
    until("ours has joined", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    assert pair.stage.watchers.seen(joining, kernel.now()).lost == 0
    pair.stop_old("ha01")
    until("ours serves", lambda: pair.serves() == "ha02")
    joining = kernel.now()
    pair.start_new("ha01")
    both_old(pair)
    assert pair.holder("ha01") == "ha02"
    rest(2)
    going = kernel.now()
    told = ask(pair, "ha01")
    assert told["ok"], told
    both_native(pair)
    rest(3)
    hand_over = pair.stage.watchers.seen(start, joining).address
    assert hand_over is not None
    joined, gone_over = (
        pair.stage.watchers.seen(*span) for span in ((joining, going), (going, kernel.now() - 50 * MILLISECOND))
    )
    assert (joined.lost, gone_over.lost) == (0, 0), "the last two steps cost nothing"
    asked = joined.asked + gone_over.asked
    print(f"outage: {hand_over.length / MILLISECOND:.0f} ms, the old program's stop; then {asked} questions, none lost")
    off = pair.power_off("ha02")
    until("the other serves", lambda: pair.serves() == "ha01")
    rest(0.5)
    never_two(pair, start)
    gap = never_two(pair, off).address
    assert gap is not None
    assert gap.length <= SECOND + SECOND // 2, f"{gap.length / MILLISECOND:.0f} ms"
