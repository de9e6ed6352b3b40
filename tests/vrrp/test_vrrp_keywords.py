"""keepalived's keywords that change how a virtual router behaves towards others, and AH's sequence numbers."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from vrrp_parts import VIP, Segment, address, pair, router

from understudy.events import AdminRequest, LeaseRefused, Started
from understudy.units import MILLISECOND, SECOND
from understudy.vrrp import AdvertHeard, Advertisement, AnnounceSource, AuthType, SendAdvert
from understudy.vrrp_files import UnicastPeer

ADVERT = Advertisement(2, 51, 100, (VIP,))
BELOW = "192.0.2.5"


def alone(priority: int = 100, seconds: int = 5, **changes: Any) -> Segment:
    found = Segment()
    found.add("a", "192.0.2.11", replace(router(priority=priority), **changes))
    found.start()
    found.run(seconds * SECOND)
    return found


def test_lower_prio_no_advert() -> None:
    segment = alone(lower_no_advert=True)
    before = segment.now
    segment.hear("a", replace(ADVERT, priority=50), BELOW)
    assert not segment.sent("a", before)
    assert segment.states("a")[-1] == "MASTER_RX_LOWER_PRI"
    segment.run(10 * MILLISECOND)
    assert any(at >= before for at, _ in segment.hosts["a"].announced), "the addresses are announced again all the same"


def test_the_loser_has_a_last_word_that_a_keepalived_answers_with_announcements() -> None:
    """``higher_prio_send_advert``; without it as well, but not in strict mode, where the RFC counts."""
    for strict, keyword, words in ((False, False, 1), (False, True, 1), (True, False, 0), (True, True, 1)):
        segment = alone(strict=strict, higher_send_advert=keyword)
        before = segment.now
        segment.hear("a", replace(ADVERT, priority=200), BELOW)
        assert [priority for _, priority in segment.sent("a", before)] == [100] * words
        assert segment.state("a") == "BACKUP"


def test_unicast_announces_its_own_source() -> None:
    segment = alone(peers=(UnicastPeer("192.0.2.12"),))
    assert any(isinstance(effect, AnnounceSource) for _, effect in segment.hosts["a"].effects)
    segment = alone()
    assert not any(isinstance(effect, AnnounceSource) for _, effect in segment.hosts["a"].effects)


def test_down_timer_adverts() -> None:
    segment = alone(seconds=0, down_adverts=10)
    segment.run(10 * SECOND + 600 * MILLISECOND)
    assert segment.state("a") == "BACKUP"
    segment.run(10 * MILLISECOND)
    assert segment.state("a") == "MASTER"


def test_nopreempt_honours_the_lower_one_also_after_its_own_priority_rises() -> None:
    segment = pair(100, 150, start=False, preempt=False)
    segment.start("a")
    segment.run(5 * SECOND)
    segment.start("b")
    segment.run(20 * SECOND)
    assert segment.masters() == "a"
    segment.stop("a")
    segment.run(5 * MILLISECOND)
    assert segment.masters() == "b"


def test_equal_priorities_do_not_preempt_and_of_two_masters_the_higher_address_stays() -> None:
    segment = pair(100, 100, start=False)
    segment.start("a")
    segment.run(5 * SECOND)
    segment.start("b")
    segment.run(10 * SECOND)
    assert segment.masters() == "a"
    segment.part("a", "b")
    segment.run(5 * SECOND)
    assert segment.masters() == "a+b"
    segment.join()
    segment.run(2 * SECOND)
    assert segment.masters() == "b"


def test_addresses_are_compared_as_numbers() -> None:
    """192.0.2.9 is lower than 192.0.2.11, and so is fe80::9%eth0 than fe80::11."""
    for source, stays in (("192.0.2.9", True), ("192.0.2.100", False)):
        segment = alone()
        segment.hear("a", ADVERT, source)
        assert (segment.state("a") == "MASTER") == stays
    v6 = {"family": 6, "version": 3, "addresses": (address("fe80::100"), address("2001:db8::100"))}
    for source, stays in (("fe80::9%eth0", True), ("fe80::1000%eth0", False)):
        segment = Segment()
        segment.add("a", "fe80::11", replace(router(), **v6))
        segment.start()
        segment.run(5 * SECOND)
        segment.hear("a", Advertisement(3, 51, 100, ("fe80::100", "2001:db8::100")), source)
        assert (segment.state("a") == "MASTER") == stays


# AH


def ah(segment: Segment, sequence: int, priority: int = 200, source: str = BELOW) -> None:
    advert = replace(ADVERT, priority=priority, auth=AuthType.AH)
    segment.tell("a", AdvertHeard("VI_1", advert, source, segment.now, sequence=sequence))


def test_what_is_played_back_does_not_keep_a_dead_master_alive() -> None:
    segment = alone(seconds=0, auth="AH")
    ah(segment, 7)
    for _ in range(4):
        segment.run(SECOND)
        ah(segment, 7)
        ah(segment, 6)
    assert dict(segment.hosts["a"].view("VI_1", segment.now).counters)["copies"] == 4
    assert any("plays it back" in text for text in segment.snapshot("a").warnings)
    assert segment.state("a") == "MASTER"
    assert any("plays it back" in note for note in segment.hosts["a"].notes)


def test_a_new_master_goes_on_above_what_it_has_heard() -> None:
    segment = alone(seconds=0, auth="AH")
    ah(segment, 1000)
    segment.run(5 * SECOND)
    sent = [effect for _, effect in segment.hosts["a"].effects if isinstance(effect, SendAdvert)]
    assert [effect.sequence for effect in sent] == [1001, 0]
    ah(segment, 5000, priority=50)
    sent = [effect for _, effect in segment.hosts["a"].effects if isinstance(effect, SendAdvert)]
    assert sent[-1].sequence == 5001, "or the other one would take ours for played back"


# The rest


def test_the_whole_core_can_be_written_down_and_goes_on_from_there() -> None:
    """The recorder of a daemon does so."""
    segment = pair()
    host = segment.hosts["a"]
    host.node = pickle.loads(pickle.dumps(segment.node("a"), 5))
    segment.run(10 * SECOND)
    assert segment.masters() == "a"
    segment.stop("a")
    segment.run(SECOND)
    assert host.quit_at is not None


def test_requests_are_answered_and_refusals_of_the_kernel_noted() -> None:
    segment = alone()
    node = segment.node("a")
    (reply,) = node.handle(AdminRequest(7, "move", "VI_1", "b", "root"), segment.now)
    assert (getattr(reply, "op", 0), getattr(reply, "ok", True)) == (7, False)
    (note,) = node.handle(LeaseRefused("VI_1", "no nftables"), segment.now)
    assert "no nftables" in str(note)


def test_nothing_is_right_before_the_start() -> None:
    segment = Segment()
    segment.add("a", "192.0.2.11", router())
    segment.start()
    with pytest.raises(Exception, match="twice"):
        segment.node("a").handle(Started(2, 2, 2), segment.now)


def test_the_snapshot_says_why() -> None:
    segment = pair()
    one, other = segment.hosts["a"].view("VI_1", segment.now), segment.hosts["b"].view("VI_1", segment.now)
    assert (one.state, one.master, one.master_priority) == ("MASTER", "192.0.2.11", 150)
    assert (other.state, other.master, other.master_priority) == ("BACKUP", "192.0.2.11", 150)
    assert one.since == segment.now - segment.sent("a")[0][0]
    assert one.why == "no master was heard for 3.414s"
    assert dict(one.counters)["sent"] == len(segment.sent("a"))
    segment.crash("a")
    segment.run(10 * SECOND)
    assert segment.hosts["b"].view("VI_1", segment.now).why == "192.0.2.11 was not heard for 3.609s"
