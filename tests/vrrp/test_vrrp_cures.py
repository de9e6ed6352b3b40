"""What keepalived's users suffer from, and what is done about it here. Each is off only by a keyword that says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from vrrp_parts import START, VIP, Segment, address, after_the_next, pair, router

from understudy.core.vrrp import hearing
from understudy.events import AddressGone, RivalSeen, Stalled, TimerDue
from understudy.units import MILLISECOND, SECOND, Duration
from understudy.vrrp import AdvertRefused
from understudy.vrrp_files import UnicastPeer


def three(**changes: Any) -> Segment:
    """``a`` (200) is master; ``b`` (150) and ``c`` (100) listen."""
    found = Segment()
    for number, (name, priority) in enumerate((("a", 200), ("b", 150), ("c", 100))):
        found.add(name, f"192.0.2.{11 + number}", replace(router(priority=priority), **changes))
    found.start()
    found.run(5 * SECOND)
    assert found.masters() == "a"
    return found


def announced(segment: Segment, name: str, since: int, span: Duration) -> int:
    return sum(since <= at < since + span for at, _ in segment.hosts[name].announced)


# A goodbye


@pytest.mark.parametrize(
    ("changes", "within"),
    [
        ({"peers": (UnicastPeer("192.0.2.1"),)}, MILLISECOND),
        ({}, hearing.STAGGER),
        ({"version": 3, "interval": 10 * MILLISECOND}, hearing.STAGGER),
        ({"strict": True}, SECOND),
    ],
)
def test_a_goodbye_is_answered_at_once(changes: dict[str, Any], within: Duration) -> None:
    """By multicast there may be a router that nobody has heard: the best one goes first, within milliseconds."""
    segment = pair(**changes)
    before = segment.now
    segment.stop("a")
    segment.run(SECOND)
    assert segment.masters() == "b"
    assert segment.sent("b")[0][0] - before < within


def test_a_backup_that_was_late_itself_listens_for_one_more_interval_and_not_for_master_down() -> None:
    interval = 10 * MILLISECOND
    segment = pair(version=3, interval=interval)
    segment.crash("a")
    segment.run(interval)
    segment.tell("b", Stalled(15 * MILLISECOND))
    segment.run(2 * interval)
    before = segment.now
    segment.tell("b", Stalled(15 * MILLISECOND))
    assert segment.run_until(lambda: segment.state("b") == "MASTER", SECOND)
    assert interval <= segment.now - before <= 2 * interval


def test_of_two_backups_that_have_never_heard_each_other_one_answers() -> None:
    segment = three()
    segment.stop("a")
    segment.run(SECOND)
    assert segment.masters() == "b"
    assert segment.states("c") == ["BACKUP"]
    assert not segment.sent("c")


def test_of_two_backups_only_the_best_known_goes_at_once() -> None:
    segment = three()
    segment.stop("b")
    segment.start("b")
    segment.run(5 * SECOND)
    segment.hear("c", segment.hosts["a"].sent[0][2], "192.0.2.11")
    # Both have heard each other once: b was master for a while, and so was c.
    for name in ("b", "c"):
        for other, source in (("b", "192.0.2.12"), ("c", "192.0.2.13")):
            if name != other:
                priority = segment.hosts[other].files.routers[0].priority
                advert = replace(segment.hosts["a"].sent[0][2], priority=priority)
                segment.node(name).by_name["VI_1"].others.clear()
                segment.hear(name, advert, source)
    segment.run(SECOND)
    before = segment.now
    segment.stop("a")
    segment.run(2 * SECOND)
    assert segment.masters() == "b"
    assert not segment.sent("c", before), "the worse one kept its skew, and so it said nothing"


def test_a_better_one_that_does_not_go_costs_the_skew_once() -> None:
    segment = three()
    advert = replace(segment.hosts["a"].sent[0][2], priority=150)
    segment.hear("c", advert, "192.0.2.12")
    segment.crash("b")
    segment.run(SECOND)
    before = segment.now
    segment.stop("a")
    segment.run(600 * MILLISECOND)
    assert segment.masters() == ""
    segment.run(20 * MILLISECOND)
    assert segment.masters() == "c"
    assert segment.sent("c", before)[0][0] - before > 600 * MILLISECOND
    assert "192.0.2.12" not in segment.node("c").by_name["VI_1"].others


def test_the_goodbye_of_another_one_is_not_the_master_s() -> None:
    """RFC 9568 would start Skew_Time, which ends before the master's next advertisement."""
    segment = three()
    advert = replace(segment.hosts["a"].sent[0][2], priority=0)
    after_the_next(segment, "a")
    segment.hear("c", advert, "192.0.2.12")
    segment.run(5 * SECOND)
    assert segment.masters() == "a"
    assert not segment.sent("c")


