"""All processes of one side die, and its machine lives on: the address of ours goes with them, that of the old program stays."""

from __future__ import annotations

from old_hands import asking, kill_old, kill_ours, outage, rejoin_new, rejoin_old
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

from understudy.lab import kernel


@beside_heartbeat(failback="off", deadtime="2")
def test_deaths_of_all_processes_on_either_side(pair: Pair) -> None:
    start = joined(pair)
    asking(pair, "ha01", "hb_standby", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
    died = kernel.now()
    kill_ours(pair, "ha02")
    until("the old one serves", lambda: pair.serves() == "ha01")
    outage(pair, died, "all our processes die, deadtime 2")
    never_two(pair, died)
    back = kernel.now()
    rejoin_new(pair, "ha02")
    assert pair.serves() == "ha01"
    assert never_two(pair, back).lost == 0
    died = kernel.now()
    kill_old(pair, "ha01")
    until("ours has found it dead", lambda: pair.status("ha02")["nodes"][1]["state"] == "lost")
    until("and asked for the address", lambda: any("not taken over" in text for text in pair.texts_told("ha02")))
    rest(3)
    seen = never_two(pair, died)
    assert (seen.before, seen.after, seen.lost) == ("ha01", "ha01", 0), "the dead program's address is still there"
    rejoin_old(pair, "ha01")
    rest(1)
    seen = never_two(pair, start)
    assert pair.serves() == "ha01"
    assert never_two(pair, died).lost == 0
    kill_old(pair, "ha01")
    off = pair.power_off("ha01")
    until("now ours serves", lambda: pair.serves() == "ha02")
    outage(pair, off, "the old machine loses its power after its processes, deadtime 2")
    never_two(pair, start)
