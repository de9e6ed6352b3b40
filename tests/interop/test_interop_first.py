"""Our daemon is there first, or at the same time; stops and losses of power of either machine, and their returns."""

from __future__ import annotations

import signal

import pytest
from old_hands import asking, outage, rejoin_new, rejoin_old
from old_world import Pair, beside_heartbeat, never_two, rest, until

from understudy.lab import kernel


def nothing_was_lost(pair: Pair, start: int, who: str) -> None:
    rest(1)
    seen = never_two(pair, start)
    assert (seen.before, seen.after, seen.lost) == (who, who, 0)


@pytest.mark.long
@beside_heartbeat(failback="off", deadtime="2")
def test_ours_is_first_and_the_old_one_comes_and_goes(pair: Pair) -> None:
    pair.start_new("ha02")
    until("ours serves alone", lambda: pair.serves() == "ha02")
    start = kernel.now()
    rejoin_old(pair, "ha01")
    rest(1)
    nothing_was_lost(pair, start, "ha02")
    pair.stop_old("ha01")
    until("ours has heard it go", lambda: any("shutdown notice" in text for text in pair.texts_told("ha02")))
    rest(1)
    nothing_was_lost(pair, start, "ha02")
    rejoin_old(pair, "ha01")
    nothing_was_lost(pair, start, "ha02")
    asking(pair, "ha01", "hb_takeover", lambda: pair.serves() == "ha01")
    until("and all is said", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    pair.texts_told("ha02")
    asked = kernel.now()
    pair.stop_old("ha01")
    until("ours serves", lambda: pair.serves() == "ha02")
    outage(pair, asked, "the old one stops gracefully")
    told = pair.texts_told("ha02")
    assert any("ha01 has released everything and stopped" in text for text in told), "no dead time had to pass"
    never_two(pair, start)


@beside_heartbeat(failback="on", deadtime="2")
def test_both_start_at_once_and_ours_gets_its_group_back(pair: Pair) -> None:
    """Ours is the machine that haresources names."""
    pair.start_old("ha02")
    pair.start_new("ha01")
    until("ours serves what is its own", lambda: pair.serves() == "ha01")
    start = kernel.now()
    until("and all is said", lambda: pair.settled("ha01"))
    nothing_was_lost(pair, start, "ha01")
    rest(5)  # so long both announce two more seconds of dead time
    off = pair.power_off("ha01")
    until("the old one serves", lambda: pair.serves() == "ha02")
    outage(pair, off, "our machine loses its power, deadtime 2")
    pair.power_on("ha01")
    back = kernel.now()
    pair.start_new("ha01")
    until("ours has it back", lambda: pair.serves() == "ha01")
    until("and all is said", lambda: pair.holder("ha01") == "ha01" and pair.settled("ha01"))
    outage(pair, back, "auto_failback on: the old one hands over to ours")
    asked = kernel.now()
    pair.ours["ha01"].signal("supervisor", signal.SIGTERM)
    until("the old one serves", lambda: pair.serves() == "ha02")
    until("ours has ended", lambda: not pair.ours["ha01"].processes())
    outage(pair, asked, "ours stops gracefully")
    rejoin_new(pair, "ha01")
    until("and has it back again", lambda: pair.serves() == "ha01")
    rest(1)
    never_two(pair, start)