def test_a_lost_goodbye_has_a_copy() -> None:
    segment = pair()
    before = segment.now
    segment.stop("a")
    assert [priority for _, priority in segment.sent("a", before)] == [0, 0]


# Contests


@pytest.mark.parametrize("first", ["winner", "loser"])
def test_after_a_contest_the_winner_announces_again_and_the_loser_does_not(first: str) -> None:
    """A split heals; who hears whom first is chance. The loser's last advertisement tells a winner that has heard nothing."""
    segment = pair()
    segment.part("a", "b")
    segment.run(8 * SECOND)
    assert segment.masters() == "a+b"
    after_the_next(segment, "a" if first == "winner" else "b")
    segment.join()
    before = segment.now
    assert segment.run_until(lambda: segment.masters() == "a", 2 * SECOND)
    healed = segment.now
    segment.run(SECOND)
    assert announced(segment, "a", before, healed - before + SECOND) >= 5
    assert not [at for at, _ in segment.hosts["b"].announced if at > healed]
    segment.run(10 * SECOND)
    assert segment.masters() == "a"


def test_a_better_router_asserts_itself_twice() -> None:
    """If the first advertisement of a take-over is lost, two serve until the next; that is not a whole interval."""
    segment = pair(100, 150, start=False)
    segment.start("a")
    segment.run(5 * SECOND)
    segment.start("b")
    segment.cut.add(("b", "a"))
    assert segment.run_until(lambda: segment.state("b") == "MASTER", 5 * SECOND)
    segment.run(10 * MILLISECOND)
    assert segment.masters() == "a+b"
    segment.join()
    segment.run(11 * MILLISECOND)
    assert segment.masters() == "b"


def test_a_rival_is_named_with_mac_and_address() -> None:
    segment = pair()
    advert = segment.hosts["a"].sent[0][2]
    segment.hear("a", replace(advert, priority=50), "192.0.2.77", "02:00:00:00:00:77")
    segment.tell("a", RivalSeen(VIP, "eth0", "02:00:00:00:00:99"))
    segment.tell("b", AdvertRefused("VI_1", "its password is wrong", "192.0.2.78", segment.now, "02:00:00:00:00:78"))
    notes = "\n".join(segment.hosts["a"].notes + segment.hosts["b"].notes)
    assert "192.0.2.77 (02:00:00:00:00:77)" in notes
    assert "02:00:00:00:00:99 on eth0 claims 192.0.2.100" in notes
    assert "192.0.2.78 (02:00:00:00:00:78) was not taken: its password is wrong" in notes
    count = len(segment.hosts["a"].notes)
    for _ in range(10):
        segment.run(SECOND)
        segment.hear("a", replace(advert, priority=50), "192.0.2.77", "02:00:00:00:00:77")
    assert len(segment.hosts["a"].notes) == count, "once, and then seldom"


