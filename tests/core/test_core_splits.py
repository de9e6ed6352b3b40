"""Two machines of a pair that both held a group: who gives way, and that both say so."""

from __future__ import annotations

from core_parts import DEAD, Core, address, cluster, group, messages, notes, program

from understudy.messages import Answer, Ask, Hold
from understudy.model import Quorum, Resource
from understudy.units import MINUTE, SECOND


def serving(*resources: Resource) -> Core:
    """ha01, which holds the group, alone."""
    core = Core(cluster(group("site", *resources), quorum=Quorum.PAIR, witnesses=()))
    core.settle("ha02")
    core.serve(10 * DEAD)
    assert core.node.steward.claims.held("site") is not None
    return core


def test_who_gives_way_tells_the_other_and_both_remember_it_for_a_day() -> None:
    core = serving(address(100), program("db"))
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    found = core.beat_of("ha02", holds=(Hold("site", claim.ballot + 256),))
    (ask,) = messages(Ask, found)
    assert (ask.to, ask.verb, ask.group, ask.target) == ("ha02", "split", "site", "ha01")
    said = "site was on ha02 and ha01 at once for"
    assert said in notes(found)
    assert "Compare their data" in notes(found)
    core.now += 24 * 60 * MINUTE - 5 * SECOND  # it stood still: a day of heartbeats would say no more
    core.pass_time(3 * SECOND, "ha02")
    assert any(said in text for text in core.node.snapshot(core.now).warnings)
    core.pass_time(2 * SECOND, "ha02")
    assert not any(said in text for text in core.node.snapshot(core.now).warnings)


def test_who_goes_on_hears_of_a_split_by_word_once_and_by_seeing_one_that_does_not_hear_it() -> None:
    core = serving(address(100))
    claim = core.node.steward.claims.held("site")
    assert claim is not None
    said = "site was on ha01 and ha02 at once for"
    found = core.beat_of("ha02")
    for number in (5, 6):
        found += core.hear(Ask("ha02", "ha01", number, "split", "site", "ha02", "ha02"))
    assert notes(found).count(said) == 1
    assert "Compare" not in notes(found), "an address has no data"
    assert messages(Answer, found)[-1].ok
    core.node.steward.charges["site"].split = None
    lower = (Hold("site", (claim.ballot >> 8) - 1 << 8 | 1),)
    assert said not in notes(core.beat_of("ha02", holds=lower)), "it may not have heard of us yet"
    core.words["ha02"] = {"holds": lower}
    assert said in notes(core.pass_time(2 * DEAD, "ha02"))
