"""hb_standby and hb_takeover with all their words, by our tools on our side and by Debian's on the other."""

from __future__ import annotations

from old_hands import addresses, asking, install_tools
from old_world import Pair, beside_heartbeat, never_two, rest, until
from test_interop_join import joined

from understudy.lab.trial import ADDRESS

SECOND_ADDRESS = "192.168.58.150"
MUTUAL = f"ha01 {ADDRESS}\nha02 {SECOND_ADDRESS}\n"
"""Two groups, each at home on another machine."""

# Who calls what, and where the groups of ha01 and ha02 are then; before the first, all are on the old machine, ha01.
WISHES = (
    ("ha02", "hb_takeover local", "ha01", "ha02"),
    ("ha02", "hb_takeover foreign", "ha02", "ha02"),
    ("ha02", "hb_standby failback", "ha01", "ha02"),
    ("ha02", "hb_standby local", "ha01", "ha01"),
    ("ha02", "hb_takeover", "ha02", "ha02"),
    ("ha02", "hb_standby all", "ha01", "ha01"),
    ("ha01", "hb_standby foreign", "ha01", "ha02"),
    ("ha01", "hb_standby local", "ha02", "ha02"),
    ("ha01", "hb_takeover local", "ha01", "ha02"),
    ("ha01", "hb_takeover foreign", "ha01", "ha01"),
    ("ha01", "hb_standby", "ha02", "ha02"),
    ("ha01", "hb_takeover all", "ha01", "ha01"),
)


def where(pair: Pair) -> str:
    """Which machine has the second address; never both."""
    before, ours, after = (SECOND_ADDRESS in addresses(pair, name) for name in ("ha01", "ha02", "ha01"))
    assert not (before and ours and after), "two machines have the second address"
    return "ha02" if ours else "ha01" if before and after else ""


def wish(pair: Pair, name: str, words: str, first: str, second: str) -> None:
    """Until that is so, and all is said."""
    asking(pair, name, words, lambda: pair.serves() == first and where(pair) == second)
    until("and all is said", lambda: pair.settled("ha02"))


@beside_heartbeat(failback="off", resources=MUTUAL)
def test_standby_and_takeover_of_every_set_on_both_sides(pair: Pair) -> None:
    start = joined(pair)
    assert where(pair) == "ha01"
    install_tools(pair, "ha02")
    for name, words, first, second in WISHES:
        wish(pair, name, words, first, second)
    rest(1)
    never_two(pair, start)