def test_two_masters_that_refuse_each_other_are_named_as_long_as_we_are_one() -> None:
    """A keepalived with another password falls silent as soon as it hears us, and goes on serving."""
    segment = pair()
    segment.run(SECOND)

    def warnings() -> list[str]:
        node = segment.hosts["a"].node
        assert node is not None
        return list(node.snapshot(segment.now).warnings)

    def refuse() -> None:
        why, mac = "its password is wrong", "02:00:00:00:00:78"
        segment.tell("a", AdvertRefused("VI_1", why, "192.0.2.78", segment.now, mac, "password"))

    refuse()
    refuse()
    segment.run(10 * 60 * SECOND)
    (text,) = warnings()
    assert text.startswith("VI_1: an advertisement for VRID 51 from 192.0.2.78 (02:00:00:00:00:78) was not taken")
    assert "so both may be master: make auth_pass the same on both" in text
    assert text.endswith("(last 10m ago, 2 times)")
    assert segment.hosts["a"].view("VI_1", segment.now).refused in text
    advert = segment.hosts["a"].sent[0][2]
    segment.hear("a", replace(advert, priority=50), "192.0.2.78", "02:00:00:00:00:78")
    assert warnings() == []
    refuse()
    segment.hear("a", replace(advert, priority=254), "192.0.2.79", "02:00:00:00:00:79")
    segment.run(100 * MILLISECOND)
    assert len(warnings()) == 1
    for _ in range(65):
        segment.hear("a", replace(advert, priority=254), "192.0.2.79", "02:00:00:00:00:79")
        segment.run(SECOND)
    assert warnings() == [], "another one is master, and it is long ago"


def test_who_claims_an_address_is_a_warning_for_a_while() -> None:
    segment = pair()
    segment.run(SECOND)
    node = segment.hosts["a"].node
    assert node is not None
    segment.tell("a", RivalSeen(VIP, "eth0", "02:00:00:00:00:99"))
    segment.run(5 * SECOND)
    (text,) = node.snapshot(segment.now).warnings
    assert "02:00:00:00:00:99 on eth0 claims 192.0.2.100" in text
    assert text.endswith("(last 5s ago)")
    segment.run(60 * SECOND)
    assert node.snapshot(segment.now).warnings == ()


# Being late


def test_a_router_that_was_late_dethrones_nobody() -> None:
    segment = pair()
    segment.freeze("b", 10 * SECOND)
    segment.run(9900 * MILLISECOND)
    segment.hosts["b"].waiting.clear()  # even if nothing was kept for it
    segment.run(SECOND)
    assert segment.masters() == "a"
    assert not segment.sent("b")


def test_late_by_itself_is_noticed_without_being_told() -> None:
    """The loop may not have called it a stall: Master_Down ended more than an interval ago, and only now is it looked at."""
    segment = pair()
    segment.stall_limit = 100 * SECOND
    segment.freeze("b", 10 * SECOND)
    segment.run(9900 * MILLISECOND)
    segment.hosts["b"].waiting.clear()
    segment.run(SECOND)
    assert not segment.sent("b")


def test_being_late_is_no_excuse_for_ever() -> None:
    """A starved machine takes over from a dead one in the end: the sockets were drained each time."""
    segment = pair()
    segment.crash("a")
    for _ in range(12):
        segment.run(3 * SECOND)
        segment.tell("b", Stalled(100 * MILLISECOND))
        segment.tell("b", TimerDue())
    assert segment.masters() == "b"


def test_a_master_that_slept_listens_first_and_dethrones_no_healthy_one() -> None:
    segment = pair()
    segment.freeze("a", 10 * SECOND)
    segment.run(10 * SECOND)
    woke = segment.now
    segment.run(SECOND)
    assert segment.masters() == "b"
    assert segment.state("a") == "BACKUP"
    segment.run(5 * SECOND)
    assert segment.masters() == "a"
    assert segment.sent("a", woke)[0][0] - woke >= 3 * SECOND, "no sooner than a router that starts"


