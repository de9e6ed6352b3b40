"""Frames of others that claim our addresses: answered at once, and never for ever."""

from __future__ import annotations

from functools import partial

from vrrp_parts import VIP, Host, Segment, pair

from understudy.core.vrrp import announcing
from understudy.effects import Announce
from understudy.events import RivalSeen
from understudy.units import MILLISECOND, SECOND, Duration
from understudy.vrrp import RouterEffect
from understudy.vrrp_files import Announcing


def announced(segment: Segment, name: str, since: int, span: Duration) -> int:
    return sum(since <= at < since + span for at, _ in segment.hosts[name].announced)


def test_one_answer_to_many_claims() -> None:
    """Two machines that answer each other's announcements must not flood the network."""
    segment = pair()
    segment.run(5 * SECOND)
    before = segment.now
    for _ in range(100):
        segment.tell("a", RivalSeen(VIP, "eth0", "02:00:00:00:00:99"))
        segment.run(MILLISECOND)
    assert announced(segment, "a", before, 100 * MILLISECOND) <= 10
    segment.run(SECOND)
    assert announced(segment, "a", before, 2 * SECOND) >= 6


def test_two_masters_that_hear_only_each_other_s_frames_do_not_answer_for_ever() -> None:
    """The first answer at once, a second one when the rival goes on, then ever more seldom (RFC 5227 section 2.4)."""
    segment = pair(announcing=Announcing(repeat=1, delay=0))
    segment.part("a", "b")
    segment.run(20 * SECOND)
    assert segment.masters() == "a+b"
    macs = {"a": "02:00:00:00:00:0a", "b": "02:00:00:00:00:0b"}
    other = {"a": "b", "b": "a"}

    def heard(host: Host, effect: RouterEffect) -> None:
        if isinstance(effect, Announce):
            for item in effect.addresses:
                claim = partial(segment.tell, other[host.name], RivalSeen(item.address, "eth0", macs[host.name]))
                segment.at(segment.now + MILLISECOND // 10, claim)

    segment.taps.append(heard)
    before = segment.now
    segment.tell("a", RivalSeen(VIP, "eth0", macs["b"]))
    segment.run(60 * SECOND)
    for name in "ab":
        assert announced(segment, name, before, MILLISECOND) == 1, "the first answer is at once"
        assert announced(segment, name, before, 2 * SECOND) <= 8
        assert announced(segment, name, before + 20 * SECOND, 40 * SECOND) <= 12
        assert announced(segment, name, before + 20 * SECOND, 40 * SECOND) >= 3, "but it does not give up"


def test_a_rival_that_comes_back_later_is_answered_at_once_again() -> None:
    segment = pair()
    segment.run(20 * SECOND)
    for _ in range(3):
        before = segment.now
        segment.tell("a", RivalSeen(VIP, "eth0", "02:00:00:00:00:99"))
        segment.run(SECOND + MILLISECOND)
        assert announced(segment, "a", before, SECOND) >= 5
        segment.run(2 * announcing.MOST_CALM)


def test_garp_lower_prio_repeat_0_switches_it_off() -> None:
    quiet = Announcing(lower_repeat=0)
    segment = pair(announcing=quiet)
    segment.run(5 * SECOND)
    before = segment.now
    segment.tell("a", RivalSeen(VIP, "eth0", "02:00:00:00:00:99"))
    segment.run(SECOND)
    assert announced(segment, "a", before, SECOND) == 0
