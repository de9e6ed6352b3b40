"""Cut heartbeat cables, and cuts of everything between the two; what is where when they hear each other again.

Where the old program decides alone, and rightly, one machine serves throughout. It takes everything over when it hears nobody,
without asking the service network: then two serve until it has given up by itself. Both is measured here.
"""

from __future__ import annotations

from old_hands import KNOWN, addresses, asking, outage
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

from understudy.lab import kernel
from understudy.lab.trial import ADDRESS
from understudy.units import SECOND, Instant

CUT = "cut ha01 ha02 heartbeat"
CUT_ALL = "cut ha01 ha02 service"


def heal(pair: Pair, *cuts: str) -> Instant:
    """Join what was cut: the old program gives everything up and begins anew, ours serves, and then both know it."""
    before = pair.old_log("ha01").count(KNOWN)
    at = kernel.now()
    for cut in cuts:
        pair.stage.do(f"{cut} off")
    until("the old one serves no more", lambda: ADDRESS not in addresses(pair, "ha01"))
    until("ours serves", lambda: pair.serves() == "ha02")
    given = kernel.now()
    until("the old one is back", lambda: pair.old_log("ha01").count(KNOWN) > before)
    until("and ours knows it", lambda: pair.settled("ha02"))
    rest(1)
    never_two(pair, given)
    assert pair.serves() == "ha02"
    return at


def two_served(pair: Pair, cut: Instant, healed: Instant, what: str) -> None:
    """An exception: two have served, but not before a dead time had passed; when it ended, ``heal`` has looked at."""
    found = pair.stage.watchers.two(cut, kernel.now())
    assert found, "no exception any more: docs/heartbeat.md says otherwise"
    assert found[0] > cut + SECOND // 2
    after = max(0, found[-1] - healed) / SECOND
    print(f"FACT {what}: two for {(found[-1] - found[0]) / SECOND:.1f} s, of it after the heal {after:.1f} s")
    outage(pair, cut, f"{what}: cut and heal")


@beside_heartbeat(failback="off")
def test_the_old_one_serves_and_the_heartbeat_cable_is_cut(pair: Pair) -> None:
    """The old one decides rightly, and ours asks the network: one machine serves; the heal costs the old one's stop."""
    start = joined(pair)
    pair.stage.do(f"{CUT} on")
    until("ours has found it dead", lambda: pair.status("ha02")["nodes"][1]["state"] == "lost")
    until("and asked for the address", lambda: any("not taken over" in text for text in pair.texts_told("ha02")))
    until("and the old one ours", lambda: "node ha02: is dead" in pair.old_log("ha01"))
    rest(3)
    seen = never_two(pair, start)
    assert (seen.before, seen.after, seen.lost) == ("ha01", "ha01", 0)
    healed = heal(pair, CUT)
    outage(pair, healed, "the heartbeat cable was cut, the old one served: heal")
    never_two(pair, start)


@beside_heartbeat(failback="off")
def test_ours_serves_and_the_heartbeat_cable_is_cut(pair: Pair) -> None:
    """An exception: the old one takes what still answers. Two serve from its dead time on, until it gives up after the heal."""
    joined(pair)
    asking(pair, "ha01", "hb_standby", lambda: pair.serves() == "ha02")
    until("and all is said", lambda: pair.holder("ha02") == "ha02" and pair.settled("ha02"))
    pair.stage.do(f"{CUT} on")
    cut = kernel.now()
    until("the old one has taken it", lambda: ADDRESS in addresses(pair, "ha01"))
    rest(1)
    healed = heal(pair, CUT)
    two_served(pair, cut, healed, "the heartbeat cable was cut, ours served")


@beside_heartbeat(failback="off")
def test_everything_between_the_two_is_cut(pair: Pair) -> None:
    """An exception: without a third that could be asked both own it; ours keeps it when the old one gives up after the heal."""
    joined(pair)
    for what in (CUT, CUT_ALL):
        pair.stage.do(f"{what} on")
    cut = kernel.now()
    until("ours has it, too", lambda: pair.holder("ha02") == "ha02")
    rest(1)
    at = heal(pair, CUT_ALL, CUT)
    two_served(pair, cut, at, "everything between the two was cut")
