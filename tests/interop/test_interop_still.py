"""One side stands still for longer than its dead time, and wakes: it has heard nothing, and does not know what has happened."""

from __future__ import annotations

import signal

import pytest
from old_hands import asking, frozen_old, outage
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined, taken_over

from understudy.lab import kernel


def given_to_ours(pair: Pair) -> None:
    asking(pair, "ha01", "hb_standby", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))


@beside_heartbeat(failback="off")
def test_ours_stands_still(pair: Pair) -> None:
    """The kernel ends its right before the old one takes over; it wakes as one that has just started."""
    start = joined(pair)
    given_to_ours(pair)
    ours, still = pair.ours["ha02"], kernel.now()
    ours.signal("all", signal.SIGSTOP)
    until("the old one serves", lambda: pair.serves() == "ha01")
    ours.signal("all", signal.SIGCONT)
    until("ours knows it", lambda: pair.holder("ha02") == "ha01" and pair.settled("ha02"))
    outage(pair, still, "ours stands still, deadtime 1")
    never_two(pair, start)
    given_to_ours(pair)
    ours.signal("all", signal.SIGSTOP)
    rest(1)
    ours.signal("all", signal.SIGCONT)  # its right has just ended; the old one may have noticed it, or not
    until("somebody serves", lambda: one_serves(pair))
    outage(pair, still, "ours stands still for just its dead time")
    never_two(pair, start)


@pytest.mark.long
@beside_heartbeat(failback="off")
def test_ours_stands_still_alone(pair: Pair) -> None:
    """The other one is off: its right is over when it wakes, and comes back because nobody answers for the address."""
    start = taken_over(pair)
    ours, still = pair.ours["ha02"], kernel.now()
    pair.texts_told("ha02")
    ours.signal("all", signal.SIGSTOP)
    until("its right ends", lambda: pair.serves() == "")
    rest(2)
    assert pair.serves() == ""
    ours.signal("all", signal.SIGCONT)
    until("it serves again", lambda: pair.serves() == "ha02")
    outage(pair, still, "ours stands still for two seconds more than its dead time, alone")
    never_two(pair, start)
    assert any("nobody answers for what ha02 served" in text for text in pair.texts_told("ha02"))


@pytest.mark.long
@beside_heartbeat(failback="off")
def test_the_old_one_stands_still(pair: Pair) -> None:
    """While it serves its kernel answers. Awake, it goes on, or begins anew: then ours takes over at its ``shutdone``."""
    start = joined(pair)
    with frozen_old(pair, "ha01"):
        until("ours asks for the address", lambda: any("not taken over" in text for text in pair.texts_told("ha02")))
        rest(1)
        seen = never_two(pair, start)
        assert (seen.before, seen.after, seen.lost) == ("ha01", "ha01", 0)
        awake = kernel.now()
    until("ours hears it", lambda: pair.status("ha02")["nodes"][1]["state"] == "up")
    rest(4)  # so long an old one may take to begin anew
    until("one serves", lambda: one_serves(pair))
    outage(pair, awake, f"the old one stood still while it served, and woke; {pair.serves()} serves")
    never_two(pair, start)


@pytest.mark.long
@beside_heartbeat(failback="off")
def test_the_old_one_stands_still_while_ours_serves(pair: Pair) -> None:
    """An exception: when it wakes it may take everything before it hears that ours is there."""
    joined(pair)
    given_to_ours(pair)
    still = kernel.now()
    with frozen_old(pair, "ha01"):
        until("ours has found it dead", lambda: pair.status("ha02")["nodes"][1]["state"] == "lost")
        rest(1)
        never_two(pair, still)
        awake = kernel.now()
    until("ours hears it", lambda: pair.status("ha02")["nodes"][1]["state"] == "up")
    rest(4)
    until("one serves", lambda: one_serves(pair))
    end = kernel.now()
    rest(1)
    never_two(pair, end)
    two = len(pair.stage.watchers.two(awake, end))
    outage(pair, still, f"the old one stood still, ours served; awake, two serve for {two} ms, then {pair.serves()}")


def one_serves(pair: Pair) -> bool:
    """And ours knows it, and nothing is under way."""
    return pair.serves() != "" and pair.holder("ha02") == pair.serves() and pair.settled("ha02")