def test_a_master_that_slept_alone_serves_again_after_listening() -> None:
    segment = pair()
    segment.crash("b")
    segment.freeze("a", 4 * SECOND)
    segment.run(4 * SECOND + 10 * MILLISECOND)
    assert segment.masters() == ""
    segment.run(1500 * MILLISECOND)
    assert segment.masters() == "a"


def test_a_master_that_slept_does_not_take_the_pause_of_a_slower_one_for_silence() -> None:
    """In version 3 each router has an interval of its own, and what came while this one slept may be lost."""
    segment = Segment()
    segment.add("a", "192.0.2.11", router(priority=100, version=3, preempt=False))
    segment.add("b", "192.0.2.12", router(priority=90, version=3, interval=2500 * MILLISECOND, preempt=False))
    segment.start("a")
    segment.run(6 * SECOND)
    segment.start("b")
    segment.run(5 * SECOND)
    segment.freeze("a", 60 * SECOND)
    segment.run(8 * SECOND)
    assert segment.masters() == "b"
    after_the_next(segment, "b")
    segment.hosts["a"].waiting.clear()
    segment.hosts["a"].frozen_until = 0
    segment.tell("a", Stalled(9 * SECOND))
    woke = segment.now
    segment.run(10 * SECOND)
    assert segment.masters() == "b"
    assert not segment.sent("a", woke)


# Addresses


def test_an_address_that_was_deleted_is_put_back_at_once_without_an_election() -> None:
    segment = pair()
    segment.run(5 * SECOND)
    host = segment.hosts["a"]
    host.addresses.discard(VIP)
    before, told = segment.now, len(host.told)
    segment.tell("a", AddressGone(VIP))
    assert VIP in host.addresses
    segment.run(SECOND)
    assert announced(segment, "a", before, SECOND) >= 3
    assert len(host.told) == told
    assert segment.masters() == "a"


def test_an_address_that_is_not_tracked_is_left_alone() -> None:
    segment = pair(addresses=(address(tracked=False),))
    segment.hosts["a"].addresses.discard(VIP)
    segment.tell("a", AddressGone(VIP))
    assert VIP not in segment.hosts["a"].addresses


def test_startup_delay_holds_the_down_timer_at_the_start_only() -> None:
    segment = pair(start=False, startup_delay=10 * SECOND)
    segment.start("a")
    segment.run_until(lambda: segment.masters() == "a", 60 * SECOND)
    assert segment.now - START >= 13 * SECOND
    assert segment.now - START < 14 * SECOND


def test_startup_delay_holds_an_owner_and_the_answer_to_a_goodbye() -> None:
    segment = Segment()
    segment.add("a", "192.0.2.11", router(priority=255, begins_as_master=True, startup_delay=60 * SECOND))
    segment.add("b", "192.0.2.12", router(priority=100, startup_delay=60 * SECOND))
    segment.start()
    segment.run(2 * SECOND)
    segment.hear("b", replace(segment.node("b").by_name["VI_1"].advert(0), priority=0), "192.0.2.13")
    segment.run(57 * SECOND)
    assert segment.masters() == ""
    segment.run(6 * SECOND)
    assert segment.masters() == "a"


def test_a_goodbye_is_not_answered_before_an_interval_was_listened_to() -> None:
    """A router that has just started hears the loser of a contest leave; the winner speaks only every second."""
    segment = three()
    segment.stop("c")
    segment.run(SECOND)
    after_the_next(segment, "a")
    segment.start("c")
    segment.run(10 * MILLISECOND)
    before = segment.now
    segment.hear("c", replace(segment.hosts["a"].sent[0][2], priority=0), "192.0.2.12")
    segment.run(5 * SECOND)
    assert not segment.sent("c", before)
    segment.crash("a")
    segment.crash("b")
    segment.stop("c")
    segment.run(SECOND)
    segment.start("c")
    segment.hear("c", replace(segment.hosts["a"].sent[0][2], priority=0), "192.0.2.12")
    segment.run(1700 * MILLISECOND)
    assert segment.masters() == "c", "and after that it is answered"
