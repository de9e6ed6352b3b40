"""``auto_failback legacy``: nobody reports what he holds, and whoever starts asks for what is his."""

from __future__ import annotations

import signal

from old_hands import outage
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_wishes import MUTUAL, where

from understudy.lab import kernel


@beside_heartbeat(failback="legacy", resources=MUTUAL)
def test_legacy(pair: Pair) -> None:
    pair.start_old("ha01")
    until("the old one has both", lambda: pair.serves() == "ha01" and where(pair) == "ha01")
    start = kernel.now()
    pair.start_new("ha02")
    until("ours has asked for its own", lambda: where(pair) == "ha02")
    rest(1)
    assert pair.serves() == "ha01"
    assert never_two(pair, start).lost == 0
    off = pair.power_off("ha01")
    until("ours has both", lambda: pair.serves() == "ha02" and where(pair) == "ha02")
    outage(pair, off, "legacy: the old machine loses its power, deadtime 1")
    pair.power_on("ha01")
    back = kernel.now()
    pair.start_old("ha01")
    until("the old one has its own", lambda: pair.serves() == "ha01")
    assert where(pair) == "ha02"
    outage(pair, back, "legacy: the old one asks for its group")
    pair.ours["ha02"].signal("supervisor", signal.SIGTERM)
    until("the old one has both", lambda: where(pair) == "ha01")
    until("ours has ended", lambda: not pair.ours["ha02"].processes())
    pair.start_new("ha02")
    until("ours has its own", lambda: where(pair) == "ha02")
    asked = kernel.now()
    pair.stop_old("ha01")
    until("ours has both again", lambda: pair.serves() == "ha02" and where(pair) == "ha02")
    outage(pair, asked, "legacy: the old one stops gracefully")
    pair.start_old("ha01")
    until("the old one has its own", lambda: pair.serves() == "ha01")
    rest(1)
    pair.power_off("ha02")
    until("the old one has both", lambda: where(pair) == "ha01" and pair.serves() == "ha01")
    never_two(pair, start)
